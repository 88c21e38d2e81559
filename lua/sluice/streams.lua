--- A body as a stream of values: server-sent events, and JSON lines. What `response:events()`
-- and `response:json_lines()` do.

local check = require "sluice.check"
local core = require "sluice.core"
local failure = require "sluice.failure"
local json = require "sluice.json"
local media = require "sluice.media"
local values = require "sluice.values"

local streams = {}

--- Checkers of the options of `events`.
streams.events_schema = { max_line_size = check.positive, max_event_size = check.positive }

local lines_schema = { max_line_size = check.positive }

-- The body as a sequence; nil: it is taken as it is read. Raises a failure.
local function whole_body(response)
  if core.is_streamed(response) then return nil end
  local sequence, _, err = response:sequence()
  if err then error(err, 0) end
  return sequence
end

-- ---- events ----

local Event = {}
core.event_type.__index = Event

--- The data decoded as JSON. Returns the value | nil, message, err (decode)
function Event:json()
  if getmetatable(self) ~= core.event_type then
    error("json: called without an event: write event:json(), with a colon", 2)
  end
  local value, message, err = json.decode(self.data)
  if message == nil then return value end
  if err.code ~= "decode" then return nil, message, err end
  local attempt = ("event '%s'"):format(values.shown(self.type, 64))
  local _, reason, refusal = failure.new("decode", attempt, ("%s; its data begins with \"%s\"")
    :format(message, values.shown(self.data, 64)), "body")
  refusal.position = err.position
  return nil, reason, refusal
end

-- What servers say of a body when they know nothing of it.
local unknown_types = { ["text/plain"] = true, ["application/octet-stream"] = true }

-- Whether a body of a response may be a stream of events, where its type does not say that it is.
local function may_be_events(response, media_type)
  return (media_type == nil or unknown_types[media_type]) and response.ok
end

--- Why a response is no event stream, or nil. `is_exact`: only 200 with the type of event streams
-- is one, else also what may be one.
function streams.refusal_of(response, is_exact)
  local content_type = response.headers["Content-Type"]
  local name = content_type and media.split(content_type)
  local is_one = name == "text/event-stream"
  if is_exact then
    is_one = is_one and response.status == 200
  else
    is_one = is_one or may_be_events(response, name)
  end
  return not is_one and ("status %d, %s: no event stream"):format(response.status,
    content_type and values.shown(content_type, 64) or "without Content-Type") or nil
end

-- Raises where a body is something else, an error as JSON for instance, of which a loop over
-- events would show nothing.
local function check_type(response, level)
  local reason = streams.refusal_of(response)
  if not reason then return end
  local _, _, err = failure.new("unsupported", ("%s %s"):format(response.method, response.url),
    reason .. " (text() gives the body)", "body")
  err.status = response.status
  error(err, level + 1)
end

--- A loop over the events of a body; misuse and failures raise at `level`.
function streams.events(response, options, level)
  level = level + 1
  if options ~= nil then check.options("events", options, streams.events_schema, level) end
  check_type(response, level)
  return core.body_events(response, whole_body(response), options and options.max_line_size,
    options and options.max_event_size)
end

-- ---- JSON lines ----

-- Raises what is wrong with a line. The body of an error is seldom lines: its status says more.
local function refuse(response, what, number, reason, position)
  local status = response.ok and "" or ("status %d: "):format(response.status)
  local _, _, err = failure.new("decode", ("%s %s"):format(response.method, response.url),
    ("%s%s %d: %s"):format(status, what, number, reason), "body")
  err.line, err.position = number, position
  error(err, 0)
end

-- The value of the next line, nil at the end. A failure is raised.
local function next_value(response, records)
  local text, number, what, is_cut = records()
  if text == nil then return nil end
  if is_cut then refuse(response, what, number, "cut off: " .. values.shown(text, 64)) end
  local value, message, err = json.decode(text)
  if message == nil then return value end
  if err.code ~= "decode" then error(err, 0) end
  refuse(response, what, number, err.message, err.position)
end

--- A loop over the values of a body; misuse and failures raise at `level`.
-- Returns the four values of a loop.
function streams.json_lines(response, options, level)
  if options ~= nil then check.options("json_lines", options, lines_schema, level + 1) end
  local records = core.body_records(response, whole_body(response),
    options and options.max_line_size)
  return function() return next_value(response, records) end, nil, nil, records
end

return streams
