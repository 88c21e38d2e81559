---@meta _
-- WebSockets, and the parser of their frames.

--- Parameters of permessage-deflate (RFC 7692 7.1) to ask for.
---@class sluice.compress_options
---@field threshold? integer default 1024 bytes; shorter messages are sent as they are
--- This side compresses each message on its own.
---@field client_no_context_takeover? boolean default false; fails: protocol
--- The server compresses each message on its own.
---@field server_no_context_takeover? boolean default false; fails: protocol
--- The window of this side, 8 to 15.
---@field client_max_window_bits? integer default none, in bits; fails: protocol
--- The window of the server, 8 to 15.
---@field server_max_window_bits? integer default none, in bits; fails: protocol

--- The option reconnect of a WebSocket as a table.
---@class sluice.websocket_reconnect_options
---@field tries? integer default 5 tries; how many in a row; fails: closed
---@field delay? number default 1 s; the wait before the first; doubles with each
---@field max_delay? number default 30 s; the longest wait; delay, if that is longer
---@field codes? integer[] default 1001, 1006, 1011; close codes after which it is opened again
--- Keeps what is sent meanwhile; true: 100 messages, 16777216 bytes.
---@field queue? boolean | { messages?: integer, bytes?: integer } default false; fails: closed
---@field on_open? fun(connection: sluice.websocket) called with each connection, to subscribe
--- Called with each change; disposing reports nothing.
---@field on_state? fun(state: "open" | "waiting" | "connecting" | "closed", err?: sluice.error)

--- Options of client:websocket and sluice.websocket.
---@class sluice.websocket_options
---@field protocols? string[] subprotocols, the best first; fails: protocol
---@field headers? sluice.header_fields fields of the handshake; fails: invalid
---@field query? sluice.query added to the URL's own; fails: invalid
---@field auth? sluice.auth default the client's; credentials
--- The whole handshake; the client's total if that is less.
---@field timeout? number | sluice.timeouts default 10 s; fails: timeout
---@field redirects? false | integer default 0; how many the handshake follows; fails: status
---@field retry? sluice.retry default false; tries a handshake that failed again
---@field proxy? sluice.proxy default the client's; false: none; fails: proxy
---@field cookies? false | sluice.cookie_jar default the client's; false: none; or another jar
--- Sizes of the answer to the handshake.
---@field limits? sluice.limits default the client's; fails: limit
---@field decompress? boolean default true; decodes the body of a refusal; fails: decode
--- Offers permessage-deflate (RFC 7692).
---@field compress? boolean | sluice.compress_options default false; fails: protocol
--- The largest received message, also when inflated; closes with 1009.
---@field max_message_size? integer default 16777216 bytes; fails: limit
--- Or 16777216 bytes, which wait to be taken; then nothing is received.
---@field queue? { messages?: integer, bytes?: integer } default 100 messages
---@field ping_interval? number default 25 s; silence before a ping is sent; 0: no pings
--- Silence after a ping that ends the connection with 1006.
---@field pong_timeout? number default 10 s; fails: closed
--- The time without a message in either direction; 0: none.
---@field idle_timeout? number default none, in s; fails: closed
---@field send_timeout? number default 30 s; the time in which the peer takes no byte; fails: closed
---@field close_timeout? number default 5 s; the time from Close to the end of the connection
--- Opens a lost connection again.
---@field reconnect? boolean | sluice.websocket_reconnect_options default false; fails: closed

--- A message that a WebSocket received: bytes outside the Lua heap, until they are asked for.
---@class sluice.message
---@field type "text" | "binary"
local message = {}
--- The payload, flattened once and kept; its segments are released.
---@return string
function message:text() end
--- Shares the payload's segments, or copies up to 256 bytes; stays good after the message is gone.
---@return sluice.sequence
function message:sequence() end
--- Hands the payload over; the message refuses its use afterwards.
---@return sluice.lease
function message:detach() end
--- Releases its segments; idempotent.
function message:dispose() end

