--- Header fields as users give them, as a flat array: name, value, name, value...
-- Given as a map of names to a value or an array of values (sent in the order
-- of their names, so that a request looks the same each time), or as an array of
-- { name, value } pairs (sent in that order); { name, value, secret = true } is one
-- that leaves its origin with no redirect. A value is a string, a number or something
-- with `__tostring`.

local core = require "sluice.core"
local failure = require "sluice.failure"
local values = require "sluice.values"

local fields = {}

local function shown(name) return values.shown(name, 64) end

local function as_text(where, name, value, level)
  local text, wrong = values.text(value)
  if text then return text end
  error(("%s: header '%s': string expected, got %s"):format(where, shown(name), wrong), level + 1)
end

local function check_name(where, name, level)
  if type(name) == "string" then return end
  error(("%s: header name: string expected, got %s"):format(where, type(name)), level + 1)
end

-- The number of elements. What an array does not use would be lost without a word.
local function count_of(where, subject, array, level)
  local count, wrong = values.count(array)
  if not count then error(("%s: %s: %s"):format(where, subject, wrong), level + 1) end
  return count
end

local function append(list, where, name, value, level)
  level = level + 1
  check_name(where, name, level)
  if type(value) ~= "table" or values.has_text(value) then
    list[#list + 1] = name
    list[#list + 1] = as_text(where, name, value, level)
    return
  end
  for i = 1, count_of(where, ("header '%s'"):format(shown(name)), value, level) do
    list[#list + 1] = name
    list[#list + 1] = as_text(where, name, value[i], level)
  end
end

-- One { name, value }. Returns whether it is a secret.
local function append_pair(list, where, pair, level)
  if type(pair) ~= "table" then
    error(where .. ": headers: pairs of name and value expected", level + 1)
  end
  for key, value in pairs(pair) do
    if key ~= 1 and key ~= 2 and key ~= "secret" then
      error(("%s: headers: a pair of name and value has no key '%s'")
        :format(where, shown(tostring(key))), level + 1)
    elseif key == "secret" and type(value) ~= "boolean" then
      error(("%s: headers: secret: boolean expected, got %s"):format(where, type(value)), level + 1)
    end
  end
  append(list, where, pair[1], pair[2], level + 1)
  return pair.secret
end

--- Returns a new flat array, and the names of secrets if there are any; misuse raises
-- at `level`.
function fields.flatten(where, headers, level)
  local list = {}
  level = level + 1
  if not headers then return list end
  if math.type(next(headers)) == "integer" or headers[1] ~= nil then
    local secrets
    for i = 1, count_of(where, "headers", headers, level) do
      if append_pair(list, where, headers[i], level) then
        secrets = secrets or {}
        secrets[#secrets + 1] = headers[i][1]
      end
    end
    return list, secrets
  end
  local names = {}
  for name in pairs(headers) do
    check_name(where, name, level)
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do append(list, where, name, headers[name], level) end
  return list
end

--- The position of the first field of that name, compared without case, or nil.
function fields.find(list, name)
  name = name:lower()
  for i = 1, #list, 2 do
    if list[i]:lower() == name then return i end
  end
  return nil
end

-- The fields of `list` as keys of a set, each name in lower case before its value.
local function set_of_fields(list)
  local set = {}
  for i = 1, #list, 2 do set[list[i]:lower() .. ":" .. list[i + 1]] = true end
  return set
end

-- Removes the fields whose names in lower case are in `names`, but for those that are in
-- `spared` too (nil: none).
local function remove_all(list, names, spared)
  local kept, size = 0, #list
  local is_spared = spared and set_of_fields(spared) or {}
  for i = 1, size, 2 do
    local name = list[i]:lower()
    if not names[name] or is_spared[name .. ":" .. list[i + 1]] then
      list[kept + 1], list[kept + 2] = list[i], list[i + 1]
      kept = kept + 2
    end
  end
  for i = size, kept + 1, -1 do list[i] = nil end
end

--- Removes every field of that name.
function fields.remove(list, name) remove_all(list, { [name:lower()] = true }) end

--- Sets a field, replacing those of the same name.
function fields.set(list, name, value)
  fields.remove(list, name)
  list[#list + 1] = name
  list[#list + 1] = value
end

--- Appends fields of `more` whose names `list` does not have.
function fields.default(list, more)
  if not more[1] then return end
  local has = {}
  for i = 1, #list, 2 do has[list[i]:lower()] = true end
  for i = 1, #more, 2 do
    if not has[more[i]:lower()] then
      list[#list + 1] = more[i]
      list[#list + 1] = more[i + 1]
    end
  end
end

-- Credentials: never sent to another origin than the one they were given for.
local secrets = { "Authorization", "Cookie", "Proxy-Authorization" }

-- A set of the names of credentials and of those in `names` (nil: none), in lower case.
local function set_of_secrets(names)
  local set = {}
  for _, name in ipairs(secrets) do set[name:lower()] = true end
  for _, name in ipairs(names or {}) do set[name:lower()] = true end
  return set
end

--- Removes credentials, and fields of those names (nil: none), but for those that are in
-- `spared` too (nil: none).
function fields.remove_secrets(list, names, spared)
  remove_all(list, set_of_secrets(names), spared)
end

--- The credentials of `list` and its fields of those names (nil: none), as a text that is the same
-- for the same ones.
function fields.secrets_text(list, names, more)
  local set, lines = set_of_secrets(names), {}
  for _, name in ipairs(more or {}) do set[name:lower()] = true end
  for i = 1, #list, 2 do
    local name = list[i]:lower()
    if set[name] then lines[#lines + 1] = name .. ":" .. list[i + 1] end
  end
  table.sort(lines)
  return table.concat(lines, "\n")
end

--- The name of a field that is a credential or has one of those names (nil: none), or nil.
function fields.find_secret(list, ...)
  for _, names in ipairs { secrets, (...) or {}, select(2, ...) or {} } do
    for _, name in ipairs(names) do
      if fields.find(list, name) then return name end
    end
  end
  return nil
end

local function set_of(...)
  local set = {}
  for _, name in ipairs { ... } do set[name] = true end
  return set
end

-- RFC 9110 5.3: no list, so there is one at most.
local single = set_of("authorization", "content-language", "content-location",
  "content-range", "content-type", "cookie", "date", "from", "if-modified-since", "if-range",
  "if-unmodified-since", "max-forwards", "origin", "proxy-authorization", "range", "referer",
  "user-agent")

local function refuse(kind, name, reason)
  return failure.new("invalid", ("%s '%s'"):format(kind, shown(name)), reason)
end

--- Refuses fields that frame the message, which are the client's, and a second one
-- where one is all there can be.
-- Returns true | nil, message, err (invalid)
function fields.check(list)
  local seen
  for i = 1, #list, 2 do
    local name = list[i]:lower()
    if name == "expect" then
      return refuse("header", list[i], "set by the option expect_continue")
    elseif core.is_framing_field(name) then
      return refuse("header", list[i], "set by the client itself")
    elseif single[name] then
      seen = seen or {}
      if seen[name] then return refuse("header", list[i], "given twice") end
      seen[name] = true
    end
  end
  return true
end

-- RFC 9110 6.5.1: what frames, routes, modifies or authenticates a request, or says
-- how its content is to be read, would come too late behind it.
local not_behind = set_of("authorization", "proxy-authorization", "proxy-authenticate",
  "www-authenticate", "cookie", "set-cookie", "expect", "range", "max-forwards",
  "cache-control", "pragma", "age", "date", "expires", "location", "retry-after", "vary",
  "warning", "origin", "referer", "user-agent", "from")

local function belongs_before(name)
  return core.is_framing_field(name) or not_behind[name] or name:find("^if%-")
    or name:find("^accept") or name:find("^content%-") and name ~= "content-digest"
end

--- Refuses fields that cannot stand behind a body.
-- Returns true | nil, message, err (invalid)
function fields.check_trailers(list)
  for i = 1, #list, 2 do
    if belongs_before(list[i]:lower()) then
      return refuse("trailer", list[i], "not allowed behind the body")
    end
  end
  local lines, message, err = core.field_lines(list)
  if not lines then return nil, message, err end
  return true
end

return fields
