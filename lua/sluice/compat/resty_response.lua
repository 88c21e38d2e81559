--- A response as lua-resty-http gives it.

local in_place = require "sluice.compat.in_place"
local words = require "sluice.compat.words"

local piece = 64 * 1024 -- bytes that a reader gives at most unless it is asked for fewer

-- Names as they are looked up: without case, and with dashes for underscores.
local function normal(name) return (tostring(name):lower():gsub("_", "-")) end

-- Fields under their own names; a repeated one is an array. Any spelling finds them.
local function fields_of(lines)
  local found, known = {}, {}
  for name, value in pairs(lines) do
    local key = known[normal(name)] or name
    known[normal(name)] = key
    local before = found[key]
    if before == nil then
      found[key] = value
    elseif type(before) == "table" then
      before[#before + 1] = value
    else
      found[key] = { before, value }
    end
  end
  return setmetatable(found, { __index = function(_, name)
    return rawget(found, known[normal(name)] or "")
  end })
end

local Response = {}
Response.__index = Response

-- All of the body was given: what is needed later is taken out of the response.
local function finish(self)
  self.trailers = fields_of(self.response.trailers)
  self:discard()
end

-- A function that returns the next piece, of a size it may be given; nil at the end | nil, message
local function reader_of(self)
  return function(size)
    if not self.response then return nil end
    local text, message, err = in_place(self.response.read, self.response, size or piece)
    if text then return text end
    if err then return nil, words(message, err) end
    finish(self)
    return nil
  end
end

--- The rest of the body. Returns text | nil, message. Yields.
function Response:read_body()
  local pieces = {}
  while true do
    local text, message = self.body_reader()
    if message then return nil, message end
    if not text then return table.concat(pieces) end
    pieces[#pieces + 1] = text
  end
end

--- The fields behind the body are found in `headers`, too, from now on. Returns self
function Response:read_trailers()
  local meta = getmetatable(self.headers)
  local find, trailers = meta.__index, self.trailers or {}
  function meta.__index(found, name)
    local value = find(found, name)
    if value == nil then return trailers[name] end
    return value
  end
  return self
end

--- Gives its memory back, and its connection if the body was not read to its end; idempotent.
-- Returns whether there was more of the body.
function Response:discard()
  local response = self.response
  self.response = nil
  if not response then return false end
  local has_more = not response:is_complete()
  response:dispose()
  return has_more
end

local bodiless = { [204] = true, [304] = true }

--- Makes it of a streamed response.
return function(response)
  local self = setmetatable({
    response = response,
    status = response.status,
    reason = response.reason,
    headers = fields_of(response.headers),
    has_body = response.method ~= "HEAD" and not bodiless[response.status],
  }, Response)
  self.body_reader = reader_of(self)
  if not self.has_body then finish(self) end
  return self
end
