--- The rules of a private HTTP cache (RFC 9111), without a store: directives, ages, lifetimes.

local date = require "sluice.date"

local rules = {}

-- RFC 9110 15.1: statuses that may be stored without explicit freshness.
local heuristic = { [200] = true, [203] = true, [204] = true, [300] = true, [301] = true,
  [308] = true, [404] = true, [405] = true, [410] = true, [414] = true, [501] = true }

-- Statuses whose rules this cache knows, beside these: RFC 9111 3.
local understood = { [302] = true, [303] = true, [307] = true, [400] = true, [403] = true,
  [500] = true, [502] = true, [503] = true, [504] = true }

-- RFC 9111 1.2.2: more is that much.
local most_seconds = 2 ^ 31 | 0

-- RFC 9111 4.2.2: a tenth of the time since the last change, a day at most.
local heuristic_part, heuristic_most = 0.1, 24 * 60 * 60

local function to_seconds(text)
  local digits = text:match "^%d+$"
  if not digits then return nil end
  return #digits > 10 and most_seconds or math.min(math.tointeger(tonumber(digits)), most_seconds)
end

-- The text of a quoted string whose quote stands at `from`, and where it ends.
local function read_quoted(text, from)
  local pieces, at = {}, from + 1
  while at <= #text do
    local byte = text:sub(at, at)
    if byte == "\"" then return table.concat(pieces), at + 1 end
    if byte == "\\" then
      at = at + 1
      byte = text:sub(at, at)
    end
    pieces[#pieces + 1] = byte
    at = at + 1
  end
  return table.concat(pieces), at
end

-- The next directive from `from`: its name, its argument or nil, where it ends; nil: none.
local function next_directive(text, from)
  local _, stop, name = text:find("^[%s,]*([^%s,=\"]+)%s*", from)
  if not name then return nil end
  local _, equals = text:find("^=%s*", stop + 1)
  if not equals then return name, nil, stop + 1 end
  if text:sub(equals + 1, equals + 1) == "\"" then
    local argument, behind = read_quoted(text, equals + 1)
    return name, argument, behind
  end
  local _, token_end, token = text:find("^([^%s,]*)", equals + 1)
  return name, token, token_end + 1
end

--- The directives of a Cache-Control (nil: none) as a map of names in lower case: true, or the
-- argument. Numbers of seconds are integers; what is none counts as 0, so that it is stale.
function rules.directives(text)
  local found = {}
  local at = 1
  while text do
    local name, argument, stop = next_directive(text, at)
    if not name then
      at = text:find(",", at, true)
      if not at then break end
      at = at + 1
    else
      name = name:lower()
      local value = argument == nil and true or argument
      if name == "max-age" or name == "s-maxage" or name == "min-fresh" then
        value = to_seconds(argument or "") or 0
      elseif name == "max-stale" then
        value = argument == nil and math.huge or to_seconds(argument) or 0
      end
      -- RFC 9111 4.2.1: of several the strictest.
      local before = found[name]
      if type(before) == "number" and type(value) == "number" and before < value then
        value = before
      end
      if found[name] ~= true then found[name] = value end
      at = stop
    end
  end
  return found
end

--- The directives of a request, from Cache-Control, or else from Pragma.
function rules.request_directives(request)
  local text = request:get_header "Cache-Control"
  if text then return rules.directives(text) end
  local pragma = request:get_header "Pragma"
  if pragma and pragma:lower():find("no-cache", 1, true) then return { ["no-cache"] = true } end
  return {}
end

-- The seconds for which a response is fresh, and whether the server said so.
local function lifetime(status, fields, directives, now)
  local max_age = directives["max-age"]
  if max_age then return max_age, true end
  local expires = fields.Expires
  local sent = date.parse(fields.Date or "") or now
  if expires then
    local at = date.parse(expires)
    return at and math.max(0, at - sent) or 0, true
  end
  local modified = date.parse(fields["Last-Modified"] or "")
  if modified and modified <= sent and (heuristic[status] or directives.public) then
    return math.min((sent - modified) * heuristic_part, heuristic_most), false
  end
  return 0, false
end

--- Whether a response may be stored (RFC 9111 3), and what a cache has to know of it: { lifetime,
-- age (when it was received), received, directives, must_revalidate }, or nil. `fields` gives the
-- value of a name; `asked` and `received` are when the request was sent and the response came.
function rules.storable(status, fields, request_directives, asked, received)
  local directives = rules.directives(fields["Cache-Control"])
  if request_directives["no-store"] or directives["no-store"] and not
    (directives["must-understand"] and (heuristic[status] or understood[status])) then
    return nil
  end
  if not heuristic[status] and not understood[status] then return nil end
  if fields.Vary and fields.Vary:find("*", 1, true) then return nil end
  local seconds, is_explicit = lifetime(status, fields, directives, received)
  local has_validator = fields.ETag or fields["Last-Modified"]
  if not is_explicit and not directives.public and not directives.private
    and not (heuristic[status] and (seconds > 0 or has_validator)) then
    return nil
  end
  if seconds <= 0 and not has_validator then return nil end
  -- RFC 9111 4.2.3
  local sent = date.parse(fields.Date or "") or received
  local apparent = math.max(0, received - sent)
  local told = to_seconds((fields.Age or ""):match "^%s*(%d+)" or "") or 0
  return {
    lifetime = seconds,
    age = math.max(apparent, told + (received - asked)),
    received = received,
    must_validate = directives["no-cache"] ~= nil,
    must_revalidate = directives["must-revalidate"] ~= nil,
  }
end

--- The age of a stored response in seconds.
function rules.age(entry, now) return entry.age + math.max(0, now - entry.received) end

--- Whether a stored response may be given to a request without asking the server: RFC 9111 4.2,
-- 5.2.1.
function rules.is_usable(entry, directives, now)
  if directives["no-cache"] or entry.must_validate then return false end
  local age = rules.age(entry, now)
  if directives["max-age"] and age > directives["max-age"] then return false end
  local left = entry.lifetime - age
  if directives["min-fresh"] and left < directives["min-fresh"] then return false end
  if left > 0 then return true end
  return not entry.must_revalidate and directives["max-stale"] ~= nil
    and -left <= directives["max-stale"]
end

--- The names that a Vary lists, in lower case, sorted.
function rules.vary_names(text)
  local names = {}
  for name in (text or ""):gmatch "[^%s,]+" do names[#names + 1] = name:lower() end
  table.sort(names)
  return names
end

return rules
