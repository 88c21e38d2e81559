-- The rules of RFC 9111, without a store.
-- Runs once.

local date = require "sluice.date"
local rules = require "sluice.interceptors.cache_rules"

local NOW = 1700000000

describe("directives", function()
  for text, expected in pairs {
    [""] = {}, ["no-store"] = { ["no-store"] = true },
    ["max-age=5, private"] = { ["max-age"] = 5, private = true },
    [" ,, Max-Age = 5 ,Private , "] = { ["max-age"] = 5, private = true },
    ["max-age=\"5\""] = { ["max-age"] = 5 },
    ["private=\"a, max-age=9\", max-age=5"] = { private = "a, max-age=9", ["max-age"] = 5 },
    ["x=\"a\\\"b\", no-cache"] = { x = "a\"b", ["no-cache"] = true },
    ["max-age=five"] = { ["max-age"] = 0 }, ["max-age=-1"] = { ["max-age"] = 0 },
    ["max-age"] = { ["max-age"] = 0 }, ["max-age=5, max-age=3"] = { ["max-age"] = 3 },
    ["max-age=3, max-age=5"] = { ["max-age"] = 3 },
    ["max-age=99999999999999999999"] = { ["max-age"] = 2147483648 },
    ["max-age=1234567890"] = { ["max-age"] = 1234567890 },
    ["max-age=9999999999"] = { ["max-age"] = 2147483648 },
    ["x=\"a\" no-cache"] = { x = "a", ["no-cache"] = true },
    ["max-stale"] = { ["max-stale"] = math.huge }, ["max-stale=7"] = { ["max-stale"] = 7 },
    ["=, max-age=5"] = { ["max-age"] = 5 },
    ["=,max-age=5"] = { ["max-age"] = 5 }, ["x=\"open"] = { x = "open" },
  } do
    it("are read from '" .. text .. "'", function()
      assert.same(expected, rules.directives(text))
    end)
  end

  it("are none without the field", function() assert.same({}, rules.directives(nil)) end)
end)

