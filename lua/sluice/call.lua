--- A call: what a program asked for once, over all the sendings that it takes.
-- A call knows when its time is over, how often it was sent, which redirects it has followed, and
-- every request that was made for it; closing it ends these requests and their bodies.

local core = require "sluice.core"
local timeout = require "sluice.timeout"

local Call = {}
Call.__index = Call

--- The end of the whole call, or nil for a call without end.
function Call.deadline_of(client, options)
  local total = timeout.total(options.timeout) or timeout.total(client.settings.timeout)
  return core.deadline(total or options.stream and math.huge or nil)
end

--- A call that begins now with that request. If the request was sent already, without a
-- call, `response` is its response; the call then ends at the deadline of that one.
function Call.new(client, request, response)
  local self = setmetatable({ client = client, requests = { request }, attempts = 0 }, Call)
  request.call = self
  if response then
    self.sent, self.deadline, self.attempts = request, response:deadline(), response.attempts
  else
    self.deadline = Call.deadline_of(client, request.options)
  end
  return self
end

--- Another request for the same call: `request` with `changes`.
function Call:derive(request, changes)
  local derived = request:derive(changes or {})
  self.requests[#self.requests + 1] = derived
  return derived
end

--- Notes a redirect by a response.
function Call:add_redirect(response)
  local history = self.history or {}
  history[#history + 1] = { status = response.status, url = response.url }
  self.history = history
end

--- The information for a response about its request: the plan's own table, or another one
-- with the redirects that led to it, and the sendings so far.
function Call:info(planned)
  local info = planned.info
  if not self.history and self.attempts == 1 then return info end
  return {
    method = info.method,
    url = info.url,
    serializer = info.serializer,
    attempts = self.attempts,
    redirects = self.history and table.move(self.history, 1, #self.history, 1, {}),
  }
end

--- Counts the outcome of a sending, which the pool may have sent twice. Returns it.
function Call:count(response, message, err)
  if response then
    self.attempts = response.attempts
  elseif err.attempts then
    self.attempts = self.attempts + err.attempts - 1
  end
  return response, message, err
end

--- Notes a response that an interceptor may see, and lose.
function Call:note(response)
  if type(response) ~= "userdata" or self.is_over then return end
  local received = self.received
  if received then
    received[#received + 1] = response
  else
    self.received = { response }
  end
end

-- Whether a program that was given `value`, or the failure `err`, can reach the response by
-- it: a value of an interceptor's own may hold any.
local function reaches(value, err, response)
  if value then return value == response or type(value) ~= "userdata" end
  return type(err) == "table" and rawget(err, "response") == response
end

--- Ends the steps of the call with what they returned: that is passed on. Responses which
-- it does not reach were dropped on the way, and are disposed.
function Call:keep(value, message, err)
  local received = self.received
  self.received = nil
  if received and (received[2] or received[1] ~= value) then
    for _, response in ipairs(received) do
      if not reaches(value, err, response) then response:dispose() end
    end
  end
  return value, message, err
end

--- Ends the call, its requests, and the responses that it received before it was cut short:
-- by an error, or because its coroutine was closed.
function Call:__close()
  self.is_over = true
  for _, request in ipairs(self.requests) do request:close() end
  if self.received then self:keep() end
end

return Call
