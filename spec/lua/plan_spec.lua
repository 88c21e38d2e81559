-- Parsed URLs: where a request goes and what its request line says.
-- Runs once.

local plan = require "sluice.plan"

describe("a parsed URL", function()
  for text, expected in pairs {
    ["http://a.test"] = { "http", "a.test", 80, "/", "a.test", "http://a.test/" },
    ["HTTP://A.TEST/x?y#z"] = { "http", "a.test", 80, "/x?y", "a.test", "http://a.test/x?y" },
    ["http://a.test?y"] = { "http", "a.test", 80, "/?y", "a.test", "http://a.test/?y" },
    ["http://a.test:80/"] = { "http", "a.test", 80, "/", "a.test", "http://a.test/" },
    ["http://a.test:8080/"] =
      { "http", "a.test", 8080, "/", "a.test:8080", "http://a.test:8080/" },
    ["https://a.test:443/"] = { "https", "a.test", 443, "/", "a.test", "https://a.test/" },
    ["https://a.test:80/"] = { "https", "a.test", 80, "/", "a.test:80", "https://a.test:80/" },
    ["http://[::1]:81/"] = { "http", "::1", 81, "/", "[::1]:81", "http://[::1]:81/" },
    ["http+unix://%2Frun%2FApp.sock/x?y"] = { "http+unix", "localhost", 0, "/x?y", "localhost",
      "http+unix://%2Frun%2FApp.sock/x?y" },
  } do
    it("gives host, port and path: " .. text, function()
      local url = assert(plan.parse(text))
      assert.same(expected,
        { url.scheme, url.host, url.port, url.target, url.authority, url.text })
    end)
  end

  it("keeps user info out of what is shown", function()
    local url = assert(plan.parse "http://user:secret@a.test/")
    assert.equal("user:secret", url.userinfo)
    assert.equal("http://a.test/", url.text)
  end)

  it("keeps the case of a socket's path", function()
    assert.equal("/run/App.sock", assert(plan.parse "http+unix://%2Frun%2FApp.sock/").unix_path)
  end)

  it("is refused if its scheme is unknown or its host is missing", function()
    for _, text in ipairs { "ftp://a.test/", "ws://a.test/", "wss://a.test/", "a.test", "/path", "",
      "http://", "http:///x", "http+unix://%2Fa%00b/", "http+unix://user@%2Fa/" } do
      local url, message, err = plan.parse(text)
      assert.is_nil(url, text)
      assert.equal("invalid", err.code)
      assert.equal(message, tostring(err))
    end
  end)

  it("has the origin of another URL if scheme, host and port are equal", function()
    local function same(a, b)
      return plan.same_origin(assert(plan.parse(a)), assert(plan.parse(b)))
    end
    assert.is_true(same("http://a.test/x", "HTTP://u@A.test:80/y"))
    assert.is_false(same("http://a.test/", "https://a.test/"))
    assert.is_false(same("http://a.test/", "http://b.test/"))
    assert.is_false(same("http://a.test/", "http://a.test:81/"))
    assert.is_false(same("http+unix://%2Fa/", "http+unix://%2Fb/"))
  end)
end)

describe("a URL that is shown", function()
  it("has no user info", function()
    assert.equal("http://a/b@c", plan.shown "http://user:secret@a/b@c")
    assert.equal("http://a/b//c@d", plan.shown "http://a/b//c@d")
    assert.equal("http://a/?u@b", plan.shown "http://a/?u@b")
    assert.equal("//a/", plan.shown "//user@a/")
    -- These are no URLs.
    for text, shown in pairs {
      ["user:secret@a/b"] = "a/b", ["http://user:secret@a:99999/"] = "http://a:99999/",
      ["http:/user:secret@a"] = "a", ["http:\\\\user:secret@a"] = "http:\\\\a",
      ["http://user:sec#ret@a/"] = "http://a/", ["https:user:secret@a"] = "a",
      ["http://user:secret@a\n@b/"] = "http://b/", ["a\nb"] = "a\\x0Ab",
    } do
      assert.equal(shown, plan.shown(text))
    end
  end)
end)
