--- lua5.4 examples/game.lua URL [SECONDS] - a game that downloads URL again and again, and draws
-- how much CPU time the loop took of its frames.

local sluice = require "sluice"

local url, seconds = arg[1], tonumber(arg[2] or 3)
if not url or not seconds then
  io.stderr:write("usage: lua5.4 examples/game.lua URL [SECONDS]\n")
  os.exit(2)
end

local bytes = 0
local download = coroutine.create(function()
  while true do
    local response <close> = assert(sluice.get(url, { stream = true }))
    for piece in response:chunks() do
      bytes = bytes + #piece
      piece:dispose() -- now, and not at a collection in some later frame
    end
  end
end)

collectgarbage "incremental" -- so that its steps are small
local display <close> = io.popen "while sleep 0.015 && echo; do :; done" -- a line for each frame
local counts, most, frames = {}, 0, math.ceil(60 * seconds)
for _ = 1, frames do
  display:read "l"
  assert(coroutine.resume(download)) -- in each frame: while it waits, it goes on waiting
  local from = os.clock()
  sluice.loop():step(0, 0.001)
  local tenths = math.floor((os.clock() - from) * 10000)
  counts[tenths], most = (counts[tenths] or 0) + 1, math.max(most, tenths)
end
for tenths = 0, most do
  local count = counts[tenths] or 0
  print(("%4.1f ms %6d %s"):format(tenths / 10, count, ("#"):rep(math.ceil(60 * count / frames))))
end
print(("%.1f MB in %d frames"):format(bytes / 1e6, frames))
os.exit(coroutine.status(download) == "suspended", false)
