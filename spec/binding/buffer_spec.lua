-- Buffers from Lua: bytes in, sequences and leases out, everything back at dispose.
-- Runs once.

local sluice = require "sluice"
local support = require "spec.support"

describe("a buffer", function()
  local before

  before_each(function() before = support.snapshot(sluice) end)
  after_each(function() support.verify(sluice, before) end)

  local function outstanding() return sluice.stats().outstanding end

  --- The content as a string.
  local function content(buffer)
    local sequence <close> = buffer:sequence()
    return sequence:tostring()
  end

  it("is empty at first and rents nothing", function()
    local buffer <close> = sluice.buffer()
    assert.equal(0, #buffer)
    assert.equal("", content(buffer))
    assert.equal(buffer, buffer:append "")
    assert.equal(0, #buffer)
    assert.equal(0, outstanding())
    assert.equal("sluice.buffer (0 bytes)", tostring(buffer))
  end)

  it("releases the pool for its own segment size", function()
    local function allocations_of(use)
      local from = sluice.stats().allocations
      use()
      return sluice.stats().allocations - from
    end
    local function one()
      local buffer <close> = sluice.buffer { segment_size = 7777 }
      assert(buffer:append "x")
    end
    local alone = allocations_of(one)
    assert.equal(alone, allocations_of(one)) -- it was all made again
    local other <close> = sluice.buffer { segment_size = 7777 }
    assert.equal(alone - 1, allocations_of(one)) -- but for the pool, which has a user
    other:append "content"
    local sequence <close> = other:sequence()
    other:dispose()
    assert.equal(alone - 1, allocations_of(one)) -- or a segment out
    assert.equal("content", sequence:tostring())
    sequence:dispose()
    one()
    assert.equal(alone, allocations_of(one))
  end)

  it("holds what was appended, whatever the sizes of pieces and segments", function()
    local text = support.pattern(60)
    for segment_size = 1, 9 do
      for piece = 1, 12 do
        local buffer <close> = sluice.buffer { segment_size = segment_size }
        for from = 1, #text, piece do assert(buffer:append(text:sub(from, from + piece - 1))) end
        assert.equal(#text, #buffer)
        assert.equal(text, content(buffer))
      end
    end
    assert.equal(0, outstanding())
  end)

  it("accepts a string of a segment's size, one byte less and one more", function()
    for _, size in ipairs { 16383, 16384, 16385, 3 * 16384, 1 << 20 } do
      local text = support.pattern(size)
      local buffer <close> = sluice.buffer()
      assert(buffer:append(text))
      assert.equal(size, #buffer)
      assert.is_true(content(buffer) == text)
    end
  end)

  it("accepts strings, sequences and leases", function()
    local buffer <close> = sluice.buffer { segment_size = 5 }
    local other <close> = sluice.buffer { segment_size = 3 }
    assert(other:append "sequence ")
    local shown <close> = other:sequence()
    local writer <close> = sluice.writer()
    assert(writer:write "lease")
    local lease <close> = writer:detach()
    assert(buffer:append "string "):append(shown):append(lease)
    assert.equal("string sequence lease", content(buffer))
    assert.equal("sequence ", shown:tostring())
    assert.equal("lease", lease:tostring())
  end)

  it("can append its own content", function()
    local buffer <close> = sluice.buffer { segment_size = 4 }
    assert(buffer:append "abcdef")
    do
      local shown <close> = buffer:sequence()
      assert(buffer:append(shown))
    end
    assert.equal("abcdefabcdef", content(buffer))
  end)

  it("refuses other values and names their type", function()
    local buffer <close> = sluice.buffer()
    for _, value in ipairs { 1, true, {}, print } do
      assert.error_matches(function() buffer:append(value) end,
        "string, sequence or lease expected")
    end
    assert.error_matches(function() buffer:append() end, "string, sequence or lease expected")
    assert.equal(0, #buffer)
  end)

  it("holds its maximum exactly, and refuses one byte more without a change", function()
    for _, maximum in ipairs { 0, 1, 7, 16384, 20000 } do
      local buffer <close> = sluice.buffer { max_size = maximum }
      local text = support.pattern(maximum)
      assert(buffer:append(text))
      local result, message, err = buffer:append "x"
      assert.is_nil(result)
      assert.equal(("append: content exceeds %d bytes (max_size)"):format(maximum), message)
      assert.equal("limit", err.code)
      assert.is_true(content(buffer) == text)
      assert(buffer:reset():append(text))
      assert.is_nil((buffer:append(text .. "x")))
    end
  end)

  it("refuses unknown options and values of a wrong type", function()
    assert.error_matches(function() sluice.buffer { size = 1 } end, "buffer: unknown option 'size'")
    assert.error_matches(function() sluice.buffer { [1] = 1 } end, "unknown option '1'")
    assert.error_matches(function() sluice.buffer { segment_size = 0 } end, "segment_size")
    for _, value in ipairs { "x", -1, 1.5, 0 / 0, math.huge, {}, true } do
      assert.error_matches(function() sluice.buffer { segment_size = value } end, "segment_size")
      assert.error_matches(function() sluice.buffer { max_size = value } end, "max_size")
    end
    assert.error_matches(function() sluice.buffer(5) end, "table expected")
  end)

  it("fails if there is no memory for a segment, and stays usable", function()
    local buffer <close> = sluice.buffer { segment_size = math.maxinteger }
    local result, message, err = buffer:append "x"
    assert.is_nil(result)
    assert.equal("append: out of memory", message)
    assert.equal("memory", err.code)
    assert.equal(0, #buffer)
    assert.equal(0, outstanding())
  end)

  it("gives sequences of what it held at the time", function()
    local buffer <close> = sluice.buffer { segment_size = 8 }
    assert(buffer:append "first")
    local early <close> = buffer:sequence()
    assert(buffer:append " second and third")
    local late <close> = buffer:sequence()
    assert.equal("first", early:tostring())
    assert.equal("first second and third", late:tostring())
    buffer:reset()
    assert.equal("first", early:tostring())
    assert.equal("first second and third", late:tostring())
  end)

  it("releases everything at reset and can be used again", function()
    local buffer <close> = sluice.buffer()
    for round = 1, 3 do
      local text = support.pattern(round * 20000)
      assert(buffer:append(text))
      assert.is_true(outstanding() > 0)
      assert.is_true(content(buffer) == text)
      assert.equal(buffer, buffer:reset())
      assert.equal(0, #buffer)
      assert.equal(0, outstanding())
    end
  end)

  it("releases everything at once at dispose, and refuses use after that", function()
    local buffer = sluice.buffer()
    assert(buffer:append(support.pattern(50000)))
    buffer:dispose()
    assert.equal(0, outstanding())
    buffer:dispose()
    assert.equal("sluice.buffer (disposed)", tostring(buffer))
    for name, use in pairs {
      append = function() buffer:append "x" end,
      sequence = function() buffer:sequence() end,
      length = function() return #buffer end,
      reset = function() buffer:reset() end,
      detach = function() buffer:detach() end,
    } do
      assert.error_matches(use, "use of disposed buffer", 1, false, name)
    end
  end)

  it("hands its bytes over, and refuses use until reset", function()
    local buffer <close> = sluice.buffer { segment_size = 6 }
    assert(buffer:append "over there")
    local lease = buffer:detach()
    assert.equal("over there", lease:tostring())
    assert.equal("sluice.buffer (detached)", tostring(buffer))
    for name, use in pairs {
      append = function() buffer:append "x" end,
      sequence = function() buffer:sequence() end,
      length = function() return #buffer end,
      detach = function() buffer:detach() end,
    } do
      assert.error_matches(use, "use of detached buffer", 1, false, name)
    end
    assert(buffer:reset():append "mine")
    assert.equal("mine", content(buffer))
    assert.equal("over there", lease:tostring())
    lease:dispose()
  end)

  it("can be disposed while others hold its bytes", function()
    local buffer = sluice.buffer()
    assert(buffer:append(support.pattern(40000)))
    local lease <close> = buffer:detach()
    buffer:dispose()
    assert.is_true(lease:tostring() == support.pattern(40000))
  end)

  it("is closed by a to-be-closed variable", function()
    do
      local buffer <close> = sluice.buffer()
      assert(buffer:append(support.pattern(40000)))
      assert.is_true(outstanding() > 0)
    end
    assert.equal(0, outstanding())
  end)

  it("is counted as leaked if it is collected with content", function()
    local leaked = sluice.stats().leaked
    do
      local buffer = sluice.buffer()
      assert(buffer:append "content")
      sluice.buffer()
      sluice.buffer():append "x":dispose()
    end
    collectgarbage()
    collectgarbage()
    assert.equal(leaked + 1, sluice.stats().leaked)
    assert.equal(0, outstanding())
    before.leaked = before.leaked + 1
  end)

  it("survives a finaliser called by hand", function()
    local buffer = sluice.buffer()
    assert(buffer:append "x")
    local finalise = getmetatable(buffer).__gc
    finalise(buffer)
    finalise(buffer)
    assert.error_matches(function() return #buffer end, "disposed")
    assert.error(function() finalise(io.stdout) end)
    before.leaked = before.leaked + 1
  end)

  it("is not mistaken for another type", function()
    local buffer <close> = sluice.buffer()
    local writer <close> = sluice.writer()
    assert.error_matches(function() buffer.append(writer, "x") end, "sluice.buffer expected")
    assert.error_matches(function() writer.write(buffer, "x") end, "sluice.writer expected")
  end)

  it("costs at most 1.25 times its content plus a segment, whatever the pieces", function()
    math.randomseed(11)
    local segment = 16384
    local function check(next_size, total)
      local free = sluice.stats().bytes
      local buffer <close> = sluice.buffer()
      while #buffer < total do
        assert(buffer:append(("x"):rep(next_size())))
        local cost = sluice.stats().bytes - free
        assert.is_true(cost <= #buffer * 1.25 + segment + 1024,
          ("%d bytes cost %d"):format(#buffer, cost))
      end
    end
    check(function() return 1 end, 40000)
    check(function() return 100 end, 200000)
    check(function() return 16385 end, 400000)
    check(function() return math.random(1, 40000) end, 1 << 20)
    check(function() return math.random() < 0.9 and math.random(1, 30) or 16384 end, 400000)
  end)

  it("keeps that bound when parts of other buffers are linked", function()
    math.randomseed(12)
    local free = sluice.stats().bytes
    local buffer <close> = sluice.buffer()
    for _ = 1, 300 do
      local source <close> = sluice.buffer()
      assert(source:append(("y"):rep(16384)))
      local all <close> = source:sequence()
      local first = math.random(1, 16384)
      local part <close> = all:sub(first, first + math.random(0, 5000))
      assert(buffer:append(part))
    end
    local cost = sluice.stats().bytes - free
    assert.is_true(cost <= #buffer * 1.25 + 16384 + 1024,
      ("%d bytes cost %d"):format(#buffer, cost))
  end)

  it("behaves like a string under random use", function()
    math.randomseed(13)
    for _ = 1, 60 do
      local buffer <close> = sluice.buffer { segment_size = math.random(1, 40) }
      local expected = ""
      for _ = 1, 60 do
        local action = math.random(10)
        if action <= 6 then
          local piece = support.pattern(math.random(0, 70))
          assert(buffer:append(piece))
          expected = expected .. piece
        elseif action <= 8 then
          local all <close> = buffer:sequence()
          local i, j = math.random(-#expected - 2, #expected + 2), math.random(-5, #expected + 2)
          local part <close> = all:sub(i, j)
          assert.equal(expected:sub(i, j), part:tostring())
          assert(buffer:append(part))
          expected = expected .. part:tostring()
        elseif action == 9 then
          local lease <close> = buffer:detach()
          assert.equal(expected, lease:tostring())
          buffer:reset()
          expected = ""
        elseif #expected > 2000 then
          buffer:reset()
          expected = ""
        end
        assert.equal(#expected, #buffer)
        assert.equal(expected, content(buffer))
      end
    end
  end)
end)
