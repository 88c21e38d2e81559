---@meta _
-- Interceptors, and those that are built in.

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
