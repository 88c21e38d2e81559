-- Which origin object a URL leads to, over connections that only count.
-- Runs once.

local Origins = require "sluice.origins"
local plan = require "sluice.plan"
local proxy = require "sluice.proxy"

describe("the origins of a client", function()
  local made

  -- What the core's connections make of an origin.
  local connections = {}
  function connections.origin(_, options)
    local origin = { options = options }
    made[#made + 1] = origin
    return origin
  end

  local function new(tls) return Origins.new(connections, tls) end

  local function find(origins, url) return origins:find(assert(plan.parse(url))) end

  -- The options for that URL through the proxy that this option chooses.
  local function through(origins, url, option, is_upgrade)
    local parsed = assert(plan.parse(url))
    parsed.needs_tunnel = is_upgrade
    local via = assert(proxy.choose(assert(proxy.read(option)), parsed))
    return assert(origins:find(parsed, via)).options
  end

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

  it("share one TLS context, which only https has", function()
    local origins = new { verify = false }
    local first = find(origins, "https://a.test/").options
    assert.equal("userdata", type(first.tls))
    assert.equal("https://a.test:443", first.identity)
    assert.equal(first.tls, find(origins, "https://b.test/").options.tls)
    assert.is_nil(find(origins, "http://a.test/").options.tls)
    assert.is_nil(find(origins, "http+unix://%2Fa/").options.tls)
    assert.not_equal(first.tls, find(new(), "https://a.test/").options.tls)
  end)

  it("are none if a TLS context cannot be made", function()
    local wrong = { ca_file = "/no/such/file" }
    local function refuses(origin, message, err)
      assert.is_nil(origin)
      assert.matches("/no/such/file", message, 1, true)
      assert.equal("tls", err.code)
      assert.equal(0, #made)
    end
    refuses(find(new(wrong), "https://a.test/"))
    local url = assert(plan.parse "http://a.test/")
    local via = assert(proxy.choose(proxy.read { url = "https://p", tls = wrong }, url))
    refuses(new():find(url, via))
  end)

  it("are none if the core has none", function()
    local failing = { origin = function() return nil, "no memory", { code = "memory" } end }
    local origin, message, err = find(Origins.new(failing), "http://a.test/")
    assert.same({ false, "no memory", "memory" }, { origin or false, message, err.code })
  end)

  it("say whether a proxy is asked itself, and what a tunnel needs", function()
    local origins = new { verify = false }
    assert.same({ host = "a.test", port = 80, proxy_host = "p", proxy_port = 3128,
      identity = "http://a.test:80 through http://p:3128 1:u:v" },
      through(origins, "http://a.test/", "http://u:v@p:3128"))
    assert.same({ host = "a.test", port = 80, proxy_host = "p", proxy_port = 3128,
      tunnel = "http", proxy_user = "u", proxy_password = "v",
      identity = "http://a.test:80 tunneled through http://p:3128 1:u:v" },
      through(origins, "http://a.test/", "http://u:v@p:3128", true))
    assert.same({ host = "a.test", port = 80, proxy_host = "p", proxy_port = 1080,
      tunnel = "socks5", identity = "http://a.test:80 tunneled through socks5://p:1080" },
      through(origins, "http://a.test/", "socks5://p"))
    local secure = through(origins, "https://a.test/", "http://u:v@p:3128")
    assert.equal("https://a.test:443 through http://p:3128 1:u:v", secure.identity)
    assert.same({ "http", "u", "v" },
      { secure.tunnel, secure.proxy_user, secure.proxy_password })
    local digest = through(origins, "https://a.test/", { url = "http://u:v@p:3128",
      digest = true })
    assert.equal("http", digest.tunnel)
    assert.is_nil(digest.proxy_user)
    assert.is_nil(digest.proxy_password)
    assert.not_equal(secure.identity, digest.identity)
  end)

  it("through a proxy that speaks TLS are apart for each of its settings", function()
    local origins = new()
    local url, option = "http://a.test/", { url = "https://u:v@p", tls = { verify = false } }
    local first = through(origins, url, option)
    assert.equal("userdata", type(first.proxy_tls))
    assert.equal("https://p:443 1:u:v", first.proxy_identity)
    assert.matches("^http://a%.test:80 through tls %d+ https://p:443 1:u:v$", first.identity)
    assert.equal(first, through(origins, url, option))
    local other = through(origins, url, { url = "https://u:v@p", tls = { resume = false } })
    assert.not_equal(first.proxy_tls, other.proxy_tls)
    assert.not_equal(first.identity, other.identity)
    assert.equal(2, #made)
    local plain = through(origins, url, "http://u:v@p")
    assert.is_nil(plain.proxy_tls)
    assert.is_nil(plain.proxy_identity)
  end)

  -- Origins through that many proxies of TLS, one after the other; returns which of their
  -- contexts are still held.
  local function hold(origins, count)
    local contexts = setmetatable({}, { __mode = "v" })
    for i = 1, count do
      local option = { url = "https://p", tls = { pins = { ("%032d"):format(i) } } }
      for _ = 1, 2 do
        contexts[i] = through(origins, "http://a.test/", option).proxy_tls
      end
    end
    made = {}
    collectgarbage()
    collectgarbage()
    local left = {}
    for i = 1, count do left[#left + 1] = contexts[i] and i end
    return left
  end

  it("hold the last sixteen contexts for proxies, each once", function()
    local origins = new()
    local left = hold(origins, 18)
    assert.equal(16, #left)
    assert.same({ 3, 18 }, { left[1], left[16] })
  end)

  it("hold nothing once they are closed", function()
    local held = setmetatable({}, { __mode = "v" })
    local origins = Origins.new({ origin = connections.origin }, { verify = false })
    held.connections = origins.connections
    held.context = find(origins, "https://a.test/").options.tls
    held.proxy_context = through(origins, "http://a.test/", "https://p").proxy_tls
    made = {}
    collectgarbage()
    collectgarbage()
    assert.is_truthy(held.connections and held.context and held.proxy_context)
    origins:close()
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(held))
  end)
end)
