-- Which hosts are reached without a proxy.
-- Runs once.

local no_proxy = require "sluice.no_proxy"

describe("no_proxy", function()
  local function covers(entry, host, port)
    local list = assert(no_proxy.read { entry })
    return no_proxy.covers(list, host, port or 80)
  end

  it("covers a name and all below it, however the entry begins", function()
    for _, entry in ipairs { "a.test", ".a.test", "*.a.test", "A.TEST", "a.test." } do
      for host, expected in pairs {
        ["a.test"] = true, ["b.a.test"] = true, ["c.b.a.test"] = true, ["a.test."] = true,
        ["ba.test"] = false, ["test"] = false, ["a.test.b"] = false, ["127.0.0.1"] = false,
      } do
        assert.equal(expected, covers(entry, host), entry .. " " .. host)
      end
    end
  end)

  it("covers addresses and networks, but not names that resolve to them", function()
    for _, case in ipairs {
      { "10.0.0.0/8", "10.255.0.1", true }, { "10.0.0.0/8", "11.0.0.1", false },
      { "10.128.0.0/9", "10.127.0.1", false }, { "127.0.0.1", "127.0.0.1", true },
      { "127.0.0.1", "127.0.0.2", false }, { "127.0.0.1", "localhost", false },
      { "0.0.0.0/0", "8.8.8.8", true }, { "0.0.0.0/0", "::1", false },
      { "fe80::/10", "febf::1", true }, { "fe80::/10", "fec0::1", false },
      { "10.4.0.0/14", "10.7.255.255", true }, { "10.4.0.0/14", "10.8.0.0", false },
      { "10.0.0.16/28", "10.0.0.31", true }, { "10.0.0.16/28", "10.0.0.32", false },
      { "1.2.3.4", "a1.2.3.4", false }, { "1.2.3.4", "1.2.3.4.5", false },
      { "1.2.3.255", "1.2.3.256", false }, { "1.2.3.256", "1.2.3.256", true },
      { "[::1]", "::1", true }, { "::1", "0:0:0:0:0:0:0:1", true },
      { "::ffff:10.0.0.1", "10.0.0.1", true },
    } do
      assert.equal(case[3], covers(case[1], case[2]), case[1] .. " " .. case[2])
    end
  end)

  it("covers only the port of an entry that has one", function()
    for _, case in ipairs { { "a.test:8080", "a.test" }, { "[::1]:8080", "::1" },
      { "127.0.0.1:8080", "127.0.0.1" }, { "127.0.0.0/8:8080", "127.0.0.1" } } do
      assert.is_true(covers(case[1], case[2], 8080))
      assert.is_false(covers(case[1], case[2], 80))
    end
  end)

  it("covers everything by a star, and nothing when it is empty", function()
    assert.is_true(covers("*", "any.test"))
    assert.is_true(covers("*", "::1"))
    assert.is_false(no_proxy.covers(assert(no_proxy.read {}), "any.test", 80))
  end)

  it("names the entry that is none", function()
    for _, entry in ipairs { "a b", "http://a", "10.0.0.0/33", "10.0.0.0/8x", "[::1",
      "fe80::/129" } do
      local list, wrong = no_proxy.read { "a.test", entry }
      assert.is_nil(list)
      assert.equal(entry, wrong)
    end
  end)

  it("is split at commas and spaces in the environment", function()
    assert.same({ "a", "b", "c" }, no_proxy.split " a, b,,c ")
    assert.same({}, no_proxy.split " , ")
  end)
end)
