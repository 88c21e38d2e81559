-- A jar of cookies: what it takes from a response (RFC 6265bis 5.7), what it gives to a request
-- (5.8.3), and what a program does with it. None of it needs a server.
-- Runs once.

local cookies = require "sluice.cookies.cookie"
local plan = require "sluice.plan"
local sluice = require "sluice"

local NOW = 1700000000

describe("a jar", function()
  local jar, list_path
  local now, time = NOW, os.time

  setup(function()
    list_path = os.tmpname()
    local file <close> = assert(io.open(list_path, "w"))
    file:write "com\nexample\nco.uk\nuk\n*.ck\n!www.ck\ngithub.example\n"
  end)
  teardown(function() os.remove(list_path) end)

  before_each(function()
    now = NOW
    rawset(os, "time", function() return now end)
    jar = assert(sluice.cookie_jar { suffixes = list_path })
  end)
  after_each(function() rawset(os, "time", time) end)

  local function receive(url, ...)
    jar:receive(cookies.place(assert(plan.parse(url))), { ... })
  end

  --- The value of Cookie for a request to that URL, "" for none.
  local function sent(url)
    return cookies.join(nil, (jar:matching(cookies.place(assert(plan.parse(url)))))) or ""
  end

  --- A jar in which each line was received from the URL alone.
  local function check(cases)
    for _, case in ipairs(cases) do
      jar:clear()
      receive(case[1], case[2])
      for i = 3, #case, 2 do
        assert.equal(case[i + 1], sent(case[i]), table.concat({ case[1], case[2], case[i] }, " "))
      end
    end
  end

  -- ---- domains ----

  it("gives a cookie to the host that set it, and with a Domain to hosts below that", function()
    check {
      { "http://www.site.com/", "a=b", "http://www.site.com/", "a=b", "http://site.com/", "",
        "http://x.www.site.com/", "", "http://other.com/", "", "https://www.site.com/", "a=b",
        "http://www.site.com:8080/", "a=b", "http://WWW.site.com./", "a=b" },
      { "http://www.site.com/", "a=b; domain=www.site.com", "http://www.site.com/", "a=b",
        "http://x.www.site.com/", "a=b", "http://site.com/", "", "http://ywww.site.com/", "" },
      { "http://www.site.com/", "a=b; domain=.SITE.com", "http://site.com/", "a=b",
        "http://www.site.com/", "a=b", "http://x.y.site.com/", "a=b", "http://notsite.com/", "" },
      { "http://www.site.com/", "a=b; domain=other.com", "http://www.site.com/", "",
        "http://other.com/", "" },
      { "http://www.site.com/", "a=b; domain=x.www.site.com", "http://www.site.com/", "",
        "http://x.www.site.com/", "" },
      { "http://www.site.com/", "a=b; domain=site.com; domain=", "http://www.site.com/", "a=b",
        "http://site.com/", "" },
      { "http://www.site.com/", "a=b; domain=site.com.", "http://www.site.com/", "" },
      { "http://www.site.com/", "a=b; domain=..site.com", "http://www.site.com/", "" },
    }
  end)

  it("takes no cookie for a public suffix, but from the suffix itself for itself", function()
    check {
      { "http://site.com/", "a=b; domain=com", "http://site.com/", "", "http://com/", "" },
      { "http://a.site.co.uk/", "a=b; domain=co.uk", "http://a.site.co.uk/", "" },
      { "http://a.site.co.uk/", "a=b; domain=site.co.uk", "http://site.co.uk/", "a=b" },
      { "http://a.foo.ck/", "a=b; domain=foo.ck", "http://a.foo.ck/", "" },
      { "http://a.www.ck/", "a=b; domain=www.ck", "http://b.www.ck/", "a=b" },
      { "http://github.example/", "a=b; domain=github.example", "http://github.example/", "a=b",
        "http://user.github.example/", "" },
      { "http://user.github.example/", "a=b; domain=github.example",
        "http://user.github.example/", "" },
      { "http://a.unknown/", "a=b; domain=unknown", "http://a.unknown/", "" },
      { "http://localhost/", "a=b; domain=localhost", "http://localhost/", "a=b",
        "http://x.localhost/", "" },
    }
  end)

  it("matches addresses and unix sockets only with themselves", function()
    check {
      { "http://127.0.0.1/", "a=b; domain=127.0.0.1", "http://127.0.0.1/", "a=b" },
      { "http://127.0.0.1/", "a=b; domain=0.0.1", "http://127.0.0.1/", "" },
      { "http://127.0.0.1/", "a=b", "http://1.127.0.0.1.com/", "", "http://127.0.0.2/", "" },
      { "http://[::1]/", "a=b; domain=::1", "http://[::1]/", "a=b", "http://[0::1]/", "" },
      { "http://[::1]/", "a=b; domain=[::1]", "http://[::1]/", "" },
      { "http+unix://%2Frun%2Fa.sock/", "a=b", "http+unix://%2Frun%2Fa.sock/x", "a=b",
        "http+unix://%2frun%2Fa%2Esock/", "a=b", "http+unix://%2Frun%2Fb.sock/", "",
        "http://localhost/", "" },
      { "http+unix://%2Frun%2Fa.sock/", "a=b; domain=sock", "http+unix://%2Frun%2Fa.sock/", "" },
      { "http://localhost/", "a=b", "http+unix://%2Frun%2Fa.sock/", "" },
    }
  end)

  it("without a list of suffixes keeps a cookie with a Domain for its host alone", function()
    jar = assert(sluice.cookie_jar { suffixes = false })
    check {
      { "http://www.site.com/", "a=b; domain=site.com", "http://www.site.com/", "a=b",
        "http://site.com/", "", "http://x.www.site.com/", "" },
      { "http://www.site.com/", "a=b; domain=com", "http://www.site.com/", "a=b",
        "http://com/", "" },
      { "http://www.site.com/", "a=b; domain=other.com", "http://www.site.com/", "",
        "http://other.com/", "" },
    }
  end)

  it("asks the list again when it gives cookies: what has become a suffix is for itself", function()
    receive("http://a.site.com/", "a=b; domain=site.com", "c=d; domain=a.site.com")
    assert.equal("a=b; c=d", sent "http://a.site.com/")
    jar.suffixes.rules["site.com"] = true
    assert.equal("c=d", sent "http://a.site.com/")
    assert.equal("a=b", sent "http://site.com/")
  end)

  it("knows the list of libpsl where the core was built with it", function()
    local core = require "sluice.core"
    jar = assert(sluice.cookie_jar())
    receive("http://a.site.co.uk/", "a=b; domain=site.co.uk", "c=d; domain=co.uk")
    local below = core.public_suffixes and "a=b" or ""
    assert.equal(below, sent "http://b.site.co.uk/")
    assert.equal(core.public_suffixes and "a=b" or "a=b; c=d", sent "http://a.site.co.uk/")
  end)

  -- ---- paths ----

  it("gives a cookie to the paths at and below its own", function()
    check {
      { "http://site.com/a/b", "a=b", "http://site.com/a", "a=b", "http://site.com/a/", "a=b",
        "http://site.com/a/c?d", "a=b", "http://site.com/ab", "", "http://site.com/", "" },
      { "http://site.com/a/b/?x=/y/z", "a=b", "http://site.com/a/b", "a=b",
        "http://site.com/a/c", "" },
      { "http://site.com", "a=b", "http://site.com/x/y", "a=b" },
      { "http://site.com/a", "a=b; path=/x/", "http://site.com/x/y", "a=b",
        "http://site.com/x", "", "http://site.com/a", "" },
      { "http://site.com/a/b", "a=b; path=x", "http://site.com/a", "a=b" },
      { "http://site.com/a/b", "a=b; path=/A", "http://site.com/a", "" },
    }
  end)

  it("takes no cookie whose default path is longer than an attribute may be", function()
    receive("http://site.com/" .. ("p"):rep(1100) .. "/x", "a=b", "c=d; path=/")
    assert.equal("c=d", sent("http://site.com/" .. ("p"):rep(1100) .. "/x"))
  end)

  it("sends longer paths first, then older cookies, and one replaced keeps its age", function()
    receive("http://site.com/", "a=1", "b=2; path=/x", "c=3; path=/x/y", "d=4", "e=5; path=/x")
    assert.equal("c=3; b=2; e=5; a=1; d=4", sent "http://site.com/x/y")
    receive("http://site.com/", "a=9", "b=; path=/x")
    assert.equal("c=3; b=; e=5; a=9; d=4", sent "http://site.com/x/y")
    receive("http://site.com/", "a=9; max-age=0", "a=7")
    assert.equal("d=4; a=7", sent "http://site.com/")
  end)

  -- ---- secure ----

  it("takes and gives secure cookies over TLS and within this machine alone", function()
    check {
      { "https://site.com/", "a=b; secure", "https://site.com/", "a=b", "http://site.com/", "",
        "https://site.com:8443/", "a=b" },
      { "http://site.com/", "a=b; secure", "https://site.com/", "" },
      { "http://localhost/", "a=b; secure", "http://localhost/", "a=b" },
      { "http://127.0.0.1/", "a=b; secure", "http://127.0.0.1:81/", "a=b" },
      { "http+unix://%2Fx/", "a=b; secure", "http+unix://%2Fx/", "a=b" },
    }
    local relayed = cookies.place(assert(plan.parse "http://localhost/"), true)
    receive("http://localhost/", "a=b; secure")
    assert.same({}, (jar:matching(relayed)))
    jar:receive(relayed, { "c=d; secure" })
    assert.equal("a=b", sent "http://localhost/")
  end)

  it("lets no insecure response put a cookie before or over a secure one", function()
    receive("https://www.site.com/", "a=safe; secure; path=/login; domain=site.com")
    -- the same, hosts above and below, and longer paths
    receive("http://www.site.com/", "a=bad; path=/login; domain=site.com",
      "a=bad; path=/login", "a=bad; path=/login/en", "a=bad; path=/login/; domain=site.com")
    receive("http://x.www.site.com/", "a=bad; path=/login")
    receive("http://site.com/", "a=bad; path=/login")
    assert.equal("a=safe", sent "https://www.site.com/login/en/x")
    assert.equal("", sent "http://x.www.site.com/login")
    -- other names, shorter paths, other hosts; and what comes safely
    receive("http://www.site.com/", "A=1; path=/login", "a=2; path=/", "a=3; path=/log")
    receive("http://other.com/", "a=4; path=/login")
    assert.equal("a=safe; A=1; a=2", sent "https://www.site.com/login")
    assert.equal("a=4", sent "http://other.com/login")
    receive("https://www.site.com/", "a=5; path=/login; domain=site.com")
    assert.equal("a=5; A=1; a=2", sent "http://www.site.com/login")
    -- a secure one of the host is in the way of one for all hosts above it
    jar:clear()
    receive("https://www.site.com/", "a=safe; secure")
    receive("http://site.com/", "a=bad; domain=site.com")
    assert.equal("a=safe", sent "https://www.site.com/")
  end)

  -- ---- prefixes and SameSite ----

  it("takes cookies with a prefix only as that promises", function()
    check {
      { "https://a.site.com/", "__Secure-x=y; secure; domain=site.com", "https://site.com/",
        "__Secure-x=y" },
      { "https://site.com/", "__SeCuRe-x=y", "https://site.com/", "" },
      { "http://site.com/", "__Secure-x=y; secure", "https://site.com/", "" },
      { "https://site.com/", "__Host-x=y; secure; path=/", "https://site.com/", "__Host-x=y" },
      { "https://site.com/", "__host-x=y; secure; path=/; domain=", "https://site.com/",
        "__host-x=y" },
      { "https://site.com/", "__Host-x=y; secure", "https://site.com/", "" },
      { "https://site.com/", "__Host-x=y; path=/", "https://site.com/", "" },
      { "https://site.com/", "__HOST-x=y; secure; path=/x", "https://site.com/x", "" },
      { "https://site.com/", "__Host-x=y; secure; path=/; domain=site.com",
        "https://site.com/", "" },
      { "https://site.com/", "=__Host-x=y; secure; path=/", "https://site.com/", "" },
      { "https://site.com/", "__host-x; secure; path=/", "https://site.com/", "" },
      { "https://site.com/", " =__SECURE-x=y; secure", "https://site.com/", "" },
      { "https://site.com/", "__Hostx=y; path=/x", "https://site.com/x", "__Hostx=y" },
    }
  end)

  it("keeps SameSite; None needs Secure. Each request counts as one of the same site", function()
    check {
      { "https://site.com/", "a=b; samesite=strict", "https://site.com/", "a=b" },
      { "https://site.com/", "a=b; samesite=none", "https://site.com/", "" },
      { "https://site.com/", "a=b; samesite=none; secure", "https://site.com/", "a=b" },
      { "http://site.com/", "a=b; samesite=none; samesite=x", "http://site.com/", "a=b" },
    }
    receive("http://site.com/", "c=d; samesite=LAX")
    local last
    for cookie in jar:cookies() do last = cookie end
    assert.equal("Lax", last.same_site)
  end)

  -- ---- ends ----

  it("removes what has ended by the clock of the system", function()
    receive("http://site.com/", "a=b; max-age=10", "c=d", "e=f; max-age=-1",
      "g=h; expires=Tue, 14 Nov 2023 22:13:40 GMT")
    assert.equal("a=b; c=d; g=h", sent "http://site.com/")
    now = NOW + 10
    assert.equal("c=d; g=h", sent "http://site.com/")
    assert.equal(2, #jar)
    now = NOW + 20
    assert.equal(1, #jar)
    receive("http://site.com/", "c=; expires=Thu, 01 Jan 1970 00:00:00 GMT")
    assert.equal(0, #jar)
  end)

  it("has 50 cookies of a domain and 3000 in all", function()
    for i = 1, 100 do receive("http://site.com/", ("n%d=v"):format(i)) end
    assert.equal(50, #jar)
    assert.matches("^n51=v; ", sent "http://site.com/")
    assert.equal("n60=v", sent("http://site.com/"):match "n60=v")
    for i = 1, 4000 do receive(("http://h%d.com/"):format(i % 100), ("n%d=v"):format(i)) end
    assert.equal(3000, #jar)
  end)

  it("takes floods and giants in a bounded time and memory", function()
    local began = os.clock()
    local lines = {}
    for i = 1, 256 do
      lines[i] = ("n%d=%s; path=/%s"):format(i, ("v"):rep(4000), (";"):rep(59000))
    end
    receive("http://site.com/", table.unpack(lines))
    assert.equal(50, #jar)
    for i = 1, 256 do lines[i] = ("n%d=%s"):format(i, ("v"):rep(65000)) end
    receive("http://site.com/", table.unpack(lines))
    assert.equal(50, #jar)
    assert.is_true(#sent "http://site.com/" <= 65536)
    assert.is_true(os.clock() - began < 20)
  end)

  it("is not slowed by many secure cookies of one name", function()
    for i = 1, 2900 do
      receive(("https://h%d.s%d.com/"):format(i, i), "session=safe; secure")
    end
    local began = os.clock()
    for i = 1, 256 do receive("http://site.com/", "session=" .. i) end
    assert.is_true(os.clock() - began < 10)
    assert.equal("session=256", sent "http://site.com/")
  end)

  it("keeps from any line only what could have been set and can be saved", function()
    local state = 7
    local function any(list)
      state = (state * 6364136223846793005 + 1442695040888963407) & math.maxinteger
      return list[(state >> 20) % #list + 1]
    end
    local pieces = { "a", "b", "__Host-", "__secure-", "=", "=", ";", "; ", " ", "\t", "\0", "\127",
      "\xC3", "Path", "=/", "/x", "Domain", "=site.com", "=.com", "=a.site.com", "=127.0.0.1",
      "Secure", "HttpOnly", "SameSite", "=None", "Max-Age", "=0", "=9", "=-1", "Expires",
      "=Wed, 09 Jun 2031 10:18:14 GMT", "=Thu, 01 Jan 1970 00:00:00 GMT", ",", "\"", "%", "." }
    local urls = { "http://site.com/", "https://a.site.com/x/y", "http://127.0.0.1/", "http://com/",
      "https://site.com/x", "http+unix://%2Fx/a", "http://[::1]/", "http://a.b.site.com/x",
      "http+unix://%2FRun%2Fapp.sock/" }
    local counts = { 1, 2, 3, 5, 8, 13 }
    for _ = 1, 20000 do
      local line = {}
      for i = 1, any(counts) do line[i] = any(pieces) end
      receive(any(urls), table.concat(line))
    end
    local count, list = 0, {}
    for cookie in jar:cookies() do
      assert.is_nil(cookies.fault(cookie))
      count = count + 1
      if not (cookie.name .. cookie.value .. cookie.path):find "\t" then
        cookie.same_site = nil
        list[#list + 1] = cookie
      end
    end
    assert.is_true(count > 100)
    for _, url in ipairs(urls) do assert.is_nil(sent(url):find "[\0-\8\10-\31\127]") end
    local path = os.tmpname()
    assert.same({ #list, count - #list }, { jar:save(path, { session = true }) })
    local other = assert(sluice.cookie_jar { suffixes = list_path })
    assert.equal(#list, other:load(path))
    os.remove(path)
    local i = 0
    for cookie in other:cookies() do
      i = i + 1
      assert.same(list[i], cookie)
    end
  end)

  -- ---- for programs ----

  it("takes cookies of the program, for a host alone or for hosts below it", function()
    assert.is_true(jar:set { name = "a", value = "b", domain = "Site.com" })
    assert.is_true(jar:set { name = "c", value = "d", domain = ".site.com", path = "/x" })
    assert.is_true(jar:set { name = "e", value = "f", domain = "site.com", host_only = false,
      secure = true, http_only = true, same_site = "Strict", expires = NOW + 5 })
    assert.equal("c=d; a=b", sent "http://site.com/x")
    assert.equal("c=d; e=f", sent "https://www.site.com/x")
    assert.equal("b", jar:get("http://site.com/", "a"))
    assert.is_nil(jar:get("http://site.com/", "e"))
    assert.equal("f", jar:get("https://www.site.com/", "e"))
    assert.is_true(jar:set { name = "a", value = "", domain = "site.com", expires = NOW - 1 })
    assert.is_nil(jar:get("http://site.com/", "a"))
    now = NOW + 5
    assert.is_nil(jar:get("https://www.site.com/", "e"))
    assert.is_true(jar:set { name = "x", value = "y", domain = "127.0.0.1" })
    assert.equal("y", jar:get("http://127.0.0.1/", "x"))
  end)

  it("gives its cookies as copies, which `set` takes, the oldest first", function()
    receive("https://www.site.com/a/b", "a=b; domain=site.com; secure; httponly; max-age=9",
      "c=d; samesite=lax")
    local list = {}
    for cookie in jar:cookies() do list[#list + 1] = cookie end
    assert.same({
      { name = "a", value = "b", domain = "site.com", host_only = false, path = "/a",
        secure = true, http_only = true, expires = NOW + 9 },
      { name = "c", value = "d", domain = "www.site.com", host_only = true, path = "/a",
        secure = false, http_only = false, same_site = "Lax" },
    }, list)
    list[1].value = "changed"
    assert.equal("a=b; c=d", sent "https://www.site.com/a")
    local other = assert(sluice.cookie_jar { suffixes = list_path })
    for cookie in jar:cookies() do assert(other:set(cookie)) end
    jar = other
    assert.equal("a=b; c=d", sent "https://www.site.com/a")
    for _ in jar:cookies() do jar:clear() end
    assert.equal(0, #jar)
  end)

  it("is cleared whole or by a domain", function()
    receive("http://www.site.com/", "a=b; domain=site.com", "c=d", "e=f")
    assert.equal(0, jar:clear "other.com")
    assert.equal(2, jar:clear "WWW.site.com")
    assert.equal("a=b", sent "http://www.site.com/")
    assert.equal(1, jar:clear ".site.com")
    receive("http://www.site.com/", "a=b")
    assert.equal(1, jar:clear())
    assert.equal("", sent "http://www.site.com/")
  end)

  it("shows no value in its text or in a message", function()
    receive("http://site.com/", "a=secret")
    assert.equal("sluice.cookie_jar (1)", tostring(jar))
    for _, changes in ipairs {
      { value = "secret;" }, { value = "secret\n" }, { name = "a;" }, { path = "x" },
      { domain = "a b" }, { name = "__Host-a" }, { value = ("secret"):rep(1000) },
    } do
      local cookie = { name = "a", value = "secret", domain = "site.com" }
      for key, value in pairs(changes) do cookie[key] = value end
      local none, message, err = jar:set(cookie)
      assert.is_nil(none)
      assert.equal("invalid", err.code)
      assert.matches("^cookie 'a?_?_?[aH;]?", message)
      assert.is_nil(message:find("secret", 1, true))
    end
  end)

  it("says why a cookie cannot be for the hosts below a domain", function()
    local function refusal(domain, of)
      local none, message, err = (of or jar):set { name = "a", value = "b", domain = domain }
      assert.is_nil(none)
      assert.equal("invalid", err.code)
      return message
    end
    assert.equal("cookie 'a': domain '.co.uk': it is a public suffix: cookies for all hosts below "
      .. "it are refused", refusal ".co.uk")
    assert.equal("cookie 'a': domain '.127.0.0.1': no host is below an address (host_only)",
      refusal ".127.0.0.1")
    assert.equal("cookie 'a': domain '.site.com': hosts below it need a list of public suffixes "
      .. "(cookie_jar{ suffixes = path })",
      refusal(".site.com", assert(sluice.cookie_jar { suffixes = false })))
  end)

  it("raises for misuse, naming what was wrong", function()
    local function raises(expected, f, ...)
      local ok, message = pcall(f, ...)
      assert.is_false(ok)
      assert.matches(expected, message, 1, true)
      assert.matches("^spec/lua/cookies/jar_spec.lua:%d+: ", message)
    end
    raises("cookie_jar: unknown option 'suffix': did you mean 'suffixes'?",
      function() sluice.cookie_jar { suffix = "x" } end)
    raises("cookie_jar: option 'suffixes': path or false expected, got boolean",
      function() sluice.cookie_jar { suffixes = true } end)
    raises("set: option 'domain': missing", function() jar:set { name = "a", value = "b" } end)
    raises("set: option 'value': string expected, got number",
      function() jar:set { name = "a", value = 1, domain = "x" } end)
    raises("set: unknown option 'url'", function() jar:set { url = "http://x/" } end)
    raises("set: option 'expires': integer of seconds since 1970 expected, got string",
      function() jar:set { name = "a", value = "b", domain = "x", expires = "never" } end)
    raises("set: option 'same_site': 'Strict' or 'Lax' or 'None' expected",
      function() jar:set { name = "a", value = "b", domain = "x", same_site = "lax" } end)
    raises("set: called without a jar: write jar:set(...), with a colon",
      function() jar.set { name = "a" } end)
    raises("get: url: string expected, got nil", function() jar:get(nil, "a") end)
    raises("get: name: string expected, got nil", function() jar:get "http://x/" end)
    raises("clear: domain: string expected, got table", function() jar:clear {} end)
    raises("load: path: string expected, got nil", function() jar:load() end)
    raises("save: unknown option 'sessions': did you mean 'session'?",
      function() jar:save("x", { sessions = true }) end)
    local none, message, err = jar:get("site.com", "a")
    assert.is_nil(none)
    assert.equal("invalid", err.code)
    assert.matches("^url: ", message)
    none, message, err = sluice.cookie_jar { suffixes = "/nowhere/list" }
    assert.is_nil(none)
    assert.equal("invalid", err.code)
    assert.matches("'/nowhere/list'", message, 1, true)
  end)

  -- ---- files ----

  it("is saved and loaded again, without what ends with the session unless that is asked for",
    function()
      local path = os.tmpname()
      receive("https://www.site.com/", "a=b; domain=site.com; secure; httponly; max-age=9",
        "session=s", "tab=x\ty; max-age=9", "gone=x; max-age=1")
      now = NOW + 2
      assert.same({ 1, 1 }, { jar:save(path) })
      local other = assert(sluice.cookie_jar { suffixes = list_path })
      assert.equal(1, other:load(path))
      assert.same({ 2, 1 }, { jar:save(path, { session = true }) })
      assert.equal(2, other:load(path))
      assert.equal(2, #other)
      jar = other
      assert.equal("a=b; session=s", sent "https://www.site.com/")
      assert.equal("a=b", sent "https://other.site.com/")
      assert.equal("session=s", sent "http://www.site.com/")
      now = NOW + 9
      assert.equal(1, jar:load(path)) -- what has expired is left out
      assert.equal("session=s", sent "https://www.site.com/")
      os.remove(path)
    end)

  it("stays as it was if a file has a line that is wrong", function()
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write("site.com\tFALSE\t/\tFALSE\t0\ta\tb\nsite.com\tFALSE\t/\tFALSE\t0\n")
    file:close()
    local none, message, err = jar:load(path)
    os.remove(path)
    assert.is_nil(none)
    assert.equal(("load '%s': line 2: 7 fields between tabs expected, got 5"):format(path), message)
    assert.equal("invalid", err.code)
    assert.equal(0, #jar)
  end)

  it("without a list gives a loaded cookie for hosts below a domain to that domain alone",
    function()
      local path = os.tmpname()
      receive("http://www.site.com/", "a=b; domain=site.com; max-age=9")
      jar:save(path)
      jar = assert(sluice.cookie_jar { suffixes = false })
      assert.equal(1, jar:load(path))
      assert.equal("a=b", sent "http://site.com/")
      assert.equal("", sent "http://www.site.com/")
      os.remove(path)
    end)
end)
