--- A jar of cookies: takes them from responses and gives them to requests, by the rules of
-- RFC 6265bis. Several clients may share one. Values are in no message and no `tostring`.

local CookieOrigin = require "sluice.cookies.origin"
local Store = require "sluice.cookies.store"
local check = require "sluice.check"
local cookie_file = require "sluice.cookies.file"
local cookies = require "sluice.cookies.cookie"
local failure = require "sluice.failure"
local plan = require "sluice.plan"
local suffixes = require "sluice.cookies.suffixes"
local values = require "sluice.values"

local Jar = {}
Jar.__index = Jar
Jar.__name = "sluice.cookie_jar"

local schema = { suffixes = check.either("path or false", check.off, check.content) }

-- The list of public suffixes, or nil: there is none | nil, message, err
local function find_suffixes(path)
  if path then return suffixes.read(path) end
  if path == nil then return suffixes.of_library() end
  return nil
end

--- A new jar. `suffixes` is the name of a file of public suffixes; without it the list of libpsl
-- is used, if the core was built with that; false: none.
-- Returns a jar | nil, message, err (invalid: the file; names its line). Misuse raises.
function Jar.new(options)
  if options == nil then options = {} end
  check.options("cookie_jar", options, schema, 2)
  local list, message, err = find_suffixes(options.suffixes)
  if err then return nil, message, err end
  return setmetatable({ store = Store.new(), suffixes = list or false }, Jar)
end

-- ---- receiving (RFC 6265bis 5.7) ----

-- Where a cookie belongs that `host` set with that Domain attribute.
-- Returns the domain, and whether it is for that host only | nil: the cookie is to be ignored
local function find_domain(self, host, attribute)
  if attribute == nil or attribute == "" or not cookies.is_name(host) then
    local is_own = attribute == nil or attribute == "" or attribute == host
    return is_own and host or nil, true
  end
  if not cookies.domain_matches(host, attribute) then return nil end
  if not self.suffixes then return host, true end
  if not self.suffixes:is_public(attribute) then return attribute, false end
  return attribute == host and host or nil, true
end

-- Whether a cookie that did not come safely would stand in for one that did.
local function overlays(self, cookie)
  for other in self.store:each_secure(cookie.name) do
    if cookies.path_matches(cookie.path, other.path)
      and (cookies.domain_matches(other.domain, cookie.domain)
        or cookies.domain_matches(cookie.domain, other.domain)) then
      return true
    end
  end
  return false
end

local function receive(self, place, line, now)
  local cookie = cookies.parse(line, now)
  if not cookie then return end
  cookie.domain, cookie.host_only = find_domain(self, place.host, cookie.domain)
  if not cookie.domain then return end
  cookie.path = cookie.path or cookies.default_path(place.path)
  if cookies.refusal(cookie) then return end
  if not place.is_secure and (cookie.secure or overlays(self, cookie)) then return end
  self.store:put(cookie, now)
end

--- Stores what the Set-Cookie lines of a response to `place` (see cookies.place) say.
function Jar:receive(place, lines)
  local now = os.time()
  for _, line in ipairs(lines) do receive(self, place, line, now) end
end

-- ---- giving (RFC 6265bis 5.8.3) ----

local function longer_path_first(one, other)
  if #one.path ~= #other.path then return #one.path > #other.path end
  return one.created < other.created
end