--- A WebSocket of a client.
---@class sluice.websocket
---@field state "open" | "closing" | "closed" | "waiting" | "connecting" how far it is
---@field close_code? integer how it ended; 1005: without a code, 1006: without a Close frame
---@field close_reason? string the reason in the Close frame
---@field subprotocol? string the subprotocol that the server chose; nil: none
---@field extensions? string the extensions in use; nil: none
---@field url string the URL at which it was opened
---@field headers sluice.headers the fields of the answer to the handshake
local websocket = {}
--- The next message. The text is "timeout" after that many seconds, "closed" at the end. Fails with
--- timeout, cancelled, closed, protocol, decode, limit, memory. Yields.
---@param timeout? number default none, in s
---@return sluice.message?, string?, sluice.error?
function websocket:receive(timeout) end
--- Iterates over messages until the end; a failure is raised. Yields.
---@return fun(): sluice.message?
function websocket:messages() end
--- Sends a message, in fragments if a function gives it. Fails with timeout, cancelled, closed,
--- invalid (no UTF-8), memory. Yields.
---@param bytes sluice.bytes | fun(): string?
---@param kind? "text" | "binary" default "text"
---@return true?, string?, sluice.error?
function websocket:send(bytes, kind) end
--- Sends a text message, which has to be UTF-8. Fails as send does. Yields.
---@param bytes sluice.bytes | fun(): string?
---@return true?, string?, sluice.error?
function websocket:send_text(bytes) end
--- Sends a binary message. Fails as send does. Yields.
---@param bytes sluice.bytes | fun(): string?
---@return true?, string?, sluice.error?
function websocket:send_binary(bytes) end
--- Sends a ping; the answer is noticed, but not given to the program. Fails with closed, memory.
---@param payload? string default empty; at most 125 bytes
---@return true?, string?, sluice.error?
function websocket:ping(payload) end
--- Sends Close and waits for the end. Fails with closed where it was lost before. Yields.
---@param code? integer default 1000
---@param reason? string default empty; at most 123 bytes
---@return true?, string?, sluice.error?
function websocket:close(code, reason) end
--- Closes without waiting; idempotent.
function websocket:dispose() end

--- Options of sluice.ws_parser.
---@class sluice.ws_parser_options
---@field role "client" | "server" which side this is
--- The largest received message, also when inflated.
---@field max_message_size? integer default 16777216 bytes; fails: limit
--- What to agree on in the handshake.
---@field compress? boolean | sluice.compress_options default false; fails: protocol

--- A ping, a pong or a close that a ws_parser found.
---@class sluice.ws_control_event
---@field type "ping" | "pong" | "close"
---@field payload? string the payload of a ping or pong
---@field code? integer the code of a close; 1005: it had none
---@field reason? string the reason of a close

---@alias sluice.ws_event sluice.message | sluice.ws_control_event

--- Frames of WebSocket for hosts that have the connection: bytes in, events out.
---@class sluice.ws_parser
local ws_parser = {}
--- What a client offers in Sec-WebSocket-Extensions; nil: nothing.
---@return string?
function ws_parser:offer() end
--- Reads the Sec-WebSocket-Extensions of the other side, in the handshake; returns what the server
--- answers, false where messages are not compressed. Fails with protocol.
---@param field? string default none; its value
---@return string | false | nil, string?, sluice.error?
function ws_parser:agree(field) end
--- Feeds received bytes: a string is copied, others are linked. Fails with memory.
---@param bytes sluice.bytes
---@return sluice.ws_parser?, string?, sluice.error?
function ws_parser:feed(bytes) end
--- Ends the input: without a Close frame before it, the connection is lost.
---@return sluice.ws_parser
function ws_parser:finish() end
--- The next event; false: more bytes are needed; nil: the peer has closed. Fails with protocol,
--- decode, limit, closed; `err.close_code` is the code to close with, or 1006.
---@return sluice.ws_event | false | nil, string?, sluice.error?
function ws_parser:next() end
--- Iterates over events until more bytes are needed or the peer has closed. A failure is raised.
---@return fun(): sluice.ws_event?
function ws_parser:events() end
--- Writes a message of text, or its first fragment. Fails with invalid (not UTF-8), closed, memory.
---@param bytes sluice.bytes
---@param is_last? boolean default true; false: go on with continue
---@return sluice.ws_parser?, string?, sluice.error?
function ws_parser:text(bytes, is_last) end
--- Writes a binary message, or its first fragment. Fails with closed, memory.
---@param bytes sluice.bytes
---@param is_last? boolean default true; false: go on with continue
---@return sluice.ws_parser?, string?, sluice.error?
function ws_parser:binary(bytes, is_last) end
--- Writes the next fragment of a message. Fails as text.
---@param bytes sluice.bytes
---@param is_last? boolean default true
---@return sluice.ws_parser?, string?, sluice.error?
function ws_parser:continue(bytes, is_last) end
--- Writes a ping, also between fragments. Fails with closed, memory.
---@param payload? string default empty; at most 125 bytes
---@return sluice.ws_parser?, string?, sluice.error?
function ws_parser:ping(payload) end
--- Writes a pong, the answer to a ping. Fails with closed, memory.
---@param payload? string default empty; at most 125 bytes
---@return sluice.ws_parser?, string?, sluice.error?
function ws_parser:pong(payload) end
--- Writes the last frame, and gives a message under way up. Fails with closed, memory.
---@param code? integer default 1000; 1005: without a code
---@param reason? string default empty; at most 123 bytes
---@return sluice.ws_parser?, string?, sluice.error?
function ws_parser:close(code, reason) end
--- The frames that were written since the last call.
---@return string
function ws_parser:output() end
--- The frames that were written since the last call, as a lease.
---@return sluice.lease
function ws_parser:detach() end
--- Releases everything; idempotent.
function ws_parser:dispose() end
