-- Credentials: how they are written into fields, to which origins they are sent, and who sees them.

local auth = require "sluice.auth.option"
local sluice = require "sluice"
local support = require "spec.support"

local peer = support.peer

local EMPTY = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

describe("the value of Authorization", function()
  it("encodes user and password as the example of RFC 7617 does", function()
    assert.equal("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", auth.basic("Aladdin", "open sesame"))
    assert.equal("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", auth.value { "Aladdin", "open sesame" })
    assert.equal("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", auth.from_userinfo "Aladdin:open%20sesame")
  end)

  it("has an empty password if none is given", function()
    local alone = auth.basic("Aladdin", "")
    assert.equal(alone, auth.value { "Aladdin" })
    assert.equal(alone, auth.from_userinfo "Aladdin")
    assert.equal(alone, auth.from_userinfo "Aladdin:")
  end)

  it("passes a bearer token on unchanged", function()
    assert.equal("Bearer mF_9.B5f-4.1JqM", auth.value { bearer = "mF_9.B5f-4.1JqM" })
  end)

  it("keeps colons in the password", function()
    assert.equal(auth.basic("a", "b:c"), auth.from_userinfo "a:b:c")
  end)

  it("is refused if the server would read a different user name", function()
    for _, userinfo in ipairs { "a%3Ab:c", "a%0A:b", "a:b%00" } do
      local value, message, err = auth.from_userinfo(userinfo)
      assert.is_nil(value)
      assert.equal("invalid", err.code)
      assert.equal("credentials: colon in the user, or a control character", message)
    end
    for _, userinfo in ipairs { "%z:b", "a:%z", "a:b%" } do
      local value, message, err = auth.from_userinfo(userinfo)
      assert.is_nil(value)
      assert.same({ "unescape: malformed percent-encoding", "invalid" }, { message, err.code })
    end
  end)
end)

describe("credentials", function()
  local server, other

  local function listen()
    return peer.listen { script = { { { "expect_until", "\r\n\r\n" }, { "send", EMPTY },
      { "loop" } } }, repeat_last = true }
  end

  support.verify_each(function(keep) server, other = keep(listen()), keep(listen()) end)

  local function field(p) return p:received(1):match "Authorization: ([^\r]*)" end

  it("given to a client with base_url stay with its origin", function()
    local client <close> = support.client {
      base_url = server.url .. "/api/",
      auth = { bearer = "token" },
      headers = { { "Cookie", "hidden" }, { "X-Key", "hidden", secret = true }, { "X-Own", "1" } },
    }
    assert(client:get "items"):dispose()
    assert.equal("Bearer token", field(server))
    assert.equal(2, select(2, server:received(1):gsub("hidden", "")))
    assert(client:get(other.url .. "/")):dispose()
    assert.is_nil(field(other))
    assert.is_nil((other:received(1):find("hidden", 1, true)))
    assert.truthy(other:received(1):find("X-Own: 1", 1, true))
    local own <close> = support.client { auth = { bearer = "token" }, base_url = server.url }
    local third <close> = listen()
    assert(own:get(third.url .. "/", { auth = { bearer = "its own" } })):dispose()
    assert.equal("Bearer its own", field(third))
  end)

  it("given to a client without base_url are sent to every origin", function()
    local client <close> = support.client { auth = { bearer = "token" } }
    for _, p in ipairs { server, other } do
      assert(client:get(p.url .. "/")):dispose()
      assert.equal("Bearer token", field(p))
    end
  end)

  it("are not sent if the URL's user info is empty", function()
    local client <close> = support.client()
    assert(client:get(("http://@127.0.0.1:%d/"):format(server.port))):dispose()
    assert.is_nil(field(server))
  end)

  it("are refused if the server could not split them into user and password", function()
    for _, given in ipairs { { "a:b", "c" }, { "a\n", "b" }, { "a", "b\0" } } do
      assert.error_matches(function() support.client { auth = given } end, "option 'auth': user")
    end
    local client <close> = support.client()
    local response, message, err = client:get(("http://a%%3Ab:c@127.0.0.1:%d/"):format(server.port))
    assert.is_nil(response)
    assert.equal("invalid", err.code)
    assert.is_nil(message:find("a:b", 1, true))
  end)

  it("from a URL appear in no message, property or log", function()
    local client <close> = support.client()
    local url = ("http://user:pass@127.0.0.1:%d/path?q=a@b"):format(server.port)
    local shown
    client:use(function(request, forward)
      shown = tostring(request)
      return forward(request)
    end)
    local response <close> = assert(client:get(url))
    local plain = ("http://127.0.0.1:%d/path?q=a@b"):format(server.port)
    assert.equal(("sluice.request (GET %s)"):format(plain), shown)
    assert.equal(plain, response.url)
    client:use(function(request, forward)
      client:close()
      return forward(request)
    end)
    local none, message, err = client:get(url)
    assert.is_nil(none)
    assert.same({ "closed", "queue" }, { err.code, err.stage })
    assert.equal(("GET %s: client is closed"):format(plain), message)
  end)
end)

