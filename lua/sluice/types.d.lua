---@meta sluice
-- Types for language servers (LuaCATS); nothing requires this file. Durations are seconds, sizes
-- bytes. "Yields": inside a coroutine; outside of one the loop is driven until the result is there.
-- A failure outside the program's control returns nil, message, err; misuse raises.

---@alias sluice.code
---| "timeout" | "cancelled" | "resolve" | "connect" | "proxy" | "tls" | "closed" | "protocol"
---| "decode" | "limit" | "redirect" | "status" | "invalid" | "memory" | "unsupported"

---@class sluice.error
---@field message string what was tried, on what, and why it failed
---@field code sluice.code
---@field stage? "queue" | "resolve" | "connect" | "proxy" | "tls" | "send" | "head" | "body" |
---"websocket"
---@field retryable boolean sending again cannot do the work twice
---@field attempts? integer how often the request was sent, if more than once
---@field retry_after? number seconds until a circuit breaker tries again
---@field errno? integer of the system
---@field close_code? integer to close a WebSocket with; 1006: it ended without a Close frame
---@field position? integer of the first byte that cannot be decoded, from 1
---@field response? sluice.refusal | sluice.response a proxy's that refused a tunnel; by fail_status
---@field status? integer of that response, by fail_status
---@field cause? sluice.error of the last try to open a WebSocket again
local failure = {}
--- Disposes the response that it holds, if there is one; idempotent.
function failure:dispose() end

-- ---- options ----

--- false: none
---@class sluice.timeouts
---@field total? false | number 300; none when streamed
---@field resolve? false | number 5
---@field connect? false | number 10
---@field proxy? false | number 10
---@field tls? false | number 10
---@field first_byte? false | number 30
---@field idle? false | number 30
---@field queue? false | number 60
---@field rate? false | { [1]: integer, [2]: number } at least so many bytes in so many seconds

---@class sluice.limits
---@field head? integer 131072 bytes
---@field lines? integer 256
---@field line? integer 65536 bytes
---@field interim? integer 32 responses
---@field body? integer 64 MiB after decoding; none when streamed
---@field lenient_lf? boolean

---@alias sluice.bytes string | sluice.sequence | sluice.lease
---@alias sluice.body_part
---| sluice.bytes
---| file*
---| { path: string } closed on exec; a regular file

---@alias sluice.body
---| sluice.body_part
---| sluice.body_part[] sent in order; Content-Length is the sum
---| (fun(): string?, string?) the next piece; nil at the end; nil and a reason fails
---| { read: (fun(): string?, string?), length?: integer }

---@alias sluice.user { [1]: string, [2]?: string } and password

---@alias sluice.credentials sluice.user | { bearer: string } | { digest: sluice.user }

--- A function is asked for each sending, by origin; a string is the value of Authorization. It may
--- yield.
---@alias sluice.auth
---| sluice.credentials
---| { netrc: true | string }
---| fun(origin: string, request: sluice.request): (string | sluice.credentials)?, string?

--- A map is sent in the order of its names, an array in its own. A secret is dropped by a redirect
--- to another origin.
---@alias sluice.header_fields
---| table<string, string | number | (string | number)[]>
---| { [1]: string, [2]: string | number | (string | number)[], secret?: boolean }[]

--- "env": what the environment says when the client is made; false: none. A function is asked for
--- each sending, redirects among them; what it raises is raised.
---@alias sluice.proxy
---| string
---| false
---| sluice.proxy_options
---| fun(url: string): string | sluice.proxy_options | false | nil

---@class sluice.proxy_options
---@field url string of http://, https:// or socks5://, perhaps with user info
---@field no_proxy? string[] names with all below them, addresses, networks
---@field tls? sluice.tls_options of TLS with a proxy of https://, which gets none of the client's
---@field digest? boolean Digest credentials alone, never Basic; false

--- A number of tries after the first one; false, the default: none
---@alias sluice.retry false | integer | sluice.retry_options

---@class sluice.retry_options
---@field tries? integer 3
---@field delay? number 0.5, doubled each time
---@field max_delay? number 30
---@field max_retry_after? number 60; 0 ignores Retry-After
---@field jitter? number 0.5: the share of a wait that is left to chance, from 0 to 1
---@field statuses? integer[] 408, 429, 502, 503, 504
---@field methods? string[] the idempotent ones
---@field when? sluice.retry_decision decides instead of the rules, whose verdict is is_due

--- May yield.
---@alias sluice.retry_decision
---| fun(answer?: sluice.response, err?: sluice.error, of: sluice.request, is_due: boolean): any

--- Or any value with `__tostring`.
---@alias sluice.query_value string | number | boolean
--- Text without "#", a map sent in the order of its names, or pairs of name and value.
---@alias sluice.query
---| string
---| table<string, sluice.query_value | sluice.query_value[]>
---| { [1]: string, [2]: sluice.query_value | sluice.query_value[] }[]

--- One of path, bytes, handle, lease and read.
---@class sluice.multipart_file
---@field path? string a regular file, opened for each request
---@field bytes? string | sluice.sequence
---@field handle? file* a regular file, from its position on
---@field lease? sluice.lease which the multipart then owns
---@field read? fun(): sluice.bytes?, string? the next piece, nil at the end; may yield
---@field length? integer of what read gives; without it the request is chunked
---@field filename? string | false the base name of path, else the part's name; false: none
---@field type? string "application/octet-stream"

---@alias sluice.multipart_value sluice.query_value | sluice.multipart_file

--- A map sent in the order of its names, or pairs of name and value.
---@alias sluice.multipart_table
---| table<string, sluice.multipart_value | sluice.multipart_value[]>
---| { [1]: string, [2]: sluice.multipart_value | sluice.multipart_value[] }[]

---@alias sluice.form
---| table<string, sluice.query_value | sluice.query_value[]>
---| { [1]: string, [2]: sluice.query_value | sluice.query_value[] }[]

