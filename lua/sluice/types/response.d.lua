---@meta _
-- Responses, their fields, links and timings.

--- Options of response:json_lines.
---@class sluice.json_lines_options
---@field max_line_size? integer default 16777216 bytes; the longest line; fails: limit

--- Seconds of the last sending. A stage that it did not have is nil, such as connect over a
--- connection that was kept.
---@class sluice.timings
---@field queue? number the wait for a connection of the pool
---@field resolve? number the look-up of the name
---@field connect? number until one of the addresses answered
---@field proxy? number until the proxy let through
---@field tls? number the handshake
---@field first_byte? number from the start until the first byte of the response
---@field total? number from the start until the end of the body; nil while it arrives
---@field elapsed number from the start until now
---@field reused boolean whether the connection was kept from an earlier request

--- A response, whole or, with the option stream, from its head on. The caller owns it, until
--- dispose or `<close>`. What fails "as a body does" fails with timeout, cancelled, tls, closed,
--- protocol, decode, limit or memory where a streamed body breaks; a whole one is there.
---
--- ```lua
--- local sluice = require "sluice"
---
--- local response <close> = assert(sluice.get "http://127.0.0.1:8080/json")
--- print(response.status, response.headers["Content-Type"])  --> 200 application/json
--- ```
---@class sluice.response
---@field status integer the status code
---@field reason string the reason phrase
---@field version "1.0" | "1.1" the version of HTTP
---@field ok boolean whether the status is 200 to 299
---@field url string the URL that answered, after redirects
---@field method string the method that was sent at last
---@field body string the same as text(); of a whole body
---@field headers sluice.headers the fields
---@field trailers sluice.headers the fields behind the body
---@field timings sluice.timings how long each stage took
---@field redirects? { status: integer, url: string }[] the redirects that led here; nil: none
---@field attempts integer how often its call was sent, redirects and retries included
---@field links sluice.links the Link fields
---@field filename? string the name that Content-Disposition proposes, safe in any folder
---@field tls? sluice.tls_info what the handshake agreed on; nil: plain
local response = {}
--- The body as one string, made once; after reads of a streamed body, the rest of it. Fails as a
--- body does. Yields when streamed.
---@return string? text
---@return string? message
---@return sluice.error? err
function response:text() end
--- The body's value, decoded by the client's serializer. Fails with decode, and as a body does.
--- Yields when streamed.
---@return any value
---@return string? message
---@return sluice.error? err
function response:json() end
--- The body's value by the serializer for its Content-Type: the client's own if that is its type,
--- else one of sluice.serializers. Fails with unsupported if there is none. Yields when
--- streamed.
---@return any value
---@return string? message
---@return sluice.error? err
function response:decode() end
--- The body as a sequence, without a copy; it outlives the response. Fails as a body does. Yields
--- when streamed.
---@return sluice.sequence?, string?, sluice.error?
function response:sequence() end
--- A file-like reader, which takes what it reads of a streamed body. Its methods yield when
--- streamed. Fails as a body does.
---@return sluice.body_reader?, string?, sluice.error?
function response:reader() end
--- Moves the body out of the response. Fails as a body does. Yields when streamed.
---@return sluice.lease?, string?, sluice.error?
function response:detach() end
--- Iterates over the body's pieces; raises failures. Yields.
---@return fun(): sluice.sequence?
function response:chunks() end
--- The next piece of the body; nil at the end. Fails as a body does. Yields.
---@return sluice.sequence?, string?, sluice.error?
function response:next_chunk() end
--- Iterates over the body's lines without their ends; raises failures. Yields.
---@return fun(): string?
function response:lines() end
--- Iterates over server-sent events; raises failures, and for a body of another type. Leaving the
--- loop disposes the response. Yields when streamed.
---@param options? sluice.stream_limits
---@return sluice.events
function response:events(options) end
--- Iterates over the values of JSON lines, or of a JSON text sequence; raises failures, that of a
--- value with err.line. Leaving the loop disposes the response. Yields when streamed.
---@param options? sluice.json_lines_options
---@return fun(): any
function response:json_lines(options) end
--- Reads n bytes, fewer before the end; nil at the end. Fails as a body does. Yields.
---@param n? integer default 65536 bytes
---@return string?, string?, sluice.error?
function response:read(n) end
--- Writes the body to a file of that name, whole or not at all; returns its size. Raises when part
--- of the body was taken already. Fails with invalid (the file), and as a body does. Yields.
---@param path string of the file
---@param options? sluice.save_options
---@return integer?, string?, sluice.error?
function response:save(path, options) end
--- Whether read(n) would return at once: with n bytes, or fewer before the end, or a failure. While
--- it is asked, they are received in steps of the loop. Never yields.
---@param n? integer default 65536 bytes
---@return boolean
function response:is_ready(n) end
--- Whether the whole body has arrived.
---@return boolean
function response:is_complete() end
--- Releases the response and its body; idempotent.
function response:dispose() end

--- The date in a field of that name, in seconds since 1970.
---@param name string of a field
---@return integer?
function response:date(name) end

--- All links in their order, and the first of each relation by its name in lower case.
---@class sluice.links
---@field [integer] sluice.link
---@field [string] sluice.link

--- One link; its other parameters are fields, too.
---@class sluice.link
---@field url string absolute
---@field rel string the relations, in lower case, separated by blanks
---@field title? string
---@field type? string
---@field [string] string

--- Options of response:save.
---@class sluice.save_options
--- Whether file and name are on the disk when it returns.
---@field sync? boolean default false; fails: invalid

--- Fields in wire order: `headers["Set-Cookie"]` and `headers.Date` are values, in any case;
--- `headers[1]` is a line; `pairs` iterates over names and values, `ipairs` over lines.
---@class sluice.headers
---@field [string] string
---@field [integer] { [1]: string, [2]: string } name and value of one line, in wire order
local headers = {}
--- The lines of that name joined by ", "; for Set-Cookie the first.
---@param name string of the field, in any case
---@return string?
function headers:get(name) end
--- The values of all lines of that name, in wire order.
---@param name string of the field, in any case
---@return string[]
function headers:all(name) end

--- What a proxy answered when it refused a tunnel. It needs no dispose.
---@class sluice.refusal
---@field status integer
---@field reason string
---@field version "1.0" | "1.1"
---@field headers sluice.headers
---@field body string 64 KiB at most, as it came
---@field truncated boolean more of the body was to come
---@field ok false
---@field method "CONNECT"
local refusal = {}
--- Its body.
---@return string
function refusal:text() end
--- The value of a body that is JSON. Fails with decode.
---@return any value
---@return string? message
---@return sluice.error? err
function refusal:json() end
--- Does nothing: it holds no segments.
function refusal:dispose() end
