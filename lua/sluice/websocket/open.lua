--- Opening WebSockets (RFC 6455): options, the handshake as a request, and refusals.

local Call = require "sluice.call"
local Handshake = require "sluice.websocket.handshake"
local answer = require "sluice.answer"
local check = require "sluice.check"
local core = require "sluice.core"
local failure = require "sluice.failure"
local pipeline = require "sluice.pipeline"
local plan = require "sluice.plan"
local reconnect = require "sluice.websocket.reconnect"
local Request = require "sluice.request"
local retry = require "sluice.retry"

-- Seconds for a handshake in all, unless the client allows less.
local handshake_time = 10

local function check_protocols(value)
  local expected = "array of names (tokens, none of them twice)"
  if type(value) ~= "table" then return expected end
  local count = 0
  for _ in pairs(value) do count = count + 1 end
  if count ~= #value then return expected end
  for _, name in ipairs(value) do
    if type(name) ~= "string" then return expected end
  end
  if not core.may_offer_protocols(value) then return expected end
end

local function check_bits(value)
  if math.type(value) == "integer" and value >= 8 and value <= 15 then return nil end
  return "integer from 8 to 15"
end

-- Parameters of permessage-deflate (RFC 7692 7.1) to ask for, and the bytes from which a message
-- is worth it.
local compress_schema = {
  threshold = check.count,
  client_no_context_takeover = check.boolean,
  server_no_context_takeover = check.boolean,
  client_max_window_bits = check_bits,
  server_max_window_bits = check_bits,
}

local schema = {
  protocols = check_protocols,
  compress = check.either("boolean or table", check.boolean, check.fields(compress_schema)),
  max_message_size = check.positive,
  queue = check.fields { messages = check.positive, bytes = check.positive },
  ping_interval = check.seconds,
  pong_timeout = check.seconds,
  close_timeout = check.seconds,
  idle_timeout = check.seconds,
  send_timeout = check.seconds,
  reconnect = reconnect.check,
}

-- Options of the handshake, which are those of a request.
local of_request = { "headers", "query", "auth", "timeout", "redirects", "retry", "proxy",
  "cookies", "limits", "decompress" }
for _, name in ipairs(of_request) do schema[name] = Request.schema[name] end

-- Options of the core for a socket.
local of_socket = { "max_message_size", "ping_interval", "pong_timeout", "idle_timeout",
  "send_timeout", "close_timeout" }

-- The deadlines of a handshake, given as the option `timeout`: another client's time for a whole
-- download would be too long for it.
local function timeout_of(client, own)
  if type(own) == "number" then return own end
  local timeout = {}
  for name, seconds in pairs(own or {}) do timeout[name] = seconds end
  if not timeout.total then
    local general = client.settings.timeout
    if type(general) == "table" then general = general.total end
    timeout.total = math.min(general or handshake_time, handshake_time)
  end
  return timeout
end

local function request_options(client, options)
  local own = { fail_status = false }
  for _, name in ipairs(of_request) do own[name] = options[name] end
  own.redirects = options.redirects or false
  own.retry = options.retry or false
  own.timeout = timeout_of(client, options.timeout)
  return own
end

-- The failure of a handshake that was answered, but not with a WebSocket.
local function refuse(request, response)
  if not answer.is_response(response) then
    return request:failure("protocol", "an interceptor answered with a value of its own",
      "websocket")
  end
  local why = " instead of 101 (Switching Protocols)"
  local leads_on = response.status // 100 == 3 and response.headers.Location
  if leads_on then why = why .. "; the option redirects follows it" end
  return failure.of_status(response, retry.is_due(nil, "GET", response.status), why, "websocket")
end

-- Settings of the core for a socket whose messages are compressed as `agreed` (nil: they are not).
local function socket_options(options, agreed)
  local settings = agreed or {}
  settings.compresses = agreed ~= nil
  settings.compress_from = type(options.compress) == "table" and options.compress.threshold or nil
  local queue = options.queue or {}
  settings.queue_messages, settings.queue_bytes = queue.messages, queue.bytes
  for _, name in ipairs(of_socket) do settings[name] = options[name] end
  return settings
end

-- The fields of the answer as text: a socket that lives for long holds no response.
local function lines_of(response)
  local lines = {}
  for name, value in pairs(response.headers) do lines[#lines + 1] = name .. ":" .. value end
  return table.concat(lines, "\n")
end

-- The socket of an answer that accepts the handshake.
local function take(response, handshake, options)
  local taken <close> = response
  return core.websocket(taken, socket_options(options, handshake.agreed), {
    subprotocol = handshake.subprotocol,
    extensions = handshake.extensions,
    url = taken.url,
    lines = lines_of(taken),
  })
end

-- One handshake with checked options. Misuse raises at `level`.
local function connect(client, url, options, level)
  local own = request_options(client, options)
  local request, message, err = Request.new(client, "GET", plan.of_socket(url), own, level + 1)
  if not request then return nil, message, err end
  local handshake = Handshake.new(options.protocols or {}, options.compress)
  request:set_upgrade(handshake)
  local call <close> = Call.new(client, request)
  local response
  response, message, err = pipeline.run(call, request)
  if response == nil then return nil, message, err end
  if not rawequal(response, handshake.response) then return refuse(request, response) end
  return take(response, handshake, options)
end

--- Opens a WebSocket, which `reconnect` may open again. Misuse raises at `level`.
-- Returns a socket | nil, message, err. Yields.
return function(client, url, given, level)
  level = level + 1
  if type(url) ~= "string" then
    error(("websocket: url: string expected, got %s"):format(type(url)), level)
  end
  if given == nil then given = {} end
  check.options("websocket", given, schema, level, client.schema)
  local options = {} -- what the caller does with its table later changes nothing
  for name, value in pairs(given) do options[name] = value end
  if url:find("#", 1, true) then -- RFC 6455 3
    return failure.new("invalid", "GET " .. plan.shown(url), "a WebSocket URL has no fragment")
  end
  local socket, message, err = connect(client, url, options, level)
  if not socket or not options.reconnect then return socket, message, err end
  return reconnect.new(client, options.reconnect, socket, function()
    return connect(client, url, options, 1)
  end)
end
