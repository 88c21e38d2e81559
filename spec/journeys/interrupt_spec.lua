-- A signal ends a script wherever it waits: the interpreter's handler sets a hook, which then runs.

local server = require "spec.support.server"
local support = require "spec.support"

local peer, system = support.peer, support.system

local SIGINT = 2

local WAITS = {
  ["loop:run"] = [[
    sluice.spawn(function() sluice.sleep(600) end)
    ready()
    sluice.loop():run()
  ]],
  ["sluice.run"] = [[
    sluice.run(function()
      ready()
      sluice.sleep(600)
    end)
  ]],
  ["sluice.sleep"] = [[
    ready()
    sluice.sleep(600)
  ]],
  ["task:await"] = [[
    local task = sluice.spawn(function() sluice.sleep(600) end)
    ready()
    task:await()
  ]],
  ["a request"] = [[
    local client = sluice.client { transport = transport, timeout = 600 }
    ready()
    client:get(url)
  ]],
  ["a receive"] = [[
    local made = assert(sluice.connect { host = "127.0.0.1", port = port, transport = transport })
    ready()
    made:receive(10, 600)
  ]],
}

describe("an interrupt", function()
  local PRELUDE = [[
    local url, port, mode, backend = arg[1], tonumber(arg[2]), arg[3], arg[4]
    local transport = { mode = mode, backend = backend }
    local sluice = require "sluice"
    local function ready()
      io.stdout:write "ready\n"
      io.stdout:flush()
    end
  ]]

  local function wait_for(path, text)
    local deadline = system.clock() + 30
    while not server.read(path):find(text, 1, true) do
      assert.is_true(system.clock() < deadline, server.read(path))
      system.poll(0, 0.005)
    end
  end

  for name, source in pairs(WAITS) do
    it("ends " .. name, function()
      local p <close> = peer.listen { script = { { { "stall" } } }, repeat_last = true }
      local directory = server.directory()
      local path = server.write(directory .. "/script.lua", PRELUDE .. source)
      local output = server.write(directory .. "/output")
      local transport = support.transport() or { mode = "stream", backend = "epoll" }
      local preload = os.getenv "LD_PRELOAD"
      local command = { "env", preload and "LD_PRELOAD=" .. preload or "PRELOADED=none",
        os.getenv "LUA" or "lua5.4", path, p.url .. "/", tostring(p.port), transport.mode,
        transport.backend }
      local pid = assert(system.spawn(command, output))
      wait_for(output, "ready")
      assert(system.kill(pid, SIGINT))
      local status = system.reap(pid, 300)
      local text = server.read(output)
      server.remove(directory)
      assert.equal(1, status, text)
      assert.matches("interrupted!", text)
    end)
  end
end)
