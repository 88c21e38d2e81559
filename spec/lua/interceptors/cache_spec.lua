-- The private cache, over an origin that is another interceptor.

local date = require "sluice.date"
local sluice = require "sluice"
local support = require "spec.support"

describe("a cache", function()
  local before, client, cache, now, act, asked

  local function use(options)
    options = options or {}
    options.clock = function() return now end
    cache = sluice.interceptors.cache(options)
    client = support.client()
    client:use(cache)
    client:use { hop = function(request, forward)
      asked = asked + 1
      return act(request, forward)
    end }
  end

  before_each(function()
    before = support.snapshot(sluice)
    now, asked = 1700000000, 0
    use()
  end)

  after_each(function()
    client:close()
    cache:dispose()
    support.verify(sluice, before)
  end)

  --- An origin that answers with these fields and a numbered body.
  local function serve(headers, status)
    act = function(request)
      local all = { Date = date.format(now) }
      for name, value in pairs(headers) do all[name] = value end
      return request:answer { status = status or 200, headers = all, body = "body " .. asked }
    end
  end

  local function get(url, options, method)
    local response <close> = assert(client:request(method or "GET", url or "http://host.test/a",
      options))
    return response:text()
  end

  it("gives what is fresh without asking, with its age", function()
    serve { ["Cache-Control"] = "max-age=10", ["X-A"] = "1" }
    assert.equal("body 1", get())
    now = now + 9
    for _, is_stream in ipairs { false, true } do
      local response <close> = assert(client:get("http://host.test/a", { stream = is_stream }))
      assert.equal("body 1", response:text())
      assert.equal("9", response.headers.Age)
      assert.equal("1", response.headers["X-A"])
      assert.equal(200, response.status)
      assert.equal("http://host.test/a", response.url)
    end
    now = now + 1
    assert.equal("body 2", get())
    assert.equal("body 2", get())
    assert.same({ 2, 3, 2 }, { asked, cache:stats().hits, cache:stats().misses })
  end)

  it("holds bodies in the pool's memory, until it is cleared", function()
    local long = ("x"):rep(100000)
    act = function(request)
      return request:answer { status = 200, headers = { ["Cache-Control"] = "max-age=10" },
        body = long }
    end
    get()
    local held = sluice.stats().outstanding
    assert.is_true(held > 0)
    assert.is_true(cache:stats().bytes > 100000)
    assert.equal(long, get())
    assert.equal(held, sluice.stats().outstanding)
    cache:clear()
    assert.equal(0, sluice.stats().outstanding)
    assert.same({ 0, 0 }, { cache:stats().bytes, cache:stats().entries })
    get()
    assert.matches("^sluice.cache %(1 responses, 101%d%d%d bytes%)$", tostring(cache))
    cache:dispose()
    cache:dispose()
    assert.equal(0, sluice.stats().outstanding)
    get()
    assert.equal(0, cache:stats().entries)
    assert.equal("sluice.cache (disposed)", tostring(cache))
  end)

  it("keeps giving a body that it forgets meanwhile", function()
    serve { ["Cache-Control"] = "max-age=10" }
    get()
    local response <close> = assert(client:get "http://host.test/a")
    cache:clear()
    assert.equal("body 1", response:text())
  end)

  it("stays within its bounds", function()
    client:close()
    use { max_bytes = 20000, max_body = 5000, max_entries = 5 }
    act = function(request)
      local size = tonumber(request.url:match "%d+$")
      return request:answer { status = 200, headers = { ["Cache-Control"] = "max-age=10" },
        body = ("x"):rep(size) }
    end
    for size = 1000, 6000, 100 do
      get("http://host.test/" .. size)
      assert.is_true(cache:stats().bytes <= 20000)
      assert.is_true(cache:stats().entries <= 5)
    end
    assert.is_true(cache:stats().evictions > 0)
    asked = 0
    get "http://host.test/5000"
    get "http://host.test/6000"
    assert.equal(1, asked)
  end)

  -- ---- validation ----

  --- An origin whose tag changes with `state.tag`, and that answers 304 where it is the same.
  local function serve_validated(fields)
    local state = { tag = "\"1\"", seen = {} }
    act = function(request)
      local tag = request:get_header "If-None-Match"
      state.seen[#state.seen + 1] = tag or "none"
      local headers = { Date = date.format(now), ETag = state.tag,
        ["Cache-Control"] = "max-age=10" }
      for name, value in pairs(fields or {}) do headers[name] = value end
      if tag == state.tag then
        headers["X-New"] = "yes"
        headers["Content-Type"] = "text/wrong"
        return request:answer { status = 304, headers = headers }
      end
      headers["Content-Type"] = "text/plain"
      headers["X-Kept"] = "kept"
      return request:answer { status = 200, headers = headers, body = "body " .. asked }
    end
    return state
  end

  it("validates what is stale by its tag, and brings it up to date by a 304", function()
    local state = serve_validated()
    assert.equal("body 1", get())
    now = now + 20
    for _, is_stream in ipairs { false, true } do
      local response <close> = assert(client:get("http://host.test/a", { stream = is_stream }))
      assert.equal("body 1", response:text())
      assert.equal(200, response.status)
      assert.equal("yes", response.headers["X-New"])
      assert.same({ "yes" }, response.headers:all "X-New")
      assert.equal("text/plain", response.headers["Content-Type"])
      assert.equal("kept", response.headers["X-Kept"])
      assert.equal("0", response.headers.Age)
      now = now + 20
    end
    assert.same({ "none", "\"1\"", "\"1\"" }, state.seen)
    state.tag = "\"2\""
    assert.equal("body 4", get())
    assert.equal("body 4", get())
    local stats = cache:stats()
    assert.same({ 1, 2, 1, 2 }, { stats.entries, stats.validated, stats.hits, stats.misses })
  end)

  it("validates by the date of the last change where there is no tag", function()
    local modified = date.format(now - 10000)
    act = function(request)
      local headers = { ["Last-Modified"] = modified, Date = date.format(now) }
      if request:get_header "If-Modified-Since" == modified then
        return request:answer { status = 304, headers = headers }
      end
      return request:answer { status = 200, headers = headers, body = "body " .. asked }
    end
    get()
    now = now + 999
    assert.equal("body 1", get()) -- a tenth of its age: fresh
    assert.equal(1, asked)
    for i = 2, 3 do
      now = now + 2000
      assert.equal("body 1", get())
      assert.equal(i, asked)
    end
  end)

  it("forgets last what it has just given or validated", function()
    for _, seconds in ipairs { 1, 20 } do
      client:close()
      cache:dispose()
      use { max_entries = 2 }
      serve_validated()
      get "http://host.test/a"
      get "http://host.test/b"
      now = now + seconds
      get "http://host.test/a"
      get "http://host.test/c" -- takes the place of b
      asked = 0
      get "http://host.test/a"
      assert.equal(0, asked)
    end
  end)

  it("takes the age of a 304, and forgets what it says not to store", function()
    local fields = { Age = "3" }
    serve_validated(fields)
    get()
    now = now + 20
    local response <close> = assert(client:get "http://host.test/a")
    assert.equal("3", response.headers.Age)
    fields["Cache-Control"] = "no-store"
    now = now + 20
    assert.equal("body 1", get())
    assert.same({ 3, 0 }, { asked, cache:stats().entries })
  end)

  it("does not believe a 304 of another tag", function()
    serve_validated()
    get()
    now = now + 20
    act = function(request)
      if request:get_header "If-None-Match" then
        return request:answer { status = 304, headers = { ETag = "\"other\"" } }
      end
      return request:answer { status = 200, body = "again" }
    end
    assert.equal("again", get())
    assert.equal(3, asked)
  end)

  it("gives a failure of the server as it is, and keeps what it has", function()
    local state = serve_validated()
    get()
    now = now + 20
    local serving = act
    act = function(request) return request:answer { status = 503, body = "busy" } end
    assert.equal("busy", get())
    act = function() return nil, "no", { code = "connect" } end
    assert.same({ nil, "no", { code = "connect" } }, { client:get "http://host.test/a" })
    act = serving
    assert.equal("body 1", get())
    assert.equal("\"1\"", state.seen[#state.seen])
  end)

  it("may be cleared while it validates", function()
    serve_validated()
    get()
    now = now + 20
    local serving = act
    act = function(request)
      cache:clear()
      return serving(request)
    end
    assert.equal("body 1", get())
    assert.equal(0, cache:stats().entries)
  end)

  -- ---- what is kept apart ----

  it("keeps variants apart by the fields that Vary names", function()
    act = function(request)
      return request:answer { status = 200, headers = { ["Cache-Control"] = "max-age=10",
        Vary = "Accept-Language, X" }, body = request:get_header "Accept-Language" or "none" }
    end
    for _ = 1, 2 do
      for _, language in ipairs { "en", "de" } do
        assert.equal(language, get(nil, { headers = { ["Accept-Language"] = language } }))
      end
      assert.equal("none", get())
    end
    assert.equal(3, asked)
    assert.equal("en", get(nil, { headers = { ["Accept-Language"] = "en", X = "1" } }))
    assert.equal(4, asked)
  end)

  it("keeps users apart, by whatever they are named", function()
    act = function(request)
      return request:answer { status = 200, headers = { ["Cache-Control"] = "max-age=10" },
        body = "body " .. asked }
    end
    local users = {
      {}, { headers = { Authorization = "Bearer a" } },
      { headers = { Authorization = "Bearer b" } },
      { headers = { Cookie = "id=a" } }, { headers = { Cookie = "id=b" } },
      { headers = { { "X-Key", "a", secret = true } } },
      { headers = { { "X-Key", "b", secret = true } } },
      { auth = { "a", "b" } }, { auth = { "a", "c" } }, { auth = { bearer = "a" } },
      { auth = { digest = { "a", "b" } } }, { auth = { digest = { "a", "c" } } },
      { auth = function() return "a" end }, { auth = function() return "b" end },
    }
    for i = 1, 2 do
      for j, options in ipairs(users) do
        assert.equal("body " .. j, get(nil, options), i)
      end
    end
    local count = #users
    assert.equal("body " .. count + 1, get "http://u:p@host.test/a")
    assert.equal("body " .. count + 2, get "http://u:q@host.test/a")
    assert.equal("body " .. count + 1, get "http://u:p@host.test/a")
  end)

  it("knows a user of digest credentials by name and password, not by their table", function()
    act = function(request)
      return request:answer { status = 200, headers = { ["Cache-Control"] = "max-age=10" },
        body = request.options.auth.digest[1] }
    end
    for i = 1, 200 do
      local user = "user" .. i
      assert.equal(user, get(nil, { auth = { digest = { user, "p" } } }))
      assert.equal(user, get(nil, { auth = { digest = { user, "p" } } }))
      collectgarbage() -- the next table may be where this one was
    end
    assert.equal(200, asked)
  end)

  it("keeps clients apart, and bodies that are not decoded", function()
    serve { ["Cache-Control"] = "max-age=10" }
    get()
    local other <close> = support.client()
    other:use(cache)
    other:use { hop = function(request) return request:answer { status = 200, body = "other" } end }
    local response <close> = assert(other:get "http://host.test/a")
    assert.equal("other", response:text())
    assert.equal("body 2", get(nil, { decompress = false }))
  end)

  it("keeps jars of cookies apart, and nothing that varies by what they add", function()
    local jars = { sluice.cookie_jar(), sluice.cookie_jar() }
    serve { ["Cache-Control"] = "max-age=10" }
    for _ = 1, 2 do
      for i, jar in ipairs(jars) do assert.equal("body " .. i, get(nil, { cookies = jar })) end
    end
    for i, jar in ipairs(jars) do
      assert.equal("body " .. 2 + i, get(nil, { cookies = jar, auth = { "a", "b" } }))
    end
    asked = 2
    serve { ["Cache-Control"] = "max-age=10", Vary = "Cookie" }
    assert.equal("body 3", get("http://host.test/b", { cookies = jars[1] }))
    assert.equal("body 4", get("http://host.test/b", { cookies = jars[1] }))
    assert.equal("body 5", get("http://host.test/b"))
    assert.equal("body 5", get("http://host.test/b"))
  end)

  it("takes two spellings of a URL for one", function()
    serve { ["Cache-Control"] = "max-age=10" }
    get "http://host.test/a"
    for _, url in ipairs { "HTTP://HOST.test:80/a", "http://host.test/a#part" } do
      assert.equal("body 1", get(url))
    end
    assert.equal("body 2", get "http://host.test/a?")
  end)

  it("answers HEAD from what GET has brought", function()
    serve { ["Cache-Control"] = "max-age=10" }
    get()
    assert.equal("", get(nil, nil, "HEAD"))
    assert.equal(1, asked)
    now = now + 20
    get(nil, nil, "HEAD")
    assert.equal(2, asked)
    assert.equal("body 3", get())
  end)

  -- ---- what is not kept ----

  for name, case in pairs {
    ["a POST"] = { { ["Cache-Control"] = "max-age=10" }, { body = "x" }, "POST" },
    ["a GET with a body"] = { { ["Cache-Control"] = "max-age=10" }, { body = "x" } },
    ["part of a body"] = { { ["Cache-Control"] = "max-age=10" },
      { headers = { Range = "bytes=0-1" } } },
    ["an answer to a condition of the caller's"] = { { ["Cache-Control"] = "max-age=10" },
      { headers = { ["If-None-Match"] = "\"x\"" } } },
    ["what must not be stored"] = { { ["Cache-Control"] = "no-store, max-age=10" } },
    ["what the request does not let it"] = { { ["Cache-Control"] = "max-age=10" },
      { headers = { ["Cache-Control"] = "no-store" } } },
    ["a streamed body"] = { { ["Cache-Control"] = "max-age=10" }, { stream = true } },
    ["what varies by everything"] = { { ["Cache-Control"] = "max-age=10", Vary = "*" } },
  } do
    it("does not keep " .. name, function()
      serve(case[1])
      get(nil, case[2], case[3])
      get(nil, case[2], case[3])
      assert.equal(2, asked)
      assert.equal(0, cache:stats().entries)
    end)
  end

  it("keeps no cookies that are set, and no fields of the connection", function()
    serve { ["Cache-Control"] = "max-age=10", ["Set-Cookie"] = "a=b", ["Keep-Alive"] = "5",
      ["Proxy-Authenticate"] = "Basic", ["X-A"] = "1", Connection = "X-Hop, Close",
      ["X-Hop"] = "1" }
    get()
    local response <close> = assert(client:get "http://host.test/a")
    for _, name in ipairs { "Set-Cookie", "Keep-Alive", "Proxy-Authenticate", "X-Hop",
      "Connection" } do
      assert.is_nil(response.headers[name])
    end
    assert.equal("1", response.headers["X-A"])
  end)

  it("dates what has no Date", function()
    act = function(request)
      return request:answer { status = 200, headers = { { "Cache-Control", "max-age=10" },
        { "X-A", "1" }, { "X-B", "2" } }, body = "x" }
    end
    get()
    now = now + 5
    local response <close> = assert(client:get "http://host.test/a")
    local headers = response.headers
    assert.same({ date.format(now - 5), "max-age=10", "1", "2", "5" },
      { headers.Date, headers["Cache-Control"], headers["X-A"], headers["X-B"], headers.Age })
  end)

  it("asks each time for what says no-cache, and for a request that does", function()
    serve { ["Cache-Control"] = "max-age=10" }
    get()
    for _, fields in ipairs { { ["Cache-Control"] = "no-cache" }, { Pragma = "no-cache" },
      { ["Cache-Control"] = "max-age=0" } } do
      now = now + 1
      local count = asked
      get(nil, { headers = fields })
      assert.equal(count + 1, asked)
    end
  end)

  it("answers only-if-cached by itself", function()
    serve { ["Cache-Control"] = "max-age=10" }
    local only = { headers = { ["Cache-Control"] = "only-if-cached" } }
    local response <close> = assert(client:get("http://host.test/a", only))
    assert.equal(504, response.status)
    assert.equal(0, asked)
    get()
    assert.equal("body 1", get(nil, only))
  end)

  -- ---- invalidation ----

  it("forgets what an unsafe request may have changed", function()
    serve { ["Cache-Control"] = "max-age=1000" }
    local function fill()
      for _, path in ipairs { "a", "b", "c" } do get("http://host.test/" .. path) end
      get "http://other.test/d"
      return cache:stats().entries
    end
    local changed = { status = 201, headers = { Location = "/b", ["Content-Location"] =
      "http://other.test/d" } }
    for _, method in ipairs { "POST", "PUT", "PATCH", "DELETE", "ODD" } do
      assert.equal(4, fill())
      local serving = act
      act = function(request) return request:answer(changed) end
      get("http://host.test/a", nil, method)
      assert.equal(2, cache:stats().entries, method)
      act = serving
    end
    fill()
    act = function(request) return request:answer { status = 500 } end
    get("http://host.test/a", nil, "POST")
    act = function() return nil, "no", { code = "closed" } end
    client:post "http://host.test/a"
    act = function(request) return request:answer { status = 200 } end
    get("http://host.test/a", nil, "OPTIONS")
    assert.equal(4, cache:stats().entries)
  end)

  -- ---- beside others ----

  it("is used by many tasks at once", function()
    act = function(request)
      sluice.sleep(0.001)
      return request:answer { status = 200, headers = { ["Cache-Control"] = "max-age=10",
        ETag = "\"a\"" }, body = request.url }
    end
    sluice.run(function()
      local tasks = {}
      for i = 1, 200 do
        tasks[i] = sluice.spawn(function()
          local url = "http://host.test/" .. i % 7
          if i % 50 == 0 then cache:clear() end
          if i % 30 == 0 then now = now + 11 end
          assert.equal(url, (get(url)))
        end)
      end
      sluice.all(tasks)
    end)
    assert.is_true(cache:stats().entries <= 7)
  end)

  it("passes on values of an interceptor's own, and errors", function()
    act = function() return { own = true } end
    assert.is_true(client:get("http://host.test/a").own)
    act = function() error "broken" end
    assert.error_matches(get, "broken")
    act = function(request) return request:failure("invalid", "no URL") end
    local none, _, err = client:get "no url"
    assert.is_nil(none)
    assert.is_truthy(err)
  end)

  it("raises for options that are none", function()
    assert.error_matches(function() sluice.interceptors.cache { size = 5 } end,
      "unknown option 'size'")
    assert.error_matches(function() sluice.interceptors.cache { max_bytes = 0 } end,
      "cache: option 'max_bytes': integer above zero expected, got 0")
  end)
end)