---@class sluice.request_options
---@field method? string of request { url = }, "GET"; standard ones in any case
---@field url? string of request { url = }
---@field headers? sluice.header_fields
---@field query? sluice.query
---@field body? sluice.body
---@field json? any encoded by the client's serializer; instead of body
---@field json_lines? any[] | fun(): any values, one in each line; instead of body
---@field form? sluice.form urlencoded; instead of body
---@field multipart? sluice.multipart | sluice.multipart_table instead of body
---@field auth? sluice.auth
---@field timeout? number | sluice.timeouts a number sets total, which spans redirects
---@field stream? boolean the response comes with its head
---@field redirects? false | integer 10; followed at the head
---@field retry? sluice.retry
---@field fail_status? boolean a status of 400 and more is a failure
---@field decompress? boolean true
---@field limits? sluice.limits
---@field proxy? sluice.proxy
---@field cookies? false | sluice.cookie_jar none, or another jar than the client's
---@field expect_continue? boolean
---@field trailers? sluice.header_fields behind a body of unknown length
---@field on_progress? fun(sent: integer, received: integer, to_send?: integer, to_get?: integer)
--- called inside a step with what the call returns, which then returns its task at once; may yield
---@field on_done? fun(response?: sluice.response, message?: string, err?: sluice.error)

--- Those of requests, but for what sends a body.
---@class sluice.pages_options: sluice.request_options
---@field max? integer pages to fetch

---@class sluice.stream_limits
---@field max_line_size? integer bytes; 16 MiB
---@field max_event_size? integer bytes between two events, comments included; 64 MiB

---@class sluice.reconnect_options
---@field tries? integer 10, connections in sequence that do not open
---@field delay? number 1, seconds, unless the stream sets others
---@field max_delay? number 30, seconds; doubled up to it while no event comes
---@field max_retry? number 3600, seconds that a stream may ask for
---@field jitter? number 0.5, the share that is left to chance, 0 to 1

--- Those of requests, but for what sends a body.
---@class sluice.events_options: sluice.request_options
---@field max_line_size? integer bytes; 16 MiB
---@field max_event_size? integer bytes between two events, comments included; 64 MiB
---@field last_id? string of an event of before
---@field reconnect? false | integer | sluice.reconnect_options a number sets tries

--- Those of requests, but for what sends a body, stream, on_progress and fail_status. A total time
--- is that of the whole download.
---@class sluice.download_options: sluice.request_options
---@field resume? boolean keep what arrives, and go on with it in a later call
---@field parallel? integer 1: ranges at a time
---@field sha256? string hexadecimal; checked before the file gets its name
---@field progress? boolean | sluice.download_report true: a bar on stderr
---@field sync? boolean whether file and name are on the disk when it returns

--- Bytes there and in all, bytes a second, and seconds to go; nil where unknown.
---@alias sluice.download_report
---| fun(done: integer, total?: integer, rate?: number, remaining?: number)

--- Parameters of permessage-deflate (RFC 7692 7.1) to ask for.
---@class sluice.compress_options
---@field threshold? integer bytes from which a message is compressed
---@field client_no_context_takeover? boolean
---@field server_no_context_takeover? boolean
---@field client_max_window_bits? integer 8 to 15
---@field server_max_window_bits? integer 8 to 15

---@class sluice.websocket_reconnect_options
---@field tries? integer in a row, 5
---@field delay? number before the first, 1; doubles with each
---@field max_delay? number 30
---@field codes? integer[] close codes after which it is opened again: 1001, 1006, 1011
---@field queue? boolean | { messages?: integer, bytes?: integer } keeps what is sent meanwhile
---@field on_open? fun(connection: sluice.websocket) with each connection, to subscribe
---@field on_state? fun(state: "open" | "waiting" | "connecting" | "closed", err?: sluice.error)

---@class sluice.websocket_options
---@field protocols? string[] the best first
---@field headers? sluice.header_fields
---@field query? sluice.query
---@field auth? sluice.auth
---@field timeout? number | sluice.timeouts of the handshake, 10 in all
---@field redirects? false | integer 0
---@field retry? sluice.retry false
---@field proxy? sluice.proxy
---@field cookies? false | sluice.cookie_jar
---@field limits? sluice.limits
---@field decompress? boolean of a refusal's body, true
---@field compress? boolean | sluice.compress_options false
---@field max_message_size? integer of a received message, 16777216
---@field queue? { messages?: integer, bytes?: integer } received and not taken, 100 and 16777216
---@field ping_interval? number of silence, 25; 0: no pings
---@field pong_timeout? number behind a ping, 10
---@field idle_timeout? number without a message; 0: none
---@field send_timeout? number in which the peer takes no byte
---@field close_timeout? number 5
---@field reconnect? boolean | sluice.websocket_reconnect_options false

---@class sluice.tls_options
---@field verify? boolean | fun(certificate: sluice.certificate): boolean, string?
---@field ca_file? string
---@field ca_path? string
---@field ca? string PEM
---@field crl_file? string
---@field cert_file? string
---@field key_file? string
---@field key_password? string | fun(): string?, string?
---@field pkcs12_file? string
---@field min_version? "1.2" | "1.3"
---@field max_version? "1.2" | "1.3"
---@field ciphers? string
---@field alpn? string[] of a client "http/1.1" and "http/1.0"
---@field pins? string[] SHA-256 of the leaf's public key, 32 bytes each
---@field resume? boolean true
---@field own_records? boolean
---@field key_log? string path
---@field provider? string one of sluice.platform().tls_providers

---@class sluice.certificate
---@field subject? string
---@field issuer? string
---@field names? string
---@field not_before? string
---@field not_after? string
---@field sha256? string
---@field spki_sha256? string

---@class sluice.tls_info
---@field version? string
---@field cipher? string
---@field alpn? string
---@field resumed boolean
---@field verified boolean
---@field peer? sluice.certificate

---@class sluice.transport_choice
---@field mode? "stream" | "completion"
---@field backend? "epoll" | "poll" | "io_uring" | "threads" the last two: completion

---@alias sluice.transport_option "stream" | "completion" | sluice.transport_choice

---@class sluice.pool_options
---@field per_origin? integer 16 connections
---@field total? integer 256 connections
---@field idle? number 90
---@field lifetime? number 600

--- content_type: of what `encode` writes. `err` may be missing.
---@class sluice.serializer
---@field content_type? string
---@field encode fun(value: any, writer: sluice.writer): any, string?, sluice.error?
---@field decode fun(input: sluice.sequence | string): any, string?, sluice.error?

