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

--- The value for { user, password } or { bearer = token }.
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

-- What is wrong with { user, password }, or nil.
local function check_user(pair)
  if type(pair) ~= "table" or pair[1] == nil or not has_only(pair, 1, 2) then
    return "{ user, password }"
  elseif not is_basic(pair[1], pair[2] or "") then
    return "user without colon, no control characters"
  end
end

local expected = "{ user, password }, { bearer = token } or { digest = { user, password } }"

--- Returns what is wrong with a table of credentials, or nil.
function auth.check_answer(option)
  if type(option) ~= "table" then return expected end
  if option.bearer ~= nil then
    return not has_only(option, "bearer", "bearer") and expected or nil
  elseif option.digest ~= nil then
    if next(option) ~= "digest" or next(option, "digest") ~= nil then return expected end
    return check_user(option.digest)
  elseif option[1] == nil or not has_only(option, 1, 2) then
    return expected
  end
  return check_user(option)
end

--- Returns what is wrong with the option, or nil.
function auth.check(option)
  if type(option) == "function" then return nil end
  if type(option) == "table" and option.netrc ~= nil then
    local path = option.netrc
    local is_path = path == true or type(path) == "string" and path ~= ""
      and not path:find("\0", 1, true)
    if is_path and next(option) == "netrc" and next(option, "netrc") == nil then return nil end
    return "{ netrc = true or path }"
  end
  local wrong = auth.check_answer(option)
  return wrong == expected and expected .. ", { netrc = true or path } or function" or wrong
end

--- Whether the option asks a function or a file, once for each origin.
function auth.asks(option)
  return type(option) == "function" or type(option) == "table" and option.netrc ~= nil
end

--- Whether the value is made anew for each sending.
function auth.is_late(option) return auth.asks(option) or option.digest ~= nil end

return auth
