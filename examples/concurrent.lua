--- lua5.4 examples/concurrent.lua URL [COUNT] - gets one URL many times at once.
--
-- Every request is a task of its own; the client lets them share its keep-alive connections.

local sluice = require "sluice"

local url, count = arg[1], math.tointeger(arg[2] or 200)
if not url or not count then
  io.stderr:write("usage: lua5.4 examples/concurrent.lua URL [COUNT]\n")
  os.exit(2)
end

local client <close> = sluice.client { headers = { Accept = "application/json" } }
local arrived, bytes, slowest = 0, 0, 0

local function get()
  local response <close>, message = client:get(url)
  if not response then return io.stderr:write(message, "\n") end
  local body <close> = assert(response:sequence())
  arrived = arrived + (response.ok and 1 or 0)
  bytes = bytes + #body
  slowest = math.max(slowest, response.timings.total)
end

sluice.run(function()
  local tasks = {}
  for i = 1, count do tasks[i] = sluice.spawn(get) end
  sluice.all(tasks)
end)

local stats = sluice.stats()
print(("\n%d of %d requests arrived at once, %d bytes, by %d connections"):format(
  arrived, count, bytes, stats.connections))
print(("  slowest %.6f s, outstanding %d, leaked %d"):format(
  slowest, stats.outstanding, stats.leaked))
os.exit(arrived == count, true)
