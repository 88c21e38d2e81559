--- Checks of option tables at the door: every key known, every type right.
-- A schema maps each name to a checker, `check.number` for instance, which returns nothing, or
-- what was expected, the inner key and what was found. Misuse raises and names the key, the
-- function and what was expected.

local values = require "sluice.values"

local check = {}

local function expected(what)
  return function(value, test)
    if test(value) then return nil end
    return what
  end
end

local function make(what, test)
  local describe = expected(what)
  return function(value) return describe(value, test) end
end

check.string = make("string", function(v) return type(v) == "string" end)

--- A string that C can take: a zero byte would end it.
check.text = make("string without zero bytes", function(v)
  return type(v) == "string" and not v:find("\0", 1, true)
end)

--- A string that is not empty.
check.content = make("string that is not empty", function(v)
  return type(v) == "string" and v ~= ""
end)

check.boolean = make("boolean", function(v) return type(v) == "boolean" end)
check.table = make("table", function(v) return type(v) == "table" end)
check.callable = make("function", function(v) return type(v) == "function" end)
check.any = function() end

check.seconds = make("number of seconds, not negative", function(v)
  return type(v) == "number" and v >= 0
end)

check.count = make("integer, not negative", function(v)
  return math.type(v) == "integer" and v >= 0
end)

check.positive = make("integer above zero", function(v)
  return math.type(v) == "integer" and v > 0
end)

check.port = make("integer from 1 to 65535", function(v)
  return math.type(v) == "integer" and v >= 1 and v <= 65535
end)

--- Accepts one of these strings.
function check.one_of(...)
  local names, known = { ... }, {}
  for i, name in ipairs(names) do
    known[name] = true
    names[i] = ("'%s'"):format(name)
  end
  return make(table.concat(names, " or "), function(v) return known[v] == true end)
end

--- An array of at most `most` values that pass `test`, and at least `least` (none unless
-- given); `what` for the message.
function check.array(what, most, test, least)
  return make(what, function(v)
    if type(v) ~= "table" or #v > most or #v < (least or 0) then return false end
    local count = 0
    for _ in pairs(v) do count = count + 1 end
    for _, one in ipairs(v) do
      if not test(one) then return false end
      count = count - 1
    end
    return count == 0
  end)
end

