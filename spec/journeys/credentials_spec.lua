-- Which secret reaches whom: each kind of secret over each kind of redirect, with proxies and
-- without. A secret given for one origin never reaches another one, nor comes back; credentials for
-- a proxy reach that proxy alone.

local certificates = require "spec.support.certificates"
local stunnel = require "spec.support.stunnel"
local support = require "spec.support"

local peer = support.peer

local marker = "open sesame"
local encoded = "QWxhZGRpbjpvcGVuIHNlc2FtZQ==" -- "Aladdin:open sesame" (RFC 7617 2)

local user = "Aladdin:open%20sesame@"

-- The URL with user info.
local function add_user(url, userinfo)
  local before, behind = url:match "^(.-//)(.*)$"
  return before .. userinfo .. behind
end

-- `userinfo` is added to the URL, `options` to the request.
local secrets = {
  ["user info of the URL"] = { userinfo = user },
  ["the option auth"] = { options = { auth = { "Aladdin", marker } } },
  ["a bearer token"] = { options = { auth = { bearer = encoded } } },
  ["the field Authorization"] = { options = { headers = { Authorization = "Own " .. marker } } },
  ["the field Cookie"] = { options = { headers = { Cookie = "a=" .. marker } } },
  ["the field Proxy-Authorization"] = {
    options = { headers = { ["Proxy-Authorization"] = "Own " .. marker } },
  },
  ["a field marked secret"] = { options = { headers = { { "X-Key", marker, secret = true } } } },
  ["auth of the client"] = { client = { auth = { "Aladdin", marker } } },
  ["a secret field of the client"] = {
    client = { headers = { { "X-Key", marker, secret = true } } },
  },
}

-- An origin or proxy that redirects to a URL first, and then answers.
local function redirect_to(url)
  local answer = ("HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n"):format(url)
  return { { "expect_until", "\r\n\r\n" }, { "send", answer } }
end

