--- The option `retry`: whether a request is sent again, and after which wait.
-- An option is `false`, a number of tries, or a table; `compile` makes a policy of it:
-- { tries, delay, max_delay, max_retry_after, jitter, statuses, methods, when }.

local check = require "sluice.check"
local core = require "sluice.core"
local date = require "sluice.date"
local methods = require "sluice.methods"

local retry = {}

local default_statuses = { 408, 429, 502, 503, 504 }

--- Checker of a number from 0 to 1.
function retry.check_share(value)
  if type(value) == "number" and value >= 0 and value <= 1 then return nil end
  return "number from 0 to 1"
end

local function is_status(value)
  return math.type(value) == "integer" and value >= 200 and value <= 599
end

local schema = {
  tries = check.count,
  delay = check.seconds,
  max_delay = check.seconds,
  max_retry_after = check.seconds,
  jitter = retry.check_share,
  statuses = check.array("array of statuses from 200 to 599", 400, is_status),
  methods = check.array("array of methods", 100, function(v) return type(v) == "string" end),
  when = check.callable,
}

--- Checker of the option.
retry.check = check.either("false, number of tries or table", check.off, check.count,
  check.fields(schema))

local function set_of(list)
  local set = {}
  for _, value in ipairs(list) do set[value] = true end
  return set
end

local function methods_of(list)
  local set = {}
  for _, name in ipairs(list) do set[methods.named(name)] = true end
  return set
end

--- Makes a policy of a checked option; nil: nothing is sent again.
function retry.compile(option)
  if type(option) == "number" then option = { tries = option } end
  if not option or option.tries == 0 then return nil end
  local delay = option.delay or 0.5
  return {
    tries = option.tries or 3,
    delay = delay,
    max_delay = option.max_delay or math.max(30, delay),
    max_retry_after = option.max_retry_after or 60,
    jitter = option.jitter or 0.5,
    statuses = set_of(option.statuses or default_statuses),
    methods = option.methods and methods_of(option.methods) or methods.idempotent,
    when = option.when,
  }
end

-- The policy without options.
local default = retry.compile(1)

--- Whether the rules of a policy (nil: the default one) send the request again after a response
-- with that status, or after a failure.
function retry.is_due(policy, method, status, err)
  policy = policy or default
  if not policy.methods[method] then return false end
  if status then return policy.statuses[status] or false end
  return type(err) == "table" and err.retryable == true
end

-- Seconds that a response asks to wait, or nil (RFC 9110 10.2.3).
local function read_retry_after(value)
  if value:find "^%d+$" then return tonumber(value) end
  local now = os.time()
  local at = date.parse(value, now)
  return at and math.max(at - now, 0)
end

--- The seconds that a response asks to wait, or nil; one that an interceptor made may have
-- no fields.
function retry.after(response)
  local headers = response.headers
  local value = headers and headers["Retry-After"]
  return type(value) == "string" and read_retry_after(value) or nil
end

-- From 0 to 1, by chance. The program's math.random goes on as if nothing had been asked.
local function by_chance()
  local bytes = core.random(4)
  return bytes and string.unpack("I4", bytes) / 0xffffffff or 1
end

--- The seconds to wait before the next try, after `count` tries; `after` is what the server asks
-- for, or nil.
function retry.wait(policy, count, after)
  if after and policy.max_retry_after > 0 then return math.min(after, policy.max_retry_after) end
  local wait = math.min(policy.delay * 2.0 ^ (count - 1), policy.max_delay)
  return wait * (1 - policy.jitter * by_chance())
end

return retry
