-- Ranges of bytes: what is there, and what is missing.
-- Runs once.

local ranges = require "sluice.download.ranges"

describe("ranges", function()
  it("join where they touch or overlap, in whatever order they come", function()
    for _, case in ipairs {
      { { { 0, 5 }, { 5, 9 } }, { { 0, 9 } } },
      { { { 5, 9 }, { 0, 5 } }, { { 0, 9 } } },
      { { { 5, 9 }, { 0, 4 } }, { { 0, 4 }, { 5, 9 } } },
      { { { 0, 2 }, { 8, 9 }, { 4, 6 } }, { { 0, 2 }, { 4, 6 }, { 8, 9 } } },
      { { { 0, 2 }, { 4, 6 }, { 8, 9 }, { 1, 8 } }, { { 0, 9 } } },
      { { { 0, 2 }, { 4, 6 }, { 8, 9 }, { 3, 7 } }, { { 0, 2 }, { 3, 7 }, { 8, 9 } } },
      { { { 2, 4 }, { 2, 3 } }, { { 2, 4 } } },
    } do
      local list = {}
      for _, range in ipairs(case[1]) do ranges.add(list, range[1], range[2]) end
      assert.same(case[2], list)
    end
  end)

  it("are the same as a set of bytes, by chance", function()
    local random = 1
    local function next_number(most)
      random = (random * 1103515245 + 12345) % 2147483648
      return random // 65536 % most
    end
    for _ = 1, 200 do
      local list, set = {}, {}
      for _ = 1, next_number(12) do
        local from = next_number(40)
        local to = from + 1 + next_number(10)
        ranges.add(list, from, to)
        for i = from, to - 1 do set[i] = true end
      end
      local count, total = 0, 50
      for _ in pairs(set) do count = count + 1 end
      assert.equal(count, ranges.count(list))
      for _, gap in ipairs(ranges.missing(list, total)) do
        for i = gap[1], gap[2] - 1 do
          assert.is_nil(set[i])
          set[i] = true
        end
      end
      for i = 0, total - 1 do assert.is_true(set[i]) end
    end
  end)

  it("are missing up to the end, or without one", function()
    assert.same({ { 0, 10 } }, ranges.missing({}, 10))
    assert.same({}, ranges.missing({ { 0, 10 } }, 10))
    assert.same({}, ranges.missing({}, 0))
    assert.same({ { 0 } }, ranges.missing({}, nil))
    assert.same({ { 0, 2 }, { 4 } }, ranges.missing({ { 2, 4 } }, nil))
  end)

  it("are cut into pieces", function()
    assert.same({ { 0, 4 }, { 4, 8 }, { 8, 9 }, { 20, 21 } },
      ranges.split({ { 0, 9 }, { 20, 21 } }, 4))
    assert.same({}, ranges.split({}, 4))
  end)
end)
