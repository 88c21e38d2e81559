--- Parameters in values of header fields (RFC 9110 5.6.6): `; name=value; other="value"`.
-- What is malformed is read as well as it can be, and never raises.

local core = require "sluice.core"

local parameters = {}

-- The text of a quoted string (RFC 9110 5.6.4) behind its opening quote, and the position behind
-- it. A string that does not end reaches to the end.
local function read_quoted(text, position)
  local pieces = {}
  while true do
    local piece, mark, behind = text:match('^([^"\\]*)(["\\]?)()', position)
    pieces[#pieces + 1] = piece
    if mark ~= "\\" then return table.concat(pieces), behind end
    pieces[#pieces + 1] = text:sub(behind, behind)
    position = math.min(behind, #text) + 1
  end
end

-- The value behind a name, and the position behind it; "" where there is none.
local function read_value(text, position, ends)
  local mark, begin = text:match('^=%s*("?)()', position)
  if not mark then return "", position end
  if mark == '"' then return read_quoted(text, begin) end
  local value, behind = text:match("^([^" .. ends .. "]*)()", begin)
  return value:match "^.*%S" or "", behind
end

--- Reads parameters from `position` on. `ends` are the characters that end a value which is not
-- quoted: ";", or ";," in a list. Of two with one name the first counts.
-- Returns a map of names in lower case to values, and the position behind it
function parameters.read(text, position, ends)
  local found = {}
  while true do
    local between, begin = text:match("^([%s;]*)()", position)
    local name, behind = text:match("^([^%s=" .. ends .. "]+)%s*()", begin)
    if not name or not between:find(";", 1, true) then return found, position end
    name = name:lower()
    local value
    value, position = read_value(text, behind, ends)
    if found[name] == nil then found[name] = value end
  end
end

local function from_latin1(bytes)
  return (bytes:gsub("[\x80-\xFF]", function(byte) return utf8.char(byte:byte()) end))
end

--- The same bytes as UTF-8: as they are if that is what they are, else as ISO-8859-1.
function parameters.to_utf8(bytes) return utf8.len(bytes) and bytes or from_latin1(bytes) end

-- The text of an extended value (RFC 8187), charset'language'text, as UTF-8; nil if it is none.
local function read_extended(value)
  local charset, coded = value:match "^([^']+)'[^']*'(.*)$"
  local bytes = coded and core.url.unescape(coded)
  if not bytes then return nil end
  charset = charset:lower()
  if charset == "utf-8" then return utf8.len(bytes) and bytes end
  return charset == "iso-8859-1" and from_latin1(bytes) or nil
end

--- The parameter of that name: the extended one, name*, if there is one that can be read.
-- Returns a text, or nil
function parameters.extended(found, name)
  local extended = found[name .. "*"]
  return extended and read_extended(extended) or found[name]
end

return parameters
