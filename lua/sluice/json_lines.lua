--- The option `json_lines`: values of an iterator, or of an array, as a body with one JSON text in
-- each line. With the caller's own Content-Type application/json-seq it is a JSON text sequence
-- (RFC 7464).

local failure = require "sluice.failure"
local json = require "sluice.json"
local media = require "sluice.media"

local json_lines = {}

json_lines.content_type = "application/x-ndjson"

local RS = "\30"

-- Whether a table has the values that ipairs gives, and nothing else, which would not be sent.
local function is_array(list)
  local count = 0
  for _ in ipairs(list) do count = count + 1 end
  for _ in next, list do count = count - 1 end
  return count >= 0
end

-- What pairs and ipairs return first: called without a table, they raise.
local steps = { [next] = true, [(ipairs {})] = true }

--- The checker of the option.
function json_lines.check(value)
  if type(value) == "table" then
    return not is_array(value) and "array without gaps and other keys" or nil
  elseif steps[value] then
    return "array, or function to be called without arguments, not pairs() or ipairs(),"
  end
  return type(value) ~= "function" and "function or array" or nil
end

-- The line of a value | nil, message
local function line_of(value, number, mark)
  local text, message = json.text(value)
  if text then return mark .. text .. "\n" end
  return nil, ("json_lines: value %d: %s"):format(number, message)
end

local function of_array(list, mark)
  local lines = {}
  for i, value in ipairs(list) do
    local line, message = line_of(value, i, mark)
    if not line then return failure.new("invalid", "request body", message) end
    lines[i] = line
  end
  return table.concat(lines)
end

--- The body of a checked option: a string, or a function that returns the next line, nil behind
-- the last one. `own_type` is the caller's Content-Type, or nil.
-- Returns a body | nil, message, err (invalid)
function json_lines.body_of(value, own_type)
  local mark = own_type and media.split(own_type) == "application/json-seq" and RS or ""
  if type(value) == "table" then return of_array(value, mark) end
  local number = 0
  return function()
    local next_value = value()
    if next_value == nil then return nil end
    number = number + 1
    return line_of(next_value, number, mark)
  end
end

return json_lines
