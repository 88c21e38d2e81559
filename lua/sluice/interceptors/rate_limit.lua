--- Sends no more than so many requests a second to each origin: a token bucket.
--
--     client:use(sluice.interceptors.rate_limit { rate = 10, burst = 20 })

local check = require "sluice.check"
local core = require "sluice.core"
local PerOrigin = require "sluice.interceptors.per_origin"
local watch = require "sluice.watch"

local function positive(value)
  if type(value) == "number" and value > 0 and value < math.huge then return nil end
  return "number above zero"
end

local function at_least_one(value)
  if type(value) == "number" and value >= 1 and value < math.huge then return nil end
  return "number, at least 1,"
end

local schema = { rate = positive, burst = at_least_one, max_wait = check.seconds,
  origins = check.positive }

local function now() return core.now() / 1e9 end

-- Takes a token, perhaps one that is still to come. Returns the seconds until it is there.
local function take(bucket, rate, burst)
  local time = now()
  bucket.tokens = math.min(burst, bucket.tokens + (time - bucket.time) * rate)
  bucket.time = time
  bucket.tokens = bucket.tokens - 1
  return bucket.tokens < 0 and -bucket.tokens / rate or 0
end

-- Why a request cannot wait for that long, or nil.
local function refuse(request, wait, options)
  local deadline = request.call.deadline
  if deadline and now() + wait > deadline / 1e9 then
    return ("the next of %g requests a second is free in %.3g s, after the request's total time")
      :format(options.rate, wait)
  elseif options.max_wait and wait > options.max_wait then
    return ("the next of %g requests a second is free in %.3g s, and max_wait is %g s")
      :format(options.rate, wait, options.max_wait)
  end
end

--- An interceptor of each sending that waits for its turn: `rate` requests a second to each origin,
-- after a pause `burst` at once (as many as a second has, at least 1). A request whose turn would
-- come after its total time, or after more than `max_wait` seconds, fails at once with `timeout`
-- in the stage `queue`. `origins` are remembered at most (1000). Misuse raises.
return function(options)
  if options == nil then options = {} end
  check.options("rate_limit", options, schema, 2)
  if not options.rate then
    error("rate_limit: option 'rate': number of requests a second expected, got nil", 2)
  end
  local burst = options.burst or math.max(1, options.rate)
  options = { rate = options.rate, max_wait = options.max_wait, origins = options.origins }
  local buckets = PerOrigin.new(options.origins or 1000,
    function() return { tokens = burst, time = now() } end,
    function(bucket) return bucket.tokens < 0 end)
  local function hop(request, forward)
    local bucket = buckets:find(request.url)
    local wait = take(bucket, options.rate, burst)
    if wait > 0 then
      local is_there = false
      local claim <close> = setmetatable({}, { __close = function() -- luacheck: ignore
        if not is_there then bucket.tokens = bucket.tokens + 1 end
      end })
      local reason = refuse(request, wait, options)
      if reason then
        local _, message, err = request:failure("timeout", reason, "queue")
        err.retryable = true
        return nil, message, err
      end
      local ok, message, err = core.sleep(wait)
      if not ok then return nil, message, err end
      is_there = true
    end
    return forward(request)
  end
  watch.declare(hop, {
    open = function(watched)
      local bucket = buckets:find(watched.url)
      PerOrigin.add_flight(bucket, watched.flight)
      return bucket
    end,
    ready = function(bucket, from)
      local time = from / 1e9
      local tokens = bucket.tokens + (time - bucket.time) * options.rate
      if tokens < 1 then return false end
      bucket.tokens, bucket.time = (tokens < burst and tokens or burst) - 1, time
      return true
    end,
  })
  return { hop = hop }
end
