--- The serializers of this Lua state, by name and by media type: what the option `serializer` and
-- `response:decode()` look up.
--
--     serializers.json, .cjson, .form, .text     those that come with the module
--     serializers["application/json"]            by media type, in any case
--     serializers["application/cbor"] = cbor     one more, for every client; nil removes it
--     for key, serializer in pairs(serializers)  all of them, in the order of their keys
--
-- A serializer has two functions, which return nil, message, err where they fail:
--
--     encode(value, writer)    writes the value, all of it or nothing -> anything true
--     decode(sequence)         -> the value, never nil; the sequence ends with the call
--
-- and may have `content_type`, of what it writes; without one it is "application/json". A
-- serializer that comes with the module is loaded when it is first used.

local values = require "sluice.values"

local known = {
  json = "sluice.json",
  cjson = "sluice.json_cjson",
  form = "sluice.form_values",
  text = "sluice.plain_text",
  ["application/json"] = "sluice.json",
  ["application/x-www-form-urlencoded"] = "sluice.form_values",
  ["text/plain"] = "sluice.plain_text",
}

local function find(_, key)
  if type(key) ~= "string" then return nil end
  key = key:lower()
  local serializer = known[key]
  if type(serializer) == "string" then
    serializer = require(serializer)
    known[key] = serializer
  end
  return serializer
end

-- RFC 9110 5.6.2: characters of tokens, for the pattern of a media type.
local token = "[%w!#$%%&'*+.^_`|~-]+"

local function is_key(key)
  return type(key) == "string" and (key:find "^[%a_][%w_]*$" or key:find("^" .. token .. "/"
    .. token .. "$"))
end

local function is_serializer(value)
  return type(value) == "table" and value.encode and value.decode
end

local function set(_, key, serializer)
  if not is_key(key) then
    error(("serializers: name or media type expected as the key, got '%s'")
      :format(values.shown(tostring(key), 64)), 2)
  elseif serializer ~= nil and not is_serializer(serializer) then
    error(("serializers: '%s': table with encode and decode expected, got %s")
      :format(key, type(serializer)), 2)
  end
  known[key:lower()] = serializer
end

local function each(serializers)
  local keys, i = {}, 0
  for key in pairs(known) do keys[#keys + 1] = key end
  table.sort(keys)
  return function()
    i = i + 1
    return keys[i], serializers[keys[i]]
  end
end

return setmetatable({}, { __index = find, __newindex = set, __pairs = each })
