--- lua-resty-http's module resty.http over sluice: a program goes on as it is.
--
--     package.loaded["resty.http"] = require "sluice.compat.resty_http"
--
-- doc/guide/moving.md says what differs.

local core = require "sluice.core" -- first: it brings the other modules
local Client = require "sluice.client"
local fields = require "sluice.compat.fields"
local in_place = require "sluice.compat.in_place"
local response_of = require "sluice.compat.resty_response"
local words = require "sluice.compat.words"

--- `client`: a client of your own for all connections, with TLS settings perhaps.
local http = { _VERSION = "0.17.2" }

local Http = {}
Http.__index = Http

-- Those that stand in for `http.client`: by that, or by whether they verify where there is none;
-- then by where they lead.
local clients = {}

-- The settings of a client, but that connections to `name` lead to `host`.
local function leading(settings, name, host)
  local changed = {}
  for key, value in pairs(settings) do changed[key] = value end
  local resolve = settings.resolver
  function changed.resolver(asked, port)
    if asked == name then asked = host end
    if resolve then return resolve(asked, port) end
    return asked
  end
  return changed
end

-- The client for requests to `name` whose connections lead to `host`.
local function client_of(name, host, verifies)
  if http.client and name == host then return http.client end
  local owner = http.client or verifies
  local made_for = clients[owner] or {}
  local key = name == host and "" or name .. " " .. host
  local made = made_for[key]
  if not made then
    local settings = http.client and http.client.settings or { tls = { verify = verifies } }
    if name ~= host then settings = leading(settings, name, host) end
    made = assert(Client.new(settings))
    made_for[key], clients[owner] = made, made_for
  end
  return made
end

--- Closes what is kept of connections.
function http.close_clients()
  for owner, made_for in pairs(clients) do
    for _, client in pairs(made_for) do client:close() end
    clients[owner] = nil
  end
end

--- A connection to be. Returns it.
function http.new()
  return setmetatable({ timeouts = {}, proxy_options = {}, reused = 0 }, Http)
end

--- Sets how long connecting, sending and reading may take, in milliseconds each.
function Http:set_timeouts(connect, send, read)
  self.timeouts = { connect = connect, send = send, read = read }
end

--- The same for all three.
function Http:set_timeout(milliseconds)
  self:set_timeouts(milliseconds, milliseconds, milliseconds)
end

--- Sets the proxies of later requests: { http_proxy =, https_proxy =, no_proxy =,
-- http_proxy_authorization =, https_proxy_authorization = }.
function Http:set_proxy_options(options) self.proxy_options = options or {} end

local function seconds(milliseconds) return milliseconds and milliseconds / 1000 or 60 end

local function timeouts_of(self)
  local connect, read = seconds(self.timeouts.connect), seconds(self.timeouts.read)
  local idle = math.max(seconds(self.timeouts.send), read)
  return { total = math.huge, queue = math.huge, resolve = connect, connect = connect,
    proxy = connect, tls = connect, first_byte = read, idle = idle }
end

local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

