--- Adds header fields that a request does not have.
--
--     client:use(sluice.interceptors.default_headers {
--       ["X-Application"] = "shop",
--       ["X-Request-Id"] = function(request) return new_id() end,
--     })

local check = require "sluice.check"
local fields = require "sluice.fields"
local watch = require "sluice.watch"

-- Puts the functions aside, by name.
local function split(headers, where, level)
  local constant, asked = {}, {}
  for key, value in pairs(headers) do
    if type(value) == "function" and type(key) == "string" then
      asked[#asked + 1] = { key, value }
    else
      constant[key] = value
    end
  end
  table.sort(asked, function(a, b) return a[1] < b[1] end)
  local list, secrets = fields.flatten(where, constant, level + 1)
  return list, secrets, asked
end

local function mark_secret(request, names)
  local marked = table.move(request.secrets or {}, 1, #(request.secrets or {}), 1, {})
  request.secrets = table.move(names, 1, #names, #marked + 1, marked)
end

-- The fields of the list that the request has not. Several lines of one name belong together: what
-- counts is whether the caller has any.
local function missing(request, list)
  local left, is_missing = {}, {}
  for i = 1, #list, 2 do
    local name = list[i]:lower()
    if is_missing[name] == nil then is_missing[name] = request:get_header(name) == nil end
    if is_missing[name] then table.move(list, i, i + 1, #left + 1, left) end
  end
  return left
end

-- Adds fields that are always the same: the plan is kept as it was before, and `variant` stands for
-- them in its kind.
local function add_constant(request, list, variant)
  table.move(list, 1, #list, #request.fields + 1, request.fields)
  if request.key then request.variant = (request.variant or "") .. variant end
end

local made = 0 -- a number for each, in plans

--- Adds these fields to each call, where the request has none of that name: a map, or an array of
-- { name, value } in which `secret = true` marks what no redirect may take to another origin. In a
-- map a value may be function(request), which is called once for each call; nil adds nothing.
-- Misuse raises.
return function(headers)
  local wrong = check.table(headers)
  if wrong then
    error(("default_headers: %s expected, got %s"):format(wrong, type(headers)), 2)
  end
  local list, secrets, asked = split(headers, "default_headers", 2)
  made = made + 1
  local variant = " default " .. made
  local function step(request, forward)
    add_constant(request, missing(request, list), variant)
    for _, pair in ipairs(asked) do
      if request:get_header(pair[1]) == nil then
        local value = pair[2](request)
        if value ~= nil then request:set_header(pair[1], value) end
      end
    end
    if secrets then mark_secret(request, secrets) end
    return forward(request)
  end
  if not asked[1] and not secrets then watch.declare(step, { variant = variant }) end
  return step
end
