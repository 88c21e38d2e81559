-- What a Set-Cookie line says (RFC 6265bis 5.6), and which hosts and paths match (5.1).
-- Runs once.

local cookies = require "sluice.cookies.cookie"
local plan = require "sluice.plan"

local NOW = 1700000000
local YEAR_AND_MORE = 400 * 24 * 60 * 60

local function parse(line) return cookies.parse(line, NOW) end

--- name, value, and the attributes in the order of their names, as one text.
local function shown(line)
  local cookie = parse(line)
  if not cookie then return "none" end
  local list = {}
  for _, name in ipairs { "domain", "path", "has_path", "expires", "same_site" } do
    if cookie[name] then list[#list + 1] = name .. "=" .. tostring(cookie[name]) end
  end
  for _, name in ipairs { "secure", "http_only" } do
    if cookie[name] then list[#list + 1] = name end
  end
  return ("[%s][%s] %s"):format(cookie.name, cookie.value, table.concat(list, " "))
end

describe("a Set-Cookie line", function()
  local lines = {
    -- the examples of the draft, 3.1
    ["SID=31d4d96e407aad42"] = "[SID][31d4d96e407aad42] ",
    ["SID=31d4d96e407aad42; Path=/; Domain=site.example"] =
      "[SID][31d4d96e407aad42] domain=site.example path=/ has_path=true",
    ["SID=31d4d96e407aad42; Path=/; Secure; HttpOnly"] =
      "[SID][31d4d96e407aad42] path=/ has_path=true secure http_only",
    ["lang=en-US; Path=/; Domain=site.example"] =
      "[lang][en-US] domain=site.example path=/ has_path=true",
    ["lang=en-US; Expires=Wed, 09 Jun 2021 10:18:14 GMT"] = "[lang][en-US] expires=1623233894",
    -- names and values
    ["a=b=c"] = "[a][b=c] ",
    ["a=\"b; c\""] = "[a][\"b] ",
    ["a="] = "[a][] ",
    ["=b"] = "[][b] ",
    ["b"] = "[][b] ",
    ["b; secure"] = "[][b] secure",
    ["=a=b"] = "[][a=b] ",
    ["a\t=\t b \t; path = /x "] = "[a][b] path=/x has_path=true",
    ["a b=c d"] = "[a b][c d] ",
    ["a=\xC3\xA9, x=y"] = "[a][\xC3\xA9, x=y] ",
    ["a=b\tc"] = "[a][b\tc] ",
    -- neither name nor value
    [""] = "none", ["="] = "none", [";"] = "none", [" = "] = "none", ["; secure"] = "none",
    -- control characters
    ["a=b\0c"] = "none", ["a\1=b"] = "none", ["a=b; path=/\127"] = "none", ["a=b\31"] = "none",
    -- attributes
    ["a=b; SECURE=no; hTTPonly=x"] = "[a][b] secure http_only",
    ["a=b;;; ;Secure;"] = "[a][b] secure",
    ["a=b; unknown=1; =2; Path"] = "[a][b] has_path=true",
    ["a=b; path=/x; path=/y"] = "[a][b] path=/y has_path=true",
    ["a=b; path=/x; path=y"] = "[a][b] has_path=true",
    ["a=b; path="] = "[a][b] has_path=true",
    ["a=b; domain=.Site.EXAMPLE"] = "[a][b] domain=site.example",
    ["a=b; domain=..x"] = "[a][b] domain=.x",
    ["a=b; domain=one.example; domain="] = "[a][b] domain=",
    ["a=b; domain=."] = "[a][b] domain=",
    ["a=b; domain=\xC3\xA9.example"] = "none",
    ["a=b; samesite=strict"] = "[a][b] same_site=Strict",
    ["a=b; SameSite=LAX"] = "[a][b] same_site=Lax",
    ["a=b; SameSite=None"] = "[a][b] same_site=None",
    ["a=b; SameSite=None; SameSite=other"] = "[a][b] ",
    -- ends
    ["a=b; max-age=1"] = "[a][b] expires=1700000001",
    ["a=b; max-age=10"] = "[a][b] expires=1700000010",
    ["a=b; max-age=10; max-age=20"] = "[a][b] expires=1700000020",
    ["a=b; max-age=10; max-age=x"] = "[a][b] expires=1700000010",
    ["a=b; max-age=10; expires=Wed, 09 Jun 2021 10:18:14 GMT"] = "[a][b] expires=1700000010",
    ["a=b; expires=Wed, 09 Jun 2021 10:18:14 GMT; expires=never"] =
      "[a][b] expires=1623233894",
    ["a=b; max-age=0"] = "[a][b] expires=" .. math.mininteger,
    ["a=b; max-age=-1"] = "[a][b] expires=" .. math.mininteger,
    ["a=b; max-age=-" .. ("9"):rep(400)] = "[a][b] expires=" .. math.mininteger,
    ["a=b; max-age="] = "[a][b] ", ["a=b; max-age=-"] = "[a][b] ", ["a=b; max-age=+1"] = "[a][b] ",
    ["a=b; max-age=1.5"] = "[a][b] ", ["a=b; max-age=1e3"] = "[a][b] ",
    ["a=b; max-age=0x10"] = "[a][b] ", ["a=b; expires=0"] = "[a][b] ",
    -- 400 days at most
    ["a=b; max-age=99999999999"] = "[a][b] expires=" .. NOW + YEAR_AND_MORE,
    ["a=b; max-age=" .. ("9"):rep(400)] = "[a][b] expires=" .. NOW + YEAR_AND_MORE,
    ["a=b; expires=Fri, 31-Dec-9999 23:59:59 GMT"] = "[a][b] expires=" .. NOW + YEAR_AND_MORE,
  }

  it("is read as the draft says", function()
    for line, expected in pairs(lines) do assert.equal(expected, shown(line), line) end
  end)

  it("has 4096 bytes of name and value together, and 1024 of an attribute", function()
    for _, size in ipairs { 0, 1, 100, 4095, 4096 } do
      local pair = ("n"):rep(size) .. "=" .. ("v"):rep(4096 - size)
      assert.is_truthy(parse(pair))
      assert.is_truthy(parse("\t " .. pair .. "  ; secure"))
      assert.is_nil(parse(pair .. "v"))
      assert.is_nil(parse("n" .. pair))
    end
    local path = "/" .. ("p"):rep(1023)
    assert.equal(path, parse("a=b; path=" .. path).path)
    assert.equal("/x", parse("a=b; path=/x; path=" .. path .. "p").path)
    assert.is_nil(parse("a=b; domain=" .. ("d"):rep(1025)).domain)
    assert.is_nil(parse("a=b; max-age=" .. ("1"):rep(1025)).expires)
  end)

  it("is read in a time that grows with its length alone", function()
    local size = 65000
    for _, line in ipairs {
      ("a=b" .. (";"):rep(size)), ("a=b" .. ("; "):rep(size // 2)), "a=" .. (" "):rep(size) .. "b",
      "a=b; path=/" .. (" "):rep(size) .. "x", ("="):rep(size), ("; path=/x"):rep(size // 9),
      "a=b; expires=" .. ("1:"):rep(500), (" "):rep(size), "a=b; " .. (" x"):rep(size // 2),
    } do
      local began = os.clock()
      for _ = 1, 5 do parse(line) end
      assert.is_true(os.clock() - began < 5, line:sub(1, 20))
    end
  end)
end)

describe("a host", function()
  it("matches its own domain, and those above it if it has a name", function()
    for _, case in ipairs {
      { "site.example", "site.example", true }, { "a.site.example", "site.example", true },
      { "a.b.site.example", "site.example", true }, { "site.example", "example", true },
      { "site.example", "a.site.example", false }, { "notsite.example", "site.example", false },
      { "site.example", "ite.example", false }, { "site.example", ".site.example", false },
      { "site.example", "", false }, { "a.site.example", "other.example", false },
      { "127.0.0.1", "127.0.0.1", true }, { "127.0.0.1", "0.0.1", false },
      { "127.0.0.1", "1", false }, { "::1", "::1", true }, { "::ffff:1.2.3.4", "3.4", false },
      { "%2Frun%2Fapp.sock", "sock", false }, { "1.2.3.4.example", "4.example", true },
      { "localhost", "localhost", true }, { "a.localhost", "localhost", true },
    } do
      assert.equal(case[3], cookies.domain_matches(case[1], case[2]), case[1] .. " " .. case[2])
    end
  end)
end)

describe("a path", function()
  it("matches itself and what lies below it", function()
    for _, case in ipairs {
      { "/", "/", true }, { "/foo", "/", true }, { "/foo", "/foo", true },
      { "/foo/", "/foo", true }, { "/foo/bar", "/foo", true }, { "/foo/bar", "/foo/", true },
      { "/foobar", "/foo", false }, { "/foo", "/foo/", false }, { "/", "/foo", false },
      { "/Foo", "/foo", false }, { "/fo", "/foo", false }, { "//", "/", true },
      { "/foo//bar", "/foo/", true }, { "/%66oo", "/foo", false }, { "/f.o", "/foo", false },
      { "/foo", "/f%oo", false },
    } do
      assert.equal(case[3], cookies.path_matches(case[1], case[2]), case[1] .. " " .. case[2])
    end
  end)

  it("of a request gives a default up to its last slash", function()
    for path, expected in pairs {
      ["/"] = "/", ["/a"] = "/", ["/a/"] = "/a", ["/a/b"] = "/a", ["/a/b/"] = "/a/b",
      ["//"] = "/", ["//a"] = "/", ["/a//b"] = "/a/", ["/a/b?c"] = "/a",
    } do
      assert.equal(expected, cookies.default_path(path), path)
    end
  end)
end)

describe("the place of a request", function()
  local function place(url, is_relayed)
    return cookies.place(assert(plan.parse(url)), is_relayed)
  end

  it("has the host in lower case without a dot at its end, and the path without query", function()
    for url, expected in pairs {
      ["http://Site.EXAMPLE"] = "site.example/", ["http://site.example./a?b/c"] = "site.example/a",
      ["https://site.example:8443/a/b"] = "site.example/a/b", ["http://[::1]/"] = "::1/",
  ["http+unix://%2Frun%2Fa%20b.sock/x"] = "%2frun%2fa%20b.sock/x",
      ["http+unix://%2frun%2Fa%20%62.sock/x"] = "%2frun%2fa%20b.sock/x",
      ["http+unix://%2FRun/x"] = "%2f%52un/x",
    } do
      local found = place(url)
      assert.equal(expected, found.host .. found.path)
    end
  end)

  it("is secure over TLS and within this machine", function()
    for url, expected in pairs {
      ["https://site.example"] = true, ["http://site.example"] = false,
      ["http://localhost"] = true, ["http://127.1.2.3"] = true, ["http://[::1]"] = true,
      ["http://[::2]"] = false, ["http://128.0.0.1"] = false, ["http://a.localhost"] = false,
      ["http://localhost.site.example"] = false, ["http+unix://%2Frun%2Fx/"] = true,
      ["http://127.0.0.1.site.example"] = false,
    } do
      assert.equal(expected, place(url).is_secure, url)
    end
    assert.is_false(place("http://localhost", true).is_secure)
    assert.is_true(place("https://site.example", true).is_secure)
  end)
end)

describe("a complete cookie", function()
  local function fault(changes)
    local cookie = { name = "a", value = "b", domain = "site.example", host_only = true, path = "/",
      secure = false, http_only = false }
    for name, value in pairs(changes) do cookie[name] = value end
    return cookies.fault(cookie)
  end

  it("is kept if it keeps what its prefix promises, in any case of letters", function()
    assert.is_nil(fault {})
    for _, prefix in ipairs { "__Secure-", "__secure-", "__SECURE-" } do
      assert.equal("__Secure- needs secure", fault { name = prefix .. "x" })
      assert.is_nil(fault { name = prefix .. "x", secure = true, host_only = false, path = "/x" })
    end
    for _, prefix in ipairs { "__Host-", "__host-", "__hOST-" } do
      local needed = "__Host- needs secure, host_only and the path /"
      assert.equal(needed, fault { name = prefix .. "x" })
      assert.equal(needed, fault { name = prefix .. "x", secure = true, host_only = false })
      assert.equal(needed, fault { name = prefix .. "x", secure = true, path = "/x" })
      assert.is_nil(fault { name = prefix .. "x", secure = true })
    end
    for _, value in ipairs { "__Host-x=y", "__secure-x=y", "__HOST-", "__Secure-" } do
      assert.is_truthy(fault { name = "", value = value, secure = true })
      assert.is_nil(fault { name = "x", value = value })
    end
    assert.equal("same_site None needs secure", fault { same_site = "None" })
    assert.is_nil(fault { same_site = "None", secure = true })
  end)

  it("is refused for what could not stand in a line, without showing its value", function()
    for _, changes in ipairs {
      { name = "", value = "" }, { name = "a=" }, { name = "a;" }, { value = "secret; Path=/" },
      { value = "secret\r\nX: y" }, { name = "a\0" }, { value = " secret" }, { value = "secret\t" },
      { value = ("secret"):rep(700) }, { domain = "" }, { domain = "a b" }, { domain = "a..b" },
      { domain = ".a" }, { domain = "\xC3\xA9.example" }, { domain = "a\tb" },
      { domain = ("d"):rep(1025) }, { path = "" }, { path = "x" }, { path = "/a;b" },
      { path = "/\n" }, { path = "/" .. ("p"):rep(1024) },
    } do
      local reason = fault(changes)
      assert.is_string(reason)
      assert.is_nil(reason:find("secret", 1, true))
    end
  end)
end)

describe("the value of Cookie", function()
  local function joined(own, ...)
    local list = {}
    for i, pair in ipairs { ... } do
      local name, value = pair:match "^(.-)=(.*)$"
      list[i] = { name = name, value = value }
    end
    return cookies.join(own, list)
  end

  it("has one pair for each cookie, and only the value of one without a name", function()
    assert.is_nil(joined(nil))
    assert.equal("a=b", joined(nil, "a=b"))
    assert.equal("a=b; c=; d", joined(nil, "a=b", "c=", "=d"))
  end)

  it("begins with the caller's own, whose names come from there alone", function()
    assert.equal("x=y", joined "x=y")
    assert.equal("x=y; a=b", joined("x=y", "a=b"))
    assert.equal("a=own; x=y; c=d", joined("a=own; x=y", "a=jar", "c=d", "x=jar"))
    assert.equal("token; a=b", joined("token", "=other", "a=b"))
  end)

  it("does not grow beyond 64 KiB", function()
    local list = {}
    for i = 1, 100 do list[i] = { name = "n" .. i, value = ("v"):rep(4000) } end
    local text = cookies.join(nil, list)
    assert.is_true(#text <= 65536 and #text > 60000)
    assert.equal("n1", text:match "^[^=]*")
  end)
end)
