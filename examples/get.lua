--- lua5.4 examples/get.lua URL... - gets each URL and shows what arrived.

local sluice = require "sluice"

if not arg[1] then
  io.stderr:write("usage: lua5.4 examples/get.lua URL...\n")
  os.exit(2)
end

-- Gets one URL. Returns whether it arrived.
local function get(url)
  -- <close> gives the connection and the memory back when this block ends.
  local response <close>, message = sluice.get(url)
  if not response then
    io.stderr:write(message, "\n")
    return false
  end
  print(("\n%s: %d %s"):format(url, response.status, response.reason))
  for _, name in ipairs { "Content-Type", "Content-Length", "Transfer-Encoding" } do
    local value = response.headers[name]
    if value then print(("  %s: %s"):format(name, value)) end
  end
  -- The body lies in pooled segments: its length is known without making a string of it.
  local body <close> = assert(response:sequence())
  print(("  %d bytes in %.6f s"):format(#body, response.timings.total))
  if response.headers["Content-Type"] == "application/json" then
    for name, value in pairs(response:json()) do print(("    %s: %s"):format(name, value)) end
  end
  return true
end

local all_arrived = true
for _, url in ipairs(arg) do all_arrived = get(url) and all_arrived end

local stats = sluice.stats()
print(("\n%d rented, %d returned, %d outstanding, at most %d at once"):format(
  stats.rented, stats.returned, stats.outstanding, stats.high_water))
os.exit(all_arrived, true)
