--- Bodies of multipart/form-data, as parsers find them that were written elsewhere: python3's
-- `cgi` and `email`, and busboy for node.

local json = require "sluice.json"
local server = require "spec.support.server"

local multipart = {}

local commands = {
  cgi = { "/usr/bin/python3", "spec/support/multipart.py", "cgi" },
  email = { "/usr/bin/python3", "spec/support/multipart.py", "email" },
  busboy = { "env", "NODE_PATH=/usr/share/nodejs", "node", "spec/support/multipart.js" },
}

multipart.parsers = { "busboy", "cgi", "email" }

local function byte_of(hex) return string.char(tonumber(hex, 16)) end

--- What one of the parsers finds: an array of { name =, filename =, type =, data = }. Raises
-- what it has to say if it fails.
function multipart.parse(parser, content_type, bytes)
  local directory = server.directory()
  local path = server.write(directory .. "/body", bytes)
  local command = { "sh", "-c", 'input=$1; shift; exec "$@" <"$input"', "sh", path }
  table.move(commands[parser], 1, #commands[parser], #command + 1, command)
  table.move({ directory, content_type }, 1, 2, #command + 1, command)
  local status, output = server.run(command)
  local found = {}
  if status == 0 then
    for line in output:gmatch "[^\n]+" do
      local part = assert(json.decode(line))
      for key, value in pairs(part) do
        if value == json.null then part[key] = nil end
      end
      found[#found + 1] = part
      part.data = part.hex and part.hex:gsub("..", byte_of)
        or server.read(("%s/%d"):format(directory, #found))
    end
  end
  server.remove(directory)
  if status ~= 0 then error(("%s: %s"):format(parser, output), 2) end
  return found
end

return multipart
