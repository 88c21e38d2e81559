---@meta sluice
-- Types for language servers (LuaCATS); nothing requires this file. Durations are seconds, sizes
-- bytes. "Yields": inside a coroutine; outside of one the loop is driven until the result is there.
-- A failure outside the program's control returns nil, message, err; misuse raises.

---@alias sluice.code
---| "timeout" | "cancelled" | "resolve" | "connect" | "proxy" | "tls" | "closed" | "protocol"
---| "decode" | "limit" | "redirect" | "status" | "invalid" | "memory" | "unsupported"

---@alias sluice.stage
---| "queue" | "resolve" | "connect" | "proxy" | "tls" | "send" | "head" | "body" | "websocket"

--- The third value of what fails: nil, message, err. `tostring(err)` is the message.
---
--- ```lua
--- local sluice = require "sluice"
---
--- local _, _, err = sluice.get "http://127.0.0.1:1/"
--- print(err.code, err.stage, err.retryable)      --> connect connect true
--- ```
---@class sluice.error
---@field message string what was tried, on what, and why it failed
---@field code sluice.code what kind of failure it is
---@field stage? sluice.stage how far it had come
---@field retryable boolean sending again cannot do the work twice
---@field attempts? integer how often the request was sent, if more than once
---@field retry_after? number seconds until a circuit breaker tries again
---@field errno? integer the number of the system, if one failed
--- The code to close a WebSocket with; 1006: it ended without a Close frame.
---@field close_code? integer
---@field position? integer the first byte that cannot be decoded, from 1
---@field response? sluice.refusal | sluice.response the answer that was a failure
---@field status? integer the status of that response, with fail_status
---@field cause? sluice.error the failure of the last try to open a WebSocket again
local failure = {}
--- Disposes the response that it holds, if there is one; idempotent.
function failure:dispose() end

-- ---- options ----

--- Seconds for each stage; false in place of a number turns a deadline off. What passes one closes
--- its connection; err.stage says how far the request had come.
---@class sluice.timeouts
--- The whole call, with its redirects, retries and interceptors; none when streamed.
---@field total? false | number default 300 s; fails: timeout
--- The name becomes addresses, by the system or by the option resolver.
---@field resolve? false | number default 5 s; fails: timeout
---@field connect? false | number default 10 s; one of the addresses answers; fails: timeout
--- The proxy lets through, once it is connected.
---@field proxy? false | number default 10 s; fails: timeout
---@field tls? false | number default 10 s; the handshake, verified; fails: timeout
--- The first byte of the response arrives, once the request is sent.
---@field first_byte? false | number default 30 s; fails: timeout
--- A byte moves in either direction; none for event streams.
---@field idle? false | number default 30 s; fails: timeout
--- A connection becomes free, where the limits of the pool are reached.
---@field queue? false | number default 60 s; fails: timeout
--- { bytes, seconds }: so many bytes move in that time, and again in the next.
---@field rate? false | { [1]: integer, [2]: number } default none; fails: timeout

--- Sizes of a response. What exceeds them ends its connection.
---@class sluice.limits
---@field head? integer default 131072 bytes; the head of a response; its trailers; fails: limit
---@field lines? integer default 256 lines; in a head; in trailers; fails: limit
---@field line? integer default 65536 bytes; a line of a head; fails: limit
---@field interim? integer default 32 responses; responses of 1xx before the last one; fails: limit
--- The body, after decoding; none when streamed.
---@field body? integer default 67108864 bytes; fails: limit
--- Whether a bare LF may end a line of a head.
---@field lenient_lf? boolean default false; fails: protocol

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

--- The option proxy as a table.
---@class sluice.proxy_options
--- A URL of http://, https:// or socks5://, perhaps with user info.
---@field url string fails: proxy, connect
--- Names with all below them, addresses, networks: what is asked directly.
---@field no_proxy? string[] default none
--- Settings for a proxy of https://, which gets none of the client's.
---@field tls? sluice.tls_options default the system's roots; fails: tls
---@field digest? boolean default false; Digest credentials alone, never Basic; fails: proxy

--- A number of tries after the first one; false, the default: none
---@alias sluice.retry false | integer | sluice.retry_options

--- The option retry as a table.
---@class sluice.retry_options
---@field tries? integer default 3 tries; sendings after the first one
--- The wait before the second sending; doubled with each further one.
---@field delay? number default 0.5 s
---@field max_delay? number default 30 s; the longest of these waits; delay, if that is longer
--- The longest Retry-After that is obeyed; 0 ignores the field.
---@field max_retry_after? number default 60 s
---@field jitter? number default 0.5; the share of a wait that is left to chance, from 0 to 1
--- The answers after which the request is sent again.
---@field statuses? integer[] default 408, 429, 502, 503, 504
--- The methods that are sent again.
---@field methods? string[] default GET, HEAD, PUT, DELETE, OPTIONS, TRACE
--- Decides instead of the rules, whose verdict is is_due.
---@field when? sluice.retry_decision default the rules

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
---@field path? string a regular file, opened for each request; fails: invalid
---@field bytes? string | sluice.sequence a sequence stays yours
---@field handle? file* a regular file, from its position on; it stays open; fails: invalid
---@field lease? sluice.lease the multipart owns it from then on
--- The next piece, nil at the end; may yield.
---@field read? fun(): sluice.bytes?, string? fails: invalid
--- What read gives in all; without it the request is chunked.
---@field length? integer in bytes; fails: invalid
--- False: none, which makes it a field.
---@field filename? string | false default the base name of path, else the part's name
---@field type? string default "application/octet-stream"; the media type

---@alias sluice.multipart_value sluice.query_value | sluice.multipart_file

--- A map sent in the order of its names, or pairs of name and value.
---@alias sluice.multipart_table
---| table<string, sluice.multipart_value | sluice.multipart_value[]>
---| { [1]: string, [2]: sluice.multipart_value | sluice.multipart_value[] }[]

---@alias sluice.form
---| table<string, sluice.query_value | sluice.query_value[]>
---| { [1]: string, [2]: sluice.query_value | sluice.query_value[] }[]

