--- The short way of a GET without options whose interceptors are all built in: it needs no request
-- object. A built-in step declares a form of itself that looks at a plan (see compose.lua):
--
--     variant         of a step around the call: what it adds to the plan's kind. The step only
--                     adds fields that never change
--     open(watched)   of a step around a sending: its state for a plan; nil: not now
--     ready(state, from)     whether nothing unusual lies ahead; if not, the request goes the
--                     general way
--     done(state, response, err, time, status, size, is_cached)     the outcome, and how long it
--                     took. Times are nanoseconds; `is_cached`: it has fields for caches. These
--                     three are nil without a whole response
--
-- `watched` is { url =, request = (what the general way would send), flight = { count = (how many
-- of this plan are on their way), is_stale = (set by a step: its state is to be made anew) } }.

local core = require "sluice.core"

local now, outcome = core.now, core.outcome

local watch = {}

local forms = setmetatable({}, { __mode = "k" }) -- by step

--- Declares the form of a step.
function watch.declare(step, form) forms[step] = form end

-- A plan that is being sent is closed at the end, however that comes.
local counted = {
  __close = function(flight) flight.count = flight.count - 1 end,
}

--- What a client's steps are, if each of them has a form; else nil.
function watch.of(client)
  local is_bare = not client.hops[1] and not client.interceptors[1]
  if is_bare or client.retry or client.late_auth or client.settings.fail_status or client.host then
    return nil
  end
  local kind, list = "GET", {}
  for _, step in ipairs(client.interceptors) do
    local form = forms[step]
    if not form then return nil end
    kind = kind .. form.variant
  end
  for i, step in ipairs(client.hops) do
    if not forms[step] then return nil end
    list[i] = forms[step]
  end
  return { kind = kind, forms = list }
end

-- The functions to call for a plan, each followed by its state: `ready` from the outermost step on,
-- `done` from the innermost.
local function open(client, watched)
  local ready, done = {}, {}
  for _, form in ipairs(client.watch.forms) do
    local state = form.open(watched)
    if state == nil then return nil end
    if form.ready then table.move({ form.ready, state }, 1, 2, #ready + 1, ready) end
    if form.done then done = table.move(done, 1, #done, 3, { form.done, state }) end
  end
  return ready, done
end

--- Makes a plan one that can be sent the short way, once its request has gone the general way.
function watch.prepare(client, planned, request)
  if planned.flight and not planned.flight.is_stale then return end
  local flight = setmetatable({ count = 0 }, counted)
  local ready, done = open(client, { url = planned.info.url, request = request, flight = flight })
  planned.ready, planned.done, planned.flight = ready, done, ready and flight
end

local function finish(done, response, message, err, from)
  local time, status, size, is_cached = now() - from, nil, nil, nil
  if message == nil then status, size, is_cached = outcome(response) end
  for i = 1, #done, 2 do done[i](done[i + 1], response, err, time, status, size, is_cached) end
end

--- Sends a plan. Returns false: it has to go the general way; else true, and what origin:send
-- gives. Yields.
function watch.send(planned)
  local flight = planned.flight
  if not flight or flight.is_stale then return false end
  local ready, from = planned.ready, now()
  for i = 1, #ready, 2 do
    if not ready[i](ready[i + 1], from) then return false end
  end
  flight.count = flight.count + 1
  local closing <close> = flight -- luacheck: ignore
  local response, message, err = planned.send()
  local ok, raised = pcall(finish, planned.done, response, message, err, from)
  if not ok then
    if response then response:dispose() end
    error(raised, 0)
  end
  return true, response, message, err
end

return watch
