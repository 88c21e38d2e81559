---@meta _
-- Server-sent events, and their parser.

--- Options of response:events.
---@class sluice.stream_limits
---@field max_line_size? integer default 16777216 bytes; the longest line; fails: limit
--- The most between two events, comments included.
---@field max_event_size? integer default 67108864 bytes; fails: limit

--- The option reconnect of client:events as a table.
---@class sluice.reconnect_options
---@field tries? integer default 10 connections; how many in sequence may fail to open
---@field delay? number default 1 s; the wait before it connects again, unless the stream sets one
--- The longest wait; delay is doubled up to it while no event comes.
---@field max_delay? number default 30 s
---@field max_retry? number default 3600 s; the longest wait that a stream may ask for
---@field jitter? number default 0.5; the share of a wait that is left to chance, from 0 to 1

--- Options of client:events: those of a request without a body, and these.
---@class sluice.events_options: sluice.request_options
---@field max_line_size? integer default 16777216 bytes; the longest line; fails: limit
--- The most between two events, comments included.
---@field max_event_size? integer default 67108864 bytes; fails: limit
---@field last_id? string default none; the ID of an earlier event, to go on from
--- A number sets tries; false: a single connection.
---@field reconnect? false | integer | sluice.reconnect_options default the table's defaults

--- Options of sluice.event_parser.
---@class sluice.event_parser_options
---@field max_line_size? integer default 16777216 bytes; the longest line; fails: limit
---@field max_event_size? integer default 67108864 bytes; the most between two events; fails: limit
---@field last_id? string default none; the ID of an earlier event

--- A server-sent event.
---@class sluice.event
---@field type string "message" unless the stream says another
---@field data string
---@field id? string the last one so far
---@field retry? integer milliseconds, if set since the event before
local stream_event = {}
--- The data, decoded as JSON. Fails with decode.
---@return any value
---@return string? message
---@return sluice.error? err
function stream_event:json() end

--- A loop over events: called, it gives the next one, or nil at the end, and raises failures.
---@class sluice.events
---@field last_id? string the last ID of the stream
---@field retry? integer milliseconds; what the stream set last
---@field unfinished integer bytes of an event that has begun: dropped at the end
---@overload fun(): sluice.event?
local events = {}
--- The next event; nil at the end. Fails with limit, and as a body does. Yields when streamed.
---@return sluice.event?, string?, sluice.error?
function events:next() end
--- Leaves the loop: the response is disposed, unless its end was reached. Idempotent.
function events:close() end

--- Splits server-sent events out of bytes, for hosts that have the connection.
---
--- ```lua
--- local sluice = require "sluice"
---
--- local parser <close> = sluice.event_parser()
--- parser:feed "data: one\n\ndata: tw"
--- for event in parser:events() do print(event.data) end  --> one
--- ```
---@class sluice.event_parser
---@field last_id? string
---@field retry? integer milliseconds
---@field unfinished integer bytes of an event that has begun
local event_parser = {}
--- Feeds received bytes: a string is copied, others are linked. Fails with memory.
---@param bytes sluice.bytes
---@return sluice.event_parser?, string?, sluice.error?
function event_parser:feed(bytes) end
--- Ends the input.
---@return sluice.event_parser
function event_parser:finish() end
--- The next event; false: more bytes are needed; nil: it is over. Fails with limit.
---@return sluice.event | false | nil, string?, sluice.error?
function event_parser:next() end
--- Iterates over events until more bytes are needed or the stream is over. A failure is raised.
---@return fun(): sluice.event?
function event_parser:events() end
--- Prepares for another stream; last_id and retry stay.
---@return sluice.event_parser
function event_parser:reset() end
--- Releases everything; idempotent.
function event_parser:dispose() end
