--- Failures made in Lua: the same `nil, message, err` as from C.

local failure = {}

local values = require "sluice.values"

local methods = {}

--- Disposes the response that the failure holds, if there is one. Idempotent.
function methods:dispose()
  local response = rawget(self, "response")
  if response then response:dispose() end
end

local Err = { __name = "sluice.error", __index = methods, __close = methods.dispose }
Err.__tostring = function(self) return self.message end

-- A failure that is collected takes its response along: nobody else has it.
local Owner = { __gc = methods.dispose }
for key, value in pairs(Err) do Owner[key] = value end

--- Returns nil, the message and an error table with that code.
-- `attempt` names what was tried and on what, `reason` why it failed; `stage` is the stage
-- that was reached, "queue" (not begun) unless given; `errno` is that of the system, if any.
function failure.new(code, attempt, reason, stage, errno)
  local message = attempt .. ": " .. reason
  local err = { message = message, code = code, stage = stage or "queue", retryable = false,
    errno = errno }
  return nil, message, setmetatable(err, Err)
end

--- The failure of a response whose status is one: code `status`. It owns the response, which is
-- `err.response`, and is disposed with it. `why` follows the status in the message; `stage` is
-- "head" unless given.
-- Returns nil, message, err
function failure.of_status(response, is_retryable, why, stage)
  local reason = response.reason
  local _, message, err = failure.new("status", ("%s %s"):format(response.method, response.url),
    ("status %d%s%s"):format(response.status,
      reason ~= "" and " " .. values.shown(reason, 64) or "", why or ""), stage or "head")
  err.status, err.response, err.retryable = response.status, response, is_retryable
  if response.attempts > 1 then err.attempts = response.attempts end
  return nil, message, setmetatable(err, Owner)
end

--- Whether a value is an error table of the module's own, made here or by the core.
function failure.is(value)
  local meta = type(value) == "table" and getmetatable(value)
  return type(meta) == "table" and meta.__name == Err.__name
end

return failure
