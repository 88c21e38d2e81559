--- Saves the body of a response to a file, whole or not at all.

local core = require "sluice.core"
local failure = require "sluice.failure"
local finish = require "sluice.finish"

-- Seconds without progress after which a FIFO's reader is given up.
local patience = 30

-- Seconds between two looks at a full FIFO.
local shortest, longest = 0.0005, 0.02

-- Writes all of a sequence. Returns true | nil, message, err. Yields.
local function write_piece(file, piece, attempt)
  local from, pause, waited = 0, shortest, 0
  while from < #piece do
    local to, reason = file:write(piece, from)
    if not to then return failure.new("invalid", attempt, reason, "body") end
    if to > from then
      from, pause, waited = to, shortest, 0
    elseif waited >= patience then
      return failure.new("timeout", attempt,
        ("no process has read from this FIFO for %d s"):format(patience), "body")
    else
      local ok, message, err = core.sleep(pause)
      if not ok then return nil, message, err end
      waited, pause = waited + pause, math.min(pause * 2, longest)
    end
  end
  return true
end

-- Returns the count of bytes | nil, message, err. Yields.
local function write_stream(response, file, attempt)
  local size = 0
  while true do
    local piece <close>, message, err = response:next_chunk()
    if not piece then
      if err then return nil, message, err end
      return size
    end
    local ok
    ok, message, err = write_piece(file, piece, attempt)
    if not ok then return nil, message, err end
    size = size + #piece
  end
end

-- A complete body is shown, and stays; a body that is still arriving is taken piece by piece.
local function write_body(response, file, attempt)
  if not response:is_complete() then return write_stream(response, file, attempt) end
  local whole <close>, message, err = response:sequence()
  if not whole then return nil, message, err end
  local ok
  ok, message, err = write_piece(file, whole, attempt)
  if not ok then return nil, message, err end
  return #whole
end

local function escape(byte) return ("\\x%02X"):format(byte:byte()) end

--- Does the work of response:save, whose arguments were checked.
return function(response, path, is_durable)
  local attempt = "save '" .. path:gsub("%c", escape) .. "'"
  local file <close>, reason = core.replace_file(path)
  if not file then return failure.new("invalid", attempt, reason, "body") end
  local size, message, err = write_body(response, file, attempt)
  if not size then return nil, message, err end
  finish.call(response)
  local ok
  ok, reason = file:commit(is_durable)
  if not ok then return failure.new("invalid", attempt, reason, "body") end
  return size
end
