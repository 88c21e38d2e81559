--- A response of 400 and more as a failure, by the option `fail_status`. It is the outermost step:
-- interceptors see the response as it is.

local failure = require "sluice.failure"
local retry = require "sluice.retry"

-- Whether it is one of 400 and more; an interceptor may have answered with a value of its own.
local function has_failed(response)
  return type(response) == "userdata" and (response.status or 0) >= 400
end

-- The request's own option, else the client's.
local function is_asked(call, request)
  local own = request.options.fail_status
  if own ~= nil then return own end
  return call.client.settings.fail_status
end

--- Returns response | nil, message, err (status, and what sending gives). Yields.
return function(call, request, forward)
  local response, message, err = forward(call, request)
  if not is_asked(call, request) or not has_failed(response) then return response, message, err end
  return failure.of_status(response, retry.is_due(nil, response.method, response.status))
end
