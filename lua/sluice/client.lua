--- A client: settings, connections, interceptors.
-- What it was made with never changes; changing the caller's table later changes
-- nothing.

local check = require "sluice.check"
local core = require "sluice.core"
local failure = require "sluice.failure"
local fields = require "sluice.fields"
local json = require "sluice.json"
local plan = require "sluice.plan"
local redirects = require "sluice.redirects"
local Request = require "sluice.request"
local transmit = require "sluice.transmit"
local transports = require "sluice.transports"

local Client = {}
Client.__index = Client
Client.__name = "sluice.client"

local version = "0.1"

-- Cached plans and origins of one client. Beyond that plans start over, and an origin
-- that leads nowhere just now makes room for the next one.
local cache_limit = 1000

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
  if type(value) == "table" and value.encode and value.decode then return nil end
  return "table with encode and decode"
end

local schema = {
  base_url = check_base,
  pool = check.either("false or table", check.off, check.fields(pool_schema)),
  pooling = check.boolean,
  transport = transports.check,
  tls = transports.check_tls,
  serializer = check_serializer,
  resolver = check.callable,
  logger = check.callable,
}
for name, checker in pairs(Request.shared_schema) do schema[name] = checker end

-- By method and URL.
local function no_plans() return { GET = {}, POST = {}, PUT = {}, PATCH = {} } end

-- A serializer is an object of somebody's, perhaps, and stays that one.
local function copy(value)
  if type(value) ~= "table" then return value end
  local copied = {}
  for key, inner in pairs(value) do
    copied[key] = key == "serializer" and inner or copy(inner)
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
  }
end

--- A new client. Misuse raises.
-- Returns a client | nil, message, err (memory, unsupported)
function Client.new(options)
  local where = "client"
  options = options or {}
  check.options(where, options, schema, 2)
  local serializer = options.serializer or json
  options = copy(options)
  local mode, backend, refusal = transports.choose(options.transport, where, options.logger, 2)
  if not mode then return nil, backend, refusal end
  local has_provider, reason, missing = transports.has_provider(options.tls, where)
  if not has_provider then return nil, reason, missing end
  local connections, message, err = connections_of(options, mode, backend)
  if not connections then return nil, message, err end
  local own, secrets = fields.flatten(where, options.headers, 2)
  local self = setmetatable({
    settings = options,
    mode = mode,
    backend = backend,
    connections = connections,
    serializer = serializer,
    home = options.base_url and plan.parse(options.base_url),
    fields = own,
    secrets = secrets,
    interceptors = {},
    origins = {},
    origin_count = 0,
    plans = no_plans(),
    plan_count = 0,
    compiled = {},
  }, Client)
  self.defaults = { "User-Agent", "sluice/" .. version, "Accept", "*/*" }
  return self
end

