--- Methods and properties of a response beyond those of the core: read, next_chunk, text,
-- sequence, detach, dispose, status, headers. `sluice` adds these to the core's own type; a
-- property is a function of the response.

local check = require "sluice.check"
local core = require "sluice.core"
local date = require "sluice.date"
local decode = require "sluice.decode"
local filename = require "sluice.filename"
local later = require "sluice.later"
local links = require "sluice.links"
local save = later "sluice.save"
local streams = require "sluice.streams"

local methods = {}

-- Misuse raises here, where the caller's line is known.
local function check_live(response, name)
  if type(response) ~= "userdata" then
    error(("%s: called without a response: write response:%s(...), with a colon")
      :format(name, name), 3)
  end
  if not response:is_live() then error("use of disposed response", 3) end
end

--- Iterates over the body's pieces as sequences; they stay valid while they are
-- held. A failure is raised. Leaving the loop early disposes the response; at its end
-- the response stays, with its trailers. Yields.
function methods:chunks()
  check_live(self, "chunks")
  local is_at_end = false
  local leaving = setmetatable({}, {
    __close = function()
      if not is_at_end then self:dispose() end
    end,
  })
  return function()
    local piece, _, err = self:next_chunk()
    if err then error(err, 2) end
    is_at_end = piece == nil
    return piece
  end, nil, nil, leaving
end

-- The body as a sequence; nil: it is taken as it is read | nil, message, err
local function whole_body(response)
  if core.is_streamed(response) then return nil end
  return response:sequence()
end

--- Iterates over the body's lines, without their ends (LF or CRLF); a line has no
-- limit but memory. A failure is raised. Leaving the loop early disposes the response.
-- Yields when streamed.
function methods:lines()
  check_live(self, "lines")
  local sequence, _, err = whole_body(self)
  if err then error(err, 2) end
  return core.body_lines(self, sequence)
end

--- Iterates over the server-sent events of the body (HTML 9.2.6). An event has `type`
-- ("message" unless the stream says another), `data`, `id` (the last event ID so far; nil: none),
-- `retry` (milliseconds, where the stream has set it since the event before) and
-- `event:json()`. Options: `max_line_size` (bytes, 16 MiB), `max_event_size` (bytes with comments
-- between two events, 64 MiB). It waits for as long as nothing comes, unless the request or its
-- client has a `timeout.idle`. Raises for a body of another type, and where a failure ends the
-- stream, behind the events before it. Leaving the loop early disposes the response. Of the first
-- value that a loop is given, `last_id`, `retry` and `unfinished` can be read: the last event ID,
-- the last reconnection time, and the bytes of an event that the end cut off, which are dropped.
-- Yields when streamed.
function methods:events(options)
  check_live(self, "events")
  local events = streams.events(self, options, 2)
  return events, nil, nil, events
end

--- Iterates over the JSON values of the body, one in each line, or a JSON text sequence
-- (RFC 7464). Blank lines are skipped; null is `sluice.json.null`. Option: `max_line_size` (bytes,
-- 16 MiB). A failure is raised; that of a value names its line, which is `err.line`, and comes
-- behind the values before it. Leaving the loop early disposes the response. Yields when streamed.
function methods:json_lines(options)
  check_live(self, "json_lines")
  -- No tail call: misuse is raised at the caller of this function.
  local next_value, _, _, records = streams.json_lines(self, options, 2)
  return next_value, nil, nil, records
end

--- The body's value by the client's serializer. The body is received once; each call
-- decodes it anew.
-- Returns the value | nil, message, err (decode and what reading can give)
function methods:json()
  check_live(self, "json")
  return decode.by(self, self.serializer)
end

--- The body's value by the serializer for its Content-Type: the client's own, if that is its
-- type, else the one that is registered (`sluice.serializers`). "+json" at the end of a type is
-- application/json. The body is received once; each call decodes it anew.
-- Returns the value | nil, message, err (unsupported: there is none for that type; decode, and
-- what reading can give). Yields when streamed.
function methods:decode()
  check_live(self, "decode")
  return decode.by_type(self)
end

--- A file-like reader over the body. Over a streamed body it goes forward only and takes bytes
-- as they are needed, so that text() and others then give the rest; over a whole one it has
-- `seek`. The caller closes it, like a file.
-- Returns a reader | nil, message, err; its methods yield when streamed.
function methods:reader()
  check_live(self, "reader")
  local sequence, message, err = whole_body(self)
  if err then return nil, message, err end
  return core.body_reader(self, sequence)
end

local save_options = { sync = check.boolean }

--- Writes the body to a file, whole or not at all: to a temporary name beside it, then
-- renamed. An existing file keeps its mode, and its owner where possible; a symbolic link
-- stays, and its target is replaced; a FIFO or device is written into. With
-- `sync = true` file and name are on the disk when it returns. Raises when part of the
-- body was taken already. Yields.
-- Returns the count of bytes | nil, message, err
function methods:save(path, options)
  check_live(self, "save")
  if type(path) ~= "string" then
    error("save: path: string expected, got " .. type(path), 2)
  end
  if options ~= nil then check.options("save", options, save_options, 2) end
  if not core.is_untouched(self) then
    error("save: part of the body was taken already", 2)
  end
  return save(self, path, options and options.sync or false)
end

--- The date in a field of that name (RFC 9110 5.6.7), as seconds since 1970; nil without that
-- field, and for what is no date.
function methods:date(name)
  check_live(self, "date")
  if type(name) ~= "string" then
    error("date: name of a field expected, got " .. type(name), 2)
  end
  local text = self.headers[name]
  return text and date.parse(text)
end

return { methods = methods, properties = { links = links, filename = filename } }