---@class sluice.client_options
---@field base_url? string a directory, with or without its last slash
---@field headers? sluice.header_fields for each request
---@field auth? sluice.auth
---@field timeout? number | sluice.timeouts
---@field redirects? false | integer
---@field retry? sluice.retry
---@field fail_status? boolean
---@field limits? sluice.limits
---@field decompress? boolean
---@field proxy? sluice.proxy
---@field cookies? boolean | sluice.cookie_jar true: a jar of its own, client.cookies
---@field pool? false | sluice.pool_options
---@field pooling? boolean true; false rents straight from the allocator
---@field transport? sluice.transport_option
---@field tls? sluice.tls_options
---@field serializer? sluice.serializer | string a name is one of sluice.serializers
--- asked for each new connection; an address or another name, or addresses; may yield
---@field resolver? fun(host: string, port: integer): (string | string[])?, string?
---@field logger? fun(level: string, text: string)
--- waits in a coroutine of a host until `resume` was called for it; false: not the host's
---@field suspend? fun(coroutine: thread): false?
---@field resume? fun(coroutine: thread) what it waits for is over; called inside a step

---@class sluice.connect_options
---@field host? string
---@field port? integer 1 to 65535
---@field unix_path? string instead of host and port
---@field tls? boolean | sluice.tls_options
---@field transport? sluice.transport_option
---@field timeout? number | { resolve?: number, connect?: number, tls?: number }

---@class sluice.parser_options
---@field method? string of the request; "GET"
---@field upgrade? boolean the request asked for an upgrade: 101 is an answer
---@field close? boolean the request said `Connection: close`
---@field decompress? boolean true
---@field head? integer
---@field lines? integer
---@field line? integer
---@field interim? integer
---@field body? integer
---@field lenient_lf? boolean

-- ---- responses ----

--- queue resolve connect proxy tls first_byte total, in seconds as far as it had them; reused
---@alias sluice.timings table<string, number | boolean>

---@class sluice.response
---@field status integer
---@field reason string
---@field version "1.0" | "1.1"
---@field ok boolean status 200 to 299
---@field url string
---@field method string
---@field body string text() of a whole body
---@field headers sluice.headers
---@field trailers sluice.headers
---@field timings sluice.timings
---@field redirects? { status: integer, url: string }[]
---@field attempts integer how often its call was sent, redirects and retries included
---@field links sluice.links
---@field filename? string that Content-Disposition proposes, safe in any folder
---@field tls? sluice.tls_info
local response = {}
--- The body as one string, made once; after reads of a streamed body, the rest of it.
--- Yields when streamed.
---@return string? text
---@return string? message
---@return sluice.error? err
function response:text() end
--- The body's value, decoded by the client's serializer. Yields when streamed.
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
--- The body as a sequence, without a copy; it outlives the response. Yields when streamed.
---@return sluice.sequence?, string?, sluice.error?
function response:sequence() end
--- A file-like reader, which takes what it reads of a streamed body. Its methods yield when
--- streamed.
---@return sluice.body_reader?, string?, sluice.error?
function response:reader() end
--- Moves the body out of the response. Yields when streamed.
---@return sluice.lease?, string?, sluice.error?
function response:detach() end
--- Iterates over the body's pieces; raises failures. Yields.
---@return fun(): sluice.sequence?
function response:chunks() end
--- The next piece of the body; nil at the end. Yields.
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
---@param options? { max_line_size?: integer }
---@return fun(): any
function response:json_lines(options) end
--- Reads n bytes, fewer before the end; nil at the end. Yields.
---@param n? integer 65536
---@return string?, string?, sluice.error?
function response:read(n) end
--- Writes the body to a file of that name, whole or not at all; returns its size. Raises when
--- part of the body was taken already. Yields.
---@param path string
---@param options? sluice.save_options
---@return integer?, string?, sluice.error?
function response:save(path, options) end
--- Whether read(n) would return at once: with n bytes, or fewer before the end, or a failure. While
--- it is asked, they are received in steps of the loop. Never yields.
---@param n? integer 65536
---@return boolean
function response:is_ready(n) end
--- Whether the whole body has arrived.
---@return boolean
function response:is_complete() end
--- Releases the response and its body; idempotent.
function response:dispose() end

--- The date in a field of that name, in seconds since 1970.
---@param name string
---@return integer?
function response:date(name) end

--- All in their order, and the first of each relation by its name in lower case.
---@class sluice.links
---@field [integer] sluice.link
---@field [string] sluice.link

--- And its other parameters by name.
---@class sluice.link
---@field url string absolute
---@field rel string in lower case; several are separated by blanks
---@field title? string
---@field type? string
---@field [string] string

---@class sluice.save_options
---@field sync? boolean Whether file and name are on the disk when it returns.

---@class sluice.headers
---@field [string] string
---@field [integer] { [1]: string, [2]: string } name and value of one line, in wire order
local headers = {}
--- The lines of that name joined by ", "; for Set-Cookie the first.
---@param name string
---@return string?
function headers:get(name) end
---@param name string
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
---@return string
function refusal:text() end
--- The value of a body that is JSON.
---@return any value
---@return string? message
---@return sluice.error? err
function refusal:json() end
function refusal:dispose() end

-- ---- bytes ----

---@class sluice.sequence
local sequence = {}
--- A part of the bytes; copies nothing.
---@param i integer
---@param j? integer -1
---@return sluice.sequence
function sequence:sub(i, j) end
---@param i? integer 1
---@return integer?
function sequence:byte(i) end
---@return string
function sequence:tostring() end
---@return fun(): string?
function sequence:segments() end
---@return sluice.reader
function sequence:reader() end
--- Releases its segments; idempotent.
function sequence:dispose() end

--- Reads a whole body, or a streamed one, which only goes forward.
---@class sluice.body_reader
local body_reader = {}
--- Reads by the formats of Lua's files. Yields when streamed.
---@param ... string | integer
---@return string | number | nil ...
function body_reader:read(...) end
--- Iterates by the same formats. Yields when streamed; raises failures.
---@param ... string | integer
---@return fun(): string | number | nil ...
function body_reader:lines(...) end
---@param whence? "set" | "cur" | "end"
---@param offset? integer
---@return integer?, string?, sluice.error?
function body_reader:seek(whence, offset) end
---@return integer
function body_reader:position() end
function body_reader:close() end

