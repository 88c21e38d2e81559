-- Digest credentials for proxies: when they are sent, to whom, and when a request is sent again.

local certificates = require "spec.support.certificates"
local digest = require "sluice.auth.digest"
local nginx = require "spec.support.nginx"
local sluice = require "sluice"
local support = require "spec.support"

local peer = support.peer

describe("digest credentials for a proxy", function()
  local web

  setup(function()
    web = nginx.start { tls = certificates.pair "good" }
  end)

  teardown(function() web:stop() end)
  support.verify_each()

  local function challenge(nonce, more)
    local format = 'Proxy-Authenticate: Digest realm="a proxy", qop="auth", algorithm=SHA-256, '
      .. 'nonce="%s"%s'
    return format:format(nonce, more or "")
  end

  local function refusal(...)
    return ("HTTP/1.1 407 No\r\n%s\r\nContent-Length: 2\r\n\r\nno")
      :format(table.concat({ ... }, "\r\n"))
  end

  local ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
  local head = { "expect_until", "\r\n\r\n" }
  local tunnel = { "send", "HTTP/1.1 200 Connection established\r\n\r\n" }

  -- A proxy that answers each connection with one of these lists of steps, then with the last.
  local function listen(...)
    return peer.listen { script = { ... }, repeat_last = true }
  end

  local function client_of(p, options)
    options = options or {}
    options.proxy = { url = ("http://me:pass%%20word@127.0.0.1:%d"):format(p.port),
      digest = options.digest }
    options.digest = nil
    options.tls = { ca_file = certificates.file "root.pem" }
    return assert(support.client(options))
  end

  -- The parameters of the digest in a head, or nil.
  local function read_digest(bytes)
    local value = bytes:match "\r\nProxy%-Authorization: Digest ([^\r]*)\r\n"
    if not value then return nil end
    local found = {}
    for name, text in value:gmatch '([%a-]+)="?([^",]*)"?' do found[name] = text end
    return found
  end

  -- Checks a digest against one made for the same request.
  local function check(bytes, method, uri, nonce, count)
    local found = read_digest(bytes)
    assert(found, bytes)
    local expected = assert(digest.answer(
      assert(digest.choose { challenge(nonce):match ": (.*)" }), { "me", "pass word" }, method, uri,
      { nonce = nonce, count = count - 1 }, found.cnonce))
    assert.equal(expected, bytes:match "\r\nProxy%-Authorization: ([^\r]*)\r\n")
  end

  local function get(client, url, options)
    local response <close>, message, err = client:get(url, options)
    if not response then return nil, message, err end
    return response.status, response:text()
  end

  describe("over CONNECT", function()
    local function url() return web.tls_url .. "/empty" end

    local function authority() return "localhost:" .. web.tls_port end

    it("answer the refusal, on a new connection", function()
      local p <close> = listen({ head, { "send", refusal(challenge "one") } },
        { head, tunnel, { "relay", web.tls_port } })
      local client <close> = client_of(p)
      for _ = 1, 2 do
        local response <close> = assert(client:get(url()))
        assert.same({ 204, 1 }, { response.status, response.attempts })
      end
      assert.equal(2, (p:connections()))
      assert.matches("\r\nProxy-Authorization: Basic bWU6cGFzcyB3b3Jk\r\n", p:received(1), 1, true)
      check(p:received(2):match "^.-\r\n\r\n", "CONNECT", authority(), "one", 1)
    end)

    it("are sent at once where the proxy has asked before, and never twice", function()
      local p <close> = listen({ head, { "send", refusal(challenge "one") } },
        { head, tunnel, { "relay", web.tls_port } })
      local client <close> = client_of(p, { pool = false })
      for _ = 1, 3 do assert.equal(204, get(client, url())) end
      assert.equal(4, (p:connections()))
      for i = 2, 4 do
        check(p:received(i):match "^.-\r\n\r\n", "CONNECT", authority(), "one", i - 1)
      end
    end)

    it("alone, by `digest`: no password is sent in Basic", function()
      local p <close> = listen(
        { head, { "send", refusal('Proxy-Authenticate: Basic realm="x"', challenge "one") } },
        { head, tunnel, { "relay", web.tls_port } })
      local client <close> = client_of(p, { digest = true })
      assert.equal(204, get(client, url()))
      assert.not_matches("Proxy-Authorization", p:received(1))
      check(p:received(2):match "^.-\r\n\r\n", "CONNECT", authority(), "one", 1)
    end)

    it("by `digest` end with a proxy that takes Basic alone", function()
      local p <close> = listen { head, { "send", refusal 'Proxy-Authenticate: Basic realm="x"' } }
      local client <close> = client_of(p, { digest = true })
      local status, message, err = get(client, url())
      assert.is_nil(status)
      assert.same({ "proxy", 407 }, { err.code, err.response.status })
      assert.matches("it asks for credentials", message)
      assert.equal(1, (p:connections()))
    end)

    it("are not sent again when they are refused", function()
      local p <close> = listen({ head, { "send", refusal(challenge "one") } },
        { head, { "send", refusal(challenge "two") } })
      local client <close> = client_of(p)
      local status, message, err = get(client, url())
      assert.is_nil(status)
      assert.same({ "proxy", "proxy", 407 }, { err.code, err.stage, err.response.status })
      assert.equal(("proxy 127.0.0.1:%d: answered 407 to CONNECT %s: it does not accept the "
        .. "credentials"):format(p.port, authority()), message)
      assert.equal(2, (p:connections()))
    end)

    it("are not sent again when they are refused after they were taken", function()
      local p <close> = listen({ head, { "send", refusal(challenge "one") } },
        { head, tunnel, { "relay", web.tls_port } }, { head, { "send", refusal(challenge "one") } })
      local client <close> = client_of(p, { pool = false })
      assert.equal(204, get(client, url()))
      local status, _, err = get(client, url())
      assert.is_nil(status)
      assert.same({ "proxy", 407 }, { err.code, err.response.status })
      assert.equal(3, (p:connections()))
    end)

    it("with a nonce that is too old are sent with the new one", function()
      local p <close> = listen({ head, { "send", refusal(challenge "one") } },
        { head, tunnel, { "relay", web.tls_port } },
        { head, { "send", refusal(challenge("one", ", stale=true")) } },
        { head, tunnel, { "relay", web.tls_port } },
        { head, { "send", refusal(challenge("two", ", stale=true")) } },
        { head, tunnel, { "relay", web.tls_port } })
      local client <close> = client_of(p, { pool = false })
      for _ = 1, 3 do assert.equal(204, get(client, url())) end
      check(p:received(4):match "^.-\r\n\r\n", "CONNECT", authority(), "one", 3)
      check(p:received(6):match "^.-\r\n\r\n", "CONNECT", authority(), "two", 1)
    end)

    it("never reach the host, nor does its 407 ask for them", function()
      local server <close> = nginx.start {
        tls = certificates.pair "good",
        extra = [[location = /407 {
          add_header Proxy-Authenticate 'Digest realm="x", qop="auth", nonce="host"' always;
          return 407 '$http_proxy_authorization';
        }]],
      }
      local p <close> = listen({ head, { "send", refusal(challenge "one") } },
        { head, tunnel, { "relay", server.tls_port } })
      local client <close> = client_of(p)
      assert.same({ 407, "" }, { get(client, server.tls_url .. "/407") })
      assert.equal(2, (p:connections()))
    end)

    it("leave a body for the request behind the tunnel", function()
      local p <close> = listen({ head, { "send", refusal(challenge "one") } },
        { head, tunnel, { "relay", web.tls_port } })
      local client <close> = client_of(p)
      local writer <close> = sluice.writer {}
      assert(writer:write(("leased "):rep(100)))
      local lease = writer:detach()
      local response <close> = assert(client:put(web.tls_url .. "/put/leased", { body = lease }))
      assert.is_true(response.ok)
      assert.has_error(function() return lease:tostring() end)
      local pieces, given = { "one ", "two" }, 0
      local pulled <close> = assert(client:put(web.tls_url .. "/put/pulled", {
        proxy = ("http://you:x@127.0.0.1:%d"):format(p.port),
        body = function()
          given = given + 1
          return pieces[given]
        end,
      }))
      assert.is_true(pulled.ok)
      local got <close> = assert(client:get(web.tls_url .. "/put/pulled"))
      assert.equal("one two", got:text())
    end)

    it("release a leased body once, however it ends", function()
      local p <close> = listen { head, { "send", refusal(challenge "one") } }
      local client <close> = client_of(p)
      for _ = 1, 3 do
        local writer <close> = sluice.writer {}
        assert(writer:write "leased")
        local lease = writer:detach()
        local _, _, err = client:put(web.tls_url .. "/put/never", { body = lease })
        assert.equal("proxy", err.code)
        assert.has_error(function() return lease:tostring() end)
      end
    end)
  end)

  describe("of a proxy that is asked itself", function()
    it("answer its 407, on the same connection where that is kept", function()
      local p <close> = listen { head, { "send", refusal(challenge "one") }, head, { "send", ok },
        { "loop" } }
      local client <close> = client_of(p)
      local response <close> = assert(client:get "http://www.test/a?b")
      assert.same({ 200, "ok", 2 }, { response.status, response:text(), response.attempts })
      local second = p:received(1):match "\r\n\r\n(.*)"
      check(second, "GET", "http://www.test/a?b", "one", 1)
      assert.equal(1, (p:connections()))
      assert.not_matches("Basic", second)
    end)

    it("are sent at once from then on, with any method", function()
      local p <close> = listen { head, { "send", refusal(challenge "one") }, head, { "send", ok },
        head, { "send", ok }, { "expect_until", "\r\n\r\nbody" }, { "send", ok } }
      local client <close> = client_of(p)
      for _ = 1, 2 do assert.equal(200, get(client, "http://www.test/a")) end
      local response <close> = assert(client:post("http://www.test/b", { body = "body" }))
      assert.equal(200, response.status)
      local heads = {}
      for bytes in p:received(1):gmatch "(%u+ .-\r\n\r\n)" do heads[#heads + 1] = bytes end
      check(heads[2], "GET", "http://www.test/a", "one", 1)
      check(heads[3], "GET", "http://www.test/a", "one", 2)
      check(heads[4], "POST", "http://www.test/b", "one", 3)
    end)

    it("use a new connection behind a 407 that closes, and one that came early", function()
      local closing = refusal(challenge "one", "Connection: close")
      local p <close> = listen({ head, { "send", closing } }, { head, { "send", ok }, { "loop" } })
      local client <close> = client_of(p)
      assert.equal(200, get(client, "http://www.test/a"))
      assert.equal(2, (p:connections()))
      -- An answer in the middle of a body leaves a connection that no request may follow on.
      local early <close> = peer.listen {
        script = { { head, { "send", refusal(challenge "one") }, { "stall" } },
          { { "expect_until", "end of it" }, { "send", ok }, { "read_all" } } },
        receive_buffer = 65536, records = false,
      }
      local body = ("x"):rep(12000000) .. "end of it"
      local response <close> = assert(client:post("http://www.test/b", {
        body = body, proxy = "http://me:pw@127.0.0.1:" .. early.port,
      }))
      assert.equal(200, response.status)
      assert.equal(2, (early:connections()))
    end)

    -- Such a proxy may leave the body that it has refused, and never read on.
    it("use a new connection behind the 407 of a request with a body", function()
      local p <close> = listen(
        { head, { "read", 4 }, { "send", refusal(challenge "one") }, { "stall" } },
        { head, { "read", 4 }, { "send", ok }, head, { "send", ok } })
      local client <close> = client_of(p)
      local response <close> = assert(client:post("http://www.test/a", { body = "body" }))
      assert.equal(200, response.status)
      assert.equal(200, get(client, "http://www.test/a"))
      assert.equal(2, (p:connections()))
    end)

    it("are not sent with a body that was given once", function()
      local p <close> = listen { head, { "send", refusal(challenge "one") }, { "read_all" } }
      local client <close> = client_of(p)
      local given = false
      local response <close> = assert(client:post("http://www.test/a", {
        body = function()
          if given then return nil end
          given = true
          return "piece"
        end,
      }))
      assert.same({ 407, "no" }, { response.status, response:text() })
      assert.equal(1, (p:connections()))
    end)

    it("are not sent again when they are refused: the 407 is the response", function()
      local p <close> = listen { head, { "send", refusal(challenge "one") }, head,
        { "send", refusal(challenge "two") }, { "loop" } }
      local client <close> = client_of(p)
      assert.same({ 407, "no" }, { get(client, "http://www.test/a") })
      assert.equal(2, select(2, p:received(1):gsub("GET ", "")))
    end)

    it("are not sent again when they are refused after they were taken", function()
      local one = { "send", refusal(challenge "one") }
      local p <close> = listen { head, one, head, { "send", ok }, head, one, { "loop" } }
      local client <close> = client_of(p)
      assert.equal(200, get(client, "http://www.test/a"))
      assert.same({ 407, "no" }, { get(client, "http://www.test/a") })
      assert.equal(3, select(2, p:received(1):gsub("GET ", "")))
    end)

    it("are seen by interceptors of single sendings as another one", function()
      local p <close> = listen { head, { "send", refusal(challenge "one") }, head, { "send", ok } }
      local client <close> = client_of(p)
      local seen = {}
      client:use { hop = function(request, forward)
        local response, message, err = forward(request)
        seen[#seen + 1] = response and response.status or err.code
        return response, message, err
      end }
      assert.equal(200, get(client, "http://www.test/a"))
      assert.same({ 407, 200 }, seen)
    end)

    it("give way to the caller's own field", function()
      local p <close> = listen { head, { "send", refusal(challenge "one") } }
      local client <close> = client_of(p, { headers = { ["Proxy-Authorization"] = "Own x" } })
      assert.equal(407, get(client, "http://www.test/a"))
      assert.matches("\r\nProxy-Authorization: Own x\r\n", p:received(1), 1, true)
    end)

    it("are never those of TRACE, whose answer would show them", function()
      local p <close> = listen { head, { "send", ok } }
      local client <close> = client_of(p, { digest = true })
      local _, message = client:request("TRACE", "http://www.test/")
      assert.equal("TRACE request: would have Proxy-Authorization sent back", message)
    end)

    it("are not asked of a proxy without user info, nor of another kind of challenge", function()
      local p <close> = listen { head, { "send", refusal(challenge "one") } }
      local client <close> = assert(support.client { proxy = "http://127.0.0.1:" .. p.port })
      assert.equal(407, get(client, "http://www.test/a"))
      local other <close> = listen { head, { "send", refusal "Proxy-Authenticate: Negotiate" } }
      local asking <close> = client_of(other)
      assert.equal(407, get(asking, "http://www.test/a"))
      assert.same({ 1, 1 }, { (p:connections()), (other:connections()) })
    end)
  end)

  it("belong to one proxy, its user and its password", function()
    local first <close> = listen { head, { "send", refusal(challenge "one") }, head,
      { "send", ok } }
    local second <close> = listen { head, { "send", ok } }
    local client <close> = client_of(first)
    assert.equal(200, get(client, "http://www.test/a"))
    local via = "http://%s@127.0.0.1:" .. second.port
    for i, user in ipairs { "me:pass%20word", "you:pass%20word", "me:other" } do
      assert.equal(200, get(client, "http://www.test/a", { proxy = via:format(user) }))
      assert.is_nil(read_digest(second:received(i)))
      assert.matches("\r\nProxy%-Authorization: Basic ", second:received(i))
    end
  end)

  it("start over when too many proxies are known", function()
    local p <close> = listen { head, { "send", refusal(challenge "one") }, head, { "send", ok } }
    local client <close> = client_of(p)
    for i = 1, 150 do
      assert.equal(200, get(client, "http://www.test/a",
        { proxy = ("http://user%d:x@127.0.0.1:%d"):format(i, p.port) }))
    end
    local known = 0
    for _ in pairs(client.logins.by_key) do known = known + 1 end
    assert.same({ 50, 50 }, { client.logins.count, known })
  end)

  it("is an option that needs an http proxy with user info", function()
    for value, message in pairs {
      [{ url = "http://h", digest = true }] =
        "'proxy.digest': user info in the URL beside it expected, got boolean",
      [{ url = "socks5://u:p@h", digest = true }] =
        "'proxy.digest': URL of http:// or https:// beside it expected, got boolean",
      [{ url = "http://u:p@h", digest = "yes" }] = "'proxy.digest': boolean expected, got string",
    } do
      assert.error_matches(function() sluice.client { proxy = value } end,
        "client: option " .. message, 1, true)
    end
    sluice.client({ proxy = { url = "https://u:p@h", digest = true } }):close()
    sluice.client({ proxy = { url = "socks5://h", digest = false } }):close()
  end)
end)
