--- Every case of spec/conformance/websocket.lua through client:websocket: a scripted peer sends
-- what the case says; what the program receives, and the code with which the connection is closed,
-- are compared.

local certificates = require "spec.support.certificates"
local frames = require "spec.support.frames"
local stunnel = require "spec.support.stunnel"
local support = require "spec.support"
local websocket = require "spec.conformance.websocket"

--- The script of a peer that sends these bytes; then it closes, unless the bytes do or are wrong.
local function script_of(case, wire)
  if not case.close and not case.fails then wire = wire .. frames.closing(1000) end
  local line = case.compress and ("Sec-WebSocket-Extensions: %s\r\n"):format(websocket.terms(case))
  return { { "accept", line }, { "send", wire }, { "expect_close" } }
end

local function options_of(case)
  local options, terms = { ping_interval = 0 }, case.compress
  if terms then
    options.compress = {
      server_max_window_bits = terms.bits, client_max_window_bits = terms.bits,
      server_no_context_takeover = terms.forgets, client_no_context_takeover = terms.forgets,
    }
  end
  return options
end

--- What the program receives: the messages, the outcome of the last receive, and the close code.
local function receive_all(client, url, case)
  local socket <close> = assert(client:websocket(url, options_of(case)))
  local outcome = {}
  while true do
    local message, why, err = socket:receive(20)
    if not message then
      outcome.why, outcome.err = why, err
      break
    end
    outcome[#outcome + 1] = { message.type, message:text() }
    message:dispose()
  end
  socket:close()
  outcome.code, outcome.reason = socket.close_code, socket.close_reason
  return outcome
end

local codes = { [1002] = "protocol", [1007] = "decode", [1009] = "limit" }

--- What is wrong with an outcome, or nil.
local function differs(outcome, case)
  local count = 0
  for _, event in ipairs(case.events) do
    if event[1] == "text" or event[1] == "binary" then
      count = count + 1
      local got = outcome[count]
      if not got or got[1] ~= event[1] or got[2] ~= event[2] then return "message " .. count end
    end
  end
  if #outcome ~= count then return "more messages" end
  local code = case.fails or case.close and case.close[1] or 1000
  if outcome.code ~= code then return "close_code " .. tostring(outcome.code) end
  if case.fails then
    if outcome.err.code ~= codes[case.fails] then return "code " .. outcome.err.code end
  elseif outcome.why ~= "closed" then
    return outcome.why
  elseif case.close and outcome.reason ~= case.close[2] then
    return "reason " .. tostring(outcome.reason)
  end
end

--- What is wrong with the frames that the peer got, or nil. Only the newest ping need be answered.
local function answers_differ(case, received)
  local found, rest = frames.read_all(received:match "\r\n\r\n(.*)$")
  local pings, at = {}, 0
  for _, event in ipairs(case.events) do
    if event[1] == "ping" then pings[#pings + 1] = event[2] end
  end
  for i, frame in ipairs(found) do
    if frame.opcode == "pong" then
      repeat at = at + 1 until at > #pings or pings[at] == frame.payload
    elseif frame.opcode ~= "close" or i < #found or rest ~= "" then
      return "a frame " .. frame.opcode
    end
  end
  if at > #pings or (#pings > 0 and at ~= #pings and not case.fails) then return "its pongs" end
  local payload = found[#found].payload
  local code = case.fails or case.close and case.close[1] or 1000
  if #payload == 0 and code == 1005 then return nil end
  if (">I2"):unpack(payload) ~= code then return ("a Close frame %q"):format(payload) end
end

describe("client:websocket passes cases of WebSocket:", function()
  local client

  support.verify_each(function(keep)
    client = keep(support.client { tls = { ca_file = certificates.file "root.pem" } })
  end)

  --- One peer for several cases: a connection for each.
  local function check(list, is_secure)
    local scripts = {}
    for i, one in ipairs(list) do scripts[i] = script_of(one.case, one.wire) end
    local p <close> = support.peer.listen { script = scripts }
    local url = ("ws://127.0.0.1:%d/"):format(p.port)
    local front <close> = is_secure and stunnel.start { to = p.port, name = "good" } or nil
    if front then url = ("wss://localhost:%d/"):format(front.port) end
    for i, one in ipairs(list) do
      local difference = differs(receive_all(client, url, one.case), one.case)
        or answers_differ(one.case, p:received(i))
      assert.is_nil(difference, one.case.id .. " " .. one.case.title)
    end
    assert.same({}, p:failures())
  end

  --- Calls f with the cases of a group, each with the bytes of its first two variants.
  local function each_wire(number, f)
    for _, case in ipairs(websocket.cases) do
      if case.id:match "^%d+" == tostring(number) then
        local whole = websocket.whole(case)
        for i = 1, math.min(2, #whole.send) do
          f { case = whole, wire = websocket.wire(whole.send[i]) }
        end
      end
    end
  end

  local function check_group(number, is_secure)
    local list = {}
    each_wire(number, function(one) list[#list + 1] = one end)
    check(list, is_secure)
  end

  local SIZES, SECURE = 8, { 2, 5, 7 }

  for _, group in ipairs(websocket.groups) do
    it(group.title, function()
      if group.number ~= SIZES then return check_group(group.number) end
      each_wire(SIZES, function(one) check { one } end) -- each of them is large
    end)
  end

  for _, number in ipairs(SECURE) do
    it(websocket.groups[number].title .. ", over TLS", function() check_group(number, true) end)
  end
end)
