--- Methods and properties of a socket beyond those of the core: receive, send, ping, close, state,
-- close_code, close_reason, and what the handshake has left: subprotocol, extensions, url (see
-- open.lua). They are added to the core's own type; a property is a function of the socket and of
-- that.

local core = require "sluice.core"

local methods, properties = {}, {}

local send_whole = core.websocket_methods.send

-- What is read at a time from a reader.
local read_size = 64 * 1024

-- Whether a value is a file or one of the readers, which give bytes by `read`.
local function is_reader(value)
  local kind = type(value)
  if kind ~= "userdata" and kind ~= "table" then return false end
  local meta = getmetatable(value)
  local name = type(meta) == "table" and meta.__name
  return name and name ~= "sluice.lease" and name ~= "sluice.sequence"
    and type(value.read) == "function"
end

-- Sends what `next_piece` gives, until nil, as one message in fragments. If it raises, or gives
-- nil, message, err, a message that was begun cannot be taken back: the socket ends with 1011.
local function send_pieces(self, next_piece, kind)
  local sender <close> = self:fragments(kind)
  while true do
    local piece, message, err = next_piece()
    if piece == nil then
      if message ~= nil then return nil, message, err end
      return sender:finish()
    end
    local ok
    ok, message, err = sender:push(piece)
    if not ok then return nil, message, err end
  end
end

--- Sends a message: a string, sequence or lease, which is disposed, as a whole; what a function
-- gives, until nil, or a reader, in fragments. `kind` is "text" (which must be UTF-8) or "binary".
-- An error in the function is raised, and ends the socket with 1011 if a part was sent. Yields.
-- Returns true | nil, message, err
function methods:send(bytes, kind)
  if type(bytes) == "function" then return send_pieces(self, bytes, kind) end
  if type(bytes) == "string" or not is_reader(bytes) then return send_whole(self, bytes, kind) end
  return send_pieces(self, function() return bytes:read(read_size) end, kind)
end

--- Sends a text message. Returns and yields as `send`.
function methods:send_text(bytes) return self:send(bytes, "text") end

--- Sends a binary message. Returns and yields as `send`.
function methods:send_binary(bytes) return self:send(bytes, "binary") end

-- Whether an end is no failure: both sides have sent Close.
local function is_orderly(err) return err.code == "closed" and err.close_code ~= 1006 end

--- Iterates over messages until the end of the socket; a failure is raised. A message stays valid
-- until it is disposed. Leaving the loop early leaves the socket open. Yields.
function methods:messages()
  return function()
    local message, _, err = self:receive()
    if message == nil and not is_orderly(err) then error(err, 2) end
    return message
  end
end

--- The fields of the answer to the handshake, as those of a response: [name], :get, :all, pairs.
function properties.headers(_, info)
  if info.lines then
    local list = {}
    for name, value in info.lines:gmatch "([^:\n]+):([^\n]*)" do
      list[#list + 1] = { name, value }
    end
    info.fields, info.lines = setmetatable(list, core.refusal_types.headers), nil
  end
  return info.fields
end

return { methods = methods, properties = properties }
