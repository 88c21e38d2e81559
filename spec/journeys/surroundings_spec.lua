-- Processes in an unusual state: standard descriptors are closed, other code closes a descriptor,
-- signals arrive all the time, another thread uses the state.

local script = require "spec.support.script"
local server = require "spec.support.server"
local sluice = require "sluice"
local states = require "support.states"
local support = require "spec.support"

local peer, system = support.peer, support.system

describe("surroundings:", function()
  support.verify_each()

  local function answering(body)
    return peer.listen { records = false, repeat_last = true, script = { {
      { "expect_until", "\r\n\r\n" },
      { "send", ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body) },
      { "loop" } } } }
  end

  it("a program may have its standard descriptors closed", function()
    local p <close> = answering "good"
    local directory = server.directory()
    local path = server.write(directory .. "/script.lua", [[
      local sluice = require "sluice"
      local support = require "spec.support"
      local client = support.client()
      -- By a name, so that a thread resolves it.
      for _ = 1, 3 do
        local response = assert(client:get(("http://localhost:%s/"):format(arg[1])))
        assert(response:text() == "good")
        response:dispose()
      end
      client:close()
      support.settle(sluice)
      local file = assert(io.open(arg[2], "w"))
      file:write "done"
      file:close()
    ]])
    local command = ('exec "$0" "$1" "$2" "$3" <&- >&- 2>&-')
    local arguments = { "sh", "-c", command, os.getenv "LUA" or "lua5.4", path, tostring(p.port),
      directory .. "/result" }
    local preload = os.getenv "LD_PRELOAD"
    if preload then arguments = { "env", "LD_PRELOAD=" .. preload, table.unpack(arguments) } end
    assert.equal(0, system.reap(assert(system.spawn(arguments)), 300))
    assert.equal("done", server.read(directory .. "/result"))
    server.remove(directory)
  end)

  --- A transport and the number of its descriptor.
  local function connect(p)
    local open = peer.descriptors()
    local transport = assert(sluice.connect {
      host = p.host, port = p.port, transport = support.transport() })
    for number, link in pairs(peer.descriptors()) do
      if not open[number] and link:find "^socket" then return transport, number end
    end
  end

  it("a descriptor that somebody else closes fails its own connection", function()
    local p <close> = peer.listen { script = { { { "echo" } } }, repeat_last = true }
    local transport, number = connect(p)
    local other <close> = connect(p)
    p:wait("accepted", 2) -- or the peer would get the number that is closed here
    assert.equal(1, transport:send "x")
    assert.equal("x", transport:receive(100))
    assert(system.close(number))
    local sent, _, err = transport:send "y"
    assert.is_nil(sent)
    assert.equal("closed", err.code)
    local from = system.clock()
    local got, message, why = transport:receive(100, 20)
    assert.is_nil(got)
    assert.equal("closed", why.code, message)
    assert.is_true(system.clock() - from < 10)
    assert.equal("x", other:send "x" and other:receive(100))
    transport:close()
    assert.equal("z", other:send "z" and other:receive(100))
  end)

  it("a unix socket is shown by its path", function()
    local p <close> = peer.listen { family = "unix", script = { { { "stall" } } } }
    local transport <close> =
      assert(sluice.connect { unix_path = p.path, transport = support.transport() })
    assert.equal(("sluice.transport (%s)"):format(p.path), tostring(transport))
    local _, message = transport:receive(1, 0)
    assert.equal(("receive from %s: not complete in time"):format(p.path), message)
  end)

  it("a call from another thread is refused, and the state goes on", function()
    local p <close> = answering "good"
    local client <close> = support.client()
    local response = assert(client:get(p.url .. "/"))
    response:dispose()
    local connected <close> = connect(p)
    for _, use in ipairs {
      function() return sluice.loop() end,
      function() return sluice.sleep(0) end,
      function() return client:get(p.url .. "/") end,
      function() return connected:send "x" end,
      function() return connected:receive(1, 0) end,
      function() return sluice.client() end,
      function() return sluice.stats() end,
    } do
      local ok, message = states.elsewhere(use)
      assert.is_false(ok)
      assert.matches("from another thread", tostring(message))
    end
    local again <close> = assert(client:get(p.url .. "/"))
    assert.equal("good", again:text())
  end)

  it("signals may interrupt every call", function()
    local body = support.pattern(200000)
    local p <close> = answering(body)
    local status, output = script.run([[
      local sluice = require "sluice"
      local support = require "spec.support"
      local client = support.client()
      support.system.storm(500)
      local count = 0
      for _ = 1, 40 do
        local response = assert(client:get(("http://localhost:%s/"):format(arg[1])))
        if response:text() == support.pattern(200000) then count = count + 1 end
        response:dispose()
      end
      local transport = assert(sluice.connect {
        host = "127.0.0.1", port = tonumber(arg[1]), transport = support.transport() })
      for _ = 1, 20 do
        local got, _, err = transport:receive(1, 0.003)
        assert(got == nil and err.code == "timeout")
      end
      support.system.storm(0)
      transport:close()
      client:close()
      support.settle(sluice)
      print(count)
    ]], tostring(p.port))
    assert.same({ 0, "40\n" }, { status, output })
  end)
end)
