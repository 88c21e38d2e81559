--- Text files of a user, line by line: bounded, and with a failure that names the line.

local core = require "sluice.core"
local failure = require "sluice.failure"

local text_file = {}

local most_line = 16384
local block_size = 65536

local function escape(byte) return ("\\x%02X"):format(byte:byte()) end

--- What is tried on which file, for a message.
function text_file.attempt(verb, path) return verb .. " '" .. path:gsub("%c", escape) .. "'" end

-- Iterates over the positions of the ends of lines. A pattern for a whole line would look at the
-- rest of the text for each byte of it.
local function newlines(text)
  local at = 0
  return function()
    at = text:find("\n", at + 1, true)
    return at
  end
end

-- Calls `take(line)` for each line of the file, without the end of the line.
-- Returns true | nil, reason
local function read_lines(file, take)
  local rest, number = "", 0
  while true do
    local block, reason = file:read(block_size)
    if not block and reason then return nil, reason end
    local text = rest .. (block or "")
    local from = 1
    for at in newlines(text) do
      number = number + 1
      local fault = at - from > most_line and "the line is too long" or take(text:sub(from, at - 1))
      if fault then return nil, ("line %d: %s"):format(number, fault) end
      from = at + 1
    end
    rest = text:sub(from)
    if #rest > most_line then return nil, ("line %d: the line is too long"):format(number + 1) end
    if not block then
      local fault = rest ~= "" and take(rest)
      if fault then return nil, ("line %d: %s"):format(number + 1, fault) end
      return true
    end
  end
end

--- Calls `take(line)` for each line of a regular file, without its end (LF or CRLF). `take`
-- returns nil, or what is wrong with the line, which ends it. `verb` says what is tried.
-- Returns true | nil, message, err (invalid)
function text_file.each_line(verb, path, take)
  local attempt = text_file.attempt(verb, path)
  local file <close>, reason = core.open_file(path)
  if not file then return failure.new("invalid", attempt, reason) end
  local ok
  ok, reason = read_lines(file, function(line) return take((line:gsub("\r$", ""))) end)
  if not ok then return failure.new("invalid", attempt, reason) end
  return true
end

--- Writes a text to a file that replaces another (core.replace_file).
-- Returns true | nil, reason
function text_file.write_all(file, text)
  local writer <close> = core.writer { max_size = #text + 1 }
  local ok, reason = writer:write(text)
  if not ok then return nil, reason end
  local lease <close> = writer:detach()
  local bytes <close> = lease:sequence()
  local from = 0
  while from < #bytes do
    local to
    to, reason = file:write(bytes, from)
    if not to then return nil, reason end
    if to == from then return nil, "no process reads from this FIFO" end
    from = to
  end
  return true
end

return text_file