--- Options of one request: the last argument of client:get and the like, or the only one of
--- client:request.
---
--- ```lua
--- local sluice = require "sluice"
---
--- local response <close> = assert(sluice.post("http://127.0.0.1:8080/api/items", {
---   query = { draft = true },
---   json = { name = "sluice" },
---   timeout = { first_byte = 5 },
---   retry = 2,
--- }))
--- print(response.status)  --> 201
--- ```
---@class sluice.request_options
--- For client:request { url = } alone; standard ones in any case.
---@field method? string default "GET"; fails: invalid
---@field url? string for client:request { url = } alone; fails: invalid
--- Fields of this request; those that frame it belong to the client.
---@field headers? sluice.header_fields fails: invalid
---@field query? sluice.query added to the URL's own; fails: invalid
---@field body? sluice.body sent from where it lies; fails: invalid
---@field json? any encoded by the client's serializer; instead of body; fails: invalid
---@field json_lines? any[] | fun(): any values, one in each line; instead of body; fails: invalid
---@field form? sluice.form urlencoded; instead of body; fails: invalid
--- Multipart/form-data; instead of body.
---@field multipart? sluice.multipart | sluice.multipart_table fails: invalid
---@field auth? sluice.auth default the client's; credentials
--- A number sets total, in s, which spans redirects and retries.
---@field timeout? number | sluice.timeouts default the client's; fails: timeout
---@field stream? boolean default false; the response comes with its head
--- How many are followed, at their head; false: none.
---@field redirects? false | integer default 10; fails: redirect
---@field retry? sluice.retry default the client's; false: none
---@field fail_status? boolean default false; a status of 400 and more is a failure; fails: status
--- Decodes gzip, deflate, and br and zstd where they are built in.
---@field decompress? boolean default true; fails: decode
---@field limits? sluice.limits default the client's; sizes of the response; fails: limit
---@field proxy? sluice.proxy default the client's; false: none; fails: proxy, connect
---@field cookies? false | sluice.cookie_jar default the client's; false: none; or another jar
---@field expect_continue? boolean default false; the body waits for a 100 (Continue), at most 1 s
---@field trailers? sluice.header_fields fields that follow a body of unknown length; fails: invalid
--- Called at most 10 times a second, and at the end; nil: unknown.
---@field on_progress? fun(sent: integer, received: integer, to_send?: integer, to_get?: integer)
--- Called in a step with what the call returns, which then returns its task at once; may yield.
---@field on_done? fun(response?: sluice.response, message?: string, err?: sluice.error)

--- Options of client:pages: those of a request without a body, and how many pages.
---@class sluice.pages_options: sluice.request_options
---@field max? integer default none, in pages; how many are fetched

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

--- Options of client:download: those of a request without a body, but for stream, on_progress and
--- fail_status, and these. A total time is that of the whole download.
---@class sluice.download_options: sluice.request_options
---@field resume? boolean default false; keep what arrives, and go on with it in a later call
---@field parallel? integer default 1; how many ranges are fetched at a time
---@field sha256? string hexadecimal; checked before the file gets its name; fails: decode
---@field progress? boolean | sluice.download_report default false; true: a bar on stderr
--- Whether file and name are on the disk when it returns.
---@field sync? boolean default false; fails: invalid

--- Bytes there and in all, bytes a second, and seconds to go; nil where unknown.
---@alias sluice.download_report
---| fun(done: integer, total?: integer, rate?: number, remaining?: number)

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

---@alias sluice.verify boolean | fun(certificate: sluice.certificate): boolean, string?

--- The option tls of a client, and of sluice.connect. Wrong files fail the first connection, not
--- the client.
---
--- ```lua
--- local sluice = require "sluice"
---
--- local client <close> = assert(sluice.client { tls = { ca_file = "build/serve/root.pem" } })
--- local response <close> = assert(client:get "https://127.0.0.1:8443/json")
--- print(response.tls.version, response.tls.verified)  --> TLSv1.3 true
--- ```
---@class sluice.tls_options
--- Chain and name; a function is asked last and may refuse.
---@field verify? sluice.verify default true; fails: tls
---@field ca_file? string default the system's roots; trusted roots, a file of PEM; fails: tls
---@field ca_path? string default the system's roots; trusted roots, a directory; fails: tls
---@field ca? string default the system's roots; trusted roots, as PEM; fails: tls
---@field crl_file? string lists that each certificate below the root needs; fails: tls
---@field cert_file? string the client's own certificate, PEM, with its chain; fails: tls
---@field key_file? string default cert_file; its key; fails: tls
--- Decrypts the key; a function is asked once.
---@field key_password? string | fun(): string?, string? fails: tls
---@field pkcs12_file? string certificate and key in one file; fails: tls
---@field min_version? "1.2" | "1.3" default "1.2"; the range that is offered; fails: tls
---@field max_version? "1.2" | "1.3" default "1.3"; the range that is offered; fails: tls
---@field ciphers? string default the library's; in its own notation; fails: tls
--- A client may offer "http/1.1" and "http/1.0"; sluice.connect offers none.
---@field alpn? string[] default "http/1.1"; fails: tls
---@field pins? string[] SHA-256 of the leaf's public key, 32 bytes each; one must fit; fails: tls
---@field resume? boolean default true; keeps and offers sessions
---@field own_records? boolean default true; false leaves every connection with OpenSSL
---@field key_log? string the path of a file that secrets are appended to; fails: tls
--- One of sluice.platform().tls_providers.
---@field provider? string default the first; fails: unsupported

--- A certificate of a peer, as far as it could be read.
---@class sluice.certificate
---@field subject? string
---@field issuer? string
---@field names? string
---@field not_before? string
---@field not_after? string
---@field sha256? string
---@field spki_sha256? string

--- What a handshake agreed on.
---@class sluice.tls_info
---@field version? string
---@field cipher? string
---@field alpn? string
---@field resumed boolean
---@field verified boolean
---@field peer? sluice.certificate

--- A transport, and what moves its bytes.
---@class sluice.transport_choice
---@field mode? "stream" | "completion" default "stream"
--- Io_uring and threads have completions only.
---@field backend? "epoll"|"kqueue"|"poll"|"io_uring"|"threads" default the best; fails: unsupported

---@alias sluice.transport_option "stream" | "completion" | sluice.transport_choice

--- How many connections a client holds, and for how long.
---@class sluice.pool_options
--- The most to one origin; more requests wait.
---@field per_origin? integer default 16 connections; fails: timeout
--- The most in all; more requests wait.
---@field total? integer default 256 connections; fails: timeout
---@field idle? number default 90 s; the time after which an idle connection is closed
---@field lifetime? number default 600 s; the time after which a connection is not used again

