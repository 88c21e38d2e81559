--- Makes a plan of a request: its head and the options of the core.
-- A plan is { origin, head, info }. It is kept where nothing but the client, the method and
-- the URL had a say in its head, with the options of a request that has none of its own; a
-- body's length, and lines that a single sending adds, are written into the head by the core.

local core = require "sluice.core"
local auth = require "sluice.auth.option"
local credentials = require "sluice.auth.credentials"
local failure = require "sluice.failure"
local fields = require "sluice.fields"
local methods = require "sluice.methods"
local plan = require "sluice.plan"
local proxy = require "sluice.proxy"
local proxy_login = require "sluice.proxy_login"
local timeout = require "sluice.timeout"

local compose = {}

local wants_length = { POST = true, PUT = true, PATCH = true }

local redirect_limit = 10
local buffered_body_limit = 64 * 1024 * 1024

-- Plans of one client; beyond that they start over.
local plan_limit = 1000

-- ---- options ----

local function merge_into(target, from)
  for key, value in pairs(from or {}) do target[key] = value end
end

-- An option of the request's own, else of the client.
local function choose(client, own, name)
  if own[name] ~= nil then return own[name] end
  return client.settings[name]
end

local function decodes(client, own) return choose(client, own, "decompress") ~= false end

--- How many redirects are followed at most; 0: none.
function compose.redirect_limit(client, own)
  local limit = choose(client, own, "redirects")
  if limit == nil then return redirect_limit end
  return limit or 0
end

local function compile(client, method, own, expects)
  local settings = client.settings
  local flat = {}
  if own.stream then
    flat.total = math.huge
    flat.body = math.maxinteger
  else
    flat.body = buffered_body_limit
  end
  timeout.merge_into(flat, settings.timeout)
  timeout.merge_into(flat, own.timeout)
  merge_into(flat, settings.limits)
  merge_into(flat, own.limits)
  flat.decodes = decodes(client, own)
  flat.is_head = method == "HEAD"
  flat.follows_redirects = compose.redirect_limit(client, own) > 0
  flat.wants_close = settings.pool == false
  flat.wants_upgrade = own.upgrade ~= nil
  flat.is_idempotent = methods.idempotent[method] or false
  flat.expects_continue = expects
  flat.is_streamed = own.stream
  return core.options(flat)
end

--- Deadlines, limits and traits for the core, compiled once where they are the client's
-- own. `own` are the options of the request.
function compose.options(client, method, own, expects)
  if own.timeout ~= nil or own.limits ~= nil or own.decompress ~= nil or own.redirects ~= nil then
    return compile(client, method, own, expects)
  end
  local key = method
  if own.stream then key = key .. " stream" end
  if expects then key = key .. " expects" end
  local compiled = client.compiled[key]
  if not compiled then
    compiled = compile(client, method, own, expects)
    client.compiled[key] = compiled
  end
  return compiled
end

-- ---- heads ----

-- Credentials that each request to that URL has: the URL's user info, or the client's
-- option, which stays with the origin of its base_url.
local function add_credentials(list, client, request, url)
  if fields.find(list, "Authorization") or request.is_foreign or request:own_auth() then
    return true
  end
  local value, message, err
  if url.userinfo and url.userinfo ~= "" then
    value, message, err = auth.from_userinfo(url.userinfo)
  elseif client.settings.auth and not client.late_auth and client:is_home(url) then
    value, message, err = auth.value(client.settings.auth)
  else
    return true
  end
  if not value then return nil, message, err end
  fields.set(list, "Authorization", value)
  return true
end

-- Basic credentials for a proxy that is asked itself. The fields of other requests go past it,
-- to the host, which must not see the caller's own ones either.
-- Returns true | nil, message, err
local function add_proxy_credentials(client, list, url, via)
  if not via then return true end
  local has_own = fields.find(list, "Proxy-Authorization")
  if not proxy.is_asked(via, url) then
    if not has_own then return true end
    return failure.new("invalid", "request",
      "Proxy-Authorization would go to the host: give `proxy` the credentials")
  elseif has_own or not proxy_login.is_basic(client, via) then
    return true
  end
  local value, message, err = auth.basic(via.user, via.password)
  if not value then return nil, message, err end
  fields.set(list, "Proxy-Authorization", value)
  return true
