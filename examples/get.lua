--- lua5.4 examples/get.lua URL... - gets each URL and shows what arrived.

local sluice = require "sluice"

--- Prints the fields of a table by name.
local function print_fields(title, fields)
  local names = {}
  for name in pairs(fields) do names[#names + 1] = name end
  table.sort(names)
  print(title)
  for _, name in ipairs(names) do
    local value = fields[name]
    local format = math.type(value) == "float" and "  %-12s %.6f" or "  %-12s %s"
    print(format:format(name, value))
  end
end

local function print_value(value, indent)
  if type(value) ~= "table" then
    local format = math.type(value) and "%s%.14g" or "%s%s"
    return print(format:format(indent, value))
  end
  for key, item in pairs(value) do
    print(("%s%s:"):format(indent, key))
    print_value(item, indent .. "  ")
  end
end

--- Gets one URL. Returns whether it arrived.
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

  -- The body lies in pooled segments: its length is known without making a string of it. The
  -- sequence belongs to this function and is closed like the response.
  local body <close> = assert(response:sequence())
  print(("  %d bytes arrived"):format(#body))
  if response.headers["Content-Type"] == "application/json" then
    print_value(response:json(), "    ")
  end
  print_fields("  timings, in seconds:", response.timings)
  return true
end

if #arg == 0 then
  io.stderr:write("usage: lua5.4 examples/get.lua URL...\n")
  os.exit(2)
end

local all_arrived = true
for _, url in ipairs(arg) do
  all_arrived = get(url) and all_arrived
end
print_fields("\nsluice.stats():", sluice.stats())
os.exit(all_arrived, true)
