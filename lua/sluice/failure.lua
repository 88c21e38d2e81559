--- Failures made in Lua: the same `nil, message, err` as from C.

local failure = {}

local Err = { __name = "sluice.error" }
Err.__tostring = function(self) return self.message end

--- Returns nil, the message and an error table with that code.
-- `attempt` names what was tried and on what, `reason` why it failed; `stage` is the stage
-- that was reached, "queue" (not begun) unless given; `errno` is that of the system, if any.
function failure.new(code, attempt, reason, stage, errno)
  local message = attempt .. ": " .. reason
  local err = { message = message, code = code, stage = stage or "queue", retryable = false,
    errno = errno }
  return nil, message, setmetatable(err, Err)
end

--- Whether a value is an error table of the module's own, made here or by the core.
function failure.is(value)
  local meta = type(value) == "table" and getmetatable(value)
  return type(meta) == "table" and meta.__name == Err.__name
end

return failure
