-- Through a proxy: which one for which URL, the request to it, and whose credentials go where.

local certificates = require "spec.support.certificates"
local nginx = require "spec.support.nginx"
local no_proxy = require "sluice.no_proxy"
local plan = require "sluice.plan"
local proxy = require "sluice.proxy"
local sluice = require "sluice"
local support = require "spec.support"

local peer = support.peer

local ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

-- Calls f while the environment has these variables and no others.
local function with_environment(variables, f)
  local getenv = os.getenv
  rawset(os, "getenv", function(name) return variables[name] end)
  local results = table.pack(pcall(f))
  rawset(os, "getenv", getenv)
  return select(2, assert(table.unpack(results, 1, results.n)))
end

local function choose(option, url)
  local chosen = proxy.choose(assert(proxy.read(option)), assert(plan.parse(url)))
  return chosen and chosen.text
end

describe("the option proxy", function()
  local function wrong_with(value)
    local what, key = proxy.check(value)
    return what or key
  end

  it("accepts URLs, tables of URLs, functions, env and false", function()
    for _, value in ipairs {
      "https://h", "https://u:p@h:8443", print, { url = "https://h", tls = {} },
      { url = "https://h", tls = { ca_file = "x", min_version = "1.3" } },
      "http://h", "HTTP://h:3128/", "http://u:p@[::1]:8080", "socks5://h", "socks5h://u@h:1",
      "env", false, { url = "http://h" }, { url = "http://h", no_proxy = {} },
      { url = "socks5://h", no_proxy = { "a.test", ".b.test", "*.c.test:8080", "10.0.0.0/8",
        "[::1]:80", "fe80::/10", "*" } },
    } do
      assert.is_nil(wrong_with(value), tostring(value))
    end
  end)

  it("refuses everything else without showing the value", function()
    for _, value in ipairs {
      "", "h:3128", "wss://h", "ftp://h", "http://", "http://h:0", "http://h:70000",
      "http://h/path", "http://h?q", "http://h#f", "http://secret%zz@h", "http://secret%00@h",
      "http://se%3Acret:x@h", "socks5://:secret@h", "socks5://u:" .. ("secret"):rep(50) .. "@h",
      5, true, {}, { url = 5 }, { url = "h" }, { url = "http://h", no_proxy = "x" },
      { url = "http://h", no_proxy = { "10.0.0.0/33" } }, { url = "http://h", no_proxy = { 5 } },
      { url = "http://h", no = {} }, { url = "http://h", tls = {} }, { url = "https://h", tls = 5 },
      { url = "https://h", tls = { ca = 5 } }, { url = "https://h", tls = { other = 5 } },
    } do
      local what = wrong_with(value)
      assert.is_string(what)
      assert.not_matches("secret", what)
    end
  end)

  it("is named when its value is refused", function()
    assert.error_matches(function() sluice.client { proxy = "ftp://h" } end,
      "client: option 'proxy': URL of http://, https:// or socks5://", 1, true)
    for value, message in pairs {
      [{ url = "x" }] = "'proxy.url': URL of a proxy (it has no scheme) expected",
      [{ url = "https://h", tls = { min_version = "1.1" } }] =
        "'proxy.tls.min_version': '1.2' or '1.3' expected, got string",
      [{ url = "https://h", tls = { key_file = "x" } }] =
        "'proxy.tls.key_file': cert_file beside it expected, got string",
      [{ url = "http://h", tls = {} }] =
        "'proxy.tls': URL of https:// beside it expected, got table",
    } do
      assert.error_matches(function() sluice.client { proxy = value } end,
        "client: option " .. message, 1, true)
    end
    local unknown = { url = "https://h", tls = { x = 1 } }
    assert.error_matches(function() sluice.client { proxy = unknown } end,
      "client: unknown option 'proxy.tls.x'", 1, true)
  end)

  it("applies to http and https, but not to unix sockets", function()
    assert.equal("http://p:3128", choose("http://u:p@p:3128", "http://a.test/"))
    assert.equal("http://p:80", choose("http://p", "https://a.test/"))
    assert.equal("socks5://[::1]:1080", choose("socks5h://[::1]", "http://a.test/"))
    assert.equal("socks5://p:1080", choose("socks5://p", "http://a.test/"))
    assert.equal("https://p:443", choose("HTTPS://p", "http://a.test/"))
    assert.is_nil(choose("http://p", "http+unix://%2Fx/"))
    assert.is_nil(choose(false, "http://a.test/"))
    assert.is_nil(choose(nil, "http://a.test/"))
  end)

  it("decodes user info, and separates proxies that differ in it", function()
    local function read(url) return proxy.read(url).http end
    local made = read "socks5://u%40x:p%3A%20@h"
    assert.equal("u@x", made.user)
    assert.equal("p: ", made.password)
    assert.equal("", read("http://u@h").password)
    local keys, count = {}, 0
    for _, url in ipairs { "https://h:80", "http://h", "http://h:81", "http://g", "socks5://h:80",
      "http://u@h", "http://u:p@h", "http://u:q@h", "http://v:p@h", "socks5://a:b:c@h",
      "socks5://a%3Ab:c@h" } do
      assert.is_nil(keys[read(url).key], url)
      keys[read(url).key] = true
      count = count + 1
    end
    assert.equal(11, count)
  end)

  it("shows in the client if the proxy is not verified", function()
    for option, expected in pairs {
      [{ url = "https://h", tls = { verify = false } }] = true,
      [{ url = "https://h", tls = { verify = true } }] = false, [{ url = "https://h" }] = false,
      ["https://h"] = false, ["env"] = false,
    } do
      local client <close> = sluice.client { proxy = option }
      assert.equal(expected,
        tostring(client):find("certificate of the proxy not verified", 1, true) ~= nil)
    end
  end)

  it("of a provider that is not in the build fails the client", function()
    local client, message, err = sluice.client {
      proxy = { url = "https://h", tls = { provider = "none" } },
    }
    assert.is_nil(client)
    assert.equal("proxy: tls: provider 'none' is not in this build", message)
    assert.equal("unsupported", err.code)
  end)
end)

