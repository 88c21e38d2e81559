--- lua5.4 examples/frames.lua URL [FRAMES] - a program that draws frames, and sends requests
-- meanwhile.

local sluice = require "sluice"

local url, frames = arg[1], math.tointeger(arg[2] or 60)
if not url or not frames then
  io.stderr:write("usage: lua5.4 examples/frames.lua URL [FRAMES]\n")
  os.exit(2)
end

-- `on_done` is called inside a step, so that a program without coroutines can use it.
local arrived, failed = 0, 0
local function ask()
  sluice.get(url, { on_done = function(response, message)
    if response then
      arrived = arrived + 1
      response:dispose()
    else
      failed = failed + 1
      io.stderr:write(message, "\n")
    end
  end })
end

local display <close> = io.popen "while sleep 0.015 && echo; do :; done" -- a line for each frame
for frame = 1, frames do
  display:read "l"
  if frame % 10 == 1 then ask() end
  sluice.loop():step(0, 0.001) -- at most a millisecond of this frame
end
while sluice.loop():step(0.1) do end -- what is still on its way

print(("%d frames, %d answers, %d failures"):format(frames, arrived, failed))
os.exit(failed == 0, true)
