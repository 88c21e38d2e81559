--- lua5.4 examples/form.lua URL - puts a form there, gets it back and shows what the server has.

local sluice = require "sluice"

local url = arg[1]
if not url then
  io.stderr:write("usage: lua5.4 examples/form.lua URL\n")
  os.exit(2)
end

-- A map is sent in the order of its names; an array of values repeats its name.
local stored <close> = assert(sluice.put(url, {
  form = { name = "Ann Lee", age = 42, tags = { "a&b", "caf\u{e9}" }, subscribed = true },
}))
print(("\nPUT %s: %d %s"):format(url, stored.status, stored.reason))

local response <close> = assert(sluice.get(url))
print("  " .. response:text())
