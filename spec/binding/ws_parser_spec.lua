-- ws_parser as hosts with sockets of their own use it; what it makes of every kind of frame is
-- shown by the cases of spec/journeys/ws_cases_spec.lua.
-- Runs once.

local frames = require "spec.support.frames"
local sluice = require "sluice"
local support = require "spec.support"

describe("ws_parser", function()
  support.verify_each()

  --- The events until more bytes are needed, in words.
  local function take(parser)
    local events = {}
    for event in parser:events() do
      if event.type == "close" then
        events[#events + 1] = ("close %d %s"):format(event.code, event.reason)
      else
        events[#events + 1] = event.type .. " " .. (event.payload or event:text())
      end
    end
    return table.concat(events, ", ")
  end

  it("returns events, false while more input is needed, and nil at the end", function()
    local parser <close> = sluice.ws_parser { role = "client" }
    assert.is_false(parser:next())
    parser:feed(frames.text("he", { more = true }) .. frames.ping "p" .. "\x80")
    assert.same({ type = "ping", payload = "p" }, parser:next())
    assert.is_false(parser:next())
    parser:feed "\x03llo"
    local message <close> = parser:next()
    assert.equal("text", message.type)
    assert.equal("hello", message:text())
    assert.is_false(parser:next())
    parser:feed(frames.pong "" .. frames.closing(1000, "done") .. "more")
    assert.same({ type = "pong", payload = "" }, parser:next())
    assert.same({ type = "close", code = 1000, reason = "done" }, parser:next())
    assert.is_nil(parser:next())
    assert.is_nil(parser:feed "and more":next())
  end)

  it("gives each event once, also where a finaliser takes some of them", function()
    local count, taken, is_armed, seen = 0, 0, true, {}
    local parser <close> = sluice.ws_parser { role = "client" }
    local function feed_more()
      for i = count + 1, count + 3000 do
        local frame = i % 3 == 0 and frames.text or i % 3 == 1 and frames.ping or frames.pong
        parser:feed(frame(tostring(i)))
      end
      count = count + 3000
    end
    local function note(event)
      local number = tonumber(event.payload or event:text())
      seen[number] = (seen[number] or 0) + 1
    end
    local function arm()
      setmetatable({}, { __gc = function()
        local event = is_armed and parser:next()
        if not event then return end
        note(event)
        taken = taken + 1
        arm()
      end })
    end
    local pause = collectgarbage("setpause", 10)
    arm()
    repeat -- until the collector has run meanwhile: how soon depends on the size of the heap
      feed_more()
      for event in parser:events() do note(event) end
    until taken > 0
    is_armed = false
    collectgarbage("setpause", pause)
    for i = 1, count do assert.equal(1, seen[i], i) end
  end)

  it("takes masked frames as a server, and plain ones as a client", function()
    local key = "\x01\x82\x03\x84"
    local server <close> = sluice.ws_parser { role = "server" }
    assert.equal("binary \0\1\2, text ab", take(server:feed(
      frames.binary("\0\1\2", { key = key }) .. frames.text("ab", { key = key }))))
    local wrong = { client = frames.text("ab", { key = key }), server = frames.text "ab" }
    for role, wire in pairs(wrong) do
      local parser <close> = sluice.ws_parser { role = role }
      local event, message, err = parser:feed(wire):next()
      assert.is_nil(event)
      assert.equal("protocol", err.code)
      assert.equal("websocket", err.stage)
      assert.equal(1002, err.close_code)
      assert.matches("^websocket: .*masked$", message)
      assert.equal(message, tostring(err))
    end
  end)

  it("accepts strings, sequences and leases, and changes none of them", function()
    local parser <close> = sluice.ws_parser { role = "server" }
    local buffer <close> = sluice.buffer()
    local wire = frames.text("hello", { key = "abcd" })
    buffer:append(wire)
    local sequence <close> = buffer:sequence()
    local lease <close> = support.lease(wire)
    parser:feed(wire):feed(sequence):feed(lease)
    assert.equal("text hello, text hello, text hello", take(parser))
    assert.equal(wire, sequence:tostring())
    assert.equal(wire, lease:tostring())
    assert.error_matches(function() parser:feed(1) end, "string, sequence or lease expected")
  end)

  it("raises failures from events(), which repeat", function()
    local parser <close> = sluice.ws_parser { role = "client" }
    parser:feed(frames.text "fine" .. frames.text "\xff")
    local events = parser:events()
    assert.equal("fine", events():text())
    for _ = 1, 2 do
      local ok, err = pcall(events)
      assert.is_false(ok)
      assert.equal("decode", err.code)
      assert.equal(1007, err.close_code)
      assert.equal("websocket: text is not UTF-8", err.message)
    end
    parser:dispose()
    assert.has_error(events, "use of disposed ws_parser")
    assert.has_error(function() parser:events() end)
  end)

  it("limits a message, in one frame or in many, and names the option", function()
    local payload = support.pattern(1000)
    for _, step in ipairs { 1, 7, 999, 1000 } do
      local exact <close> = sluice.ws_parser { role = "client", max_message_size = 1000 }
      local over <close> = sluice.ws_parser { role = "client", max_message_size = 999 }
      local kind = "binary"
      for at = 1, 1000, step do
        local wire = frames.frame(kind, payload:sub(at, math.min(at + step - 1, 1000)),
          { more = at + step <= 1000 })
        exact:feed(wire)
        over:feed(wire)
        kind = "continuation"
      end
      local message <close> = exact:next()
      assert.equal(payload, message:text())
      local event, text, err = over:next()
      assert.is_nil(event)
      assert.equal("limit", err.code)
      assert.equal(1009, err.close_code)
      assert.equal("websocket: a message exceeds 999 bytes (max_message_size)", text)
    end
  end)

  it("refuses a message that is too large before its payload has arrived", function()
    local parser <close> = sluice.ws_parser { role = "client" }
    local _, _, err = parser:feed(frames.head(0x82, 16 * 1024 * 1024 + 1)):next()
    assert.equal(1009, err.close_code)
    local exact <close> = sluice.ws_parser { role = "client" }
    assert.is_false(exact:feed(frames.head(0x82, 16 * 1024 * 1024)):next())
  end)

  it("reports an input that ends without a Close frame", function()
    for _, wire in ipairs { "", "\x81", frames.text("x", { more = true }), frames.text "x" } do
      local parser <close> = sluice.ws_parser { role = "client" }
      take(parser:feed(wire))
      assert.equal(parser, parser:finish())
      local event, message, err = parser:next()
      assert.is_nil(event)
      assert.equal("closed", err.code)
      assert.equal(1006, err.close_code)
      assert.equal("websocket: the connection ended without a Close frame", message)
      assert.error_matches(function() parser:feed "x" end, "the input has ended")
    end
    local parser <close> = sluice.ws_parser { role = "client" }
    parser:feed(frames.text "x" .. frames.close ""):finish()
    assert.equal("text x, close 1005 ", take(parser))
    assert.is_nil(parser:next())
  end)

  it("refuses options that it does not know, or that make no sense", function()
    for expected, options in pairs {
      ["role: \"client\" or \"server\" expected"] = {},
      ["role: string expected, got number"] = { role = 1 },
      ["unknown option 'rolle'"] = { rolle = "client" },
      ["max_message_size: integer, not negative, expected, got number"] =
        { role = "client", max_message_size = -1 },
      ["max_message_size: integer above zero expected, got 0"] =
        { role = "client", max_message_size = 0 },
    } do
      assert.error_matches(function() sluice.ws_parser(options) end, expected, 1, true)
    end
    assert.error_matches(function() sluice.ws_parser { role = "peer" } end, "role: ", 1, true)
    assert.error_matches(function() sluice.ws_parser() end, "table expected")
  end)

  it("refuses use after its end, and holds nothing", function()
    local parser = sluice.ws_parser { role = "client" }
    parser:feed(frames.text(support.pattern(40000):gsub("[\x80-\xff]", "."), { more = true }))
    parser:next()
    parser:feed "\x80"
    parser:dispose()
    parser:dispose()
    assert.equal(0, sluice.stats().outstanding)
    for _, name in ipairs { "feed", "finish", "next", "events" } do
      assert.error_matches(function() parser[name](parser, "x") end, "use of disposed ws_parser")
    end
  end)
end)
