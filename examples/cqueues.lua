--- lua5.4 examples/cqueues.lua URL [COUNT] - requests in coroutines of cqueues, beside its timers.

local cqueues = require "cqueues"
local sluice = require "sluice"
require("sluice.hosts.cqueues").install()

local url, count = arg[1], math.tointeger(arg[2] or 20)
if not url or not count then
  io.stderr:write("usage: lua5.4 examples/cqueues.lua URL [COUNT]\n")
  os.exit(2)
end

local controller, client = cqueues.new(), assert(sluice.client {})
local arrived, ticks, left = 0, 0, count

for _ = 1, count do
  controller:wrap(function()
    local response <close>, message = client:get(url)
    if response then
      arrived = arrived + 1
    else
      io.stderr:write(message, "\n")
    end
    left = left - 1
  end)
end

controller:wrap(function()
  while left > 0 do
    cqueues.sleep(0.001)
    ticks = ticks + 1
  end
end)

assert(controller:loop()) -- ends when all of its coroutines have
client:close()
print(("cqueues: %d of %d requests arrived, its timer ticked%s"):format(arrived, count,
  ticks > 0 and "" or " never"))
os.exit(arrived == count, true)
