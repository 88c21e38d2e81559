-- Leases from Lua: the single owner of finished bytes.
-- Runs once.

local sluice = require "sluice"
local support = require "spec.support"

describe("a lease", function()
  local before

  before_each(function() before = support.snapshot(sluice) end)
  after_each(function() support.verify(sluice, before) end)

  local sources = {
    writer = function(text)
      local writer <close> = sluice.writer()
      assert(writer:write(text))
      return writer:detach()
    end,
    buffer = function(text)
      local buffer <close> = sluice.buffer()
      assert(buffer:append(text))
      return buffer:detach()
    end,
  }

  for source, lease_of in pairs(sources) do
    it("holds exactly what was detached from a " .. source, function()
      for _, size in ipairs { 0, 1, 511, 512, 513, 16383, 16384, 16385, 100000 } do
        local text = support.pattern(size)
        local lease = lease_of(text)
        assert.equal(size, #lease)
        assert.is_true(lease:tostring() == text)
        local shown <close> = lease:sequence()
        assert.is_true(shown:tostring() == text)
        assert.equal(("sluice.lease (%d bytes)"):format(size), tostring(lease))
        lease:dispose()
        assert.is_true(shown:tostring() == text)
      end
    end)

    it("is disposed once, and refuses use after that, from a " .. source, function()
      local lease = lease_of(support.pattern(30000))
      lease:dispose()
      assert.equal(0, sluice.stats().outstanding)
      local returned = sluice.stats().returned
      assert.equal("sluice.lease (disposed)", tostring(lease))
      local buffer <close> = sluice.buffer()
      local writer <close> = sluice.writer()
      for name, use in pairs {
        dispose = function() lease:dispose() end,
        length = function() return #lease end,
        tostring = function() lease:tostring() end,
        sequence = function() lease:sequence() end,
        append = function() buffer:append(lease) end,
        write = function() writer:write(lease) end,
      } do
        assert.error_matches(use, "use of disposed lease", 1, false, name)
      end
      assert.equal(returned, sluice.stats().returned)
    end)
  end

  local lease_of = sources.writer

  it("is closed by a to-be-closed variable, also when it was disposed", function()
    do
      local kept <close> = lease_of(support.pattern(30000))
      local gone <close> = lease_of(support.pattern(30000))
      gone:dispose()
      assert.equal(30000, #kept)
    end
    assert.equal(0, sluice.stats().outstanding)
  end)

  it("is empty without using the pool if nothing was written", function()
    local rented = sluice.stats().rented
    local lease <close> = lease_of ""
    assert.equal(0, #lease)
    assert.equal("", lease:tostring())
    assert.equal(rented, sluice.stats().rented)
  end)

  it("is counted as leaked if it is collected before it is disposed", function()
    local leaked = sluice.stats().leaked
    do
      assert.equal(4, #lease_of "leak")
      lease_of "fine":dispose()
    end
    collectgarbage()
    collectgarbage()
    assert.equal(leaked + 1, sluice.stats().leaked)
    assert.equal(0, sluice.stats().outstanding)
    before.leaked = before.leaked + 1
  end)

  it("survives a finaliser called by hand", function()
    local lease = lease_of "x"
    local finalise = getmetatable(lease).__gc
    finalise(lease)
    finalise(lease)
    assert.error_matches(function() lease:dispose() end, "use of disposed lease")
    before.leaked = before.leaked + 1
  end)

  it("can be linked into buffers and outlived by them", function()
    local buffer <close> = sluice.buffer()
    do
      local lease <close> = lease_of(support.pattern(20000))
      assert(buffer:append(lease)):append(lease)
    end
    local sequence <close> = buffer:sequence()
    assert.is_true(sequence:tostring() == support.pattern(20000):rep(2))
  end)
end)
