--- Request bodies: the values that users give, and what the core sends for them.
-- A body is a string, lease, sequence, open file, { path = name }, an array of those, a
-- function that returns the next piece (nil at the end), or { read = function,
-- length = bytes }. It has `text`, or is pulled by `pull`, or has `parts` that the core
-- sends in order: one, unless it is an array.

local failure = require "sluice.failure"
local parts = require "sluice.parts"

local body = {}

-- `held`: by how many tasks
local Body = { held = 0 }
Body.__index = Body

body.refuse = parts.refuse

-- ---- making ----

-- Makes a body of parts: `label_of(i)` names one of them in messages. The core sends them,
-- but where there is a function among them all are read and pushed.
local function of_parts(values, label_of)
  local self = setmetatable({ parts = {}, length = 0 }, Body)
  for i, value in ipairs(values) do
    local part, message, err = parts.make(label_of(i), value)
    self.parts[i] = part
    if part and part.length and self.length and part.length > math.maxinteger - self.length then
      part, message, err = failure.new("invalid", "request body", "longer than 2^63 - 1 bytes")
    end
    if not part then
      parts.release(self.parts)
      parts.refuse(values)
      return nil, message, err
    end
    self.length = self.length and part.length and self.length + part.length or nil
    self.has_lease = self.has_lease or part.kind == "lease"
    if part.kind == "function" then self.pull = parts.reader(self.parts) end
  end
  return self
end

local function of_one(value)
  return of_parts({ value }, function() return "request body" end)
end

--- Makes a body of checked values, which may be functions, too: { read =, length = }.
-- Messages name a value by its label.
-- Returns a body | nil, message, err (invalid)
function body.of_list(values, labels)
  local made, message, err = of_parts(values, function(i) return labels[i] or "request body" end)
  if not made then return nil, message, err end
  made.given = values
  return made
end

-- In place of its caller: `level` is that of both.
local function from_array(where, values, level)
  for key in pairs(values) do
    if math.type(key) ~= "integer" or key < 1 or key > #values then
      error(("%s: unknown option 'body.%s' in an array of parts"):format(where, tostring(key)),
        level)
    end
  end
  for i = 1, #values do
    local label = ("body[%d]"):format(i)
    if type(values[i]) == "function" then
      error(("%s: %s: a function can be the whole body, but no part of one")
        :format(where, label), level)
    end
    parts.check(where, label, values[i], level)
  end
  return of_parts(values, function(i) return ("request body[%d]"):format(i) end)
end

-- In place of its caller, too.
local function from_table(where, value, level)
  local meta = getmetatable(value)
  if type(meta) == "table" and meta.__name == "sluice.multipart" then
    error(where .. ": body: a multipart is given by the option 'multipart'", level)
  end
  if value[1] ~= nil or #value > 0 then return from_array(where, value, level) end
  if type(value.path) == "string" then
    parts.check(where, "body", value, level)
    return of_one(value)
  end
  if type(value.read) == "function" then
    parts.check_fields(where, "body", value, "read", "length", level)
    local length = value.length
    if length ~= nil and (math.type(length) ~= "integer" or length < 0) then
      error(where .. ": body.length: integer expected, not negative", level)
    end
    return setmetatable({ pull = value.read, length = length }, Body)
  end
  error(where .. ": body: table with path or read, or array of parts expected"
    .. " (fields of a form: option 'form')", level)
end

-- Makes a body of a value that is not a body yet.
local function make(where, value, level)
  local kind = type(value)
  level = level + 1
  if kind == "string" then
    return setmetatable({ text = value, length = #value }, Body)
  elseif kind == "function" then
    return setmetatable({ pull = value }, Body)
  elseif kind == "table" then
    return from_table(where, value, level)
  elseif parts.kind_of(value) then
    parts.check(where, "body", value, level)
    return of_one(value)
  end
  error(("%s: body: string, lease, sequence, file, table or function expected, got %s")
    :format(where, io.type(value) or kind), level)
end

--- Returns a body, or false for nil | nil, message, err (invalid).
function body.new(where, value, level)
  if value == nil then return false end
  if getmetatable(value) == Body then return value end
  local made, message, err = make(where, value, level + 1)
  if not made then return nil, message, err end
  made.given = value
  return made
end

--- Whether a value can be read only once.
function body.is_pulled(value)
  return type(value) == "function" or type(value) == "table" and type(value.read) == "function"
end

-- ---- sending ----

--- Opens the body for one sending: what to give to the core, and a second result to be
-- closed afterwards.
-- Returns content, shown | nil, message, err (invalid)
function Body:open()
  if self.pull then
    if not self:is_whole() then
      return failure.new("invalid", "request body", "cannot be sent again")
    end
    return self.length or true
  end
  if self.text then return self.text end
  return parts.open(self.parts, self.has_lease)
end

-- Releases what a body owns once its request and the tasks that read it have ended.
local function release(self)
  if self.parts and self.is_disposed and self.held == 0 then parts.release(self.parts) end
end

--- The next piece of a body that is pulled, nil at its end | nil, message.
function Body:read()
  if self.parts and self.is_disposed and self.held == 0 then
    return nil, "the request is over"
  end
  self.is_begun = true
  local piece, reason = self.pull()
  if piece ~= nil then parts.check_piece(piece) end
  return piece, reason
end

--- Keeps the parts until what it returns is closed: by the task that gives the pieces,
-- which may go on after the response has arrived. Nothing for a body without parts.
function Body:hold()
  if not self.parts or self.is_disposed then return nil end
  self.held = self.held + 1
  return setmetatable({}, { __close = function()
    self.held = self.held - 1
    release(self)
  end })
end

--- Whether it can be sent any number of times.
function Body:is_replayable() return not self.pull end

--- Whether it can be sent now: a program that was asked for pieces gives them once.
function Body:is_whole() return not self.is_begun end

--- The request has come to its end, whatever that was.
function Body:dispose()
  if self.is_disposed then return end
  self.is_disposed = true
  release(self)
end

return body