---@class sluice.reader
local reader = {}
---@param ... string | integer
---@return string | number | nil ...
function reader:read(...) end
---@param ... string | integer
---@return fun(): string | number | nil ...
function reader:lines(...) end
---@param whence? "set" | "cur" | "end"
---@param offset? integer
---@return integer?, string?, sluice.error?
function reader:seek(whence, offset) end
---@return integer
function reader:position() end
---@return true
function reader:close() end

--- The single owner of finished bytes.
---@class sluice.lease
local lease = {}
---@return sluice.sequence
function lease:sequence() end
---@return string
function lease:tostring() end
--- Releases the bytes; raises when they are gone already.
function lease:dispose() end

--- A contiguous block that grows.
---@class sluice.writer
local writer = {}
--- Appends all arguments. Fails with limit or memory.
---@param ... string | number | sluice.sequence | sluice.lease
---@return sluice.writer?, string?, sluice.error?
function writer:write(...) end
---@return string
function writer:view() end
---@return sluice.lease
function writer:detach() end
---@return sluice.writer
function writer:reset() end
function writer:dispose() end

--- Fields and files of multipart/form-data.
---@class sluice.multipart
---@field content_type string with the boundary
local multipart = {}
--- Adds a field; raises what is wrong with it.
---@param name string
---@param value sluice.query_value
---@return sluice.multipart
function multipart:field(name, value) end
--- Adds a file; raises what is wrong with it.
---@param name string
---@param file sluice.multipart_file
---@return sluice.multipart
function multipart:file(name, file) end
--- Appends what a request would send; returns the writer. Fails with invalid, limit or memory.
--- Yields where functions of its files do.
---@param to sluice.writer
---@return sluice.writer?, string?, sluice.error?
function multipart:write_to(to) end
--- The same as a lease, up to 64 MiB.
---@return sluice.lease?, string?, sluice.error?
function multipart:build() end
--- Disposes the leases that no request has taken; idempotent.
function multipart:dispose() end

--- A run of segments that grows at the tail.
---@class sluice.buffer
local buffer = {}
--- Appends bytes: a string is copied, others are linked. Fails with limit or memory.
---@param bytes sluice.bytes
---@return sluice.buffer?, string?, sluice.error?
function buffer:append(bytes) end
---@return sluice.sequence
function buffer:sequence() end
---@return sluice.buffer
function buffer:reset() end
---@return sluice.lease
function buffer:detach() end
function buffer:dispose() end

-- ---- tasks and the loop ----

--- Of sluice.all and sluice.map. `errors[i]` is the err of one that returned nil, message, err.
---@class sluice.results
---@field n integer
---@field errors table<integer, sluice.error | string>
---@field [integer] any

---@class sluice.task
local task = {}
--- Waits for the task's results; raises its error. Fails with timeout or cancelled. Yields.
---@param timeout? number
---@return any ...
function task:await(timeout) end
--- Returns whether there was something to cancel.
---@param reason? string
---@return boolean
function task:cancel(reason) end
---@return "ready" | "running" | "waiting" | "done" | "failed"
function task:status() end
--- Where it failed; nil where it did not.
---@return string?
function task:traceback() end

--- Made by a C host, see doc/guide/embedding.md.
---@class sluice.signal
local signal = {}
--- The bytes that a thread of the host has signalled. Fails with timeout and cancelled. Yields.
---@param timeout? number
---@return string?, string?, sluice.error?
function signal:await(timeout) end

---@class sluice.loop
local loop = {}
--- Delivers what is ready, waiting at most that long. With a budget it works for as long as there
--- is work, and ends after the piece of work in which that many seconds were used up. Never yields.
---@param max_seconds? number 0
---@param budget? number seconds; none: each connection and coroutine has one turn
---@return boolean is_waiting whether a coroutine still waits
---@return boolean has_work whether another step has work at once
function loop:step(max_seconds, budget) end
--- Steps until no coroutine waits. The budget is of each step.
---@param options? { budget?: number }
function loop:run(options) end
--- Sets how long a step polls before it sleeps, for answers that arrive sooner than a wake-up.
---@param seconds number 0 to 0.001
function loop:spin(seconds) end
--- A descriptor, constant for life, readable when there is work, begun outside a step too.
---@return integer?, string?, sluice.error?
function loop:pollfd() end
---@return "r"
function loop:events() end
--- The time after which to step without an event; nil: never.
---@return number?
function loop:timeout() end

-- ---- for hosts that speak a protocol themselves ----

---@class sluice.transport
local transport = {}
--- Sends all of the bytes; returns their count. Yields.
---@param bytes sluice.bytes
---@param timeout? number 30
---@return integer?, string?, sluice.error?
function transport:send(bytes, timeout) end
--- Receives up to n bytes, or into a buffer, then returns their count; nil at the end. Yields.
---@param n? integer | sluice.buffer 65536
---@param ... number up to how many into a buffer; timeout, 30
---@return string | integer | nil, string?, sluice.error?
function transport:receive(n, ...) end
---@param bytes sluice.bytes
---@param timeout? number
---@return sluice.completion
---@return integer version
function transport:begin_send(bytes, timeout) end
---@param n? integer | sluice.buffer
---@param ... number
---@return sluice.completion
---@return integer version
function transport:begin_receive(n, ...) end
--- The outcome of the TLS handshake; nil: plain.
---@return sluice.tls_info?
function transport:tls() end
--- Operations under way end with cancelled; idempotent.
function transport:close() end

---@class sluice.completion
---@field version integer
---@field state "idle" | "pending" | "done" | "closed"
local completion = {}
--- Waits for the operation's results. Yields.
---@param version? integer
---@return any ...
function completion:await(version) end
function completion:cancel() end

---@class sluice.parser_event
---@field type "interim" | "head" | "body" | "end"
---@field status? integer of heads
---@field reason? string
---@field version? "1.0" | "1.1"
---@field headers? { [1]: string, [2]: string }[] in wire order
---@field body? sluice.sequence a piece, yours to dispose
---@field trailers? { [1]: string, [2]: string }[] of the end
---@field keep_alive? boolean
---@field upgrade? true behind 101: the surplus is of the other protocol

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
---@field last_id? string
---@field retry? integer milliseconds
---@field unfinished integer bytes of an event that has begun: dropped at the end
---@overload fun(): sluice.event?
local events = {}
--- The next event; nil at the end. Yields when streamed.
---@return sluice.event?, string?, sluice.error?
function events:next() end
--- Leaves the loop: the response is disposed, unless its end was reached. Idempotent.
function events:close() end

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
function event_parser:dispose() end

