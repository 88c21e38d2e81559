--- Request bodies: the values that users give, and what the core sends for them.
-- A body is a string, lease, sequence, open file, { path = name }, an array of those, a
-- function that returns the next piece (nil at the end), or { read = function,
-- length = bytes }. It has `text`, or is pulled by `pull`, or has `parts` that the core
-- sends in order: one, unless it is an array.

local core = require "sluice.core"
local failure = require "sluice.failure"

local body = {}

local Body = {}
Body.__index = Body

local function escape(byte) return ("\\x%02X"):format(byte:byte()) end

-- Shows the end of a long path only, so that a message still has room for the reason.
local function named(label, path)
  if #path > 128 then path = "..." .. path:sub(-125) end
  if path:find "%c" then path = path:gsub("%c", escape) end
  return label .. " '" .. path .. "'"
end

-- The kind of a value, by its type alone: text, file, path, lease, sequence; nil for any other.
local function kind_of(value)
  local kind = type(value)
  if kind == "string" then return "text" end
  if kind == "table" then return type(value.path) == "string" and "path" or nil end
  if io.type(value) == "file" then return "file" end
  local meta = kind == "userdata" and getmetatable(value)
  local name = type(meta) == "table" and meta.__name
  return name == "sluice.lease" and "lease" or name == "sluice.sequence" and "sequence" or nil
end

-- Raises if `value` has fields other than these two.
local function check_fields(where, label, value, one, other, level)
  for key in pairs(value) do
    if key ~= one and key ~= other then
      error(("%s: unknown option '%s.%s'"):format(where, label, tostring(key)), level + 1)
    end
  end
end

-- ---- parts: { kind =, value =, length =, name =, start = } ----

local function file_part(name, file)
  local size, reason = core.file_size(file)
  local start = size and file:seek("cur", 0)
  if not start then return failure.new("invalid", name, reason or "cannot be read") end
  return { kind = "file", value = file, name = name, start = start,
    length = math.max(size - start, 0) }
end

local function path_part(name, path)
  local file, reason, code, errno = core.open_file(path)
  if not file then return failure.new(code or "invalid", name, reason, nil, errno) end
  local part, message, err = file_part(name, file)
  if not part then
    file:close()
    return nil, message, err
  end
  part.is_owned = true
  return part
end

-- Raises unless `value` may be a part, and is alive.
local function check_part(where, label, value, level)
  level = level + 1
  local kind = kind_of(value)
  if kind == "path" then
    check_fields(where, label, value, "path", "path", level)
  elseif kind == "lease" or kind == "sequence" then
    local ok, raised = pcall(getmetatable(value).__len, value)
    if not ok then error(("%s: %s: %s"):format(where, label, raised), level) end -- disposed
  elseif not kind then
    error(("%s: %s: string, lease, sequence, file or { path = } expected, got %s")
      :format(where, label, io.type(value) or type(value)), level)
  end
end

