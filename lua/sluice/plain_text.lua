--- The serializer of text/plain: the value is the text itself, a string of any bytes.

local failure = require "sluice.failure"

local plain_text = { content_type = "text/plain; charset=utf-8" }

--- Writes a string. Returns the writer | nil, message, err (invalid, limit, memory)
function plain_text.encode(value, writer)
  if type(value) ~= "string" then
    return failure.new("invalid", "encode text", "string expected, got " .. type(value))
  end
  return writer:write(value)
end

--- Returns the text of a sequence or string.
function plain_text.decode(input)
  return type(input) == "string" and input or input:tostring()
end

return plain_text