---@class sluice.http_parser
local http_parser = {}
--- Feeds received bytes: a string is copied, others are linked. Fails with memory.
---@param bytes sluice.bytes
---@return sluice.http_parser?, string?, sluice.error?
function http_parser:feed(bytes) end
--- Ends the input; not clean: the end cannot be trusted.
---@param is_clean? boolean true
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
function http_parser:dispose() end
--- Iterates over events until more bytes are needed or the response is over. A failure is raised.
---@return fun(): sluice.parser_event?
function http_parser:events() end

--- A message that a WebSocket received: bytes outside the Lua heap, until they are asked for.
---@class sluice.message
---@field type "text" | "binary"
local message = {}
--- The payload, flattened once and kept; its segments are released.
---@return string
function message:text() end
--- Shares the payload's segments, and stays good after the message is gone.
---@return sluice.sequence
function message:sequence() end
--- Hands the payload over; the message refuses its use afterwards.
---@return sluice.lease
function message:detach() end
--- Releases its segments; idempotent.
function message:dispose() end

--- A WebSocket of a client.
---@class sluice.websocket
---@field state "open" | "closing" | "closed" | "waiting" | "connecting"
---@field close_code? integer how it ended; 1005: without a code, 1006: without a Close frame
---@field close_reason? string
---@field subprotocol? string that the server chose
---@field extensions? string that are in use
---@field url string that it was opened at
---@field headers sluice.headers of the answer to the handshake
local websocket = {}
--- The next message. The text is "timeout" after that many seconds, "closed" at the end. Yields.
---@param timeout? number
---@return sluice.message?, string?, sluice.error?
function websocket:receive(timeout) end
--- Iterates over messages until the end; a failure is raised. Yields.
---@return fun(): sluice.message?
function websocket:messages() end
--- Sends a message, in fragments if a function gives it. Yields.
---@param bytes sluice.bytes | fun(): string?
---@param kind? "text" | "binary" "text"
---@return true?, string?, sluice.error?
function websocket:send(bytes, kind) end
--- Yields.
---@param bytes sluice.bytes | fun(): string?
---@return true?, string?, sluice.error?
function websocket:send_text(bytes) end
--- Yields.
---@param bytes sluice.bytes | fun(): string?
---@return true?, string?, sluice.error?
function websocket:send_binary(bytes) end
---@param payload? string 125 bytes at most
---@return true?, string?, sluice.error?
function websocket:ping(payload) end
--- Sends Close and waits for the end. Yields.
---@param code? integer 1000
---@param reason? string 123 bytes at most
---@return true?, string?, sluice.error?
function websocket:close(code, reason) end
--- The same without waiting; idempotent.
function websocket:dispose() end

---@class sluice.ws_parser_options
---@field role "client" | "server" ours
---@field max_message_size? integer in bytes, 16777216; also of what was inflated
---@field compress? boolean | sluice.compress_options false; what to agree on in the handshake

---@class sluice.ws_control_event
---@field type "ping" | "pong" | "close"
---@field payload? string of a ping or pong
---@field code? integer of a close; 1005: it had none
---@field reason? string of a close

---@alias sluice.ws_event sluice.message | sluice.ws_control_event

--- Frames of WebSocket for hosts that have the connection: bytes in, events out.
---@class sluice.ws_parser
local ws_parser = {}
--- What a client offers in Sec-WebSocket-Extensions; nil: nothing.
---@return string?
function ws_parser:offer() end
--- Reads the Sec-WebSocket-Extensions of the other side, in the handshake; returns what the server
--- answers, false where messages are not compressed. Fails with protocol.
---@param field? string
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
---@param is_last? boolean true; false: go on with continue
---@return sluice.ws_parser?, string?, sluice.error?
function ws_parser:text(bytes, is_last) end
---@param bytes sluice.bytes
---@param is_last? boolean true; false: go on with continue
---@return sluice.ws_parser?, string?, sluice.error?
function ws_parser:binary(bytes, is_last) end
--- Writes the next fragment of a message. Fails as text.
---@param bytes sluice.bytes
---@param is_last? boolean true
---@return sluice.ws_parser?, string?, sluice.error?
function ws_parser:continue(bytes, is_last) end
--- Writes a ping, also between fragments. Fails with closed, memory.
---@param payload? string at most 125 bytes
---@return sluice.ws_parser?, string?, sluice.error?
function ws_parser:ping(payload) end
---@param payload? string at most 125 bytes
---@return sluice.ws_parser?, string?, sluice.error?
function ws_parser:pong(payload) end
--- Writes the last frame, and gives a message under way up. Fails with closed, memory.
---@param code? integer 1000; 1005: without a code
---@param reason? string at most 123 bytes
---@return sluice.ws_parser?, string?, sluice.error?
function ws_parser:close(code, reason) end
--- The frames that were written since the last call.
---@return string
function ws_parser:output() end
--- The same as a lease.
---@return sluice.lease
function ws_parser:detach() end
function ws_parser:dispose() end

---@class sluice.url_parts
---@field scheme? string
---@field userinfo? string
---@field host? string
---@field port? integer
---@field path? string
---@field query? string
---@field fragment? string
---@field is_ipv6? boolean

---@class sluice.url
local url = {}
---@param text string
---@return sluice.url_parts?, string?, sluice.error?
function url.parse(text) end
--- As parse, for a URL that a request can be sent to: `host` is in lower case.
---@param text string
---@return sluice.url_parts?, string?, sluice.error?
function url.target(text) end
---@param base string
---@param reference string
---@return string?, string?, sluice.error?
function url.resolve(base, reference) end
--- As resolve, for a server's Location: bytes that cannot travel are percent-encoded first.
---@param base string
---@param reference string
---@return string?, string?, sluice.error?
function url.follow(base, reference) end
---@param text string
---@return string
function url.escape(text) end
---@param text string
---@return string?, string?, sluice.error?
function url.unescape(text) end

--- Dates of HTTP (RFC 9110 5.6.7); numbers are seconds since 1970.
---@class sluice.date
local date = {}
--- nil for what is no date.
---@param text string
---@param now? integer decides about years of two digits
---@return integer?
function date.parse(text, now) end
---@param seconds number
---@return string
function date.format(seconds) end

