--- What a proxy answered when it refused a tunnel: `err.response` of a failure with the code
-- proxy. It is of tables and strings and needs no dispose.
--
--     status reason version        of its head
--     headers                      as those of a response: [name], :get, :all, pairs, ipairs
--     body                         its bytes, 64 KiB at most, as they came
--     truncated                    whether more of the body was to come
--     ok                           false

local core = require "sluice.core"
local json = require "sluice.json"

local Refusal = core.refusal_types.refusal
local methods = { ok = false, method = "CONNECT" }
Refusal.__index = methods

--- The body as a string.
function methods:text() return self.body end

--- The value of a body that is JSON. Returns it | nil, message, err (decode)
function methods:json() return json.decode(self.body) end

--- There is nothing to dispose: for code that does so with any response. Idempotent.
function methods.dispose() end

Refusal.__close = methods.dispose

function Refusal:__tostring() return ("sluice.refusal (%d)"):format(self.status) end

local Headers = core.refusal_types.headers
local header_methods = {}

--- The values of a name in wire order, as an array.
function header_methods:all(name)
  local found = {}
  name = name:lower()
  for i = 1, #self do
    if self[i][1]:lower() == name then found[#found + 1] = self[i][2] end
  end
  return found
end

--- The values of a name, joined with ", ", but the first Set-Cookie; or nil.
function header_methods:get(name)
  local found = self:all(name)
  if name:lower() == "set-cookie" then return found[1] end
  return found[1] and table.concat(found, ", ")
end

function Headers:__index(key)
  if type(key) ~= "string" then return nil end
  return header_methods[key] or header_methods.get(self, key)
end

function Headers:__pairs()
  local i = 0
  return function()
    i = i + 1
    local line = rawget(self, i)
    if line then return line[1], line[2] end
  end
end

return Refusal
