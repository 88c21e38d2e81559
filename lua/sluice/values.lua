--- Values of the caller as text to be sent, and text of anybody's for a message.

local values = {}

-- The shortest of 15 to 17 digits that gives the same float again.
local function float_text(number)
  local text
  for digits = 15, 17 do
    text = ("%%.%dg"):format(digits):format(number)
    if tonumber(text) == number then break end
  end
  return (text:gsub("[^%de+-]+", ".")) -- the locale may have another point
end

-- Returns the text | nil, what the number is
local function number_text(number)
  local integer = math.tointeger(number)
  if integer then return ("%d"):format(integer) end
  if number ~= number then return nil, "a number that is none (nan)" end
  if number == math.huge or number == -math.huge then return nil, "an infinite number" end
  return float_text(number)
end

-- The type of a handle: what `tostring` shows of one is its state, and not its content.
local function handle_type(value)
  if io.type(value) then return "file" end
  local meta = getmetatable(value)
  local name = type(meta) == "table" and rawget(meta, "__name")
  return type(name) == "string" and name:match "^sluice%.[%a_]+$" or nil
end

--- Whether the value says itself how it is written.
function values.has_text(value)
  local meta = getmetatable(value)
  return type(meta) == "table" and meta.__tostring ~= nil and not handle_type(value)
end

--- A string, a number or a value with `__tostring` that is no handle, as text. A float
-- that is an integer is written as one, others with as many digits as it takes to read
-- the same float again.
-- Returns the text | nil, what the value is instead
function values.text(value)
  local kind = type(value)
  if kind == "string" then return value end
  if kind == "number" then return number_text(value) end
  if values.has_text(value) then return tostring(value) end
  return nil, kind == "nil" and "nothing" or "a " .. (handle_type(value) or kind)
end

--- The number of elements of an array.
-- Returns the count | nil, what is wrong: a hole, or a key that arrays do not have
function values.count(array)
  local count, last = 0, 0
  for key in pairs(array) do
    if math.type(key) ~= "integer" or key < 1 then
      return nil, ("an array has no key '%s'"):format(values.shown(tostring(key), 64))
    end
    count, last = count + 1, math.max(last, key)
  end
  if count == last then return count end
  local hole = 1
  while array[hole] ~= nil do hole = hole + 1 end
  return nil, ("element %d is missing (a hole)"):format(hole)
end

--- Bytes for a message: what is not printable is escaped, the rest behind `size` cut off.
function values.shown(bytes, size)
  local rest = #bytes > size and "..." or ""
  return bytes:sub(1, size):gsub("[^ -~]", function(byte)
    return ("\\x%02X"):format(byte:byte())
  end) .. rest
end

return values