--- JSON by RFC 8259, strictly, in the core. Integers of 64 bits stay integers, other numbers are
--- floats; a value that cannot be held exactly is an error.
---@class sluice.json: sluice.serializer
---@field null any null in both directions
---@field array_mt table metatable of tables that are arrays even when empty; a decoded [] has it
---@field empty_array any written as []
local json = {}
---@param value any
---@param to sluice.writer
---@return sluice.writer?, string?, sluice.error?
function json.encode(value, to) end
---@param input sluice.sequence | sluice.lease | string
---@return any, string?, sluice.error?
function json.decode(input) end
---@param value any
---@return string?, string?, sluice.error?
function json.text(value) end

-- ---- clients ----

--- A request as interceptors see it.
---@class sluice.request
---@field method string
---@field url string assigning one of another origin drops credentials and secret fields first
---@field body? sluice.body what was given; assigning is set_body
---@field upgrade? any of a WebSocket's handshake; tostring gives "websocket"
local request = {}
--- Sets the body by the rules of the option; nil removes it. A lease that was the body is disposed.
---@param value? sluice.body
---@return sluice.request?, string?, sluice.error?
function request:set_body(value) end
---@param name string
---@return string?
function request:get_header(name) end
--- Sets a field, replacing fields of that name; nil removes them.
---@param name string
---@param value? string | number
---@return sluice.request
function request:set_header(name, value) end
--- Whether the request can be sent again from the start.
---@return boolean
function request:is_replayable() end
--- Answers the request without sending it: for an interceptor that returns the result. A lease is
--- disposed.
---@param answer sluice.answer
---@return sluice.response?, string?, sluice.error?
function request:answer(answer) end

--- Adds a field behind those of the same name.
---@param name string
---@param value string | number
---@return sluice.request
function request:add_header(name, value) end

---@class sluice.answer
---@field status integer from 200 to 999
---@field reason? string
---@field headers? sluice.header_fields
---@field body? string | sluice.sequence | sluice.lease

---@alias sluice.forward fun(request?: sluice.request): sluice.response?, string?, sluice.error?
---@alias sluice.interceptor
---| fun(request: sluice.request, forward: sluice.forward): sluice.response?, string?, sluice.error?

--- An interceptor with fields of its own.
---@class sluice.interceptor_object
---@field hop sluice.interceptor around each sending

---@class sluice.interceptors
local interceptors = {}
--- Fields that a request has unless it says otherwise; in a map a value may be function(request).
---@param values sluice.header_fields | table<string, fun(request: sluice.request): string?>
---@return sluice.interceptor
function interceptors.default_headers(values) end

---@class sluice.log_options
---@field sink? fun(line: string)
---@field fields? string[] names of fields to show
---@field secret_fields? string[]
---@field secret_parameters? string[]

--- One line for each sending, without secrets.
---@param options? sluice.log_options
---@return sluice.interceptor_object
function interceptors.log(options) end

---@class sluice.metrics_options
---@field buckets? number[] upper bounds in seconds
---@field origins? integer with figures of their own, 100
---@field prefix? string

---@class sluice.metrics: sluice.interceptor_object
local metrics = {}
---@return { origin: string, in_flight: integer, series: table[] }[]
function metrics:table() end
--- The text format of Prometheus.
---@return string
function metrics:text() end
function metrics:reset() end

--- Counts and measures.
---@param options? sluice.metrics_options
---@return sluice.metrics
function interceptors.metrics(options) end

---@class sluice.cache_options
---@field max_bytes? integer 16 MiB
---@field max_entries? integer 1000
---@field max_body? integer an eighth of max_bytes
---@field clock? fun(): number seconds since 1970

---@class sluice.cache: sluice.interceptor_object
local cache = {}
---@return table<string, integer> entries, bytes, hits, misses, validated, evictions
function cache:stats() end
--- Gives all memory back.
function cache:clear() end
--- The same, and keeps nothing from now on.
function cache:dispose() end

--- A private cache (RFC 9111).
---@param options? sluice.cache_options
---@return sluice.cache
function interceptors.cache(options) end

---@class sluice.rate_limit_options
---@field rate number requests a second to each origin
---@field burst? number
---@field max_wait? number seconds
---@field origins? integer remembered, 1000

--- Waits for a turn.
---@param options sluice.rate_limit_options
---@return sluice.interceptor_object
function interceptors.rate_limit(options) end

---@class sluice.circuit_breaker_options
---@field failures? integer in a row, 5
---@field open_for? number seconds, 30
---@field trials? integer 1
---@field statuses? integer[] 502, 503, 504
---@field origins? integer remembered, 1000
---@field on_change? fun(origin: string, state: string)

---@class sluice.circuit_breaker: sluice.interceptor_object
local circuit_breaker = {}
---@param to string a URL
---@return "closed" | "open" | "half-open"
function circuit_breaker:state(to) end

--- Stops asking an origin that fails.
---@param options? sluice.circuit_breaker_options
---@return sluice.circuit_breaker
function interceptors.circuit_breaker(options) end

---@class sluice.record_options
---@field path string of a folder
---@field mode? "auto" | "record" | "replay"
---@field secret_fields? string[]
---@field secret_parameters? string[]

--- Records exchanges in files, and replays them.
---@param options sluice.record_options
---@return sluice.interceptor_object
function interceptors.record(options) end

