--- Server-sent events over as many connections as it takes (HTML 9.2.3):
-- `for event in client:events(url, options) do`. Each connection is a call of its own, made of one
-- request that is never sent itself. Thousands of loops may wait at a time, so a loop keeps little
-- while it waits: no field for what is as usual, and no request that can be made anew.
--
--     connect --> read --+--> wait --> connect ...
--        \_________\_____/
--                   \--> the end (204), or a failure

local Call = require "sluice.call"
local check = require "sluice.check"
local core = require "sluice.core"
local failure = require "sluice.failure"
local pause = require "sluice.pause"
local pipeline = require "sluice.pipeline"
local Request = require "sluice.request"
local retry = require "sluice.retry"
local streams = require "sluice.streams"

local Events = {}
Events.__index = Events
Events.__name = "sluice.events"

-- ---- options ----

-- What holds for a loop that has no field of its own for it. Others are nil as a rule: `last_id`
-- and `retry`, which the stream said last; `deadline`, the end of all of it; `max_line_size` and
-- `max_event_size`.
Events.policy = { tries = 10, delay = 1, max_delay = 30, max_retry = 3600, jitter = 0.5 }
Events.failed = 0 -- connections in sequence that were not opened
Events.idle = 0 -- connections in sequence that brought no event
Events.is_over = false

local reconnect_schema = {
  tries = check.count,
  delay = check.seconds,
  max_delay = check.seconds,
  max_retry = check.seconds,
  jitter = retry.check_share,
}

local own_schema = {
  reconnect = check.either("false, number of tries or table", check.off, check.count,
    check.fields(reconnect_schema)),
  last_id = check.text,
}
for name, checker in pairs(streams.events_schema) do own_schema[name] = checker end

-- All options, so that the hint for an unknown one may name any of them.
local schema = {}
for name, checker in pairs(Request.schema) do schema[name] = checker end
for name, checker in pairs(own_schema) do schema[name] = checker end

-- Options that do not go with a GET that is sent again and again.
local refused = { "body", "json", "json_lines", "form", "multipart", "trailers",
  "expect_continue", "stream", "method" }

-- Returns the loop's own options, and those of its requests. Misuse raises at `level`.
local function split_options(client, options, level)
  level = level + 1
  if type(options) ~= "table" then
    error("events: table of options expected, got " .. type(options), level)
  end
  local own, of_request = {}, {}
  for name, value in pairs(options) do
    if own_schema[name] then own[name] = value else of_request[name] = value end
  end
  for _, name in ipairs(refused) do
    if options[name] ~= nil then
      error(("events: option '%s': events are fetched with GET; for others there is "
        .. "response:events()"):format(name), level)
    end
  end
  check.options("events", options, schema, level, client.schema)
  of_request.stream = true
  return own, of_request
end

-- The policy of reconnecting that an option says; false: there is one connection alone.
local function policy_of(option)
  if option == false or option == 0 then return false end
  if type(option) ~= "table" then option = { tries = option } end
  local policy = {}
  for name, value in pairs(Events.policy) do policy[name] = value end
  for name, value in pairs(option) do policy[name] = value end
  return policy
end

-- ---- connecting ----

-- Failures that another connection may not have. TLS is not among them: a certificate stays what
-- it is.
local passing = { timeout = true, closed = true, resolve = true, connect = true, proxy = true,
  protocol = true, decode = true }

local function is_passing(err)
  return type(err) == "table" and passing[err.code] or false
end

local own_fields = { Accept = "text/event-stream", ["Cache-Control"] = "no-cache" }

-- Stands for them in the kind of a plan (see compose.lua), which is kept with them.
local variant = " events"

-- Misuse raises at `level`.
local function new_template(client, url, options, level)
  local template, _, err = Request.new(client, "GET", url, options, level + 1)
  if not template then error(err, level + 1) end
  local key = template.key
  for name, value in pairs(own_fields) do
    if not template:get_header(name) then template:set_header(name, value) end
  end
  if key then template.key, template.variant = key, variant end
  return template
end

local function template_of(self)
  local source = self.source
  if type(source) ~= "string" then return source end
  return new_template(self.client, source, { stream = true }, 1)
end

-- Whether a template can be made from its URL again.
local function is_plain(template)
  for name in pairs(template.options) do
    if name ~= "stream" then return false end
  end
  return true
end

local function forget_template(self)
  local source = self.source
  if type(source) ~= "string" and is_plain(source) then self.source = source.url end
end

local function request_of(self)
  local request = template_of(self):derive {}
  if self.last_id then request:set_header("Last-Event-ID", self.last_id) end
  return request
end