local ok = { { "expect_until", "\r\n\r\n" },
  { "send", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" }, { "loop" } }

local function join(...)
  local steps = {}
  for _, list in ipairs { ... } do table.move(list, 1, #list, #steps + 1, steps) end
  return steps
end

-- How often a secret shows in what a peer has received.
local function count_in(p)
  local count = 0
  for _, bytes in ipairs(p:received()) do
    count = count + select(2, bytes:gsub(marker, "")) + select(2, bytes:gsub(encoded, ""))
  end
  return count
end

describe("a secret", function()
  support.verify_each()

  -- Each sets up peers, and returns the URL to get, the proxy, the peers, and for each of these
  -- how often it may see a secret of the origin. `proxied` marks those where an origin sees it by
  -- way of a proxy that sees it, too.
  local targets = {
    ["over a redirect within the origin"] = function(listen)
      local a = listen(join(redirect_to "/second", ok))
      return a.url .. "/first", nil, { a }, { 2 }
    end,
    ["over a redirect to the same origin in full"] = function(listen)
      local port = support.system.free_port()
      local a = listen(join(redirect_to(("HTTP://127.0.0.1:%d/x"):format(port)), ok), port)
      return a.url .. "/first", nil, { a }, { 2 }
    end,
    ["over a redirect to another port"] = function(listen)
      local b = listen(ok)
      local a = listen(redirect_to(b.url .. "/x"))
      return a.url .. "/first", nil, { a, b }, { 1, 0 }
    end,
    ["over a redirect to another name"] = function(listen)
      local port = support.system.free_port()
      local a = listen(redirect_to(("http://localhost:%d/x"):format(port)), port, ok)
      return a.url .. "/first", nil, { a }, { 1 }
    end,
    ["over a redirect there and back"] = function(listen)
      local port = support.system.free_port()
      local b = listen(redirect_to(("http://127.0.0.1:%d/back"):format(port)))
      local a = listen(join(redirect_to(b.url .. "/x"), ok), port)
      return a.url .. "/first", nil, { a, b }, { 1, 0 }
    end,
    ["over a redirect to https"] = function(listen)
      local b = listen(ok)
      local front = listen.front(b)
      local a = listen(redirect_to(("https://localhost:%d/x"):format(front.port)))
      return a.url .. "/first", nil, { a, b }, { 1, 0 }
    end,
    ["over a redirect that a proxy answers, within the origin"] = function(listen)
      local p = listen(join(redirect_to "/second", ok))
      return "http://www.test/first", p.url, { p }, { 2 }
    end,
    ["over a redirect that a proxy answers, to another origin"] = function(listen)
      local p = listen(redirect_to "http://other.test/x", nil, ok)
      return "http://www.test/first", p.url, { p }, { 1 }
    end,
    ["over a redirect there and back by way of a proxy"] = function(listen)
      local p = listen(redirect_to "http://other.test/x", nil, redirect_to "http://www.test/back",
        ok)
      return "http://www.test/first", p.url, { p }, { 1 }
    end,
    ["over a redirect within the origin to another proxy"] = function(listen)
      local q = listen(ok)
      local p = listen(redirect_to "/second")
      return "http://www.test/first", function(url)
        return url:find "first" and p.url or q.url
      end, { p, q }, { 1, 1 }
    end,
    ["over a redirect to another origin past the proxy"] = function(listen)
      local b = listen(ok)
      local p = listen(redirect_to(b.url .. "/x"))
      local via = { url = p.url, no_proxy = { "127.0.0.1" } }
      return "http://www.test/first", via, { p, b }, { 1, 0 }
    end,
    ["over a redirect to another origin by way of a proxy"] = function(listen)
      local p = listen(ok)
      local a = listen(redirect_to "http://www.test/x")
      return a.url .. "/first", { url = p.url, no_proxy = { "127.0.0.1" } }, { a, p }, { 1, 0 }
    end,
    ["over a tunnel of a proxy"] = function(listen)
      local b = listen(ok)
      local front = listen.front(b)
      local p = listen { { "expect_until", "\r\n\r\n" }, { "send", "HTTP/1.1 200 OK\r\n\r\n" },
        { "relay", front.port } }
      return ("https://localhost:%d/x"):format(front.port), p.url, { p, b }, { 0, 1 },
        "tunneled"
    end,
  }

  -- Peers that are stopped at the end, each with one list of steps for each of its connections.
  local function listener(opened)
    local make = setmetatable({}, { __call = function(_, steps, port, ...)
      local p = peer.listen { script = { steps, ... }, repeat_last = true, port = port }
      opened[#opened + 1] = p
      return p
    end })
    function make.front(inner)
      local front = stunnel.start { to = inner.port, name = "good" }
      opened[#opened + 1] = front
      return front
    end
    return make
  end

  local function with(base, more)
    for key, value in pairs(more or {}) do base[key] = value end
    return base
  end

  -- Calls f with what a target sets up.
  local function at(target, f)
    local opened = {}
    local closing <close> = setmetatable({}, { __close = function() -- luacheck: ignore
      for i = #opened, 1, -1 do opened[i]:stop() end
    end })
    f(target(listener(opened)))
  end

  for where, target in pairs(targets) do
    for what, secret in pairs(secrets) do
      it(("%s %s"):format(what, where), function()
        at(target, function(url, proxy, peers, expected, kind)
          local client <close> = assert(support.client(with({
            proxy = proxy, base_url = url:match "^%a+://[^/]*",
            tls = { ca_file = certificates.file "root.pem" },
          }, secret.client)))
          if secret.userinfo then url = add_user(url, secret.userinfo) end
          local response <close>, message, err = client:get(url, with({}, secret.options))
          if kind == "tunneled" and what == "the field Proxy-Authorization" then
            -- It would have to go to the host.
            assert.equal("invalid", err.code)
            expected = { 0, 0 }
          else
            assert(response, message)
            assert.equal(200, response.status)
          end
          for i, p in ipairs(peers) do
            assert.equal(expected[i], count_in(p), "peer " .. i)
          end
        end)
      end)
    end

    it("of the proxy " .. where, function()
      at(target, function(url, proxy, peers, _, kind)
        if not proxy then return end
        -- The user info belongs to the first proxy alone, where there are two.
        local chosen = {}
        local function choose(asked)
          local via = type(proxy) == "function" and proxy(asked) or proxy
          local made = type(via) == "table" and via or { url = via }
          chosen[made.url] = true
          local is_first = made.url == peers[1].url or type(proxy) ~= "function"
          local with_user = is_first and add_user(made.url, user) or made.url
          return { url = with_user, no_proxy = made.no_proxy }
        end
        local client <close> = assert(support.client {
          proxy = choose, tls = { ca_file = certificates.file "root.pem" },
        })
        local response <close> = assert(client:get(url))
        assert.equal(200, response.status)
        for i, p in ipairs(peers) do
          local is_proxy = type(proxy) == "function" and i == 1
            or chosen[p.url] and type(proxy) ~= "function"
          local requests = 0
          for _, bytes in ipairs(p:received()) do
            requests = requests + select(2, bytes:gsub("HTTP/1%.1\r\n", ""))
          end
          if kind == "tunneled" and is_proxy then requests = 1 end -- what follows is TLS
          assert.equal(is_proxy and requests or 0, count_in(p), "peer " .. i)
        end
      end)
    end)
  end

  it("is not sent where a redirect is refused", function()
    local b <close> = peer.listen { script = { ok } }
    for _, location in ipairs { "http://me:x@127.0.0.1:" .. b.port .. "/", "ftp://x/",
      "http+unix://%2Fx/" } do
      local a <close> = peer.listen { script = { redirect_to(location) } }
      local client <close> = support.client()
      local _, _, err = client:get(a.url .. "/", { auth = { "Aladdin", marker } })
      assert.equal("redirect", err.code)
      assert.equal(1, count_in(a))
      assert.equal(0, (b:connections()))
    end
    local down <close> = peer.listen { script = { redirect_to(b.url .. "/") } }
    local front <close> = stunnel.start { to = down.port, name = "good" }
    local client <close> = support.client { tls = { ca_file = certificates.file "root.pem" } }
    local _, _, err = client:get(("https://localhost:%d/"):format(front.port),
      { auth = { "Aladdin", marker } })
    assert.equal("redirect", err.code)
    assert.equal(0, (b:connections()))
  end)
end)
