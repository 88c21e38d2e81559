--- Frames of WebSocket, written and read apart from the code under test; any of them may be wrong.
--
--     frames.text("hello")                      a server's frame
--     frames.text("hello", { key = "abcd" })    a client's, masked
--     frames.head(0x8b, 3)                      any first byte, any size
--
-- Options: more = true (not the last fragment), rsv = 0 to 7, key = 4 bytes of mask, form = 7, 16
-- or 64 bits of size instead of the shortest, size = a size that is not the payload's, opcode.

local frames = {
  opcodes = { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 },
}

local names = {}
for name, opcode in pairs(frames.opcodes) do names[opcode] = name end

--- The payload masked, or its mask taken off. A key of zeros costs nothing.
function frames.mask(payload, key)
  if key == "\0\0\0\0" or payload == "" then return payload end
  local word = ("<I8"):unpack(key .. key)
  local padded = payload .. ("\0"):rep(-#payload % 8)
  local masked = {}
  for at = 1, #padded, 8 do
    masked[#masked + 1] = ("<I8"):pack(("<I8"):unpack(padded, at) ~ word)
  end
  return table.concat(masked):sub(1, #payload)
end

--- A head: its first byte, its size in the shortest form, or in one of 7, 16 or 64 bits, its key.
function frames.head(first, size, form, key)
  form = form or size < 126 and 7 or size < 65536 and 16 or 64
  local bit = key and 0x80 or 0
  local head = form == 7 and ("BB"):pack(first, bit | size)
    or form == 16 and (">BBI2"):pack(first, bit | 126, size)
    or (">BBI8"):pack(first, bit | 127, size)
  return head .. (key or "")
end

--- A frame of that opcode, by name or number.
function frames.frame(opcode, payload, options)
  options = options or {}
  opcode = options.opcode or frames.opcodes[opcode] or opcode
  local first = (options.more and 0 or 0x80) | (options.rsv or 0) << 4 | opcode
  return frames.head(first, options.size or #payload, options.form, options.key)
    .. (options.key and frames.mask(payload, options.key) or payload)
end

for name in pairs(frames.opcodes) do
  frames[name] = function(payload, options) return frames.frame(name, payload or "", options) end
end

--- A Close frame with a code and a reason.
function frames.closing(code, reason, options)
  return frames.close((">I2"):pack(code) .. (reason or ""), options)
end

--- Reads the frame at `at`: { opcode = name or number, payload, fin, rsv, key }, and where the next
-- one begins; nil where it is not complete.
function frames.read(bytes, at)
  at = at or 1
  if #bytes < at + 1 then return nil end
  local first, second = bytes:byte(at, at + 1)
  local size, position = second & 0x7f, at + 2
  local form = size < 126 and 7 or size == 126 and 16 or 64
  if form > 7 then
    local width = form // 8
    if #bytes < position + width - 1 then return nil end
    size, position = (">I" .. width):unpack(bytes, position)
  end
  local key
  if second & 0x80 ~= 0 then
    key = bytes:sub(position, position + 3)
    position = position + 4
  end
  if #bytes < position + size - 1 then return nil end
  local payload = bytes:sub(position, position + size - 1)
  return {
    opcode = names[first & 0xf] or first & 0xf,
    fin = first & 0x80 ~= 0,
    rsv = first >> 4 & 7,
    form = form,
    key = key,
    payload = key and frames.mask(payload, key) or payload,
  }, position + size
end

--- All complete frames, and the bytes behind them.
function frames.read_all(bytes)
  local found, at = {}, 1
  while true do
    local frame, next_at = frames.read(bytes, at)
    if not frame then return found, bytes:sub(at) end
    found[#found + 1], at = frame, next_at
  end
end

return frames
