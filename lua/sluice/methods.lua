--- The methods that RFC 9110 and RFC 5789 define.

local methods = {}

-- RFC 9110 9.1: methods have case. Those that are defined, and PATCH, are meant by their names
-- in lower case, too.
local standard = {}
for _, name in ipairs { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE",
  "CONNECT" } do
  standard[name] = name
end

--- The method that is meant by a name.
function methods.named(name) return standard[name] or standard[name:upper()] or name end

--- A set of those that do no more if they are sent twice (RFC 9110 9.2.2).
methods.idempotent = { GET = true, HEAD = true, PUT = true, DELETE = true, OPTIONS = true,
  TRACE = true }

return methods
