--- The files of the recorder, one for each exchange: text for people, exact in every byte of the
-- body.
--
--     sluice recording 1
--     POST http://api.test/items?token=***
--     request-body: 9f86d0 (17 bytes)         a line of each field follows
--     > Content-Type: application/json
--     HTTP/1.1 201 Created
--     Content-Type: application/json
--                                             an empty line, or "body: base64" before it
--     {"id": 5}
--
-- The body is what is behind the empty line; that of base64 may have line ends anywhere. A server
-- may send a field `body: base64`, too: only the last line before the empty one is about the body.

local core = require "sluice.core"
local failure = require "sluice.failure"

local recording = {}

local first_line = "sluice recording 1"
local base64_line = "body: base64"

local digits = {}
do
  local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
  for i = 1, #alphabet do digits[alphabet:sub(i, i)] = i - 1 end
end

-- The bytes of a text in base64 | nil
local function from_base64(text)
  text = text:gsub("%s", "")
  local bytes, count, held = {}, 0, 0
  for symbol in text:gsub("=+$", ""):gmatch "." do
    local digit = digits[symbol]
    if not digit then return nil end
    held, count = (held << 6 | digit) & 0xffffff, count + 6
    if count >= 8 then
      count = count - 8
      bytes[#bytes + 1] = string.char(held >> count & 0xff)
    end
  end
  return table.concat(bytes)
end

-- Whether a body can stand in the file as it is.
local function is_text(body)
  return utf8.len(body) ~= nil and not body:find "[%z\1-\8\11\12\14-\31\127]"
end

--- The text of a file. `exchange` is { method, url, body = (its hash, "-" or ""), size,
-- fields = { { name, value } }, status, reason, headers = { { name, value } }, response = text };
-- secrets are hidden already.
function recording.write(exchange)
  local lines = { first_line, exchange.method .. " " .. exchange.url }
  if exchange.body ~= "" then
    lines[3] = ("request-body: %s (%s bytes)"):format(exchange.body, exchange.size or "?")
  end
  for _, field in ipairs(exchange.fields) do
    lines[#lines + 1] = ("> %s: %s"):format(field[1], field[2])
  end
  lines[#lines + 1] = ("HTTP/1.1 %d %s"):format(exchange.status, exchange.reason)
  for _, field in ipairs(exchange.headers) do
    lines[#lines + 1] = ("%s: %s"):format(field[1], field[2])
  end
  local body = exchange.response
  if not is_text(body) or lines[#lines] == base64_line then
    lines[#lines + 1] = base64_line
    body = core.base64(body):gsub(("."):rep(76), "%0\n")
  end
  return table.concat(lines, "\n") .. "\n\n" .. body
end

local function refuse(path, reason)
  return failure.new("invalid", "recording '" .. path .. "'", reason)
end

--- Reads a file's text. Returns { method, url, body, status, reason, headers, response }
-- | nil, message, err (invalid), which names the file.
function recording.read(path, text)
  local head, body = text:match "^(.-)\n\r?\n(.*)$"
  if not head then head, body = text:match "^(.-)\n?$", "" end
  local lines = {}
  for line in (head .. "\n"):gmatch "(.-)\r?\n" do lines[#lines + 1] = line end
  if lines[1] ~= first_line then
    return refuse(path, "does not begin with '" .. first_line .. "'")
  end
  local exchange = { headers = {}, body = "" }
  exchange.method, exchange.url = (lines[2] or ""):match "^(%S+) (%S+)$"
  if not exchange.method then return refuse(path, "line 2: method and URL expected") end
  local is_base64 = false
  for i = 3, #lines do
    local line = lines[i]
    local status, reason = line:match "^HTTP/1%.1 (%d%d%d) ?(.*)$"
    if exchange.status then
      local name, value = line:match "^([^:%s]+):%s*(.-)%s*$"
      if not name then return refuse(path, ("line %d: 'name: value' expected"):format(i)) end
      if i == #lines and name == "body" and value == "base64" then
        is_base64 = true
      else
        table.insert(exchange.headers, { name, value })
      end
    elseif status and tonumber(status) >= 200 then
      exchange.status, exchange.reason = math.tointeger(tonumber(status)), reason
    elseif line:find "^request%-body: " then
      exchange.body = line:match "^request%-body: (%S+)"
    elseif not line:find "^> " then
      return refuse(path, ("line %d: 'HTTP/1.1 status reason' expected"):format(i))
    end
  end
  if not exchange.status then return refuse(path, "no line 'HTTP/1.1 status reason'") end
  exchange.response = is_base64 and from_base64(body) or not is_base64 and body or nil
  if not exchange.response then return refuse(path, "the body is not base64") end
  return exchange
end

return recording
