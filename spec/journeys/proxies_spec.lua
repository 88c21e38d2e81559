-- Through real proxies, tinyproxy and microsocks, to a real nginx.

local certificates = require "spec.support.certificates"
local nginx = require "spec.support.nginx"
local server = require "spec.support.server"
local sluice = require "sluice"
local support = require "spec.support"

describe("a real proxy", function()
  local before, web, tiny, socks

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
  end)

  teardown(function()
    socks:stop()
    tiny:stop()
    web:stop()
  end)

  before_each(function() before = support.snapshot(sluice) end)
  after_each(function() support.verify(sluice, before) end)

  local function client_of(scheme, userinfo, proxy)
    return assert(support.client {
      proxy = ("%s://%s127.0.0.1:%d"):format(scheme, userinfo, proxy.port),
      tls = { ca_file = certificates.file "root.pem" },
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

  it("over SOCKS5 tunnels both", function()
    local client <close> = client_of("socks5", "me:secret@", socks)
    ask_twice(client, web.url, true)
    ask_twice(client, web.tls_url, true)
  end)

  it("carries long bodies both ways", function()
    local body = support.pattern(3000000)
    for _, way in ipairs { { "http", tiny }, { "socks5", socks } } do
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
      return (message:gsub("^proxy 127%.0%.0%.1:%d+: ", ""))
    end
    assert.matches("answered 407 to CONNECT localhost:%d+: it asks for credentials",
      refusal("http", "", tiny, web.tls_url))
    assert.matches("answered 401 to CONNECT localhost:%d+: it does not accept the credentials",
      refusal("http", "me:wrong@", tiny, web.tls_url))
    assert.matches("answered 403 to CONNECT localhost:1: it does not allow that",
      refusal("http", "me:secret@", tiny, "https://localhost:1/"))
    assert.equal("it asks for credentials", refusal("socks5", "", socks, web.url))
    assert.equal("it does not accept the credentials",
      refusal("socks5", "me:wrong@", socks, web.url))
    assert.equal("no connection to 127.0.0.1:1: connection refused (reply 5)",
      refusal("socks5", "me:secret@", socks, "http://127.0.0.1:1/"))
  end)
end)
