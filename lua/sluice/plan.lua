--- From a URL to the parts of a request: target, Host, and the key of its connections.

local core = require "sluice.core"
local failure = require "sluice.failure"
local values = require "sluice.values"

local plan = {}

local ports = { http = 80, https = 443 }

-- http+unix://%2Frun%2Fapp.sock/path: the host is the socket's path.
local function parse_unix(text, target)
  local url = core.url.parse(text) -- as written: paths have case
  local host = url.host
  local path, message, err = core.url.unescape(host)
  if not path then return nil, message, err end
  if url.userinfo then return failure.new("invalid", "url", "a unix socket takes no user info") end
  if path:find("\0", 1, true) then
    return failure.new("invalid", "url", "zero byte in the path of a socket")
  end
  return {
    scheme = "http+unix",
    host = "localhost",
    port = 0,
    unix_path = path,
    target = target,
    authority = "localhost",
    text = "http+unix://" .. host .. target,
  }
end

--- Splits a URL that a request can be sent to.
-- Returns { scheme, host, port, unix_path, target, named, authority, userinfo, text }
-- | nil, message, err (invalid); `named` is the host as it stands in the authority, `text` names
-- the URL in messages, without user info or fragment.
function plan.parse(text)
  local url, message, err = core.url.target(text)
  if not url then return nil, message, err end
  local scheme = url.scheme:lower()
  local path = url.path
  if path == nil or path == "" then path = "/" end
  local target = url.query and (path .. "?" .. url.query) or path
  if scheme == "http+unix" then return parse_unix(text, target) end
  if not ports[scheme] then
    return failure.new("invalid", "url", "scheme is not http or https")
  end
  local host = url.host
  local named = url.is_ipv6 and ("[" .. host .. "]") or host
  local authority = url.port == ports[scheme] and named or (named .. ":" .. url.port)
  return {
    scheme = scheme,
    host = host,
    port = url.port,
    target = target,
    named = named,
    authority = authority,
    userinfo = url.userinfo,
    text = scheme .. "://" .. authority .. target,
  }
end

--- The URL of the request that opens a WebSocket at `url`: ws is http, wss is https. Any other URL
-- stays as it is.
function plan.of_socket(url) return (url:gsub("^[wW][sS]([sS]?[:+])", "http%1")) end

--- Whether two parsed URLs lead to the same origin.
function plan.same_origin(a, b)
  return a.scheme == b.scheme and a.host == b.host and a.port == b.port
    and a.unix_path == b.unix_path
end

--- A URL without its user info, for messages. Of text that is no URL everything before
-- its last "@" may be that.
function plan.shown(text)
  if core.url.target(text) then return (text:gsub("^([^/?#]*//)[^/?#]*@", "%1")) end
  local scheme = text:match "^%a[%w+.-]*:[/\\][/\\]+" or text:match "^[/\\]+" or ""
  local rest = text:match "^.*@(.*)$"
  return values.shown(rest and scheme .. rest or text, 1000)
end

return plan
