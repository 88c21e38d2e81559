-- Sequences from Lua: read-only, without copies, valid for as long as they are held.
-- Runs once.

local sluice = require "sluice"
local support = require "spec.support"

describe("a sequence", function()
  local before

  before_each(function() before = support.snapshot(sluice) end)
  after_each(function() support.verify(sluice, before) end)

  --- A sequence of that text in segments of that size.
  local function sequence_of(text, segment_size)
    local buffer <close> = sluice.buffer { segment_size = segment_size or 16384 }
    assert(buffer:append(text))
    return buffer:sequence()
  end

  it("outlives its buffer", function()
    local text = support.pattern(40000)
    local sequence <close> = sequence_of(text)
    assert.equal(40000, #sequence)
    assert.is_true(sequence:tostring() == text)
    assert.is_true(sequence:tostring() == text)
    assert.equal("sluice.sequence (40000 bytes)", tostring(sequence))
  end)

  it("returns parts as string.sub does, at every position", function()
    local text = "segmented!"
    for segment_size = 1, 11 do
      local sequence <close> = sequence_of(text, segment_size)
      for i = -12, 12 do
        local rest <close> = sequence:sub(i)
        assert.equal(text:sub(i), rest:tostring())
        for j = -12, 12 do
          local part <close> = sequence:sub(i, j)
          assert.equal(text:sub(i, j), part:tostring())
          assert.equal(#text:sub(i, j), #part)
        end
      end
    end
  end)

  it("returns parts for extreme positions", function()
    local sequence <close> = sequence_of("text", 3)
    for _, i in ipairs { math.mininteger, math.mininteger + 1, -5, 0, 1, math.maxinteger } do
      for _, j in ipairs { math.mininteger, -5, 0, 4, math.maxinteger - 1, math.maxinteger } do
        local part <close> = sequence:sub(i, j)
        assert.equal(("text"):sub(i, j), part:tostring())
      end
    end
    assert.error(function() sequence:sub "x" end)
    assert.error(function() sequence:sub(1.5) end)
    assert.error(function() sequence:sub() end)
  end)

  it("copies nothing for a part", function()
    local sequence <close> = sequence_of(support.pattern(1 << 20))
    local rented = sluice.stats().rented
    for i = 1, 1 << 20, 5000 do
      local part <close> = sequence:sub(i, i + 30000)
      assert.is_true(#part > 0)
    end
    assert.equal(rented, sluice.stats().rented)
  end)

  it("returns bytes counted from both ends, and nil past them", function()
    local text = "bytes"
    for segment_size = 1, 6 do
      local sequence <close> = sequence_of(text, segment_size)
      assert.equal(text:byte(), sequence:byte())
      for i = -7, 7 do
        if i ~= 0 then assert.equal(text:byte(i), sequence:byte(i)) end
      end
      assert.is_nil(sequence:byte(0))
      assert.is_nil(sequence:byte(math.maxinteger))
      assert.is_nil(sequence:byte(math.mininteger))
    end
  end)

  it("finds a position in any of many segments", function()
    local text = support.pattern(20000)
    local sequence <close> = sequence_of(text, 7)
    for i = 1, #text, 13 do assert.equal(text:byte(i), sequence:byte(i)) end
  end)

  it("returns its pieces in order, none of them empty", function()
    local text = support.pattern(100)
    for segment_size = 1, 30 do
      local sequence <close> = sequence_of(text, segment_size)
      local pieces = {}
      for piece in sequence:segments() do
        assert.is_true(#piece > 0)
        pieces[#pieces + 1] = piece
      end
      assert.equal(text, table.concat(pieces))
    end
    local none <close> = sequence_of ""
    for _ in none:segments() do error "a piece of nothing" end
  end)

  it("is empty if there is nothing to show", function()
    local sequence <close> = sequence_of ""
    assert.equal(0, #sequence)
    assert.equal("", sequence:tostring())
    assert.is_nil(sequence:byte(1))
    local part <close> = sequence:sub(1, 5)
    assert.equal("", part:tostring())
  end)

  it("is compared by content, whatever the segments", function()
    local text = support.pattern(50)
    for a = 1, 12 do
      for b = 1, 12 do
        local left <close> = sequence_of(text, a)
        local right <close> = sequence_of(text, b)
        local other <close> = sequence_of(text:sub(1, -2) .. "\0", b)
        local shorter <close> = sequence_of(text:sub(1, -2), b)
        assert.is_true(left == right)
        assert.is_false(left == other)
        assert.is_false(left == shorter)
      end
    end
    local buffer <close> = sluice.buffer()
    local sequence <close> = sequence_of ""
    assert.is_false(sequence == buffer)
  end)

  it("keeps shared segments until the last holder is gone", function()
    local text = support.pattern(40000)
    local whole = sequence_of(text)
    local part = whole:sub(10000, 30000)
    local inner = part:sub(2, -2)
    whole:dispose()
    assert.is_true(part:tostring() == text:sub(10000, 30000))
    part:dispose()
    assert.is_true(inner:tostring() == text:sub(10001, 29999))
    assert.is_true(sluice.stats().outstanding > 0)
    inner:dispose()
    assert.equal(0, sluice.stats().outstanding)
  end)

  it("refuses use after dispose", function()
    local sequence = sequence_of "gone"
    local live <close> = sequence_of "live"
    local buffer <close> = sluice.buffer()
    local writer <close> = sluice.writer()
    local next_piece, subject = sequence:segments()
    sequence:dispose()
    sequence:dispose()
    assert.equal("sluice.sequence (disposed)", tostring(sequence))
    for name, use in pairs {
      length = function() return #sequence end,
      sub = function() sequence:sub(1) end,
      byte = function() sequence:byte(1) end,
      tostring = function() sequence:tostring() end,
      segments = function() sequence:segments() end,
      iterator = function() next_piece(subject) end,
      reader = function() sequence:reader() end,
      equal = function() return sequence == live end,
      append = function() buffer:append(sequence) end,
      write = function() writer:write(sequence) end,
      decode = function() sluice.json.decode(sequence) end,
    } do
      assert.error_matches(use, "use of disposed sequence", 1, false, name)
    end
  end)

  it("is closed by a to-be-closed variable", function()
    do
      local sequence <close> = sequence_of(support.pattern(20000))
      assert.is_true(#sequence > 0)
    end
    assert.equal(0, sluice.stats().outstanding)
  end)

  it("is counted as leaked if it is collected with content", function()
    local leaked = sluice.stats().leaked
    do
      assert.equal(5, #sequence_of "leaks")
      assert.equal(0, #sequence_of "")
    end
    collectgarbage()
    collectgarbage()
    assert.equal(leaked + 1, sluice.stats().leaked)
    assert.equal(0, sluice.stats().outstanding)
    before.leaked = before.leaked + 1
  end)

  it("does not use the Lua heap until a string is made", function()
    local text = support.pattern(1 << 20)
    local buffer <close> = sluice.buffer()
    for _ = 1, 8 do assert(buffer:append(text)) end
    collectgarbage()
    collectgarbage "stop"
    local heap = collectgarbage "count"
    local sequence <close> = buffer:sequence()
    local part <close> = sequence:sub(1000, -1000)
    assert.equal(8 * (1 << 20) - 1998, #part)
    local grown = collectgarbage "count" - heap
    collectgarbage "restart"
    assert.is_true(grown < 4, grown .. " KiB")
  end)

  it("lets the collector count the memory that it holds", function()
    local text = support.pattern(1 << 16)
    -- A collector lets its heap double before it starts: what is held outside counts like that.
    local bound = (64 << 20) + 4 * math.ceil(collectgarbage "count") * 1024
    local count = 4 * bound // #text
    for _ = 1, count do sequence_of(text) end
    local held = sluice.stats().outstanding * 16384
    collectgarbage()
    collectgarbage()
    before.leaked = sluice.stats().leaked
    assert.is_true(held < bound, held .. " bytes held by forgotten sequences")
  end)

  it("does not run a collector that the program has stopped", function()
    local text, ran = support.pattern(1 << 20), 0
    collectgarbage()
    collectgarbage "stop"
    for _ = 1, 1000 do
      setmetatable({}, { __gc = function() ran = ran + 1 end })
    end
    for _ = 1, 40 do sequence_of(text):dispose() end
    assert.is_false(collectgarbage "isrunning")
    assert.equal(0, ran)
    collectgarbage "restart"
    collectgarbage()
    assert.equal(1000, ran)
  end)

  it("has parts equal to the string's under random use", function()
    math.randomseed(21)
    for _ = 1, 200 do
      local text = support.pattern(math.random(0, 300))
      local sequence = sequence_of(text, math.random(1, 50))
      for _ = 1, 5 do
        local i = math.random(-#text - 3, #text + 3)
        local j = math.random(-#text - 3, #text + 3)
        local part = sequence:sub(i, j)
        sequence:dispose()
        sequence, text = part, text:sub(i, j)
        assert.equal(text, sequence:tostring())
        assert.equal(text:byte(-1), sequence:byte(-1))
      end
      sequence:dispose()
    end
  end)
end)
