-- States by origin, a bounded number of them.
-- Runs once.

local PerOrigin = require "sluice.interceptors.per_origin"

describe("states by origin", function()
  it("are one for all URLs of an origin, however these are written", function()
    local states = PerOrigin.new(10, function(origin) return { made_for = origin } end)
    local state = states:find "http://host.test/a"
    assert.equal("http://host.test", state.origin)
    assert.equal("http://host.test", state.made_for)
    for _, url in ipairs { "http://host.test/a", "HTTP://HOST.test:80/b?c#d",
      "http://u:p@host.test" } do
      assert.equal(state, states:find(url))
    end
    for _, url in ipairs { "https://host.test/a", "http://host.test:81/", "http://other.test/" } do
      assert.not_equal(state, states:find(url))
    end
    assert.equal("http+unix:///run/x", states:find("http+unix://%2Frun%2Fx/a").origin)
    assert.equal("", states:find("no url").origin)
  end)

  it("are forgotten when there are too many, the one used longest ago first", function()
    local states = PerOrigin.new(2, function() return {} end)
    local a, b = states:find "http://a.test/", states:find "http://b.test/"
    assert.equal(a, states:find "http://a.test/x")
    states:find "http://c.test/"
    assert.equal(2, states.count)
    assert.equal(a, states:find "http://a.test/x")
    assert.not_equal(b, states:find "http://b.test/")
  end)

  it("stay while they are in use, even if there are too many", function()
    local states = PerOrigin.new(2, function() return { is_used = true } end,
      function(state) return state.is_used end)
    local kept = states:find "http://0.test/"
    for i = 1, 10 do states:find("http://" .. i .. ".test/") end
    assert.equal(11, states.count)
    assert.equal(kept, states:find "http://0.test/")
  end)

  it("remember a bounded number of URLs", function()
    local states = PerOrigin.new(2, function() return {} end)
    local first = states:find "http://a.test/"
    for i = 1, 3000 do assert.equal(first, states:find("http://a.test/" .. i)) end
    local count = 0
    for _ in pairs(states.by_url) do count = count + 1 end
    assert.is_true(count <= 1000)
  end)
end)
