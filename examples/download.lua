--- lua5.4 examples/download.lua URL FILE [SHA256] - downloads a file, from where it was left.
--
-- Interrupt it and start it again: what is there is not fetched again, unless the file has changed
-- on the server. The file has its name once it is complete.

local sluice = require "sluice"

local url, path, sha256 = arg[1], arg[2], arg[3]
if not path then
  io.stderr:write("usage: lua5.4 examples/download.lua URL FILE [SHA256]\n")
  os.exit(2)
end

local client = assert(sluice.client {
  retry = { tries = 5 },
  -- A server that sends less than 4 KiB in 20 s is given up, and asked again.
  timeout = { rate = { 4096, 20 } },
})

print(("\n%s to %s:"):format(url, path))
local ok, message = client:download(url, path, {
  resume = true,
  parallel = 4,      -- ranges at a time, where the server has them
  sha256 = sha256,
  progress = true,   -- on stderr: a bar, or a line every few seconds if that is no terminal
})
client:close()

if not ok then
  io.stderr:write(message, "\n")
  os.exit(1)
end
print(("  complete, outstanding %d"):format(sluice.stats().outstanding))
os.exit(true, true)
