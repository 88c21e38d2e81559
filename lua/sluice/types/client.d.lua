---@meta _
-- Clients: their options and counters.

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
--- False leaves every connection with OpenSSL, which shows cert_file behind the handshake, too.
---@field own_records? boolean default true
---@field key_log? string the path of a file that secrets are appended to; fails: tls
--- One of sluice.platform().tls_providers.
---@field provider? string default the first; fails: unsupported

--- A certificate of a peer, as far as it could be read.
---@class sluice.certificate
---@field subject? string whose it is
---@field issuer? string who signed it
---@field names? string its alternative names, as "DNS:a.test, IP:127.0.0.1"
---@field not_before? string when it begins to be valid, as "2026-01-31T00:00:00Z"
---@field not_after? string when it ends
---@field sha256? string of the whole certificate, as 64 hexadecimal digits
---@field spki_sha256? string of its public key, in the same form

--- What a handshake agreed on.
---@class sluice.tls_info
---@field version? string "TLSv1.3" or "TLSv1.2"
---@field cipher? string by its name in the standard
---@field alpn? string the protocol that the server chose; nil: none
---@field resumed boolean whether a session was resumed
---@field verified boolean whether chain and name were checked; false with verify = false
---@field peer? sluice.certificate the certificate of the server

--- A transport, and what moves its bytes.
---@class sluice.transport_choice
---@field mode? "stream" | "completion" default "stream"
--- Threads and io_uring have completions only.
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
--- Whether memory is kept for the next use; false: each block comes from the allocator.
---@field pooling? boolean default true
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

--- What client:stats returns.
---@class sluice.client_stats
---@field idle integer connections that wait for a request
---@field active integer connections that are lent or being made
---@field dialing integer connections that are being made
---@field queued integer requests that wait for a connection
---@field made integer connections ever
---@field origins integer origins in use, and up to a thousand that nothing uses
---@field requests integer requests that were sent
---@field resends integer requests sent again, as a kept connection had closed
---@field outstanding integer segments and blocks rented from its pool now
---@field rented integer segments and blocks rented since its start
---@field returned integer segments and blocks given back since its start
---@field high_water integer the most outstanding at once
---@field bytes integer the capacity of what is rented now
---@field transport "stream" | "completion"
---@field backend? string the backend; nil: the best for the transport

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
