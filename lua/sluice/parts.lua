--- The parts of a request body: what may be one, how long it is, and who releases it.
-- A part is { kind =, value =, length =, name =, start = }. Its kind is text, file, lease,
-- sequence or function; a function's part may have no length.

local core = require "sluice.core"
local failure = require "sluice.failure"

local parts = {}

-- What is read of a file at once where the program gives the pieces.
local file_piece = 64 * 1024

local function escape(byte) return ("\\x%02X"):format(byte:byte()) end

-- Shows the end of a long path only, so that a message still has room for the reason.
local function named(label, path)
  if #path > 128 then path = "..." .. path:sub(-125) end
  if path:find "%c" then path = path:gsub("%c", escape) end
  return label .. " '" .. path .. "'"
end

--- The kind of a value, by its type alone: text, file, path, lease, sequence, function;
-- nil for any other.
function parts.kind_of(value)
  local kind = type(value)
  if kind == "string" then return "text" end
  if kind == "table" then
    return type(value.path) == "string" and "path"
      or type(value.read) == "function" and "function" or nil
  end
  if io.type(value) == "file" then return "file" end
  local meta = kind == "userdata" and getmetatable(value)
  local name = type(meta) == "table" and meta.__name
  return name == "sluice.lease" and "lease" or name == "sluice.sequence" and "sequence" or nil
end

--- Raises if `value` has fields other than these two.
function parts.check_fields(where, label, value, one, other, level)
  for key in pairs(value) do
    if key ~= one and key ~= other then
      error(("%s: unknown option '%s.%s'"):format(where, label, tostring(key)), level + 1)
    end
  end
end

--- Raises unless a lease or sequence is alive.
function parts.check_alive(where, label, value, level)
  local ok, raised = pcall(getmetatable(value).__len, value)
  if not ok then error(("%s: %s: %s"):format(where, label, raised), level + 1) end
end

--- Raises unless `value` may be an element of an array of parts, and is alive.
function parts.check(where, label, value, level)
  level = level + 1
  local kind = parts.kind_of(value)
  if kind == "path" then
    parts.check_fields(where, label, value, "path", "path", level)
  elseif kind == "lease" or kind == "sequence" then
    parts.check_alive(where, label, value, level)
  elseif not kind or kind == "function" then
    error(("%s: %s: string, lease, sequence, file or { path = } expected, got %s")
      :format(where, label, io.type(value) or type(value)), level)
  end
end

-- ---- making ----

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

--- Makes a part of a checked value; messages name it by `label`.
-- Returns a part | nil, message, err (invalid; limit: no descriptor is free)
function parts.make(label, value)
  local kind = parts.kind_of(value)
  if kind == "path" then return path_part(named(label, value.path), value.path) end
  if kind == "file" then return file_part(label, value) end
  if kind == "function" then
    return { kind = kind, value = value.read, name = label, length = value.length }
  end
  return { kind = kind, value = value, length = #value }
end

-- ---- releasing ----

local function dispose_lease(value)
  if parts.kind_of(value) == "lease" then
    local lease <close> = value -- luacheck: ignore
  end
end

--- Closes files that were opened by their path, and disposes leases.
function parts.release(list)
  for _, part in ipairs(list) do
    if part.is_owned then part.value:close() else dispose_lease(part.value) end
  end
end

--- Disposes a lease, or those in an array: the request fails before its body was made.
function parts.refuse(value)
  dispose_lease(value)
  if type(value) ~= "table" then return end
  for _, part in ipairs(value) do dispose_lease(part) end
end

-- ---- opening for the core, which sends them by itself ----

-- Returns nothing | why the part of a file cannot be sent
local function find_fault(part)
  local size, reason = core.file_size(part.value)
  if not size then return reason end
  if size < part.start + part.length then return "has shrunk since the request was made" end
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

--- Opens parts for the core. A file's length was declared, so one that has shrunk since
-- then is refused. Leases are shown, not given away, so that the request can be sent
-- again; closing the second result closes the sequences that show them.
-- Returns the array for the core, shown | nil, message, err (invalid)
function parts.open(list, has_lease)
  local opened = {}
  local shown <close> = has_lease and setmetatable({}, closes_all) or nil
  for i, part in ipairs(list) do
    if part.kind == "file" then
      local fault = find_fault(part)
      if fault then return failure.new("invalid", part.name, fault) end
      opened[i] = { part.value, part.start, part.length, part.name }
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

-- ---- reading, piece by piece ----

--- Raises unless `piece` can be sent, at the level of the sender.
function parts.check_piece(piece)
  if type(piece) == "string" then return end
  if piece == core.waiting then
    error("request body: a coroutine that waits inside cannot give the pieces: "
      .. "a function may wait by itself", 0)
  end
  local kind = parts.kind_of(piece)
  if kind ~= "sequence" and kind ~= "lease" then
    local meta = type(piece) == "userdata" and getmetatable(piece)
    error("request body: piece: string, sequence or lease expected, got "
      .. (type(meta) == "table" and meta.__name or type(piece)), 0)
  end
end

-- The piece of a file from `at` on; its position stays where the program left it.
local function read_file(part, at)
  if at == part.length then return nil end
  local file, fault = part.value, find_fault(part)
  if fault then return nil, part.name .. ": " .. fault end
  local stood = file:seek("cur", 0)
  file:seek("set", part.start + at)
  local piece = file:read(math.min(file_piece, part.length - at))
  file:seek("set", stood)
  return piece, not piece and part.name .. ": cannot be read" or nil
end

local function read_function(part, at)
  local piece, reason = part.value()
  if piece ~= nil then
    parts.check_piece(piece)
    return piece
  end
  if reason ~= nil then return nil, ("%s: %s"):format(part.name, tostring(reason)) end
  if part.length and part.length ~= at then
    return nil, ("%s: ended after %d bytes instead of %d"):format(part.name, at, part.length)
  end
end

-- What is given whole.
local function read_whole(part, at)
  if at == 0 and part.length > 0 then return part.value end
end

local readers = { file = read_file, ["function"] = read_function, text = read_whole,
  lease = read_whole, sequence = read_whole }

--- A function that returns the next piece of all parts, nil at the end | nil, reason.
-- What it returns of leases and sequences is theirs. It yields where functions among the
-- parts do.
function parts.reader(list)
  local index, at = 1, 0
  return function()
    while true do
      local part = list[index]
      if not part then return nil end
      local piece, reason = readers[part.kind](part, at)
      if piece == nil and reason == nil then
        index, at = index + 1, 0
      else
        at = at + (piece and #piece or 0)
        return piece, reason
      end
    end
  end
end

return parts
