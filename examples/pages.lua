--- lua5.4 examples/pages.lua URL - follows pages that link to each other, and lists their items.

local sluice = require "sluice"

local url = arg[1]
if not url then
  io.stderr:write("usage: lua5.4 examples/pages.lua URL\n")
  os.exit(2)
end

local client = assert(sluice.client { timeout = 10 })
local pages, items = 0, 0

-- A failure is raised, here as text. Leaving the loop gives the connection back.
local ok, failure = pcall(function()
  print(("\nThe pages behind %s:"):format(url))
  for response in client:pages(url, { max = 100, fail_status = true }) do
    pages = pages + 1
    for _, item in ipairs(assert(response:decode())) do
      items = items + 1
      print(("  %s (of %s, page %d)"):format(item, response.url, pages))
    end
  end
end)
if not ok then io.stderr:write(tostring(failure), "\n") end

client:close()
print(("  %d items on %d pages, outstanding %d"):format(items, pages, sluice.stats().outstanding))
os.exit(ok and pages == 3 and items == 6, true)