-- Raises what is no event stream: it is asked for no more.
local function refuse(response, reason)
  local code = response.ok and "unsupported" or "status"
  local _, _, err = failure.new(code, ("%s %s"):format(response.method, response.url), reason,
    "head")
  err.status = response.status
  response:dispose()
  error(err, 0)
end

-- Sends the request. Returns response | nil, message, err.
local function send(self)
  local request = request_of(self)
  local call <close> = Call.new(self.client, request)
  call.deadline = self.deadline
  return pipeline.run(call, request)
end

-- Opens a stream. Returns true; false at the end | nil, message, err. Raises a refusal.
local function connect(self)
  local response, message, err = send(self)
  if not response then return nil, message, err end
  if response.status == 204 then
    response:dispose()
    return false
  end
  local reason = streams.refusal_of(response, true)
  if reason then refuse(response, reason) end
  forget_template(self)
  self.failed = nil
  self.stream = core.body_events(response, nil, self.max_line_size, self.max_event_size,
    self.last_id, true)
  return true
end

-- ---- reading ----

-- Leaves the stream that was read, with what the next one goes on from.
local function leave(self)
  local stream = self.stream
  if not stream then return end
  self.stream, self.last_id, self.retry = nil, stream.last_id, stream.retry or self.retry
  stream:close()
end

-- The seconds until the next connection: what the stream asked for, and longer from time to time
-- where connections bring no event.
local function delay_of(self)
  local policy = self.policy
  local delay = self.retry and math.min(self.retry / 1000, policy.max_retry) or policy.delay
  if self.idle <= 1 then return delay end
  local longer = math.max(delay, policy.delay)
  return retry.wait({ delay = longer, max_delay = math.max(delay, policy.max_delay),
    jitter = policy.jitter }, self.idle)
end

-- Waits for the next connection; raises `err` where there is to be none.
local function wait(self, err)
  local policy = self.policy
  if err and not is_passing(err) then error(err, 0) end
  if not policy or err and self.failed > policy.tries then
    if err then error(err, 0) end
    return false
  end
  local seconds = delay_of(self)
  local now = core.now()
  if self.deadline and now + seconds * 1e9 >= self.deadline then
    if err then error(err, 0) end
    seconds = math.max((self.deadline - now) / 1e9, 0)
  end
  local ok, reason = pause.wait(self.client, seconds)
  if ok then return true end
  local _, _, cancelled = template_of(self):failure("cancelled", reason, "queue")
  error(cancelled, 0)
end

-- The next event of the stream that is open; nil at its end | nil, message, err
local function read(self)
  local event, message, err = self.stream:next()
  if event then
    self.idle = nil
    return event
  end
  leave(self)
  return nil, message, err
end

function Events:advance()
  if self.is_over then return nil end
  while true do
    local is_open, err, _
    if not self.stream then
      is_open, _, err = connect(self)
      if is_open == false then break end
      if err then self.failed = self.failed + 1 end
    end
    if self.stream then
      local event
      event, _, err = read(self)
      if event then return event end
    end
    self.idle = self.idle + 1
    if not wait(self, err) then break end
  end
  self:close()
  return nil
end

Events.__call = Events.advance

--- Ends the stream, and its connection.
function Events:close()
  if type(self) ~= "table" then
    error("close: called without a loop: write events:close(), with a colon", 2)
  end
  self.is_over = true
  leave(self)
end

Events.__close = Events.close

-- pairs would show what a loop keeps to itself, and ipairs an empty list.
local no_keys = "sluice.events is a loop, without keys or elements: write `for event in events do`"

function Events.__pairs()
  error(no_keys, 3) -- the second is that of pairs
end

setmetatable(Events, { __index = function(_, key)
  if type(key) == "number" then error(no_keys, 2) end
end })

function Events:__tostring()
  return self.is_over and "sluice.events (closed)" or "sluice.events"
end

-- The metatable of a client's loops, of which none has a field for its client.
local function type_of(client)
  local made = client.events_type
  if made then return made end
  made = { __index = setmetatable({ client = client }, Events) }
  for name, value in pairs(Events) do
    if name:find "^__" and name ~= "__index" then made[name] = value end
  end
  client.events_type = made
  return made
end

--- Iterates over the events at `url`. Misuse raises at `level`.
return function(client, url, options, level)
  level = level + 1
  local own, of_request = split_options(client, options == nil and {} or options, level)
  local self = setmetatable({
    source = new_template(client, url, of_request, level), -- or its URL
    stream = nil,
  }, type_of(client))
  self.max_line_size, self.max_event_size = own.max_line_size, own.max_event_size
  self.last_id, self.deadline = own.last_id, Call.deadline_of(client, of_request)
  if own.reconnect ~= nil then self.policy = policy_of(own.reconnect) end
  return self
end
