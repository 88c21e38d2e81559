---@meta sluice
-- Types for language servers (LuaCATS); nothing requires these files. Here are the module and its
-- failures, in types/ the rest by theme. Durations are seconds, sizes bytes. "Yields": inside a
-- coroutine; outside of one the loop is driven until the result is there. A failure outside the
-- program's control returns nil, message, err; misuse raises.

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

--- What sluice.stats returns: what is rented and under way in the Lua state.
---@class sluice.stats
---@field outstanding integer segments and blocks rented now
---@field rented integer segments and blocks rented since the start
---@field returned integer segments and blocks given back since the start
---@field high_water integer the most outstanding at once, in each pool
---@field bytes integer capacity rented now
---@field spare integer capacity kept free
---@field quarantined integer blocks abandoned, because something could still write
---@field late_writes integer writes into what a guarding pool had got back
---@field leaked integer objects collected that were not disposed
---@field allocations integer calls of the allocator
---@field operations integer operations under way
---@field timers integer timers that are set
---@field descriptors integer sockets and files that are open
---@field waiting integer coroutines that wait
---@field connections integer connections, idle and active
---@field idle integer connections that wait for a request
---@field active integer connections that are lent or being made
---@field requests integer requests that were sent
---@field resends integer requests sent again, as a kept connection had closed

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
---@field _VERSION string "sluice 0.1"
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
--- Iterates over a page and those behind it with the module's own client, as client:pages. Yields.
---@param to string a URL
---@param options? sluice.pages_options
---@return fun(): sluice.response?
function sluice.pages(to, options) end
--- Iterates over server-sent events with the module's own client, as client:events. Yields.
---@param to string a URL
---@param options? sluice.events_options
---@return fun(): sluice.event?
function sluice.events(to, options) end
--- Fetches a file with the module's own client, as client:download. Fails as it does. Yields.
---@param from string a URL
---@param path string of the file
---@param options? sluice.download_options
---@return boolean? done
---@return string? message
---@return sluice.error? err
function sluice.download(from, path, options) end
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
