--- Following redirects (RFC 9110 15.4), with more rules: none from https to http, none into
-- or out of a unix socket, no secrets across origins, bodies only where they can be sent
-- again.

local compose = require "sluice.compose"
local core = require "sluice.core"
local onward = require "sluice.onward"
local plan = require "sluice.plan"

-- The method of the next request: 303 asks with GET, and so do 301 and 302 after POST.
local function next_method(status, method)
  if status == 303 and method ~= "HEAD" then return "GET" end
  if (status == 301 or status == 302) and method == "POST" then return "GET" end
  return method
end

-- Why a URL is invalid, without the prefix that the core gives the message.
local function reason_of(message) return "Location: " .. message:gsub("^url: ", "") end

-- The value of Location, which may be there twice if both agree.
-- Returns the value | nil, reason
local function read_location(response)
  local values = response.headers:all "Location"
  for i = 2, #values do
    if values[i] ~= values[1] then return nil, "two Location fields that differ" end
  end
  local url, message = core.url.parse(values[1])
  if not url then return nil, reason_of(message) end
  if url.userinfo then return nil, "Location: user info" end
  return values[1]
end

-- The URL that a response to `base` redirects to; it inherits the fragment. `opens_socket`: it may
-- be one of a WebSocket.
-- Returns the URL, and the same parsed | nil, reason
local function find_target(base, response, opens_socket)
  local location, reason = read_location(response)
  if not location then return nil, reason end
  local url, message = core.url.follow(base, location)
  if not url then return nil, reason_of(message) end
  if opens_socket then url = plan.of_socket(url) end
  local fragment = base:match("#.*$")
  if fragment and not url:find("#", 1, true) then url = url .. fragment end
  local to
  to, message = plan.parse(url)
  if not to then return nil, reason_of(message) end
  return url, to
end

-- The request that the response asks for | nil, reason
local function derive(call, request, response)
  local base = call.sent.url
  local url, to = find_target(base, response, request.upgrade)
  if not url then return nil, to end
  local changes, refusal = onward.changes(request, base, url, to)
  if not changes then return nil, refusal end
  changes.method = next_method(response.status, request.method)
  local derived = call:derive(request, changes)
  if not derived:is_whole() then return nil, "the body cannot be sent again" end
  return derived
end

--- Sends a request, and follows redirects. `response` is its response if it was sent
-- already.
-- Returns response | nil, message, err (redirect, and what sending gives). Yields.
return function(call, request, forward, response)
  local left, message, err
  call.history = nil
  if not response then response, message, err = forward(call, request) end
  while core.leads_on(response) do
    local derived, reason
    left = left or compose.redirect_limit(call.client, request.options)
    call:add_redirect(response)
    if left > 0 then
      derived, reason = derive(call, request, response)
    else
      reason = ("more redirects than allowed (redirects = %d)"):format(#call.history - 1)
    end
    response:dispose()
    if not derived then return call.sent:failure("redirect", reason, "head") end
    left, request = left - 1, derived
    response, message, err = forward(call, request)
  end
  if not response then return nil, message, err end
  return response
end
