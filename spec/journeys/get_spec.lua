-- A GET against good servers and with bad input: each error is the documented one, arrives in time
-- and leaves nothing behind, and the same client then succeeds.

local nginx = require "spec.support.nginx"
local sluice = require "sluice"
local support = require "spec.support"

local peer, system = support.peer, support.system

local GOOD = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"
local request_head = { "expect_until", "\r\n\r\n" }

local function answer(...)
  return peer.listen { script = { { request_head, ... } }, repeat_last = true }
end

describe("bad input", function()
  local good, client

  after_each(function()
    local response <close>, message = client:get(good.url .. "/")
    assert(response, message)
    assert.equal("good", response:text())
  end)

  support.verify_each(function(keep)
    good = keep(peer.listen {
      script = { { request_head, { "send", GOOD }, { "loop" } } }, repeat_last = true,
    })
    client = keep(support.client())
  end)

  --- The error of a failing GET, with how long it took.
  local function fail(url, options)
    local from = system.clock()
    local response, message, err = client:get(url, options)
    assert.is_nil(response)
    assert.equal("string", type(message))
    assert.equal(message, tostring(err))
    if err.code ~= "invalid" then assert.equal("string", type(err.stage)) end
    return err, system.clock() - from
  end

  --- The code of the failure when the answer is `bytes` and then silence, or "complete". Both ways
  -- of reading must agree.
  local function fail_with(bytes, options)
    local function read(stream)
      local p <close> = answer({ "send", bytes }, { "stall" })
      local copy = { stream = stream, timeout = { first_byte = 60, idle = 60 } }
      for key, value in pairs(options or {}) do copy[key] = value end
      local response <close>, _, err = client:get(p.url .. "/", copy)
      local piece = response and stream
      while piece do piece, _, err = response:read(4096) end
      return err and err.code or "complete"
    end
    local code = read(false)
    assert.equal(code, read(true))
    return code
  end

  describe("in a URL", function()
    local urls = {
      ["nothing"] = "",
      ["no scheme"] = "127.0.0.1/",
      ["no scheme, no base"] = "/path",
      ["another scheme"] = "ftp://127.0.0.1/",
      ["no host"] = "http:///path",
      ["no host but a port"] = "http://:80/",
      ["no host but user info"] = "http://user@/",
      ["no authority"] = "http:path",
      ["port 0"] = "http://127.0.0.1:0/",
      ["port 65536"] = "http://127.0.0.1:65536/",
      ["a port that is no number"] = "http://127.0.0.1:8o/",
      ["a port that is negative"] = "http://127.0.0.1:-1/",
      ["an open bracket"] = "http://[::1/",
      ["no address in brackets"] = "http://[localhost]/",
      ["an address of one number"] = "http://2130706433/",
      ["an address in hexadecimal"] = "http://0x7f.0.0.1/",
      ["an address in octal"] = "http://0177.0.0.1/",
      ["a space in the path"] = "http://127.0.0.1/a b",
      ["a space in the host"] = "http://local host/",
      ["CR and LF"] = "http://127.0.0.1/\r\nX: y",
      ["NUL"] = "http://127.0.0.1/\0",
      ["a tab"] = "http://127.0.0.1/\t",
      ["DEL"] = "http://127.0.0.1/\127",
      ["bytes beyond ASCII"] = "http://127.0.0.1/caf\u{e9}",
      ["a host beyond ASCII"] = "http://b\u{fc}cher.test/",
      ["a broken percent code"] = "http://127.0.0.1/%zz",
    }

    for name, url in pairs(urls) do
      it("is refused: " .. name, function()
        local err = fail(url)
        assert.equal("invalid", err.code)
        assert.is_false(err.retryable)
      end)
    end
  end)

  describe("in options", function()
    it("is named: an unknown option", function()
      assert.error_matches(function() client:get(good.url, { tiemout = 1 }) end, "tiemout")
      assert.error_matches(function() sluice.get(good.url, { tiemout = 1 }) end, "tiemout")
      assert.error_matches(function() sluice.client { tiemout = 1 } end, "tiemout")
      assert.error_matches(function() client:get(good.url, { timeout = { frist_byte = 1 } }) end,
        "frist_byte")
      assert.error_matches(function() client:get(good.url, { limits = { haed = 1 } }) end, "haed")
      assert.error_matches(function() sluice.client { pool = { per_orgin = 1 } } end, "per_orgin")
    end)

    it("raises: a value of a wrong type", function()
      for name, options in pairs {
        timeout = { timeout = "soon" }, headers = { headers = "X: y" }, stream = { stream = 1 },
        redirects = { redirects = "no" }, limits = { limits = 5 }, body = { body = true },
      } do
        assert.error_matches(function() client:get(good.url, options) end, name)
      end
      assert.error(function() client:get(nil) end)
      assert.error(function() client:get({}) end)
      assert.error(function() client:get(good.url, "options") end)
    end)

    it("raises: invalid numbers", function()
      for _, seconds in ipairs { -1, 0 / 0, -math.huge } do
        assert.error_matches(function() client:get(good.url, { timeout = seconds }) end, "timeout")
      end
    end)

    it("is refused: header fields that would break the message", function()
      for name, headers in pairs {
        ["CR and LF in a value"] = { X = "a\r\nInjected: b" },
        ["LF in a value"] = { X = "a\nb" },
        ["CR in a value"] = { X = "a\rb" },
        ["NUL in a value"] = { X = "a\0b" },
        ["a control in a value"] = { X = "a\1b" },
        ["a space in a name"] = { ["X Y"] = "a" },
        ["a colon in a name"] = { ["X:"] = "a" },
        ["CR and LF in a name"] = { ["X\r\nY"] = "a" },
        ["an empty name"] = { [""] = "a" },
      } do
        local err = fail(good.url .. "/", { headers = headers })
        assert.equal("invalid", err.code, name)
      end
      assert.equal(0, (good:connections()))
    end)

    it("is refused: header fields that belong to the client", function()
      for _, name in ipairs {
        "Content-Length", "Transfer-Encoding", "Connection", "Upgrade", "TE", "Trailer",
        "content-length", "CONNECTION",
      } do
        local err = fail(good.url .. "/", { headers = { [name] = "1" } })
        assert.equal("invalid", err.code, name)
        assert.is_truthy(tostring(err):lower():find(name:lower(), 1, true), tostring(err))
      end
      assert.equal(0, (good:connections()))
    end)
  end)

  describe("in an address", function()
    it("is reported: a port that refuses", function()
      local port = system.free_port()
      local err = fail(("http://127.0.0.1:%d/"):format(port))
      assert.equal("connect", err.code)
      assert.equal("connect", err.stage)
      assert.is_true(err.retryable)
      assert.equal(111, err.errno)
      assert.equal(("connect 127.0.0.1:%d: connection refused"):format(port), tostring(err):lower())
    end)

    it("is reported: a name that does not resolve", function()
      local err = fail "http://no-such-name.invalid/"
      assert.equal("resolve", err.code)
      assert.equal("resolve", err.stage)
      assert.matches("no%-such%-name%.invalid", tostring(err))
    end)

    it("is reported within its deadline: an address that never answers", function()
      local silent <close> = peer.listen { accept = false }
      local err, seconds = fail(silent.url .. "/", { timeout = { connect = 0.1 } })
      assert.equal("timeout", err.code)
      assert.equal("connect", err.stage)
      assert.is_true(err.retryable)
      assert.is_true(seconds >= 0.1 and seconds < 5)
    end)

    it("is reported within its deadline: a server that never answers", function()
      local silent <close> = answer { "stall" }
      local err, seconds = fail(silent.url .. "/", { timeout = { first_byte = 0.1 } })
      assert.equal("timeout", err.code)
      assert.equal("head", err.stage)
      assert.is_true(seconds >= 0.1 and seconds < 5)
      assert.is_truthy(tostring(err):find("127.0.0.1:" .. silent.port, 1, true))
    end)
  end)

  describe("from a server", function()
    local function head(...)
      return table.concat({ "HTTP/1.1 200 OK", ... }, "\r\n") .. "\r\n\r\n"
    end

    local chunked = head "Transfer-Encoding: chunked"

    local protocol = {
      ["no HTTP"] = "SSH-2.0-OpenSSH_9.2\r\n\r\n",
      ["another version"] = "HTTP/2.0 200 OK\r\n\r\n",
      ["no status"] = "HTTP/1.1 OK\r\n\r\n",
      ["a status of two digits"] = "HTTP/1.1 20 OK\r\n\r\n",
      ["a status of four digits"] = "HTTP/1.1 2000 OK\r\n\r\n",
      ["a status below 100"] = "HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
      ["Content-Length and Transfer-Encoding"] =
        head("Content-Length: 4", "Transfer-Encoding: chunked") .. "0\r\n\r\n",
      ["two lengths that differ"] = head("Content-Length: 4", "Content-Length: 5") .. "good!",
      ["a list of lengths that differ"] = head "Content-Length: 4, 5" .. "good!",
      ["a negative length"] = head "Content-Length: -1",
      ["a length with a sign"] = head "Content-Length: +4" .. "good",
      ["a length in hexadecimal"] = head "Content-Length: 0x4" .. "good",
      ["a length with a space in it"] = head "Content-Length: 1 4" .. "good",
      ["a length beyond 64 bits"] = head "Content-Length: 18446744073709551620",
      ["an empty length"] = head "Content-Length:",
      ["a coding that does not end in chunked"] = head "Transfer-Encoding: chunked, gzip",
      ["an unknown transfer coding"] = head "Transfer-Encoding: notchunked",
      ["chunked twice"] = head "Transfer-Encoding: chunked, chunked",
      ["a bare LF"] = "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
      ["a bare CR"] = head "X: a\rb",
      ["NUL in a value"] = head "X: a\0b",
      ["NUL in a name"] = head "X\0Y: a",
      ["a space before the colon"] = head "Content-Length : 0",
      ["a line without a colon"] = head "nothing to see",
      ["an empty name"] = head ": value",
      ["a chunk size that is none"] = chunked .. "x\r\n",
      ["an empty chunk size"] = chunked .. "\r\n",
      ["a chunk size with a sign"] = chunked .. "+4\r\ngood\r\n0\r\n\r\n",
      ["a chunk size with 0x"] = chunked .. "0x4\r\ngood\r\n0\r\n\r\n",
      ["a chunk size beyond 63 bits"] = chunked .. "8000000000000000\r\n",
      ["a chunk size of many digits"] = chunked .. ("f"):rep(40) .. "\r\n",
      ["a chunk size that ends in LF"] = chunked .. "4\ngood\r\n0\r\n\r\n",
      ["a chunk longer than its size"] = chunked .. "4\r\ngoods\r\n0\r\n\r\n",
      ["a bare LF in a trailer"] = chunked .. "0\r\nX: y\n\r\n",
      ["a trailer without a colon"] = chunked .. "0\r\nnothing\r\n\r\n",
      ["101 that nobody asked for"] =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
    }

    for name, bytes in pairs(protocol) do
      it("is refused: " .. name, function()
        assert.equal("protocol", fail_with(bytes))
      end)
    end

    local interim = "HTTP/1.1 103 Early Hints\r\n\r\n"

    local limits = {
      ["a head of more than 128 KiB"] =
        head(("X: " .. ("a"):rep(1000) .. "\r\n"):rep(131) .. "Y: y"),
      ["more than 256 lines"] = head(("X: y\r\n"):rep(256) .. "Y: y"),
      ["a line of more than 64 KiB"] = head("X: " .. ("a"):rep(65536)),
      ["a reason of more than 64 KiB"] = "HTTP/1.1 200 " .. ("a"):rep(65550) .. "\r\n\r\n",
      ["a line without an end"] = "HTTP/1.1 200 OK\r\nX: " .. ("a"):rep(100000),
      ["more than 32 interim responses"] = interim:rep(33) .. GOOD,
      ["a chunk extension of more than 256 bytes"] =
        chunked .. "4;" .. ("x"):rep(257) .. "\r\ngood\r\n0\r\n\r\n",
      ["trailers of more than 128 KiB"] =
        chunked .. "0\r\n" .. ("X: " .. ("a"):rep(1000) .. "\r\n"):rep(131) .. "\r\n",
      ["trailers of more than 256 lines"] = chunked .. "0\r\n" .. ("X: y\r\n"):rep(257) .. "\r\n",
    }

    for name, bytes in pairs(limits) do
      it("is refused: " .. name, function()
        assert.equal("limit", fail_with(bytes))
      end)
    end

    local bodies = {
      ["of known length"] = head "Content-Length: 1001" .. ("x"):rep(1001),
      ["of chunks"] = chunked .. ("1\r\nx\r\n"):rep(1001) .. "0\r\n\r\n",
      ["that ends with the connection"] = head "Connection: close" .. ("x"):rep(1001),
    }

    for name, bytes in pairs(bodies) do
      it("is refused: a body above its limit, " .. name, function()
        assert.equal("limit", fail_with(bytes, { limits = { body = 1000 } }))
      end)

      it("is accepted: a body at its limit, " .. name, function()
        local p <close> = answer({ "send", bytes }, { "close" })
        local response <close>, message = client:get(p.url .. "/", { limits = { body = 1001 } })
        assert(response, message)
        assert.equal(("x"):rep(1001), response:text())
      end)
    end

    it("is refused: a body of more than 64 MiB in one piece", function()
      local p <close> = answer({ "send", head "Content-Length: 67108865" }, { "stall" })
      local err = fail(p.url .. "/", { timeout = { idle = 60 } })
      assert.equal("limit", err.code)
      assert.equal(("GET %s/: body exceeds 67108864 bytes (limits.body)"):format(p.url),
        err.message)
    end)

    it("is refused with the limit and its option", function()
      local three = "HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\nContent-Length: 2000\r\n\r\n"
        .. ("x"):rep(2000)
      for name, case in pairs {
        body = { 1000, "body exceeds 1000 bytes (limits.body)" },
        head = { 40, "response head exceeds 40 bytes (limits.head)" },
        line = { 19, "a line of the head exceeds 19 bytes (limits.line)" },
        lines = { 2, "response head exceeds 2 lines (limits.lines)" },
        interim = { 1, "more than 1 interim responses (limits.interim)" },
      } do
        local p <close> = answer({ "send", (name == "interim" and interim:rep(2) or "") .. three },
          { "stall" })
        local err = fail(p.url .. "/", { limits = { [name] = case[1] } })
        assert.equal(("GET %s/: %s"):format(p.url, case[2]), err.message)
      end
    end)

    it("is accepted if its head just meets the limits", function()
      for name, bytes in pairs {
        ["256 lines"] = head("Content-Length: 4", ("X: y\r\n"):rep(254) .. "Y: y") .. "good",
        ["a line of 64 KiB"] = head("Content-Length: 4", "X: " .. ("a"):rep(65536 - 3)) .. "good",
        ["32 interim responses"] = interim:rep(32) .. GOOD,
        ["an extension of 256 bytes"] =
          chunked .. "4;" .. ("x"):rep(255) .. "\r\ngood\r\n0\r\n\r\n",
        ["a folded value"] = head("Content-Length: 4", "X: a\r\n  b") .. "good",
        ["equal lengths"] = head("Content-Length: 4", "Content-Length: 4") .. "good",
        ["an unknown status"] = "HTTP/1.1 299 Odd\r\nContent-Length: 4\r\n\r\ngood",
        ["no reason"] = "HTTP/1.1 200 \r\nContent-Length: 4\r\n\r\ngood",
        ["bytes beyond ASCII in a value"] = head("Content-Length: 4", "X: caf\xe9") .. "good",
      } do
        local p <close> = answer({ "send", bytes }, { "stall" })
        local response <close>, message = client:get(p.url .. "/", { timeout = { idle = 60 } })
        assert(response, name .. ": " .. tostring(message))
        assert.equal("good", response:text(), name)
      end
    end)

    it("is escaped and shortened in messages", function()
      local p <close> = answer({ "send", "\27[31m" .. ("A"):rep(1000) .. "\r\n\r\n" }, { "stall" })
      local err = fail(p.url .. "/")
      assert.equal("protocol", err.code)
      assert.is_nil(tostring(err):find "[^\32-\126]")
      assert.is_nil(tostring(err):find(("A"):rep(129)))
    end)
  end)

  it("never shows secrets in a message", function()
    local place = ("127.0.0.1:%d/"):format(system.free_port())
    local headers = { Authorization = "Bearer hunter2", Cookie = "a=hunter2" }
    local err = fail("http://" .. place, { headers = headers })
    assert.equal("connect", err.code)
    assert.is_nil(tostring(err):find "hunter2")
    assert.is_nil(tostring(fail("http://user:hunter2@" .. place)):find "hunter2")
  end)
end)

