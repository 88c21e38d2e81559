--- LuaSocket's module socket.http, and LuaSec's ssl.https, over sluice: a program goes on as it is.
--
--     package.loaded["socket.http"] = require "sluice.compat.socket_http"
--
-- doc/guide/moving.md says what differs.

local core = require "sluice.core" -- first: it brings the other modules
local Client = require "sluice.client"
local check = require "sluice.check"
local fields = require "sluice.compat.fields"
local in_place = require "sluice.compat.in_place"
local ltn12 = require "sluice.compat.ltn12"
local words = require "sluice.compat.words"

--- TIMEOUT: seconds that one operation may take; nil: no limit. PROXY: the URL of a proxy.
-- USERAGENT: nil for sluice's. `client`: a client of your own, with TLS settings perhaps.
local http = { TIMEOUT = 60 }

local piece = 16 * 1024 -- bytes that a sink gets at most at once

local function check_function(value)
  local meta = getmetatable(value)
  if type(value) == "function" or type(meta) == "table" and meta.__call then return nil end
  return "function"
end

-- What else a table has is ignored, as LuaSocket ignores it.
local schema = {
  url = check.text,
  scheme = check.text,
  host = check.text,
  port = check.either("port", check.port, check.text),
  path = check.text,
  query = check.text,
  user = check.text,
  password = check.text,
  method = check.text,
  headers = check.table,
  source = check_function,
  sink = check_function,
  step = check_function,
  proxy = check.text,
  redirect = check.boolean,
  maxredirects = check.either("number or false", check.off, check.count),
}

-- Fields by which LuaSocket and LuaSec are given what belongs to a client here.
local refused = { "create", "uri", "protocol", "options", "verify", "cafile", "capath",
  "certificate", "key", "ciphers" }

-- Raises for a table that is none of a request.
local function check_request(request)
  for _, name in ipairs(refused) do
    if request[name] ~= nil then
      error(("socket_http: option '%s': connections are sluice's own: give their settings to a "
        .. "client (socket_http.client = sluice.client { tls = ... })"):format(name), 3)
    end
  end
  local known = {}
  for name in pairs(schema) do known[name] = request[name] end
  check.options("socket_http", known, schema, 3)
end

-- ---- what is asked ----

-- The parts of a URL that the request gives in place of those in its `url`.
local overrides = { "scheme", "host", "port", "path", "query", "user", "password" }

local function has_parts(request)
  for _, name in ipairs(overrides) do
    if request[name] ~= nil then return true end
  end
  return request.url == nil
end

-- Returns the URL without credentials, user, password | nil, message, err
local function locate(request)
  local parts = {}
  if request.url then
    local message, err
    parts, message, err = core.url.parse(request.url)
    if not parts then return nil, message, err end
  end
  local user, password
  if parts.userinfo then
    user, password = parts.userinfo:match "^([^:]*):?(.*)$"
    user, password = core.url.unescape(user), core.url.unescape(password)
  end
  if not has_parts(request) and not user then return request.url end
  local host = request.host or parts.host or ""
  if host:find(":", 1, true) then host = "[" .. host:gsub("[%[%]]", "") .. "]" end
  local port = request.port or parts.port
  local query = request.query or parts.query
  local path = request.path or parts.path or "/"
  return ("%s://%s%s%s%s"):format(request.scheme or parts.scheme or "http", host,
    port and ":" .. port or "", path:find "^/" and path or "/" .. path,
    query and "?" .. query or ""), request.user or user, request.password or password
end

local function redirects_of(request, method)
  if request.redirect == false or request.source then return false end
  if method ~= "GET" and method ~= "HEAD" then return false end
  if request.maxredirects == false then return math.maxinteger end
  return request.maxredirects or 5
end

local function timeouts()
  local each = http.TIMEOUT or math.huge
  return { total = math.huge, queue = each, resolve = each, connect = each, proxy = each,
    tls = each, first_byte = each, idle = each }
end

