---@meta sluice
-- Types for language servers (LuaCATS); nothing requires this file.

---@alias sluice.code
---| "timeout" | "cancelled" | "resolve" | "connect" | "tls" | "closed" | "protocol" | "decode"
---| "limit" | "redirect" | "invalid" | "memory" | "unsupported"

---@class sluice.error
---@field message string what was tried, on what, and why it failed
---@field code sluice.code
---@field stage? "queue" | "resolve" | "connect" | "tls" | "send" | "head" | "body"
---@field retryable boolean sending again cannot do the work twice
---@field errno? integer

---@class sluice.timeouts
---@field total? number
---@field resolve? number
---@field connect? number
---@field tls? number
---@field first_byte? number
---@field idle? number
---@field queue? number

---@class sluice.limits
---@field head? integer
---@field lines? integer
---@field line? integer
---@field interim? integer
---@field body? integer
---@field lenient_lf? boolean

---@alias sluice.bytes string | sluice.sequence | sluice.lease
---@alias sluice.body
---| sluice.bytes
---| file*
---| { path: string }
---| (fun(): string?, string?)
---| { read: fun(): string?, length?: integer }

---@alias sluice.auth { [1]: string, [2]: string } | { bearer: string }

---@class sluice.request_options
---@field method? string
---@field url? string
---@field headers? table<string, string | string[]> | { [1]: string, [2]: string }[]
---@field query? string | table<string, any>
---@field body? sluice.body
---@field json? any
---@field auth? sluice.auth
---@field timeout? number | sluice.timeouts
---@field stream? boolean
---@field redirects? false | integer
---@field decompress? boolean
---@field limits? sluice.limits
---@field expect_continue? boolean
---@field trailers? table<string, string>
---@field on_progress? fun(sent: integer, received: integer, to_send?: integer, to_get?: integer)

---@class sluice.tls_options
---@field verify? boolean | fun(certificate: table): boolean, string?
---@field ca_file? string
---@field ca_path? string
---@field ca? string
---@field crl_file? string
---@field cert_file? string
---@field key_file? string
---@field key_password? string | fun(): string?, string?
---@field pkcs12_file? string
---@field min_version? "1.2" | "1.3"
---@field max_version? "1.2" | "1.3"
---@field ciphers? string
---@field alpn? string[]
---@field pins? string[]
---@field resume? boolean
---@field own_records? boolean
---@field key_log? string
---@field provider? string

---@alias sluice.transport_option
---| "stream" | "completion"
---| { mode?: "stream" | "completion", backend?: "epoll" | "poll" | "io_uring" | "threads" }

---@class sluice.client_options
---@field base_url? string
---@field headers? table
---@field auth? sluice.auth
---@field timeout? number | sluice.timeouts
---@field redirects? false | integer
---@field limits? sluice.limits
---@field decompress? boolean
---@field pool? false | { per_origin?: integer, total?: integer, idle?: number, lifetime?: number }
---@field pooling? boolean
---@field transport? sluice.transport_option
---@field tls? sluice.tls_options
---@field serializer? table encode(value, writer) and decode(sequence)
---@field resolver? fun(host: string, port: integer): string?, string?
---@field logger? fun(level: string, text: string)

---@class sluice.response
---@field status integer
---@field reason string
---@field version "1.0" | "1.1"
---@field ok boolean
---@field url string
---@field method string
---@field body string
---@field headers sluice.headers
---@field trailers sluice.headers
---@field timings table<string, number | boolean>
---@field redirects? { status: integer, url: string }[]
---@field tls? table
local response = {}
---@return string? text
---@return string? message
---@return sluice.error? err
function response:text() end
---@return any value
---@return string? message
---@return sluice.error? err
function response:json() end
---@return sluice.sequence?, string?, sluice.error?
function response:sequence() end
---@return sluice.body_reader?, string?, sluice.error?
function response:reader() end
---@return sluice.lease?, string?, sluice.error?
function response:detach() end
---@return fun(): sluice.sequence?
function response:chunks() end
---@return fun(): string?
function response:lines() end
---@param n? integer
---@return string?, string?, sluice.error?
function response:read(n) end
---@param path string
---@return integer?, string?, sluice.error?
function response:save(path) end
function response:dispose() end

---@class sluice.headers
---@field [string] string
local headers = {}
---@param name string
---@return string?
function headers:get(name) end
---@param name string
---@return string[]
function headers:all(name) end

---@class sluice.sequence
local sequence = {}
---@param i integer
---@param j? integer
---@return sluice.sequence
function sequence:sub(i, j) end
---@param i? integer
---@return integer?
function sequence:byte(i) end
---@return string
function sequence:tostring() end
---@return fun(): string?
function sequence:segments() end
---@return sluice.reader
function sequence:reader() end
function sequence:dispose() end

---@class sluice.body_reader
local body_reader = {}
---@param ... string | integer
---@return string | number | nil ...
function body_reader:read(...) end
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
---@return string | number | nil ...
function reader:read(...) end
---@return fun(): string?
function reader:lines() end
---@param whence? "set" | "cur" | "end"
---@param offset? integer
---@return integer?, string?, sluice.error?
function reader:seek(whence, offset) end
---@return integer
function reader:position() end

---@class sluice.lease
local lease = {}
---@return sluice.sequence
function lease:sequence() end
---@return string
function lease:tostring() end
function lease:dispose() end

---@class sluice.writer
local writer = {}
---@return sluice.writer?, string?, sluice.error?
function writer:write(...) end
---@return string
function writer:view() end
---@return sluice.lease
function writer:detach() end
---@return sluice.writer
function writer:reset() end
function writer:dispose() end

---@class sluice.buffer
local buffer = {}
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

---@class sluice.task
local task = {}
---@param timeout? number
function task:await(timeout) end
---@param reason? string
---@return boolean
function task:cancel(reason) end
---@return "ready" | "running" | "waiting" | "done" | "failed"
function task:status() end

---@class sluice.client
local client = {}
---@param url string
---@param options? sluice.request_options
---@return sluice.response?, string?, sluice.error?
function client:get(url, options) end
---@param method string
---@param url string
---@param options? sluice.request_options
---@return sluice.response?, string?, sluice.error?
function client:request(method, url, options) end
---@param interceptor fun(request: table, forward: fun(request?: table)): any
---@return sluice.client
function client:use(interceptor) end
---@return table
function client:stats() end
function client:close() end

---@class sluice
local sluice = {}
---@param options? sluice.client_options
---@return sluice.client
function sluice.client(options) end
---@param url string
---@param options? sluice.request_options
---@return sluice.response?, string?, sluice.error?
function sluice.get(url, options) end
---@generic T
---@param f fun(...): T
---@return T
function sluice.run(f, ...) end
---@return sluice.task
function sluice.spawn(f, ...) end
---@param seconds number
function sluice.sleep(seconds) end
---@param tasks sluice.task[]
---@return any[]
function sluice.all(tasks) end
---@return table<string, integer>
function sluice.stats() end

return sluice
