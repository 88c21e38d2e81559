--- Media types (RFC 9110 8.3.1).

local parameters = require "sluice.parameters"

local media = {}

--- The media type in lower case and its parameters; nil for what is none.
function media.split(content_type)
  local name, behind = content_type:match "^%s*([^%s;/]+/[^%s;/]+)%s*()"
  if not name or not content_type:find("^%f[;\0]", behind) then return nil end
  return name:lower(), (parameters.read(content_type, behind, ";"))
end

return media