--- Adds an interceptor: function(request, forward) -> response | nil, message, err.
-- The first added is outermost.
function Client:use(interceptor)
  if type(interceptor) ~= "function" then
    error("use: function expected, got " .. type(interceptor), 2)
  end
  self.interceptors[#self.interceptors + 1] = interceptor
  return self
end

--- Whether a parsed URL leads to the origin of the client's base_url, if it has one:
-- credentials given to the client go nowhere else.
function Client:is_home(url) return not self.home or plan.same_origin(self.home, url) end

--- The URL against the client's base_url.
function Client:absolute(url)
  local base = self.settings.base_url
  if not base then return url end
  return core.url.resolve(base, url) or url
end

-- Where the option `resolver` says that a host is. It may yield, and raise.
-- Returns an address | nil, message, err (resolve)
local function ask_resolver(resolver, url)
  local address, reason = resolver(url.host, url.port)
  local wrong
  if address == nil or address == false then
    wrong = type(reason) == "string" and reason or "no address"
  elseif type(address) ~= "string" then
    wrong = "the resolver gave a " .. type(address)
  elseif address == "" or address:find("\0", 1, true) then
    wrong = "the resolver gave no address"
  end
  if wrong then return failure.new("resolve", "resolve " .. url.host, wrong, "resolve") end
  return address
end

-- Forgets one origin that has neither connections nor requests, and what was planned
-- for it: two objects for one origin would each have its limit. Where all are busy
-- none goes. `hand` is a key behind which to look on.
local function evict_origin(self)
  for _ = 1, self.origin_count + 1 do
    local key, origin = next(self.origins, self.hand)
    if key and not origin:is_busy() then
      self.origins[key] = nil
      self.origin_count = self.origin_count - 1
      for _, planned in pairs(self.plans) do
        for url, one in pairs(planned) do
          if one.origin == origin then
            planned[url] = nil
            self.plan_count = self.plan_count - 1
          end
        end
      end
      return
    end
    self.hand = key
  end
end

--- The origin a parsed URL leads to. The option `resolver`, function(host, port) ->
-- address | nil, message, is asked before one is made.
-- Returns origin | nil, message, err
function Client:origin(url)
  local key = url.scheme .. "://" .. (url.unix_path or url.host) .. ":" .. url.port
  local origin = self.origins[key]
  if origin then return origin end
  local tls, address, message, err
  if self.settings.resolver and not url.unix_path then
    address, message, err = ask_resolver(self.settings.resolver, url)
    if not address then return nil, message, err end
    -- Meanwhile anything may have happened to the client.
    if self.connections == nil then
      return failure.new("closed", "resolve " .. url.host, "client is closed")
    end
    if self.origins[key] then return self.origins[key] end
  end
  if url.scheme == "https" then
    tls, message, err = self:tls_context()
    if not tls then return nil, message, err end
  end
  local made
  made, message, err = self.connections:origin {
    host = url.host, port = url.port, address = address, unix_path = url.unix_path,
    tls = tls, identity = key,
  }
  if not made then return nil, message, err end
  if self.origin_count >= cache_limit then evict_origin(self) end
  self.origins[key] = made
  self.origin_count = self.origin_count + 1
  return made
end

--- The client's TLS context, made when it is first needed.
function Client:tls_context()
  if self.tls then return self.tls end
  local context, message, err =
    transports.tls_context(self.settings.tls or {}, { "http/1.1" })
  if not context then return nil, message, err end
  self.tls = context
  return context
end

local function send_following(client, request)
  local response, message, err = transmit.send(client, request)
  if not response then return nil, message, err end
  if message == nil then return response end
  return redirects.follow(client, request, response, transmit.send)
end

local function run_pipeline(client, request, position)
  local interceptor = client.interceptors[position]
  if not interceptor then return send_following(client, request) end
  return interceptor(request, function(forwarded)
    return run_pipeline(client, forwarded or request, position + 1)
  end)
end

-- The general way: a request object, interceptors, any kind of body.
local function send(self, method, url, options)
  local request, message, err = Request.new(self, method, url, options, 2)
  if not request then return nil, message, err end
  local closing <close> = request -- luacheck: ignore
  return run_pipeline(self, request, 1)
end

-- Of request { method =, url =, ... }: both, and the other options.
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
  if type(method) == "table" and url == nil and options == nil then
    method, url, options = split_options(method)
  end
  if type(method) ~= "string" then
    error("request: method: string expected, got " .. type(method), 2)
  end
  if self.connections == nil then error("use of closed client", 2) end
  return send(self, method, url, options)
end

local function keep_plan(self, method, url, planned)
  if self.plan_count >= cache_limit then self.plans, self.plan_count = no_plans(), 0 end
  self.plans[method][url] = planned
  self.plan_count = self.plan_count + 1
  return planned
end

-- A GET without options is planned once: the same bytes to the same origin.
local function plan_get(self, url)
  local request, message, err = Request.new(self, "GET", url, nil, 3)
  if not request then return nil, message, err end
  local planned
  planned, message, err = transmit.plan(self, request)
  if not planned then return nil, message, err end
  return keep_plan(self, "GET", url, planned)
end

-- So is JSON without other options, but for the length of its text.
local function is_json_alone(self, url, options)
  return type(options) == "table" and options.json ~= nil and next(options) == "json"
    and next(options, "json") == nil and self.serializer == json and not self.interceptors[1]
    and type(url) == "string"
end

local function json_request(self, method, url, text)
  local request, message, err = Request.new(self, method, url, { body = text }, 4)
  if not request then return nil, message, err end
  if not request:get_header("Content-Type") then
    request:set_header("Content-Type", json.content_type)
  end
  return request
end

local function plan_json(self, method, url, text)
  local request, message, err = json_request(self, method, url, text)
  if not request then return nil, message, err end
  local planned
  planned, message, err = transmit.plan(self, request)
  if not planned then return nil, message, err end
  local name = "\r\nContent-Length: "
  local first, last = planned.head:find(name .. #text .. "\r\n", 1, true)
  planned.before_length = planned.head:sub(1, first + #name - 1)
  planned.after_length = planned.head:sub(last - 1)
  return keep_plan(self, method, url, planned)
end

local function send_json(self, method, url, value)
  local text, message, err = json.text(value)
  if not text then return nil, message, err end
  local planned = self.plans[method][url]
  if not planned then
    planned, message, err = plan_json(self, method, url, text)
    if not planned then return nil, message, err end
  end
  local response
  response, message, err = planned.origin:send(
    planned.before_length .. #text .. planned.after_length, planned.options, planned.info, text)
  if message == nil then return response end
  if not response then return nil, message, err end
  return redirects.follow(self, json_request(self, method, url, text), response, transmit.send)
end

--- Sends a GET. Returns response | nil, message, err. Yields.
function Client:get(url, options)
  if self.connections == nil then error("use of closed client", 2) end
  if options ~= nil or self.interceptors[1] then return send(self, "GET", url, options) end
  local planned = self.plans.GET[url]
  if not planned then
    local message, err
    planned, message, err = plan_get(self, url)
    if not planned then return nil, message, err end
  end
  local response, message, err = planned.origin:send(planned.head, planned.options, planned.info)
  if message == nil then return response end
  if not response then return nil, message, err end
  return redirects.follow(self, Request.new(self, "GET", url, nil, 2), response, transmit.send)
end

for _, method in ipairs { "POST", "PUT", "PATCH" } do
  Client[method:lower()] = function(self, url, options)
    if self.connections == nil then error("use of closed client", 2) end
    if is_json_alone(self, url, options) then return send_json(self, method, url, options.json) end
    return send(self, method, url, options)
  end
end

for _, method in ipairs { "HEAD", "DELETE", "OPTIONS" } do
  Client[method:lower()] = function(self, url, options)
    if self.connections == nil then error("use of closed client", 2) end
    return send(self, method, url, options)
  end
end

--- A request to be completed by chained calls.
function Client:build(method, url) return Request.build(self, method, url) end

--- Counters of this client: connections by state, requests, and the pool that it rents
-- from; doc/memory.md tells what each means.
function Client:stats()
  if self.connections == nil then error("use of closed client", 2) end
  local stats = self.connections:stats()
  stats.transport = self.mode
  stats.backend = self.backend
  return stats
end

--- Closes idle connections and fails waiting requests; returns at once. Responses
-- handed out stay good. Idempotent.
function Client:close()
  local connections = self.connections
  if connections == nil then return end
  self.connections = nil
  self.plans, self.origins = no_plans(), {}
  connections:close()
end

Client.__close = Client.close

function Client:__tostring()
  local tls = self.settings.tls
  local state = self.connections and self.mode or "closed"
  if tls and tls.verify == false then state = state .. ", certificates not verified" end
  return ("sluice.client (%s)"):format(state)
end

return Client