local function add_matching(list, found, place, is_above)
  for _, cookie in ipairs(found or {}) do
    if not (is_above and cookie.host_only) and (place.is_secure or not cookie.secure)
      and cookies.path_matches(place.path, cookie.path) then
      list[#list + 1] = cookie
    end
  end
end

--- The cookies for a request to `place` (see cookies.place), in the order to be sent.
-- Returns an array, and the time when the first of them expires (nil: none does)
function Jar:matching(place)
  local store, list = self.store, {}
  store:expire(os.time())
  add_matching(list, store:of_domain(place.host), place, false)
  local above = self.suffixes and cookies.is_name(place.host) and place.host:match "%.(.+)$"
  while above do
    local found = store:of_domain(above)
    -- The list may have changed since the cookie was stored, or loaded.
    if found and not self.suffixes:is_public(above) then add_matching(list, found, place, true) end
    above = above:match "%.(.+)$"
  end
  table.sort(list, longer_path_first)
  local soonest
  for _, cookie in ipairs(list) do
    local expires = cookie.expires
    if expires and (not soonest or expires < soonest) then soonest = expires end
  end
  return list, soonest
end

--- Takes the place of the core's origin for requests to a URL: see cookie_origin.lua.
function Jar:attach(origin, url, list, is_relayed)
  return CookieOrigin.new(origin, self, url, list, is_relayed)
end

-- ---- for programs ----

local function copy_of(cookie)
  return {
    name = cookie.name, value = cookie.value, domain = cookie.domain,
    host_only = cookie.host_only, path = cookie.path, expires = cookie.expires,
    secure = cookie.secure, http_only = cookie.http_only, same_site = cookie.same_site,
  }
end

local function check_jar(self, name)
  if getmetatable(self) ~= Jar then
    error(("%s: called without a jar: write jar:%s(...), with a colon"):format(name, name), 3)
  end
end

local cookie_schema = {
  name = check.string,
  value = check.string,
  domain = check.content,
  host_only = check.boolean,
  path = check.string,
  expires = function(value)
    if math.type(value) == "integer" then return nil end
    return "integer of seconds since 1970"
  end,
  secure = check.boolean,
  http_only = check.boolean,
  same_site = check.one_of("Strict", "Lax", "None"),
}

local function check_cookie(given)
  check.options("set", given, cookie_schema, 3)
  for _, name in ipairs { "name", "value", "domain" } do
    if given[name] == nil then error(("set: option '%s': missing"):format(name), 3) end
  end
end

-- Why a cookie cannot be for the hosts below its domain, or nil.
local function refusal_of_domain(self, cookie)
  if cookie.host_only then return nil end
  if not cookies.is_name(cookie.domain) then
    return "no host is below an address (host_only)"
  elseif not self.suffixes then
    return "hosts below it need a list of public suffixes (cookie_jar{ suffixes = path })"
  elseif self.suffixes:is_public(cookie.domain) then
    return "it is a public suffix: cookies for all hosts below it are refused"
  end
end

--- Stores a cookie of the program's own: `name`, `value` and `domain`, for requests to that host
-- alone unless `host_only` is false or the domain begins with a dot; `path` ("/"), `expires`
-- (seconds since 1970; nil: kept as long as the jar; one that has passed removes the cookie),
-- `secure`, `http_only`, `same_site`. It replaces the one of the same name, domain, host_only and
-- path.
-- Returns true | nil, message, err (invalid). Misuse raises.
function Jar:set(given)
  check_jar(self, "set")
  check_cookie(given)
  local now = os.time()
  local cookie = copy_of(given)
  cookie.domain = given.domain:gsub("^%.", ""):lower()
  if given.host_only == nil then cookie.host_only = not given.domain:find "^%." end
  cookie.path = given.path or "/"
  cookie.secure, cookie.http_only = given.secure or false, given.http_only or false
  cookie.expires = cookies.bounded(given.expires, now)
  local wrong = cookies.fault(cookie)
  if wrong then
    return failure.new("invalid", ("cookie '%s'"):format(values.shown(given.name, 64)), wrong)
  end
  wrong = refusal_of_domain(self, cookie)
  if wrong then
    return failure.new("invalid", ("cookie '%s': domain '%s'"):format(
      values.shown(given.name, 64), values.shown(given.domain, 64)), wrong)
  end
  self.store:put(cookie, now)
  return true
end

--- The value of the cookie of that name that a request to the URL would have.
-- Returns the value, or nil: none | nil, message, err (invalid: the URL)
function Jar:get(url, name)
  check_jar(self, "get")
  if type(url) ~= "string" then error("get: url: string expected, got " .. type(url), 2) end
  if type(name) ~= "string" then error("get: name: string expected, got " .. type(name), 2) end
  local parsed, message, err = plan.parse(url)
  if not parsed then return nil, message, err end
  for _, cookie in ipairs((self:matching(cookies.place(parsed)))) do
    if cookie.name == name then return cookie.value end
  end
  return nil
end

--- Iterates over all cookies that have not expired, the oldest first: tables of the fields that
-- `set` takes. They are copies: changing one changes nothing in the jar.
function Jar:cookies()
  check_jar(self, "cookies")
  self.store:expire(os.time())
  local all, position = self.store:all(), 0
  return function()
    repeat position = position + 1 until not (all[position] and all[position].is_gone)
    return all[position] and copy_of(all[position])
  end
end

--- Removes all cookies, or those of one domain, without those of the hosts below it.
-- Returns how many were removed.
function Jar:clear(domain)
  check_jar(self, "clear")
  if domain ~= nil and type(domain) ~= "string" then
    error("clear: domain: string expected, got " .. type(domain), 2)
  end
  return self.store:clear(domain and domain:gsub("^%.", ""):lower())
end

local function check_path(path, name)
  if type(path) ~= "string" then
    error(("%s: path: string expected, got %s"):format(name, type(path)), 3)
  end
end

--- Adds the cookies of a file in Netscape's format, all of it or nothing; those that have expired
-- are left out. What only the file's domain says for hosts below it holds if the jar has a list of
-- public suffixes. The file is read at once.
-- Returns how many were added | nil, message, err (invalid: names the line, but no value)
function Jar:load(path)
  check_jar(self, "load")
  check_path(path, "load")
  local now, count = os.time(), 0
  local list, message, err = cookie_file.read(path, now)
  if not list then return nil, message, err end
  for _, cookie in ipairs(list) do
    if not cookie.expires or cookie.expires > now then count = count + 1 end
    self.store:put(cookie, now)
  end
  return count
end

local save_schema = { session = check.boolean }

--- Writes the cookies to a file in Netscape's format, whole or not at all; only its owner may read
-- it. Cookies without `expires` are left out unless `session` is true; so are those with a tab,
-- which the format cannot hold. The file is written at once.
-- Returns how many were written, and how many the format cannot hold | nil, message, err (invalid)
function Jar:save(path, options)
  check_jar(self, "save")
  check_path(path, "save")
  if options == nil then options = {} end
  check.options("save", options, save_schema, 2)
  self.store:expire(os.time())
  local list = {}
  for _, cookie in ipairs(self.store:all()) do
    if cookie.expires or options.session then list[#list + 1] = cookie end
  end
  return cookie_file.write(path, list)
end

--- The count of cookies that have not expired.
function Jar:__len()
  self.store:expire(os.time())
  return self.store.count
end

function Jar:__tostring() return ("sluice.cookie_jar (%d)"):format(#self) end

return Jar
