--- What a server asks credentials for: the fields WWW-Authenticate and Proxy-Authenticate
-- (RFC 9110 11.3). A field may have several challenges, and there may be several fields.

local challenges = {}

local token = "[!#$%%&'*+%-.^_`|~%w]+"

-- The text of a quoted string that begins at `position`, and the position behind it | nil
local function read_quoted(text, position)
  local parts, from = {}, position + 1
  while true do
    local at = text:find('["\\]', from)
    if not at then return nil end
    parts[#parts + 1] = text:sub(from, at - 1)
    if text:byte(at) == 34 then return table.concat(parts), at + 1 end
    parts[#parts + 1] = text:sub(at + 1, at + 1)
    from = at + 2
  end
end

-- The position behind white space, if an element of the list ends there | nil
local function find_end(text, position)
  return text:match("^[ \t]*()$", position) or text:match("^[ \t]*(),", position)
end

-- A parameter that begins at `position`: its name in lower case, its value, the position behind
-- it | nil
local function read_parameter(text, position)
  local name, at = text:match("^(" .. token .. ")[ \t]*=[ \t]*()", position)
  if not name then return nil end
  local value, behind
  if text:byte(at) == 34 then
    value, behind = read_quoted(text, at)
  else
    value, behind = text:match("^(" .. token .. ")()", at)
  end
  behind = value and find_end(text, behind)
  if not behind then return nil end
  return name:lower(), value, behind
end

-- Adds the parameter at `position` to a challenge, which cannot have two of the same name.
-- Returns the position behind it | nil
local function add_parameter(challenge, text, position)
  local name, value, behind = read_parameter(text, position)
  if not name then return nil end
  if challenge.parameters[name] then challenge.is_broken = true end
  challenge.parameters[name] = value
  return behind
end

-- A challenge that begins at `position`, with its first parameter or its token68.
-- Returns the challenge, and the position behind what was read, or nil: the rest is malformed
-- | nil
local function read_challenge(text, position)
  local scheme, behind = text:match("^(" .. token .. ")()", position)
  if not scheme then return nil end
  local challenge = { scheme = scheme:lower(), parameters = {} }
  local is_end = find_end(text, behind)
  if is_end then return challenge, is_end end
  behind = text:match("^ +()", behind)
  if not behind then return nil end
  local next_one = add_parameter(challenge, text, behind)
  if next_one then return challenge, next_one end
  local last
  challenge.token68, last = text:match("^([%w%-._~+/]+=*)()", behind)
  last = challenge.token68 and find_end(text, last)
  challenge.is_broken = not last
  return challenge, last
end

-- Adds the challenges of one field to `list`; what is malformed ends the field.
local function read_field(list, text)
  local position, current = 1, nil
  while true do
    position = text:match("^[ \t,]*()", position)
    if position > #text then return end
    local behind = current and not current.token68 and add_parameter(current, text, position)
    if not behind then
      local is_parameter = text:find("^" .. token .. "[ \t]*=", position)
      local challenge
      if not is_parameter then challenge, behind = read_challenge(text, position) end
      if current and not challenge then current.is_broken = true end
      list[#list + 1] = challenge
      current = challenge
      if not behind then return end
    end
    position = behind
  end
end

--- The challenges in the values of a field, in their order: arrays of
-- { scheme =, parameters = { name = value } } or { scheme =, token68 = }, schemes and names in
-- lower case. A challenge that is malformed is left out, and so is what stands behind it in
-- its field.
function challenges.read(values)
  local list, kept = {}, {}
  for _, text in ipairs(values) do read_field(list, text) end
  for _, challenge in ipairs(list) do
    if not challenge.is_broken then kept[#kept + 1] = challenge end
  end
  return kept
end

return challenges
