--- Sends a request once more if its proxy asks for digest credentials (407, RFC 9110 15.5.8): in
-- the answer to the request itself, or to the CONNECT of its tunnel.

local failure = require "sluice.failure"
local login = require "sluice.proxy_login"

-- What the proxy itself has answered, or nil. An interceptor may have made anything else.
local function answer_of(asked, response, err)
  if not asked.is_tunnel then return type(response) == "userdata" and response or nil end
  return failure.is(err) and err.code == "proxy" and err.response or nil
end

-- The values of Proxy-Authenticate in a 407 of the proxy, or nil for any other outcome.
local function read_challenges(asked, response, err)
  local answer = answer_of(asked, response, err)
  if not answer or answer.status ~= 407 then return nil end
  return answer.headers:all "Proxy-Authenticate"
end

--- Returns response | nil, message, err. Yields.
return function(call, request, forward)
  call.asked = nil
  local response, message, err = forward(call, request)
  local asked = call.asked -- of the request that was really sent
  if not asked then return response, message, err end
  local values = read_challenges(asked, response, err)
  if not values or not request:is_whole()
    or not login.learn(call.client, asked.via, values, asked.nonce) then
    return response, message, err
  end
  if response then response:dispose() end
  if asked.is_tunnel then call.attempts = call.attempts - 1 end -- it was not sent yet
  return forward(call, request)
end
