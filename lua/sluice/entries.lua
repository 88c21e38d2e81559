--- Names with values, as `query`, `form` and `multipart` take them: a map of names to values,
-- sent in the order of the names so that a request looks the same each time, or an array
-- of { name, value }. An array of values repeats its name.

local values = require "sluice.values"

local entries = {}

local function shown(name) return "'" .. values.shown(name, 64) .. "'" end

-- Gives name and value to `add`, once for each value. Returns nothing | what is wrong
local function visit(name, value, is_one, add)
  if type(value) ~= "table" or is_one(value) then
    local wrong = add(name, value)
    return wrong and shown(name) .. ": " .. wrong
  end
  local count, reason = values.count(value)
  if not count then return shown(name) .. ": " .. reason end
  for i = 1, count do
    local wrong = add(name, value[i])
    if wrong then return ("%s[%d]: %s"):format(shown(name), i, wrong) end
  end
end

-- Returns nothing | what is wrong
local function visit_pairs(list, is_one, add)
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
    wrong = visit(name, pair[2], is_one, add)
    if wrong then return wrong end
  end
end

-- Returns nothing | what is wrong
local function visit_map(map, is_one, add)
  local names = {}
  for name in pairs(map) do
    if type(name) ~= "string" then
      return ("name expected, got the key '%s' of an array"):format(tostring(name))
    end
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local wrong = visit(name, map[name], is_one, add)
    if wrong then return wrong end
  end
end

--- Calls `add(name, value)` for each value; what it returns is what is wrong with that
-- value. `is_one` says whether a table is a value itself, and not an array of values.
-- Returns nothing | what is wrong, with the name
function entries.visit(given, is_one, add)
  local is_map = type(next(given)) == "string" and given[1] == nil
  return (is_map and visit_map or visit_pairs)(given, is_one, add)
end

--- A value as text. Returns the text | nil, what is wrong
function entries.text(value)
  if type(value) == "boolean" then return tostring(value) end
  local text, wrong = values.text(value)
  if not text then return nil, "text, number or boolean expected, got " .. wrong end
  return text
end

--- `name=value&name=value`, each escaped by `escape`.
-- Returns the text | nil, what is wrong | nil, message, err (memory)
function entries.join(given, escape)
  local pieces, message, err = {}, nil, nil
  local wrong = entries.visit(given, values.has_text, function(name, value)
    local text, reason = entries.text(value)
    if not text then return reason end
    local before, behind
    before, message, err = escape(name)
    if before then behind, message, err = escape(text) end
    if not behind then return message end
    pieces[#pieces + 1] = before .. "=" .. behind
  end)
  if err then return nil, message, err end
  if wrong then return nil, wrong end
  return table.concat(pieces, "&")
end

return entries
