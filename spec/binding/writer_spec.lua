-- Writers from Lua: one block that grows up to its maximum and is handed over once.
-- Runs once.

local sluice = require "sluice"
local support = require "spec.support"

describe("a writer", function()
  local before

  before_each(function() before = support.snapshot(sluice) end)
  after_each(function() support.verify(sluice, before) end)

  local function outstanding() return sluice.stats().outstanding end

  it("is empty at first and rents nothing", function()
    local writer <close> = sluice.writer()
    assert.equal(0, #writer)
    assert.equal("", writer:view())
    assert.equal(0, outstanding())
    assert.equal("sluice.writer (0 bytes)", tostring(writer))
  end)

  it("joins strings, numbers, sequences and leases", function()
    local writer <close> = sluice.writer { initial_size = 1 }
    local buffer <close> = sluice.buffer { segment_size = 2 }
    assert(buffer:append "sequence")
    local sequence <close> = buffer:sequence()
    local other <close> = sluice.writer()
    assert(other:write "lease")
    local lease <close> = other:detach()
    assert.equal(writer, writer:write("a", 1, 2.5, -0.0, "", sequence, lease))
    assert.equal("a12.5-0.0sequencelease", writer:view())
    assert.equal(#"a12.5-0.0sequencelease", #writer)
    assert.equal(writer, writer:write())
  end)

  it("grows through every size", function()
    for _, initial in ipairs { 1, 2, 511, 512, 16384, 20000 } do
      local writer <close> = sluice.writer { initial_size = initial }
      local expected = {}
      local size = 0
      for i = 1, 16 do
        local piece = support.pattern(i * i * i)
        expected[i] = piece
        size = size + #piece
        assert(writer:write(piece))
        assert.equal(size, #writer)
        assert.is_true(writer:view() == table.concat(expected))
      end
    end
    local writer <close> = sluice.writer()
    for i = 1, 2000 do assert(writer:write(string.char(i % 256))) end
    assert.equal(2000, #writer)
  end)

  it("holds its maximum exactly; one byte more leaves the content as it was", function()
    for _, maximum in ipairs { 1, 2, 100, 512, 513, 16384, 16385, 1 << 20 } do
      local writer <close> = sluice.writer { initial_size = 1, max_size = maximum }
      local text = support.pattern(maximum)
      assert(writer:write(text))
      local result, message, err = writer:write "x"
      assert.is_nil(result)
      assert.equal(("write: content exceeds %d bytes (max_size)"):format(maximum), message)
      assert.equal("limit", err.code)
      assert.is_false(err.retryable)
      assert.equal(maximum, #writer)
      assert.is_true(writer:view() == text)
      local lease <close> = writer:detach()
      assert.is_true(lease:tostring() == text)
    end
  end)

  it("keeps what came before the argument that did not fit", function()
    local writer <close> = sluice.writer { max_size = 10 }
    assert(writer:write "1234")
    local result, _, err = writer:write("56", "789abc", "d")
    assert.is_nil(result)
    assert.equal("limit", err.code)
    assert.equal("123456", writer:view())
    assert(writer:write "7890")
    assert.equal("1234567890", writer:view())
  end)

  it("refuses invalid sizes", function()
    assert.error_matches(function() sluice.writer { initial_size = 0 } end, "initial_size")
    assert.error_matches(function() sluice.writer { initial_size = 5, max_size = 4 } end,
      "initial_size")
    assert.error_matches(function() sluice.writer { max_size = 0 } end, "initial_size")
    for _, value in ipairs { "x", -1, 1.5, 0 / 0, math.huge, {}, true } do
      assert.error_matches(function() sluice.writer { initial_size = value } end, "initial_size")
      assert.error_matches(function() sluice.writer { max_size = value } end, "max_size")
    end
    assert.error_matches(function() sluice.writer { size = 1 } end, "writer: unknown option 'size'")
    assert.error_matches(function() sluice.writer "x" end, "table expected")
  end)

  it("refuses other values and keeps what came before them", function()
    local writer <close> = sluice.writer()
    assert.error_matches(function() writer:write("kept", true) end, "string, sequence or lease")
    assert.error_matches(function() writer:write {} end, "string, sequence or lease")
    assert.error_matches(function() writer:write(nil) end, "string, sequence or lease")
    assert.equal("kept", writer:view())
  end)

  it("hands its bytes over and refuses use until reset", function()
    local writer <close> = sluice.writer()
    assert(writer:write "handed over")
    local lease = writer:detach()
    assert.equal("handed over", lease:tostring())
    assert.equal("sluice.writer (detached)", tostring(writer))
    for name, use in pairs {
      write = function() writer:write "x" end,
      view = function() writer:view() end,
      length = function() return #writer end,
      detach = function() writer:detach() end,
    } do
      assert.error_matches(use, "use of detached writer", 1, false, name)
    end
    assert.equal(writer, writer:reset())
    assert(writer:write "independent")
    assert.equal("independent", writer:view())
    assert.equal("handed over", lease:tostring())
    lease:dispose()
    assert.equal("independent", writer:view())
  end)

  it("releases its block at dispose, and cannot be used again", function()
    local writer = sluice.writer()
    assert(writer:write(support.pattern(100000)))
    assert.is_true(outstanding() > 0)
    writer:dispose()
    assert.equal(0, outstanding())
    writer:dispose()
    assert.equal("sluice.writer (disposed)", tostring(writer))
    for name, use in pairs {
      write = function() writer:write "x" end,
      view = function() writer:view() end,
      length = function() return #writer end,
      reset = function() writer:reset() end,
      detach = function() writer:detach() end,
    } do
      assert.error_matches(use, "use of disposed writer", 1, false, name)
    end
  end)

  it("releases nothing twice if it is disposed after detach", function()
    local writer = sluice.writer()
    assert(writer:write(support.pattern(1000)))
    local lease = writer:detach()
    local returned = sluice.stats().returned
    writer:dispose()
    assert.equal(returned, sluice.stats().returned)
    assert.equal(1000, #lease)
    lease:dispose()
    assert.equal(0, outstanding())
  end)

  it("releases an oversized block at reset", function()
    local writer <close> = sluice.writer()
    assert(writer:write(support.pattern(1 << 20)))
    local held = sluice.stats().bytes
    writer:reset()
    assert.is_true(held - sluice.stats().bytes >= 1 << 20 or outstanding() == 0)
    assert.equal("", writer:view())
  end)

  it("is closed by a to-be-closed variable", function()
    do
      local writer <close> = sluice.writer()
      assert(writer:write(support.pattern(100000)))
    end
    assert.equal(0, outstanding())
  end)

  it("is counted as leaked if it is collected with content", function()
    local leaked = sluice.stats().leaked
    do
      assert(sluice.writer():write "leak")
      sluice.writer()
      sluice.writer():write "x":dispose()
    end
    collectgarbage()
    collectgarbage()
    assert.equal(leaked + 1, sluice.stats().leaked)
    assert.equal(0, outstanding())
    before.leaked = before.leaked + 1
  end)

  it("behaves like a string under random use", function()
    math.randomseed(41)
    for _ = 1, 60 do
      local maximum = math.random(1, 3000)
      local writer <close> = sluice.writer { initial_size = math.random(1, maximum),
        max_size = maximum }
      local expected = ""
      for _ = 1, 60 do
        local action = math.random(12)
        if action <= 9 then
          local piece = support.pattern(math.random(0, 200))
          if #expected + #piece <= maximum then
            assert(writer:write(piece))
            expected = expected .. piece
          else
            assert.equal("limit", select(3, writer:write(piece)).code)
          end
        elseif action == 10 then
          local lease <close> = writer:detach()
          assert.equal(expected, lease:tostring())
          writer:reset()
          expected = ""
        elseif action == 11 then
          writer:reset()
          expected = ""
        end
        assert.equal(expected, writer:view())
      end
    end
  end)
end)
