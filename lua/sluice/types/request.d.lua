---@meta _
-- Requests: their options, what they have in them, and how they are built.

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
