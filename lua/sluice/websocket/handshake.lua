--- The opening handshake of a WebSocket (RFC 6455 4.1): what it adds to a request, and how the
-- answer is judged.
-- A handshake belongs to one call. Each sending makes a key of its own, and goes through an origin
-- that stands in the place of the core's, so that other requests have nothing of this on their way.

local core = require "sluice.core"
local failure = require "sluice.failure"
local turns = require "sluice.websocket.turns"

local Handshake = { __name = "sluice.handshake" }
Handshake.__index = Handshake

--- A handshake that offers these subprotocols, the best first; and with `compress` (the option:
-- true or a table of parameters) permessage-deflate.
function Handshake.new(protocols, compress)
  return setmetatable({
    protocols = protocols,
    wish = compress and (compress == true and {} or compress) or nil,
    response = false, -- the one that has accepted the offer, until it is taken
    subprotocol = nil, -- that this one has chosen
    extensions = nil, -- as it named them
    agreed = nil, -- the parameters of permessage-deflate, if it is one of them
  }, Handshake)
end

--- A program sees by this what a request is for: `request.upgrade`.
function Handshake.__tostring() return "websocket" end

--- The parsed URL of a sending: proxies pass on what is sent there, and it is shown as one of a
-- WebSocket.
function Handshake:read_url(url) -- luacheck: ignore self
  url.needs_tunnel = true
  if not url.unix_path then url.text = "ws" .. url.text:sub(5) end
end

-- Fields of the handshake, which are made here, and the options that say what is in them.
local own_fields = {
  ["sec-websocket-key"] = "set by the client itself",
  ["sec-websocket-version"] = "set by the client itself",
  ["sec-websocket-accept"] = "not sent by a client",
  ["sec-websocket-protocol"] = "set by the option protocols",
  ["sec-websocket-extensions"] = "set by the option compress",
}

-- Refuses what interceptors and callers may not change.
-- Returns true | nil, message, err (invalid)
local function check_request(request, list)
  if request.method ~= "GET" then
    return request:failure("invalid", "a WebSocket is opened with GET")
  elseif request.content then
    return request:failure("invalid", "the request for a WebSocket takes no body")
  end
  for i = 1, #list, 2 do
    local reason = own_fields[list[i]:lower()]
    if reason then return failure.new("invalid", ("header '%s'"):format(list[i]), reason) end
  end
  return true
end

local function add(list, name, value)
  list[#list + 1] = name
  list[#list + 1] = value
end

-- ---- judging ----

local JudgingOrigin = {}
JudgingOrigin.__index = JudgingOrigin

-- Where a handshake has failed behind an open connection.
local stages = { send = true, head = true, body = true }

-- Notes what the answer agrees to. Returns true | nil, reason
local function accept(self, response)
  local headers, handshake = response.headers, self.handshake
  if not core.is_upgraded(response) then return nil, "101 before the request was sent" end
  local extensions = headers:get "Sec-WebSocket-Extensions"
  local chosen, agreed, reason
  chosen, reason = core.check_websocket({
    upgrade = headers:get "Upgrade",
    connection = headers:get "Connection",
    accept = headers:get "Sec-WebSocket-Accept",
    protocol = headers:get "Sec-WebSocket-Protocol",
    extensions = extensions,
  }, self.key, handshake.protocols, handshake.wish ~= nil)
  if not chosen then return nil, reason end
  if handshake.wish then
    agreed, reason = core.agree_compression(handshake.wish, extensions)
    if agreed == nil then return nil, reason end
  end
  handshake.response, handshake.extensions, handshake.agreed = response, extensions, agreed or nil
  handshake.subprotocol = chosen ~= "" and chosen or nil
  return true
end

-- What the core gave: an answer of 101 accepts the offer, or fails.
local function judge(self, response, message, err)
  if not response then
    if stages[err.stage] then err.stage = "websocket" end
    return nil, message, err
  elseif response.status ~= 101 then
    return response, message
  end
  local ok, reason = accept(self, response)
  if ok then return response end
  response:dispose()
  return failure.new("protocol", self.attempt, reason, "websocket")
end

--- origin:send of the core, when those that were sent to the host before have been answered
-- (RFC 6455 4.1). Yields.
function JudgingOrigin:send(head, options, info, content, is_stream, size, lines, deadline, login)
  local turn <close>, message, err = turns.take(self.client, self.host, deadline) -- luacheck: ignore
  if not turn then return nil, message, err end
  return judge(self,
    self.origin:send(head, options, info, content, is_stream, size, lines, deadline, login))
end

--- Adds the fields of one sending of `request` to a parsed URL: `list` are the caller's, `behind`
-- gets the others.
-- Returns an origin that judges the answer | nil, message, err (invalid; tls: no random bytes)
function Handshake:attach(origin, request, url, list, behind)
  local ok, message, err = check_request(request, list)
  if not ok then return nil, message, err end
  local key
  key, message, err = core.websocket_key()
  if not key then return nil, message, err end
  add(behind, "Connection", "Upgrade")
  add(behind, "Upgrade", "websocket")
  add(behind, "Sec-WebSocket-Version", "13")
  add(behind, "Sec-WebSocket-Key", key)
  if self.protocols[1] then
    add(behind, "Sec-WebSocket-Protocol", table.concat(self.protocols, ", "))
  end
  if self.wish then
    add(behind, "Sec-WebSocket-Extensions", core.offer_compression(self.wish))
  end
  return setmetatable({ origin = origin, client = request.client, handshake = self, key = key,
    host = url.unix_path or url.host, attempt = "GET " .. url.text }, JudgingOrigin)
end

return Handshake
