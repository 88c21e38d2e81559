--- The choice of a proxy for a URL: the option `proxy`, read once, and its answer for each
-- URL. A proxy is { kind, host, port, user, password, key, text }: `key` is different for
-- each proxy, `text` names it without its credentials.

local core = require "sluice.core"
local failure = require "sluice.failure"
local no_proxy = require "sluice.no_proxy"

local proxy = {}

-- The kind of a scheme, and its port. Names are resolved by a SOCKS5 proxy in any case.
local schemes = {
  http = { kind = "http", port = 80 },
  socks5 = { kind = "socks5", port = 1080 },
  socks5h = { kind = "socks5", port = 1080 },
}

local function decode(text)
  local decoded = core.url.unescape(text)
  if not decoded or decoded:find("\0", 1, true) then return nil end
  return decoded
end

-- Fills in user and password. Returns nil | the reason
local function add_credentials(made, userinfo)
  local user, password = userinfo:match "^([^:]*):?(.*)$"
  made.user, made.password = decode(user), decode(password)
  if not made.user or not made.password then return "its user info is malformed" end
  if made.kind == "http" and made.user:find(":", 1, true) then return "a colon in the user" end
  if made.kind == "socks5" and (#made.user < 1 or #made.user > 255 or #made.password > 255) then
    return "user of 1 to 255 bytes, password of 255 at most"
  end
end

-- A proxy | nil, reason, which does not show its credentials
local function read_url(text)
  local scheme, rest = text:match "^(%a[%w+.-]*)(://.*)$"
  if not scheme then return nil, "it has no scheme" end
  local known = schemes[scheme:lower()]
  if not known then return nil, "its scheme is not http or socks5" end
  local url, message = core.url.target("http" .. rest)
  if not url then return nil, (message:gsub("^url: ", "")) end
  if url.query or url.fragment or url.path ~= "" and url.path ~= "/" then
    return nil, "it has a path or a query"
  end
  local port = core.url.parse(text).port or known.port
  local shown = url.is_ipv6 and ("[" .. url.host .. "]") or url.host
  local made = { kind = known.kind, host = url.host, port = port }
  made.text = ("%s://%s:%d"):format(known.kind, shown, port)
  if url.userinfo and url.userinfo ~= "" then
    local reason = add_credentials(made, url.userinfo)
    if reason then return nil, reason end
  end
  -- Their sizes keep user and password apart, whatever bytes they hold.
  made.key = made.user and ("%s %d:%s:%s"):format(made.text, #made.user, made.user, made.password)
    or made.text
  return made
end

local expected = 'URL of http:// or socks5://, "env", false or { url =, no_proxy = {...} }'

-- Checks a table of `url` and `no_proxy`. Returns nil, or the expected value and the wrong key.
local function check_table(value)
  for key in pairs(value) do
    if key ~= "url" and key ~= "no_proxy" then return nil, key end
  end
  if type(value.url) ~= "string" then return "URL of http:// or socks5://", "url" end
  local made, reason = read_url(value.url)
  if not made then return ("URL of a proxy (%s)"):format(reason), "url" end
  if value.no_proxy == nil then return nil end
  if type(value.no_proxy) ~= "table" then return "array of names and addresses", "no_proxy" end
  for _, entry in ipairs(value.no_proxy) do
    if type(entry) ~= "string" or not no_proxy.read { entry } then
      return "array of names, addresses and networks", "no_proxy"
    end
  end
end

--- Checker of the option `proxy`.
function proxy.check(value)
  if value == false or value == "env" then return nil end
  if type(value) == "table" then return check_table(value) end
  if type(value) ~= "string" then return expected end
  local made, reason = read_url(value)
  if not made then return ("%s (%s)"):format(expected, reason) end
end

-- The proxy in an environment variable. Only lower-case names are read: in a CGI program the
-- client of the server can set HTTP_PROXY.
-- Returns a proxy or nil | nil, message, err
local function read_variable(name)
  local value = os.getenv(name)
  if not value or value == "" then return nil end
  if not value:find("://", 1, true) then value = "http://" .. value end
  local made, reason = read_url(value)
  if not made then return failure.new("invalid", "environment", name .. ": " .. reason) end
  return made
end

local function read_environment()
  local made = {}
  for i, name in ipairs { "http_proxy", "https_proxy", "all_proxy" } do
    local found, message, err = read_variable(name)
    if err then return nil, message, err end
    made[i] = found or false
  end
  local list, wrong = no_proxy.read(no_proxy.split(os.getenv "no_proxy" or ""))
  if not list then
    return failure.new("invalid", "environment",
      ("no_proxy: '%s' is not a name, address or network"):format(wrong))
  end
  return { http = made[1] or made[3], https = made[2] or made[3], exempt = list }
end

--- Reads a checked option, and the environment if it says so.
-- Returns what `choose` takes | nil, message, err (invalid)
function proxy.read(option)
  if option == "env" then return read_environment() end
  if not option then return {} end
  if type(option) == "string" then option = { url = option } end
  local made = read_url(option.url)
  return { http = made, https = made, exempt = no_proxy.read(option.no_proxy or {}) }
end

--- The proxy for a parsed URL, or nil.
function proxy.choose(choices, url)
  local made = choices[url.scheme]
  if not made or no_proxy.covers(choices.exempt, url.host, url.port) then return nil end
  return made
end

--- Whether a request for that URL goes to the proxy itself, in absolute form (RFC 9112 3.2.2).
function proxy.is_asked(made, url) return made.kind == "http" and url.scheme == "http" end

return proxy
