--- What Set-Cookie says, and which requests a cookie is for (RFC 6265bis).
-- A cookie is { name, value, domain, host_only, path, expires, secure, http_only, same_site }, with
-- `expires` in seconds since 1970 (nil: at the end of the session). Nothing is kept here; the
-- rules that compare it with other cookies are those of cookie_jar.lua.

local cookie_date = require "sluice.cookies.date"

local cookies = {}

-- RFC 6265bis 5.6: bytes of name and value together, and of the value of an attribute.
local most_pair, most_attribute = 4096, 1024

-- 5.5: 400 days.
local longest_life = 400 * 24 * 60 * 60

-- All control characters but the tab.
local controls = "[\0-\8\10-\31\127]"

-- ---- reading ----

local is_blank = { [32] = true, [9] = true }

-- Without the blanks at both ends. A pattern for both ends would look at each run of blanks in
-- between as often as it is long.
local function trim(text)
  local from = text:find "[^ \t]"
  if not from then return "" end
  local to = #text
  while is_blank[text:byte(to)] do to = to - 1 end
  return text:sub(from, to)
end

-- Both sides of the first "=", trimmed; without one `alone` says which side the text is.
local function split(text, alone)
  local at = text:find("=", 1, true)
  if at then return trim(text:sub(1, at - 1)), trim(text:sub(at + 1)) end
  if alone == "name" then return trim(text), "" end
  return "", trim(text)
end

local same_sites = { strict = "Strict", lax = "Lax", none = "None" }

-- By name in lower case: function(cookie, value, now). The last attribute of a name counts.
local attributes = {}

attributes["expires"] = function(cookie, value)
  cookie.expires_at = cookie_date.parse(value) or cookie.expires_at
end

attributes["max-age"] = function(cookie, value, now)
  if not value:find "^%-?%d+$" then return end
  local seconds = math.min(tonumber(value), longest_life)
  cookie.ends_at = seconds > 0 and now + seconds or math.mininteger
end

attributes["domain"] = function(cookie, value)
  cookie.domain = value:gsub("^%.", ""):lower()
end

attributes["path"] = function(cookie, value)
  cookie.has_path = true
  cookie.path = value:find "^/" and value or nil
end

attributes["secure"] = function(cookie) cookie.secure = true end
attributes["httponly"] = function(cookie) cookie.http_only = true end

attributes["samesite"] = function(cookie, value)
  cookie.same_site = same_sites[value:lower()]
end

local function read_attribute(cookie, text, now)
  local name, value = split(text, "name")
  local apply = #value <= most_attribute and attributes[name:lower()]
  if apply then apply(cookie, value, now) end
end

--- The time at which a cookie ends, no later than 400 days after `now`.
function cookies.bounded(expires, now) return expires and math.min(expires, now + longest_life) end

