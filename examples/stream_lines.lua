--- lua5.4 examples/stream_lines.lua URL [COUNT] - prints the first lines of a text that may have
-- no end.

local sluice = require "sluice"

local url, count = arg[1], math.tointeger(arg[2] or 5)
if not url or not count then
  io.stderr:write("usage: lua5.4 examples/stream_lines.lua URL [COUNT]\n")
  os.exit(2)
end

-- A streamed response is there as soon as its head is; nothing is received that nobody reads.
local response <close>, message = sluice.get(url, { stream = true, timeout = { idle = 10 } })
if not response then
  io.stderr:write(message, "\n")
  os.exit(1)
end
print(("\n%s: %d %s"):format(url, response.status, response.reason))
for line in response:lines() do
  print("  " .. line)
  count = count - 1
  if count == 0 then break end -- which closes the connection
end
