-- The C allocator fails the module at every call of small programs: once, twice in a row, and from
-- there on. Nothing crashes or hangs; the answer is `memory` or success; nothing stays behind, and
-- the next use of the same state is a clean one. Each program also runs with a pool that keeps
-- nothing, which asks the allocator for every segment and block. Every call in every run: there
-- are some hundreds.

local certificates = require "spec.support.certificates"
local nginx = require "spec.support.nginx"
local server = require "spec.support.server"
local support = require "spec.support"

local peer, system = support.peer, support.system

local JSON = '{"list":[1,2,3]}'

local PRELUDE = [[
local allocations = require "support.allocations"
local sluice = require "sluice"
local url, port, mode, backend = arg[1], tonumber(arg[2]), arg[3], arg[4]
local secure_url, root, socket_url = arg[5], arg[6], arg[7]
local transport = { mode = mode, backend = backend }
local is_failing = false -- allocations may

-- Returns what a call returned; a failure must have the code memory and a reason, and ends the
-- program.
local function good(value, message, err)
  if not value then
    assert(err and err.code == "memory" and not message:find ": *$", message)
    error("memory: " .. message, 0)
  end
  return value
end

local function new_client(options)
  options = options or {}
  options.transport, options.timeout = transport, 20
  return good(sluice.client(options))
end

-- What is left when a program has ended, in words; nil: nothing.
local function left()
  local loop, stats = sluice.loop(), nil
  for _ = 1, 2000 do
    loop:step(0.001)
    stats = sluice.stats()
    if stats.operations == 0 and stats.timers == 0 and stats.waiting == 0 then
      collectgarbage()
      collectgarbage()
      stats = sluice.stats()
      if stats.outstanding == 0 and stats.connections == 0 then return nil end
    end
  end
  local words = {}
  for _, name in ipairs { "operations", "timers", "waiting", "outstanding", "connections" } do
    words[#words + 1] = ("%d %s"):format(stats[name], name)
  end
  return table.concat(words, ", ")
end

local function program()
]]

local DRIVER = [[
end

local function expect_clean(where)
  is_failing = false
  local ok, message = pcall(program)
  assert(ok, where .. ", afterwards: " .. tostring(message))
  local remains = left()
  assert(not remains, where .. ", afterwards: " .. tostring(remains))
end

expect_clean "before"
local points, raised = 0, 0
for _, way in ipairs { "once", "pair", "from" } do
  local n, failures = 0, 0
  repeat
    n = n + 1
    local where = ("%s at %d"):format(way, n)
    io.stderr:write(where, "\n")
    is_failing = true
    allocations.fail(way, n)
    local ok, message = pcall(program)
    failures = allocations.relent()
    if not ok then
      assert(tostring(message):find "memory", where .. ": " .. tostring(message))
      assert(failures > 0, where .. ": " .. tostring(message))
      raised = raised + 1
    end
    local remains = left()
    assert(not remains, where .. ": " .. tostring(remains) .. ", " .. tostring(message))
    expect_clean(where)
    points = points + 1
  until failures == 0
end
print(("points=%d raised=%d"):format(points, raised))
os.exit(true, true)
]]

local programs = {
  ["buffers"] = [[
    local buffer <close> = sluice.buffer { segment_size = 1000 + math.random(1 << 30) }
    good(buffer:append(("some bytes in segments\n"):rep(200)))
    local sequence <close> = buffer:sequence()
    local part <close> = sequence:sub(3, -3)
    local writer <close> = sluice.writer { initial_size = 1 }
    good(writer:write("x", 5, sequence, part))
    local lease <close> = writer:detach()
    local other <close> = buffer:detach()
    good(buffer:reset():append(lease))
    local small <close> = sluice.buffer { segment_size = 7 }
    good(small:append(("y"):rep(100)))
    local copy <close> = sluice.buffer()
    good(copy:append(small:detach()))
  ]],

  ["JSON both ways"] = [[
    local json, text = sluice.json, ("caf\u{e9}\n"):rep(800)
    local value = { text = text, list = { 1, 2.5, true, json.null, { { {} } } }, n = 1 << 60 }
    local writer <close> = sluice.writer { initial_size = 1 }
    good(json.encode(value, writer))
    local lease <close> = writer:detach()
    local buffer <close> = sluice.buffer { segment_size = 1000 + math.random(1 << 30) }
    good(buffer:append(lease))
    local sequence <close> = buffer:sequence()
    local back = good(json.decode(sequence))
    assert(back.text == text and back.list[2] == 2.5 and back.n == 1 << 60)
    assert(#good(json.text(value)) == #lease and #good(json.text(value.list)) < 100)
  ]],

  ["a parser"] = [[
    local parser <close> = sluice.http_parser()
    good(parser:feed "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nA: b\r\n\r\n")
    good(parser:feed "5\r\nhello\r\n0\r\nX: y\r\n\r\n")
    repeat
      local event, message, err = parser:next()
      if event == nil and message then good(event, message, err) end
    until not event or event.type == "end"
  ]],

  ["compressed messages of WebSocket"] = [[
    local here <close> = sluice.ws_parser { role = "client", compress = true }
    local there <close> = sluice.ws_parser { role = "server", compress = true }
    good(here:agree(good(there:agree(here:offer()))))
    good(good(here:text(("y"):rep(70000), false)):continue(("z"):rep(70000)))
    good(here:binary(("x"):rep(30000)))
    good(there:feed(here:output()))
    local text <close> = good(there:next())
    local binary <close> = good(there:next())
    assert(#text == 140000 and #binary == 30000)
    assert(text:text() == ("y"):rep(70000) .. ("z"):rep(70000))
  ]],

  ["a parser of WebSocket"] = [[
    local parser <close> = sluice.ws_parser { role = "client" }
    good(parser:feed("\x01\x03hel\x89\x04ping\x80\x7e\x40\0" .. ("x"):rep(16384)))
    assert(good(parser:next()).payload == "ping")
    local message <close> = good(parser:next())
    local sequence <close> = message:sequence()
    assert(#sequence == 16387)
    local lease <close> = message:detach()
    assert(lease:tostring():sub(1, 5) == "helxx")
    good(good(good(parser:text(("y"):rep(70000), false)):ping()):continue(sequence))
    assert(#parser:output() == 86387 + 3 * 4 + 10 + 2 + 4)
    good(parser:feed "\x88\x02\x03\xe8")
    assert(good(parser:next()).code == 1000)
  ]],

  ["a request"] = [[
    local client <close> = new_client()
    local response <close> = good(client:get(url))
    local sequence <close> = good(response:sequence())
    assert(#sequence == 16 and good(response:json()).list[3] == 3)
  ]],

  ["requests to a name, without a pool"] = [[
    local client <close> = new_client { pooling = false }
    for i = 1, 2 do
      local response <close> = good(client:get(("http://localhost:%d/"):format(port),
        { stream = true }))
      while true do
        local piece, message, err = response:next_chunk()
        if not piece then
          if message then good(piece, message, err) end
          break
        end
        piece:dispose()
      end
    end
  ]],

  ["a posted lease"] = [[
    local client <close> = new_client()
    local writer <close> = sluice.writer()
    good(writer:write(("x"):rep(1000)))
    local response <close> = good(client:post(url, { query = "q", body = writer:detach() }))
    local lease <close> = good(response:detach())
  ]],

  ["a body of parts"] = [[
    local client <close> = new_client()
    local first <close> = sluice.writer()
    local second <close> = sluice.writer()
    good(first:write "first")
    good(second:write "second")
    local one <close> = first:detach()
    local other <close> = second:detach()
    local response <close> = good(client:post(url, { body = { one, { path = arg[0] },
      ("x"):rep(40000), { path = arg[0] }, other } }))
    assert(#good(response:text()) == 16)
  ]],

  ["a form and a multipart"] = [[
    local client <close> = new_client()
    local writer <close> = sluice.writer()
    good(writer:write "leased")
    local lease <close> = writer:detach()
    local form <close> = good(sluice.multipart { text = "x", large = { bytes = ("y"):rep(20000) } })
    form:file("file", { path = arg[0] }):file("lease", { lease = lease })
    local built <close> = good(form:build())
    local response <close> = good(client:post(url, { multipart = form }))
    assert(#good(response:text()) == 16)
    local other <close> = good(client:post(url, { form = { a = { "b c", ("&"):rep(500) } } }))
  ]],

  ["a pushed body"] = [[
    local client <close> = new_client()
    local count = 0
    local response <close> = good(client:post(url, { body = function()
      count = count + 1
      if count < 4 then return ("y"):rep(100) end
    end }))
    assert(#good(response:text()) == 16)
  ]],

  ["answers of an interceptor"] = [[
    local client <close> = new_client()
    local buffer <close> = sluice.buffer { segment_size = 1000 }
    good(buffer:append(("x"):rep(10000)))
    local sequence <close> = buffer:sequence()
    local body
    client:use(function(request) return request:answer { status = 200, body = body } end)
    for _, given in ipairs { ("x"):rep(100000), sequence } do
      body = given
      local response <close> = good(client:get(url))
      assert(#good(response:text()) == #given)
    end
  ]],

  ["tasks"] = [[
    local client <close> = new_client { pool = { per_origin = 2 } }
    sluice.run(function()
      local tasks = {}
      for i = 1, 4 do
        tasks[i] = sluice.spawn(function()
          sluice.sleep(0)
          local response <close> = good(client:get(url))
          return #good(response:text())
        end)
      end
      local results = good(sluice.all(tasks))
      assert(results[1] + results[4] == 32)
    end)
  ]],

  ["a request by a resolver"] = [[
    for _, answer in ipairs { "127.0.0.1", "localhost" } do
      local client <close> = new_client { resolver = function()
        sluice.sleep(0)
        return answer
      end }
      local response <close> = good(client:get(("http://a.test:%d/"):format(port)))
      assert(#good(response:text()) == 16)
    end
  ]],

  ["a request over TLS"] = [[
    local client <close> = new_client { tls = { ca_file = root, verify = function(peer)
      return peer.subject ~= nil
    end } }
    local response <close> = good(client:get(secure_url))
    assert(response.tls.verified and #good(response:text()) > 0)
  ]],

  -- A socket that could not send leaves its peer waiting, and then waits for that in vain: not for
  -- long. So a busy peer may be late, but only here.
  ["a WebSocket"] = [[
    local client <close> = new_client()
    local socket <close> = good(client:websocket(socket_url,
      { protocols = { "a", "b" }, close_timeout = is_failing and 0.05 or 20 }))
    assert(socket.subprotocol == nil and socket.headers.Upgrade == "websocket")
    good(socket:send "hello")
    local message <close> = good(socket:receive(20))
    assert(message:text() == "hello")
    local is_closed, why, err = socket:close()
    if not (is_failing and err and err.code == "closed") then good(is_closed, why, err) end
  ]],

  ["a transport"] = [[
    local made <close> = good(sluice.connect {
      host = "127.0.0.1", port = port, transport = transport })
    good(made:send "GET / HTTP/1.1\r\n\r\n")
    local buffer <close> = sluice.buffer { segment_size = 100 }
    assert(good(made:receive(buffer, 1000)) > 0)
    local request <close> = sluice.buffer()
    local bytes <close> = good(request:append "GET / HTTP/1.1\r\n\r\n"):sequence()
    good(made:send(bytes))
    assert(#good(made:receive(5)) > 0)
  ]],
}

describe("without memory for C", function()
  local web, secure, talker

  setup(function()
    talker = peer.listen { repeat_last = true, records = false, backlog = 200, script = {
      { { "accept" }, { "read", 11 }, { "send", "\x81\x05hello" }, { "read", 8 },
        { "send", "\x88\x02\x03\xe8" } } } }
    secure = nginx.start {
      tls = { certificate = certificates.chain "good", key = certificates.key "good" } }
    web = peer.listen {
      script = { { { "expect_until", "\r\n\r\n" },
        { "send", "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n" .. JSON }, { "loop" } } },
      repeat_last = true, records = false, backlog = 200,
    }
  end)

  teardown(function()
    web:stop()
    secure:stop()
    talker:stop()
  end)

  --- Returns how often the program raised.
  local function run(program, pool)
    local directory = server.directory()
    local path = server.write(directory .. "/script.lua", PRELUDE .. program .. DRIVER)
    local own = assert(package.searchpath("support.allocations", package.cpath))
    local before = os.getenv "LD_PRELOAD"
    local transport = support.transport() or { mode = "stream", backend = "epoll" }
    local pid = assert(system.spawn({ "env", "SLUICE_POOL=" .. pool,
      "LD_PRELOAD=" .. (before and before .. ":" or "") .. own, os.getenv "LUA" or "lua5.4", path,
      web.url .. "/", tostring(web.port), transport.mode, transport.backend,
      secure.tls_url .. "/json", certificates.file "root.pem", talker.url .. "/" },
      directory .. "/output"))
    local status = system.reap(pid, 600)
    local output = server.read(directory .. "/output")
    server.remove(directory)
    assert.equal(0, status, output:sub(-2000))
    return tonumber(output:match "points=%d+ raised=(%d+)")
  end

  for name, program in pairs(programs) do
    it("goes on after " .. name, function()
      local raised = run(program, "slabs") + run(program, "direct")
      -- A sanitizer's allocator comes first where there is one, and never fails.
      if not os.getenv "LD_PRELOAD" then assert.is_true(raised > 10, raised) end
    end)
  end
end)
