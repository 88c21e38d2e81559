--- The responses that a cache holds, by key; bounded by bytes and by count. What was used longest
-- ago goes first. Bodies are sequences of the pool's memory, disposed with their entry.
--
--     entry   { key =, size =, sequence = (nil: no body), and what the cache adds }

local Store = {}
Store.__index = Store

-- Variants of one key.
local variants_most = 16

--- An empty store for at most so many bytes and entries.
function Store.new(max_bytes, max_entries)
  return setmetatable({ max_bytes = max_bytes, max_entries = max_entries, bytes = 0, count = 0,
    lists = {}, evictions = 0 }, Store)
end

--- The entries of a key, or nil.
function Store:list(key) return self.lists[key] end

-- ---- the order of use: a ring of entries from the newest to the oldest ----

local function unlink(self, entry)
  if entry.newer then entry.newer.older = entry.older else self.newest = entry.older end
  if entry.older then entry.older.newer = entry.newer else self.oldest = entry.newer end
  entry.newer, entry.older = nil, nil
end

local function link(self, entry)
  entry.older = self.newest
  if self.newest then self.newest.newer = entry else self.oldest = entry end
  self.newest = entry
end

--- Notes that an entry was used.
function Store:touch(entry)
  if self.newest == entry then return end
  unlink(self, entry)
  link(self, entry)
end

-- ---- entries ----

--- Removes an entry, and disposes its body; once.
function Store:remove(entry)
  local list = self.lists[entry.key]
  if entry.is_removed then return end
  entry.is_removed = true
  for i, one in ipairs(list) do
    if one == entry then
      table.remove(list, i)
      break
    end
  end
  if not list[1] then self.lists[entry.key] = nil end
  unlink(self, entry)
  self.bytes, self.count = self.bytes - entry.size, self.count - 1
  if entry.sequence then entry.sequence:dispose() end
end

--- Removes all entries of a key.
function Store:remove_all(key)
  local list = self.lists[key]
  while list and list[1] do self:remove(list[#list]) end
end

local function evict(self, entry)
  self:remove(entry)
  self.evictions = self.evictions + 1
end

--- Adds an entry of at most `max_bytes`.
function Store:add(entry)
  local list = self.lists[entry.key]
  if list and #list >= variants_most then
    evict(self, list[1])
    list = self.lists[entry.key]
  end
  if not list then
    list = {}
    self.lists[entry.key] = list
  end
  list[#list + 1] = entry
  link(self, entry)
  self.bytes, self.count = self.bytes + entry.size, self.count + 1
  while self.bytes > self.max_bytes or self.count > self.max_entries do evict(self, self.oldest) end
end

--- Removes everything.
function Store:clear()
  while self.oldest do self:remove(self.oldest) end
end

return Store
