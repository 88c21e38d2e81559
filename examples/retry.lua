--- lua5.4 examples/retry.lua URL [COUNT] - gets a URL of a busy server, as often as it takes.

local sluice = require "sluice"

local url, count = arg[1], math.tointeger(arg[2] or 3)
if not url or not count then
  io.stderr:write("usage: lua5.4 examples/retry.lua URL [COUNT]\n")
  os.exit(2)
end

-- Five tries after the first one, each after a wait: as long as the server asks, else a quarter of
-- a second, then half a second, and so on.
local client = sluice.client { retry = { tries = 5, delay = 0.25 } }

-- A step of each sending, to show what happens.
client:use { hop = function(request, forward)
  local response, message, err = forward(request)
  local after = response and response.headers["Retry-After"]
  print(("  %s%s"):format(response and response.status or message,
    after and (", Retry-After: %s"):format(after) or ""))
  return response, message, err
end }

local all_arrived = true
for i = 1, count do
  print(("\nrequest %d of %s"):format(i, url))
  local response <close>, message = client:get(url)
  if response then
    print(("  %d after %d attempts"):format(response.status, response.attempts))
    all_arrived = all_arrived and response.ok
  else
    io.stderr:write(message, "\n")
    all_arrived = false
  end
end
client:close()
os.exit(all_arrived, true)