-- The text of a value for Basic (RFC 7617 2, RFC 4648 4).
local function decode_basic(authorization)
  local coded = authorization:match "^[Bb]asic%s+([%w+/]+)=*%s*$"
  if not coded then return nil end
  local bits, count, bytes = 0, 0, {}
  for char in coded:gmatch "." do
    bits, count = bits << 6 | alphabet:find(char, 1, true) - 1, count + 6
    if count >= 8 then
      count = count - 8
      bytes[#bytes + 1] = string.char(bits >> count & 255)
    end
  end
  return table.concat(bytes)
end

-- The URL of a proxy with the credentials of a value for Basic in it.
local function with_login(proxy, authorization)
  if not authorization then return proxy end
  local user, password = (decode_basic(authorization) or ""):match "^([^:]*):(.*)$"
  if not user then error("resty_http: proxy authorization: credentials of Basic expected", 3) end
  local escape = core.url.escape
  local login = ("://%s:%s@"):format(escape(user), escape(password))
  return (proxy:gsub("://", function() return login end, 1))
end

-- The option of a request for proxies as set_proxy_options takes them, or nil.
local function proxy_of(options, scheme)
  local proxy = options[scheme .. "_proxy"]
  if not proxy then return nil end
  local apart = {}
  for name in (options.no_proxy or ""):gmatch "[^,%s]+" do apart[#apart + 1] = name end
  return { url = with_login(proxy, options[scheme .. "_proxy_authorization"]), no_proxy = apart }
end

--- Notes where requests go: { scheme =, host =, port =, ssl_verify =, ssl_server_name =,
-- proxy_opts = }, or host and port. The connection is made, or taken from those that are kept, by
-- the first request.
-- Returns true | nil, message
function Http:connect(options, port)
  if type(options) == "string" then options = { host = options, port = port } end
  if type(options) ~= "table" or type(options.host) ~= "string" then
    error("resty_http: connect: table with host expected", 2)
  end
  self.scheme = options.scheme or options.ssl_verify ~= nil and "https" or "http"
  self.host, self.port, self.name = options.host, options.port, options.ssl_server_name
  self.verifies = options.ssl_verify ~= false
  self.proxy = proxy_of(options.proxy_opts or self.proxy_options, self.scheme)
  return true
end

--- Nothing is left to do: a client's TLS settings decide. Returns true
function Http.ssl_handshake() return true end

--- The connection is kept where its response was read to the end.
-- Returns 1, or 2 where it is not | nil, "closed" without a connection
function Http:set_keepalive()
  if not self.host then return nil, "closed" end
  local response = self.response
  self.host, self.response = nil, nil
  return response and response:discard() and 2 or 1
end

--- Ends the response that is not read to its end, and its connection. Returns 1 | nil, "closed"
function Http:close()
  if not self.host then return nil, "closed" end
  if self.response then self.response:discard() end
  self.host, self.response = nil, nil
  return 1
end

--- How many requests the connection has had before.
function Http:get_reused_times() return self.reused end

-- A function, a table of strings, or a string.
local function body_of(body, length)
  if type(body) == "table" then return table.concat(body) end
  if type(body) == "function" then return { read = body, length = length } end
  return body
end

-- Takes Host out of the fields. Returns the name that the request is for, or nil
local function take_name(sent)
  for name, value in pairs(sent) do
    if name:lower() == "host" then
      sent[name] = nil
      return value:match "^(%[.*%])" or value:match "^[^:]*"
    end
  end
end

-- Returns the URL, the query where it is a table
local function target_of(self, name, params)
  local unix = self.host:match "^unix:(.*)$"
  local host = unix and core.url.escape(unix)
    or name:find ":" and not name:find "^%[" and "[" .. name .. "]" or name
  local path, query = params.path or "/", params.query
  if type(query) == "string" then
    query = query:gsub("^%?", "")
    path, query = query == "" and path or path .. "?" .. query, nil
  end
  return ("%s://%s%s%s"):format(unix and "http+unix" or self.scheme, host,
    self.port and not unix and ":" .. self.port or "", path), query
end

-- Returns a response | nil, message
local function send(self, params)
  local sent, length, expects = fields.split(params.headers)
  local name = self.host
  if not name:find "^unix:" then name = take_name(sent) or self.name or name end
  local url, query = target_of(self, name, params)
  local client = client_of(name, self.host, self.verifies)
  local response, message, err = in_place(client.request, client, {
    url = url,
    query = query,
    method = params.method,
    headers = sent,
    body = body_of(params.body, length),
    expect_continue = expects and params.body ~= nil or nil,
    proxy = self.proxy,
    timeout = timeouts_of(self),
    redirects = false,
    decompress = false,
    stream = true,
  })
  if not response then return nil, words(message, err) end
  if self.response then self.response:discard() end
  self.response = response_of(response)
  self.reused = self.reused + 1
  return self.response
end

--- Sends a request: { method =, path =, query = (text or a table), headers =, body = (text, table
-- of texts, or a function that returns the next piece) }. Yields.
-- Returns a response: status, reason, headers, has_body, body_reader, read_body(), read_trailers()
-- | nil, message
function Http:request(params)
  if not self.host then return nil, "not connected" end
  return send(self, params or {})
end

--- Several requests: each is sent when the first field of its response is asked for.
-- Returns their responses
function Http:request_pipeline(all)
  if not self.host then return nil, "not connected" end
  local list = {}
  for i, params in ipairs(all) do
    list[i] = setmetatable({}, { __index = function(one, key)
      setmetatable(one, nil)
      if list[i - 1] then list[i - 1].read_body(list[i - 1]) end
      local response = self:request(params)
      for name, value in pairs(response or {}) do one[name] = value end
      setmetatable(one, getmetatable(response))
      return one[key]
    end })
  end
  return list
end

--- The parts of a URL. Returns { scheme, host, port, path, query } | nil, message
function Http.parse_uri(_, uri, query_in_path)
  if uri:find "^//" then uri = "http:" .. uri end
  local parts, message = core.url.parse(uri)
  if not parts or not parts.host then return nil, message or "bad uri: " .. uri end
  local path, query = parts.path ~= "" and parts.path or "/", parts.query or ""
  if query_in_path ~= false and query ~= "" then path, query = path .. "?" .. query, "" end
  return { parts.scheme, parts.host, parts.port, path, query }
end

--- Connects, sends, reads the whole body, and keeps the connection. Yields.
-- Returns a response with `body` | nil, message
function Http:request_uri(uri, params)
  params = params or {}
  local parts, message = self:parse_uri(uri, false)
  if not parts then return nil, message end
  local options = {}
  for key, value in pairs(params) do options[key] = value end
  options.path = options.path or parts[4]
  options.query = options.query or parts[5]
  self:connect {
    scheme = parts[1], host = parts[2], port = parts[3],
    ssl_verify = params.ssl_verify, proxy_opts = params.proxy_opts,
  }
  local response
  response, message = self:request(options)
  if not response then return nil, message end
  local body
  body, message = response:read_body()
  if not body then
    self:close()
    return nil, message
  end
  response.body = body
  self:set_keepalive()
  return response
end

return http
