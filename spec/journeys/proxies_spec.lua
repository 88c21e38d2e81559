-- Through real proxies to a real nginx: tinyproxy, also behind stunnel, squid, microsocks and
-- dante.

local certificates = require "spec.support.certificates"
local nginx = require "spec.support.nginx"
local proxies = require "spec.support.proxies"
local server = require "spec.support.server"
local stunnel = require "spec.support.stunnel"
local support = require "spec.support"

-- Digest credentials; a nonce is good for three requests.
local squid_conf = [[
http_port 127.0.0.1:%d
auth_param digest program /usr/lib/squid/digest_file_auth -c %s
auth_param digest children 1
auth_param digest realm the proxy
auth_param digest nonce_max_count 3
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all
access_log none
cache_log stderr
cache_store_log none
cache deny all
netdb_filename none
pid_filename none
coredump_dir %s
shutdown_lifetime 0 seconds
]]

local dante_conf = [[
logoutput: /dev/null
internal: 127.0.0.1 port = %d
external: 127.0.0.1
clientmethod: none
socksmethod: none
client pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }
socks block { from: 127.0.0.0/8 to: 0.0.0.0/0 port = 1 }
socks pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }
]]

describe("a real proxy", function()
  local web, tiny, socks, front, squid, dante

  -- It becomes another user when root starts it.
  local function start_squid()
    local directory, port = server.directory(), support.system.free_port()
    local _, hash = server.run { "sh", "-c", "printf 'me:the proxy:secret' | md5sum" }
    support.system.reap(assert(support.system.spawn { "chmod", "755", directory }))
    local passwords =
      server.write(directory .. "/passwords", "me:the proxy:", hash:sub(1, 32), "\n")
    local file = server.write(directory .. "/conf", squid_conf:format(port, passwords, directory))
    return server.start({ "/usr/sbin/squid", "-N", "-d", "0", "-f", file }, port, directory)
  end

  local function start_dante()
    local directory, port = server.directory(), support.system.free_port()
    local file = server.write(directory .. "/conf", dante_conf:format(port))
    return server.start({ "/usr/sbin/danted", "-f", file }, port, directory)
  end

  setup(function()
    web = nginx.start {
      tls = { certificate = certificates.chain "good", key = certificates.key "good" },
    }
    tiny, socks = proxies.tinyproxy(web.tls_port), proxies.microsocks()
    front = stunnel.start { to = tiny.port, name = "good" }
    squid, dante = start_squid(), start_dante()
  end)

  teardown(function()
    dante:stop()
    squid:stop()
    front:stop()
    socks:stop()
    tiny:stop()
    web:stop()
  end)

  support.verify_each()

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
    for _, way in ipairs { { "me:secret@", socks }, { "", dante } } do
      local client <close> = client_of("socks5", way[1], way[2])
      ask_twice(client, web.url, true)
      ask_twice(client, web.tls_url, true)
    end
  end)

  it("gets digest credentials, again when its nonce is used up", function()
    for _, is_alone in ipairs { false, true } do
      local client <close> = assert(support.client {
        proxy = { url = ("http://me:secret@localhost:%d"):format(squid.port), digest = is_alone },
        tls = root(), pool = false,
      })
      for _ = 1, 8 do
        for _, url in ipairs { web.url, web.tls_url } do
          local response <close> = assert(client:get(url .. "/request"))
          assert.equal(200, response.status)
          assert.not_matches("Digest", response:text())
        end
      end
    end
    local client <close> = client_of("http", "me:wrong@", squid)
    local response <close> = assert(client:get(web.url .. "/request"))
    assert.equal(407, response.status)
    local _, _, err = client:get(web.tls_url .. "/request")
    assert.same({ "proxy", 407 }, { err.code, err.response.status })
    assert.matches("Digest realm=\"the proxy\"", err.response.headers["Proxy-Authenticate"])
    assert.is_false(err.response.truncated)
    assert.matches("</html>", err.response.body, 1, true)
  end)

  it("carries long bodies both ways", function()
    local body = support.pattern(3000000)
    for _, way in ipairs { { "http", tiny }, { "https", front }, { "http", squid },
      { "socks5", socks }, { "socks5", dante } } do
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
    assert.equal("no connection to 127.0.0.1:1: its rules do not allow that (reply 2)",
      refusal("socks5", "", dante, "http://127.0.0.1:1/"))
    assert.equal("it asks for credentials", refusal("socks5", "", socks, web.url))
    assert.equal("it does not accept the credentials",
      refusal("socks5", "me:wrong@", socks, web.url))
    assert.equal("no connection to 127.0.0.1:1: connection refused (reply 5)",
      refusal("socks5", "me:secret@", socks, "http://127.0.0.1:1/"))
  end)
end)
