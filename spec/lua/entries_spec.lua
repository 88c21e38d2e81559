-- Names with values: how `query`, `form` and `multipart` walk them.
-- Runs once.

local entries = require "sluice.entries"

local function never() return false end

--- What is visited, as text; or nil and what is wrong.
local function visited(given, is_one, add)
  local seen = {}
  local wrong = entries.visit(given, is_one or never, add or function(name, value)
    seen[#seen + 1] = name .. "=" .. tostring(value)
  end)
  if wrong then return nil, wrong end
  return table.concat(seen, " ")
end

describe("names with values", function()
  it("are visited in the order of the names, or of the pairs", function()
    assert.equal("a=1 b=2 b=3 c=true", visited { c = true, b = { 2, 3 }, a = 1, d = {} })
    assert.equal("b=2 a=1 b=3 b=4 5=6",
      visited { { "b", 2 }, { "a", 1 }, { "b", { 3, 4 } }, { 5, 6 } })
    assert.equal("", visited {})
  end)

  it("have tables as values where these are one", function()
    local one = setmetatable({ x = 1 }, { __tostring = function() return "one" end })
    local function is_one(value) return value.x ~= nil end
    assert.equal("a=one b=one b=2", visited({ a = one, b = { one, 2 } }, is_one))
  end)

  it("are named with what is wrong with them", function()
    local function refuse(_, value) return value == 2 and "too many" or nil end
    assert.same({ nil, "'a': too many" }, { visited({ a = 2 }, never, refuse) })
    assert.same({ nil, "'a'[2]: too many" }, { visited({ a = { 1, 2 } }, never, refuse) })
    assert.same({ nil, "'a\\x0A': element 1 is missing (a hole)" },
      { visited { ["a\n"] = { nil, 2 } } })
    assert.same({ nil, "element 1: name expected, got a boolean" }, { visited { { true, 1 } } })
  end)

  it("are joined with what an escape makes of them", function()
    assert.equal("<a>=<1>&<a>=<true>", entries.join({ a = { 1, true } },
      function(text) return "<" .. text .. ">" end))
    assert.same({ nil, "'a'[1]: text, number or boolean expected, got a table" },
      { entries.join({ a = { {} } }, tostring) })
  end)

  it("fail as the escape does", function()
    local err = { code = "memory" }
    local function escape(text)
      if text == "b" then return nil, "out of memory", err end
      return text
    end
    assert.same({ nil, "out of memory", err }, { entries.join({ { "b", 1 } }, escape) })
    assert.same({ nil, "out of memory", err }, { entries.join({ { "a", "b" } }, escape) })
  end)
end)