local function has_field(sent, wanted)
  for name in pairs(sent) do
    if name:lower() == wanted then return true end
  end
  return false
end

-- Returns the options of a request | nil, message, err
local function translate(request)
  local url, user, password = locate(request)
  if not url then return nil, user, password end
  local method = request.method or "GET"
  if method == "" then method = "GET" end
  local sent, length, expects = fields.split(request.headers)
  if http.USERAGENT and not has_field(sent, "user-agent") then
    sent["User-Agent"] = http.USERAGENT
  end
  local source = request.source and ltn12.pull(request.source, request.step or ltn12.step)
  local proxy = request.proxy or http.PROXY
  return {
    url = url,
    method = method,
    headers = sent,
    expect_continue = expects,
    auth = user and password and { user, password } or nil,
    body = source and { read = source, length = length },
    proxy = proxy and (proxy:find "://" and proxy or "http://" .. proxy),
    redirects = redirects_of(request, method),
    timeout = timeouts(),
    decompress = false,
    stream = true,
  }
end

-- ---- what is answered ----

-- A failure in LuaSocket's words, where it has some; the third value is sluice's error.
local function fail(message, err)
  return nil, words(message, err, "host or service not provided, or not known"), err
end

local function fields_of(response)
  local got = {}
  for name, value in pairs(response.headers) do
    name = name:lower()
    got[name] = got[name] and got[name] .. ", " .. value or value
  end
  -- A hint that the request was redirected.
  if response.redirects and response.redirects[1] then
    got.location = got.location or response.url
  end
  return got
end

local function status_line(response)
  return ("HTTP/%s %d %s"):format(response.version, response.status, response.reason)
end

-- Gives the body to the sink. Returns 1 | nil, message, err (nil where the sink failed)
local function deliver(response, request)
  local message, err
  local function source()
    local chunk
    chunk, message, err = in_place(response.read, response, piece)
    return chunk, message
  end
  local function drop(chunk, reason) return not reason and (chunk and 1 or nil), reason end
  local done, why = ltn12.pump(source, request.sink or drop, request.step or ltn12.step)
  if done then return 1 end
  return nil, message or why, err
end

local function send(request)
  local options, message, err = translate(request)
  if not options then return fail(message, err) end
  http.client = http.client or assert(Client.new())
  local response
  response, message, err = in_place(http.client.request, http.client, options)
  if not response then return fail(message, err) end
  local closing <close> = response -- luacheck: ignore
  local done
  done, message, err = deliver(response, request)
  if not done and err then return fail(message, err) end
  if not done then return nil, message end
  return 1, response.status, fields_of(response), status_line(response)
end

-- The text of a body in one piece.
local function send_simple(url, body)
  local taken = {}
  local request = {
    url = url,
    sink = function(chunk)
      taken[#taken + 1] = chunk
      return 1
    end,
  }
  if body then
    request.method = "POST"
    request.headers = { ["Content-Type"] = "application/x-www-form-urlencoded",
      ["Content-Length"] = #body }
    request.source = function()
      local given = body
      body = nil
      return given
    end
  end
  local done, code, got, status = send(request)
  if not done then return nil, code, got end
  return table.concat(taken), code, got, status
end

--- Sends a request: of a URL, with POST if there is a body (a string); or of a table with `url`,
-- or host, port, path, query, scheme, user and password; `method`, `headers`, `source`, `sink`,
-- `step`, `proxy`, `redirect`, `maxredirects`. Misuse raises. Waits in place outside tasks; yields
-- in them.
-- Returns the body (1 for a table), status, fields by lower-case name, status line
-- | nil, message in LuaSocket's words, err
function http.request(request, body)
  if type(request) == "string" then
    if body ~= nil and type(body) ~= "string" then
      error("socket_http: body: string expected, got " .. type(body), 2)
    end
    return send_simple(request, body)
  end
  if type(request) ~= "table" then
    error("socket_http: URL or table expected, got " .. type(request), 2)
  end
  check_request(request)
  return send(request)
end

return http
