--- Stops asking an origin that fails, until it has had time to recover.
--
--     client:use(sluice.interceptors.circuit_breaker { failures = 5, open_for = 30 })
--
--     closed --failures in a row--> open --open_for is over--> half-open --trials succeed--> closed
--                                     ^------------ a trial fails -----------'
--
-- In the half-open state one request at a time is let through, as a trial.

local answer = require "sluice.answer"
local check = require "sluice.check"
local core = require "sluice.core"
local PerOrigin = require "sluice.interceptors.per_origin"
local watch = require "sluice.watch"

local schema = {
  failures = check.positive,
  open_for = check.seconds,
  trials = check.positive,
  statuses = check.array("array of statuses", 500, function(value)
    return math.type(value) == "integer"
  end),
  origins = check.positive,
  on_change = check.callable,
}

-- Failures that say something about the server or the way to it.
local counted = { timeout = true, resolve = true, connect = true, tls = true, proxy = true,
  closed = true, protocol = true }

local function now() return core.now() / 1e9 end

local Breaker = {}
Breaker.__index = Breaker

local function change(self, origin, state)
  if origin.state == state then return end
  origin.state = state
  PerOrigin.set_stale(origin) -- plans go the general way while it is not closed
  if self.on_change then self.on_change(origin.origin, state) end
end

-- Whether a request may go now. An open breaker whose time is over becomes half-open.
local function admits(self, origin)
  if origin.state == "open" and now() >= origin.opens then
    origin.successes = 0
    change(self, origin, "half-open")
  end
  return origin.state == "closed" or origin.state == "half-open" and not origin.is_tried
end

local function refuse(origin, request)
  local wait = math.max(0, origin.opens - now())
  local rest = origin.is_tried and "a trial is under way" or ("tries again in %.1f s"):format(wait)
  local _, message, err = request:failure("limit",
    ("circuit breaker of %s is %s after %d failures in a row (last: %s): %s")
      :format(origin.origin, origin.state, origin.failures, origin.last, rest), "queue")
  err.retryable, err.retry_after = true, wait
  return nil, message, err
end

local function open(self, origin)
  origin.opens = now() + self.open_for
  change(self, origin, "open")
end

local function note_success(self, origin)
  if origin.state == "half-open" then -- a trial
    origin.successes = origin.successes + 1
    if origin.successes < self.trials then return end
    change(self, origin, "closed")
  end
  origin.failures = 0
end

local function note_failure(self, origin, reason)
  origin.failures, origin.last = origin.failures + 1, reason
  local is_enough = origin.state == "closed" and origin.failures >= self.failures
  if is_enough or origin.state == "half-open" then open(self, origin) end
end

local function note(self, origin, response, err)
  if answer.is_response(response) and self.statuses[response.status] then
    note_failure(self, origin, "status " .. response.status)
  elseif response then
    note_success(self, origin)
  elseif type(err) == "table" and counted[err.code] then
    note_failure(self, origin, ("%s, %s"):format(err.code, tostring(err.stage)))
  end
end

-- Sends a trial: whatever becomes of it, also if it raises, the next one may follow.
local function try(self, origin, request, forward)
  origin.is_tried = true
  local trial <close> = setmetatable({}, { __close = function() -- luacheck: ignore
    origin.is_tried = false
  end })
  local response, message, err = forward(request)
  note(self, origin, response, err)
  return response, message, err
end

local function hop(self, request, forward)
  local origin = self.origins:find(request.url)
  if not admits(self, origin) then return refuse(origin, request) end
  if origin.state == "half-open" then return try(self, origin, request, forward) end
  local response, message, err = forward(request)
  note(self, origin, response, err)
  return response, message, err
end

--- The state for a URL's origin: "closed", "open" or "half-open".
function Breaker:state(url)
  local origin = self.origins:find(url)
  admits(self, origin)
  return origin.state
end

--- An interceptor of each sending. After `failures` (5) in a row an origin is not asked for
-- `open_for` seconds (30): requests fail at once with the code `limit` in the stage `queue`, with
-- `err.retry_after` in seconds. Then one request at a time is let through; `trials` (1) that
-- succeed close the breaker. A failure is one of timeout, resolve, connect, tls, proxy, closed and
-- protocol, or a status of `statuses` (502, 503, 504). `on_change(origin, state)` is called
-- for changes. `origins` are remembered at most (1000). Misuse raises.
return function(options)
  if options == nil then options = {} end
  check.options("circuit_breaker", options, schema, 2)
  local statuses = {}
  for _, status in ipairs(options.statuses or { 502, 503, 504 }) do statuses[status] = true end
  local self = setmetatable({
    failures = options.failures or 5,
    open_for = options.open_for or 30,
    trials = options.trials or 1,
    statuses = statuses,
    on_change = options.on_change,
    origins = PerOrigin.new(options.origins or 1000,
      function() return { state = "closed", failures = 0, successes = 0, opens = 0 } end,
      function(origin) return origin.state ~= "closed" end),
  }, Breaker)
  self.hop = function(request, forward) return hop(self, request, forward) end
  watch.declare(self.hop, {
    open = function(watched)
      local origin = self.origins:find(watched.url)
      if origin.state ~= "closed" then return nil end
      PerOrigin.add_flight(origin, watched.flight)
      return origin
    end,
    done = function(origin, response, err, _, status)
      if status and not statuses[status] then
        origin.failures = 0
      else
        note(self, origin, response, err)
      end
    end,
  })
  return self
end
