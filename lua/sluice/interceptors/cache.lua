--- A private cache in memory (RFC 9111).
--
--     local cache = sluice.interceptors.cache { max_bytes = 64 * 1024 * 1024 }
--     client:use(cache)
--     ...
--     cache:dispose()
--
-- Responses to GET are kept, with their bodies in the pool's memory, and given to later requests of
-- the same client while they are fresh. Stale ones are validated by ETag and Last-Modified.

local answer = require "sluice.answer"
local check = require "sluice.check"
local core = require "sluice.core"
local date = require "sluice.date"
local fields = require "sluice.fields"
local plan = require "sluice.plan"
local rules = require "sluice.interceptors.cache_rules"
local Store = require "sluice.interceptors.cache_store"
local watch = require "sluice.watch"

local Cache = {}
Cache.__index = Cache
Cache.__name = "sluice.cache"

local schema = {
  max_bytes = check.positive,
  max_entries = check.positive,
  max_body = check.positive,
  clock = check.callable,
}

-- What an entry costs beside its bytes, about.
local entry_size = 1024

local function set_of(...)
  local set = {}
  for _, name in ipairs { ... } do set[name] = true end
  return set
end

-- RFC 9110 9.2.1
local safe = set_of("GET", "HEAD", "OPTIONS", "TRACE")

-- The caller's own conditions and ranges are for the server to answer.
local own_conditions = { "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since",
  "If-Range", "Range" }

-- RFC 9111 3.1: they belong to one connection. Cookies would be set anew by each use.
local not_stored = set_of("connection", "keep-alive", "proxy-connection", "proxy-authenticate",
  "proxy-authentication-info", "proxy-authorization", "te", "transfer-encoding", "upgrade",
  "trailer", "age", "set-cookie", "set-cookie2")

-- RFC 9111 3.2: a 304 does not change what describes the stored body.
local not_updated = set_of("content-length", "content-encoding", "content-range",
  "content-type")

-- ---- keys ----

-- A number that stands for an object, as long as that lives.
local function number_of(self, object)
  local number = self.numbers[object]
  if not number then
    self.last_number = self.last_number + 1
    number = self.last_number
    self.numbers[object] = number
  end
  return number
end

-- The cookie jar of a request, or nil.
local function jar_of(request)
  local own = request.options.cookies
  if own == nil then own = request.client.settings.cookies end
  return own or nil
end

