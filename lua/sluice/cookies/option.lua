--- The option `cookies`, and the way to a jar: its code is loaded with the first one, so that a
-- program without cookies holds none of it.

local check = require "sluice.check"
local later = require "sluice.later"
local jars = later "sluice.cookies.jar"

local cookie_option = {}

local function check_jar(value)
  local meta = getmetatable(value)
  if type(meta) == "table" and meta.__name == "sluice.cookie_jar" then return nil end
  return "jar of sluice.cookie_jar"
end

--- Checkers of the option, of clients and of requests.
cookie_option.of_client = check.either("boolean or jar of sluice.cookie_jar", check.boolean,
  check_jar)
cookie_option.of_request = check.either("false or jar of sluice.cookie_jar", check.off, check_jar)

--- A new jar, by the rules of cookie_jar.lua. Misuse raises.
-- Returns a jar | nil, message, err (invalid)
function cookie_option.new_jar(options) return jars.new(options) end

--- The jar that a client's option means, or nil for none.
function cookie_option.jar(option)
  if option == true then return cookie_option.new_jar() end
  return option or nil
end

return cookie_option
