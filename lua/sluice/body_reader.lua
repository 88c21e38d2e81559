--- Bodies read like files. One on its way can only go forward: pieces are pulled when
-- they are needed, and where they end never matters. A whole one has `seek`.

local core = require "sluice.core"

local BodyReader = {}
BodyReader.__index = BodyReader
BodyReader.__name = "sluice.body_reader"

-- A numeral is at most as long as those that Lua reads from files.
local numeral_limit = 200

-- ---- a whole body ----

local WholeReader = {}
WholeReader.__index = WholeReader
WholeReader.__name = "sluice.body_reader"

-- Results as they are; misuse names the caller's line.
local function relay(name, ok, ...)
  if ok then return ... end
  local raised = ...
  local reason = type(raised) == "string" and raised:match("^bad argument #%d+ to '.-' %((.*)%)$")
  error(reason and name .. ": " .. reason or raised, 2)
end

for _, name in ipairs { "read", "lines", "seek", "position" } do
  WholeReader[name] = function(self, ...)
    if not self.reader then error("use of closed body reader", 2) end
    return relay(name, pcall(self.reader[name], self.reader, ...))
  end
end

--- Gives back what it shows. Idempotent.
function WholeReader:close()
  if not self.reader then return end
  self.reader = nil
  self.sequence:dispose()
end

WholeReader.__close = WholeReader.close

function WholeReader:__len() return #self.sequence end

function WholeReader:__tostring()
  return self.reader and "sluice.body_reader" or "sluice.body_reader (closed)"
end

-- ---- a body on its way ----

--- Reads the body of a response: one on its way, or all of it that is left.
-- Returns a reader | nil, message, err
function BodyReader.new(response)
  if not response:is_complete() then
    return setmetatable({ response = response, text = "", from = 1, offset = 0 }, BodyReader)
  end
  local sequence, message, err = response:sequence()
  if not sequence then return nil, message, err end
  return setmetatable({ sequence = sequence, reader = sequence:reader() }, WholeReader)
end

-- Replaces the text, which has been read, by that of the next piece.
-- Returns true | false (the end) | nil, message, err
local function fill(self)
  if self.is_over then return false end
  local piece, message, err = self.response:next_chunk()
  if not piece then
    if err then return nil, message, err end
    self.is_over = true
    self.text, self.from = "", 1
    return false
  end
  self.text, self.from = piece:tostring(), 1
  piece:dispose()
  return true
end

local function left(self) return #self.text - self.from + 1 end

local function take(self, size)
  local taken = self.text:sub(self.from, self.from + size - 1)
  self.from = self.from + #taken
  self.offset = self.offset + #taken
  return taken
end

-- Up to and with the first byte for which `find` gives the position, else all.
-- Returns string | nil (the end) | nil, message, err
local function take_until(self, find)
  local parts, stop = {}, nil
  while not stop do
    if left(self) == 0 then
      local more, message, err = fill(self)
      if err then return nil, message, err end
      if not more then break end
    end
    stop = find(self)
    parts[#parts + 1] = take(self, (stop or #self.text) - self.from + 1)
  end
  if parts[1] == nil then return nil end
  return table.concat(parts)
end

local function find_line_end(self) return self.text:find("\n", self.from, true) end

local function read_line(self, keeps_end)
  local line, message, err = take_until(self, find_line_end)
  if not line then return nil, message, err end
  return keeps_end and line or (line:gsub("\n$", ""))
end

local function read_all(self)
  local text, message, err = take_until(self, function() end)
  if err then return nil, message, err end
  return text or ""
end

local function read_count(self, count)
  if count == 0 then
    while left(self) == 0 do
      local more, message, err = fill(self)
      if not more then return nil, message, err end
    end
    return ""
  end
  local wanted = count
  return take_until(self, function()
    local stop = self.from + wanted - 1
    wanted = wanted - left(self)
    return wanted <= 0 and stop or nil
  end)
end

-- As much text as a numeral and the space before it may take.
local function gather_numeral(self)
  local text = take(self, left(self))
  while #text:match("^%s*(.*)$") <= numeral_limit do
    local more, message, err = fill(self)
    if err then return nil, message, err end
    if not more then break end
    text = text:match("^%s*(.*)$") .. take(self, left(self))
  end
  return text
end

local function read_number(self)
  local text, message, err = gather_numeral(self)
  if not text then return nil, message, err end
  local buffer <close> = core.buffer()
  buffer:append(text)
  local sequence <close> = buffer:sequence()
  local reader <close> = sequence:reader()
  local number = reader:read("n")
  self.offset = self.offset - (#text - reader:position())
  self.text, self.from = text, reader:position() + 1
  return number
end

local readers = {
  l = function(self) return read_line(self, false) end,
  L = function(self) return read_line(self, true) end,
  a = read_all,
  n = read_number,
}

-- What reads by that format; nil: it is none.
local function reader_of(format)
  if math.type(format) == "integer" then return format >= 0 and read_count or nil end
  return type(format) == "string" and readers[format:gsub("^%*", ""):sub(1, 1)] or nil
end

-- Raises in the name of who called the caller.
local function check(self, name, formats)
  if not self.response then error("use of closed body reader", 3) end
  for i = 1, formats and formats.n or 0 do
    if not reader_of(formats[i]) then error(name .. ": invalid format", 3) end
  end
end

local function read_formats(self, formats)
  if formats.n == 0 then return read_line(self, false) end
  local results = {}
  for i = 1, formats.n do
    local message, err
    results[i], message, err = reader_of(formats[i])(self, formats[i])
    if err then return nil, message, err end
    if results[i] == nil then return table.unpack(results, 1, i) end
  end
  return table.unpack(results, 1, formats.n)
end

--- Reads by the formats of Lua's files: "l" (the default), "L", "n", "a", counts.
-- Returns what each gives, nil for the first that cannot be had | nil, message, err
-- Yields.
function BodyReader:read(...)
  local formats = table.pack(...)
  check(self, "read", formats)
  return read_formats(self, formats)
end

--- Iterates over what `read` gives; a failure is raised. Yields.
function BodyReader:lines(...)
  local formats = table.pack(...)
  check(self, "lines", formats)
  return function()
    if not self.response then error("use of closed body reader", 2) end
    local results = table.pack(read_formats(self, formats))
    if results[1] == nil and results[3] then error(results[3], 2) end
    return table.unpack(results, 1, results.n)
  end
end

--- Where it stands, in bytes from the start. Going elsewhere is misuse.
function BodyReader:seek(whence, offset)
  check(self)
  if whence ~= nil and whence ~= "cur" or (offset or 0) ~= 0 then
    error("seek: a body on its way is read forward only", 2)
  end
  return self.offset
end

function BodyReader:position()
  check(self)
  return self.offset
end

--- No more is read; the response stays as it is. Idempotent.
function BodyReader:close() self.response = nil end

BodyReader.__close = BodyReader.close

function BodyReader:__tostring()
  return self.response and "sluice.body_reader" or "sluice.body_reader (closed)"
end

return BodyReader
