--- The option `query`: text, a map of names to values, or an array of { name, value }. A
-- map is sent in the order of its names, so that a request looks the same each time; an
-- array of values repeats its name.

local core = require "sluice.core"
local values = require "sluice.values"

local query = {}

local function shown(name) return "'" .. values.shown(name, 64) .. "'" end

-- Returns the text | nil, what the value is instead
local function text_of(value)
  if type(value) == "boolean" then return tostring(value) end
  return values.text(value)
end

-- Appends name=value, once for each value. Returns nothing | what is wrong
local function append(pieces, name, value)
  local escaped = core.url.escape(name) .. "="
  if type(value) ~= "table" or values.has_text(value) then
    local text, wrong = text_of(value)
    if not text then return shown(name) .. ": text, number or boolean expected, got " .. wrong end
    pieces[#pieces + 1] = escaped .. core.url.escape(text)
    return
  end
  local count, reason = values.count(value)
  if not count then return shown(name) .. ": " .. reason end
  for i = 1, count do
    local text, wrong = text_of(value[i])
    if not text then
      return ("%s[%d]: text, number or boolean expected, got %s"):format(shown(name), i, wrong)
    end
    pieces[#pieces + 1] = escaped .. core.url.escape(text)
  end
end

-- Returns nothing | what is wrong
local function append_pairs(pieces, list)
  local count, reason = values.count(list)
  if not count then return reason end
  for i = 1, count do
    local pair = list[i]
    if type(pair) ~= "table" then
      return ("element %d: pair of name and value expected, got a %s"):format(i, type(pair))
    end
    for key in pairs(pair) do
      if key ~= 1 and key ~= 2 then
        return ("element %d: a pair has no key %s"):format(i, shown(tostring(key)))
      end
    end
    local name, wrong = values.text(pair[1])
    if not name then return ("element %d: name expected, got %s"):format(i, wrong) end
    wrong = append(pieces, name, pair[2])
    if wrong then return wrong end
  end
end

-- Returns nothing | what is wrong
local function append_map(pieces, map)
  local names = {}
  for name in pairs(map) do
    if type(name) ~= "string" then
      return ("name expected, got the key '%s' of an array"):format(tostring(name))
    end
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local wrong = append(pieces, name, map[name])
    if wrong then return wrong end
  end
end

--- The text of a map or an array of pairs, escaped.
-- Returns the text | nil, what is wrong
function query.text(value)
  local pieces = {}
  local is_map = type(next(value)) == "string" and value[1] == nil
  local wrong = (is_map and append_map or append_pairs)(pieces, value)
  if wrong then return nil, wrong end
  return table.concat(pieces, "&")
end

-- Returns the text without "?" | nil, what is wrong
local function encode(value)
  if type(value) ~= "string" then return query.text(value) end
  if value:find("#", 1, true) then
    return nil, "'#' would begin a fragment: write %23, or give a table"
  end
  return (value:gsub("^%?", ""))
end

--- Adds a query to a URL, behind one that it has.
-- Returns the URL | nil, what is wrong with the query
function query.add(url, value)
  local added, wrong = encode(value)
  if not added then return nil, wrong end
  if added == "" then return url end
  local before, fragment = url:match "^([^#]*)(.*)$"
  local separator = ""
  if not before:find("?", 1, true) then
    separator = "?"
  elseif not before:find "[?&]$" then
    separator = "&"
  end
  return before .. separator .. added .. fragment
end

return query
