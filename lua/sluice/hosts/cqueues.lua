--- Waits in coroutines of cqueues: `require("sluice.hosts.cqueues").install()`.
-- A controller steps the loop as long as anything waits.

local condition = require "cqueues.condition"
local core = require "sluice.core"
local cqueues = require "cqueues"

local loop = core.loop()
local signals, drivers = setmetatable({}, { __mode = "k" }), setmetatable({}, { __mode = "k" })

local function drive(controller)
  repeat cqueues.poll(loop) until not loop:step(0, 0.0005)
  drivers[controller] = nil
end

local host = core.host(function(thread)
  local controller, is_its_own = cqueues.running()
  if not is_its_own then return false end
  if not drivers[controller] then drivers[controller] = controller:wrap(drive, controller) end
  signals[thread] = signals[thread] or condition.new()
  signals[thread]:wait()
end, function(thread) signals[thread]:signal() end)

return { host = host, install = function() core.add_host(host) end }
