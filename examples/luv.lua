--- lua5.4 examples/luv.lua URL [COUNT] - requests beside a timer of libuv: in coroutines, and by
-- callbacks.

local sluice = require "sluice"
local uv = require "luv"
require("sluice.hosts.luv").install()

local url, count = arg[1], math.tointeger(arg[2] or 20)
if not url or not count then
  io.stderr:write("usage: lua5.4 examples/luv.lua URL [COUNT]\n")
  os.exit(2)
end

local client, timer = assert(sluice.client {}), uv.new_timer()
local arrived, ticks, left = 0, 0, count
timer:start(0, 1, function() ticks = ticks + 1 end)

local function done(response, message)
  if response then
    arrived = arrived + 1
    response:dispose()
  else
    io.stderr:write(message, "\n")
  end
  left = left - 1
  if left == 0 then timer:close() end
end

for i = 1, count do
  if i % 2 == 0 then client:get(url, { on_done = done })
  else coroutine.wrap(function() done(client:get(url)) end)()
  end
end

uv.run() -- ends when nothing waits any more
client:close()
print(("luv: %d of %d requests arrived, its timer ticked%s"):format(arrived, count,
  ticks > 0 and "" or " never"))
os.exit(arrived == count, true)