end

-- RFC 9110 9.3.8: what a server sends back must hold no secrets.
local function check_trace(client, request, list, url, via)
  local attempt = request.method .. " request"
  if request.content then return failure.new("invalid", attempt, "takes no body") end
  local secret = (request:own_auth() or client.late_auth) and "Authorization"
    or fields.find_secret(list, request.secrets, client.secrets)
    or via and via.user and proxy.is_asked(via, url) and "Proxy-Authorization"
  if secret then
    return failure.new("invalid", attempt, "would have " .. secret .. " sent back")
  end
  return true
end

-- Checks the rules of RFC 9110 9.3.6 to 9.3.8 for three rare methods.
local function check_method(client, request, list, url, via)
  local attempt = request.method .. " request"
  if request.method == "CONNECT" then
    return failure.new("invalid", attempt, "tunnels are not offered")
  elseif request.method == "OPTIONS" and request.content
    and not fields.find(list, "Content-Type") then
    return failure.new("invalid", attempt, "a body needs a Content-Type")
  elseif request.method == "TRACE" then
    return check_trace(client, request, list, url, via)
  end
  return true
end

local function add(list, name, value)
  list[#list + 1] = name
  list[#list + 1] = value
end

-- Adds the fields that frame a body without a known length.
-- Returns true | nil, message, err (invalid)
local function add_framing(list, request)
  local content, trailers = request.content, request.trailers
  local is_chunked = content and not content.length
  if is_chunked then add(list, "Transfer-Encoding", "chunked") end
  if not trailers or not trailers[1] then return true end
  if not is_chunked then
    return failure.new("invalid", "trailers", "only after a body of unknown length")
  end
  local names = {}
  for i = 1, #trailers, 2 do names[#names + 1] = trailers[i] end
  add(list, "Trailer", table.concat(names, ", "))
  return true
end

local function add_defaults(behind, list, defaults)
  for i = 1, #defaults, 2 do
    if not fields.find(list, defaults[i]) then add(behind, defaults[i], defaults[i + 1]) end
  end
end

-- The caller's fields, and those that come behind the length of the body: framing and
-- defaults, where the caller has none of that name.
-- Returns both arrays | nil, message, err (invalid)
local function list_fields(client, request, url, via)
  local list = table.move(request.fields, 1, #request.fields, 1, {})
  local behind = {}
  local ok, message, err = fields.check(list)
  if ok then ok, message, err = add_credentials(list, client, request, url) end
  if ok then ok, message, err = add_proxy_credentials(client, list, url, via) end
  if ok then ok, message, err = check_method(client, request, list, url, via) end
  if ok then ok, message, err = add_framing(behind, request) end
  if not ok then return nil, message, err end
  if request:expects_continue() then add(behind, "Expect", "100-continue") end
  if client.settings.pool == false and not request.upgrade then
    add(behind, "Connection", "close")
  end
  add_defaults(behind, list, client.defaults)
  -- Part of a coded body could not be decoded.
  if decodes(client, request.options) and not fields.find(list, "Range") then
    add_defaults(behind, list, { "Accept-Encoding", core.accepted_codings() })
  end
  return list, behind
end

-- The proxy for this request, or nil | nil, message, err (invalid, unsupported). Yields if a
-- function that is asked does.
local function find_proxy(client, request, url)
  local own = request.options.proxy
  if own == nil then return proxy.choose(client.proxies, url) end
  local choices, message, err = proxy.read(own)
  if not choices then return nil, message, err end
  return proxy.choose(choices, url)
end

-- A URL that no request can be sent to.
local function refuse_url(request, err)
  local reason = err.message:gsub("^url: ", "")
  if not request.url:find "^%a[%w+.-]*://" then
    reason = reason .. ": a URL begins with "
      .. (request.upgrade and "ws:// or wss://" or "http:// or https://")
  elseif request.url:find "^[wW][sS][sS]?:" then
    reason = reason .. ": client:websocket(url) opens a WebSocket"
  end
  return request:failure("invalid", reason)
end

-- Who may ask for digest credentials, and for what: the proxy, unless the caller has credentials
-- of its own for it; or nil.
local function login_of(request, url, via)
  if not via or via.kind ~= "http" or not via.user
    or fields.find(request.fields, "Proxy-Authorization") then
    return nil
  end
  if proxy.is_asked(via, url) then return { via = via, uri = url.text } end
  return { via = via, is_tunnel = true, uri = ("%s:%d"):format(url.named, url.port) }
end

local function make_plan(client, request)
  local url, _, err = plan.parse(request.url)
  if not url then return refuse_url(request, err) end
  local upgrade = request.upgrade
  if upgrade then upgrade:read_url(url) end
  local via, origin, message
  via, message, err = find_proxy(client, request, url)
  if err then return nil, message, err end
  -- The function that was asked may have closed it, or waited while it was closed.
  if client.connections == nil then return request:failure("closed", "client is closed") end
  origin, message, err = client.origins:find(url, via)
  if not origin then return nil, message, err end
  local content = request.content
  -- RFC 9112 6.1: not to a server that is known to speak 1.0 only
  if content and not content.length and origin:is_old() then
    return request:failure("unsupported",
      "the server speaks HTTP/1.0: a body needs a length")
  end
  local list, behind
  list, behind, err = list_fields(client, request, url, via)
  if not list then return nil, behind, err end
  local jar = choose(client, request.options, "cookies")
  -- RFC 9110 9.3.8: what TRACE sends comes back, and must hold no secrets.
  if jar and request.method ~= "TRACE" then
    origin = jar:attach(origin, url, list, via ~= nil)
  end
  if upgrade then
    origin, message, err = upgrade:attach(origin, request, url, list, behind)
    if not origin then return nil, message, err end
  end
  local has_length = content and content.length or not content and wants_length[request.method]
  local head
  local target = via and proxy.is_asked(via, url) and url.text or url.target
  head, message, err = core.head(request.method, target, url.authority, list, behind,
    has_length and true or false)
  if not head then return nil, message, err end
  return {
    origin = origin,
    head = head,
    login = login_of(request, url, via),
    is_authorized = fields.find(list, "Authorization") ~= nil,
    info = { method = request.method, url = url.text, serializer = client.serializer,
      attempts = 1 },
  }
end

-- ---- plans that are kept ----

-- Under what a request's plan is kept beside its URL: all else that shows in its head.
local function kind_of(request)
  if request.client.proxies.ask then return nil end -- for each sending
  local content = request.content
  local kind = request.method
  if content then
    if not content.length then return nil end
    local own = request.options
    kind = kind .. (own.json ~= nil and " json" or own.form and " form" or " length")
  end
  if request.client.proxies.may_log_in then kind = kind .. " login" end -- never sent as it is
  if request.variant then kind = kind .. request.variant end
  return request:own_auth() and kind .. " auth" or kind
end

-- A function of a text that sends what is planned, with that body or none, as origin:send does.
local function sender_of(planned, options)
  local origin, head, info = planned.origin, planned.head, planned.info
  if type(origin) == "userdata" then return origin:sender(head, options, info) end
  return function(text) return origin:send(head, options, info, text) end
end

local function keep(client, kind, key, planned)
  if client.plan_count >= plan_limit then client:forget_plans() end
  local kept = client.plans[kind]
  if not kept then
    kept = {}
    client.plans[kind] = kept
  end
  planned.send = sender_of(planned, compose.options(client, planned.info.method, {}, false))
  kept[key] = planned
  if kind == "GET" and client.sends then client.sends[key] = planned.send end
  client.plan_count = client.plan_count + 1
end

--- The plan of this request, kept or new.
-- Returns a plan | nil, message, err
function compose.plan(client, request)
  local key = request.key
  local kind = key and kind_of(request)
  local kept = kind and client.plans[kind]
  if kept and kept[key] then return kept[key] end
  local planned, message, err = make_plan(client, request)
  if not planned then return nil, message, err end
  if kind then keep(client, kind, key, planned) end
  return planned
end

--- Field lines of this sending alone: credentials of the request's own, or made for it.
-- Returns the lines, or nil for a request without any | nil, message, err (memory; invalid, and
-- what a function that is asked gives). May yield.
function compose.lines(call, request, planned)
  if planned.is_authorized or not request.options.auth and not call.client.late_auth then
    return nil
  end
  local value, message, err = credentials.value(call, request)
  if not value then return nil, message, err end
  return core.field_lines { "Authorization", value }
end

return compose
