--- The choice of a proxy for a URL: the option `proxy`, read once, and its answer for each
-- URL. A proxy is { kind, host, port, user, password, is_digest, tls, key, text }: `key` is
-- different for each proxy and its credentials, `text` names it without them; `tls` are the
-- settings of TLS with the proxy itself, or nil; `is_digest`: never by Basic.

local check = require "sluice.check"
local core = require "sluice.core"
local failure = require "sluice.failure"
local no_proxy = require "sluice.no_proxy"
local transports = require "sluice.transports"

local proxy = {}

-- The kind of a scheme, and its port unless the core knows it. Names are resolved by a SOCKS5
-- proxy in any case.
local schemes = {
  http = { kind = "http" },
  https = { kind = "http", is_secure = true },
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
  if not known then return nil, "its scheme is not http, https or socks5" end
  local url, message = core.url.target("http" .. rest)
  if not url then return nil, (message:gsub("^url: ", "")) end
  if url.query or url.fragment or url.path ~= "" and url.path ~= "/" then
    return nil, "it has a path or a query"
  end
  local port = core.url.parse(text).port or known.port
  local shown = url.is_ipv6 and ("[" .. url.host .. "]") or url.host
  local made = { kind = known.kind, host = url.host, port = port }
  made.tls = known.is_secure and {} or nil
  made.text = ("%s://%s:%d"):format(known.is_secure and "https" or known.kind, shown, port)
  if url.userinfo and url.userinfo ~= "" then
    local reason = add_credentials(made, url.userinfo)
    if reason then return nil, reason end
  end
  -- Their sizes keep user and password apart, whatever bytes they hold.
  made.key = made.user and ("%s %d:%s:%s"):format(made.text, #made.user, made.user, made.password)
    or made.text
  return made
end

local expected_url = "URL of http://, https:// or socks5://"
local expected_table = "{ url =, no_proxy = {...}, tls = {...}, digest = }"
local expected = ('%s, "env", false, a function or %s'):format(expected_url, expected_table)
local expected_answer = ("%s, false, nil or %s"):format(expected_url, expected_table)

-- Checks the settings of TLS with the proxy. Returns nil, or the expected value and the key.
local function check_tls(made, value)
  if not made.tls then return "URL of https:// beside it", "tls" end
  local what, key = transports.check_tls(value)
  if what or key then return what, key and "tls." .. tostring(key) or "tls" end
end

local function check_no_proxy(value)
  if value == nil then return nil end
  if type(value) ~= "table" then return "array of names and addresses", "no_proxy" end
  for _, entry in ipairs(value) do
    if type(entry) ~= "string" or not no_proxy.read { entry } then
      return "array of names, addresses and networks", "no_proxy"
    end
  end
end

-- Checks whether only digest credentials are sent. Returns nil, or the expected value and the key.
local function check_digest(made, value)
  if type(value) ~= "boolean" then return "boolean", "digest" end
  if value and made.kind ~= "http" then return "URL of http:// or https:// beside it", "digest" end
  if value and not made.user then return "user info in the URL beside it", "digest" end
end

local fields = { url = true, no_proxy = true, tls = true, digest = true }

-- Returns nil, or the expected value and the wrong key.
local function check_table(value)
  for key in pairs(value) do
    if not fields[key] then return nil, key end
  end
  if type(value.url) ~= "string" then return expected_url, "url" end
  local made, reason = read_url(value.url)
  if not made then return ("URL of a proxy (%s)"):format(reason), "url" end
  local what, key = check_no_proxy(value.no_proxy)
  if not what and value.digest ~= nil then what, key = check_digest(made, value.digest) end
  if not what and value.tls ~= nil then what, key = check_tls(made, value.tls) end
  return what, key
end

-- Checks a URL or table. Returns nil, or the expected value and the wrong key if there is one.
local function check_choice(value, wanted)
  if type(value) == "table" then return check_table(value) end
  if type(value) ~= "string" then return wanted end
  local made, reason = read_url(value)
  if not made then return ("%s (%s)"):format(wanted, reason) end
end

--- Checker of the option `proxy`.
function proxy.check(value)
  if value == false or value == "env" or check.callable(value) == nil then return nil end
  return check_choice(value, expected)
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

-- Whether a proxy may be sent digest credentials.
local function has_login(made) return made and made.kind == "http" and made.user ~= nil end

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
  local http, https = made[1] or made[3], made[2] or made[3]
  return { http = http, https = https, exempt = list,
    may_log_in = has_login(http) or has_login(https) }
end

-- What a URL or a table chooses | nil, message, err (unsupported)
local function read_choice(option)
  if type(option) == "string" then option = { url = option } end
  local made = read_url(option.url)
  if made.tls and option.tls then
    local ok, message, err = transports.has_provider(option.tls, "proxy")
    if not ok then return nil, message, err end
    made.tls = option.tls
  end
  if option.digest then made.is_digest, made.key = true, "digest " .. made.key end
  return { http = made, https = made, exempt = no_proxy.read(option.no_proxy or {}),
    may_log_in = has_login(made) }
end

--- Reads a checked option, and the environment if it says so.
-- Returns what `choose` takes | nil, message, err (invalid, unsupported)
function proxy.read(option)
  if option == "env" then return read_environment() end
  if not option then return {} end
  if check.callable(option) == nil then return { ask = option } end
  return read_choice(option)
end

-- What the function of a program chooses for that URL. What it raises is passed on; an answer
-- that is no choice raises, too. Yields if the function does.
-- Returns as read_choice, without choices for none
local function ask(f, url)
  local answer = f(url.text)
  if not answer then return {} end
  local what, key = check_choice(answer, expected_answer)
  if what or key then
    local where = key and "'" .. tostring(key) .. "'" or "its answer"
    error(("proxy, a function: %s: %s"):format(where, what and what .. " expected" or "unknown"), 0)
  end
  return read_choice(answer)
end

--- The proxy for a parsed URL, or nil. Yields if a function that is asked does.
-- Returns it | nil, message, err (unsupported)
function proxy.choose(choices, url)
  if choices.ask then
    if url.unix_path then return nil end
    local message, err
    choices, message, err = ask(choices.ask, url)
    if not choices then return nil, message, err end
  end
  local made = choices[url.scheme]
  if not made or no_proxy.covers(choices.exempt, url.host, url.port) then return nil end
  return made
end

--- Whether a checked option turns off the verification of its proxy.
function proxy.is_unverified(option)
  return type(option) == "table" and option.tls ~= nil and option.tls.verify == false
end

--- Whether a request for that URL goes to the proxy itself, in absolute form (RFC 9112 3.2.2).
function proxy.is_asked(made, url)
  return made.kind == "http" and url.scheme == "http" and not url.needs_tunnel
end

return proxy
