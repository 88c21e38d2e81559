-- Which origin object a URL leads to, over connections that only count.

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

  local function new(resolver) return Origins.new(connections, resolver) end

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

  it("have the address that the resolver returns, asked once for each", function()
    local asked = {}
    local origins = new(function(host, port)
      asked[#asked + 1] = host .. " " .. port
      if host == "none.test" then return nil, "not here" end
      return "127.0.0.7"
    end)
    assert.equal("127.0.0.7", find(origins, "http://a.test/").options.address)
    find(origins, "http://a.test/again")
    find(origins, "http+unix://a/")
    local origin, message, err = find(origins, "http://none.test/")
    assert.is_nil(origin)
    assert.equal("resolve none.test: not here", message)
    assert.equal("resolve", err.code)
    assert.same({ "a.test 80", "none.test 80" }, asked)
  end)

  it("are not made once the client is closed, even during a look-up", function()
    local origins
    origins = new(function()
      origins:close()
      return "127.0.0.1"
    end)
    local origin, message, err = find(origins, "http://a.test/")
    assert.is_nil(origin)
    assert.equal("resolve a.test: client is closed", message)
    assert.equal("closed", err.code)
  end)
end)
