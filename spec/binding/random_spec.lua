-- Random bytes of the core.
-- Runs once.

local core = require "sluice.core"

describe("random bytes", function()
  it("are as many as asked for, and others each time", function()
    local seen = {}
    for _ = 1, 1000 do
      local bytes = core.random(16)
      assert.equal(16, #bytes)
      assert.is_nil(seen[bytes])
      seen[bytes] = true
    end
    assert.equal(1, #core.random(1))
    assert.equal(256, #core.random(256))
  end)

  it("have every value about as often", function()
    local counts = {}
    for _ = 1, 1000 do
      for byte in core.random(256):gmatch "." do counts[byte] = (counts[byte] or 0) + 1 end
    end
    for value = 0, 255 do
      local count = counts[string.char(value)] or 0
      assert.is_true(count > 700 and count < 1300, count) -- 1000, within ten deviations
    end
  end)

  it("are refused in other numbers", function()
    for _, count in ipairs { 0, -1, 257, 1.5, "x" } do
      assert.error(function() core.random(count) end)
    end
  end)
end)
