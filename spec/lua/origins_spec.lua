-- Which origin object a URL leads to, over connections that only count.

local Origins = require "sluice.origins"
local plan = require "sluice.plan"

describe("the origins of a client", function()
  local made, forgotten, busy

  -- What the core's connections make of an origin.
  local connections = {}
  function connections.origin(_, options)
    local origin = { options = options }
    function origin:is_busy() return busy[self] or false end
    made[#made + 1] = origin
    return origin
  end

  local function new()
    return Origins.new(connections, nil, function(origin)
      forgotten[#forgotten + 1] = origin
    end)
  end

  local function find(origins, url) return origins:find(assert(plan.parse(url))) end

  before_each(function() made, forgotten, busy = {}, {}, {} end)

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

  it("are beside a thousand those alone that something uses", function()
    local origins = new()
    for i = 1, 1000 do busy[find(origins, ("http://a%d.test/"):format(i))] = i ~= 500 end
    find(origins, "http://b.test/")
    assert.same({ made[500] }, forgotten)
    assert.equal(1000, origins.count)
    busy[made[1001]] = true
    find(origins, "http://c.test/")
    assert.equal(1, #forgotten)
    assert.equal(1001, origins.count)
    assert.equal(made[1], find(origins, "http://a1.test/"))
  end)
end)
