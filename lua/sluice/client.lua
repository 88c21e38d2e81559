--- A client: settings, connections, interceptors.
-- A client's options never change; changing the caller's table later changes
-- nothing.

local Call = require "sluice.call"
local auth = require "sluice.auth.option"
local callback = require "sluice.callback"
local check = require "sluice.check"
local cookie_option = require "sluice.cookies.option"
local core = require "sluice.core"
local credentials = require "sluice.auth.credentials"
local later = require "sluice.later"
local download = later "sluice.download"
local events = later "sluice.events"
local fields = require "sluice.fields"
local json = require "sluice.json"
local Origins = require "sluice.origins"
local pages = later "sluice.pages"
local pause = require "sluice.pause"
local pipeline = require "sluice.pipeline"
local plan = require "sluice.plan"
local proxy = require "sluice.proxy"
local proxy_login = require "sluice.proxy_login"
local Request = require "sluice.request"
local resolver = require "sluice.resolver"
local retry = require "sluice.retry"
local serializers = require "sluice.serializers"
local transports = require "sluice.transports"
local version = require "sluice.version"
local watch = later "sluice.watch"
local open_websocket = later "sluice.websocket.open"

local Client = {}
Client.__index = Client
Client.__name = "sluice.client"

local pool_schema = {
  per_origin = check.positive,
  total = check.positive,
  idle = check.seconds,
  lifetime = check.seconds,
}

local function check_base(value)
  if type(value) == "string" and plan.parse(value) then return nil end
  return "URL with scheme and host"
end

local function check_serializer(value)
  if type(value) == "string" and serializers[value] then return nil end
  if type(value) == "table" and value.encode and value.decode then return nil end
  return "table with encode and decode, or name in sluice.serializers,"
end

local schema = {
  base_url = check_base,
  pool = check.either("false or table", check.off, check.fields(pool_schema)),
  pooling = check.boolean,
  transport = transports.check,
  tls = transports.check_client_tls,
  serializer = check_serializer,
  resolver = check.callable,
  logger = check.callable,
  suspend = check.callable,
  resume = check.callable,
  cookies = cookie_option.of_client,
}
for name, checker in pairs(Request.shared_schema) do schema[name] = checker end

--- Checkers of the options.
Client.schema = schema

-- What `direct` is of a client with steps of its own: each request goes through them.
local nothing_direct = { GET = {} }

-- The base_url as a directory: what is relative goes below it.
local function directory_of(url)
  local path = url:match "^[^?#]*"
  return path:find "/$" and path or path .. "/"
end

-- Objects of somebody's, perhaps, stay those.
local is_object = { serializer = true, cookies = true }

local function copy(value)
  if type(value) ~= "table" then return value end
  local copied = {}
  for key, inner in pairs(value) do
    copied[key] = is_object[key] and inner or copy(inner)
  end
  return copied
end

local function connections_of(options, mode, backend)
  local pool = options.pool or {}
  return core.connections {
    per_origin = pool.per_origin,
    total = pool.total,
    idle = pool.idle,
    lifetime = pool.lifetime,
    reuses = options.pool ~= false,
    pooling = options.pooling,
    completion = mode == "completion",
    backend = backend,
    ask = options.resolver and resolver.asker(options.resolver),
  }
end

-- What resumes the coroutines of a host in its own way; nil: the loop does. Misuse raises.
local function host_of(where, options, level)
  local suspend, resume = options.suspend, options.resume
  if suspend and resume then return core.host(suspend, resume) end
  if not suspend and not resume then return nil end
  error(("%s: option '%s': needs '%s' beside it"):format(where, suspend and "suspend" or "resume",
    suspend and "resume" or "suspend"), level + 1)
end