--- How values become bodies, and bodies values.
---@class sluice.serializer
---@field content_type? string
---@field encode fun(value: any, writer: sluice.writer): any, string?, sluice.error?
---@field decode fun(input: sluice.sequence | string): any, string?, sluice.error?

--- Options of sluice.client, and of sluice.configure for the module's own client. A request that
--- gives one of them again has its own.
---
--- ```lua
--- local sluice = require "sluice"
---
--- local client <close> = assert(sluice.client {
---   base_url = "http://127.0.0.1:8080/",
---   headers = { ["X-Application"] = "shop" },
---   timeout = { connect = 2, total = 20 },
---   pool = { per_origin = 4 },
--- })
--- assert(client:get "json"):dispose()
--- ```
---@class sluice.client_options
---@field base_url? string a directory, with or without its last slash
---@field headers? sluice.header_fields fields of each request; fails: invalid
---@field auth? sluice.auth credentials; with base_url for its origin alone
--- A number sets total, in s.
---@field timeout? number | sluice.timeouts default those of the table; fails: timeout
---@field redirects? false | integer default 10; how many are followed; false: none; fails: redirect
---@field retry? sluice.retry default false; a number of tries, or a table
---@field fail_status? boolean default false; a status of 400 and more is a failure; fails: status
---@field limits? sluice.limits default those of the table; sizes of responses; fails: limit
--- Decodes gzip, deflate, and br and zstd where they are built in.
---@field decompress? boolean default true; fails: decode
---@field proxy? sluice.proxy default false; "env": as the environment says; fails: proxy, connect
---@field cookies? boolean | sluice.cookie_jar default false; true: a jar of its own, client.cookies
--- False: a new connection for each request.
---@field pool? false | sluice.pool_options default those of the table; fails: timeout
---@field pooling? boolean default true; false rents straight from the allocator
--- On the best backend.
---@field transport? sluice.transport_option default "stream"; fails: unsupported
--- Settings of all connections.
---@field tls? sluice.tls_options default the system's roots; fails: tls
--- A name is one of sluice.serializers.
---@field serializer? sluice.serializer | string default "json"; fails: decode, invalid
--- Default the system; asked for each new connection; an address or another name, or addresses; may
--- yield; fails: resolve.
---@field resolver? fun(host: string, port: integer): (string | string[])?, string?
---@field logger? fun(level: string, text: string) gets warnings, and the backend once
--- Waits in a coroutine of a host until resume was called for it; false: not the host's.
---@field suspend? fun(coroutine: thread): false?
---@field resume? fun(coroutine: thread) what it waits for is over; called in a step

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

--- Options of sluice.buffer.
---@class sluice.buffer_options
---@field segment_size? integer default 16384 bytes; the size of its segments
---@field max_size? integer default none, in bytes; fails: limit

--- Options of sluice.writer.
---@class sluice.writer_options
---@field initial_size? integer default 512 bytes; room at first
---@field max_size? integer default 67108864 bytes; fails: limit

--- Options of sluice.event_parser.
---@class sluice.event_parser_options
---@field max_line_size? integer default 16777216 bytes; the longest line; fails: limit
---@field max_event_size? integer default 67108864 bytes; the most between two events; fails: limit
---@field last_id? string default none; the ID of an earlier event

--- Options of sluice.cookie_jar.
---@class sluice.cookie_jar_options
---@field suffixes? string | false default libpsl's; a file of public suffixes; false: no list

--- Options of cookie_jar:save.
---@class sluice.cookie_save_options
---@field session? boolean default false; whether cookies of the session are saved, too

--- Options of sluice.map.
---@class sluice.map_options
---@field limit? integer default all; how many run at a time

--- Options of loop:run.
---@class sluice.run_options
---@field budget? number default none, in s; the budget of each step

--- Options of response:json_lines.
---@class sluice.json_lines_options
---@field max_line_size? integer default 16777216 bytes; the longest line; fails: limit

-- ---- responses ----

--- queue resolve connect proxy tls first_byte total, in seconds as far as it had them; reused
---@alias sluice.timings table<string, number | boolean>

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

-- ---- bytes ----

--- A run of bytes in shared segments, read only; `#` is its size.
---
--- ```lua
--- local sluice = require "sluice"
---
--- local response <close> = assert(sluice.get "http://127.0.0.1:8080/lines")
--- local sequence <close> = assert(response:sequence())
--- local first <close> = sequence:sub(1, 5)
--- print(#sequence, first:tostring(), sequence:byte(1))  --> 19 first 102
--- ```
---@class sluice.sequence
local sequence = {}
--- A part of the bytes; copies nothing.
---@param i integer the first byte, from 1; negative ones count from the end
---@param j? integer default -1; the last byte
---@return sluice.sequence
function sequence:sub(i, j) end
--- The byte at a position, from 1; negative ones count from the end; nil beyond it.
---@param i? integer default 1
---@return integer?
function sequence:byte(i) end
--- Its bytes as one string.
---@return string
function sequence:tostring() end
--- Iterates over its bytes, a string for each segment.
---@return fun(): string?
function sequence:segments() end
--- A reader from its first byte.
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
--- Moves to a position; returns it. Of a streamed body it can only be asked for. Fails with
--- invalid.
---@param whence? "set" | "cur" | "end" default "cur"
---@param offset? integer default 0 bytes
---@return integer?, string?, sluice.error?
function body_reader:seek(whence, offset) end
--- The bytes before it, since it was made.
---@return integer
function body_reader:position() end
--- Releases the segments that it shows; idempotent. A response that still arrives goes on.
function body_reader:close() end

--- A position in a sequence, with the methods of a file. The sequence has to outlive it.
---
--- ```lua
--- local sluice = require "sluice"
---
--- local response <close> = assert(sluice.get "http://127.0.0.1:8080/lines")
--- local sequence <close> = assert(response:sequence())
--- local reader = sequence:reader()
--- print(reader:read "l", reader:position())  --> first 6
--- ```
---@class sluice.reader
local reader = {}
--- Reads by the formats of Lua's files: counts, "l", "L", "n", "a"; nil at the end.
---@param ... string | integer
---@return string | number | nil ...
function reader:read(...) end
--- Iterates by the formats of Lua's files; without one, over lines without their ends.
---@param ... string | integer
---@return fun(): string | number | nil ...
function reader:lines(...) end
--- Moves to a position, counted from 0; returns it. Fails with invalid.
---@param whence? "set" | "cur" | "end" default "cur"
---@param offset? integer default 0 bytes
---@return integer?, string?, sluice.error?
function reader:seek(whence, offset) end
--- The bytes before it.
---@return integer
function reader:position() end
--- Closes it; the segments stay with their sequence. Idempotent.
---@return true
function reader:close() end

