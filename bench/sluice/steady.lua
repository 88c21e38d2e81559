--- The peaks of resident memory in the two halves of 9,000 sequential GETs, after 1,000 more.
-- Not what is resident at two points in time: that shows where Lua's garbage happens to lie.
-- usage: steady.lua <url>
-- Prints first= and last= in KiB, and outstanding= segments and blocks at the end.

local here = arg[0]:match("^(.*/)") or "./"
package.path = here .. "?.lua;" .. package.path
local meter = require "meter"
local sluice = require "sluice"

local url = arg[1]
local client = meter.client()
local first, last

sluice.run(function()
  local function run(times)
    meter.forget_peak()
    for _ = 1, times do
      assert(#assert(client:get(url)).body > 0)
    end
    return meter.kib("VmHWM")
  end
  run(1000)
  first = run(4500)
  last = run(4500)
end)
client:close()
collectgarbage()
print(("first=%d last=%d outstanding=%d"):format(first, last, sluice.stats().outstanding))