--- Reads the value of a Set-Cookie line that was received at `now` (RFC 6265bis 5.6).
-- Returns a cookie, whose `domain` is that of its attribute ("" or nil: none) and whose `path` may
-- be nil, with `has_path` for whether there was such an attribute: without it a path of "/" is no
-- promise of __Host- | nil: the line is to be ignored
function cookies.parse(line, now)
  if line:find(controls) then return nil end
  local stop = line:find(";", 1, true)
  local name, value = split(stop and line:sub(1, stop - 1) or line, "value")
  if name == "" and value == "" or #name + #value > most_pair then return nil end
  local cookie = { name = name, value = value, secure = false, http_only = false,
    has_path = false }
  for attribute in line:gmatch(";([^;]*)", stop or #line + 1) do
    if attribute ~= "" then read_attribute(cookie, attribute, now) end
  end
  if cookie.domain and cookie.domain:find "[\128-\255]" then return nil end
  cookie.expires = cookies.bounded(cookie.ends_at or cookie.expires_at, now)
  cookie.ends_at, cookie.expires_at = nil, nil
  return cookie
end

-- ---- whether it may be kept ----

local function has_prefix(text, prefix) return text:sub(1, #prefix):lower() == prefix end

-- RFC 6265bis 5.4, 5.7: what names and values with a prefix promise.
local function broken_promise(cookie)
  local name, value = cookie.name, cookie.value
  if name == "" and (has_prefix(value, "__secure-") or has_prefix(value, "__host-")) then
    return "a value that begins with __Secure- or __Host- needs a name"
  elseif has_prefix(name, "__secure-") and not cookie.secure then
    return "__Secure- needs secure"
  elseif has_prefix(name, "__host-") and not (cookie.secure and cookie.host_only
    and cookie.path == "/" and cookie.has_path ~= false) then
    return "__Host- needs secure, host_only and the path /"
  elseif cookie.same_site == "None" and not cookie.secure then
    return "same_site None needs secure"
  end
end

local function place_fault(cookie)
  local domain, path = cookie.domain, cookie.path
  if domain == "" or #domain > most_attribute or domain:find "[^A-Za-z0-9_.:%%-]"
    or domain:find "^%." or domain:find("..", 1, true) then
    return "the domain is no host name or address"
  elseif not path:find "^/" or #path > most_attribute or path:find(controls)
    or path:find(";", 1, true) then
    return "the path does not begin with /, is too long, or has a control character or ;"
  end
end

--- The reason why a cookie that was read from a line, and has a domain and a path now, cannot be
-- kept, or nil.
function cookies.refusal(cookie)
  -- The path of a URL has no limit of its own.
  if #cookie.path > most_attribute then return "the path is too long" end
  return broken_promise(cookie)
end

--- The reason why a cookie from elsewhere cannot be kept, without its value, or nil.
function cookies.fault(cookie)
  local name, value = cookie.name, cookie.value
  if name == "" and value == "" then return "neither name nor value" end
  if #name + #value > most_pair then
    return ("name and value exceed %d bytes"):format(most_pair)
  elseif name:find "[=;]" or value:find(";", 1, true) then
    return "the name contains '=' or ';', or the value ';'"
  elseif name:find(controls) or value:find(controls) then
    return "a control character"
  elseif trim(name) ~= name or trim(value) ~= value then
    return "blanks around the name or the value"
  end
  return place_fault(cookie) or broken_promise(cookie)
end

-- ---- matching ----

--- Whether a host has a name: what is below it, or above, counts only then (5.1.3). Addresses
-- have none, nor have unix sockets, whose path is percent-encoded.
function cookies.is_name(host)
  return not host:find "[:%%]" and not host:find "^%d+%.%d+%.%d+%.%d+$"
end

--- Whether a host is that domain or lies below it (RFC 6265bis 5.1.3).
function cookies.domain_matches(host, domain)
  if host == domain then return true end
  return #host > #domain and host:sub(-#domain - 1) == "." .. domain and cookies.is_name(host)
end

--- The path of a cookie without one (RFC 6265bis 5.1.4).
function cookies.default_path(path) return path:match "^(/.*)/" or "/" end

--- Whether the path of a request lies at or below that of a cookie (RFC 6265bis 5.1.4).
function cookies.path_matches(path, cookie_path)
  if path:sub(1, #cookie_path) ~= cookie_path then return false end
  return #path == #cookie_path or cookie_path:find "/$" ~= nil
    or path:byte(#cookie_path + 1) == 47
end

-- Hosts that are this machine: what is sent to them stays here.
local function is_local(host)
  return host == "localhost" or host == "::1" or host:find "^127%.%d+%.%d+%.%d+$" ~= nil
end

local function escape(byte) return ("%%%02x"):format(byte:byte()) end

--- Where a request goes, for comparing with cookies. `is_relayed`: a proxy sees it.
-- Returns { host, path, is_secure } of a URL parsed by plan.parse
function cookies.place(url, is_relayed)
  local host = url.host:gsub("%.$", "")
  if url.unix_path then
    -- In lower case like a name, but sockets have case.
    host = url.unix_path:gsub("[^a-z0-9._~-]", escape)
    if not host:find("%", 1, true) then host = "%" .. host end
  end
  return {
    host = host,
    path = url.target:match "^[^?]*",
    is_secure = url.scheme == "https" or url.unix_path ~= nil
      or not is_relayed and is_local(host),
  }
end

-- ---- writing ----

-- The line of a request is not made longer than this; the rest of the cookies stays behind.
local most_line = 65536

local function names_of(text)
  local names = {}
  for pair in text:gmatch "[^;]+" do names[split(pair, "value")] = true end
  return names
end

--- The value of Cookie (RFC 6265bis 5.8.3): `own`, the caller's (nil: none), then the cookies of
-- `list` whose names are not in it.
-- Returns the value, or nil: there is nothing to send
function cookies.join(own, list)
  local names = own and names_of(own) or {}
  local parts, size = { own }, own and #own or 0
  for _, cookie in ipairs(list) do
    local name = cookie.name
    local pair = name == "" and cookie.value or name .. "=" .. cookie.value
    size = size + #pair + 2
    if size > most_line then break end
    if not names[name] then parts[#parts + 1] = pair end
  end
  return parts[1] and table.concat(parts, "; ")
end

return cookies
