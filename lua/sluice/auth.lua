--- Credentials as header fields.

local core = require "sluice.core"
local failure = require "sluice.failure"

local auth = {}

-- RFC 7617 2: the first colon ends the user; controls are in neither.
local function is_basic(user, password)
  return not user:find("[:%c]") and not password:find("%c")
end

--- The value of Authorization for basic credentials (RFC 7617).
-- Returns the value | nil, message, err
function auth.basic(user, password)
  if not is_basic(user, password) then
    return failure.new("invalid", "credentials", "colon in the user, or a control character")
  end
  local text, message, err = core.base64(user .. ":" .. password)
  if not text then return nil, message, err end
  return "Basic " .. text
end

--- The same for the user info of a URL, which is percent-encoded.
-- Returns the value | nil, message, err (invalid)
function auth.from_userinfo(userinfo)
  local user, password = userinfo:match("^([^:]*):?(.*)$")
  local message, err
  user, message, err = core.url.unescape(user)
  if not user then return nil, message, err end
  password, message, err = core.url.unescape(password)
  if not password then return nil, message, err end
  return auth.basic(user, password)
end

--- The value for the option `auth`: { user, password } or { bearer = token }.
-- Returns the value | nil, message, err
function auth.value(option)
  if option.bearer then return "Bearer " .. option.bearer end
  return auth.basic(option[1], option[2] or "")
end

-- Every field of `option` is one of these, and a string.
local function has_only(option, one, other)
  for key, value in pairs(option) do
    if key ~= one and key ~= other or type(value) ~= "string" then return false end
  end
  return true
end

--- Returns what is wrong with the option, or nil.
function auth.check(option)
  if type(option) == "table" then
    if option.bearer ~= nil then
      if has_only(option, "bearer", "bearer") then return nil end
    elseif option[1] ~= nil and has_only(option, 1, 2) then
      if is_basic(option[1], option[2] or "") then return nil end
      return "user without colon, no control characters"
    end
  end
  return "{ user, password } or { bearer = token }"
end

return auth
