--- lua5.4 examples/streams.lua URL [COUNT] - reads that many streams of events at once (50).

local sluice = require "sluice"

local url, count = arg[1], math.tointeger(arg[2] or 50)
if not url or not count then
  io.stderr:write("usage: lua5.4 examples/streams.lua URL [COUNT]\n")
  os.exit(2)
end

local client <close> = assert(sluice.client { pool = { per_origin = count } })

-- Each in a task of its own: while one waits for its next event, the others go on.
local function read()
  local events, bytes = 0, 0
  for event in client:events(url, { reconnect = false }) do
    events, bytes = events + 1, bytes + #event.data
  end
  return { events = events, bytes = bytes }
end

local numbers, all = {}, { events = 0, bytes = 0 }
for i = 1, count do numbers[i] = i end
for _, one in ipairs(assert(sluice.map(numbers, read, { limit = count }))) do
  all.events, all.bytes = all.events + one.events, all.bytes + one.bytes
end
print(("%d streams at once: %d events, %d bytes of data"):format(count, all.events, all.bytes))
