-- The option `timeout`, as a number and as a table.
-- Runs once.

local timeout = require "sluice.timeout"

describe("the option timeout", function()
  local function merged(...)
    local target = {}
    for _, option in ipairs { ... } do timeout.merge_into(target, option) end
    return target
  end

  it("as a number is the time of the whole call", function()
    assert.equal(5, timeout.total(5))
    assert.same({ total = 5 }, merged(5))
    assert.same({ total = 5, idle = 2 }, merged({ total = 9, idle = 2 }, 5))
  end)

  it("as a table sets what it names, and leaves the rest", function()
    assert.is_nil(timeout.total(nil))
    assert.is_nil(timeout.total {})
    assert.equal(7, timeout.total { total = 7, idle = 3 })
    assert.same({ total = 9, idle = 3 }, merged({ total = 9, idle = 2 }, { idle = 3 }))
    local target = {}
    timeout.merge_into(target, nil)
    assert.same({}, target)
  end)

  it("turns off what is false", function()
    assert.equal(math.huge, timeout.total { total = false })
    assert.same({ total = math.huge, idle = math.huge },
      merged({ total = 9, idle = 2 }, { total = false, idle = false }))
    assert.same({ rate_bytes = 0 }, merged({ rate = { 1024, 10 } }, { rate = false }))
  end)

  it("has a rate of bytes and seconds", function()
    assert.same({ rate_bytes = 1024, rate_within = 10 }, merged { rate = { 1024, 10 } })
    for _, option in ipairs { 0, 5.5, { rate = { 1, 0.1 } }, { rate = false, total = false } } do
      assert.is_nil((timeout.check(option)))
    end
    for _, rate in ipairs { 5, true, "x", {}, { 1 }, { 1.5, 1 }, { 0, 1 }, { 1, 0 },
      { 1, 1, 1 } } do
      assert.same({ "{ bytes, seconds }, both above zero, or false", "rate" },
        { timeout.check { rate = rate } })
    end
  end)
end)
