-- Cookies from one sending to the next: redirects, failures, hosts, proxies; and files that
-- another program writes and reads.

local Request = require "sluice.request"
local compose = require "sluice.compose"
local server = require "spec.support.server"
local sluice = require "sluice"
local support = require "spec.support"

local peer = support.peer
local request_head = { "expect_until", "\r\n\r\n" }

local function answer(lines, status)
  return ("HTTP/1.1 %s\r\n%sContent-Length: 2\r\n\r\nok"):format(status or "200 OK", lines or "")
end

local function set(...)
  local lines = {}
  for i, value in ipairs { ... } do lines[i] = "Set-Cookie: " .. value .. "\r\n" end
  return table.concat(lines)
end

describe("a client with cookies", function()
  local client, list_path
  local time = os.time

  setup(function()
    list_path = os.tmpname()
    local file <close> = assert(io.open(list_path, "w"))
    file:write "com\nexample\n"
  end)
  teardown(function() os.remove(list_path) end)

  -- All names lead here.
  local function new_client(options)
    options.resolver = function() return "127.0.0.1" end
    options.timeout = { first_byte = 60, idle = 60, connect = 60, resolve = 60 }
    return support.client(options)
  end

  local function new_jar() return assert(sluice.cookie_jar { suffixes = list_path }) end

  after_each(function() rawset(os, "time", time) end)
  support.verify_each(function(keep) client = keep(new_client { cookies = new_jar() }) end)

  --- A peer that answers the requests of each connection in turn: an array for each connection. The
  -- last answer of a connection is repeated, and the last connection.
  local function listen(...)
    local script = {}
    for i, answers in ipairs { ... } do
      script[i] = {}
      for k, bytes in ipairs(answers) do
        local last = k == #answers and #answers == 1
        table.insert(script[i], request_head)
        for _, step in ipairs(type(bytes) == "table" and bytes or { { "send", bytes } }) do
          table.insert(script[i], step)
        end
        if last then table.insert(script[i], { "loop" }) end
      end
      if #answers > 1 then table.insert(script[i], { "read_all" }) end
    end
    return peer.listen { script = script, repeat_last = true }
  end

  --- The Cookie of each request that came in, "" for none, by connection and in order.
  local function received(p)
    local list = {}
    for _, bytes in ipairs(p:received()) do
      for head in bytes:gmatch "(%u+ [^\r\n]+ HTTP/1.1\r\n.-\r\n\r\n)" do
        local _, count = head:gsub("\r\nCookie: ", "")
        assert.is_true(count <= 1, head)
        list[#list + 1] = head:match "\r\nCookie: ([^\r]*)" or ""
      end
    end
    return list
  end

  local function get(url, options)
    local response <close> = assert(client:get(url, options))
    return response.status
  end

  it("sends what it was sent, and one without sends nothing", function()
    local p <close> = listen { answer(set("a=b", "c=d; path=/x", "e=f; secure; max-age=9")) }
    get(p.url .. "/")
    get(p.url .. "/")
    get(p.url .. "/x")
    assert.same({ "", "a=b; e=f", "c=d; a=b; e=f" }, received(p))
    assert.equal("b", client.cookies:get(p.url .. "/", "a"))
    for _, off in ipairs { { cookies = false }, {} } do
      local other <close> = new_client(off)
      local q <close> = listen { answer(set "a=b") }
      for _ = 1, 2 do assert(other:get(q.url .. "/")):dispose() end
      assert.same({ "", "" }, received(q))
      assert.is_nil(other.cookies)
    end
    local own <close> = new_client { cookies = true }
    local r <close> = listen { answer(set "a=b") }
    for _ = 1, 2 do assert(own:get(r.url .. "/")):dispose() end
    assert.same({ "", "a=b" }, received(r))
    assert.equal("sluice.cookie_jar (1)", tostring(own.cookies))
  end)

  it("takes the short way of a plain GET and of JSON, with the line of each time", function()
    local p <close> = listen { answer(set "n=1"), answer(), answer(set "n=2"), answer(), answer() }
    for _ = 1, 5 do
      get(p.url .. "/")
      assert.is_truthy(client.direct.GET[p.url .. "/"])
    end
    assert.same({ "", "n=1", "n=1", "n=2", "n=2" }, received(p))
    local q <close> = listen { answer(set "j=1"), answer(set "j=2"), answer() }
    client.cookies:clear()
    for i = 1, 3 do assert(client:post(q.url .. "/", { json = { i } })):dispose() end
    assert.same({ "", "j=1", "j=2" }, received(q))
    assert.is_truthy(client.direct["POST json"][q.url .. "/"])
  end)

  it("sends no cookie whose time has come, on the short way either", function()
    local now = 1700000000
    rawset(os, "time", function() return now end)
    local p <close> = listen { answer(set("a=b; max-age=10", "c=d")), answer(), answer(), answer() }
    get(p.url .. "/")
    get(p.url .. "/")
    now = now + 9
    get(p.url .. "/")
    now = now + 1
    get(p.url .. "/")
    assert.same({ "", "a=b; c=d", "a=b; c=d", "c=d" }, received(p))
  end)

  it("takes cookies from every answer, whatever its status, and from each hop", function()
    local p <close> = listen { answer(set "a=1", "401 U"), answer(set "b=2", "404 N"),
      answer(set "c=3", "503 S"), answer(set "d=4" .. "Location: /x\r\n", "302 F"),
      answer(set "e=5" .. "Location: /y\r\n", "307 F"), answer(set "f=6"), answer() }
    for _, status in ipairs { 401, 404, 503, 200, 200 } do
      assert.equal(status, get(p.url .. "/"))
    end
    assert.same({ "", "a=1", "a=1; b=2", "a=1; b=2; c=3", "a=1; b=2; c=3; d=4",
      "a=1; b=2; c=3; d=4; e=5", "a=1; b=2; c=3; d=4; e=5; f=6" }, received(p))
  end)

  it("sends with each retry what the try before has set", function()
    local p <close> = listen { answer(set "a=1", "503 S"), answer(set("a=2", "b=3"), "503 S"),
      answer() }
    assert.equal(200, get(p.url .. "/", { retry = { tries = 2, delay = 0 } }))
    assert.same({ "", "a=1", "a=2; b=3" }, received(p))
  end)

  it("takes cookies from an answer that is a failure by its status", function()
    local p <close> = listen { answer(set "a=1", "404 N") }
    local none, _, err = client:get(p.url .. "/", { fail_status = true })
    assert.is_nil(none)
    assert.equal("status", err.code)
    err.response:dispose()
    assert.equal("1", client.cookies:get(p.url .. "/", "a"))
  end)

  it("takes cookies from a redirect that is not followed, or refused", function()
    local lines = set "a=1" .. "Location: http://x:y@z/\r\n"
    local p <close> = listen({ answer(lines, "302 F") })
    local none, _, err = client:get(p.url .. "/")
    assert.is_nil(none)
    assert.equal("redirect", err.code)
    assert.equal(302, get(p.url .. "/", { redirects = false }))
    assert.same({ "", "a=1" }, received(p))
  end)

  it("takes no cookies from interim answers and trailers", function()
    local p <close> = listen({ "HTTP/1.1 103 E\r\nSet-Cookie: i=1\r\n\r\nHTTP/1.1 200 OK\r\n"
      .. "Transfer-Encoding: chunked\r\nSet-Cookie: a=b\r\n\r\n0\r\nSet-Cookie: t=1\r\n\r\n" })
    get(p.url .. "/")
    get(p.url .. "/")
    assert.same({ "", "a=b" }, received(p))
  end)

  it("keeps lines apart, and what is no cookie changes nothing else", function()
    local p <close> = listen { answer(set("a=b, c=d", "=", "e=" .. ("f"):rep(4096), "",
      "g=h; domain=other.com", "i=j; path=/other", "k=\xFF", "l")), answer() }
    get(p.url .. "/")
    get(p.url .. "/")
    assert.same({ "", "a=b, c=d; k=\xFF; l" }, received(p))
  end)

  -- ---- failures ----

  -- Each comes behind a complete head.
  local broken = {
    ["closed"] = { "Content-Length: 5\r\n", { "send", "x" }, { "close" } },
    ["reset"] = { "Content-Length: 5\r\n", { "send", "x" }, { "reset" } },
    ["too long"] = { "Content-Length: 5000\r\n", { "send", ("x"):rep(5000) }, { "loop" } },
    ["malformed"] = { "Transfer-Encoding: chunked\r\n", { "send", "zz\r\n" }, { "stall" } },
    ["not decodable"] = { "Content-Encoding: gzip\r\nContent-Length: 50\r\n",
      { "send", ("x"):rep(50) }, { "stall" } },
    ["late"] = { "Content-Length: 5\r\n", { "send", "x" }, { "stall" } },
  }
  for name, case in pairs(broken) do
    for _, way in ipairs { "buffered", "streamed", "reported", "pushed", "from the short way" } do
      it(("takes cookies from the head of an answer whose body fails: %s, %s"):format(name, way),
        function()
          local head = ("HTTP/1.1 200 OK\r\n%s%s\r\n"):format(case[1], set "a=b")
          local script = { request_head, { "send", head }, table.unpack(case, 2) }
          local p <close> = peer.listen { script = { script } }
          local options = { limits = { body = 1000 }, timeout = { idle = 60 } }
          if name == "late" then options.timeout.idle = 0.3 end
          local own <close> = new_client { cookies = client.cookies, limits = options.limits }
          if way == "streamed" then options.stream = true end
          if way == "reported" then options.on_progress = function() end end
          if way == "pushed" then
            options.body = { read = function() return nil end, length = 0 }
          end
          local method = way == "pushed" and "PUT" or "GET"
          if way == "from the short way" then
            if name == "late" then return end
            options = nil
            assert(compose.plan(own, Request.new(own, "GET", p.url .. "/", nil, 1)))
            assert.is_truthy(own.direct.GET[p.url .. "/"])
          end
          local response, message
          if options then
            response, message = own:request(method, p.url .. "/", options)
          else
            response, message = own:get(p.url .. "/")
          end
          if way == "streamed" then
            assert.is_truthy(response, message)
            response:dispose()
          else
            assert.is_nil(response)
          end
          assert.equal("b", client.cookies:get(p.url .. "/", "a"))
        end)
    end
  end

  it("takes nothing from a head that did not come to its end", function()
    local p <close> = peer.listen { script = { { request_head,
      { "send", "HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\n" }, { "close" } } } }
    assert.is_nil((client:get(p.url .. "/")))
    assert.equal(0, #client.cookies)
  end)

  -- ---- what a program says ----

  it("sends the program's own Cookie first, which stays at its origin", function()
    local away <close> = listen { answer(set "b=away") }
    local p <close> = listen { answer(set "a=jar"),
      answer(("Location: http://b.com:%d/\r\n"):format(away.port), "302 F"), answer() }
    local url = ("http://a.com:%d/"):format(p.port)
    get(url)
    get(url, { headers = { Cookie = "a=own; x=y" } })
    get(url, { headers = { Cookie = "z" } })
    assert.same({ "", "a=own; x=y", "z; a=jar" }, received(p))
    assert.same({ "" }, received(away))
    local own <close> = new_client { cookies = client.cookies, headers = { cookie = "c=client" } }
    local q <close> = listen { answer() }
    for _ = 1, 2 do assert(own:get(("http://a.com:%d/"):format(q.port))):dispose() end
    assert.same({ "c=client; a=jar", "c=client; a=jar" }, received(q))
  end)

  it("uses another jar, or none, for one request", function()
    local p <close> = listen { answer(set "a=1"), answer(set "a=2"), answer(set "a=3"),
      answer(set "a=4"), answer(), answer() }
    local other = new_jar()
    get(p.url .. "/")
    get(p.url .. "/", { cookies = false })
    get(p.url .. "/", { cookies = other })
    get(p.url .. "/", { cookies = other })
    get(p.url .. "/")
    assert.equal("4", other:get(p.url .. "/", "a"))
    local built <close> = assert(client:build("GET", p.url .. "/"):cookies(false):send())
    assert.equal(200, built.status)
    assert.same({ "", "", "", "a=3", "a=1", "" }, received(p))
  end)

  it("has its jar beside interceptors, which see each hop but not its cookies", function()
    local p <close> = listen { answer(set "a=1" .. "Location: /x\r\n", "302 F"), answer(set "b=2"),
      answer() }
    local seen = {}
    client:use { hop = function(request, forward)
      seen[#seen + 1] = request:get_header "Cookie" or "none"
      if request.url:find "/x$" then request:set_header("Cookie", "own=1") end
      return forward(request)
    end }
    get(p.url .. "/")
    get(p.url .. "/")
    assert.same({ "", "own=1; a=1", "a=1; b=2" }, received(p))
    assert.same({ "none", "none", "none" }, seen)
  end)

  it("sends no cookies with TRACE, whose answer would show them", function()
    local p <close> = listen { answer(set "a=b"), answer(), answer() }
    get(p.url .. "/")
    assert(client:request("TRACE", p.url .. "/")):dispose()
    get(p.url .. "/")
    assert.same({ "", "", "a=b" }, received(p))
  end)

  it("refuses what is no jar", function()
    for _, value in ipairs { "yes", {}, 1 } do
      local ok, message = pcall(sluice.client, { cookies = value })
      assert.is_false(ok)
      assert.matches("client: option 'cookies': boolean or jar of sluice.cookie_jar expected",
        message, 1, true)
    end
    local ok, message = pcall(client.get, client, "http://a.com/", { cookies = true })
    assert.is_false(ok)
    assert.matches("request: option 'cookies': false or jar of sluice.cookie_jar expected",
      message, 1, true)
  end)

  -- ---- hosts ----

  it("shares its jar with other clients, and with many requests at once", function()
    local p <close> = listen { answer(set "a=1") }
    local other <close> = new_client { cookies = client.cookies }
    local url = ("http://a.com:%d/"):format(p.port)
    get(url)
    sluice.run(function()
      local tasks = {}
      for i = 1, 60 do
        local own = i % 2 == 0 and client or other
        tasks[i] = sluice.spawn(function()
          local response <close> = assert(own:get(url .. i % 7))
          return response.status
        end)
      end
      sluice.all(tasks)
    end)
    local list = received(p)
    assert.equal(61, #list)
    local without = 0
    for _, cookie in ipairs(list) do
      if cookie == "" then without = without + 1 else assert.equal("a=1", cookie) end
    end
    assert.equal(1, without)
    assert.equal(1, #client.cookies)
  end)

  -- What a redirect from http://a.site.com/from takes along. Of the program: `own`, its own
  -- Cookie. Of the jar: `host` of a.site.com, `path` of its /from, `all` of site.com and below,
  -- `below` of x.a.site.com, `near` of b.site.com, `other` of other.com, `safe` for TLS only.
  local targets = {
    ["the same URL"] = { "http://a.site.com:%d/from", "own path host all" },
    ["another path"] = { "http://a.site.com:%d/to", "own host all" },
    ["a path below"] = { "http://a.site.com:%d/from/x", "own path host all" },
    ["a path that begins alike"] = { "http://a.site.com:%d/fromage", "own host all" },
    ["another port"] = { "http://a.site.com:%d/from", "path host all", true },
    ["the host in capitals"] = { "http://A.Site.COM:%d/from", "own path host all" },
    ["the host with a dot"] = { "http://a.site.com.:%d/from", "path host all" },
    ["a host below"] = { "http://x.a.site.com:%d/from", "all below" },
    ["the host above"] = { "http://site.com:%d/from", "all" },
    ["a host beside"] = { "http://b.site.com:%d/from", "all near" },
    ["another site"] = { "http://other.com:%d/from", "other" },
    ["a site that ends alike"] = { "http://nota.site.com.other.com:%d/from", "" },
    ["an address"] = { "http://127.0.0.1:%d/from", "" },
    ["away and back"] = { "http://other.com:%d/away", "other", nil,
      "http://a.site.com:%d/from", "path host all" },
  }
  for name, case in pairs(targets) do
    it("takes to the target of a redirect what is for that: " .. name, function()
      local port = support.system.free_port()
      local elsewhere <close> = listen { answer() }
      local to = case[1]:format(case[3] and elsewhere.port or port)
      local redirect = answer(("Location: %s\r\n"):format(to), "302 F")
      local second = case[4] and answer(("Location: %s\r\n"):format(case[4]:format(port)), "302 F")
      local p <close> = peer.listen { port = port, repeat_last = true, script = {
        { request_head, { "send", redirect }, request_head, { "send", answer() }, { "read_all" } },
        { request_head, { "send", second or answer() }, { "read_all" } },
      } }
      for _, cookie in ipairs {
        { "host", "a.site.com" }, { "path", "a.site.com", "/from" }, { "all", ".site.com" },
        { "below", "x.a.site.com" }, { "near", "b.site.com" }, { "other", "other.com" },
      } do
        assert(client.cookies:set { name = cookie[1], value = "", domain = cookie[2],
          path = cookie[3] })
      end
      assert(client.cookies:set { name = "safe", value = "", domain = ".site.com", secure = true })
      get(("http://a.site.com:%d/from"):format(port), { headers = { Cookie = "own=" } })
      local function words(list) return (table.concat(list, "; "):gsub("=", ""):gsub(";", "")) end
      local all = received(p)
      assert.equal("own path host all", words { all[1] })
      if case[3] then
        assert.equal(case[2], words(received(elsewhere)))
      elseif case[4] then
        assert.same({ case[5], case[2] }, { words { all[2] }, words { all[3] } })
      else
        assert.equal(case[2], words { all[2] })
      end
    end)
  end

  it("takes a Domain for the hosts below it, and none for a public suffix", function()
    local p <close> = listen({ answer(set("a=1; domain=site.com", "b=2; domain=com",
      "c=3; domain=other.com", "d=4")) }, { answer() }, { answer() })
    for _, host in ipairs { "a.site.com", "b.site.com", "other.com" } do
      get(("http://%s:%d/"):format(host, p.port))
    end
    get(("http://a.site.com:%d/"):format(p.port))
    assert.same({ "", "a=1; d=4", "a=1", "" }, received(p))
  end)

  it("with a base_url fills its jar from other hosts, too, and each has its own", function()
    local p <close> = listen({ answer(set "a=home") }, { answer(set "a=other") })
    local own <close> = new_client { cookies = true,
      base_url = ("http://home.com:%d/"):format(p.port) }
    for _ = 1, 2 do
      assert(own:get "x"):dispose()
      assert(own:get(("http://other.com:%d/"):format(p.port))):dispose()
    end
    assert.same({ "", "a=home", "", "a=other" }, received(p))
  end)

  -- ---- proxies ----

  it("takes no cookie of a proxy for one of the host", function()
    local p <close> = listen { answer(set "a=proxy", "407 P") }
    local own <close> = new_client { cookies = true, proxy = p.url }
    local none, _, err = own:get "https://site.com/"
    assert.is_nil(none)
    assert.equal("proxy", err.code)
    if err.response then err.response:dispose() end
    assert.equal(0, #own.cookies)
  end)

  it("sends no secure cookie to localhost if a proxy would see it", function()
    local p <close> = listen { answer() }
    local jar = new_jar()
    assert(jar:set { name = "a", value = "b", domain = "localhost", secure = true })
    for url, expected in pairs { [""] = "a=b", [p.url] = "" } do
      local own <close> = new_client { cookies = jar, proxy = url ~= "" and url or false }
      assert(own:get(("http://localhost:%d/"):format(p.port))):dispose()
      local list = received(p)
      assert.equal(expected, list[#list])
    end
  end)

  -- ---- floods ----

  it("stays bounded under a flood of cookies", function()
    local lines = {}
    for i = 1, 250 do lines[i] = ("n%d=%s; path=/"):format(i, ("v"):rep(400)) end
    local p <close> = listen { answer(set(table.unpack(lines))) }
    local function flood(from, to)
      for i = from, to do get(("http://h%d.com:%d/"):format(i % 70, p.port)) end
      collectgarbage()
      collectgarbage()
      return collectgarbage "count"
    end
    local empty = flood(1, 1)
    flood(2, 70) -- 17500 lines
    local first = #client.cookies
    local size = flood(71, 110) - empty
    assert.equal(3000, first)
    assert.equal(3000, #client.cookies)
    assert.is_true(size < 10000, size .. " KiB")
  end)

  it("ignores giant lines", function()
    local lines = {}
    for i = 1, 256 - 3 do lines[i] = ("n%d=%s"):format(i, ("v"):rep(65000)) end
    lines[100] = "a=b"
    lines[101] = "c=d; path=/" .. ("x"):rep(65000)
    local bytes = answer(set(table.unpack(lines)))
    local p <close> = listen { bytes }
    get(p.url .. "/x/y", { limits = { head = 20 * 1024 * 1024 } })
    assert.equal(2, #client.cookies)
    assert.equal("d", client.cookies:get(p.url .. "/x", "c"))
  end)

  -- ---- files, with python3's http.cookiejar ----

  local python = [[
import http.cookiejar, sys
jar = http.cookiejar.MozillaCookieJar()
jar.load(sys.argv[1], ignore_discard=True, ignore_expires=True)
for c in sorted(jar, key=lambda c: (c.domain, c.path, c.name)):
    print(c.domain, c.path, c.name, c.value, int(c.secure),
          int(c.has_nonstandard_attr("HTTPOnly")), c.expires or 0, sep="|")
jar.save(sys.argv[2], ignore_discard=True, ignore_expires=True)
]]

  it("writes files that python3 reads, and reads those that it writes", function()
    local directory = server.directory()
    local script = server.write(directory .. "/script.py", python)
    local there, back = directory .. "/there.txt", directory .. "/back.txt"
    local jar = client.cookies
    local ends = os.time() + 1000
    assert(jar:set { name = "a", value = "b", domain = "a.com", expires = ends })
    assert(jar:set { name = "c", value = "d=e", domain = ".a.com", path = "/x", secure = true })
    assert(jar:set { name = "", value = "alone", domain = "b.com", http_only = true })
    assert(jar:set { name = "empty", value = "", domain = "b.com", path = "/y", expires = ends })
    assert(jar:set { name = "g", value = "\"h\" i", domain = "127.0.0.1", http_only = true })
    assert.same({ 5, 0 }, { jar:save(there, { session = true }) })
    local status, output = server.run { "/usr/bin/python3", script, there, back }
    assert.equal(0, status, output)
    assert.equal(table.concat({
      ".a.com|/x|c|d=e|1|0|0", "127.0.0.1|/|g|\"h\" i|0|1|0", "a.com|/|a|b|0|0|" .. ends,
      "b.com|/|alone|None|0|1|0", "b.com|/y|empty||0|0|" .. ends, "",
    }, "\n"), output)
    local again = new_jar()
    assert.equal(5, (assert(again:load(back))))
    local function list_of(of)
      local list = {}
      for cookie in of:cookies() do list[#list + 1] = cookie end
      table.sort(list, function(one, other) return one.name < other.name end)
      return list
    end
    assert.same(list_of(jar), list_of(again))
    server.remove(directory)
  end)
end)