--- A new client. Misuse raises at `level` (2), in the name of `where` ("client").
-- Returns a client | nil, message, err (memory, unsupported; invalid: what the
-- environment says of proxies)
function Client.new(options, level, where)
  where = where or "client"
  if options == nil then options = {} end
  level = level or 2
  check.options(where, options, schema, level)
  local host = host_of(where, options, level)
  local serializer = options.serializer or json
  if type(serializer) == "string" then serializer = serializers[serializer] end
  options = copy(options)
  options.cookies = cookie_option.jar(options.cookies)
  local mode, backend, refusal = transports.choose(options.transport, where, options.logger, level)
  if not mode then return nil, backend, refusal end
  local has_provider, reason, missing = transports.has_provider(options.tls, where)
  if not has_provider then return nil, reason, missing end
  local proxies, fault, err = proxy.read(options.proxy)
  if not proxies then return nil, fault, err end
  local connections, message
  connections, message, err = connections_of(options, mode, backend)
  if not connections then return nil, message, err end
  local own, secrets = fields.flatten(where, options.headers, level)
  local self = setmetatable({
    settings = options,
    mode = mode,
    backend = backend,
    connections = connections,
    host = host,
    serializer = serializer,
    base = options.base_url and directory_of(options.base_url),
    home = options.base_url and plan.parse(options.base_url),
    fields = own,
    secrets = secrets,
    interceptors = {},
    hops = {},
    proxies = proxies,
    logins = proxy_login.new(),
    cookies = options.cookies,
    origins = Origins.new(connections, options.tls),
    compiled = {},
    retry = retry.compile(options.retry),
    late_auth = options.auth and auth.is_late(options.auth) and options.auth or nil,
    known = credentials.new(),
    pauses = {},
    turns = {}, -- of handshakes, see turns.lua
  }, Client)
  self:forget_plans()
  self.defaults = { "User-Agent", "sluice/" .. version, "Accept", "*/*" }
  return self
end

--- Forgets what was planned: plans (see compose.lua) by all but their URL, then by that.
-- `direct` holds those that may be sent as they are.
function Client:forget_plans()
  self.plans, self.plan_count = { GET = {} }, 0
  local settings = self.settings
  local has_steps = self.interceptors[1] or self.hops[1] or self.retry or settings.fail_status
    or self.late_auth or self.host
  self.direct = has_steps and nothing_direct or self.plans
  self.sends = not has_steps and self.connections and {} or nil -- by URL, what sends a GET
  self.watch = has_steps and watch.of(self)
  self.watched = self.watch and {}
  if self.watch then self.plans[self.watch.kind] = self.watched end
end

-- Raises for a method that was called with a dot instead of a colon.
local function check_client(self, name, level)
  if getmetatable(self) ~= Client then
    error(("%s: called without a client: write client:%s(...), with a colon"):format(name, name),
      level + 1)
  end
end

local function refuse_use(self, name)
  check_client(self, name, 3)
  error("use of closed client", 3)
end

local function check_step(step)
  if type(step) == "function" then return nil end
  if type(step) ~= "table" then return type(step) end
  local may_have_more = getmetatable(step) ~= nil -- an object with fields of its own
  for key in pairs(step) do
    if key ~= "hop" and not may_have_more then return "a table with " .. tostring(key) end
  end
  if type(step.hop) == "function" then return nil end
  return "a table whose hop is " .. type(step.hop)
end

-- The name of a maker of interceptors that was given in place of what it makes; nil: it is none.
local function built_in_name(step)
  for name, maker in pairs(package.loaded["sluice.interceptors"] or {}) do
    if maker == step then return name end
  end
end

