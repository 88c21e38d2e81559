--- Methods and properties of a socket beyond those of the core: receive, send, ping, close, state,
-- close_code, close_reason, and what the handshake has left: subprotocol, extensions, url (see
-- open.lua). Loading this adds them to the core's own type; a property is a function of the socket
-- and of that.

local core = require "sluice.core"

local methods, properties = {}, {}

-- What is read at a time from a reader.
local read_size = 64 * 1024

local function name_of(value)
  local kind = type(value)
  local meta = (kind == "userdata" or kind == "table") and getmetatable(value)
  return type(meta) == "table" and meta.__name or nil
end

local function is_whole(value)
  local name = name_of(value)
  return type(value) == "string" or name == "sluice.lease" or name == "sluice.sequence"
end

-- Whether a value is a file or one of the readers, which give bytes by `read`.
local function is_reader(value)
  return name_of(value) ~= nil and not is_whole(value) and type(value.read) == "function"
end

-- Raises at `level`, as the core would, for what no socket sends: it may have to wait for one.
local function check_message(bytes, kind, level)
  if kind ~= nil and kind ~= "text" and kind ~= "binary" then
    error(('send: type: "text" or "binary" expected, got %s'):format(tostring(kind)), level + 1)
  end
  if type(bytes) ~= "function" and not is_whole(bytes) and not is_reader(bytes) then
    error("send: string, sequence, lease, function or reader expected, got " .. type(bytes),
      level + 1)
  end
  if type(bytes) == "string" and kind ~= "binary" and not utf8.len(bytes) then
    error('send: text is not UTF-8; other bytes are sent as "binary"', level + 1)
  end
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

-- The same for a ping.
local function check_ping(payload, level)
  if payload ~= nil and type(payload) ~= "string" then
    error("ping: payload: string expected, got " .. type(payload), level + 1)
  elseif payload and #payload > 125 then
    error("ping: payload: at most 125 bytes expected", level + 1)
  end
end

-- The same for a closing (RFC 6455 7.4).
local function check_closing(code, reason, level)
  if code ~= nil and math.type(code) ~= "integer" then
    error("close: code: integer expected, got " .. type(code), level + 1)
  elseif code and not (code >= 1000 and code <= 1003 or code >= 1007 and code <= 1014
    or code >= 3000 and code <= 4999) then
    error(("close: code %d may not be sent; 1000 to 1003, 1007 to 1014 and 3000 to 4999 may")
      :format(code), level + 1)
  elseif reason ~= nil and (type(reason) ~= "string" or #reason > 123 or not utf8.len(reason)) then
    error("close: reason: UTF-8 of at most 123 bytes expected", level + 1)
  end
end

--- socket:send(bytes, kind): sends a message. The core sends a string, sequence or lease, which is
-- disposed, as a whole. What a function gives, until nil, or a reader, comes here, and is sent in
-- fragments. `kind` is "text" (which must be UTF-8) or "binary". An error in the function is
-- raised, and ends the socket with 1011 if a part was sent. Yields.
-- Returns true | nil, message, err
function core.websocket_sources.send(self, source, kind)
  if type(source) == "function" then return send_pieces(self, source, kind) end
  if not is_reader(source) then check_message(source, kind, 3) end
  return send_pieces(self, function() return source:read(read_size) end, kind)
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

for name, method in pairs(methods) do core.websocket_methods[name] = method end
for name, property in pairs(properties) do core.websocket_properties[name] = property end

return { methods = methods, is_whole = is_whole,
  check_message = check_message, check_ping = check_ping, check_closing = check_closing }