-- The count of changed, inserted and removed letters that make one word the other.
local function distance(a, b)
  local row = {}
  for j = 0, #b do row[j] = j end
  for i = 1, #a do
    local diagonal = row[0]
    row[0] = i
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      diagonal, row[j] = row[j], math.min(row[j] + 1, row[j - 1] + 1, diagonal + cost)
    end
  end
  return row[#b]
end

-- The option of `schema` with the nearest name; of two as near the first in the alphabet.
local function find_nearest(key, schema)
  local best, least
  for name in pairs(schema) do
    local apart = distance(key, name)
    -- A third of its letters may differ.
    if apart * 3 <= #name and (not best or apart < least or apart == least and name < best) then
      best, least = name, apart
    end
  end
  return best
end

-- The names of a schema, behind ": owner has "; "" if they are too many to be read.
local function list_names(owner, schema)
  local names = {}
  for name in pairs(schema) do names[#names + 1] = name end
  if #names > 12 then return "" end
  table.sort(names)
  return (": %s has %s"):format(owner, table.concat(names, ", "))
end

--- A value that passes one of several checkers, `what` for the message.
function check.either(what, ...)
  local checkers = { ... }
  return function(value)
    local inner
    for _, checker in ipairs(checkers) do
      local wrong, key, hint = checker(value)
      if not wrong and not key then return nil end
      if key then inner = { wrong, key, hint } end
    end
    if inner then return inner[1], inner[2], inner[3] end
    return what
  end
end

--- `false` itself.
check.off = make("false", function(v) return v == false end)

--- A table whose own fields are checked by `schema`; of one that is unknown it gives the key, and
-- what makes the hint: the field that was probably meant, else the schema.
function check.fields(schema)
  return function(value)
    if type(value) ~= "table" then return "table" end
    for key, field in pairs(value) do
      local checker = schema[key]
      if not checker then
        return nil, key, type(key) == "string" and find_nearest(key:lower(), schema) or schema
      end
      local what = checker(field)
      if what then return what, key end
    end
    return nil
  end
end

-- The value at a key, or at "outer.inner".
local function find_value(value, key)
  if value[key] ~= nil or type(key) ~= "string" then return value[key] end
  local outer, inner = key:match "^([^.]*)%.(.*)$"
  return outer and type(value[outer]) == "table" and value[outer][inner] or nil
end

local function describe(key) return values.shown(tostring(key), 64) end

-- What was given instead: its type, or the number that it is where one is expected.
local function describe_value(value, what)
  local is_number = what:find "number" or what:find "integer"
  return is_number and type(value) == "number" and tostring(value) or type(value)
end

-- The names that other libraries give our options.
local elsewhere = {
  data = "body", payload = "body", files = "multipart", formdata = "multipart",
  params = "query", searchparams = "query",
  verify = "tls.verify", cert = "tls.cert_file", ca = "tls.ca_file", cafile = "tls.ca_file",
  proxies = "proxy", baseurl = "base_url", base_uri = "base_url", uri = "url",
  allow_redirects = "redirects", follow_redirects = "redirects", followredirects = "redirects",
  raise_for_status = "fail_status", throw_http_errors = "fail_status", max_retries = "retry",
  max_redirects = "redirects", maxredirects = "redirects", retries = "retry",
  user_agent = "headers", bearer = "auth", token = "auth", gzip = "decompress",
  connect_timeout = "timeout.connect", read_timeout = "timeout.idle",
  pool_size = "pool.per_origin",
  subprotocols = "protocols", protocol = "protocols", maxpayload = "max_message_size",
  max_payload = "max_message_size", max_size = "max_message_size", compression = "compress",
  permessagedeflate = "compress", heartbeat = "ping_interval", ping_timeout = "pong_timeout",
  open_timeout = "timeout", handshake_timeout = "timeout", handshaketimeout = "timeout",
  origin = "headers",
}

-- The hint for an unknown key: the option that was probably meant, if it can be guessed, else
-- those that there are. `others` are the options of clients, for a key of a request.
local function hint(where, key, schema, others)
  if type(key) ~= "string" then return list_names(where, schema) end
  if others and others[key] then return ": it is an option of the client" end
  local known = elsewhere[key:lower()]
  local root = known and known:match "^[%w_]+"
  if root and not schema[root] then
    if not others or not others[root] then return "" end
    return (": did you mean '%s' of the client?"):format(known)
  end
  local meant = known or find_nearest(key:lower(), schema)
  return meant and (": did you mean '%s'?"):format(meant) or list_names(where, schema)
end

-- The same for a key of an option; `found` is what check.fields gave.
local function hint_inner(key, found)
  if type(found) == "table" then return list_names(key, found) end
  return found and (": did you mean '%s.%s'?"):format(key, found) or ""
end

--- Raises at `level` unless every field of `options` is in `schema` and passes. `others` is
-- the schema of the client, if it is not `schema` itself.
function check.options(where, options, schema, level, others)
  level = (level or 1) + 1
  if type(options) ~= "table" then
    error(("%s: table of options expected, got %s"):format(where, type(options)), level)
  end
  for key, value in pairs(options) do
    local checker = schema[key]
    if not checker then
      error(("%s: unknown option '%s'%s"):format(where, describe(key),
        hint(where, key, schema, others)), level)
    end
    local what, inner, found = checker(value)
    if inner and not what then
      error(("%s: unknown option '%s.%s'%s"):format(where, key, describe(inner),
        hint_inner(key, found)), level)
    elseif what then
      local name = inner and (key .. "." .. describe(inner)) or key
      local got = value
      if inner then got = find_value(value, inner) end
      error(("%s: option '%s': %s expected, got %s")
        :format(where, name, what, found or describe_value(got, what)), level)
    end
  end
end

return check
