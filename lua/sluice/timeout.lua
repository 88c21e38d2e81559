--- The option `timeout`: seconds for the whole call, or a table of seconds by stage.

local check = require "sluice.check"

local timeout = {}

local check_stage = check.either("number of seconds, not negative, or false", check.off,
  check.seconds)

-- { bytes, seconds }: at least so many bytes move in that time.
local function is_rate(value)
  if type(value) ~= "table" or #value ~= 2 then return false end
  for key in pairs(value) do
    if key ~= 1 and key ~= 2 then return false end
  end
  return math.type(value[1]) == "integer" and value[1] > 0
    and type(value[2]) == "number" and value[2] > 0
end

local function check_rate(value)
  if value == false or is_rate(value) then return nil end
  return "{ bytes, seconds }, both above zero, or false"
end

--- Checker of the option.
timeout.check = check.either("number of seconds, not negative, or table of them", check.seconds,
  check.fields {
    total = check_stage,
    resolve = check_stage,
    connect = check_stage,
    proxy = check_stage,
    tls = check_stage,
    first_byte = check_stage,
    idle = check_stage,
    queue = check_stage,
    rate = check_rate,
  })

--- The seconds of the whole call; nil: not given. `false` is no end.
function timeout.total(option)
  if type(option) == "table" then option = option.total end
  if option == false then return math.huge end
  return option
end

--- Puts the deadlines of an option into a table of the core's; `false` turns off what it is given
-- for.
function timeout.merge_into(target, option)
  if type(option) ~= "table" then option = { total = option } end
  for name, value in pairs(option) do
    if name == "rate" then
      target.rate_bytes, target.rate_within = value and value[1] or 0, value and value[2] or nil
    else
      target[name] = value or math.huge
    end
  end
end

return timeout
