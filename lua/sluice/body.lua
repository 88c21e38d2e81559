--- Request bodies: what users give, as what the core sends.
-- A body is a string, lease, sequence, open file, { path = name }, a function that
-- returns the next piece (nil at the end), or { read = function, length = bytes }.

local failure = require "sluice.failure"

local body = {}

local Body = {}
Body.__index = Body

local function from_file(file, name)
  local _, reason = file:read(0) -- a directory can be opened, but not read
  if reason then return failure.new("invalid", name, reason) end
  local start = file:seek("cur", 0)
  local size = start and file:seek("end", 0)
  if not size or not file:seek("set", start) then
    return failure.new("invalid", name, "regular file expected")
  end
  return setmetatable({ kind = "file", value = file, length = size - start, start = start }, Body)
end

local function from_path(path)
  local file, reason = io.open(path, "rb")
  if not file then return failure.new("invalid", "request body", reason) end
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

local function from_table(where, value, level)
  if type(value.path) == "string" then
    check_fields(where, value, "path", "path", level + 1)
    return from_path(value.path)
  end
  if type(value.read) == "function" then
    check_fields(where, value, "read", "length", level + 1)
    local length = value.length
    if length ~= nil and (math.type(length) ~= "integer" or length < 0) then
      error(where .. ": body.length: integer expected, not negative", level + 1)
    end
    return setmetatable({ kind = "pushed", value = value.read, length = length }, Body)
  end
  error(where .. ": body: table with path or read expected", level + 1)
end

--- Returns a body, false when there is none | nil, message, err (invalid).
function body.new(where, value, level)
  local kind = type(value)
  level = level + 1
  if kind == "nil" then return false end
  if kind == "string" then
    return setmetatable({ kind = "text", value = value, length = #value }, Body)
  elseif kind == "function" then
    return setmetatable({ kind = "pushed", value = value }, Body)
  elseif kind == "table" then
    return from_table(where, value, level)
  elseif io.type(value) == "file" then
    return from_file(value, "request body")
  elseif kind == "userdata" then
    local meta = getmetatable(value)
    local name = type(meta) == "table" and meta.__name
    if name == "sluice.lease" or name == "sluice.sequence" then
      return setmetatable({ kind = name == "sluice.lease" and "lease" or "sequence",
        value = value, length = #value }, Body)
    end
  end
  error(("%s: body: string, lease, sequence, file, table or function expected, got %s")
    :format(where, io.type(value) or kind), level)
end

--- Disposes a lease whose request came to its end before it was made.
function body.refuse(value)
  local meta = type(value) == "userdata" and getmetatable(value)
  if type(meta) == "table" and meta.__name == "sluice.lease" then
    local lease <close> = value -- luacheck: ignore
  end
end

--- What to give to the core for one sending; a lease is shown, not given away, so
-- that the request can be sent again. The second result is to be closed afterwards.
function Body:open()
  if self.kind == "lease" then
    local shown = self.value:sequence()
    return shown, shown
  elseif self.kind == "file" then
    self.value:seek("set", self.start)
  elseif self.kind == "pushed" then
    return self.length or true
  end
  return self.value
end

function Body:is_replayable() return self.kind ~= "pushed" end

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
