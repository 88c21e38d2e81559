-- Two requests share a connection through a proxy, or a TLS session with it, only if the proxy, its
-- credentials and all its settings are equal. One differs at a time. nginx plays the proxy: it
-- answers requests that carry the whole URL, and says over which connection they came.

local certificates = require "spec.support.certificates"
local nginx = require "spec.support.nginx"
local server = require "spec.support.server"
local sluice = require "sluice"
local support = require "spec.support"
local tls_settings = require "spec.support.tls_settings"

describe("through a proxy nothing is shared when one differs:", function()
  local web, other, directory, pin

  setup(function()
    local tls = certificates.pair "good"
    web = nginx.start { tls = tls }
    other = nginx.start { tls = tls }
    directory = server.directory()
  end)

  teardown(function()
    web:stop()
    other:stop()
    server.remove(directory)
  end)

  local function key_log() return directory .. "/keys" end

  after_each(function() support.collect_until_closed(sluice, key_log()) end)
  support.verify_each()

  local function with(more)
    local tls = { ca_file = certificates.file "root.pem" }
    for key, value in pairs(more or {}) do tls[key] = value end
    return tls
  end

  -- What nginx says of a request to a host that only a proxy can reach.
  local function ask(client, proxy, url)
    local response <close>, message = client:get(url or "http://www.test/request",
      { proxy = proxy })
    assert(response, message)
    assert.is_nil(response.tls)
    return response:json()
  end

  local function secure(userinfo, tls, to)
    return { url = ("https://%slocalhost:%d"):format(userinfo or "", (to or web).tls_port),
      tls = with(tls) }
  end

  local function plain(userinfo, host)
    return ("http://%s%s:%d"):format(userinfo or "", host or "localhost", web.port)
  end

  local settings = tls_settings(function(name) return directory .. "/" .. name end,
    function() return pin end)

  setup(function()
    local client <close> = support.client { tls = with() }
    local response <close> = assert(client:get(web.tls_url .. "/request"))
    pin = support.from_hex(response.tls.peer.spki_sha256)
  end)

  for name, setting in pairs(settings) do
    it("tls." .. name, function()
      local client <close> = support.client()
      local first = ask(client, secure())
      collectgarbage()
      assert.equal(first.connection, ask(client, secure()).connection)
      local differing = ask(client, secure(nil, setting()))
      assert.not_equal(first.connection, differing.connection)
      assert.equal(".", differing.resumed)
      collectgarbage()
      assert.equal(differing.connection, ask(client, secure(nil, setting())).connection)
      assert.equal(first.connection, ask(client, secure()).connection)
      assert.equal(2, client:stats().made)
    end)
  end

  it("settings beyond the first few are forgotten, and never mistaken for others", function()
    local client <close> = support.client()
    for i = 1, 20 do
      local tls = { crl_file = certificates.file "crl.pem", pins = { pin },
        alpn = { "http/1.1", "x" .. i } }
      for _ = 1, 2 do ask(client, secure(nil, tls)) end
      collectgarbage()
    end
    assert.equal(20, client:stats().made)
    assert.equal(16, #client.origins.held)
  end)

  it("the proxy, its scheme, host, port, user and password, and whether it takes Basic", function()
    local client <close> = support.client()
    local seen, count = {}, 0
    local proxies = {
      false, plain(), plain(nil, "127.0.0.1"), plain "u:p@", plain "u:q@", plain "v:p@",
      plain "u:@", plain "u:p:p@", "http://localhost:" .. other.port, secure(), secure "u:p@",
      secure "u:q@", secure(nil, nil, other), { url = plain "u:p@", digest = true },
    }
    for _, proxy in ipairs(proxies) do
      local url = not proxy and web.url .. "/request" or nil
      local connection = ask(client, proxy, url).connection
      local where = proxy and (type(proxy) == "table" and proxy.url or proxy):match ":(%d+)$"
      local key = tostring(where) .. " " .. connection
      assert.is_nil(seen[key], key)
      seen[key] = true
      count = count + 1
      assert.equal(connection, ask(client, proxy, url).connection)
      assert.equal(count, client:stats().made)
    end
    assert.equal(#proxies, count)
  end)

  it("the host behind the proxy", function()
    local client <close> = support.client()
    local made = 0
    for _, url in ipairs { "http://a.test/request", "http://b.test/request",
      "http://a.test:81/request" } do
      for _ = 1, 2 do ask(client, plain(), url) end
      made = made + 1
      assert.equal(made, client:stats().made)
    end
  end)

  it("sessions are resumed with the same proxy and credentials only", function()
    local client <close> = support.client { pool = false }
    local function resumed(proxy)
      return ask(client, proxy).resumed == "r"
    end
    assert.is_false(resumed(secure()))
    assert.is_true(resumed(secure()))
    assert.is_false(resumed(secure "u:p@"))
    assert.is_true(resumed(secure "u:p@"))
    assert.is_false(resumed(secure "u:q@"))
    assert.is_false(resumed(secure(nil, { max_version = "1.3" })))
    assert.is_false(resumed(secure(nil, nil, other)))
    assert.is_false(resumed(secure(nil, { resume = false })))
    assert.is_false(resumed(secure(nil, { resume = false })))
    -- A session with the proxy is none with the host of that name and port, nor the reverse.
    local own <close> = support.client { tls = with(), pool = false }
    for _, is_resumed in ipairs { false, true } do
      local response <close> = assert(own:get(web.tls_url .. "/request"))
      assert.equal(is_resumed, response.tls.resumed)
    end
  end)

  it("TLS with a proxy names the proxy, and offers the protocol of requests", function()
    local web_of_names <close> = nginx.start {
      tls = { certificate = certificates.chain "good", key = certificates.key "good" },
    }
    local client <close> = support.client()
    local seen = ask(client, secure(nil, nil, web_of_names))
    assert.same({ "localhost", "http/1.1" }, { seen.server_name, seen.alpn })
  end)
end)
