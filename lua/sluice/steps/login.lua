--- Answers a server that asks for digest credentials (401, RFC 7616), and sends the request
-- again if its body can be sent again.

local credentials = require "sluice.auth.credentials"

-- One sending. Returns what it gives, and behind it, for a 401, who may be asked for credentials.
local function send(call, request, forward)
  call.login = nil
  local response, message, err = forward(call, request)
  local login = call.login
  -- An interceptor may answer with a value of its own.
  if not login or type(response) ~= "userdata" or not response.headers then
    return response, message, err
  elseif response.status == 401 then
    return response, nil, nil, login
  end
  credentials.follow(call.client, login, response)
  return response
end

--- Returns response | nil, message, err. Yields.
return function(call, request, forward)
  local response, message, err, login = send(call, request, forward)
  for count = 1, 2 do -- the second one only if the first was good, but its nonce too old
    local may_answer = login and credentials.learn(call.client, login, response, count == 2)
    if not may_answer or not request:is_whole() then break end
    response:dispose()
    response, message, err, login = send(call, request, forward)
  end
  return response, message, err
end