--- A request that is completed by chained calls.
---@class sluice.request_builder
local request_builder = {}
---@param name string
---@param value string | number
---@return sluice.request_builder
function request_builder:header(name, value) end
---@param value sluice.query
---@return sluice.request_builder
function request_builder:query(value) end
---@param value sluice.body
---@return sluice.request_builder
function request_builder:body(value) end
---@param value any
---@return sluice.request_builder
function request_builder:json(value) end
---@param value any[] | fun(): any
---@return sluice.request_builder
function request_builder:json_lines(value) end
---@param value sluice.form
---@return sluice.request_builder
function request_builder:form(value) end
--- Raises what is wrong with it.
---@param value sluice.multipart | sluice.multipart_table
---@return sluice.request_builder
function request_builder:multipart(value) end
---@param value sluice.auth
---@return sluice.request_builder
function request_builder:auth(value) end
---@param value number | sluice.timeouts
---@return sluice.request_builder
function request_builder:timeout(value) end
---@param value boolean
---@return sluice.request_builder
function request_builder:stream(value) end
---@param value false | integer
---@return sluice.request_builder
function request_builder:redirects(value) end
---@param value sluice.retry
---@return sluice.request_builder
function request_builder:retry(value) end
---@param value boolean
---@return sluice.request_builder
function request_builder:fail_status(value) end
---@param value false | sluice.cookie_jar
---@return sluice.request_builder
function request_builder:cookies(value) end
---@param value sluice.limits
---@return sluice.request_builder
function request_builder:limits(value) end
---@param value boolean
---@return sluice.request_builder
function request_builder:decompress(value) end
---@param value sluice.proxy
---@return sluice.request_builder
function request_builder:proxy(value) end
---@param value boolean
---@return sluice.request_builder
function request_builder:expect_continue(value) end
---@param value sluice.header_fields
---@return sluice.request_builder
function request_builder:trailers(value) end
---@param value fun(sent: integer, received: integer, to_send?: integer, to_get?: integer)
---@return sluice.request_builder
function request_builder:on_progress(value) end
---@param value fun(response?: sluice.response, message?: string, err?: sluice.error)
---@return sluice.request_builder
function request_builder:on_done(value) end
--- Sends the request, each time anew. Yields.
---@return sluice.response?, string?, sluice.error?
function request_builder:send() end

---@class sluice.client_stats
---@field idle integer connections
---@field active integer lent or being made
---@field dialing integer being made
---@field queued integer requests that wait for a connection
---@field made integer connections ever
---@field origins integer known: in use, and up to a thousand that nothing uses
---@field requests integer
---@field resends integer
---@field outstanding integer segments and blocks of the pool it rents from
---@field rented integer
---@field returned integer
---@field high_water integer
---@field bytes integer
---@field transport "stream" | "completion"
---@field backend? string nil: the best for the transport

---@class sluice.cookie
---@field name string
---@field value string
---@field domain string without a dot before it
---@field host_only boolean not for the hosts below the domain
---@field path string
---@field expires? integer seconds since 1970; nil: with the session
---@field secure boolean
---@field http_only boolean
---@field same_site? "Strict" | "Lax" | "None"

--- host_only: true, unless the domain begins with a dot
---@class sluice.own_cookie
---@field name string
---@field value string
---@field domain string
---@field host_only? boolean
---@field path? string "/"
---@field expires? integer seconds since 1970
---@field secure? boolean
---@field http_only? boolean
---@field same_site? "Strict" | "Lax" | "None"

---@class sluice.cookie_jar
---@operator len: integer
local cookie_jar = {}
---@param given sluice.own_cookie | sluice.cookie
---@return true?, string?, sluice.error?
function cookie_jar:set(given) end
---@param to string URL
---@param name string
---@return string?, string?, sluice.error? # its value
function cookie_jar:get(to, name) end
---@return fun(): sluice.cookie?
function cookie_jar:cookies() end
---@param domain? string
---@return integer # removed
function cookie_jar:clear(domain) end
--- Blocks for the file.
---@param path string
---@return integer?, string?, sluice.error? # added
function cookie_jar:load(path) end
--- Blocks for the file.
---@param path string
---@param options? { session?: boolean }
---@return integer?, integer | string, sluice.error? # saved; what the format cannot hold
function cookie_jar:save(path, options) end

---@class sluice.client
---@field cookies? sluice.cookie_jar
local client = {}
--- Yields.
---@param method string | sluice.request_options all of it, with url
---@param to? string URL, below base_url
---@param options? sluice.request_options
---@return sluice.response?, string?, sluice.error?
function client:request(method, to, options) end
--- Yields.
---@param to string
---@param options? sluice.request_options
---@return sluice.response?, string?, sluice.error?
function client:get(to, options) end
--- Yields.
---@param to string
---@param options? sluice.request_options
---@return sluice.response?, string?, sluice.error?
function client:head(to, options) end
--- Yields.
---@param to string
---@param options? sluice.request_options
---@return sluice.response?, string?, sluice.error?
function client:post(to, options) end
--- Yields.
---@param to string
---@param options? sluice.request_options
---@return sluice.response?, string?, sluice.error?
function client:put(to, options) end
--- Yields.
---@param to string
---@param options? sluice.request_options
---@return sluice.response?, string?, sluice.error?
function client:patch(to, options) end
--- Yields.
---@param to string
---@param options? sluice.request_options
---@return sluice.response?, string?, sluice.error?
function client:delete(to, options) end
--- Yields.
---@param to string
---@param options? sluice.request_options
---@return sluice.response?, string?, sluice.error?
function client:options(to, options) end
--- Iterates over a page and those behind it, by links of the relation "next"; raises failures. A
--- page is disposed when the next one is asked for. Yields.
---@param to string
---@param options? sluice.pages_options
---@return fun(): sluice.response?
function client:pages(to, options) end
--- Iterates over server-sent events, and reconnects with Last-Event-ID; ends at 204, raises
--- failures. Leaving the loop closes the stream. Yields.
---@param to string
---@param options? sluice.events_options
---@return fun(): sluice.event?
function client:events(to, options) end
--- Fetches a file to a path, whole or not at all. Fails with status for an answer without a file,
--- with decode for another content than sha256 or Repr-Digest say. Yields.
---@param from string
---@param path string
---@param options? sluice.download_options
---@return boolean? done
---@return string? message
---@return sluice.error? err
function client:download(from, path, options) end
--- Opens a WebSocket; a server that refuses gives the code status with err.response. Yields.
---@param to string URL of ws, wss, http or https, below base_url
---@param options? sluice.websocket_options
---@return sluice.websocket?, string?, sluice.error?
function client:websocket(to, options) end
---@param method string
---@param to string
---@return sluice.request_builder
function client:build(method, to) end
--- Adds an interceptor. A function runs once for each call, `hop` for each sending inside
--- redirects, whose responses it sees. The first one added is outermost.
---@param step sluice.interceptor | { hop: sluice.interceptor } | sluice.interceptor_object
---@return sluice.client
function client:use(step) end
---@return sluice.client_stats
function client:stats() end
--- Closes idle connections and fails waiting requests; returns at once. Idempotent.
function client:close() end

-- ---- the module ----

