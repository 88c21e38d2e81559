--- Lua heap and the module's own allocations per sequential GET, the body taken.
-- usage: heap.lua <url> <count>
-- Prints allocations= calls per request with the collector at work, and heap= bytes, the median
-- of what one request adds while it stands still but for the steps that the module asks for.

local here = arg[0]:match("^(.*/)") or "./"
package.path = here .. "?.lua;" .. package.path
local meter = require "meter"
local sluice = require "sluice"

local url, count = arg[1], tonumber(arg[2])
local client = meter.client()

local function get()
  return assert(client:get(url)).body
end

local function count_allocations()
  local before = sluice.stats().allocations
  for _ = 1, count do
    assert(#get() == 1024)
  end
  return (sluice.stats().allocations - before) / count
end

local function count_heap()
  collectgarbage()
  collectgarbage("stop")
  local added = {}
  for i = 1, count do
    local before = collectgarbage("count")
    local body = get()
    added[i] = (collectgarbage("count") - before) * 1024
    assert(#body == 1024)
  end
  collectgarbage("restart")
  table.sort(added)
  return added[#added // 2]
end

sluice.run(function()
  count_allocations()
  local allocations = count_allocations()
  print(("heap=%.0f allocations=%.4f"):format(count_heap(), allocations))
end)
client:close()
