--- Resident memory after 1,000 and after 10,000 sequential GETs.
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
    for _ = 1, times do
      assert(#assert(client:get(url)).body > 0)
    end
    collectgarbage()
    collectgarbage()
    return meter.kib("VmRSS")
  end
  first = run(1000)
  last = run(9000)
end)
client:close()
collectgarbage()
print(("first=%d last=%d outstanding=%d"):format(first, last, sluice.stats().outstanding))