--- Adds an interceptor: function(request, forward) -> response | nil, message, err.
-- A function runs once for each call, around redirects; that of { hop = f } for each
-- sending, and sees the responses that redirect, too. The first added is outermost.
function Client:use(step)
  check_client(self, "use", 2)
  local built_in = built_in_name(step)
  if built_in then
    error(("use: '%s' is made by a call: sluice.interceptors.%s {}"):format(built_in, built_in), 2)
  end
  local wrong = check_step(step)
  if wrong then error("use: function or { hop = function } expected, got " .. wrong, 2) end
  local steps = type(step) == "table" and self.hops or self.interceptors
  steps[#steps + 1] = type(step) == "table" and step.hop or step
  self:forget_plans()
  return self
end

--- Whether a parsed URL leads to the origin of the client's base_url, if it has one:
-- credentials given to the client go nowhere else.
function Client:is_home(url) return not self.home or plan.same_origin(self.home, url) end

--- The URL against the client's base_url.
function Client:absolute(url)
  if not self.base then return url end
  return core.url.resolve(self.base, url) or url
end

-- The general way: a request object, interceptors, any kind of body.
local function send(self, method, url, options)
  if self.host then core.enter_host(self.host) end
  local request, message, err = Request.new(self, method, url, options, 2)
  local on_done = options and options.on_done
  if on_done then return callback(self, on_done, request, message, err) end
  if not request then return nil, message, err end
  local call <close> = Call.new(self, request)
  return pipeline.run(call, request)
end

-- Goes on from the response to what was planned, which leads elsewhere; the request is
-- made only now. `text` is the body of JSON.
local function follow(self, method, url, response, text)
  local request, message, err = Request.new(self, method, url, { body = text }, 3)
  if not request then
    response:dispose()
    return nil, message, err
  end
  if text and not request:get_header("Content-Type") then
    request:set_header("Content-Type", json.content_type)
  end
  local call <close> = Call.new(self, request, response)
  return pipeline.follow(call, request, response)
end

-- A GET that has to go the general way once, or now, though all interceptors are built in.
local function get_watched(self, url)
  local request, message, err = Request.new(self, "GET", url, nil, 2)
  if not request then return nil, message, err end
  local response
  do
    local call <close> = Call.new(self, request)
    response, message, err = pipeline.run(call, request)
  end
  local planned = self.watched and self.watched[url]
  if planned then watch.prepare(self, planned, request) end
  return response, message, err
end

-- Splits a request { method =, url =, ... }: method, URL, and the other options.
local function split_options(all)
  local options = {}
  for key, value in pairs(all) do options[key] = value end
  options.method, options.url = nil, nil
  return all.method == nil and "GET" or all.method, all.url, options
end

--- Sends a request, of arguments or of one table of options that has `url` and, unless
-- it is GET, `method`.
-- Returns response | nil, message, err. Yields.
function Client:request(method, url, options)
  if self == nil or self.connections == nil then refuse_use(self, "request") end
  if type(method) == "table" and url == nil and options == nil then
    method, url, options = split_options(method)
  end
  return send(self, method, url, options)
end

-- JSON by the default serializer, and nothing else.
local function is_json_alone(self, options)
  return self.serializer == json and type(options) == "table" and options.json ~= nil
    and next(options) == "json" and next(options, "json") == nil
end

-- A GET whose URL, client or options are not those of one that was sent before.
local function get_otherwise(self, url, options)
  if self == nil or self.connections == nil then refuse_use(self, "get") end
  local watched = options == nil and self.watched
  if not watched then return send(self, "GET", url, options) end
  local planned = watched[url]
  local is_sent, response, message, err = false, nil, nil, nil
  if planned then is_sent, response, message, err = watch.send(planned) end
  if not is_sent then return get_watched(self, url) end
  if message == nil then return response end
  if not response then return nil, message, err end
  return follow(self, "GET", url, response)
end

--- Sends a GET. Returns response | nil, message, err. Yields.
function Client:get(url, options)
  local sends = options == nil and self and self.sends
  local send_again = sends and sends[url]
  if not send_again then return get_otherwise(self, url, options) end
  local response, message, err = send_again()
  if not message then return response end
  if not response then return nil, message, err end
  return follow(self, "GET", url, response)
end

for _, method in ipairs { "POST", "PUT", "PATCH" } do
  local name, kind = method:lower(), method .. " json"
  Client[name] = function(self, url, options)
    if self == nil or self.connections == nil then refuse_use(self, name) end
    local kept = self.direct[kind]
    local planned = kept and kept[url]
    if not planned or not is_json_alone(self, options) then
      return send(self, method, url, options)
    end
    local text, message, err = json.text(options.json)
    if not text then return nil, message, err end
    local response
    response, message, err = planned.send(text)
    if message == nil then return response end
    if not response then return nil, message, err end
    return follow(self, method, url, response, text)
  end
end

for _, method in ipairs { "HEAD", "DELETE", "OPTIONS" } do
  local name = method:lower()
  Client[name] = function(self, url, options)
    if self == nil or self.connections == nil then refuse_use(self, name) end
    return send(self, method, url, options)
  end
end

--- Iterates over pages that lead to each other by links of the relation "next" (RFC 8288):
--
--     for response in client:pages(url, { max = 10 }) do
--
-- Options are those of a request without a body, and `max`, the most pages to fetch. A page is
-- disposed when the next one is asked for, and when the loop is left. A failure is raised; a page
-- that leads to one that was fetched before is one (redirect). Another origin gets no
-- credentials, as with redirects. Yields.
function Client:pages(url, options)
  if self == nil or self.connections == nil then refuse_use(self, "pages") end
  if self.host then core.enter_host(self.host) end
  return pages(self, url, options)
end

--- Iterates over server-sent events (HTML 9.2):
--
--     for event in client:events(url) do print(event.type, event.data, event.id) end
--
-- A stream that ends or fails is asked for again, with Last-Event-ID, after the time that its
-- `retry` set. The loop ends where the server answers 204. A failure is raised: an answer that is
-- no event stream, or too many connections in sequence that failed. Options are those of a request
-- without a body, those of response:events(), and `last_id` (to go on from an event of before),
-- `reconnect` (false; a number of tries; or { tries = 10, delay = 1, max_delay = 30,
-- max_retry = 3600, jitter = 0.5 }, in seconds). `timeout.total` is that of the whole loop. Leaving
-- the loop closes the stream. The first value that a loop is given has `last_id`. Yields.
function Client:events(url, options)
  if self == nil or self.connections == nil then refuse_use(self, "events") end
  local made = events(self, url, options, 2)
  return made, nil, nil, made
end

--- Fetches a file to a path, whole or not at all; doc/guide/downloads.md says when bytes of an
-- earlier call are gone on with. Options are those of a request without a body, and `resume`,
-- `parallel`, `sha256`, `progress` and `sync`. RFC 9110 14. Misuse raises. Yields.
-- Returns true | nil, message, err (status: an answer without a file; decode: another content;
-- invalid: the file cannot be written; and what a request can give)
function Client:download(url, path, options)
  if self == nil or self.connections == nil then refuse_use(self, "download") end
  if self.host then core.enter_host(self.host) end
  return download(self, url, path, options)
end

--- Opens a WebSocket (RFC 6455) at a URL of ws, wss, http or https. The handshake is a request of
-- this client: proxies, cookies, credentials and interceptors take part in it.
-- doc/guide/websocket.md has the options.
-- Returns a socket | nil, message, err: a server that refuses gives the code `status` with
-- err.response; misuse raises. Yields.
function Client:websocket(url, options)
  if self == nil or self.connections == nil then refuse_use(self, "websocket") end
  if self.host then core.enter_host(self.host) end
  return open_websocket(self, url, options, 1)
end

--- A request to be completed by chained calls.
function Client:build(method, url)
  check_client(self, "build", 2)
  return Request.build(self, method, url)
end

--- Counters of this client: connections by state, requests, and the pool that it rents
-- from; doc/guide/memory.md tells what each means.
function Client:stats()
  if self == nil or self.connections == nil then refuse_use(self, "stats") end
  local stats = self.connections:stats()
  stats.transport = self.mode
  stats.backend = self.backend
  return stats
end

--- Closes idle connections and fails waiting requests; returns at once. Responses
-- handed out stay good. Idempotent.
function Client:close()
  check_client(self, "close", 2)
  local connections = self.connections
  if connections == nil then return end
  self.connections = nil
  self:forget_plans()
  pause.end_all(self)
  self.origins:close()
  connections:close()
end

Client.__close = Client.close

function Client:__tostring()
  local tls = self.settings.tls
  local state = self.connections and self.mode or "closed"
  if tls and tls.verify == false then state = state .. ", certificates not verified" end
  if proxy.is_unverified(self.settings.proxy) then
    state = state .. ", certificate of the proxy not verified"
  end
  return ("sluice.client (%s)"):format(state)
end

return Client
