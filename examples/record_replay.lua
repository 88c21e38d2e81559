--- lua5.4 examples/record_replay.lua URL FOLDER - records an exchange, and replays it without the
-- server, as the tests of a program do.

local sluice = require "sluice"

local url, folder = arg[1], arg[2]
if not url or not folder then
  io.stderr:write("usage: lua5.4 examples/record_replay.lua URL FOLDER\n")
  os.exit(2)
end

-- Gets the URL by a client that records, or replays. Returns its text, and how often it was sent.
local function get(mode)
  local client <close> = assert(sluice.client())
  client:use(sluice.interceptors.record { path = folder, mode = mode })
  local response <close>, message = client:get(url)
  if not response then
    io.stderr:write(message, "\n")
    os.exit(1)
  end
  return assert(response:text()), client:stats().requests
end

local recorded, sent = get "record"
print(("\n%s: %d bytes recorded, %d request sent"):format(url, #recorded, sent))
local replayed
replayed, sent = get "replay"
print(("  %d bytes replayed, %d requests sent"):format(#replayed, sent))
os.exit(recorded == replayed, true)