--- The single owner of finished bytes.
---@class sluice.lease
local lease = {}
--- A sequence over its bytes; copies nothing.
---@return sluice.sequence
function lease:sequence() end
--- Its bytes as a string.
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
--- What was written so far, as a string.
---@return string
function writer:view() end
--- A lease over what was written; the writer refuses its use until reset.
---@return sluice.lease
function writer:detach() end
--- Makes it empty, and ready for use again.
---@return sluice.writer
function writer:reset() end
--- Releases its block; idempotent.
function writer:dispose() end

--- Fields and files of multipart/form-data.
---@class sluice.multipart
---@field content_type string the media type, with the boundary
local multipart = {}
--- Adds a field; raises what is wrong with it.
---@param name string of the field
---@param value sluice.query_value
---@return sluice.multipart
function multipart:field(name, value) end
--- Adds a file; raises what is wrong with it.
---@param name string of the field
---@param file sluice.multipart_file
---@return sluice.multipart
function multipart:file(name, file) end
--- Appends what a request would send; returns the writer. Fails with invalid, limit or memory.
--- Yields where functions of its files do.
---@param to sluice.writer
---@return sluice.writer?, string?, sluice.error?
function multipart:write_to(to) end
--- What a request would send, as a lease, up to 64 MiB. Fails as write_to does.
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
--- A sequence over what it holds now; copies nothing.
---@return sluice.sequence
function buffer:sequence() end
--- Makes it empty, and ready for use again.
---@return sluice.buffer
function buffer:reset() end
--- A lease over all its bytes; the buffer refuses its use until reset.
---@return sluice.lease
function buffer:detach() end
--- Releases every segment; idempotent.
function buffer:dispose() end

-- ---- tasks and the loop ----

--- What sluice.all and sluice.map return. `errors[i]` is the err of one that returned nil,
--- message, err.
---@class sluice.results
---@field n integer
---@field errors table<integer, sluice.error | string>
---@field [integer] any

--- A coroutine that the loop knows, made by sluice.spawn.
---
--- ```lua
--- local sluice = require "sluice"
---
--- sluice.run(function()
---   local task = sluice.spawn(function(a, b) return a + b end, 1, 2)
---   print(task:await(), task:status())  --> 3 done
--- end)
--- ```
---@class sluice.task
local task = {}
--- Waits for the task's results; raises its error. Fails with timeout or cancelled, unless the
--- task has ended in the same step. Yields.
---@param timeout? number default none, in s
---@return any ...
function task:await(timeout) end
--- The wait that the task is in fails with cancelled, and the operation with it. A wait that is
--- over gives its result, and the next one fails. Returns whether there was something to cancel.
---@param reason? string default none; stands in the failure
---@return boolean
function task:cancel(reason) end
--- How far it is. "ready": it has not begun.
---@return "ready" | "running" | "waiting" | "done" | "failed"
function task:status() end
--- Where it failed; nil where it did not.
---@return string?
function task:traceback() end

--- Made by a C host, see doc/guide/embedding.md.
---@class sluice.signal
local signal = {}
--- The bytes that a thread of the host has signalled. Fails with timeout and cancelled. Yields.
---@param timeout? number default none, in s
---@return string?, string?, sluice.error?
function signal:await(timeout) end

--- What moves everything on: sluice.loop() gives that of the Lua state. A host polls its descriptor
--- and steps it; a game steps it in each frame.
---
--- ```lua
--- local sluice = require "sluice"
---
--- local is_done = false
--- sluice.spawn(function() is_done = sluice.sleep(0.001) end)
--- repeat sluice.loop():step(0.1) until is_done
--- ```
---@class sluice.loop
local loop = {}
--- Delivers what is ready, waiting at most that long. With a budget it works for as long as there
--- is work, and ends after the piece of work in which that many seconds were used up. Never yields.
---@param max_seconds? number default 0 s
---@param budget? number default none, in s; each connection and coroutine has one turn
---@return boolean is_waiting whether a coroutine still waits
---@return boolean has_work whether another step has work at once
function loop:step(max_seconds, budget) end
--- Steps until no coroutine waits. The budget is of each step.
---@param options? sluice.run_options
function loop:run(options) end
--- Sets how long a step polls before it sleeps, for answers that arrive sooner than a wake-up.
---@param seconds number in s; 0 to 0.001
function loop:spin(seconds) end
--- A descriptor, constant for life, readable when there is work, begun outside a step too. Fails
--- with limit (descriptors) and memory.
---@return integer?, string?, sluice.error?
function loop:pollfd() end
--- The event to poll the descriptor for.
---@return "r"
function loop:events() end
--- The time after which to step without an event; nil: never.
---@return number?
function loop:timeout() end

-- ---- for hosts that speak a protocol themselves ----

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
--- Receives up to n bytes, or into a buffer, then returns their count; nil at the end. Fails with
--- timeout, cancelled, tls, closed, memory, and with limit of a buffer. Yields.
---@param n? integer | sluice.buffer default 65536 bytes
---@param ... number up to how many into a buffer; timeout, 30
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

--- The parts of a URL that are there, as they stand in it.
---@class sluice.url_parts
---@field scheme? string
---@field userinfo? string
---@field host? string
---@field port? integer
---@field path? string
---@field query? string
---@field fragment? string
---@field is_ipv6? boolean

