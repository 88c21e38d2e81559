--- What a response can do beyond what the core gives it: read, next_chunk, text,
-- sequence, detach, dispose, info. The methods are added to the core's own type.

local core = require "sluice.core"
local failure = require "sluice.failure"

local methods = core.response_methods

--- Iterates over the body's pieces as sequences; they stay valid while they are
-- held. Ends with the body; a failure is raised. Leaving the loop early lets go
-- of the response. Yields.
function methods:chunks()
  return function()
    local piece, _, err = self:next_chunk()
    if not piece and err then error(err, 2) end
    return piece
  end, nil, nil, self
end

-- Lines of pieces, whatever their size: what is left over waits for the next.
local function next_line(state)
  while true do
    local stop = state.rest:find("\n", state.from, true)
    if stop then
      local line = state.rest:sub(state.from, stop - 1)
      state.from = stop + 1
      return (line:gsub("\r$", ""))
    end
    local piece, _, err = state.response:read()
    if not piece then
      if err then error(err, 3) end
      local last = state.rest:sub(state.from)
      state.rest, state.from = "", 1
      if last == "" then return nil end
      return (last:gsub("\r$", ""))
    end
    state.rest = state.rest:sub(state.from) .. piece
    state.from = 1
  end
end

--- Iterates over the body's lines, without their ends (LF or CRLF). A failure is
-- raised. Leaving the loop early lets go of the response. Yields.
function methods:lines()
  local state = { response = self, rest = "", from = 1 }
  return function() return next_line(state) end, nil, nil, self
end

--- The body's value by the client's serializer, made once.
-- Returns the value | nil, message, err (decode and what reading can give)
function methods:json()
  local serializer = self.serializer
  local text, message, err = self:text()
  if not text then return nil, message, err end
  return serializer.decode(text)
end

--- A file-like reader over the whole body. Yields when streamed.
function methods:reader()
  local sequence, message, err = self:sequence()
  if not sequence then return nil, message, err end
  return sequence:reader()
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
-- a file of that name is always whole. Yields.
-- Returns the count of bytes | nil, message, err
function methods:save(path)
  if type(path) ~= "string" then
    error("save: path: string expected, got " .. type(path), 2)
  end
  local temporary = temporary_name(path)
  local file, reason = io.open(temporary, "wb")
  if not file then return failure.new("invalid", "save", reason, "body") end
  local ok, message, err = write_body(self, file)
  local size = ok and file:seek("cur", 0)
  local closed, close_reason = file:close()
  if ok and not closed then
    ok, message, err = failure.new("invalid", "save", close_reason, "body")
  end
  if ok then
    local renamed, rename_reason = os.rename(temporary, path)
    if not renamed then ok, message, err = failure.new("invalid", "save", rename_reason, "body") end
  end
  if not ok then
    os.remove(temporary)
    return nil, message, err
  end
  return size
end

return methods
