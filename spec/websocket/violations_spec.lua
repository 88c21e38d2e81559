--- Servers that break the rules of RFC 6455 and RFC 7692: each fault of the table of cases, cut in
-- two at every byte. The socket is closed with the code that fits, and nothing else is received.

local frames = require "spec.support.frames"
local support = require "spec.support"
local websocket = require "spec.conformance.websocket"

-- Longer wires are cut at every byte by spec/journeys/ws_cases_spec.lua.
local MOST = 24

-- Cases that differ in a number alone are represented by their first ones.
local of_group = { [3] = 12, [4] = 8, [6] = 12 }

local function faults()
  local found, counts = {}, {}
  for _, case in ipairs(websocket.cases) do
    local group = tonumber(case.id:match "^%d+")
    local variant = case.send[1]
    if case.fails and type(variant) == "table" and #websocket.wire(variant) <= MOST then
      counts[group] = (counts[group] or 0) + 1
      if counts[group] <= (of_group[group] or math.huge) then found[#found + 1] = case end
    end
  end
  return found
end

describe("a server that breaks the rules, wherever its bytes are cut, is met with", function()
  local client

  support.verify_each(function(keep) client = keep(support.client()) end)

  local function check(case)
    local wire, scripts = websocket.wire(case.send[1]), {}
    local line = case.compress
      and ("Sec-WebSocket-Extensions: %s\r\n"):format(websocket.terms(case))
    for at = 0, #wire do
      scripts[at + 1] = { { "accept", line }, { "cut", wire, at }, { "expect_close" } }
    end
    local p <close> = support.peer.listen { script = scripts }
    for at = 0, #wire do
      local socket <close> = assert(client:websocket(("ws://127.0.0.1:%d/"):format(p.port),
        { compress = case.compress and { server_max_window_bits = case.compress.bits } }))
      local count = 0
      local message, _, err = socket:receive(20)
      while message do
        count = count + 1
        message:dispose()
        message, _, err = socket:receive(20)
      end
      socket:close()
      local what = ("%s %s, cut at %d"):format(case.id, case.title, at)
      local expected = 0
      for _, event in ipairs(case.events) do
        if event[1] == "text" or event[1] == "binary" then expected = expected + 1 end
      end
      assert.equal(expected, count, what)
      assert.equal(case.fails, socket.close_code, what)
      assert.equal(case.fails, err.close_code, what)
      local found = frames.read_all(p:received(at + 1):match "\r\n\r\n(.*)$")
      assert.equal(case.fails, (">I2"):unpack(found[#found].payload), what)
    end
    assert.same({}, p:failures(), case.title)
  end

  local by_code = {}
  for _, case in ipairs(faults()) do
    by_code[case.fails] = by_code[case.fails] or {}
    table.insert(by_code[case.fails], case)
  end
  for _, code in ipairs { 1002, 1007, 1009 } do
    it(tostring(code), function()
      for _, case in ipairs(by_code[code]) do check(case) end
    end)
  end

  it("the code at once, before its frame is complete", function()
    local big = 1000000
    for _, case in ipairs {
      { 1007, frames.text("good\xff", { size = big }) },
      { 1007, frames.text("\xe2\x82", { more = true })
        .. frames.continuation("x", { size = big }) },
      { 1009, frames.binary("", { size = 17 << 20 }) },
      { 1009, frames.binary(("x"):rep(big), { more = true })
        .. frames.continuation("", { size = 16 << 20 }) },
      { 1002, "\x83" }, { 1002, "\x81\x80" }, { 1002, "\x89\x7e" }, { 1002, "\x82\x7f\x80" },
    } do
      local p <close> = support.peer.listen {
        script = { { { "accept" }, { "send", case[2] }, { "expect_close" } } } }
      local socket <close> = assert(client:websocket(("ws://127.0.0.1:%d/"):format(p.port)))
      local message, _, err = socket:receive(20)
      assert.is_nil(message)
      assert.equal(case[1], err.close_code)
      socket:close()
      assert.same({}, p:failures())
    end
  end)
end)
