--- The way of a request through the steps of its client:
--
--     statuses > client:use(f) > retries > redirects > login > expectation > proxy_login
--       > client:use { hop = f } > transmit
--
-- Steps of a program are function(request, forward) -> response | nil, message, err. The
-- first kind runs once, around the call; the second for each sending.

local expectation = require "sluice.steps.expectation"
local login = require "sluice.steps.login"
local proxy_login = require "sluice.steps.proxy_login"
local redirects = require "sluice.steps.redirects"
local retries = require "sluice.steps.retries"
local statuses = require "sluice.steps.statuses"
local transmit = require "sluice.transmit"

local pipeline = {}

-- A function that forgets to return would silently lose the response.
local function raise_nothing(step)
  local from = debug.getinfo(step, "S")
  error(("the interceptor of %s:%d returned nothing: return what forward gives")
    :format(from.short_src, from.linedefined), 0)
end

-- Runs the steps from `position` on, and `last` behind them.
local function run(call, steps, position, request, last)
  local step = steps[position]
  if not step then return last(call, request) end
  local response, message, err = step(request, function(forwarded)
    return run(call, steps, position + 1, forwarded or request, last)
  end)
  if response == nil and message == nil then raise_nothing(step) end
  return response, message, err
end

-- What is received while steps of a program hold it is the call's, to be released with it.
local function transmit_noted(call, request)
  local response, message, err = transmit.send(call, request)
  if response then call:note(response) end
  return response, message, err
end

-- Sends one request. A step of a single sending gets a copy, so its changes hold for that alone.
local function send_once(call, request)
  local client = call.client
  local steps = client.hops
  if steps[1] then return run(call, steps, 1, call:derive(request), transmit_noted) end
  if client.interceptors[1] then return transmit_noted(call, request) end
  return transmit.send(call, request)
end

local function send_known(call, request) return proxy_login(call, request, send_once) end

local function send_expecting(call, request) return expectation(call, request, send_known) end

local function send_answering(call, request) return login(call, request, send_expecting) end

local function send_along(call, request) return redirects(call, request, send_answering) end

local function send_again(call, request) return retries(call, request, send_along) end

local function send_through(call, request)
  local client = call.client
  local steps = client.interceptors
  if not steps[1] and not client.hops[1] then return send_again(call, request) end
  return call:keep(run(call, steps, 1, request, send_again))
end

--- Sends the request of a call, through all steps.
-- Returns response | nil, message, err. Yields.
function pipeline.run(call, request) return statuses(call, request, send_through) end

-- The innermost: what it gets was sent and answered already.
local function follow_on(call, request)
  return redirects(call, request, send_answering, call.followed)
end

--- The same for a request that was sent already and whose response redirects.
function pipeline.follow(call, request, response)
  local steps = call.client.interceptors
  call.followed = response
  return call:keep(run(call, steps, 1, request, follow_on))
end

return pipeline
