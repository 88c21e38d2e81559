-- Which secrets reach which origin, over redirects, interceptors and proxies: all of them.

local certificates = require "spec.support.certificates"
local server = require "spec.support.server"
local support = require "spec.support"
local system = support.system

describe("secrets", function()
  local origin, directory, port, other_port, tls_port

  setup(function()
    directory = server.directory()
    port, other_port, tls_port = system.free_port(), system.free_port(), system.free_port()
    origin = server.start({ "/usr/bin/python3", "spec/support/redirector.py", tostring(port),
      tostring(other_port), tostring(tls_port), certificates.chain "good",
      certificates.key "good" }, port, directory)
    server.write(directory .. "/netrc", "machine a.test login me password netrc-a\n"
      .. "machine b.test login me password netrc-b\ndefault login me password netrc-default\n")
  end)
  teardown(function() origin:stop() end)

  support.verify_each()

  --- A client for which each name is the loopback.
  local function client_of(options)
    local all = { resolver = function() return "127.0.0.1" end,
      tls = { ca_file = certificates.file "root.pem" } }
    for name, value in pairs(options or {}) do all[name] = value end
    return support.client(all)
  end

  --- What the servers were asked since the last time, without this.
  local function log()
    local plain <close> = support.client()
    local response <close> = assert(plain:get(("http://127.0.0.1:%d/log"):format(port)))
    return response:json()
  end

  local function A(path) return ("http://a.test:%d%s"):format(port, path) end

  local function B(path) return ("http://b.test:%d%s"):format(port, path) end

  --- A URL that leads over the others, one after the other. `hop` makes it of a path and a query.
  local function lead(hop, ...)
    local coded = {}
    for i, url in ipairs { ... } do
      coded[i] = url:gsub("[^%w]", function(byte) return ("%%%02X"):format(byte:byte()) end)
    end
    return hop("/hop?" .. table.concat(coded, "+"))
  end

  -- The kinds of targets: how A leads there, and whether the last request is still of the origin
  -- that was asked, and was never of another one.
  local targets = {
    ["another path"] = { function(path) return lead(A, path "/end") end, true },
    ["the same origin, by its whole URL"] =
      { function(path) return lead(A, A(path "/end")) end, true },
    ["the same origin, in upper case"] =
      { function(path) return lead(A, "HTTP" .. A(path "/end"):sub(5):gsub("a.test", "A.TEST")) end,
        true },
    ["another port"] =
      { function(path) return lead(A, ("http://a.test:%d%s"):format(other_port, path "/end")) end },
    ["another host"] = { function(path) return lead(A, B(path "/end")) end },
    ["a host below it"] =
      { function(path) return lead(A, (A(path "/end"):gsub("a.test", "x.a.test"))) end },
    ["the host above it"] =
      { function(path) return lead(A, (A(path "/end"):gsub("a.test", "test"))) end },
    ["its host with a dot behind"] =
      { function(path) return lead(A, (A(path "/end"):gsub("a.test", "a.test."))) end },
    ["an address of it"] =
      { function(path) return lead(A, (A(path "/end"):gsub("a.test", "127.0.0.1"))) end },
    ["https"] = { function(path)
      return lead(A, ("https://localhost:%d%s"):format(tls_port, path "/end"))
    end },
    ["another host and back"] =
      { function(path) return lead(A, lead(B, A(path "/end"))) end },
    ["another host and on from there"] =
      { function(path) return lead(A, lead(B, B(path "/end"))) end },
  }

  local function plain(path) return path end

  local function under_digest(path) return "/digest" .. path end

  local function basic(password)
    return (require "sluice.auth.option".basic("me", password))
  end

  -- The kinds of secrets: the options of the client and of the request, the field they travel in,
  -- and its value; `path` is where they are asked for.
  local secrets = {
    ["basic, of the request"] = { {}, { auth = { "me", "x" } }, "Authorization" },
    ["bearer, of the request"] = { {}, { auth = { bearer = "x" } }, "Authorization" },
    ["digest, of the request"] =
      { {}, { auth = { digest = { "me", "x" } } }, "Authorization", under_digest },
    ["Authorization, a field"] = { {}, { headers = { Authorization = "x" } }, "Authorization" },
    ["Cookie, a field"] = { {}, { headers = { Cookie = "x" } }, "Cookie" },
    ["a secret field"] = { {}, { headers = { { "X-Key", "x", secret = true } } }, "X-Key" },
    ["user info of the URL"] = { {}, {}, "Authorization", plain, "me:x@" },
    ["basic, of a client with base_url"] =
      { { auth = { "me", "x" } }, {}, "Authorization", plain, nil, true },
    ["digest, of a client with base_url"] =
      { { auth = { digest = { "me", "x" } } }, {}, "Authorization", under_digest, nil, true },
    ["digest, of a client"] =
      { { auth = { digest = { "me", "x" } } }, {}, "Authorization", under_digest },
    ["a secret field of a client with base_url"] =
      { { headers = { { "X-Key", "x", secret = true } } }, {}, "X-Key", plain, nil, true },
  }

  --- Sends it, and returns what the servers saw of it: the log.
  local function send(secret, url)
    local options, own, _, _, user, is_at_home = table.unpack(secret, 1, 6)
    local all = { base_url = is_at_home and A "/" or nil }
    for name, value in pairs(options) do all[name] = value end
    local client <close> = client_of(all)
    if user then url = url:gsub("//", "//" .. user, 1) end
    local response <close>, message = client:get(url, own)
    assert(response, message)
    return log()
  end

  for target, way in pairs(targets) do
    local make, stays = table.unpack(way)
    it(("reach %s as they may: %s"):format(target, stays and "kept" or "dropped"), function()
      for name, secret in pairs(secrets) do
        local field, path = secret[3], secret[4] or plain
        local requests = send(secret, (make(path):gsub("/hop", path "/hop", 1)))
        local has_left = false
        for i, request in ipairs(requests) do
          local is_first = request.path:find("/hop", 1, true) and not has_left
            and request.host == ("a.test:%d"):format(port)
          has_left = has_left or not is_first and not stays
          local value = request.fields[field]
          if has_left then
            assert.is_nil(value, ("%s, request %d: %s"):format(name, i, value))
          elseif path == plain or i > 1 then
            assert.is_truthy(value, ("%s, request %d"):format(name, i))
          end
        end
        assert.is_true(#requests >= 2, name)
        assert.equal(path "/end", requests[#requests].path, name)
      end
    end)
  end

  it("of a function are asked for again, for each origin that is sent to", function()
    local asked = {}
    local function ask(given, request)
      asked[#asked + 1] = given
      assert.truthy(request.url:find(given, 1, true) or request.url:lower():find(given, 1, true))
      return "Bearer for-" .. given
    end
    for _, own in ipairs { true, false } do
      local client <close> = client_of { auth = not own and ask or nil, base_url = A "/" }
      for target, way in pairs(targets) do
        asked = {}
        local response <close>, message = client:get((way[1])(plain), { auth = own and ask or nil })
        assert(response, message)
        local requests = log()
        assert.equal(#requests, #asked, target)
        for i, request in ipairs(requests) do
          local scheme = request.port == tls_port and "https" or "http"
          assert.equal(("%s://%s"):format(scheme, request.host), asked[i], target)
          assert.equal("Bearer for-" .. asked[i], request.fields.Authorization, target)
        end
      end
    end
  end)

  it("of a file are those of the host; its default only for the origin that was asked", function()
    local options = { auth = { netrc = directory .. "/netrc" } }
    for _, own in ipairs { true, false } do
      local client <close> = client_of(not own and options or nil)
      local function passwords(url)
        local response <close>, message = client:get(url, own and options or nil)
        assert(response, message)
        local seen = {}
        for i, request in ipairs(log()) do seen[i] = request.fields.Authorization or "none" end
        return seen
      end
      local function C(path) return ("http://c.test:%d%s"):format(port, path) end
      assert.same({ basic "netrc-a", basic "netrc-b", basic "netrc-a" },
        passwords(lead(A, lead(B, A "/end"))))
      assert.same({ basic "netrc-a", "none" }, passwords(lead(A, C "/end")))
      assert.same({ basic "netrc-default", basic "netrc-a" }, passwords(lead(C, A "/end")))
      assert.same({ basic "netrc-default", basic "netrc-default" }, passwords(lead(C, C "/end")))
      assert.same({ basic "netrc-default", basic "netrc-a", "none" },
        passwords(lead(C, lead(A, C "/end"))))
    end
  end)

  it("stay behind if an interceptor leads elsewhere", function()
    for name, secret in pairs(secrets) do
      local options, own, field, path, user, is_at_home = table.unpack(secret, 1, 6)
      for _, kind in ipairs { "call", "hop" } do
        local all = { base_url = is_at_home and A "/" or nil }
        for key, value in pairs(options) do all[key] = value end
        local client <close> = client_of(all)
        local function step(request, forward)
          request.url = B((path or plain) "/end")
          return forward(request)
        end
        client:use(kind == "hop" and { hop = step } or step)
        local url = A "/start"
        if user then url = url:gsub("//", "//" .. user, 1) end
        local response <close>, message = client:get(url, own)
        assert(response, message)
        for _, request in ipairs(log()) do
          -- What a client without base_url has is for every origin that a program asks.
          if name == "digest, of a client" then break end
          assert.is_nil(request.fields[field], name)
        end
      end
    end
  end)

  it("are sent again with each try", function()
    for name, secret in pairs(secrets) do
      local path = secret[4] or plain
      local again = { table.unpack(secret, 1, 6) }
      again[2] = { retry = { tries = 1, delay = 0.001, statuses = { 200 } } }
      for key, value in pairs(secret[2]) do again[2][key] = value end
      local requests = send(again, A(path "/end"))
      assert.equal(path == plain and 2 or 3, #requests)
      for i, request in ipairs(requests) do
        assert.equal(path == plain or i > 1, request.fields[secret[3]] ~= nil, name)
      end
    end
  end)

  it("of a proxy reach no other one, and no host", function()
    local function proxy(at, user) return ("http://%s@127.0.0.1:%d"):format(user, at) end
    local client <close> = client_of { proxy = function(url)
      if url:find "a.test" then return proxy(port, "one:hidden") end
      if url:find "b.test" then return proxy(other_port, "two:hidden") end
      return nil
    end }
    local auth = require "sluice.auth.option"
    local C = ("http://c.test:%d/end"):format(port)
    local url = lead(A, lead(B, C))
    local response <close>, message = client:get(url, { auth = { "me", "x" } })
    assert(response, message)
    local requests = log()
    assert.equal(3, #requests)
    for i, expected in ipairs { { auth.basic("one", "hidden"), basic "x", true, port },
      { auth.basic("two", "hidden"), nil, true, other_port }, { nil, nil, false, port } } do
      local request = requests[i]
      assert.equal(expected[1], request.fields["Proxy-Authorization"])
      assert.equal(expected[2], request.fields.Authorization)
      assert.same({ expected[3], expected[4] }, { request.is_proxied, request.port })
    end
  end)
end)
