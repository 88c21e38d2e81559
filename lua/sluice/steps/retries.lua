--- Sends a request again after a failure or a status that may pass, by the option `retry`.

local core = require "sluice.core"
local failure = require "sluice.failure"
local pause = require "sluice.pause"
local retry = require "sluice.retry"

-- Of the request's own, else of the client.
local function policy_of(call, request)
  local own = request.options.retry
  if own ~= nil then return retry.compile(own) end
  return call.client.retry
end

-- An answer that an interceptor made itself need not have anything of a response.
local function dispose(response)
  local kind = type(response)
  if (kind == "table" or kind == "userdata") and response.dispose then response:dispose() end
end

-- What is disposed when it is closed, unless it was taken out before.
local Kept = { __close = function(self) dispose(self.response) end }

-- Whether nothing can be sent again, whatever the rules say.
local function is_final(call, request, err)
  return call.client.connections == nil or not request:is_replayable()
    or type(err) == "table" and err.code == "cancelled"
end

-- Whether the call is over before a wait of that many seconds.
local function is_too_long(call, seconds)
  if not call.deadline then return false end
  local ends = core.deadline(seconds)
  return not ends or ends >= call.deadline
end

-- Whether an answer, or nil and an error, is not the last one, and what the server asks to wait.
local function is_passing(policy, request, response, err)
  local kind = type(response)
  if response and kind ~= "table" and kind ~= "userdata" then return false end
  local is_due = retry.is_due(policy, request.method, response and response.status, err)
  if not is_due and not policy.when then return false end
  local after = response and retry.after(response)
  if policy.when then is_due = policy.when(response, err, request, is_due) end
  return is_due, after
end

-- The seconds until the next try, after `count` of them, or nil: the outcome stands.
local function next_wait(policy, call, request, count, response, err)
  if count > policy.tries or is_final(call, request, err) then return nil end
  local is_due, after = is_passing(policy, request, response, err)
  if not is_due then return nil end
  local seconds = retry.wait(policy, count, after)
  return not is_too_long(call, seconds) and seconds or nil
end

-- Sends once. Returns the seconds until the next try, with the answer disposed; or nil, and the
-- outcome behind it.
local function try(policy, call, request, count, forward)
  local response, message, err = forward(call, request)
  local kept <close> = setmetatable({ response = response }, Kept)
  local seconds = next_wait(policy, call, request, count, response, err)
  if seconds then return seconds end
  kept.response = nil
  return nil, response, message, err
end

-- The failure of a wait that was cancelled: nil, message, err.
local function fail(call, request, reason)
  if call.client.connections == nil then return request:failure("closed", "client is closed") end
  return request:failure("cancelled", reason)
end

-- A failure of several attempts says so.
local function count_attempts(call, message, err)
  if call.attempts > 1 and failure.is(err) then
    message = ("%s, after %d attempts"):format(message, call.attempts)
    err.message, err.attempts = message, call.attempts
  end
  return nil, message, err
end

local function send(policy, call, request, forward)
  for count = 1, math.huge do
    local seconds, response, message, err = try(policy, call, request, count, forward)
    if not seconds then return response, message, err end
    local ok, reason = pause.wait(call.client, seconds)
    if not ok then return fail(call, request, reason) end
  end
end

--- Returns response | nil, message, err. Yields.
return function(call, request, forward)
  local policy = policy_of(call, request)
  if not policy then return forward(call, request) end
  local response, message, err = send(policy, call, request, forward)
  if response == nil and message ~= nil then return count_attempts(call, message, err) end
  return response, message, err
end
