--- lua5.4 examples/post_json.lua URL - posts a value as JSON, and shows the answer.

local sluice = require "sluice"

local url = arg[1]
if not url then
  io.stderr:write("usage: lua5.4 examples/post_json.lua URL\n")
  os.exit(2)
end

-- Integers of 64 bits and floats of 17 digits arrive as they are.
local response <close>, message, err = sluice.post(url, {
  json = { name = "Ann", id = math.maxinteger, ratio = 0.1, tags = { "a", "b" } },
  timeout = 5,
  fail_status = true, -- a status of 400 or more is a failure
})
if not response then
  io.stderr:write(message, "\n")
  if err.response then io.stderr:write(err.response:text() or "", "\n") end
  os.exit(1)
end
print(("\nPOST %s: %d %s"):format(url, response.status, response.reason))
for name, value in pairs(assert(response:json())) do print(("  %s: %s"):format(name, value)) end
