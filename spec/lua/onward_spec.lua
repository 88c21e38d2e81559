-- Where a server may lead a request; redirects_spec and pages_spec have the ways of asking.
-- Runs once.

local onward = require "sluice.onward"
local plan = require "sluice.plan"

local function lead(asked, base, url, is_foreign)
  return onward.changes({ url = asked, is_foreign = is_foreign or false }, base, url,
    assert(plan.parse(url)))
end

describe("the way onward", function()
  it("is foreign beyond the origin that was asked, and stays so", function()
    local a, b = "http://a.example/1", "http://b.example/1"
    assert.same({ url = "http://a.example/2", is_foreign = false },
      lead(a, a, "http://a.example/2"))
    assert.is_true(lead(a, a, b).is_foreign)
    assert.is_true(lead(a, b, b).is_foreign)
    assert.is_true(lead(a, b, a, true).is_foreign)
    assert.is_true(lead(a, a, "https://a.example/").is_foreign)
    assert.is_true(lead(a, a, "http://a.example:81/").is_foreign)
    assert.is_true(lead("relative", a, a).is_foreign)
  end)

  it("takes user info along within an origin", function()
    local base = "http://u:p%25@a.example/1"
    assert.equal("http://u:p%25@a.example/2", lead(base, base, "http://a.example/2").url)
    assert.equal("http://b.example/2", lead(base, base, "http://b.example/2").url)
  end)

  it("is refused from https to http, and out of and into a unix socket", function()
    for reason, urls in pairs {
      ["from https to http"] = { "https://a.example/", "http://a.example/" },
      ["a unix socket leads elsewhere"] = { "http+unix://%2Fa/", "http://a.example/" },
      ["to a unix socket"] = { "http://a.example/", "http+unix://%2Fa/" },
      ["from what is no URL"] = { "x", "http://a.example/" },
    } do
      local changes, why = lead(urls[1], urls[1], urls[2])
      assert.is_nil(changes)
      assert.equal(reason, why)
    end
    assert.is_false(lead("http+unix://%2Fa/", "http+unix://%2Fa/", "http+unix://%2Fa/x").is_foreign)
  end)
end)
