--- What a response can do beyond what the core gives it: read, next_chunk, text,
-- sequence, detach, dispose, info. `sluice` adds these methods to the core's own type.

local BodyReader = require "sluice.body_reader"
local check = require "sluice.check"
local core = require "sluice.core"
local failure = require "sluice.failure"
local json = require "sluice.json"

local methods = {}

-- Misuse is told where the caller's line is known.
local function check_live(response)
  if not response:is_live() then error("use of disposed response", 3) end
end

-- The values of a generic `for` over the body: leaving it early lets go of the
-- response; at its end the response stays, with its trailers.
local function iterate(response, next_value, reader)
  local is_at_end = false
  local leaving = setmetatable({}, {
    __close = function()
      if reader then reader:close() end
      if not is_at_end then response:dispose() end
    end,
  })
  return function()
    local value, _, err = next_value()
    if value == nil then
      if err then error(err, 2) end
      is_at_end = true
    end
    return value
  end, nil, nil, leaving
end

--- Iterates over the body's pieces as sequences; they stay valid while they are
-- held. A failure is raised. Leaving the loop early lets go of the response. Yields.
function methods:chunks()
  check_live(self)
  return iterate(self, function() return self:next_chunk() end)
end

--- Iterates over the body's lines, without their ends (LF or CRLF). A failure is
-- raised. Leaving the loop early lets go of the response. Yields.
function methods:lines()
  check_live(self)
  local reader, _, failed = BodyReader.new(self)
  if not reader then error(failed, 2) end
  return iterate(self, function()
    local line, message, err = reader:read("L")
    if not line then return nil, message, err end
    return (line:gsub("\r?\n$", ""))
  end, reader)
end

--- The body's value by the client's serializer. The body is received once; each call
-- decodes it anew.
-- Returns the value | nil, message, err (decode and what reading can give)
function methods:json()
  check_live(self)
  local serializer = self.serializer
  if serializer == json then -- which needs a string: one is made once
    local text, message, err = self:text()
    if not text then return nil, message, err end
    return json.decode(text)
  end
  local sequence, message, err = self:sequence()
  if not sequence then return nil, message, err end
  local shown <close> = sequence
  return serializer.decode(shown)
end

--- A file-like reader over the body: of one on its way forward only, pulling pieces
-- as they are needed; of a whole one with `seek`. To be closed, like a file.
-- Returns a reader | nil, message, err; its methods yield when streamed.
function methods:reader()
  check_live(self)
  return BodyReader.new(self)
end

local function temporary_name(path) return ("%s.%s.part"):format(path, core.random_name()) end

local function write_pieces(file, next_piece)
  while true do
    local piece, message, err = next_piece()
    if not piece then
      if err then return nil, message, err end
      return true
    end
    local ok, reason = file:write(piece)
    if not ok then return failure.new("invalid", "save", reason, "body") end
  end
end

-- A body that is there is shown, one on its way is read as it comes.
local function write_body(response, file)
  if not response:is_complete() then
    return write_pieces(file, function() return response:read() end)
  end
  local sequence <close> = response:sequence()
  local next_piece, subject = sequence:segments()
  return write_pieces(file, function() return next_piece(subject) end)
end

--- Writes the body to a file: to a temporary name beside it, then renamed, so that
-- a file of that name is always whole. There are no options yet. Yields.
-- Returns the count of bytes | nil, message, err
function methods:save(path, options)
  if type(path) ~= "string" then
    error("save: path: string expected, got " .. type(path), 2)
  end
  if options ~= nil then check.options("save", options, {}, 2) end
  check_live(self)
  local temporary = temporary_name(path)
  local file, reason = io.open(temporary, "wb")
  if not file then return failure.new("invalid", "save", reason, "body") end
  local unfinished <close> = setmetatable({}, { -- luacheck: ignore
    __close = function(saved)
      if io.type(file) == "file" then file:close() end
      if not saved.is_done then os.remove(temporary) end
    end,
  })
  local ok, message, err = write_body(self, file)
  if not ok then return nil, message, err end
  local size = file:seek("cur", 0)
  ok, reason = file:close()
  if ok then ok, reason = os.rename(temporary, path) end
  if not ok then return failure.new("invalid", "save", reason, "body") end
  unfinished.is_done = true
  return size
end

return methods