--- URLs as parts and as text (RFC 3986).
---
--- ```lua
--- local sluice = require "sluice"
---
--- print(sluice.url.resolve("http://host/a/b", "../c"))  --> http://host/c
--- print(sluice.url.parse("http://host:8080/a?b").port)  --> 8080
--- ```
---@class sluice.url
local url = {}
--- The parts of a URL or a reference (RFC 3986). Fails with invalid.
---@param text string
---@return sluice.url_parts?, string?, sluice.error?
function url.parse(text) end
--- As parse, for a URL that a request can be sent to: `host` is in lower case. Fails with invalid.
---@param text string
---@return sluice.url_parts?, string?, sluice.error?
function url.target(text) end
--- The reference as a URL, from a base (RFC 3986 5.2). Fails with invalid.
---@param base string an absolute URL
---@param reference string
---@return string?, string?, sluice.error?
function url.resolve(base, reference) end
--- As resolve, for a server's Location: bytes that cannot travel are percent-encoded first. Fails
--- with invalid.
---@param base string an absolute URL
---@param reference string
---@return string?, string?, sluice.error?
function url.follow(base, reference) end
--- Everything but unreserved bytes as %xx (RFC 3986 2.3).
---@param text string
---@return string
function url.escape(text) end
--- Each %xx decoded once. Fails with invalid.
---@param text string
---@return string?, string?, sluice.error?
function url.unescape(text) end

--- Dates of HTTP (RFC 9110 5.6.7); numbers are seconds since 1970.
---@class sluice.date
local date = {}
--- nil for what is no date.
---@param text string of a field
---@param now? integer default the time; decides about years of two digits
---@return integer?
function date.parse(text, now) end
--- The date of that time, as in "Sun, 06 Nov 1994 08:49:37 GMT".
---@param seconds number since 1970
---@return string
function date.format(seconds) end

--- JSON by RFC 8259, strictly, in the core. Integers of 64 bits stay integers, other numbers are
--- floats; a value that cannot be held exactly is an error.
---@class sluice.json: sluice.serializer
---@field null any stands for null in both directions
--- The metatable of tables that are arrays even when empty; a decoded [] has it.
---@field array_mt table
---@field empty_array any is written as []
local json = {}
--- Appends the JSON text of a value to a writer; returns the writer. Fails with invalid, limit,
--- memory.
---@param value any
---@param to sluice.writer
---@return sluice.writer?, string?, sluice.error?
function json.encode(value, to) end
--- The value of a JSON text. Fails with decode (err.position) or memory.
---@param input sluice.sequence | sluice.lease | string
---@return any, string?, sluice.error?
function json.decode(input) end
--- The JSON text of a value. Fails with invalid, limit, memory.
---@param value any
---@return string?, string?, sluice.error?
function json.text(value) end

-- ---- clients ----

--- A request as interceptors see it.
---@class sluice.request
---@field method string the method; may be assigned
---@field url string may be assigned; another origin drops credentials and secret fields first
---@field body? sluice.body what was given; assigning is set_body
---@field upgrade? any set for the handshake of a WebSocket; tostring gives "websocket"
local request = {}
--- Sets the body by the rules of the option; nil removes it. A lease that was the body is disposed.
--- Fails with invalid: a file that cannot be read.
---@param value? sluice.body
---@return sluice.request?, string?, sluice.error?
function request:set_body(value) end
--- The value of a field of the request, or nil.
---@param name string in any case
---@return string?
function request:get_header(name) end
--- Sets a field, replacing fields of that name; nil removes them.
---@param name string in any case
---@param value? string | number
---@return sluice.request
function request:set_header(name, value) end
--- Whether the request can be sent again from the start.
---@return boolean
function request:is_replayable() end
--- Answers the request without sending it: for an interceptor that returns the result. A lease is
--- disposed. Fails with invalid, limit, memory, closed.
---@param answer sluice.answer
---@return sluice.response?, string?, sluice.error?
function request:answer(answer) end

--- Adds a field behind those of the same name.
---@param name string
---@param value string | number
---@return sluice.request
function request:add_header(name, value) end

--- The argument of request:answer.
---@class sluice.answer
---@field status integer from 200 to 999
---@field reason? string default that of the status
---@field headers? sluice.header_fields fields of the response
---@field body? string | sluice.sequence | sluice.lease default empty; a lease is disposed

---@alias sluice.forward fun(request?: sluice.request): sluice.response?, string?, sluice.error?
---@alias sluice.interceptor
---| fun(request: sluice.request, forward: sluice.forward): sluice.response?, string?, sluice.error?

--- An interceptor with fields of its own.
---@class sluice.interceptor_object
---@field hop sluice.interceptor around each sending

--- Interceptors that are built in, for client:use. Each is loaded when it is first asked for.
---
--- ```lua
--- local sluice = require "sluice"
---
--- local client <close> = assert(sluice.client())
--- client:use(sluice.interceptors.cache { max_bytes = 1024 * 1024 })
--- assert(client:get "http://127.0.0.1:8080/json"):dispose()
--- ```
---@class sluice.interceptors
local interceptors = {}
--- Fields that a request has unless it says otherwise; in a map a value may be function(request).
---@param values sluice.header_fields | table<string, fun(request: sluice.request): string?>
---@return sluice.interceptor
function interceptors.default_headers(values) end

--- Options of interceptors.log.
---@class sluice.log_options
---@field sink? fun(line: string) default stderr; gets each line
---@field fields? string[] default none; names of fields to show
---@field secret_fields? string[] default none; more names of fields whose values are hidden
---@field secret_parameters? string[] default none; more names of parameters whose values are hidden

--- One line for each sending, without secrets.
---@param options? sluice.log_options
---@return sluice.interceptor_object
function interceptors.log(options) end

--- Options of interceptors.metrics.
---@class sluice.metrics_options
---@field buckets? number[] default 0.005 to 10 s; upper bounds of the histogram
--- How many have figures of their own; all others are one.
---@field origins? integer default 100 origins
---@field prefix? string default "sluice_client"; begins the names

--- Made by interceptors.metrics.
---@class sluice.metrics: sluice.interceptor_object
local metrics = {}
--- The figures as tables, one for each origin.
---@return { origin: string, in_flight: integer, series: table[] }[]
function metrics:table() end
--- The text format of Prometheus.
---@return string
function metrics:text() end
--- Sets all figures to zero.
function metrics:reset() end

--- Counts and measures.
---@param options? sluice.metrics_options
---@return sluice.metrics
function interceptors.metrics(options) end

--- Options of interceptors.cache.
---@class sluice.cache_options
--- The most in all; what was used longest ago goes first.
---@field max_bytes? integer default 16777216 bytes
---@field max_entries? integer default 1000 entries
---@field max_body? integer default an eighth of max_bytes; in bytes; a longer body is not kept
---@field clock? fun(): number default os.time; seconds since 1970

