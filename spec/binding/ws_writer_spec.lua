-- What ws_parser writes: messages, fragments and control frames, in both roles.
-- Runs once.

local frames = require "spec.support.frames"
local sluice = require "sluice"
local support = require "spec.support"

describe("ws_parser writes", function()
  support.verify_each()

  local function parser_as(role) return sluice.ws_parser { role = role } end

  --- The frames in the output, all of them complete.
  local function written(parser)
    local found, rest = frames.read_all(parser:output())
    assert.equal("", rest)
    return found
  end

  local sizes = { 0, 1, 125, 126, 127, 4095, 4096, 65535, 65536, 65537, 200000 }

  for _, role in ipairs { "client", "server" } do
    it("messages of every size as a " .. role .. ", from a string, sequence or lease", function()
      local parser <close> = parser_as(role)
      for _, size in ipairs(sizes) do
        local payload = support.pattern(size)
        local lease <close> = support.lease(payload)
        local sequence <close> = lease:sequence()
        for _, bytes in ipairs { payload, sequence, lease } do
          assert.equal(parser, parser:binary(bytes))
        end
        local count = 0
        for _, frame in ipairs(written(parser)) do
          count = count + 1
          assert.is_true(frame.payload == payload)
          assert.same({ "binary", true, 0, role == "client" },
            { frame.opcode, frame.fin, frame.rsv, frame.key ~= nil })
          assert.equal(size < 126 and 7 or size < 65536 and 16 or 64, frame.form)
        end
        assert.equal(3, count)
        assert.is_true(lease:tostring() == payload)
      end
    end)
  end

  it("each frame of a client with a new key", function()
    local parser <close> = parser_as "client"
    local seen = {}
    for _ = 1, 200 do parser:text "x":ping() end
    for _, frame in ipairs(written(parser)) do
      assert.is_nil(seen[frame.key])
      seen[frame.key] = true
    end
  end)

  it("text, control frames, and what the other role reads", function()
    for _, role in ipairs { "client", "server" } do
      local parser <close> = parser_as(role)
      local other <close> = parser_as(role == "client" and "server" or "client")
      parser:text "caf\u{e9}":ping "p":pong "q":binary "\0\xff":ping():close(3000, "b\u{fc}e")
      other:feed(parser:output())
      local message = other:next()
      assert.same({ "text", "caf\u{e9}" }, { message.type, message:text() })
      assert.same({ type = "ping", payload = "p" }, other:next())
      assert.same({ type = "pong", payload = "q" }, other:next())
      message = other:next()
      assert.same({ "binary", "\0\xff" }, { message.type, message:text() })
      assert.same({ type = "ping", payload = "" }, other:next())
      assert.same({ type = "close", code = 3000, reason = "b\u{fc}e" }, other:next())
      assert.is_nil(other:next())
    end
  end)

  it("a message in fragments, control frames between them", function()
    local parser <close> = parser_as "server"
    parser:text("one ", false):ping():continue("", false):continue("two ", false)
    parser:pong "p":continue "three":binary "four"
    local list = {}
    for i, frame in ipairs(written(parser)) do
      list[i] = ("%s %s%s"):format(frame.opcode, frame.payload, frame.fin and "." or "")
    end
    assert.same({ "text one ", "ping .", "continuation ", "continuation two ", "pong p.",
      "continuation three.", "binary four." }, list)
  end)

  it("text that is cut within characters, and none that is not UTF-8", function()
    local text = "\u{3ba}\u{1f79}\u{20ac}\u{10ffff}"
    for at in support.each_cut(text) do
      local parser <close> = parser_as "server"
      assert(assert(parser:text(text:sub(1, at), false)):continue(text:sub(at + 1)))
      local found = written(parser)
      assert.equal(text, found[1].payload .. found[2].payload)
    end
    local parser <close> = parser_as "server"
    for _, bad in ipairs { "\xff", "good\xed\xa0\x80", "\xe2\x82" } do
      local nothing, message, err = parser:text(bad)
      assert.is_nil(nothing)
      assert.equal("invalid", err.code)
      assert.equal("text: text is not UTF-8", message)
    end
    assert(parser:text("\xe2\x82", false))
    local nothing, message = parser:continue "x"
    assert.is_nil(nothing)
    assert.equal("continue: text is not UTF-8", message)
    assert(parser:continue "\xac":binary "\xff":binary("\xff", false):continue "\xff")
    assert.equal("\xe2\x82", written(parser)[1].payload)
  end)

  it("nothing in the wrong order", function()
    local parser <close> = parser_as "client"
    assert.error_matches(function() parser:continue "x" end,
      "continue: no message is under way: begin one with text or binary")
    parser:binary("x", false)
    for _, name in ipairs { "text", "binary" } do
      assert.error_matches(function() parser[name](parser, "x") end,
        name .. ": a message is under way: go on with continue until its last fragment")
    end
    assert(parser:continue "y":text "z")
    assert.equal(3, #written(parser))
  end)

  it("nothing behind a Close frame", function()
    for _, begin in ipairs { function() end, function(parser) parser:text("x", false) end } do
      local parser <close> = parser_as "client"
      begin(parser)
      assert.equal(parser, parser:close())
      for _, name in ipairs { "text", "binary", "continue", "ping", "pong", "close" } do
        local nothing, message, err = parser[name](parser, name ~= "close" and "x" or 1000)
        assert.is_nil(nothing)
        assert.equal("closed", err.code)
        assert.equal(name .. ": a Close frame was written before", message)
      end
      local found = written(parser)
      assert.equal("\3\xe8", found[#found].payload)
    end
  end)

  it("Close frames with every code that may be sent, and no other", function()
    for _, code in ipairs { 1000, 1003, 1007, 1014, 3000, 4999 } do
      local parser <close> = parser_as "server"
      assert.equal(frames.closing(code, "why"), parser:close(code, "why"):output())
    end
    local empty <close> = parser_as "server"
    assert.equal(frames.close "", empty:close(1005):output())
    local parser <close> = parser_as "server"
    for _, code in ipairs { -1, 0, 999, 1004, 1006, 1015, 2999, 5000, 65536 + 1000 } do
      assert.error_matches(function() parser:close(code) end,
        "1000 to 1014 but 1004 to 1006, or 3000 to 4999 expected")
    end
    assert.error_matches(function() parser:close(1005, "why") end, "expected")
    local long = ("x"):rep(124)
    assert.error_matches(function() parser:close(1000, long) end, "reason exceeds 123 bytes")
    assert.error_matches(function() parser:close(1000, "\xff") end, "reason is not UTF%-8")
    assert.error_matches(function() parser:ping(("x"):rep(126)) end, "payload exceeds 125 bytes")
    assert.equal("", parser:output())
    assert.equal(frames.closing(1000, ("x"):rep(123)), parser:close(1000, ("x"):rep(123)):output())
  end)

  it("its output once, as a string or as a lease", function()
    local parser <close> = parser_as "server"
    assert.equal("", parser:output())
    parser:text "one"
    assert.equal(frames.text "one", parser:output())
    assert.equal("", parser:output())
    parser:binary(support.pattern(100000))
    local lease <close> = parser:detach()
    assert.is_true(lease:tostring() == frames.binary(support.pattern(100000)))
    assert.equal("", parser:output())
    local empty <close> = parser:detach()
    assert.equal(0, #empty)
  end)

  it("the Accept of a key, and refuses what is no key", function()
    -- RFC 6455 1.3
    assert.equal("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", sluice.ws_accept "dGhlIHNhbXBsZSBub25jZQ==")
    assert.equal("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", sluice.ws_accept " dGhlIHNhbXBsZSBub25jZQ== ")
    for _, key in ipairs { "", "x", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQ===",
      "dGhlIHNhbXBsZSBub25jZQxx", "dGhlIHNhbXBsZSBub25j\0Q==" } do
      local nothing, message, err = sluice.ws_accept(key)
      assert.is_nil(nothing)
      assert.equal("protocol", err.code)
      assert.equal("ws_accept: Sec-WebSocket-Key is not 16 bytes in base64", message)
    end
    assert.has_error(function() sluice.ws_accept() end)
  end)

  it("is refused after its end, and what was not taken is given back", function()
    local parser = parser_as "server"
    parser:binary(support.pattern(100000))
    parser:dispose()
    assert.equal(0, sluice.stats().outstanding)
    for _, name in ipairs { "text", "binary", "continue", "ping", "pong", "close", "output",
      "detach" } do
      assert.error_matches(function() parser[name](parser) end, "use of disposed ws_parser")
    end
  end)
end)