describe("a response", function()
  local function known(status, fields, directives)
    return rules.storable(status, fields, directives or {}, NOW - 1, NOW)
  end

  local modified = date.format(NOW - 1000)

  for name, case in pairs {
    ["with max-age"] = { 200, { ["Cache-Control"] = "max-age=5" }, 5 },
    ["with max-age before Expires"] = { 200, { ["Cache-Control"] = "max-age=5",
      Expires = date.format(NOW + 100) }, 5 },
    ["with Expires"] = { 200, { Date = date.format(NOW - 10),
      Expires = date.format(NOW + 90) }, 100 },
    ["with Expires without Date"] = { 200, { Expires = date.format(NOW + 90) }, 90 },
    ["of another status with max-age"] = { 302, { ["Cache-Control"] = "max-age=5" }, 5 },
    ["without more than Last-Modified"] = { 200, { ["Last-Modified"] = modified }, 100 },
    ["of heuristics, a day at most"] = { 200, { ["Last-Modified"] = date.format(1) }, 86400 },
    ["that is stale but has a tag"] = { 200, { Expires = "0", ETag = "\"a\"" }, 0 },
    ["that a shared cache may not store"] =
      { 200, { ["Cache-Control"] = "private, max-age=5" }, 5 },
    ["whose s-maxage is not for private caches"] =
      { 200, { ["Cache-Control"] = "s-maxage=50, max-age=5" }, 5 },
    ["with must-understand"] = { 200, { ["Cache-Control"] =
      "no-store, must-understand, max-age=5" }, 5 },
    ["that ended before it was sent but has a tag"] = { 200, { Date = date.format(NOW - 10),
      Expires = date.format(NOW - 20), ETag = "\"a\"" }, 0 },
    ["of another status with public"] = { 302, { ["Cache-Control"] = "public",
      ["Last-Modified"] = modified }, 100 },
    ["with no-cache"] = { 200, { ["Cache-Control"] = "no-cache", ETag = "\"a\"" }, 0 },
  } do
    it(name .. " is stored", function()
      local entry = known(case[1], case[2])
      assert.is_truthy(entry)
      assert.equal(case[3], entry.lifetime)
    end)
  end

  for name, case in pairs {
    ["with no-store"] = { 200, { ["Cache-Control"] = "no-store, max-age=5" } },
    ["to a request with no-store"] = { 200, { ["Cache-Control"] = "max-age=5" },
      { ["no-store"] = true } },
    ["that says nothing"] = { 200, {} },
    ["that is stale and has no validator"] = { 200, { Expires = "0" } },
    ["of a status that is not understood"] = { 206, { ["Cache-Control"] = "max-age=5" } },
    ["of a status without heuristics"] = { 500, { ["Last-Modified"] = modified } },
    ["that varies by everything"] = { 200, { ["Cache-Control"] = "max-age=5", Vary = "A, *" } },
    ["with must-understand of an unknown status"] = { 299, { ["Cache-Control"] =
      "no-store, must-understand, max-age=5" } },
  } do
    it(name .. " is not stored", function() assert.is_nil(known(table.unpack(case))) end)
  end

  it("is stored by its status: by some, only if the server says how long", function()
    local function stored(fields)
      local list = {}
      for status = 100, 599 do
        if known(status, fields) then list[#list + 1] = status end
      end
      return table.concat(list, " ")
    end
    -- RFC 9110 15.1, without 206, which this cache does not join
    assert.equal("200 203 204 300 301 308 404 405 410 414 501",
      stored { ["Last-Modified"] = modified })
    assert.equal("200 203 204 300 301 302 303 307 308 400 403 404 405 410 414 500 501 502 503 504",
      stored { ["Cache-Control"] = "max-age=5" })
  end)

  it("ages from its Date, its Age, and the time that it was on the way", function()
    local entry = known(200, { ["Cache-Control"] = "max-age=50", Age = "7" })
    assert.equal(8, rules.age(entry, NOW))
    assert.equal(10, rules.age(entry, NOW + 2))
    assert.equal(8, rules.age(entry, NOW - 100)) -- the clock was set back
    entry = known(200, { ["Cache-Control"] = "max-age=50", Age = "7",
      Date = date.format(NOW - 20) })
    assert.equal(20, rules.age(entry, NOW))
    entry = known(200, { ["Cache-Control"] = "max-age=50", Date = date.format(NOW + 20) })
    assert.equal(1, rules.age(entry, NOW))
  end)

  describe("is used", function()
    local function is_usable(age, control, asked)
      local entry = known(200, { ["Cache-Control"] = "max-age=50" .. (control or ""),
        ETag = "\"a\"", Date = date.format(NOW) })
      entry.age = 0
      return rules.is_usable(entry, rules.directives(asked), NOW + age)
    end

    for name, case in pairs {
      ["while it is fresh"] = { true, 49 },
      ["not when it is stale"] = { false, 50 },
      ["not with no-cache"] = { false, 1, ", no-cache" },
      ["not for no-cache"] = { false, 1, nil, "no-cache" },
      ["up to max-age"] = { true, 10, nil, "max-age=10" },
      ["not beyond max-age"] = { false, 11, nil, "max-age=10" },
      ["with min-fresh left"] = { true, 40, nil, "min-fresh=10" },
      ["not with less than min-fresh left"] = { false, 41, nil, "min-fresh=10" },
      ["stale for max-stale"] = { true, 60, nil, "max-stale=10" },
      ["not stale beyond max-stale"] = { false, 61, nil, "max-stale=10" },
      ["however stale for max-stale alone"] = { true, 99999, nil, "max-stale" },
      ["not stale with must-revalidate"] = { false, 60, ", must-revalidate", "max-stale" },
    } do
      it(name, function() assert.equal(case[1], is_usable(case[2], case[3], case[4])) end)
    end
  end)

  it("varies by names without case and in no order", function()
    assert.same({ "accept", "x" }, rules.vary_names "X, Accept")
    assert.same({}, rules.vary_names(nil))
  end)
end)
