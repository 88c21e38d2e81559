--- The way of a request through the steps of its client:
--
--     client:use(f) > redirects > expectation > client:use { hop = f } > transmit
--
-- Steps of a program are function(request, forward) -> response | nil, message, err. The
-- first kind runs once, around the call; the second for each sending.

local expectation = require "sluice.steps.expectation"
local redirects = require "sluice.steps.redirects"
local transmit = require "sluice.transmit"

local pipeline = {}

-- A function that forgets to return would silently lose the response.
local function raise_nothing(step, received)
  if type(received) == "userdata" then received:dispose() end
  local from = debug.getinfo(step, "S")
  error(("the interceptor of %s:%d returned nothing: return what forward gives")
    :format(from.short_src, from.linedefined), 0)
end

-- Runs the steps from `position` on, and `last` behind them.
local function run(steps, position, request, last)
  local step = steps[position]
  if not step then return last(request) end
  local received
  local response, message, err = step(request, function(forwarded)
    local answer, reason, failed = run(steps, position + 1, forwarded or request, last)
    received = answer
    return answer, reason, failed
  end)
  if response == nil and message == nil then raise_nothing(step, received) end
  return response, message, err
end

-- Sends one request. A step of a single sending gets a copy, so its changes hold for that alone.
local function send_once(call, request)
  local steps = call.client.hops
  if not steps[1] then return transmit.send(call, request) end
  return run(steps, 1, call:derive(request), function(last) return transmit.send(call, last) end)
end

local function send_expecting(call, request) return expectation(call, request, send_once) end

--- Sends the request of a call, through all steps.
-- Returns response | nil, message, err. Yields.
function pipeline.run(call, request)
  local steps = call.client.interceptors
  if not steps[1] then return redirects(call, request, send_expecting) end
  return run(steps, 1, request, function(last) return redirects(call, last, send_expecting) end)
end

--- The same for a request that was sent already and whose response redirects.
function pipeline.follow(call, request, response)
  return redirects(call, request, send_expecting, response)
end

return pipeline
