--- lua5.4 examples/multipart.lua URL FILE... - puts files there as one multipart/form-data.
--
-- The files are sent from where they are: their size does not matter to memory.

local sluice = require "sluice"

local url = arg[1]
if not arg[2] then
  io.stderr:write("usage: lua5.4 examples/multipart.lua URL FILE...\n")
  os.exit(2)
end

local form <close> = sluice.multipart()
  :field("title", "Some files")
  :file("note", { bytes = "written in Lua", filename = "note.txt", type = "text/plain" })
for i = 2, #arg do form:file("files", { path = arg[i] }) end

local stored <close>, message = sluice.put(url, { multipart = form })
if not stored then
  io.stderr:write(message, "\n") -- for instance: multipart 'files' 'x': No such file or directory
  os.exit(1)
end
print(("\nPUT %s: %d %s"):format(url, stored.status, stored.reason))
print("  Content-Type: " .. form.content_type)

local head <close> = assert(sluice.head(url))
print(("  the server has %s bytes of it"):format(head.headers["Content-Length"]))
print(("  high water here: %d segments"):format(sluice.stats().high_water))
