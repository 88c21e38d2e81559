---@meta _
-- For hosts that speak a protocol themselves.

--- Options of sluice.connect: host and port, or unix_path.
---@class sluice.connect_options
---@field host? string a name or an address; fails: resolve, connect
---@field port? integer 1 to 65535; fails: connect
---@field unix_path? string instead of host and port; fails: connect
---@field tls? boolean | sluice.tls_options default false; true: with the system's roots; fails: tls
--- On the best backend.
---@field transport? sluice.transport_option default "stream"; fails: unsupported
--- Default 5 s; for resolve, and 10 s for connect and for tls; a number sets each of them; fails:
--- timeout.
---@field timeout? number | { resolve?: number, connect?: number, tls?: number }

--- Options of sluice.http_parser.
---@class sluice.parser_options
---@field method? string default "GET"; the method of the request
--- The request asked for an upgrade: 101 is an answer.
---@field upgrade? boolean default false; fails: protocol
---@field close? boolean default false; the request said `Connection: close`
---@field decompress? boolean default true; decodes the content; fails: decode
---@field head? integer default 131072 bytes; the head of a response; its trailers; fails: limit
---@field lines? integer default 256 lines; in a head; in trailers; fails: limit
---@field line? integer default 65536 bytes; a line of a head; fails: limit
---@field interim? integer default 32 responses; responses of 1xx before the last one; fails: limit
---@field body? integer default none, in bytes; the body, after decoding; fails: limit
--- Whether a bare LF may end a line of a head.
---@field lenient_lf? boolean default false; fails: protocol

--- A connected stream of bytes, plain or TLS, for a program with a protocol of its own; made by
--- sluice.connect.
---
--- ```lua
--- local sluice = require "sluice"
---
--- local transport = assert(sluice.connect { host = "127.0.0.1", port = 8080 })
--- assert(transport:send "GET /json HTTP/1.0\r\n\r\n")
--- print(transport:receive(15))  --> HTTP/1.1 200 OK
--- transport:close()
--- ```
---@class sluice.transport
local transport = {}
--- Sends all of the bytes; returns their count. Fails with timeout, cancelled, tls, closed, memory.
--- Yields.
---@param bytes sluice.bytes a lease stays yours
---@param timeout? number default 30 s
---@return integer?, string?, sluice.error?
function transport:send(bytes, timeout) end
--- receive(n, timeout) returns up to n bytes; receive(buffer, n, timeout) appends them to a buffer
--- and returns their count. nil: the end. Fails with timeout, cancelled, tls, closed, memory, and
--- with limit of a buffer. Yields.
---@param n? integer | sluice.buffer default 65536 bytes
---@param ... number behind a buffer n; then the timeout, 30 s
---@return string | integer | nil, string?, sluice.error?
function transport:receive(n, ...) end
--- Begins to send as send does; returns the completion to await. Never yields.
---@param bytes sluice.bytes
---@param timeout? number default 30 s
---@return sluice.completion
---@return integer version
function transport:begin_send(bytes, timeout) end
--- Begins to receive as receive does; returns the completion to await. Never yields.
---@param n? integer | sluice.buffer default 65536 bytes
---@param ... number
---@return sluice.completion
---@return integer version
function transport:begin_receive(n, ...) end
--- The outcome of the TLS handshake; nil: plain.
---@return sluice.tls_info?
function transport:tls() end
--- Operations under way end with cancelled; idempotent.
function transport:close() end

--- One operation of a transport, in one direction; used again for the next one.
---@class sluice.completion
---@field version integer grows with each operation
---@field state "idle" | "pending" | "done" | "closed" how far the operation is
local completion = {}
--- Waits for the operation's results. Yields.
---@param version? integer default the last one; raises if it is over
---@return any ...
function completion:await(version) end
--- Ends the operation with cancelled; its memory stays its own until it is complete.
function completion:cancel() end

--- What an http_parser finds.
---@class sluice.parser_event
---@field type "interim" | "head" | "body" | "end" what was found
---@field status? integer the status of a head
---@field reason? string
---@field version? "1.0" | "1.1"
---@field headers? { [1]: string, [2]: string }[] the fields of a head, in wire order
---@field body? sluice.sequence a piece, yours to dispose
---@field trailers? { [1]: string, [2]: string }[] the fields behind the body, with the end
---@field keep_alive? boolean whether the connection can be used again, with the end
---@field upgrade? true a 101 was the answer: the surplus is of the other protocol

--- Parses responses of HTTP/1.1 (RFC 9112), for hosts that have the connection: bytes in, events
--- out.
---
--- ```lua
--- local sluice = require "sluice"
---
--- local parser <close> = sluice.http_parser { method = "GET" }
--- parser:feed "HTTP/1.1 204 No Content\r\n\r\n"
--- for event in parser:events() do print(event.type) end
--- --> head
--- --> end
--- ```
---@class sluice.http_parser
local http_parser = {}
--- Feeds received bytes: a string is copied, others are linked. Fails with memory.
---@param bytes sluice.bytes
---@return sluice.http_parser?, string?, sluice.error?
function http_parser:feed(bytes) end
--- Ends the input; not clean: the end cannot be trusted.
---@param is_clean? boolean default true
---@return sluice.http_parser
function http_parser:finish(is_clean) end
--- The next event; false: more bytes are needed; nil: it is over. Fails with protocol, decode,
--- limit, closed.
---@return sluice.parser_event | false | nil, string?, sluice.error?
function http_parser:next() end
--- Bytes that were fed and lie beyond this response.
---@return string
function http_parser:surplus() end
--- Prepares for the next response; surplus bytes stay its input.
---@return sluice.http_parser
function http_parser:reset() end
--- Releases everything; idempotent.
function http_parser:dispose() end
--- Iterates over events until more bytes are needed or the response is over. A failure is raised.
---@return fun(): sluice.parser_event?
function http_parser:events() end
