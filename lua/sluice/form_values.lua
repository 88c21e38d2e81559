--- The serializer of application/x-www-form-urlencoded: a map of names to values. What is decoded
-- are strings; a name that comes several times has an array of them.

local core = require "sluice.core"
local entries = require "sluice.entries"
local failure = require "sluice.failure"

local form_values = { content_type = "application/x-www-form-urlencoded" }

--- Writes a map of names to texts, numbers, booleans or arrays of these, or an array of pairs, as
-- the option `form` does.
-- Returns the writer | nil, message, err (invalid, limit, memory)
function form_values.encode(value, writer)
  if type(value) ~= "table" then
    return failure.new("invalid", "encode form", "table expected, got " .. type(value))
  end
  local text, wrong, err = entries.join(value, core.escape_form)
  if err then return nil, wrong, err end
  if not text then return failure.new("invalid", "encode form", wrong) end
  return writer:write(text)
end

-- Returns the text | nil where it is malformed
local function unescape(text) return (core.url.unescape((text:gsub("%+", " ")))) end

local function add(found, name, value)
  local before = found[name]
  if before == nil then
    found[name] = value
  elseif type(before) == "table" then
    before[#before + 1] = value
  else
    found[name] = { before, value }
  end
end

--- Reads the text of a sequence or string; empty pairs are left out.
-- Returns the map | nil, message, err (decode); err.position is the first byte of the wrong pair.
function form_values.decode(input)
  local text = type(input) == "string" and input or input:tostring()
  local found = {}
  for position, pair in text:gmatch "()([^&]+)" do
    local name, value = pair:match "^([^=]*)=?(.*)$"
    name, value = unescape(name), unescape(value)
    if not name or not value then
      local _, message, err = failure.new("decode", "decode form",
        ("byte %d: malformed percent-encoding"):format(position), "body")
      err.position = position
      return nil, message, err
    end
    add(found, name, value)
  end
  return found
end

return form_values
