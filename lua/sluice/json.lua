--- The default serializer: lua-cjson behind encode(value, writer), decode(sequence).
-- Strict where lua-cjson can be: no NaN or Infinity in either direction, 128 levels
-- at most. What lua-cjson still accepts beyond RFC 8259: raw control characters in
-- strings, invalid UTF-8, hexadecimal numbers and leading zeros.

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
  return codec
end

local function missing(attempt)
  return failure.new("unsupported", attempt, "lua-cjson is not installed")
end

-- Without the position in this file that error() put before it.
local function reason_of(message)
  return (tostring(message):gsub("^[^:]*:%d+: ", ""))
end

--- The value's JSON text as a string.
-- Returns text | nil, message, err (invalid, unsupported)
function json.text(value)
  local cjson = load_codec()
  if not cjson then return missing("encode JSON") end
  local ok, text = pcall(cjson.encode, value)
  if not ok then return failure.new("invalid", "encode JSON", reason_of(text)) end
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
  if not ok then return failure.new("decode", "decode JSON", reason_of(value), "body") end
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
