--- Scripts in a Lua interpreter of their own, for what happens when a state ends.

local server = require "spec.support.server"
local system = require "support.system"

local script = {}

local function run(prefix, source, ...)
  local directory = server.directory()
  local path = server.write(directory .. "/script.lua", source)
  local command = { os.getenv "LUA" or "lua5.4", "-W", path, ... }
  -- Programs are started without a preloaded sanitizer, but this one loads the module.
  local preload = os.getenv "LD_PRELOAD"
  if preload then command = { "env", "LD_PRELOAD=" .. preload, table.unpack(command) } end
  table.move(command, 1, #command, #prefix + 1)
  table.move(prefix, 1, #prefix, 1, command)
  local from = system.clock()
  local status = system.reap(assert(system.spawn(command, directory .. "/output")), 30)
  local seconds = system.clock() - from
  local output = server.read(directory .. "/output")
  server.remove(directory)
  return status, output, seconds
end

--- Runs a script to its end, with warnings on. Returns its exit status, what it printed and how
-- many seconds it took.
function script.run(source, ...)
  return run({}, source, ...)
end

--- The same, where no more than so many descriptors may be open.
function script.run_with_descriptors(count, source, ...)
  return run({ "sh", "-c", "ulimit -n " .. count .. '; exec "$@"', "sh" }, source, ...)
end

return script
