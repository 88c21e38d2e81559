--- The value of a response's body, by a serializer.

local failure = require "sluice.failure"
local json = require "sluice.json"
local media = require "sluice.media"
local serializers = require "sluice.serializers"
local values = require "sluice.values"

local decode = {}

-- nil, message, err of a response that cannot be decoded: what it is, and why not.
local function fail(response, code, reason)
  local content_type = response.headers["Content-Type"]
  return failure.new(code, ("%s %s"):format(response.method, response.url),
    ("status %d, %s: %s"):format(response.status, content_type
      and values.shown(content_type, 64) or "without Content-Type", reason), "body")
end

-- The failure of decoding with what was answered: often no text of that kind at all.
local function undecodable(response, body, reason, position)
  local begin <close> = body:sub(1, 65)
  local _, message, err = fail(response, "decode", ("%s; the body begins with \"%s\"")
    :format(reason, values.shown(begin:tostring(), 64)))
  err.position = position
  return nil, message, err
end

--- Receives the body and decodes it.
-- Returns the value | nil, message, err (decode and what reading can give). Yields when streamed.
function decode.by(response, serializer)
  local sequence, message, err = response:sequence()
  if not sequence then return nil, message, err end
  local body <close> = sequence
  local value
  value, message, err = serializer.decode(body)
  if value ~= nil or message == nil then return value end
  if err == nil then return undecodable(response, body, tostring(message)) end
  if failure.is(err) and err.code == "decode" then
    return undecodable(response, body, err.message, err.position)
  end
  return nil, message, err
end

-- The serializer for exactly this type: the one that the client was given, or a registered one.
local function find_exact(own, media_type)
  local is_own = own ~= json and media.split(own.content_type or json.content_type) == media_type
  return is_own and own or serializers[media_type]
end

-- RFC 6839: application/problem+json is JSON, too.
local function find(own, media_type)
  local suffix = media_type:match "^[^/]+/.*%+([^+]+)$"
  return find_exact(own, media_type) or suffix and find_exact(own, "application/" .. suffix)
end

local function registered_types()
  local types = {}
  for key in pairs(serializers) do
    if key:find("/", 1, true) then types[#types + 1] = key end
  end
  return table.concat(types, ", ")
end

-- What is not UTF-8 would come out as other characters. RFC 8259 11 gives JSON no charset.
local function is_readable(media_type, charset)
  charset = charset and charset:lower() or "utf-8"
  return charset == "utf-8" or charset == "us-ascii" or not media_type:find "^text/"
end

--- The same, by the serializer for the response's Content-Type.
-- Returns the value | nil, message, err (unsupported, decode and what reading can give). Yields
-- when streamed.
function decode.by_type(response)
  local content_type = response.headers["Content-Type"]
  if not content_type then
    return fail(response, "unsupported", "no telling what its body is: call text() or json()")
  end
  local media_type, found = media.split(content_type)
  local serializer = media_type and find(response.serializer, media_type)
  if not serializer then
    return fail(response, "unsupported", ("no serializer for this type, only for %s "
      .. "(sluice.serializers)"):format(registered_types()))
  end
  if not is_readable(media_type, found.charset) then
    return fail(response, "unsupported", "only utf-8 is decoded: text() gives the bytes")
  end
  return decode.by(response, serializer)
end

return decode