--- Made by interceptors.cache; closed by `local cache <close>`.
---@class sluice.cache: sluice.interceptor_object
local cache = {}
--- Counters of the cache.
---@return table<string, integer> entries, bytes, hits, misses, validated, evictions
function cache:stats() end
--- Gives all memory back.
function cache:clear() end
--- Gives all memory back, and keeps nothing from now on.
function cache:dispose() end

--- A private cache (RFC 9111).
---@param options? sluice.cache_options
---@return sluice.cache
function interceptors.cache(options) end

--- Options of interceptors.rate_limit.
---@class sluice.rate_limit_options
---@field rate number in requests a second; to each origin
---@field burst? number default rate, at least 1; requests at once after a pause
---@field max_wait? number default none, in s; a longer wait fails at once; fails: timeout
---@field origins? integer default 1000 origins; how many are remembered

--- Waits for a turn.
---@param options sluice.rate_limit_options
---@return sluice.interceptor_object
function interceptors.rate_limit(options) end

--- Options of interceptors.circuit_breaker.
---@class sluice.circuit_breaker_options
---@field failures? integer default 5 failures; how many in a row open it; fails: limit
---@field open_for? number default 30 s; the time in which requests fail at once; fails: limit
---@field trials? integer default 1; requests that have to succeed to close it
---@field statuses? integer[] default 502, 503, 504; statuses that count as failures
---@field origins? integer default 1000 origins; how many are remembered
---@field on_change? fun(origin: string, state: string) called with "open", "half-open" or "closed"

--- Made by interceptors.circuit_breaker.
---@class sluice.circuit_breaker: sluice.interceptor_object
local circuit_breaker = {}
--- The state for a URL's origin.
---@param to string a URL
---@return "closed" | "open" | "half-open"
function circuit_breaker:state(to) end

--- Stops asking an origin that fails.
---@param options? sluice.circuit_breaker_options
---@return sluice.circuit_breaker
function interceptors.circuit_breaker(options) end

--- Options of interceptors.record.
---@class sluice.record_options
---@field path string the folder, made if it is not there; fails: invalid
---@field mode? "auto" | "record" | "replay" default "auto"; "replay" sends nothing; fails: invalid
---@field secret_fields? string[] default none; more names of fields whose values are hidden
---@field secret_parameters? string[] default none; more names of parameters whose values are hidden

--- Records exchanges in files, and replays them.
---@param options sluice.record_options
---@return sluice.interceptor_object
function interceptors.record(options) end

--- A request that is completed by chained calls.
---@class sluice.request_builder
local request_builder = {}
--- Adds a field behind those of the same name.
---@param name string
---@param value string | number
---@return sluice.request_builder
function request_builder:header(name, value) end
--- Sets the option query.
---@param value sluice.query
---@return sluice.request_builder
function request_builder:query(value) end
--- Sets the option body.
---@param value sluice.body
---@return sluice.request_builder
function request_builder:body(value) end
--- Sets the option json.
---@param value any
---@return sluice.request_builder
function request_builder:json(value) end
--- Sets the option json_lines.
---@param value any[] | fun(): any
---@return sluice.request_builder
function request_builder:json_lines(value) end
--- Sets the option form.
---@param value sluice.form
---@return sluice.request_builder
function request_builder:form(value) end
--- Raises what is wrong with it.
---@param value sluice.multipart | sluice.multipart_table
---@return sluice.request_builder
function request_builder:multipart(value) end
--- Sets the option auth.
---@param value sluice.auth
---@return sluice.request_builder
function request_builder:auth(value) end
--- Sets the option timeout.
---@param value number | sluice.timeouts
---@return sluice.request_builder
function request_builder:timeout(value) end
--- Sets the option stream.
---@param value boolean
---@return sluice.request_builder
function request_builder:stream(value) end
--- Sets the option redirects.
---@param value false | integer
---@return sluice.request_builder
function request_builder:redirects(value) end
--- Sets the option retry.
---@param value sluice.retry
---@return sluice.request_builder
function request_builder:retry(value) end
--- Sets the option fail_status.
---@param value boolean
---@return sluice.request_builder
function request_builder:fail_status(value) end
--- Sets the option cookies.
---@param value false | sluice.cookie_jar
---@return sluice.request_builder
function request_builder:cookies(value) end
--- Sets the option limits.
---@param value sluice.limits
---@return sluice.request_builder
function request_builder:limits(value) end
--- Sets the option decompress.
---@param value boolean
---@return sluice.request_builder
function request_builder:decompress(value) end
--- Sets the option proxy.
---@param value sluice.proxy
---@return sluice.request_builder
function request_builder:proxy(value) end
--- Sets the option expect_continue.
---@param value boolean
---@return sluice.request_builder
function request_builder:expect_continue(value) end
--- Sets the option trailers.
---@param value sluice.header_fields
---@return sluice.request_builder
function request_builder:trailers(value) end
--- Sets the option on_progress.
---@param value fun(sent: integer, received: integer, to_send?: integer, to_get?: integer)
---@return sluice.request_builder
function request_builder:on_progress(value) end
--- Sets the function that gets the result; then send returns its task at once.
---@param value fun(response?: sluice.response, message?: string, err?: sluice.error)
---@return sluice.request_builder
function request_builder:on_done(value) end
--- Sends the request, each time anew. Fails as client:request does. Yields.
---@return sluice.response?, string?, sluice.error?
function request_builder:send() end

--- What client:stats returns.
---@class sluice.client_stats
---@field idle integer connections
---@field active integer connections that are lent or being made
---@field dialing integer connections that are being made
---@field queued integer requests that wait for a connection
---@field made integer connections ever
---@field origins integer origins in use, and up to a thousand that nothing uses
---@field requests integer
---@field resends integer
---@field outstanding integer segments and blocks rented of its pool
---@field rented integer
---@field returned integer
---@field high_water integer
---@field bytes integer
---@field transport "stream" | "completion"
---@field backend? string the backend; nil: the best for the transport

--- A cookie of a jar, as a copy.
---@class sluice.cookie
---@field name string
---@field value string
---@field domain string without a dot before it
---@field host_only boolean whether the hosts below the domain do not get it
---@field path string
---@field expires? integer seconds since 1970; nil: with the session
---@field secure boolean
---@field http_only boolean
---@field same_site? "Strict" | "Lax" | "None"

