--- lua5.4 examples/upload.lua FILE URL - puts a file there, and shows how it goes.

local sluice = require "sluice"

local path, url = arg[1], arg[2]
if not path or not url then
  io.stderr:write("usage: lua5.4 examples/upload.lua FILE URL\n")
  os.exit(2)
end

-- The file is sent from where it is: one of any size takes no more memory than a small one.
local response <close>, message = sluice.put(url, {
  body = { path = path },
  expect_continue = true, -- a server that refuses does so before the file is sent
  on_progress = function(sent, _, to_send)
    print(("  %d of %d bytes sent"):format(sent, to_send))
  end,
})
if not response then
  io.stderr:write(message, "\n")
  os.exit(1)
end
print(("PUT %s: %d %s"):format(url, response.status, response.reason))
os.exit(response.ok, true)
