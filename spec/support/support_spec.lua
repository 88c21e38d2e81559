-- Runs once.

local certificates = require "spec.support.certificates"
local fixtures = require "spec.support.fixtures"
local frames = require "spec.support.frames"
local nginx = require "spec.support.nginx"
local pattern = require "spec.support.pattern"
local peer = require "support.peer"
local run_script = require("spec.support.script").run
local server = require "spec.support.server"
local system = require "support.system"

local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

local function listen(script, options)
  options = options or {}
  options.script = script
  return peer.listen(options)
end

describe("a scripted peer", function()
  local descriptors

  before_each(function() descriptors = peer.descriptors() end)
  after_each(function() assert.same(descriptors, peer.descriptors()) end)

  for _, family in ipairs { "inet", "unix" } do
    it("sends what its script says over " .. family, function()
      local p <close> = listen({ { { "expect", GET }, { "send", "hello" } } }, { family = family })
      local bytes, how = peer.request(p.port or p.path, GET)
      assert.equal("hello", bytes)
      assert.equal("end", how)
      assert.same({ GET }, p:received())
      assert.same({}, p:failures())
    end)
  end

  it("listens on the IPv6 loopback address", function()
    local p <close> = listen({ { { "close" } } }, { family = "inet6" })
    assert.equal(("http://[::1]:%d"):format(p.port), p.url)
  end)

  it("plays one list of steps for each connection in their order", function()
    local p <close> = listen { { { "send", "one" } }, { { "send", "two" } } }
    assert.equal("one", (peer.request(p.port, "")))
    assert.equal("two", (peer.request(p.port, "")))
    assert.equal("", (peer.request(p.port, "")))
    assert.same({ "connection 3: no script for it" }, p:failures())
    assert.equal(3, (p:connections()))
  end)

  it("repeats the last list with repeat_last", function()
    local script = { { { "send", "one" } }, { { "send", "more" } } }
    local p <close> = listen(script, { repeat_last = true })
    local got = {}
    for i = 1, 4 do got[i] = peer.request(p.port, "") end
    assert.same({ "one", "more", "more", "more" }, got)
  end)

  it("reports where the client deviated from the script", function()
    local p <close> = listen { { { "read", 1 }, { "expect", "GET /a" }, { "send", "x" } } }
    local bytes = peer.request(p.port, ".GET /b")
    assert.equal("", bytes)
    assert.same({ 'connection 1, step 2 (expect): byte 6: expected "a", got "b"' }, p:failures())
  end)

  it("reports a client that closes too early", function()
    local p <close> = listen { { { "expect_until", "\r\n\r\n" } } }
    peer.request(p.port, "GET", 0.01)
    assert.is_true(p:wait "idle")
    local expected = "connection 1, step 1 (expect_until): the client closed after 3 bytes"
    assert.same({ expected }, p:failures())
  end)

  it("splits bytes that arrived together", function()
    local p <close> = listen {
      {
        { "expect_until", "\n" }, { "send", "1" }, { "read", 2 }, { "send", "2" },
        { "expect", "yz" },
      },
    }
    assert.equal("12", (peer.request(p.port, "abc\nxxyz")))
    assert.same({ "abc\nxxyz" }, p:received())
    assert.same({}, p:failures())
  end)

  it("loops a number of times", function()
    local p <close> = listen {
      { { "expect", "a" }, { "send", "b" }, { "loop", 2 }, { "send", "c" } },
    }
    assert.equal("bbbc", (peer.request(p.port, "aaa")))
    assert.same({}, p:failures())
  end)

  it("lets a client leave between two rounds of an endless loop, and not within one", function()
    local script = { { { "expect", "ab" }, { "send", "c" }, { "loop" } } }
    local p <close> = listen(script, { repeat_last = true })
    assert.equal("cc", (peer.request(p.port, "abab", 0.05)))
    assert.is_true(p:wait "idle")
    assert.same({}, p:failures())
    assert.equal("cc", (peer.request(p.port, "ababa", 0.05)))
    assert.is_true(p:wait("idle", 2))
    assert.same({ "connection 2, step 1 (expect): the client closed after 1 bytes" }, p:failures())
  end)

  it("ends in order, with a reset, or not at all", function()
    local p <close> = listen {
      { { "read", 1 }, { "send", "x" }, { "close" } },
      { { "read", 1 }, { "reset" } },
      { { "read", 1 }, { "send", "x" }, { "stall" } },
      { { "read", 1 }, { "send", "x" }, { "shutdown" }, { "read_all" } },
    }
    assert.same({ "x", "end" }, { peer.request(p.port, "more than one") })
    assert.equal("reset", select(2, peer.request(p.port, "1")))
    assert.same({ "x", "timeout" }, { peer.request(p.port, "1", 0.02) })
    assert.same({ "x", "end" }, { peer.request(p.port, "123") })
    assert.is_true(p:wait("idle", 4))
    assert.equal("123", p:received(4))
    assert.same({}, p:failures())
  end)

  it("expects the end of a connection", function()
    local p <close> = listen({ { { "read", 1 }, { "expect_end" } } }, { repeat_last = true })
    peer.request(p.port, "1", 0.02)
    assert.is_true(p:wait "idle")
    assert.same({}, p:failures())
    peer.request(p.port, "12", 0.02)
    assert.is_true(p:wait("idle", 2))
    assert.same({ 'connection 2, step 2 (expect_end): expected the end, got "2"' }, p:failures())
  end)

  it("dribbles and cuts without changing a byte", function()
    local body = pattern(301)
    for at = 0, #body, 50 do
      local p <close> = listen { { { "cut", body, at }, { "dribble", body, 7 } } }
      assert.equal(body .. body, (peer.request(p.port, "")))
    end
  end)

  it("pauses", function()
    local p <close> = listen { { { "send", "a" }, { "pause", 0.05 }, { "send", "b" } } }
    local from = system.clock()
    assert.equal("ab", (peer.request(p.port, "")))
    local seconds = system.clock() - from
    assert.is_true(seconds >= 0.05 and seconds < 5)
  end)

  it("holds until it is signalled", function()
    local p <close> = listen({ { { "hold" }, { "send", "x" } } }, { repeat_last = true })
    assert.same({ "", "timeout" }, { peer.request(p.port, "", 0.02) })
    p:signal()
    assert.same({ "x", "end" }, { peer.request(p.port, "") })
    assert.is_false(p:wait("holding", 1, 0.01))
    assert.same({ "", "timeout" }, { peer.request(p.port, "", 0.02) })
  end)

  it("sends, discards and echoes large bodies", function()
    local body = pattern(1 << 20)
    local p <close> = listen {
      { { "send_repeat", "abc", 1000000 } },
      { { "discard", #body }, { "send", "done" } },
      { { "echo", #body }, { "send", "done" } },
    }
    assert.equal(("abc"):rep(1000000), (peer.request(p.port, "")))
    assert.equal("done", (peer.request(p.port, body)))
    assert.is_true(body .. "done" == peer.request(p.port, body))
    assert.equal("", p:received(2))
  end)

  it("relays to a server, up to a given number of bytes", function()
    local body = pattern(1 << 20)
    local behind <close> = listen({
      { { "read", 4 }, { "send", body }, { "read_all" } },
    }, { repeat_last = true })
    local p <close> = listen {
      { { "relay", behind.port, #body }, { "reset" } },
      { { "relay", behind.port, 1000, 7 }, { "close" } },
      { { "expect", "ab" }, { "relay", behind.port, 10 }, { "pause", 0.01 },
        { "relay", behind.port, 10 }, { "stall" } },
      { { "relay", system.free_port() } },
    }
    local bytes, how = peer.request(p.port, "abcd")
    assert.is_true(bytes == body)
    assert.equal("reset", how)
    assert.same({ body:sub(1, 1000), "end" }, { peer.request(p.port, "abcd") })
    assert.same({ body:sub(1, 20), "timeout" }, { peer.request(p.port, "ababcd", 0.1) })
    assert.same({}, p:failures())
    assert.same({ "", "end" }, { peer.request(p.port, "") })
    assert.matches("nobody at port", p:failures()[1])
    assert.is_true(behind:wait("idle", 3))
    assert.same({ "abcd", "abcd", "abcd" }, behind:received())
  end)

  it("relays until the server ends", function()
    local behind <close> = listen { { { "read", 1 }, { "send", "hello" } } }
    local p <close> = listen { { { "relay", behind.port }, { "send", " world" } } }
    assert.same({ "hello world", "end" }, { peer.request(p.port, "x") })
  end)

  it("serves connections side by side", function()
    local p <close> = listen { { { "hold" }, { "send", "late" } }, { { "send", "soon" } } }
    local directory = server.directory()
    local read = ("exec 3<>/dev/tcp/127.0.0.1/%d; cat <&3"):format(p.port)
    local reader = system.spawn({ "bash", "-c", read }, directory .. "/output")
    assert.is_true(p:wait("accepted", 1))
    assert.is_true(p:wait("holding", 1))
    assert.equal("soon", (peer.request(p.port, "")))
    assert.same({ 2, 1 }, { p:connections() })
    p:signal()
    assert.equal(0, system.reap(reader))
    assert.equal("late", server.read(directory .. "/output"))
    server.remove(directory)
  end)

  it("leaves a connecting client without an answer", function()
    local p <close> = peer.listen { accept = false }
    assert.same({ "", "timeout" }, { peer.request(p.port, "x", 0.05) })
  end)

  it("serves thousands of connections", function()
    local p <close> = listen({ { { "expect", GET }, { "send", "x" } } }, { repeat_last = true })
    local from, count = system.clock(), 2000
    for _ = 1, count do peer.request(p.port, GET) end
    assert.same({}, p:failures())
    assert.equal(count, (p:connections()))
    assert.is_true(system.clock() - from < 20)
  end)

  it("ends every connection when it is stopped, twice over", function()
    local p = listen({ { { "stall" } } }, { family = "unix" })
    peer.request(p.path, "", 0.01)
    p:stop()
    p:stop()
    assert.is_nil((peer.request(p.path, "")))
    assert.is_nil(io.open(p.path))
  end)

  it("refuses scripts it does not understand", function()
    local function refuses(options, message)
      assert.has_error(function() peer.listen(options) end, message)
    end
    refuses({ script = { { { "sned", "x" } } } }, "peer: unknown step 'sned'")
    refuses({ script = { { { "send" } } } }, "peer: step 'send' lacks value 1")
    refuses({ script = { { { "close", 1 } } } }, "peer: too many values in step 'close'")
    refuses({ script = {} }, "peer: a script is a list of connections")
    refuses({ scrpt = {} }, "peer: unknown option 'scrpt'")
  end)
end)

describe("the list of descriptors", function()
  it("shows what this process opened and hides what peers opened", function()
    local before = peer.descriptors()
    local p <close> = listen { { { "stall" } } }
    assert.same(before, peer.descriptors())
    local file <close> = io.open "/dev/null"
    local links = {}
    for number, link in pairs(peer.descriptors()) do
      if not before[number] then links[#links + 1] = link end
    end
    assert.same({ "/dev/null" }, links)
    assert.equal("number", type(p.port))
    assert.equal("file", io.type(file))
  end)
end)

describe("what a test leaves behind", function()
  it("is closed in order, or reported with its title and its block", function()
    local status, output = run_script [[
      require "busted.runner" ()
      local support = require "spec.support"
      describe("a block", function()
        local lease
        after_each(function() print "last" end)
        support.verify_each(function(keep)
          lease = keep(support.lease "text")
          print("kept", keep(1, function(value) print("closed", value, tostring(lease)) end))
        end)
        it("that is tidy", function() print "tidy" end)
        it("that is not", function()
          support.lease "text"
          collectgarbage()
        end)
      end)
    ]]
    assert.equal(1, status)
    assert.matches("kept\t1\ntidy\n.?last\nclosed\t1\tsluice.lease %(4 bytes%)\n", output)
    assert.matches("script%.lua @ 6\na block after_each\n"
      .. "[^\n]*that is not: 1 objects collected that were not disposed", output)
    assert.is_nil(output:find("that is tidy: ", 1, true))
  end)
end)

describe("fixtures", function()
  it("decode escapes and ignore line breaks", function()
    assert.equal("a\r\nb\t\\\0\xff ", fixtures.decode "a\\r\\n\nb\\t\\\\\\x00\n\\xFF ")
    assert.has_error(function() fixtures.decode "\\q" end)
    assert.has_error(function() fixtures.decode "\\x1" end)
  end)

  it("have a title, a reason, bytes and events", function()
    local document = fixtures.parse(table.concat({
      "# a title", "", "because", "of it", "",
      "```bytes", "x\\r", "\\n", "```", "",
      "```events", "one", "two 2", "```", "",
    }, "\n"))
    assert.equal("a title", document.title)
    assert.equal("because of it", document.reason)
    assert.equal("x\r\n", document.bytes)
    assert.same({ "one", "two 2" }, document.events)
  end)
end)

describe("other programs", function()
  it("report how they ended", function()
    assert.same({ 3, "out\n" }, { server.run { "sh", "-c", "echo out; exit 3" } })
    assert.equal(127, (server.run { "/no/such/program" }))
    local pid = system.spawn { "sleep", "60" }
    system.kill(pid, 9)
    assert.equal(128 + 9, system.reap(pid))
  end)

  it("raise what they printed when they end before they accept", function()
    local command = { "sh", "-c", "echo no luck" }
    local ok, message = pcall(server.start, command, system.free_port(), server.directory())
    assert.is_false(ok)
    assert.matches("no luck", message)
  end)

  it("include a python interpreter", function()
    local s <close> = server.python [[
import socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    connection = listener.accept()[0]
    connection.sendall(b"python")
    connection.close()
]]
    assert.equal("python", (peer.request(s.port, "")))
  end)
end)

describe("nginx", function()
  local web

  setup(function() web = nginx.start() end)
  teardown(function() web:stop() end)

  local function get(path, fields)
    local request = "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n"
    local bytes = assert(peer.request(web.port, request:format(path, fields or "")))
    return bytes:match("^HTTP/1.1 (%d+) "), bytes:match("^(.-)\r\n\r\n(.*)$")
  end

  it("serves files with their length and chunked", function()
    local content = web:file(5000)
    assert.equal(pattern(5000), content)
    local status, head, body = get "/file/5000"
    assert.equal("200", status)
    assert.matches("Content%-Length: 5000", head)
    assert.is_true(body == content)
    local _, chunked_head, chunked_body = get "/chunked/5000"
    assert.matches("Transfer%-Encoding: chunked", chunked_head)
    assert.is_true(chunked_body == "1388\r\n" .. content .. "\r\n0\r\n\r\n")
  end)

  it("compresses", function()
    web:file(5000)
    local _, head = get("/gzip/5000", "Accept-Encoding: gzip\r\n")
    assert.matches("Content%-Encoding: gzip", head)
  end)

  it("answers with a status, with nothing, with a redirect or with the request", function()
    assert.equal("404", (get "/status/404"))
    assert.equal("204", (get "/empty"))
    assert.equal("302", (get "/redirect"))
    local _, _, body = get("/request?a=b", "X: y\r\n")
    assert.matches('"uri":"/request%?a=b"', body)
    assert.matches('"x":"y"', body)
  end)

  it("stores and counts uploads", function()
    local body = pattern(100000)
    local put = "PUT %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 100000\r\n\r\n"
    assert.matches('{"length":100000}$', (peer.request(web.port, put:format "/upload" .. body)))
    assert.matches("^HTTP/1.1 201", (peer.request(web.port, put:format "/put/a" .. body)))
    assert.is_true(select(3, get "/put/a") == body)
  end)

  it("listens on a unix socket", function()
    assert.matches("^HTTP/1.1 204", (peer.request(web.path, "GET /empty HTTP/1.0\r\n\r\n")))
  end)

  it("leaves nothing behind when it is stopped", function()
    local other = nginx.start()
    local directory, port = other.directory, other.port
    assert.matches("^HTTP/1.1 204", (peer.request(port, "GET /empty HTTP/1.0\r\n\r\n")))
    assert.equal(0, other:stop())
    assert.is_nil(other:stop())
    assert.is_nil(io.open(directory .. "/nginx.conf"))
    assert.is_nil((peer.request(port, "")))
  end)
end)

describe("a scripted peer of WebSocket", function()
  -- RFC 6455 1.3
  local HANDSHAKE = "GET / HTTP/1.1\r\nHost: x\r\n"
    .. "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
  local SWITCH = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
    .. "Connection: Upgrade\r\n"
    .. "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"

  --- What a client that sends these frames gets, and the failures of the peer.
  local function exchange(script, ...)
    local p <close> = listen { script }
    local bytes = peer.request(p.port, HANDSHAKE .. table.concat { ... })
    return bytes, p:failures()[1]
  end

  it("answers a handshake, and sends frames", function()
    local bytes, failure = exchange { { "accept" }, { "send", frames.text "hello" } }
    assert.equal(SWITCH .. "\r\n\x81\5hello", bytes)
    assert.is_nil(failure)
    bytes = exchange { { "accept", "Sec-WebSocket-Protocol: chat\r\n" } }
    assert.equal(SWITCH .. "Sec-WebSocket-Protocol: chat\r\n\r\n", bytes)
  end)

  it("reads the frames that its script says", function()
    local large = ("x"):rep(70000)
    local _, failure = exchange({ { "accept" }, { "expect_frame", 0x81, "hello" },
      { "expect_frame", 0x82, large }, { "expect_frame", 0x88, "" } },
      frames.text("hello", { key = "abcd" }), frames.binary(large, { key = "\0\0\0\0" }),
      frames.close("", { key = "efgh" }))
    assert.is_nil(failure)
  end)

  it("reads frames up to a Close frame", function()
    local key = { key = "abcd" }
    local script = { { "accept" }, { "expect_close" }, { "expect", "behind" } }
    local _, failure = exchange(script, frames.text("x", key), frames.ping("", key),
      frames.closing(1000, "bye", key), "behind")
    assert.is_nil(failure)
    _, failure = exchange(script, frames.text("x", key), frames.ping "", "behind")
    assert.matches("the frame is not masked", failure, 1, true)
  end)

  it("reports frames that are not those of its script, or no client's", function()
    local expected_ping = { "expect_frame", 0x89, "ping" }
    local script = { { "accept" }, expected_ping, expected_ping }
    local good = frames.ping("ping", { key = "abcd" })
    for expected, wire in pairs {
      ['got a frame 0x89 of 4 bytes: "pong"'] = frames.ping("pong", { key = "efgh" }),
      ['got a frame 0x8A of 4 bytes: "ping"'] = frames.pong("ping", { key = "efgh" }),
      ["the frame is not masked"] = frames.ping "ping",
      ["the key of the last frame is used again"] = good,
      ["the size is not in its shortest form"] = frames.ping("ping", { key = "efgh", form = 16 }),
    } do
      local _, failure = exchange(script, good, wire)
      assert.matches(expected:lower(), failure:lower(), 1, true)
    end
  end)
end)

describe("frames", function()
  it("are read as they were written", function()
    for _, size in ipairs { 0, 1, 7, 125, 126, 65535, 65536 } do
      local payload = pattern(size)
      for _, key in ipairs { false, "\0\0\0\0", "\1\x82\3\xff" } do
        local wire = frames.binary(payload, { key = key or nil, more = true, rsv = 5 })
        assert.equal(size + #frames.head(0, size) + (key and 4 or 0), #wire)
        local found, rest = frames.read_all(wire .. frames.ping "x" .. "\x81")
        assert.equal("\x81", rest)
        assert.equal(2, #found)
        assert.is_true(found[1].payload == payload)
        assert.same({ "binary", false, 5, key or nil },
          { found[1].opcode, found[1].fin, found[1].rsv, found[1].key })
        assert.equal("ping", found[2].opcode)
      end
    end
    assert.equal("\x88\5\3\xe8bye", frames.closing(1000, "bye"))
    assert.equal("\x81\x7f\0\0\0\0\0\0\0\1x", frames.text("x", { form = 64 }))
    -- RFC 6455 5.7
    assert.equal("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
      frames.text("Hello", { key = "\x37\xfa\x21\x3d" }))
  end)
end)

describe("certificates", function()
  -- looks at the same chain as a client
  local function verify(name, host)
    local option = host:match("^%d+%.%d+%.%d+%.%d+$") and "-verify_ip" or "-verify_hostname"
    return server.run {
      "openssl", "verify", "-CAfile", certificates.file("root.pem"), "-crl_check",
      "-CRLfile", certificates.file("crl.pem"), "-untrusted", certificates.chain(name),
      "-purpose", "sslserver", "-auth_level", "2", option, host, certificates.chain(name),
    }
  end

  -- refused by rules of ours, stricter than those of `openssl verify`
  local stricter = {
    common_name_only = true, name_empty = true, name_in_mail = true, name_in_uri = true,
    wildcard_partial = true, oversized_chain = true,
  }

  it("that are good are accepted", function()
    for _, case in ipairs(certificates.accepted) do
      local status, output = verify(case.name, case.host)
      assert.equal(0, status, case.name .. ": " .. output)
    end
  end)

  it("that are bad are refused, each for one reason", function()
    assert.is_true(#certificates.refused >= 24)
    for _, case in ipairs(certificates.refused) do
      local status, output = verify(case.name, case.host)
      local message = ("%s (%s): %s"):format(case.name, case.why, output)
      assert.equal(stricter[case.name] and 0 or 2, status, message)
    end
  end)

  it("serve TLS with nginx, also to clients that need one of their own", function()
    local web <close> = nginx.start {
      tls = {
        certificate = certificates.chain "good", key = certificates.key "good",
        protocols = "TLSv1.3", client_ca = certificates.file "client_authorities.pem",
      },
    }
    local status, output = server.run {
      "openssl", "s_client", "-connect", "127.0.0.1:" .. web.tls_port, "-brief",
      "-CAfile", certificates.file "root.pem", "-verify_return_error",
      "-verify_hostname", "localhost",
      "-cert", certificates.chain "client", "-key", certificates.key "client",
    }
    assert.equal(0, status, output)
    assert.matches("TLSv1.3", output)
  end)

  it("serve TLS with openssl", function()
    local s <close> = certificates.serve "expired"
    local status, output = server.run {
      "openssl", "s_client", "-connect", "127.0.0.1:" .. s.port, "-verify_return_error",
      "-CAfile", certificates.file "root.pem",
    }
    assert.not_equal(0, status)
    assert.matches("certificate has expired", output)
  end)
end)