--- host_only: true, unless the domain begins with a dot
---@class sluice.own_cookie
---@field name string fails: invalid
---@field value string fails: invalid
---@field domain string with a dot before it: for hosts below it, too; fails: invalid
---@field host_only? boolean default true; unless the domain begins with a dot
---@field path? string default "/"
---@field expires? integer default as long as the jar; in seconds since 1970
---@field secure? boolean default false
---@field http_only? boolean default false
---@field same_site? "Strict" | "Lax" | "None" default none

--- Cookies by the rules of RFC 6265bis. Several clients may share one; `#jar` is how many it holds.
---
--- ```lua
--- local sluice = require "sluice"
---
--- local jar = assert(sluice.cookie_jar())
--- assert(jar:set { name = "theme", value = "dark", domain = "shop.example" })
--- print(#jar, jar:get("http://shop.example/", "theme"))  --> 1 dark
--- ```
---@class sluice.cookie_jar
---@operator len: integer
local cookie_jar = {}
--- Stores a cookie of the program's own, in place of one like it. Fails with invalid.
---@param given sluice.own_cookie | sluice.cookie
---@return true?, string?, sluice.error?
function cookie_jar:set(given) end
--- The value of the cookie that a request to the URL would have; nil: none. Fails with invalid.
---@param to string a URL
---@param name string of the cookie
---@return string?, string?, sluice.error? # its value
function cookie_jar:get(to, name) end
--- Iterates over copies of all cookies that have not expired, the oldest first.
---@return fun(): sluice.cookie?
function cookie_jar:cookies() end
--- Removes all cookies, or those of one domain without the hosts below it; returns how many.
---@param domain? string default all
---@return integer # removed
function cookie_jar:clear(domain) end
--- Adds the cookies of a file in the format of Netscape; returns how many. Blocks for the file.
--- Fails with invalid.
---@param path string of the file
---@return integer?, string?, sluice.error? # added
function cookie_jar:load(path) end
--- Writes them to a file in that format. Blocks for the file. Fails with invalid.
---@param path string of the file
---@param options? sluice.cookie_save_options
---@return integer?, integer | string, sluice.error? # saved; what the format cannot hold
function cookie_jar:save(path, options) end

--- A set of connections with what is the same for all requests: made by sluice.client, closed by
--- close, or by `local client <close>`.
---
--- ```lua
--- local sluice = require "sluice"
---
--- local client <close> = assert(sluice.client { base_url = "http://127.0.0.1:8080/" })
--- local response <close> = assert(client:get "json")
--- print(response.status, client:stats().requests)  --> 200 1
--- ```
---@class sluice.client
---@field cookies? sluice.cookie_jar
local client = {}
--- Sends a request, and receives its response (RFC 9110). Fails with every code. Yields.
---@param method string | sluice.request_options all of it, with url
---@param to? string a URL, below base_url
---@param options? sluice.request_options
---@return sluice.response?, string?, sluice.error?
function client:request(method, to, options) end
--- Sends GET (RFC 9110 9.3.1). Fails as request does. Yields.
---@param to string a URL, below base_url
---@param options? sluice.request_options
---@return sluice.response?, string?, sluice.error?
function client:get(to, options) end
--- Sends HEAD (RFC 9110 9.3.2); the response has no body. Fails as request does. Yields.
---@param to string a URL, below base_url
---@param options? sluice.request_options
---@return sluice.response?, string?, sluice.error?
function client:head(to, options) end
--- Sends POST (RFC 9110 9.3.3). Fails as request does. Yields.
---@param to string a URL, below base_url
---@param options? sluice.request_options
---@return sluice.response?, string?, sluice.error?
function client:post(to, options) end
--- Sends PUT (RFC 9110 9.3.4). Fails as request does. Yields.
---@param to string a URL, below base_url
---@param options? sluice.request_options
---@return sluice.response?, string?, sluice.error?
function client:put(to, options) end
--- Sends PATCH (RFC 5789). Fails as request does. Yields.
---@param to string a URL, below base_url
---@param options? sluice.request_options
---@return sluice.response?, string?, sluice.error?
function client:patch(to, options) end
--- Sends DELETE (RFC 9110 9.3.5). Fails as request does. Yields.
---@param to string a URL, below base_url
---@param options? sluice.request_options
---@return sluice.response?, string?, sluice.error?
function client:delete(to, options) end
--- Sends OPTIONS (RFC 9110 9.3.7). Fails as request does. Yields.
---@param to string a URL, below base_url
---@param options? sluice.request_options
---@return sluice.response?, string?, sluice.error?
function client:options(to, options) end
--- Iterates over a page and those behind it, by links of the relation "next"; raises failures. A
--- page is disposed when the next one is asked for. Yields.
---@param to string a URL, below base_url
---@param options? sluice.pages_options
---@return fun(): sluice.response?
function client:pages(to, options) end
--- Iterates over server-sent events, and reconnects with Last-Event-ID; ends at 204, raises
--- failures. Leaving the loop closes the stream. Yields.
---@param to string a URL, below base_url
---@param options? sluice.events_options
---@return fun(): sluice.event?
function client:events(to, options) end
--- Fetches a file to a path, whole or not at all. Fails with status for an answer without a file,
--- with decode for another content than sha256 or Repr-Digest say. Yields.
---@param from string a URL, below base_url
---@param path string of the file
---@param options? sluice.download_options
---@return boolean? done
---@return string? message
---@return sluice.error? err
function client:download(from, path, options) end
--- Opens a WebSocket; a server that refuses gives the code status with err.response. Fails as
--- client:request does, and with protocol for an answer that does not fit. Yields.
---@param to string URL of ws, wss, http or https, below base_url
---@param options? sluice.websocket_options
---@return sluice.websocket?, string?, sluice.error?
function client:websocket(to, options) end
--- Begins a request that is completed by chained calls.
---@param method string
---@param to string a URL, below base_url
---@return sluice.request_builder
function client:build(method, to) end
--- Adds an interceptor. A function runs once for each call, `hop` for each sending inside
--- redirects, whose responses it sees. The first one added is outermost.
---@param step sluice.interceptor | { hop: sluice.interceptor } | sluice.interceptor_object
---@return sluice.client
function client:use(step) end
--- Counters of this client: connections by state, requests, and the pool that it rents from.
---@return sluice.client_stats
function client:stats() end
--- Closes idle connections and fails waiting requests; returns at once. Idempotent.
function client:close() end

