-- Which origin object a URL leads to, over connections that only count.
-- Runs once.

local Origins = require "sluice.origins"
local plan = require "sluice.plan"

describe("the origins of a client", function()
  local made

  -- What the core's connections make of an origin.
  local connections = {}
  function connections.origin(_, options)
    local origin = { options = options }
    made[#made + 1] = origin
    return origin
  end

  local function new() return Origins.new(connections) end

  local function find(origins, url) return origins:find(assert(plan.parse(url))) end

  before_each(function() made = {} end)

  it("are one for each scheme, host and port", function()
    local origins = new()
    local first = find(origins, "http://a.test/x")
    for _, url in ipairs { "http://a.test/y?z", "http://A.TEST:80/", "http://user@a.test/" } do
      assert.equal(first, find(origins, url))
    end
    for _, url in ipairs { "http://a.test:81/", "http://b.test/", "http+unix://a.test/" } do
      assert.not_equal(first, find(origins, url))
    end
    assert.equal(4, #made)
    assert.same({ host = "a.test", port = 80, identity = "http://a.test:80" }, first.options)
  end)

  it("are asked of the core again once nobody holds their handle", function()
    local origins = new()
    find(origins, "http://a.test/")
    local held = find(origins, "http://b.test/")
    made = {}
    collectgarbage()
    find(origins, "http://a.test/")
    assert.equal(held, find(origins, "http://b.test/"))
    assert.equal(1, #made)
    assert.equal("http://a.test:80", made[1].options.identity)
  end)
end)
