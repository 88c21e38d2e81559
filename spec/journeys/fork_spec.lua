-- A child of fork: what it inherited refuses every use, can be given up, and the parent's
-- connections notice nothing.

local core = require "sluice.core"
local certificates = require "spec.support.certificates"
local nginx = require "spec.support.nginx"
local script = require "spec.support.script"
local sluice = require "sluice"
local support = require "spec.support"

local peer, system = support.peer, support.system

local GOOD = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"
local HEAD = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n"

describe("a child of fork", function()
  support.verify_each()

  --- How many of the uses were refused for being in a child, of those that there are.
  local function refused_in_child(uses)
    local pid = system.fork(function()
      local refused = 0
      for _, use in ipairs(uses) do
        local ok, message = pcall(use)
        if not ok and tostring(message):find "fork" then refused = refused + 1 end
      end
      return refused
    end)
    -- A child that loops would have to be killed.
    return system.reap(pid, 300), #uses
  end

  it("cannot use its parent's handles", function()
    local p <close> = peer.listen { script = {
      { { "expect_until", "!" }, { "send", "data" }, { "read_all" } },
    } }
    local transport <close> = assert(sluice.connect {
      host = "127.0.0.1", port = p.port, transport = support.transport() })
    local completion = transport:begin_receive(4)
    local task = sluice.spawn(function() return sluice.sleep(0.01) end)
    sluice.loop():step(0)
    local buffer <close> = sluice.buffer():append "x"
    local writer <close> = sluice.writer():write "x"
    local sequence <close> = buffer:sequence()
    local reader = sequence:reader()
    local parser <close> = sluice.http_parser()
    local lease <close> = sluice.writer():write("x"):detach()
    local refused, count = refused_in_child {
      function() transport:send "child was here" end,
      function() transport:receive() end,
      function() transport:begin_send "child was here" end,
      function() transport:tls() end,
      function() completion:await() end,
      function() completion:cancel() end,
      function() task:await() end,
      function() task:await(0.01) end,
      function() task:cancel() end,
      function() buffer:append "y" end,
      function() writer:write "y" end,
      function() sequence:sub(1) end,
      function() reader:read "a" end,
      function() parser:feed "y" end,
      function() lease:tostring() end,
    }
    assert.equal(count, refused)
    assert.equal(7, transport:send "parent!")
    assert.equal("data", completion:await())
    assert.is_true(task:await())
    transport:close()
    p:wait "idle"
    assert.equal("parent!", p:received(1))
    assert.same({}, p:failures())
  end)

  it("says nothing over its parent's WebSocket", function()
    local switch = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
      .. "Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    local p <close> = peer.listen { script = { { { "expect_until", "\r\n\r\n" },
      { "send", switch }, { "read", 6 + 7 }, { "send", "\x81\x05there" }, { "read_all" } } } }
    local real_key = core.websocket_key
    core.websocket_key = function() return "dGhlIHNhbXBsZSBub25jZQ==" end
    local client <close> = support.client()
    local socket <close> = assert(client:websocket(("ws://127.0.0.1:%d/"):format(p.port)))
    core.websocket_key = real_key
    local refused, count = refused_in_child {
      function() socket:send "child was here" end,
      function() socket:receive() end,
      function() socket:ping() end,
      function() socket:close() end,
      function()
        socket:dispose()
        getmetatable(socket).__gc(socket)
        error "not said to be a fork: given up"
      end,
    }
    assert.equal(count, refused)
    assert.is_true(socket:send "parent!")
    local message <close> = assert(socket:receive(20))
    assert.equal("there", message:text())
  end)

  --- Gives up everything in a child, in the way named.
  local function give_up(way, client, response)
    local pid = system.fork(function()
      if way == "closed" then
        client:close()
        response:dispose()
      else
        for name in pairs { connections = 1, origins = 1 } do
          local object = client[name]
          if name == "origins" then object = select(2, next(object.handles)) end
          getmetatable(object).__gc(object)
        end
        getmetatable(response).__gc(response)
      end
      collectgarbage()
      return 0
    end)
    assert.equal(0, system.reap(pid, 300), way)
  end

  for _, way in ipairs { "closed", "finalised" } do
    it("does not touch plain connections when they are " .. way, function()
      local p <close> = peer.listen { repeat_last = true, script = {
        { { "expect_until", "\r\n\r\n" }, { "send", GOOD }, { "expect_until", "\r\n\r\n" },
          { "send", HEAD .. "some" }, { "hold" }, { "send", "more" }, { "read_all" } },
        { { "expect_until", "\r\n\r\n" }, { "send", GOOD }, { "loop" } },
      } }
      local client = support.client { pool = { per_origin = 1 } }
      assert(client:get(p.url .. "/")):dispose()
      local response <close> = assert(client:get(p.url .. "/", { stream = true }))
      assert.equal("some", response:read(4))
      -- One more request waits for the place that the child must not give to it.
      local waiting = sluice.spawn(function()
        return client:get(p.url .. "/")
      end)
      sluice.loop():step(0)
      give_up(way, client, response)
      assert.equal(1, (p:connections()))
      p:signal(1)
      assert.equal("more", response:read(4))
      response:dispose()
      waiting:cancel()
      waiting:await()
      client:close()
      assert.same({}, p:failures())
    end)
  end

  it("may close its state", function()
    local web <close> = nginx.start {
      tls = { certificate = certificates.chain "good", key = certificates.key "good" } }
    local transport = support.transport() or { mode = "stream", backend = "epoll" }
    local status, output = script.run([[
      local url, mode, backend, root = table.unpack(arg)
      local sluice, system = require "sluice", require "support.system"
      local client = sluice.client { transport = { mode = mode, backend = backend },
        tls = { ca_file = root } }
      local function get()
        local response <close> = assert(client:get(url))
        return response:text()
      end
      local text = get()
      local waiting = sluice.spawn(function() return sluice.sleep(0.01) end)
      sluice.loop():step(0)
      local pid = system.fork(function() os.exit(0, true) end)
      assert(system.reap(pid, 300) == 0)
      assert(get() == text and waiting:await())
      assert(client:stats().made == 1 and client:stats().resends == 0)
      os.exit(0, true)
    ]], web.tls_url .. "/json", transport.mode, transport.backend,
      certificates.file "root.pem")
    assert.equal(0, status, output)
  end)

  it("sends nothing over TLS either", function()
    local web <close> = nginx.start {
      tls = { certificate = certificates.chain "good", key = certificates.key "good" } }
    web:file(300000)
    local client = support.client { tls = { ca_file = certificates.file "root.pem" } }
    local function get()
      local response <close> = assert(client:get(web.tls_url .. "/json"))
      return response:text()
    end
    local text = get()
    local streamed <close> =
      assert(client:get(web.tls_url .. "/file/300000", { stream = true }))
    assert.equal(text, get())
    assert.equal(2, client:stats().made)
    for _, way in ipairs { "closed", "finalised" } do
      give_up(way, client, streamed)
      assert.equal(text, get())
    end
    local size = 0
    for piece in streamed:chunks() do
      size = size + #piece
      piece:dispose()
    end
    assert.equal(300000, size)
    local stats = client:stats()
    assert.same({ 2, 0 }, { stats.made, stats.resends })
    client:close()
  end)
end)
