-- How far a download is, at most ten times a second.
-- Runs once.

local Meter = require "sluice.download.meter"
local core = require "sluice.core"

describe("a meter", function()
  local now, real, reports

  before_each(function()
    real, now, reports = core.now, 5000000000, {}
    core.now = function() return now end -- luacheck: ignore
  end)
  after_each(function() core.now = real end) -- luacheck: ignore

  local function meter()
    return Meter.new(function(...) reports[#reports + 1] = { ... } end)
  end

  local function pass(seconds) now = now + math.tointeger(seconds * 1000000000) end

  it("reports at most ten times a second, and once at the end", function()
    local one = meter()
    one:begin(0)
    for done = 1, 99 do
      pass(0.0625)
      one:report(done, 100)
    end
    pass(0.0625)
    one:report(100, 100)
    one:finish(100)
    assert.is_true(#reports >= 40 and #reports <= 63, #reports)
    assert.same({ 100, 100 }, { reports[#reports][1], reports[#reports][2] })
    assert.is_true(reports[#reports - 1][1] < 100)
  end)

  it("knows the rate of the last seconds, and what remains", function()
    local one = meter()
    one:begin(1000)
    pass(1)
    one:report(1500, 3000)
    assert.same({ 1500, 3000, 500.0, 3.0 }, reports[1])
    for i = 1, 100 do
      pass(0.125)
      one:report(1500 + i, 3000)
    end
    assert.equal(8.0, reports[#reports][3])
    pass(1)
    one:report(1600)
    assert.is_nil(reports[#reports][4])
  end)

  it("has no rate while no time has passed, and forgets the old one if it starts over", function()
    local one = meter()
    one:begin(0)
    one:report(0, 10)
    assert.same({ 0, 10 }, reports[1])
    pass(1)
    one:report(10, 20)
    pass(1)
    one:report(5, 20)
    assert.same({ 5, 20 }, reports[3])
    pass(1)
    one:report(6, 20)
    assert.same({ 6, 20, 1.0, 14.0 }, reports[4])
    pass(1)
    one:report(6, 20)
    assert.same({ 6, 20, 0.5, 28.0 }, reports[5])
  end)

  it("is silent without a function", function()
    local one = Meter.new(nil)
    one:begin(0)
    one:report(1, 2)
    one:finish(2)
  end)
end)
