-- Messages that a WebSocket received: bytes outside Lua, until they are asked for.
-- Runs once.

local frames = require "spec.support.frames"
local sluice = require "sluice"
local support = require "spec.support"

describe("a message", function()
  local before

  before_each(function() before = support.snapshot(sluice) end)
  after_each(function() support.verify(sluice, before) end)

  local function message_of(payload, kind)
    local parser <close> = sluice.ws_parser { role = "client" }
    parser:feed(frames.frame(kind or "binary", payload))
    return assert(parser:next())
  end

  it("holds exactly what was received", function()
    for _, size in ipairs { 0, 1, 125, 126, 511, 16383, 16384, 16385, 65535, 65536, 200000 } do
      local payload = support.pattern(size)
      local message <close> = message_of(payload)
      assert.equal("binary", message.type)
      assert.equal(size, #message)
      assert.equal(("sluice.message (binary, %d bytes)"):format(size), tostring(message))
      local sequence <close> = message:sequence()
      assert.is_true(sequence:tostring() == payload)
      assert.is_true(message:text() == payload)
      assert.is_true(message:text() == payload)
      assert.equal(size, #message)
    end
  end)

  it("is text or binary, has no other properties, and refuses to be changed", function()
    local message <close> = message_of("caf\u{e9}", "text")
    assert.equal("text", message.type)
    assert.equal("sluice.message (text, 5 bytes)", tostring(message))
    assert.is_nil(message.size)
    assert.is_nil(message[1])
    assert.is_nil(message[{}])
    assert.has_error(function() message.type = "binary" end)
  end)

  it("gives its segments back once its text was made, and can show them again", function()
    local payload = support.pattern(50000)
    local message <close> = message_of(payload)
    assert.is_true(sluice.stats().outstanding > 0)
    assert.is_true(message:text() == payload)
    assert.equal(0, sluice.stats().outstanding)
    local sequence <close> = message:sequence()
    assert.is_true(sequence:tostring() == payload)
    local lease <close> = message:detach()
    assert.is_true(lease:tostring() == payload)
  end)

  it("shares its segments with a sequence, which outlives it", function()
    local payload = support.pattern(50000)
    local message = message_of(payload)
    local outstanding = sluice.stats().outstanding
    local sequence <close> = message:sequence()
    assert.equal(outstanding, sluice.stats().outstanding)
    message:dispose()
    assert.is_true(sequence:tostring() == payload)
  end)

  it("gives its payload up to a lease, and refuses its use then", function()
    for _, payload in ipairs { "", "some", support.pattern(50000) } do
      local message <close> = message_of(payload)
      local lease <close> = message:detach()
      assert.is_true(lease:tostring() == payload)
      assert.equal("sluice.message (detached)", tostring(message))
      assert.equal("binary", message.type)
      for name, use in pairs {
        detach = function() message:detach() end,
        length = function() return #message end,
        text = function() message:text() end,
        sequence = function() message:sequence() end,
      } do
        assert.error_matches(use, "use of detached message", 1, false, name)
      end
      message:dispose()
      assert.is_true(lease:tostring() == payload)
    end
  end)

  it("is disposed once or twice, and refuses use after that", function()
    local message = message_of(support.pattern(30000))
    message:dispose()
    message:dispose()
    assert.equal(0, sluice.stats().outstanding)
    assert.equal("sluice.message (disposed)", tostring(message))
    for name, use in pairs {
      detach = function() message:detach() end,
      length = function() return #message end,
      text = function() message:text() end,
      sequence = function() message:sequence() end,
      type = function() return message.type end,
    } do
      assert.error_matches(use, "use of disposed message", 1, false, name)
    end
  end)

  it("does not keep a segment if it is small", function()
    local message <close> = message_of "small"
    assert.is_true(sluice.stats().bytes < 1024)
    assert.equal("small", message:text())
  end)

  it("is counted as leaked if it is collected while it holds bytes", function()
    local leaked, large = sluice.stats().leaked, support.pattern(257)
    do
      assert.equal(257, #message_of(large))
      assert.equal(large, message_of(large):text())
      message_of(large):detach():dispose()
    end
    collectgarbage()
    collectgarbage()
    assert.equal(leaked + 1, sluice.stats().leaked)
    assert.equal(0, sluice.stats().outstanding)
    before.leaked = before.leaked + 1
  end)

  it("holds no more than a string does while it is small, and so leaks nothing", function()
    local small = support.pattern(256)
    do
      assert.equal(256, #message_of(small))
      assert.equal(0, sluice.stats().outstanding)
      assert.equal(0, #message_of "")
    end
    local message = message_of(small)
    local sequence <close> = message:sequence()
    local lease <close> = message:detach()
    assert.is_true(sluice.stats().outstanding > 0)
    message:dispose()
    assert.equal(small, sequence:tostring())
    assert.equal(small, lease:tostring())
    collectgarbage()
    collectgarbage()
    assert.equal(before.leaked, sluice.stats().leaked)
  end)

  it("makes the collector work, so that forgotten ones do not pile up", function()
    local most = 0
    local parser <close> = sluice.ws_parser { role = "client" }
    local wire = frames.binary(support.pattern(100000))
    for _ = 1, 2000 do
      parser:feed(wire):next()
      most = math.max(most, sluice.stats().bytes)
    end
    collectgarbage()
    collectgarbage()
    assert.is_true(most < 64 << 20, ("%d bytes at once"):format(most))
    before.leaked = sluice.stats().leaked
  end)
end)