-- Makes a part of a checked value.
-- Returns a part | nil, message, err (invalid; limit: no descriptor is free)
local function make_part(label, value)
  local kind = kind_of(value)
  if kind == "path" then return path_part(named(label, value.path), value.path) end
  if kind == "file" then return file_part(label, value) end
  return { kind = kind, value = value, length = #value }
end

-- Closes files that were opened by their path, and disposes leases.
local function release(parts)
  for _, part in ipairs(parts) do
    if part.is_owned then
      part.value:close()
    elseif part.kind == "lease" then
      local lease <close> = part.value -- luacheck: ignore
    end
  end
end

local function dispose_lease(value)
  if kind_of(value) == "lease" then
    local lease <close> = value -- luacheck: ignore
  end
end

--- Disposes the leases of a request that fails before its body was made.
function body.refuse(value)
  dispose_lease(value)
  if type(value) ~= "table" then return end
  for _, part in ipairs(value) do dispose_lease(part) end
end

-- ---- making ----

-- Makes a body of parts; messages name a part by `label` and its position.
local function of_parts(label, values)
  local self = setmetatable({ parts = {}, length = 0 }, Body)
  for i, value in ipairs(values) do
    local part, message, err = make_part(label:format(i), value)
    self.parts[i] = part
    if part and part.length > math.maxinteger - self.length then
      part, message, err = failure.new("invalid", "request body", "longer than 2^63 - 1 bytes")
    end
    if not part then
      release(self.parts)
      body.refuse(values)
      return nil, message, err
    end
    self.length = self.length + part.length
    self.has_lease = self.has_lease or part.kind == "lease"
  end
  return self
end

-- In place of its caller: `level` is that of both.
local function from_array(where, values, level)
  for key in pairs(values) do
    if math.type(key) ~= "integer" or key < 1 or key > #values then
      error(("%s: unknown option 'body.%s' in an array of parts"):format(where, tostring(key)),
        level)
    end
  end
  for i = 1, #values do
    local label = ("body[%d]"):format(i)
    if type(values[i]) == "function" then
      error(("%s: %s: a function can be the whole body, but no part of one")
        :format(where, label), level)
    end
    check_part(where, label, values[i], level)
  end
  return of_parts("request body[%d]", values)
end

-- In place of its caller, too.
local function from_table(where, value, level)
  if value[1] ~= nil or #value > 0 then return from_array(where, value, level) end
  if type(value.path) == "string" then
    check_part(where, "body", value, level)
    return of_parts("request body", { value })
  end
  if type(value.read) == "function" then
    check_fields(where, "body", value, "read", "length", level)
    local length = value.length
    if length ~= nil and (math.type(length) ~= "integer" or length < 0) then
      error(where .. ": body.length: integer expected, not negative", level)
    end
    return setmetatable({ pull = value.read, length = length }, Body)
  end
  error(where .. ": body: table with path or read, or array of parts expected", level)
end

-- Makes a body of a value that is not a body yet.
local function make(where, value, level)
  local kind = type(value)
  level = level + 1
  if kind == "string" then
    return setmetatable({ text = value, length = #value }, Body)
  elseif kind == "function" then
    return setmetatable({ pull = value }, Body)
  elseif kind == "table" then
    return from_table(where, value, level)
  elseif kind_of(value) then
    check_part(where, "body", value, level)
    return of_parts("request body", { value })
  end
  error(("%s: body: string, lease, sequence, file, table or function expected, got %s")
    :format(where, io.type(value) or kind), level)
end

--- Returns a body, or false for nil | nil, message, err (invalid).
function body.new(where, value, level)
  if value == nil then return false end
  if getmetatable(value) == Body then return value end
  local made, message, err = make(where, value, level + 1)
  if not made then return nil, message, err end
  made.given = value
  return made
end

--- Whether a value can be read only once.
function body.is_pulled(value)
  return type(value) == "function" or type(value) == "table" and type(value.read) == "function"
end

-- ---- sending ----

-- Opens a part for the core. Its length was declared, so a file that has shrunk since then
-- is refused.
local function open_file(part)
  local size, reason = core.file_size(part.value)
  if size and size < part.start + part.length then
    size, reason = nil, "has shrunk since the request was made"
  end
  if not size then return failure.new("invalid", part.name, reason) end
  return { part.value, part.start, part.length, part.name }
end

-- Disposes the sequences that show leases; while `is_kept` is set, the first close only clears it.
local closes_all = {
  __close = function(shown)
    if shown.is_kept then
      shown.is_kept = false
      return
    end
    for _, sequence in ipairs(shown) do sequence:dispose() end
  end,
}

-- Leases are shown, not given away, so that the request can be sent again; closing the
-- second result closes the sequences that show them.
local function open_parts(parts, has_lease)
  local opened = {}
  local shown <close> = has_lease and setmetatable({}, closes_all) or nil
  for i, part in ipairs(parts) do
    if part.kind == "file" then
      local file, message, err = open_file(part)
      if not file then return nil, message, err end
      opened[i] = file
    elseif part.kind == "lease" then
      opened[i] = part.value:sequence()
      shown[#shown + 1] = opened[i]
    else
      opened[i] = part.value
    end
  end
  if shown then shown.is_kept = true end
  return opened, shown
end

--- Opens the body for one sending: what to give to the core, and a second result to be
-- closed afterwards.
-- Returns content, shown | nil, message, err (invalid)
function Body:open()
  if self.pull then
    if not self:is_whole() then
      return failure.new("invalid", "request body", "cannot be sent again")
    end
    return self.length or true
  end
  if self.text then return self.text end
  return open_parts(self.parts, self.has_lease)
end

-- Raises unless `piece` can be sent, at the level of the sender.
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
--- The next piece of a pulled body, nil at its end | nil, message.
--- The next piece of a body that is pulled, nil at its end | nil, message.
function Body:read()
  self.is_begun = true
  local piece, reason = self.pull()
  if piece ~= nil then check_piece(piece) end
  return piece, reason
end

--- Whether it can be sent any number of times.
function Body:is_replayable() return not self.pull end

--- Whether it can be sent now: a program that was asked for pieces gives them once.
function Body:is_whole() return not self.is_begun end

--- The request has come to its end, whatever that was.
function Body:dispose()
  if self.is_disposed then return end
  self.is_disposed = true
  if self.parts then release(self.parts) end
end

return body