describe("the option auth", function()
  local server

  support.verify_each(function(keep)
    server = keep(peer.listen { script = { { { "expect_until", "\r\n\r\n" }, { "send", EMPTY },
      { "loop" } } }, repeat_last = true })
  end)

  local function fields()
    local seen = {}
    for _, bytes in ipairs(server:received()) do
      for head in bytes:gmatch "HTTP/1.1\r\n(.-)\r\n\r\n" do
        seen[#seen + 1] = head:match "Authorization: ([^\r]*)" or "none"
      end
    end
    return seen
  end

  describe("as a function", function()
    it("is asked for each sending, by origin and request, and may wait", function()
      local asked = {}
      local client <close> = support.client { auth = function(origin, request)
        sluice.sleep(0.001)
        asked[#asked + 1] = ("%s %s %s"):format(origin, request.method, request.url)
        return "Token " .. #asked
      end }
      local own = { auth = function() return "Own" end }
      for _, options in ipairs { false, false, own } do
        client:get(server.url .. "/a?b", options or nil):dispose()
      end
      client:post(server.url .. "/c", { json = {} }):dispose()
      assert.same({ "Token 1", "Token 2", "Own", "Token 3" }, fields())
      local u = server.url
      assert.same({ u .. " GET " .. u .. "/a?b", u .. " GET " .. u .. "/a?b",
        u .. " POST " .. u .. "/c" }, asked)
    end)

    it("names what a URL and a header field do not already have", function()
      local function never() error "asked" end
      local client <close> = support.client { auth = never }
      client:get(server.url .. "/", { headers = { Authorization = "own" } }):dispose()
      client:get(("http://user:pass@127.0.0.1:%d/"):format(server.port)):dispose()
      assert.same({ "own", auth.basic("user", "pass") }, fields())
    end)

    it("answers with credentials of any kind, or none", function()
      local answer
      local client <close> = support.client { auth = function() return answer end }
      for _, value in ipairs { { "a", "b" }, { bearer = "t" }, "Any value", { "a" } } do
        answer = value
        client:get(server.url .. "/"):dispose()
      end
      for _, value in ipairs { {}, false } do
        answer = value or nil
        if value then
          assert.error_matches(function() client:get(server.url .. "/") end,
            "the function `auth` of .*spec.lua:%d+ returned something else: string, nil or "
            .. "{ user, password }, { bearer = token } or { digest = { user, password } } expected")
        else
          client:get(server.url .. "/"):dispose()
        end
      end
      assert.same({ auth.basic("a", "b"), "Bearer t", "Any value", auth.basic("a", ""), "none" },
        fields())
    end)

    it("fails the request by nil and a reason, and raises its errors", function()
      local answer
      local client <close> = support.client { auth = function() return answer() end }
      answer = function() return nil, "no token" end
      local response, message, err = client:get(server.url .. "/")
      assert.is_nil(response)
      assert.same({ "invalid", ("GET %s/: auth: no token"):format(server.url) },
        { err.code, message })
      local other <close> = support.client()
      answer = function() return other:get "http://127.0.0.1:1/" end
      response, message, err = client:get(server.url .. "/")
      assert.is_nil(response)
      assert.same({ "connect", "connect 127.0.0.1:1: connection refused" }, { err.code, message })
      answer = function() error "mine" end
      assert.error_matches(function() client:get(server.url .. "/") end, "mine")
      answer = function() return "a\r\nB: c" end
      response, message, err = client:get(server.url .. "/")
      assert.is_nil(response)
      assert.equal("invalid", err.code)
      assert.is_nil(message:find("B: c", 1, true))
      assert.same({}, fields())
    end)
  end)

  describe("as a file", function()
    local files = require "spec.support.server"
    local directory

    before_each(function() directory = files.directory() end)
    after_each(function() files.remove(directory) end)

    it("is read when it is first needed, and not again", function()
      local path = directory .. "/netrc"
      local client <close> = support.client { auth = { netrc = path } }
      local response, message, err = client:get(server.url .. "/")
      assert.is_nil(response)
      assert.equal("invalid", err.code)
      assert.matches("netrc .*/netrc: ", message)
      files.write(path, "machine 127.0.0.1 login me password secret")
      client:get(server.url .. "/"):dispose()
      files.write(path, "machine 127.0.0.1 login me password other")
      client:get(server.url .. "/"):dispose()
      local value = auth.basic("me", "secret")
      assert.same({ value, value }, fields())
    end)

    it("of the user's own need not be there", function()
      local getenv = os.getenv
      finally(function() os.getenv = getenv end) -- luacheck: ignore
      files.write(directory .. "/.netrc", "machine 127.0.0.1 login home")
      files.write(directory .. "/other", "machine 127.0.0.1 login other")
      for _, set in ipairs { { HOME = directory }, { HOME = "/", NETRC = directory .. "/other" },
        { HOME = directory .. "/nowhere" }, { HOME = "" }, {} } do
        os.getenv = function(name) -- luacheck: ignore
          if name == "HOME" or name == "NETRC" then return set[name] end
          return getenv(name)
        end
        local client <close> = support.client { auth = { netrc = true } }
        client:get(server.url .. "/"):dispose()
      end
      assert.same({ auth.basic("home", ""), auth.basic("other", ""), "none", "none", "none" },
        fields())
    end)

    it("gives a unix socket nothing", function()
      local path = files.write(directory .. "/netrc", "default login me machine localhost login me")
      local unix <close> = peer.listen { family = "unix", script = { { { "expect_until",
        "\r\n\r\n" }, { "send", EMPTY }, { "read_all" } } } }
      local client <close> = support.client { auth = { netrc = path } }
      client:get(("http+unix://%s/"):format((unix.path:gsub("/", "%%2F")))):dispose()
      assert.is_nil(unix:received(1):find "Authorization")
    end)
  end)

  it("is refused where it cannot be meant, without a word of what it is", function()
    for _, wrong in ipairs { { digest = "hidden" }, { digest = { "a:hidden", "b" } },
      { digest = {} }, { digest = { "a", "hidden" }, bearer = "hidden" }, { digest = { "a" }, "b" },
      { netrc = false }, { netrc = "" }, { netrc = true, "hidden" }, { netrc = "a\0hidden" },
      { bearer = 5 }, "hidden", 5, true } do
      local ok, message = pcall(support.client, { auth = wrong })
      assert.is_false(ok)
      assert.truthy(message:find("option 'auth'", 1, true), message)
      assert.is_nil(message:find "hidden")
    end
  end)
end)