-- The option `auth` of a request as a text: tables by what is in them, since another table may be
-- where one was; a function is a user of its own.
local function text_of(self, option)
  if type(option) == "function" then return tostring(number_of(self, option)) end
  if type(option) ~= "table" then return tostring(option or "") end
  local words = {}
  for key, value in pairs(option) do
    words[#words + 1] = tostring(key) .. "=" .. text_of(self, value)
  end
  table.sort(words)
  return "{" .. table.concat(words, "\0") .. "}"
end

-- The credentials of a request, so that those of one user are not answered with another's.
local function identity_of(self, request, userinfo)
  local jar = jar_of(request)
  return table.concat({ userinfo or "", tostring(request.options.decompress),
    jar and number_of(self, jar) or "", text_of(self, request:own_auth()),
    fields.secrets_text(request.fields, request.secrets or nil, request.client.secrets) }, "\n")
end

-- The key of a URL for this client; and its user info. nil: it cannot be parsed.
local function key_of(self, client, url)
  local parsed = plan.parse(url)
  if not parsed then return nil end
  return number_of(self, client) .. " " .. parsed.text, parsed.userinfo
end

-- The values of the fields that a Vary names, as one text.
local function vary_values(request, names)
  local parts = {}
  for i, name in ipairs(names) do
    local value = request:get_header(name)
    parts[i] = value and "=" .. value or "-"
  end
  return table.concat(parts, "\n")
end

-- The newest entry for the request, or nil.
local function find(self, key, identity, request)
  local list = self.store:list(key)
  for i = list and #list or 0, 1, -1 do
    local entry = list[i]
    if entry.identity == identity and entry.values == vary_values(request, entry.names) then
      return entry
    end
  end
end

-- ---- answering ----

-- The response of an entry; `sequence` is its body.
local function answer_from(request, entry, sequence, age)
  return answer.of_lines(request, entry.status, entry.reason,
    entry.lines .. ("Age: %d\r\n"):format(age), sequence)
end

-- ---- storing ----

-- The fields to keep as an array of { name, value }. RFC 9110 6.6.1: without a Date that is `now`.
local function list_fields(headers, now)
  local dropped = {}
  for name in (headers.Connection or ""):gmatch "[^%s,]+" do dropped[name:lower()] = true end
  local list = {}
  for name, value in pairs(headers) do
    local lower = name:lower()
    if not not_stored[lower] and not dropped[lower] then list[#list + 1] = { name, value } end
  end
  if not headers.Date then list[#list + 1] = { "Date", date.format(now) } end
  return list
end

local function write_lines(list)
  local lines = {}
  for i, field in ipairs(list) do lines[i] = field[1] .. ": " .. field[2] .. "\r\n" end
  return table.concat(lines)
end

-- Whether the fields that a Vary names are known here.
local function is_varied_by_known(request, names)
  for _, name in ipairs(names) do
    -- The jar adds them behind this step.
    if name == "cookie" and jar_of(request) then return false end
  end
  return true
end

-- The whole body of a response, if it is there and not too long.
local function body_of(self, response)
  if core.is_streamed(response) or not response:is_complete() or core.leads_on(response)
    or #response > self.max_body then
    return nil
  end
  return response:sequence()
end

local function store(self, place, request, response, asked)
  if self.is_disposed then return end
  local headers = response.headers
  local names = rules.vary_names(headers.Vary)
  local known = rules.storable(response.status, headers, place.directives, asked, self.clock())
  if not known or not is_varied_by_known(request, names) then return end
  local sequence = body_of(self, response)
  if not sequence then return end
  local list = list_fields(headers, self.clock())
  local lines = write_lines(list)
  local size = #sequence + #lines + entry_size
  if size > self.store.max_bytes then
    sequence:dispose()
    return
  end
  local older = find(self, place.key, place.identity, request)
  if older then self.store:remove(older) end
  self.store:add {
    key = place.key, identity = place.identity, names = names,
    values = vary_values(request, names), status = response.status, reason = response.reason,
    fields = list, lines = lines, etag = headers.ETag, modified = headers["Last-Modified"],
    known = known, sequence = sequence, size = size,
  }
end

-- ---- validating ----

-- RFC 9110 8.8.3.2: the weak comparison.
local function is_same_tag(a, b) return a:gsub("^W/", "") == b:gsub("^W/", "") end

-- Brings the fields of an entry up to date with those of a 304, and its age.
local function freshen(self, entry, place, response, asked)
  local newer, received = {}, list_fields(response.headers, self.clock())
  for _, field in ipairs(received) do
    local lower = field[1]:lower()
    if not not_updated[lower] then newer[lower] = true end
  end
  local list = {}
  for _, field in ipairs(entry.fields) do
    if not newer[field[1]:lower()] then list[#list + 1] = field end
  end
  for _, field in ipairs(received) do
    if newer[field[1]:lower()] then list[#list + 1] = field end
  end
  local values = {}
  for _, field in ipairs(list) do
    local lower = field[1]:lower()
    values[lower] = values[lower] and values[lower] .. ", " .. field[2] or field[2]
  end
  values.age = response.headers.Age
  local joined = setmetatable({}, { __index = function(_, name) return values[name:lower()] end })
  local known = rules.storable(entry.status, joined, place.directives, asked, self.clock())
  entry.fields, entry.lines = list, write_lines(list)
  entry.etag, entry.modified = joined.ETag, joined["Last-Modified"]
  if known then entry.known = known end
  return known ~= nil
end

-- Asks the server whether an entry still holds.
local function validate(self, entry, place, request, forward)
  local body <close> = entry.sequence:sub(1, #entry.sequence) -- the entry may go meanwhile
  local conditional = request.call:derive(request)
  if entry.etag then conditional:set_header("If-None-Match", entry.etag) end
  if entry.modified then conditional:set_header("If-Modified-Since", entry.modified) end
  local asked = self.clock()
  local response, message, err = forward(conditional)
  if not answer.is_response(response) then return response, message, err end
  if response.status ~= 304 then
    if response.status < 500 then self.store:remove(entry) end
    store(self, place, request, response, asked)
    self.misses = self.misses + 1
    return response
  end
  local tag = response.headers.ETag
  if tag and entry.etag and not is_same_tag(tag, entry.etag) then
    self.store:remove(entry) -- RFC 9111 4.3.4: it is another's
    response:dispose()
    return forward(request)
  end
  local is_kept = freshen(self, entry, place, response, asked)
  response:dispose()
  self.validated = self.validated + 1
  local age = rules.age(entry.known, self.clock())
  if not is_kept then
    self.store:remove(entry)
  elseif not entry.is_removed then
    self.store:touch(entry)
  end
  return answer_from(request, entry, body, age)
end

-- ---- the step ----

-- RFC 9111 4.4: an unsafe request that succeeded changes what its URL, and those that the response
-- names, would give.
local function invalidate(self, request, response)
  local client, url = request.client, request.url
  local from = plan.parse(url)
  if not from then return end
  self.store:remove_all((key_of(self, client, url)))
  for _, name in ipairs { "Location", "Content-Location" } do
    local reference = response.headers[name]
    local target = reference and core.url.resolve(url, reference)
    local to = target and plan.parse(target)
    if to and plan.same_origin(from, to) then
      self.store:remove_all((key_of(self, client, target)))
    end
  end
end

-- Whether the cache has a say in this request at all.
local function concerns(request)
  if request.upgrade or request.content then return false end
  if request.method ~= "GET" and request.method ~= "HEAD" then return false end
  for _, name in ipairs(own_conditions) do
    if request:get_header(name) then return false end
  end
  return true
end

local function pass(self, request, forward)
  local response, message, err = forward(request)
  if answer.is_response(response) and not safe[request.method] and response.status < 400 then
    invalidate(self, request, response)
  end
  return response, message, err
end

local function ask_server(self, place, request, forward)
  self.misses = self.misses + 1
  local asked = self.clock()
  local response, message, err = forward(request)
  if request.method == "GET" and answer.is_response(response) then
    store(self, place, request, response, asked)
  end
  return response, message, err
end

local function hop(self, request, forward)
  if self.is_disposed or not concerns(request) then return pass(self, request, forward) end
  local key, userinfo = key_of(self, request.client, request.url)
  if not key then return forward(request) end
  local place = { key = key, identity = identity_of(self, request, userinfo),
    directives = rules.request_directives(request) }
  local entry = find(self, key, place.identity, request)
  local now = self.clock()
  if entry and rules.is_usable(entry.known, place.directives, now) then
    self.hits = self.hits + 1
    self.store:touch(entry)
    return answer_from(request, entry, entry.sequence, rules.age(entry.known, now))
  elseif place.directives["only-if-cached"] then -- RFC 9111 5.2.1.7
    return request:answer { status = 504 }
  elseif entry and request.method == "GET" and (entry.etag or entry.modified) then
    return validate(self, entry, place, request, forward)
  end
  local response, message, err = ask_server(self, place, request, forward)
  if entry and answer.is_response(response) and request.method == "GET" then
    self.store:remove(entry) -- the newer one replaces it
  end
  return response, message, err
end

-- A plan whose URL has no entry is sent as if there were no cache.
local function form_of(self)
  return {
    open = function(watched)
      local request = watched.request
      local key, userinfo = key_of(self, request.client, request.url)
      return { key = key, identity = identity_of(self, request, userinfo), directives = {},
        request = request, is_concerned = concerns(request)
          and not (request:get_header "Cache-Control" or request:get_header "Pragma") }
    end,
    ready = function(place) return self.store.lists[place.key] == nil and place.is_concerned end,
    done = function(place, response, _, time, _, _, is_cached)
      self.misses = self.misses + 1
      if not is_cached then return end
      store(self, place, place.request, response, self.clock() - time // 1000000000)
    end,
  }
end

--- Counters: entries, bytes, hits, misses, validated (a 304 was enough), evictions.
function Cache:stats()
  return { entries = self.store.count, bytes = self.store.bytes, hits = self.hits,
    misses = self.misses, validated = self.validated, evictions = self.store.evictions }
end

--- Forgets every response; their memory goes back to the pool.
function Cache:clear() self.store:clear() end

--- The same, and nothing is kept from now on. Idempotent.
function Cache:dispose()
  self.is_disposed = true
  self.store:clear()
end

Cache.__close = Cache.dispose

function Cache:__tostring()
  return ("sluice.cache (%s)"):format(self.is_disposed and "disposed"
    or ("%d responses, %d bytes"):format(self.store.count, self.store.bytes))
end

--- An interceptor of each sending: a private cache. It holds at most `max_bytes` (16 MiB) in
-- `max_entries` (1000) responses; a body longer than `max_body` (an eighth of max_bytes) is not
-- kept. `clock` gives seconds since 1970 (os.time). Responses are kept for one client: others that
-- use the same cache have their own. Streamed responses are given, not kept. Misuse raises.
return function(options)
  if options == nil then options = {} end
  check.options("cache", options, schema, 2)
  local max_bytes = options.max_bytes or 16 * 1024 * 1024
  local self = setmetatable({
    store = Store.new(max_bytes, options.max_entries or 1000),
    max_body = options.max_body or math.max(max_bytes // 8, 1),
    clock = options.clock or os.time,
    numbers = setmetatable({}, { __mode = "k" }), -- of clients, jars and functions
    last_number = 0,
    hits = 0, misses = 0, validated = 0,
    is_disposed = false,
  }, Cache)
  self.hop = function(request, forward) return hop(self, request, forward) end
  watch.declare(self.hop, form_of(self))
  return self
end
