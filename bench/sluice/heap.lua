--- Lua heap and the module's own allocations per sequential GET, the body taken.
-- usage: heap.lua <url> <count>
-- The collector stands still while it counts. Prints heap= bytes and allocations= calls, both
-- per request.

local here = arg[0]:match("^(.*/)") or "./"
package.path = here .. "?.lua;" .. package.path
local meter = require "meter"
local sluice = require "sluice"

local url, count = arg[1], tonumber(arg[2])
local client = meter.client()

sluice.run(function()
  local function run(times)
    for _ = 1, times do
      local response = assert(client:get(url))
      assert(#response.body == 1024)
    end
  end
  run(1000)
  collectgarbage()
  collectgarbage()
  local allocations = sluice.stats().allocations
  collectgarbage("stop")
  local before = collectgarbage("count")
  run(count)
  local heap = collectgarbage("count") - before
  collectgarbage("restart")
  print(("heap=%.1f allocations=%.4f"):format(
    heap * 1024 / count, (sluice.stats().allocations - allocations) / count))
end)
client:close()