describe("a GET from nginx", function()
  local client
  local web

  setup(function() web = nginx.start() end)
  teardown(function() web:stop() end)

  support.verify_each(function(keep) client = keep(support.client()) end)

  for name, call in support.each_style(sluice) do
    it("brings a document " .. name, function()
      call(function()
        local response <close>, message = client:get(web.url .. "/json")
        assert(response, message)
        assert.equal(200, response.status)
        assert.equal("OK", response.reason)
        assert.is_true(response.ok)
        assert.equal("application/json", response.headers["Content-Type"])
        assert.equal("application/json", response.headers["content-type"])
        assert.same({ 1, 2, 3 }, response:json().list)
      end)
    end)

    it("brings bodies of every framing and size " .. name, function()
      call(function()
        for _, size in ipairs { 0, 1, 16383, 16384, 16385, 1 << 20 } do
          local content = web:file(size)
          for _, kind in ipairs { "file", "chunked", "gzip" } do
            local response <close>, message =
              client:get(("%s/%s/%d"):format(web.url, kind, size))
            assert(response, message)
            assert.is_true(response:text() == content, ("%s of %d"):format(kind, size))
          end
        end
      end)
    end)
  end

  it("uses one connection for many requests", function()
    local seen = {}
    for _ = 1, 50 do
      local response <close>, message = client:get(web.url .. "/request")
      assert(response, message)
      seen[response:json().connection] = true
    end
    assert.is_not_nil(next(seen))
    assert.is_nil(next(seen, (next(seen))))
  end)

  it("answers 4xx and 5xx with a response", function()
    for _, status in ipairs { 400, 404, 418, 500, 503, 599 } do
      local response <close>, message = client:get(("%s/status/%d"):format(web.url, status))
      assert(response, message)
      assert.equal(status, response.status)
      assert.is_false(response.ok)
      assert.equal(("status %d\n"):format(status), response:text())
    end
  end)

  it("serves 200 tasks over a few connections", function()
    web:file(5000)
    local content, done = support.pattern(5000), 0
    sluice.run(function()
      local tasks = {}
      for i = 1, 200 do
        tasks[i] = sluice.spawn(function()
          local response <close>, message = client:get(web.url .. "/file/5000")
          assert(response, message)
          if response:text() == content then done = done + 1 end
        end)
      end
      for i = 1, 200 do tasks[i]:await() end
    end)
    assert.equal(200, done)
  end)

  it("streams a body larger than any limit of a buffered one, whole or disposed early", function()
    web:file(65 << 20)
    local url = web.url .. "/file/" .. (65 << 20)
    local response <close>, message = client:get(url, { stream = true })
    assert(response, message)
    local size, blocks = 0, support.pattern(1 << 20)
    for piece in response:chunks() do
      local from = size % 65536
      assert.is_true(blocks:sub(from + 1, from + #piece) == piece:tostring())
      size = size + #piece
      piece:dispose()
    end
    assert.equal(65 << 20, size)
    local other <close> = assert(client:get(url, { stream = true }))
    for piece in other:chunks() do
      piece:dispose()
      if other.status == 200 then break end
    end
  end)
end)
