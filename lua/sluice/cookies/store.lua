--- Cookies by domain, bounded: 50 for each domain and 3000 in all. What is evicted first
-- is what RFC 6265bis 5.7 says: expired ones, then of a full domain those that are not secure,
-- then those that were not used for the longest time.

local Store = {}
Store.__index = Store

local most_of_domain, most_in_all = 50, 3000

--- An empty store. `version` changes whenever a request might be sent other cookies than before.
function Store.new()
  return setmetatable({
    version = 0,
    count = 0,
    clock = 0, -- counts what happens: creations and uses are in this order
    domains = {}, -- arrays of cookies
    secure = {}, -- by name, sets of cookies that are secure
    soonest = math.huge, -- no cookie expires before
    queue = {}, -- cookies in the order of their last use, when it was made
    front = 1, -- of the queue
  }, Store)
end

local function tick(self)
  self.clock = self.clock + 1
  return self.clock
end

local function note_change(self) self.version = self.version + 1 end

-- ---- sets of secure cookies ----

local function forget_secure(self, cookie)
  local set = self.secure[cookie.name]
  if not set then return end
  set[cookie] = nil
  if not next(set) then self.secure[cookie.name] = nil end
end

local function note_secure(self, cookie)
  if not cookie.secure then return forget_secure(self, cookie) end
  local set = self.secure[cookie.name]
  if not set then
    set = {}
    self.secure[cookie.name] = set
  end
  set[cookie] = true
end

--- Iterates over the secure cookies of a name.
function Store:each_secure(name) return pairs(self.secure[name] or {}) end

-- ---- leaving ----

local function drop(self, cookie)
  local list = self.domains[cookie.domain]
  for i, other in ipairs(list) do
    if other == cookie then
      table.remove(list, i)
      break
    end
  end
  if not list[1] then self.domains[cookie.domain] = nil end
  forget_secure(self, cookie)
  cookie.is_gone, cookie.value = true, "" -- the queue may hold it for some time
  self.count = self.count - 1
  note_change(self)
end

-- Removes those for which `test` is true. Returns how many.
local function drop_all(self, test)
  local leaving = {}
  for _, list in pairs(self.domains) do
    for _, cookie in ipairs(list) do
      if test(cookie) then leaving[#leaving + 1] = cookie end
    end
  end
  for _, cookie in ipairs(leaving) do drop(self, cookie) end
  return #leaving
end

--- Removes what has expired.
function Store:expire(now)
  if now < self.soonest then return end
  local soonest = math.huge
  drop_all(self, function(cookie)
    local expires = cookie.expires
    if not expires then return false end
    if expires > now then soonest = math.min(soonest, expires) end
    return expires <= now
  end)
  self.soonest = soonest
end

--- Removes the cookies of a domain, or all (nil). Returns how many.
function Store:clear(domain)
  return drop_all(self, function(cookie) return not domain or cookie.domain == domain end)
end

local function comes_first(one, other)
  if one.secure ~= other.secure then return not one.secure end
  return one.used < other.used
end

local function drop_of_domain(self, list)
  local first = list[1]
  for i = 2, #list do
    if comes_first(list[i], first) then first = list[i] end
  end
  drop(self, first)
end

-- Makes the queue anew: sorting once serves as many evictions as there are cookies.
local function make_queue(self)
  local queue = {}
  for _, list in pairs(self.domains) do
    for _, cookie in ipairs(list) do
      cookie.queued = cookie.used
      queue[#queue + 1] = cookie
    end
  end
  table.sort(queue, function(one, other) return one.used < other.used end)
  self.queue, self.front = queue, 1
end

-- The cookie that was not used for the longest time. One that was used after the queue was made
-- was used after all others in it.
local function least_used(self)
  while true do
    local cookie = self.queue[self.front]
    if not cookie then
      make_queue(self)
    else
      self.queue[self.front] = false
      self.front = self.front + 1
      if not cookie.is_gone and cookie.queued == cookie.used then return cookie end
    end
  end
end

local function evict(self, list, now)
  if #list > most_of_domain or self.count > most_in_all then self:expire(now) end
  if #list > most_of_domain then drop_of_domain(self, list) end
  while self.count > most_in_all do drop(self, least_used(self)) end
end

-- ---- entering ----

local function find(self, wanted)
  for _, cookie in ipairs(self.domains[wanted.domain] or {}) do
    if cookie.name == wanted.name and cookie.path == wanted.path
      and cookie.host_only == wanted.host_only then
      return cookie
    end
  end
end

local function replace(self, cookie, by)
  local ends, will_end = cookie.expires or math.huge, by.expires or math.huge
  if cookie.value ~= by.value or cookie.secure ~= by.secure or will_end < ends then
    note_change(self)
  end
  cookie.value, cookie.expires, cookie.secure = by.value, by.expires, by.secure
  cookie.http_only, cookie.same_site = by.http_only, by.same_site
  cookie.used = tick(self)
  note_secure(self, cookie)
end

local function insert(self, from, now)
  local cookie = {
    name = from.name, value = from.value, domain = from.domain, host_only = from.host_only,
    path = from.path, expires = from.expires, secure = from.secure, http_only = from.http_only,
    same_site = from.same_site,
  }
  local list = self.domains[cookie.domain]
  if not list then
    list = {}
    self.domains[cookie.domain] = list
  end
  cookie.created = tick(self)
  cookie.used = cookie.created
  list[#list + 1] = cookie
  self.count = self.count + 1
  note_secure(self, cookie)
  note_change(self)
  evict(self, list, now)
end

--- Stores a cookie. It takes the place, and the age, of one with the same name, domain, host_only
-- and path; one that has expired already only removes that.
function Store:put(cookie, now)
  local old = find(self, cookie)
  if cookie.expires and cookie.expires <= now then
    if old then drop(self, old) end
    return
  end
  if cookie.expires then self.soonest = math.min(self.soonest, cookie.expires) end
  if old then replace(self, old, cookie) else insert(self, cookie, now) end
end

-- ---- asking ----

--- The cookies of a domain, an array not to be changed; nil: there are none.
function Store:of_domain(domain) return self.domains[domain] end

--- Notes that these cookies were sent.
function Store:touch(list)
  local now = tick(self)
  for i = 1, #list do list[i].used = now end
end

--- All cookies, the oldest first, in a new array.
function Store:all()
  local all = {}
  for _, list in pairs(self.domains) do table.move(list, 1, #list, #all + 1, all) end
  table.sort(all, function(one, other) return one.created < other.created end)
  return all
end

return Store