-- ---- the module ----

--- What sluice.stats returns: what is rented and under way in the Lua state.
---@class sluice.stats
---@field outstanding integer segments and blocks rented now
---@field rented integer ever
---@field returned integer ever
---@field high_water integer most outstanding at once
---@field bytes integer capacity rented now
---@field spare integer capacity kept free
---@field quarantined integer blocks abandoned, because something could still write
---@field late_writes integer writes into what a guarding pool had got back
---@field leaked integer objects collected that were not disposed
---@field allocations integer calls of the allocator
---@field operations integer operations under way
---@field timers integer
---@field descriptors integer
---@field waiting integer coroutines
---@field connections integer
---@field idle integer connections
---@field active integer connections
---@field requests integer
---@field resends integer

--- What sluice.platform returns.
---@class sluice.platform
---@field supported boolean completion transport
---@field completion_model string its best backend, or "none"
---@field expected_benefit "full" | "reduced" | "none"
---@field backends string[] best first
---@field tls_providers string[] the default first

--- The module: `require "sluice"`. Its requests use a client of the module's own.
---
--- ```lua
--- local sluice = require "sluice"
---
--- local response <close> = assert(sluice.get "http://127.0.0.1:8080/json")
--- print(response.status)  --> 200
--- ```
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
--- Makes a jar that clients can share. Fails with invalid: the file of suffixes.
---@param options? sluice.cookie_jar_options
---@return sluice.cookie_jar?, string?, sluice.error?
function sluice.cookie_jar(options) end
--- Sends a request with the module's own client, as do the functions below. Fails as client:request
--- does. Yields.
---@param method string | sluice.request_options all of it, with url
---@param to? string a URL
---@param options? sluice.request_options
---@return sluice.response?, string?, sluice.error?
function sluice.request(method, to, options) end
--- Sends GET with the module's own client. Fails as client:request does. Yields.
---@param to string a URL
---@param options? sluice.request_options
---@return sluice.response?, string?, sluice.error?
function sluice.get(to, options) end
--- Sends HEAD. Fails as client:request does. Yields.
---@param to string a URL
---@param options? sluice.request_options
---@return sluice.response?, string?, sluice.error?
function sluice.head(to, options) end
--- Sends POST. Fails as client:request does. Yields.
---@param to string a URL
---@param options? sluice.request_options
---@return sluice.response?, string?, sluice.error?
function sluice.post(to, options) end
--- Sends PUT. Fails as client:request does. Yields.
---@param to string a URL
---@param options? sluice.request_options
---@return sluice.response?, string?, sluice.error?
function sluice.put(to, options) end
--- Sends PATCH. Fails as client:request does. Yields.
---@param to string a URL
---@param options? sluice.request_options
---@return sluice.response?, string?, sluice.error?
function sluice.patch(to, options) end
--- Sends DELETE. Fails as client:request does. Yields.
---@param to string a URL
---@param options? sluice.request_options
---@return sluice.response?, string?, sluice.error?
function sluice.delete(to, options) end
--- Sends OPTIONS. Fails as client:request does. Yields.
---@param to string a URL
---@param options? sluice.request_options
---@return sluice.response?, string?, sluice.error?
function sluice.options(to, options) end
--- Opens a WebSocket with the module's own client, as client:websocket. Fails as it does. Yields.
---@param to string a URL of ws, wss, http or https
---@param options? sluice.websocket_options
---@return sluice.websocket?, string?, sluice.error?
function sluice.websocket(to, options) end
--- Connects a stream; with `tls` it is verified before this returns. Fails with resolve, connect,
--- tls, timeout, cancelled, unsupported, memory. Yields.
---@param options sluice.connect_options
---@return sluice.transport?, string?, sluice.error?
function sluice.connect(options) end
--- Makes a parser of HTTP/1.1 responses (RFC 9112).
---@param options? sluice.parser_options
---@return sluice.http_parser
function sluice.http_parser(options) end
--- Makes a parser and writer of WebSocket frames (RFC 6455).
---@param options sluice.ws_parser_options
---@return sluice.ws_parser
function sluice.ws_parser(options) end
--- The value of Sec-WebSocket-Accept for a client's Sec-WebSocket-Key. Fails with protocol.
---@param key string of the request
---@return string?, string?, sluice.error?
function sluice.ws_accept(key) end
--- Splits server-sent events out of bytes.
---@param options? sluice.event_parser_options
---@return sluice.event_parser
function sluice.event_parser(options) end
--- Makes a buffer.
---@param options? sluice.buffer_options
---@return sluice.buffer
function sluice.buffer(options) end
--- Makes a writer.
---@param options? sluice.writer_options
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
---@param f fun(...): T runs as a task
---@param ... any
---@return T
function sluice.run(f, ...) end
--- Runs f as a task of its own, from the next step on.
---@param f function runs as a task
---@param ... any
---@return sluice.task
function sluice.spawn(f, ...) end
--- Waits for that time. Fails with cancelled. Yields.
---@param seconds number in s
---@return true?, string?, sluice.error?
function sluice.sleep(seconds) end
--- Waits for all; returns their first results, or raises an error once all are over. Fails with
--- cancelled. Yields.
---@param tasks (sluice.task | sluice.completion)[]
---@return sluice.results?, string?, sluice.error?
function sluice.all(tasks) end
--- f(item, i) for each, in tasks, `limit` at a time. Cancels them when the caller leaves. Fails
--- with cancelled. Yields.
---@param list any[] of items
---@param f fun(item: any, i: integer): any, string?, sluice.error?
---@param options? sluice.map_options
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
---@param handler? fun(message: any, traceback: string?, task: sluice.task?) default stderr
---@return function?
function sluice.on_error(handler) end
--- Waits for anything with a method await. Yields.
---@param awaitable sluice.task | sluice.completion
---@param ... any
---@return any ...
function sluice.await(awaitable, ...) end
--- The loop of this Lua state.
---@return sluice.loop
function sluice.loop() end
--- Counters of this Lua state.
---@return sluice.stats
function sluice.stats() end
--- What this machine and this build have.
---@return sluice.platform
function sluice.platform() end

return sluice
