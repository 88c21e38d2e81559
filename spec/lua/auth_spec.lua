-- Credentials: how they are written into fields, to which origins they are sent, and who sees them.

local auth = require "sluice.auth"
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
  end)
end)

describe("credentials", function()
  local before, server, other

  local function listen()
    return peer.listen { script = { { { "expect_until", "\r\n\r\n" }, { "send", EMPTY },
      { "loop" } } }, repeat_last = true }
  end

  before_each(function()
    before = support.snapshot(sluice)
    server, other = listen(), listen()
  end)

  after_each(function()
    server:stop()
    other:stop()
    support.verify(sluice, before)
  end)

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