---@class sluice.stats
---@field outstanding integer segments and blocks rented now
---@field rented integer ever
---@field returned integer ever
---@field high_water integer most outstanding at once
---@field bytes integer capacity rented now
---@field spare integer capacity kept free
---@field quarantined integer abandoned, because something could still write
---@field late_writes integer into what a guarding pool had got back
---@field leaked integer objects collected that were not disposed
---@field allocations integer calls of the allocator
---@field operations integer under way
---@field timers integer
---@field descriptors integer
---@field waiting integer coroutines
---@field connections integer
---@field idle integer connections
---@field active integer connections
---@field requests integer
---@field resends integer

---@class sluice.platform
---@field supported boolean completion transport
---@field completion_model string its best backend, or "none"
---@field expected_benefit "full" | "reduced" | "none"
---@field backends string[] best first
---@field tls_providers string[] the default first

---@class sluice
---@field url sluice.url
---@field json sluice.json
---@field date sluice.date
---@field interceptors sluice.interceptors those that are built in
---@field serializers table<string, sluice.serializer> by name and by media type; assign more
local sluice = {}
--- Makes a client. Fails with memory or unsupported.
---@param options? sluice.client_options
---@return sluice.client?, string?, sluice.error?
function sluice.client(options) end
--- Sets the options of the module's own client, once, before its first request; returns that
--- client. Fails as sluice.client does.
---@param options? sluice.client_options
---@return sluice.client?, string?, sluice.error?
function sluice.configure(options) end
---@param options? { suffixes?: string | false } a file of public suffixes; false: no list
---@return sluice.cookie_jar?, string?, sluice.error?
function sluice.cookie_jar(options) end
--- Sends a request with the module's own client, as do the functions below. Yields.
---@param method string | sluice.request_options all of it, with url
---@param to? string
---@param options? sluice.request_options
---@return sluice.response?, string?, sluice.error?
function sluice.request(method, to, options) end
--- Yields.
---@param to string
---@param options? sluice.request_options
---@return sluice.response?, string?, sluice.error?
function sluice.get(to, options) end
--- Yields.
---@param to string
---@param options? sluice.request_options
---@return sluice.response?, string?, sluice.error?
function sluice.head(to, options) end
--- Yields.
---@param to string
---@param options? sluice.request_options
---@return sluice.response?, string?, sluice.error?
function sluice.post(to, options) end
--- Yields.
---@param to string
---@param options? sluice.request_options
---@return sluice.response?, string?, sluice.error?
function sluice.put(to, options) end
--- Yields.
---@param to string
---@param options? sluice.request_options
---@return sluice.response?, string?, sluice.error?
function sluice.patch(to, options) end
--- Yields.
---@param to string
---@param options? sluice.request_options
---@return sluice.response?, string?, sluice.error?
function sluice.delete(to, options) end
--- Yields.
---@param to string
---@param options? sluice.request_options
---@return sluice.response?, string?, sluice.error?
function sluice.options(to, options) end
--- Yields.
---@param to string
---@param options? sluice.websocket_options
---@return sluice.websocket?, string?, sluice.error?
function sluice.websocket(to, options) end
--- Connects a stream; with `tls` it is verified before this returns. Yields.
---@param options sluice.connect_options
---@return sluice.transport?, string?, sluice.error?
function sluice.connect(options) end
---@param options? sluice.parser_options
---@return sluice.http_parser
function sluice.http_parser(options) end
---@param options sluice.ws_parser_options
---@return sluice.ws_parser
function sluice.ws_parser(options) end
--- The value of Sec-WebSocket-Accept for a client's Sec-WebSocket-Key. Fails with protocol.
---@param key string
---@return string?, string?, sluice.error?
function sluice.ws_accept(key) end
--- Splits server-sent events out of bytes.
---@param options? { max_line_size?: integer, max_event_size?: integer, last_id?: string }
---@return sluice.event_parser
function sluice.event_parser(options) end
---@param options? { segment_size?: integer, max_size?: integer }
---@return sluice.buffer
function sluice.buffer(options) end
---@param options? { initial_size?: integer, max_size?: integer }
---@return sluice.writer
function sluice.writer(options) end
--- A multipart of names with values; raises what is wrong with them. Fails with tls: no random
--- bytes.
---@param given? sluice.multipart_table
---@return sluice.multipart?, string?, sluice.error?
function sluice.multipart(given) end
--- Runs f as a task and drives the loop until f and every task that was spawned have
--- ended; raises f's error, once the others have been cancelled and have ended, or have
--- been stopped a second later.
---@generic T
---@param f fun(...): T
---@param ... any
---@return T
function sluice.run(f, ...) end
---@param f function
---@param ... any
---@return sluice.task
function sluice.spawn(f, ...) end
--- Waits for that time. Fails with cancelled. Yields.
---@param seconds number
---@return true?, string?, sluice.error?
function sluice.sleep(seconds) end
--- Waits for all; returns their first results, or raises an error once all are over. Yields.
---@param tasks (sluice.task | sluice.completion)[]
---@return sluice.results?, string?, sluice.error?
function sluice.all(tasks) end
--- f(item, i) for each, in tasks, `limit` at a time. Cancels them when the caller leaves. Yields.
---@param list any[]
---@param f fun(item: any, i: integer): any, string?, sluice.error?
---@param options? { limit?: integer }
---@return sluice.results?, string?, sluice.error?
function sluice.map(list, f, options) end
--- The results of the first that ends; raises its error; cancels the others. Yields.
---@param tasks (sluice.task | sluice.completion)[]
---@return any ...
function sluice.race(tasks) end
--- As coroutine.wrap, but f may wait between its values: the caller then waits, too, and no
--- other may call it meanwhile. Yields.
---@param f function
---@return fun(...): any ...
function sluice.wrap(f) end
--- Whether it is what a coroutine yields that waits.
---@param value any
---@return boolean
function sluice.is_waiting(value) end
--- Sets who gets errors that reach nobody; nil: they are printed on stderr. Returns the one before.
---@param handler? fun(message: any, traceback: string?, task: sluice.task?)
---@return function?
function sluice.on_error(handler) end
--- Waits for anything with a method await. Yields.
---@param awaitable sluice.task | sluice.completion
---@param ... any
---@return any ...
function sluice.await(awaitable, ...) end
---@return sluice.loop
function sluice.loop() end
---@return sluice.stats
function sluice.stats() end
---@return sluice.platform
function sluice.platform() end

return sluice
