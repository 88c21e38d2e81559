--- Request bodies: what users give, as what the core sends.
-- A body is a string, lease, sequence, open file, { path = name }, a function that
-- returns the next piece (nil at the end), or { read = function, length = bytes }.

local core = require "sluice.core"
local failure = require "sluice.failure"

local body = {}

local Body = {}
Body.__index = Body

local function named(name) return name and ("request body '%s'"):format(name) or "request body" end

local function from_file(file, path)
  local size, reason = core.file_size(file)
  local start = size and file:seek("cur", 0)
  if not start then return failure.new("invalid", named(path), reason or "cannot be read") end
  return setmetatable({
    kind = "file",
    value = file,
    name = named(path),
    length = math.max(size - start, 0),
    start = start,
  }, Body)
end

local function from_path(path)
  local file, reason = core.open_file(path)
  if not file then return failure.new("invalid", named(path), reason) end
  local made, message, err = from_file(file, path)
  if not made then
    file:close()
    return nil, message, err
  end
  made.is_owned = true
  return made
end

-- Raises unless `value` has no other fields than these two.
local function check_fields(where, value, one, other, level)
  for key in pairs(value) do
    if key ~= one and key ~= other then
      error(("%s: unknown option 'body.%s'"):format(where, tostring(key)), level + 1)
    end
  end
end

-- In place of its caller: `level` is that of both.
local function from_table(where, value, level)
  if type(value.path) == "string" then
    check_fields(where, value, "path", "path", level)
    return from_path(value.path)
  end
  if type(value.read) == "function" then
    check_fields(where, value, "read", "length", level)
    local length = value.length
    if length ~= nil and (math.type(length) ~= "integer" or length < 0) then
      error(where .. ": body.length: integer expected, not negative", level)
    end
    return setmetatable({ kind = "pushed", value = value.read, length = length }, Body)
  end
  error(where .. ": body: table with path or read expected", level)
end

-- A body of that value, which is none yet.
local function make(where, value, level)
  local kind = type(value)
  level = level + 1
  if kind == "string" then
    return setmetatable({ kind = "text", value = value, length = #value }, Body)
  elseif kind == "function" then
    return setmetatable({ kind = "pushed", value = value }, Body)
  elseif kind == "table" then
    return from_table(where, value, level)
  elseif io.type(value) == "file" then
    return from_file(value)
  elseif kind == "userdata" then
    local meta = getmetatable(value)
    local name = type(meta) == "table" and meta.__name
    if name == "sluice.lease" or name == "sluice.sequence" then
      local ok, length = pcall(meta.__len, value)
      if not ok then error(length, level) end -- disposed
      return setmetatable({ kind = name == "sluice.lease" and "lease" or "sequence",
        value = value, length = length }, Body)
    end
  end
  error(("%s: body: string, lease, sequence, file, table or function expected, got %s")
    :format(where, io.type(value) or kind), level)
end

--- Returns a body, false when there is none | nil, message, err (invalid).
function body.new(where, value, level)
  if value == nil then return false end
  if getmetatable(value) == Body then return value end
  local made, message, err = make(where, value, level + 1)
  if not made then return nil, message, err end
  made.given = value
  return made
end

--- Whether a value can be read once only.
function body.is_pulled(value)
  return type(value) == "function" or type(value) == "table" and type(value.read) == "function"
end

--- Disposes a lease whose request came to its end before it was made.
function body.refuse(value)
  local meta = type(value) == "userdata" and getmetatable(value)
  if type(meta) == "table" and meta.__name == "sluice.lease" then
    local lease <close> = value -- luacheck: ignore
  end
end

-- What is sent was declared: a file that has become shorter cannot be.
local function open_file(self)
  local size, reason = core.file_size(self.value)
  if size and size < self.start + self.length then
    size, reason = nil, "is shorter than it was"
  end
  if not size or not self.value:seek("set", self.start) then
    return failure.new("invalid", self.name, reason or "cannot be read")
  end
  return self.value
end

--- What to give to the core for one sending; a lease is shown, not given away, so
-- that the request can be sent again. The second result is to be closed afterwards.
-- Returns content, shown | nil, message, err (invalid)
function Body:open()
  if self.kind == "lease" then
    local shown = self.value:sequence()
    return shown, shown
  elseif self.kind == "file" then
    return open_file(self)
  elseif self.kind == "pushed" then
    if not self:is_whole() then
      return failure.new("invalid", "request body", "cannot be sent again")
    end
    return self.length or true
  end
  return self.value
end

-- Raises unless `piece` is one, at the level of whoever sends.
local function check_piece(piece)
  if type(piece) == "string" then return end
  if piece == core.waiting then
    error("request body: a coroutine that waits inside cannot give the pieces: "
      .. "a function may wait by itself", 0)
  end
  local meta = type(piece) == "userdata" and getmetatable(piece)
  local name = type(meta) == "table" and meta.__name
  if name ~= "sluice.sequence" and name ~= "sluice.lease" then
    error("request body: piece: string, sequence or lease expected, got "
      .. (name or type(piece)), 0)
  end
end

--- The next piece of a body that is pulled, nil at its end | nil, message.
function Body:read()
  self.is_begun = true
  local piece, reason = self.value()
  if piece ~= nil then check_piece(piece) end
  return piece, reason
end

--- Whether it can be sent any number of times.
function Body:is_replayable() return self.kind ~= "pushed" end

--- Whether it can be sent now: a program that was asked for pieces gives them once.
function Body:is_whole() return not self.is_begun end

--- The request has come to its end, whatever that was.
function Body:dispose()
  if self.is_disposed then return end
  self.is_disposed = true
  if self.kind == "lease" then
    local lease <close> = self.value -- luacheck: ignore
  elseif self.is_owned then
    self.value:close()
  end
end

return body
