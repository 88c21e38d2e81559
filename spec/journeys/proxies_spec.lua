-- Through real proxies, tinyproxy, also behind stunnel, and microsocks, to a real nginx.

local certificates = require "spec.support.certificates"
local nginx = require "spec.support.nginx"
local server = require "spec.support.server"
local sluice = require "sluice"
local stunnel = require "spec.support.stunnel"
local support = require "spec.support"

describe("a real proxy", function()
  local before, web, tiny, socks, front

  local function start_tinyproxy()
    local directory, port = server.directory(), support.system.free_port()
    local file = server.write(directory .. "/conf", ("Port %d\nListen 127.0.0.1\nTimeout 60\n"
      .. "BasicAuth me secret\nConnectPort %d\n"):format(port, web.tls_port))
    return server.start({ "tinyproxy", "-d", "-c", file }, port, directory)
  end

  local function start_microsocks()
    local port = support.system.free_port()
    return server.start({ "microsocks", "-i", "127.0.0.1", "-p", tostring(port), "-u", "me",
      "-P", "secret" }, port, server.directory())
  end

  setup(function()
    web = nginx.start {
      tls = { certificate = certificates.chain "good", key = certificates.key "good" },
    }
    tiny, socks = start_tinyproxy(), start_microsocks()
    front = stunnel.start { to = tiny.port, name = "good" }
  end)

  teardown(function()
    front:stop()
    socks:stop()
    tiny:stop()
    web:stop()
  end)

  before_each(function() before = support.snapshot(sluice) end)
  after_each(function() support.verify(sluice, before) end)

  local function root() return { ca_file = certificates.file "root.pem" } end

  local function client_of(scheme, userinfo, proxy)
    local url = ("%s://%slocalhost:%d"):format(scheme, userinfo, proxy.port)
    return assert(support.client {
      proxy = { url = url, tls = scheme == "https" and root() or nil },
      tls = root(),
    })
  end

  local function ask_twice(client, url, is_kept)
    for i = 1, 2 do
      local response <close> = assert(client:get(url .. "/request"))
      assert.equal(200, response.status)
      assert.equal(is_kept and i == 2, response.timings.reused)
    end
  end

  it("over HTTP forwards http requests and tunnels https", function()
    local client <close> = client_of("http", "me:secret@", tiny)
    ask_twice(client, web.url, false) -- it ends each connection of its own
    ask_twice(client, web.tls_url, true)
  end)

  it("over HTTPS forwards http requests and tunnels https, by TLS in TLS", function()
    local client <close> = client_of("https", "me:secret@", front)
    ask_twice(client, web.url, false)
    ask_twice(client, web.tls_url, true)
    local response <close> = assert(client:get(web.url .. "/request"))
    assert.is_nil(response.tls)
    assert.is_true(response.timings.proxy > 0)
    local secured <close> = assert(client:get(web.tls_url .. "/request", { timeout = 20 }))
    assert.is_true(secured.tls.verified)
  end)

  it("over HTTPS is verified by its own settings, which are the default ones", function()
    local function refusal(tls, host, url)
      local client <close> = assert(support.client {
        proxy = { url = ("https://me:secret@%s:%d"):format(host, front.port), tls = tls },
        tls = root(),
      })
      local response, message, err = client:get(url)
      assert.is_nil(response)
      assert.same({ "tls", "proxy" }, { err.code, err.stage })
      local start = ("proxy %s:%d: "):format(host, front.port)
      assert.equal(start, message:sub(1, #start))
      assert.not_matches("secret", message)
    end
    for _, url in ipairs { web.url, web.tls_url } do
      refusal(nil, "localhost", url)
      for name, value in pairs { pins = { ("x"):rep(32) }, verify = function() return false end } do
        local tls = root()
        tls[name] = value
        refusal(tls, "localhost", url)
      end
    end
    local client <close> = assert(support.client {
      proxy = { url = ("https://me:secret@localhost:%d"):format(front.port), tls = root() },
    })
    local _, message, err = client:get(web.tls_url)
    assert.same({ "tls", "tls" }, { err.code, err.stage })
    assert.matches("^tls localhost:" .. web.tls_port .. ": ", message)
  end)

  it("over SOCKS5 tunnels both", function()
    local client <close> = client_of("socks5", "me:secret@", socks)
    ask_twice(client, web.url, true)
    ask_twice(client, web.tls_url, true)
  end)

  it("carries long bodies both ways", function()
    local body = support.pattern(3000000)
    for _, way in ipairs { { "http", tiny }, { "https", front }, { "socks5", socks } } do
      local client <close> = client_of(way[1], "me:secret@", way[2])
      for _, url in ipairs { web.url, web.tls_url } do
        local put <close> = assert(client:put(url .. "/put/body", { body = body }))
        assert.is_true(put.ok)
        local got <close> = assert(client:get(url .. "/put/body"))
        assert.is_true(got:text() == body)
      end
    end
  end)

  it("refuses unknown users and forbidden destinations", function()
    local function refusal(scheme, userinfo, proxy, url)
      local client <close> = client_of(scheme, userinfo, proxy)
      local response, message, err = client:get(url)
      assert.is_nil(response)
      assert.same({ "proxy", "proxy" }, { err.code, err.stage })
      return (message:gsub("^proxy localhost:%d+: ", ""))
    end
    assert.matches("answered 407 to CONNECT localhost:%d+: it asks for credentials",
      refusal("http", "", tiny, web.tls_url))
    assert.matches("answered 401 to CONNECT localhost:%d+: it does not accept the credentials",
      refusal("http", "me:wrong@", tiny, web.tls_url))
    assert.matches("answered 403 to CONNECT localhost:1: it does not allow that",
      refusal("http", "me:secret@", tiny, "https://localhost:1/"))
    assert.matches("answered 407 to CONNECT localhost:%d+: it asks for credentials",
      refusal("https", "", front, web.tls_url))
    assert.equal("it asks for credentials", refusal("socks5", "", socks, web.url))
    assert.equal("it does not accept the credentials",
      refusal("socks5", "me:wrong@", socks, web.url))
    assert.equal("no connection to 127.0.0.1:1: connection refused (reply 5)",
      refusal("socks5", "me:secret@", socks, "http://127.0.0.1:1/"))
  end)
end)