describe("a function as the option proxy", function()
  local function client_with(f)
    return assert(support.client { proxy = f, timeout = { connect = 5 } })
  end

  it("gets each URL without user info, and its answer is taken as the option is", function()
    local asked = {}
    local answers = {
      ["http://a.test/x?y"] = "http://u:p@p:3128",
      ["https://b.test:444/"] = { url = "https://p", no_proxy = { "c.test" } },
      ["https://c.test/"] = { url = "https://p", no_proxy = { "c.test" } },
      ["http://d.test/"] = false,
    }
    local function f(url)
      asked[#asked + 1] = url
      return answers[url]
    end
    assert.equal("http://p:3128", choose(f, "http://user:secret@a.test/x?y#z"))
    assert.equal("https://p:443", choose(f, "https://b.test:444"))
    assert.is_nil(choose(f, "https://c.test"))
    assert.is_nil(choose(f, "http://d.test"))
    assert.is_nil(choose(f, "http://e.test"))
    assert.is_nil(choose(f, "http+unix://%2Fx/"))
    assert.same({ "http://a.test/x?y", "https://b.test:444/", "https://c.test/", "http://d.test/",
      "http://e.test/" }, asked)
  end)

  it("is asked for each sending, redirects among them", function()
    local origin <close> = peer.listen {
      script = { {
        { "expect_until", "\r\n\r\n" },
        { "send", "HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n" },
        { "loop" },
      } },
    }
    local p <close> = peer.listen {
      script = { { { "expect_until", "\r\n\r\n" }, { "send", ok }, { "loop" } } },
    }
    local asked = {}
    local client <close> = client_with(function(url)
      asked[#asked + 1] = url
      return #asked % 2 == 0 and p.url or nil
    end)
    for _ = 1, 2 do
      local response <close> = assert(client:get(origin.url .. "/here"))
      assert.equal(200, response.status)
    end
    assert.same({ origin.url .. "/here", origin.url .. "/there", origin.url .. "/here",
      origin.url .. "/there" }, asked)
    assert.matches("^GET " .. origin.url .. "/there HTTP", p:received(1))
  end)

  it("may wait", function()
    local p <close> = peer.listen {
      script = { { { "expect_until", "\r\n\r\n" }, { "send", ok }, { "loop" } } },
    }
    local client <close> = client_with(function()
      sluice.sleep(0.001)
      return p.url
    end)
    local response <close> = assert(client:get "http://www.test/")
    assert.equal(200, response.status)
  end)

  it("raises what it raises, and for an answer that is no proxy", function()
    local message = setmetatable({}, { __tostring = function() return "mine" end })
    local client <close> = client_with(function() error(message) end)
    local raised, err = pcall(client.get, client, "http://a.test/")
    assert.is_false(raised)
    assert.equal(message, err)
    for answer, expected in pairs {
      ["ftp://user:secret@p"] = "proxy, a function: its answer: URL of http://, https:// or "
        .. "socks5://, false, nil or { url =, no_proxy = {...}, tls = {...}, digest = } "
        .. "(its scheme is not http, https or socks5) expected",
      [5] = "proxy, a function: its answer: URL of http://, https:// or socks5://, false, nil or "
        .. "{ url =, no_proxy = {...}, tls = {...}, digest = } expected",
      [{ url = "http://p", no = 1 }] = "proxy, a function: 'no': unknown",
      [{ url = "p" }] = "proxy, a function: 'url': URL of a proxy (it has no scheme) expected",
    } do
      local own, text = pcall(client.get, client, "http://a.test/", {
        proxy = function() return answer end,
      })
      assert.is_false(own)
      assert.equal(expected, text)
    end
  end)

  it("may close the client, or wait while it is closed", function()
    for _, waits in ipairs { false, true } do
      for _, answer in ipairs { false, "http://p", "https://p" } do
        local client
        client = support.client { proxy = function()
          if waits then
            sluice.spawn(client.close, client):await()
          else
            client:close()
          end
          return answer
        end }
        local response, message, err = client:get "http://a.test/"
        assert.is_nil(response)
        assert.equal("GET http://a.test/: client is closed", message)
        assert.equal("closed", err.code)
      end
    end
  end)
end)

describe("the environment", function()
  it("names a proxy for each scheme, or one for all", function()
    local function chosen(variables, url)
      return with_environment(variables, function() return choose("env", url) end)
    end
    local both = { http_proxy = "http://a", https_proxy = "socks5://b:9" }
    assert.equal("https://a:443", chosen({ http_proxy = "https://a" }, "http://x.test/"))
    assert.equal("http://a:80", chosen(both, "http://x.test/"))
    assert.equal("socks5://b:9", chosen(both, "https://x.test/"))
    assert.is_nil(chosen({ http_proxy = "http://a" }, "https://x.test/"))
    local all = { all_proxy = "c:3128", http_proxy = "" }
    assert.equal("http://c:3128", chosen(all, "http://x.test/"))
    assert.equal("http://c:3128", chosen(all, "https://x.test/"))
    assert.is_nil(chosen({ HTTP_PROXY = "http://a" }, "http://x.test/"))
    assert.is_nil(chosen({}, "http://x.test/"))
    all.no_proxy = "localhost, x.test 10.0.0.0/8"
    assert.is_nil(chosen(all, "http://y.x.test/"))
    assert.is_nil(chosen(all, "https://10.1.2.3/"))
    assert.equal("http://c:3128", chosen(all, "http://z.test/"))
  end)

  it("with an invalid value fails the client, and only the variable is named", function()
    for variable, value in pairs {
      http_proxy = "ftp://secret@h", https_proxy = "http://u:secret@h:0",
      all_proxy = "secret@/x", no_proxy = "10.0.0.0/64",
    } do
      local client, message, err = with_environment({ [variable] = value }, function()
        return sluice.client { proxy = "env" }
      end)
      assert.is_nil(client)
      assert.matches("^environment: " .. variable .. ": ", message)
      assert.not_matches("secret", message)
      assert.equal("invalid", err.code)
    end
  end)
end)

describe("no_proxy", function()
  local function covers(entry, host, port)
    return no_proxy.covers(assert(no_proxy.read { entry }), host, port or 80)
  end

  it("covers a name and all its subdomains", function()
    for _, entry in ipairs { "a.test", ".a.test", "*.a.test", "A.TEST", "a.test." } do
      assert.is_true(covers(entry, "a.test"), entry)
      assert.is_true(covers(entry, "x.y.a.test"), entry)
      assert.is_true(covers(entry, "a.test."), entry)
      for _, host in ipairs { "ba.test", "test", "a.test.evil", "b.test", "1.2.3.4" } do
        assert.is_false(covers(entry, host), entry .. " " .. host)
      end
    end
    assert.is_true(covers("*", "whatever.test"))
    assert.is_true(covers("*", "::1"))
  end)

  it("may name a port", function()
    assert.is_true(covers("a.test:8080", "b.a.test", 8080))
    assert.is_false(covers("a.test:8080", "a.test", 80))
    assert.is_true(covers("10.0.0.1:81", "10.0.0.1", 81))
    assert.is_false(covers("10.0.0.1:81", "10.0.0.1", 80))
    assert.is_true(covers("[::1]:81", "::1", 81))
    assert.is_false(covers("[::1]:81", "::1", 80))
  end)

  it("covers addresses and networks, for literal addresses only", function()
    for entry, cases in pairs {
      ["10.0.0.0/8"] = { "10.0.0.0", "10.255.1.2", "::ffff:10.0.0.1", no = "11.0.0.0" },
      ["192.168.4.0/22"] = { "192.168.4.0", "192.168.7.255", no = "192.168.8.0" },
      ["10.1.2.3"] = { "10.1.2.3", no = "10.1.2.4" },
      ["10.1.2.3/31"] = { "10.1.2.2", "10.1.2.3", no = "10.1.2.4" },
      ["0.0.0.0/0"] = { "1.2.3.4", no = "::1" },
      ["::1"] = { "::1", "0:0:0:0:0:0:0:1", no = "::2" },
      ["[2001:db8::]/32"] = {},
      ["2001:db8::/32"] = { "2001:db8:1::5", no = "2001:db9::" },
      ["fe80::/10"] = { "fe80::1", "febf::", no = "fec0::" },
    } do
      for _, host in ipairs(cases) do assert.is_true(covers(entry, host), entry .. " " .. host) end
      if cases.no then assert.is_false(covers(entry, cases.no), entry) end
    end
    assert.is_false(covers("10.0.0.0/8", "10.evil.test"))
    assert.is_false(covers("3.4", "1.2.3.4"))
  end)

  it("refuses an entry that is neither a name nor a network", function()
    for _, entry in ipairs { "10.0.0.0/33", "::/129", "a/b", "a b", "http://a", "" } do
      assert.is_nil((no_proxy.read { entry }), entry)
    end
  end)
end)

describe("through a proxy", function()
  local web

  setup(function()
    web = nginx.start { tls = certificates.pair "good" }
  end)

  teardown(function() web:stop() end)
  support.verify_each()

  local tls = { ca_file = certificates.file "root.pem" }

  local function listen(...)
    return peer.listen { script = { { ... } }, repeat_last = true }
  end

  local function client_of(p, scheme, userinfo, options)
    options = options or {}
    options.proxy = ("%s://%s127.0.0.1:%d"):format(scheme, userinfo or "", p.port)
    options.tls = tls
    return assert(support.client(options))
  end

  local function get(client, url, options)
    local response <close>, message, err = client:get(url, options)
    if not response then return nil, message, err end
    return response.status, response:text()
  end

  local answering = { { "expect_until", "\r\n\r\n" }, { "send", ok }, { "loop" } }

  it("http requests carry the whole URL, and connections are kept", function()
    local p <close> = listen(table.unpack(answering))
    local client <close> = client_of(p, "http", "me:p%40ss@")
    for _ = 1, 3 do assert.equal(200, get(client, "http://u:v@www.test/a?b#c")) end
    local seen = p:received(1)
    assert.matches("^GET http://www%.test/a%?b HTTP/1%.1\r\nHost: www%.test\r\n", seen)
    assert.matches("\r\nProxy-Authorization: Basic bWU6cEBzcw==\r\n", seen, 1, true)
    assert.matches("\r\nAuthorization: Basic dTp2\r\n", seen, 1, true)
    assert.equal(1, (p:connections()))
    -- Another host is another origin, and never gets that connection.
    assert.equal(200, get(client, "http://other.test:81/"))
    assert.matches("^GET http://other%.test:81/ HTTP/1%.1\r\nHost: other%.test:81\r\n",
      p:received(2))
  end)

  it("an answer to an http request is returned as it is, also 407", function()
    local p <close> = listen({ "expect_until", "\r\n\r\n" },
      { "send", "HTTP/1.1 407 No\r\nContent-Length: 2\r\n\r\nno" }, { "loop" })
    local client <close> = client_of(p, "http")
    assert.same({ 407, "no" }, { get(client, "http://www.test/") })
  end)

  it("https goes through a tunnel, and the proxy does not see the request", function()
    local p <close> = listen({ "expect_until", "\r\n\r\n" },
      { "send", "HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n" },
      { "relay", web.tls_port })
    local client <close> = client_of(p, "http", "me:pass@")
    local url = web.tls_url .. "/request"
    for i = 1, 2 do
      local response <close> = assert(client:get(url))
      assert.equal(200, response.status)
      assert.equal(i == 2, response.timings.reused)
      if i == 1 then
        assert.is_true(response.timings.proxy >= 0)
        assert.is_true(response.timings.tls > 0)
      end
      local seen = response:text()
      assert.not_matches("bWU6cGFzcw", seen)
      assert.not_matches("[Pp]roxy", seen)
    end
    local authority = "localhost:" .. web.tls_port
    assert.equal(("CONNECT %s HTTP/1.1\r\nHost: %s\r\n"
      .. "Proxy-Authorization: Basic bWU6cGFzcw==\r\n\r\n"):format(authority, authority),
      p:received(1):match "^.-\r\n\r\n")
    assert.equal(1, (p:connections()))
  end)

  it("both schemes go through SOCKS5, and the proxy resolves the name", function()
    local login = { { "expect", "\5\2\0\2" }, { "send", "\5\2" }, { "expect", "\1\2me\4pass" },
      { "send", "\1\0" } }
    local function script(steps, port, name)
      steps = table.move(steps, 1, #steps, 1, {})
      steps[#steps + 1] = { "expect", "\5\1\0\3" .. string.pack(">s1I2", name, port) }
      steps[#steps + 1] = { "send", "\5\0\0\1\0\0\0\0\0\0" }
      steps[#steps + 1] = { "relay", port }
      return steps
    end
    do
      local p <close> = listen(table.unpack(script(login, web.tls_port, "localhost")))
      local client <close> = client_of(p, "socks5", "me:pass@")
      for _ = 1, 2 do assert.equal(200, get(client, web.tls_url .. "/request")) end
      assert.equal(1, (p:connections()))
      assert.same({}, p:failures())
    end
    do
      local inner <close> = listen(table.unpack(answering))
      local none = { { "expect", "\5\1\0" }, { "send", "\5\0" } }
      local p <close> = listen(table.unpack(script(none, inner.port, "www.nowhere.test")))
      local client <close> = client_of(p, "socks5h")
      for _ = 1, 2 do
        assert.equal(200, get(client, ("http://www.nowhere.test:%d/a"):format(inner.port)))
      end
      assert.matches("^GET /a HTTP/1%.1\r\n", inner:received(1))
      assert.same({}, p:failures())
    end
  end)

  it("a refusal has code and stage proxy, and its message shows no credentials", function()
    local function refusal(p, scheme)
      local client <close> = client_of(p, scheme, "me:secret@")
      local status, message, err = get(client, "https://www.test/x")
      assert.is_nil(status)
      assert.equal("proxy", err.code)
      assert.equal("proxy", err.stage)
      assert.not_matches("secret", message)
      local start = ("proxy 127.0.0.1:%d: "):format(p.port)
      assert.equal(start, message:sub(1, #start))
      return message:sub(#start + 1)
    end
    for status, words in pairs {
      [407] = "answered 407 to CONNECT www.test:443: it does not accept the credentials",
      [403] = "answered 403 to CONNECT www.test:443: it does not allow that",
      [502] = "answered 502 to CONNECT www.test:443: it cannot reach that host",
    } do
      local p <close> = listen({ "expect_until", "\r\n\r\n" },
        { "send", ("HTTP/1.1 %d Basic me:secret\r\nContent-Length: 2\r\n\r\nno"):format(status) },
        { "read_all" })
      assert.equal(words, refusal(p, "http"))
    end
    local p <close> = listen({ "expect", "\5\2\0\2" }, { "send", "\5\0" },
      { "read", 4 + 9 + 2 }, { "send", "\5\5\0\1\0\0\0\0\0\0" }, { "read_all" })
    assert.equal("no connection to www.test:443: connection refused (reply 5)",
      refusal(p, "socks5"))
  end)

  it("a silent proxy is given up at the deadline of its stage", function()
    for _, scheme in ipairs { "http", "socks5" } do
      local p <close> = listen { "stall" }
      local client <close> = client_of(p, scheme, nil, { timeout = { proxy = 0.05 } })
      local _, message, err = get(client, "https://www.test/")
      assert.equal("timeout", err.code)
      assert.equal("proxy", err.stage)
      assert.equal(("proxy 127.0.0.1:%d: tunnel not open within 0.05 s (timeout.proxy)")
        :format(p.port), message)
    end
  end)

  it("the total time includes the time for the proxy", function()
    local p <close> = listen { "stall" }
    local client <close> = client_of(p, "http")
    local _, message, err = get(client, "https://www.test/", { timeout = 0.05 })
    assert.equal("timeout", err.code)
    assert.equal("proxy", err.stage)
    assert.equal(("proxy 127.0.0.1:%d: not complete within 0.05 s (timeout.total)")
      :format(p.port), message)
  end)

  it("a proxy that closes, or takes no such host, is reported as such", function()
    local p <close> = listen({ "expect_until", "\r\n\r\n" }, { "send", "HTTP/1.1 200" })
    local client <close> = client_of(p, "http")
    local _, message, err = get(client, "https://www.test/")
    assert.same({ "closed", "proxy" }, { err.code, err.stage })
    assert.equal(("proxy 127.0.0.1:%d: connection closed before the whole answer"):format(p.port),
      message)
    _, message, err = get(client, "https://" .. ("a"):rep(256) .. ".test/",
      { proxy = "socks5://127.0.0.1:" .. p.port })
    assert.same({ "invalid", "proxy" }, { err.code, err.stage })
    assert.equal(("proxy 127.0.0.1:%d: the host name is not of 1 to 255 bytes"):format(p.port),
      message)
    assert.equal(1, (p:connections()))
  end)

  it("the caller's own Proxy-Authorization reaches the proxy alone", function()
    local p <close> = listen(table.unpack(answering))
    local client <close> = client_of(p, "http", "me:pass@",
      { headers = { ["Proxy-Authorization"] = "Bearer own" } })
    assert.equal(200, get(client, "http://www.test/"))
    assert.matches("\r\nProxy-Authorization: Bearer own\r\n", p:received(1), 1, true)
    assert.not_matches("Basic", p:received(1))
    local _, message, err = get(client, "https://www.test/")
    assert.equal("invalid", err.code)
    assert.equal("request: Proxy-Authorization would go to the host: "
      .. "give `proxy` the credentials", message)
    assert.equal(1, (p:connections()))
  end)

  it("TRACE is refused, as the answer would show the proxy's credentials", function()
    local p <close> = listen(table.unpack(answering))
    local client <close> = client_of(p, "http", "me:pass@")
    local _, message = client:request("TRACE", "http://www.test/")
    assert.equal("TRACE request: would have Proxy-Authorization sent back", message)
  end)

  it("a proxy that refuses the connection is named", function()
    local port = support.system.free_port()
    local client <close> = assert(support.client { proxy = "http://127.0.0.1:" .. port })
    for _, url in ipairs { "http://www.test/", "https://www.test/" } do
      local _, message, err = get(client, url)
      assert.equal("connect", err.code)
      assert.equal(("connect proxy 127.0.0.1:%d: connection refused"):format(port), message)
    end
  end)

  it("a proxy whose name is not known is named", function()
    local client <close> = assert(support.client { proxy = "http://proxy.test:3128",
      resolver = function() return nil, "no such name" end })
    local _, message, err = get(client, "http://www.test/")
    assert.equal("resolve", err.code)
    assert.equal("resolve proxy proxy.test:3128: no such name", message)
  end)

  it("each hop of a redirect chooses its own proxy, and exempt hosts use none", function()
    local origin <close> = listen(table.unpack(answering))
    local p <close> = listen({ "expect_until", "\r\n\r\n" }, { "send",
      ("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%d/there\r\nContent-Length: 0\r\n\r\n")
      :format(origin.port) }, { "loop" })
    local client <close> = assert(support.client {
      proxy = { url = ("http://me:pass@127.0.0.1:%d"):format(p.port),
        no_proxy = { "127.0.0.0/8" } },
    })
    assert.equal(200, get(client, "http://www.test/here"))
    assert.matches("^GET http://www.test/here HTTP", p:received(1))
    assert.matches("^GET /there HTTP", origin:received(1))
    assert.not_matches("[Pp]roxy", origin:received(1))
  end)

  it("a request may choose its own proxy or none, and never shares connections", function()
    local direct <close> = listen(table.unpack(answering))
    local first <close> = listen(table.unpack(answering))
    local second <close> = listen(table.unpack(answering))
    local client <close> = client_of(first, "http")
    local url = direct.url .. "/x"
    local own = ("127.0.0.1:%d"):format(second.port)
    for _ = 1, 2 do
      assert.equal(200, get(client, url))
      assert.equal(200, get(client, url, { proxy = false }))
      assert.equal(200, get(client, url, { proxy = "http://" .. own }))
      assert.equal(200, get(client, url, { proxy = "http://a:b@" .. own }))
      assert.equal(200, get(client, url, { proxy = "http://a:c@" .. own }))
    end
    assert.same({ 1, 1, 3 }, { (direct:connections()), (first:connections()),
      (second:connections()) })
    assert.matches("^GET /x HTTP", direct:received(1))
    assert.not_matches("Proxy-Authorization", second:received(1))
    assert.matches("Basic YTpi", second:received(2))
    assert.matches("Basic YTpj", second:received(3))
  end)

  it("a resolver is asked for the proxy's address, not for the host's", function()
    local p <close> = listen(table.unpack(answering))
    local asked = {}
    local client <close> = assert(support.client {
      proxy = ("http://proxy.test:%d"):format(p.port),
      resolver = function(host)
        asked[#asked + 1] = host
        return "127.0.0.1"
      end,
    })
    assert.equal(200, get(client, "http://www.test/"))
    assert.same({ "proxy.test" }, asked)
  end)
end)
