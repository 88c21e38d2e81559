--- The file of a download until it is complete: its bytes under a temporary name, and notes beside
-- them that say what they are.
--
--     name.sluice-part     the bytes; locked while they are written
--     name.sluice-note     of which version; which bytes, unless they came in their order; behind
--                          .sluice-part, too, while it is written
--
-- The notes are written before the bytes they are about, removed before bytes of another version
-- come, and say less than there is rather than more: so a process may end at any moment.

local core = require "sluice.core"
local notes = require "sluice.download.notes"
local ranges = require "sluice.download.ranges"
local version = require "sluice.download.version"

local Partial = {}
Partial.__index = Partial

-- Nanoseconds after which ranges are noted again.
local interval = 250000000

-- What was left by an earlier life: the version, and which bytes of it are there; or nil.
local function find(self, source)
  local known, done = notes.read(self.notes, source)
  local size = self.file:size()
  if not known or not size or not version.validator(known) then return nil end
  if not done then -- in their order
    if known.total and size > known.total then return nil end
    return known, size > 0 and { { 0, size } } or {}, true
  end
  local last = done[#done]
  if last and last[2] > size then return nil end
  return known, done, false
end

--- Opens the file for a path. `source` identifies where it comes from; without it nothing is kept,
-- nor gone on with.
-- Returns a partial | nil, reason
function Partial.open(path, source)
  local file, reason = core.open_parts(path, source ~= nil)
  if not file then return nil, reason end
  local self = setmetatable({
    file = file,
    source = source,
    notes = source and file:name():gsub("part$", "note"),
    known = {}, -- see version.lua
    done = {}, -- see ranges.lua
    is_ordered = true, -- from the first byte to the last
    noted_at = 0,
    is_over = false,
  }, Partial)
  if source then
    local known, done, is_ordered = find(self, source)
    if known then self.known, self.done, self.is_ordered = known, done, is_ordered end
  end
  return self
end

--- Whether what is there can be gone on with.
function Partial:can_go_on() return self.done[1] ~= nil and version.validator(self.known) ~= nil end

-- Returns true | nil, reason
local function write_notes(self)
  self.noted_at = core.now()
  if not self.notes or not version.validator(self.known) then return true end
  return notes.write(self.notes, self.source, self.known, not self.is_ordered and self.done or nil)
end

--- Forgets all bytes. Returns true | nil, reason
function Partial:forget()
  self.known, self.done, self.is_ordered = {}, {}, true
  if self.notes then notes.remove(self.notes) end
  return self.file:cut(0)
end

--- Forgets all bytes; those that come are of the version `known`. Returns true | nil, reason
function Partial:begin(known)
  local ok, reason = self:forget()
  if not ok then return nil, reason end
  self.known = known
  return write_notes(self)
end

--- From now on bytes may come in any order. Returns true | nil, reason
function Partial:scatter()
  if not self.is_ordered then return true end
  self.is_ordered = false
  return write_notes(self)
end

--- Writes a piece, a sequence, to the bytes from `at` on. Returns true | nil, reason
function Partial:write(piece, at)
  local from = 0
  while from < #piece do
    local to, reason = self.file:write(piece, from, at + from)
    if not to then return nil, reason end
    ranges.add(self.done, at + from, at + to)
    from = to
  end
  if not self.is_ordered and core.now() - self.noted_at > interval then return write_notes(self) end
  return true
end

--- How many bytes are there.
function Partial:count() return ranges.count(self.done) end

--- Gives the file its name. What is kept can be gone on with later if that fails.
-- Returns true | nil, reason
function Partial:commit(is_durable)
  self.is_over = true
  local ok, reason = self.file:commit(is_durable)
  if ok and self.notes then notes.remove(self.notes) end
  return ok, reason
end

--- Removes all of it.
function Partial:discard()
  if self.notes then notes.remove(self.notes) end
  self.file:discard()
  self.is_over = true
end

--- Ends it, once. What is kept can be gone on with later.
function Partial:__close()
  if self.is_over then return end
  self.is_over = true
  if not self.is_ordered then write_notes(self) end
  if self.source and not self:can_go_on() then
    self:discard()
  else
    local closing <close> = self.file -- luacheck: ignore
  end
end

return Partial
