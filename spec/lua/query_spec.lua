-- The option `query`: what is added to a URL, and what is refused.
-- Runs once.

local query = require "sluice.query"

describe("a query", function()
  it("goes between the path and the fragment", function()
    assert.equal("http://a/?x=1", query.add("http://a/", "x=1"))
    assert.equal("http://a/?x=1&y=2#z", query.add("http://a/?x=1#z", "y=2"))
    assert.equal("http://a/#z", query.add("http://a/#z", ""))
    assert.equal("http://a/", query.add("http://a/", {}))
  end)

  it("begins right behind a '?' or '&' that is there", function()
    assert.equal("http://a/?x=1", query.add("http://a/?", "x=1"))
    assert.equal("http://a/?x=1", query.add("http://a/?", { x = 1 }))
    assert.equal("http://a/?w&x=1#z", query.add("http://a/?w&#z", "x=1"))
  end)

  it("of text loses one '?' in front", function()
    assert.equal("http://a/?x=1", query.add("http://a/", "?x=1"))
    assert.equal("http://a/??x=1", query.add("http://a/", "??x=1"))
    assert.equal("http://a/", query.add("http://a/", "?"))
    assert.equal("http://a/?x=?", query.add("http://a/", "x=?"))
  end)

  it("of a map is escaped, in the order of its names", function()
    assert.equal("http://a/?a=1&b=x%20y&b=%26&c=true&d=false",
      query.add("http://a/", { c = true, b = { "x y", "&" }, a = 1, d = false, e = {} }))
  end)

  it("of pairs keeps their order, and names that repeat", function()
    assert.equal("http://a/?b=1&a=x%26&b=2&b=3&5=6", query.add("http://a/",
      { { "b", 1 }, { "a", "x&" }, { "b", { 2, 3 } }, { 5, 6 } }))
  end)

  it("has integers where floats are integers, and values that know their text", function()
    local when = setmetatable({ 1 }, { __tostring = function() return "12:30" end })
    assert.equal("http://a/?a=5&b=0.1&c=12%3A30&d=12%3A30&e=1700000000123456",
      query.add("http://a/", { a = 5.0, b = 0.1, c = when, d = { when }, e = 1700000000123456.0 }))
  end)

  it("that would lose something is refused by name", function()
    for wrong, given in pairs {
      ["'#' would begin a fragment: write %23, or give a table"] = "a=#1",
      ["'a': text, number or boolean expected, got a function"] = { a = print },
      ["'b'[2]: text, number or boolean expected, got a table"] = { b = { 1, { 2 } } },
      ["'c': element 2 is missing (a hole)"] = { c = { 1, nil, 3 } },
      ["'d': an array has no key 'x'"] = { d = { x = 1 } },
      ["'e\\x0A': text, number or boolean expected, got an infinite number"] =
        { ["e\n"] = math.huge },
      ["'f': text, number or boolean expected, got a userdata"] =
        { f = require "sluice.core".json.null },
      ["element 1: pair of name and value expected, got a string"] = { "a", "b" },
      ["element 2 is missing (a hole)"] = { { "a", 1 }, nil, { "b", 2 } },
      ["element 1: a pair has no key '3'"] = { { "a", 1, 2 } },
      ["element 1: name expected, got a table"] = { { {}, 1 } },
      ["'g': text, number or boolean expected, got nothing"] = { { "g" } },
      ["an array has no key 'x'"] = { { "a", 1 }, x = 1 },
    } do
      local url, reason = query.add("http://a/", given)
      assert.is_nil(url)
      assert.equal(wrong, reason)
    end
  end)
end)
