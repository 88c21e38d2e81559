--- JSON by lua-cjson, behind encode(value, writer), decode(sequence), for programs that have
-- used it until now. `sluice.serializers.cjson`; the library is loaded at first use.
--
-- As strict as lua-cjson 2.1.0 can be: UTF-8 alone, no zero bytes, no NaN or Infinity,
-- 128 levels. What it does beside RFC 8259 and sluice.json: every number is a float, of
-- which 14 digits are written (17 by versions that can); 1e999 is infinite; raw control
-- characters, hexadecimal numbers and leading zeros are accepted; holes are null, tables of
-- both kinds objects, and empty arrays too. A text of several segments is flattened once.

local failure = require "sluice.failure"

local json = { content_type = "application/json" }

local codec

-- An instance of our own, so that the host's settings and ours do not meet.
local function load_codec()
  if codec then return codec end
  local ok, cjson = pcall(require, "cjson")
  if not ok then return nil end
  codec = cjson.new()
  codec.encode_invalid_numbers(false)
  codec.decode_invalid_numbers(false)
  codec.encode_max_depth(128)
  codec.decode_max_depth(128)
  codec.encode_sparse_array(false)
  for _, digits in ipairs { 17, 16 } do
    if pcall(codec.encode_number_precision, digits) then break end
  end
  if warn and codec.decode(codec.encode { 0.1 + 0.2 })[1] ~= 0.1 + 0.2 then
    warn("sluice: serializer cjson: this lua-cjson rounds the numbers that it writes; "
      .. "the serializer json, the default, does not")
  end
  return codec
end

local function missing(attempt)
  return failure.new("unsupported", attempt, "lua-cjson is not installed")
end

-- The message without the position in this file that error() put before it.
local function reason_of(message)
  return (tostring(message):gsub("^[^:]*:%d+: ", ""))
end

-- Returns the position of a byte that no JSON text has, or nil, and the byte's description.
local function wrong_byte(text)
  local length, at = utf8.len(text)
  if not length then return at, "invalid UTF-8" end
  return text:find("\0", 1, true), "a zero byte"
end

local function fail_decoding(reason, position)
  local _, message, err = failure.new("decode", "decode JSON", reason, "body")
  err.position = position
  return nil, message, err
end

--- The value's JSON text as a string.
-- Returns text | nil, message, err (invalid, unsupported)
function json.text(value)
  local cjson = load_codec()
  if not cjson then return missing("encode JSON") end
  local ok, text = pcall(cjson.encode, value)
  if not ok then return failure.new("invalid", "encode JSON", reason_of(text)) end
  if wrong_byte(text) then
    return failure.new("invalid", "encode JSON", "a string that is not UTF-8")
  end
  return text
end

--- Writes the value's JSON text to the writer.
-- Returns the writer | nil, message, err (invalid, limit, memory, unsupported)
function json.encode(value, writer)
  local text, message, err = json.text(value)
  if not text then return nil, message, err end
  return writer:write(text)
end

--- Returns the value of a JSON text given as a sequence or string
-- | nil, message, err (decode, unsupported). JSON null is json.null.
function json.decode(input)
  local cjson = load_codec()
  if not cjson then return missing("decode JSON") end
  local text = type(input) == "string" and input or input:tostring()
  local ok, value = pcall(cjson.decode, text)
  local at, reason = wrong_byte(text)
  if not ok then
    reason = reason_of(value)
    return fail_decoding(reason, tonumber(reason:match "at character (%d+)") or at)
  end
  if at then return fail_decoding(("byte %d: %s"):format(at, reason), at) end
  return value
end

setmetatable(json, {
  __index = function(_, key)
    if key ~= "null" then return nil end
    local cjson = load_codec()
    return cjson and cjson.null
  end,
})

return json
