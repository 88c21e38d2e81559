--- Header fields as older clients take them: those of framing among them, which are sluice's own.

local fields = {}

-- They say how a message is framed, and for whom.
local own = { connection = true, te = true, trailer = true, ["keep-alive"] = true, upgrade = true,
  ["proxy-connection"] = true, ["content-length"] = true, ["transfer-encoding"] = true }

--- Splits what a program gives. Returns the fields to send, the length that they give the body or
-- nil, whether they expect 100 (Continue)
function fields.split(given)
  local sent, length, expects = {}, nil, nil
  for name, value in pairs(given or {}) do
    local lower = tostring(name):lower()
    if lower == "content-length" then
      length = math.tointeger(tonumber(value))
    elseif lower == "expect" then
      expects = true
    elseif not own[lower] then
      sent[name] = type(value) == "table" and value or tostring(value)
    end
  end
  return sent, length, expects
end

return fields
