-- The stand-in for LuaSocket's socket.http: the same calls to it and to LuaSocket give the same.

local core = require "sluice.core"
local ltn12 = require "ltn12"
local ours = require "sluice.compat.socket_http"
local server = require "spec.support.server"
local sluice = require "sluice"
local support = require "spec.support"
local theirs = require "socket.http"

local peer = support.peer

local head_end = "\r\n\r\n"

-- One connection for each answer: LuaSocket closes behind a request.
local function serve(...)
  local scripts = {}
  for _, answer in ipairs { ... } do
    scripts[#scripts + 1] = { { "expect_until", head_end }, { "send", answer }, { "close" } }
  end
  return peer.listen { script = scripts }
end

local function plain(body, status, fields)
  return ("HTTP/1.1 %s\r\nContent-Type: text/plain\r\nX-Two: a\r\nConnection: close\r\nX-Two: b\r\n"
    .. "%sContent-Length: %d\r\n\r\n%s"):format(status or "200 OK", fields or "", #body, body)
end

local chunked = "HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
  .. "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"

-- Request line, and fields by lower-case name, of what a server got last.
local function last_request(p)
  local received = p:received()
  local text = received[#received]
  local fields = {}
  for name, value in text:gmatch "\r\n([%w-]+): ([^\r]*)" do fields[name:lower()] = value end
  return text:match "^[^\r]*", fields, support.body_of(text)
end

describe("compat.socket_http", function()
  after_each(function()
    ours.client, ours.TIMEOUT, ours.PROXY, ours.USERAGENT = nil, 60, nil, nil
  end)
  support.verify_each(function(keep) ours.client = keep(support.client()) end)

  -- What a call gives with each of the two, at a server that answers so.
  local function both(call, ...)
    local results = {}
    for i, http in ipairs { theirs, ours } do
      local p <close> = serve(...)
      results[i] = { table.pack(call(http, "http://127.0.0.1:" .. p.port, p)), last_request(p) }
    end
    return results[1], results[2]
  end

  -- Fails unless both gave the same.
  local function agree(call, ...)
    local one, other = both(call, ...)
    assert.same(one[1], other[1])
    return other
  end

  it("gives body, status, fields and status line for a URL", function()
    local got = agree(function(http, url) return http.request(url .. "/a?b=c") end, plain "hello")
    assert.equal("hello", got[1][1])
    assert.equal(200, got[1][2])
    assert.equal("a, b", got[1][3]["x-two"])
    assert.equal("HTTP/1.1 200 OK", got[1][4])
    assert.equal("GET /a?b=c HTTP/1.1", got[2])
  end)

  for _, answer in ipairs { chunked, plain("", "204 No Content"), plain("gone", "404 Not Found"),
    plain "", "HTTP/1.0 200 OK\r\n\r\nuntil the end" } do
    it(("gives what LuaSocket gives for %q"):format(answer:sub(1, 40)), function()
      agree(function(http, url) return http.request(url .. "/") end, answer)
    end)
  end

  it("posts a body as a form", function()
    local one, other = both(function(http, url, p)
      local result = table.pack(http.request(url .. "/", "a=b&c=d"))
      local received = p:received()
      local _, fields = last_request(p)
      return result, received[1]:match "^[^\r]*", fields["content-type"], fields["content-length"]
    end, plain "ok")
    assert.same(one[1], other[1])
    assert.same({ "POST / HTTP/1.1", "application/x-www-form-urlencoded", "7" },
      { table.unpack(other[1], 2) })
  end)

  it("gives a table's body to its sink, and 1", function()
    local got = agree(function(http, url)
      local taken = {}
      local one, code, fields, status = http.request {
        url = url .. "/", sink = ltn12.sink.table(taken), headers = { ["X-Mine"] = "1" },
      }
      return one, code, fields, status, table.concat(taken)
    end, chunked)
    assert.equal("abcdefg", got[1][5])
  end)

  it("sends what a source gives, with a length or in chunks", function()
    for _, length in ipairs { "11", "" } do
      for _, http in ipairs { theirs, ours } do
        local p <close> = peer.listen { script = { {
          -- The head may end in the port, and that in a zero.
          { "expect_until", length == "" and "\r\n0\r\n\r\n" or "hello world" },
          { "send", plain "ok" }, { "close" } } } }
        local file = io.tmpfile()
        file:write "hello world"
        file:seek "set"
        local taken = {}
        assert.equal(1, (http.request {
          url = "http://127.0.0.1:" .. p.port .. "/", method = "PUT",
          source = ltn12.source.file(file), sink = ltn12.sink.table(taken),
          headers = { ["content-length"] = length ~= "" and length or nil },
        }))
        assert.same({ "ok" }, taken)
        local line, fields, body = last_request(p)
        assert.equal("PUT / HTTP/1.1", line)
        if length ~= "" then
          assert.equal("11", fields["content-length"])
          assert.equal("hello world", body)
        else
          assert.equal("chunked", fields["transfer-encoding"])
          assert.equal("b\r\nhello world\r\n0\r\n\r\n", body:lower())
        end
      end
    end
  end)

  it("moves chunks by the step that is given, both ways", function()
    for _, http in ipairs { theirs, ours } do
      local p <close> = peer.listen { script = { {
        { "expect_until", "abc" }, { "send", plain "defg" }, { "close" } } } }
      local moved, taken = 0, {}
      local function step(source, sink)
        return ltn12.pump.step(source, function(chunk, err)
          moved = moved + #(chunk or "")
          return sink(chunk, err)
        end)
      end
      assert.equal(1, (http.request {
        url = "http://127.0.0.1:" .. p.port .. "/", method = "POST", step = step,
        source = ltn12.source.string "abc", sink = ltn12.sink.table(taken),
        headers = { ["Content-Length"] = 3 },
      }))
      assert.same({ "defg" }, taken)
      assert.equal(7, moved)
    end
  end)

  it("ends with the error of a sink or a source", function()
    local one, other = both(function(http, url)
      return http.request { url = url .. "/", sink = function() return nil, "disk full" end }
    end, plain "hello")
    assert.same({ nil, "disk full", n = 2 }, one[1])
    assert.same({ nil, "disk full", n = 2 }, other[1])
    local p <close> = peer.listen { script = { { { "read_all" }, { "close" } } } }
    local done, message = ours.request {
      url = "http://127.0.0.1:" .. p.port .. "/", method = "PUT",
      source = function() return nil, "tape torn" end,
    }
    assert.is_nil(done)
    assert.match("tape torn", message, 1, true)
  end)

  it("drops a body for which there is no sink", function()
    local got = agree(function(http, url) return http.request { url = url .. "/" } end,
      plain "hello")
    assert.same({ 1, 200 }, { got[1][1], got[1][2] })
    local cut = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"
    local one, other = both(function(http, url)
      local done, message = http.request { url = url .. "/" }
      return done, message
    end, cut)
    assert.same({ nil, "closed", n = 2 }, one[1])
    assert.same({ nil, "closed", n = 2 }, other[1])
  end)

  it("follows as many redirects as it may", function()
    local moved = "HTTP/1.1 302 F\r\nLocation: /next\r\nConnection: close\r\n"
      .. "Content-Length: 0\r\n\r\n"
    local end_of = { GET = plain "there", HEAD = "HTTP/1.1 204 No\r\nConnection: close\r\n\r\n" }
    for _, case in ipairs { { 5 }, { 2, 2 }, { 8, false } } do
      for method, last in pairs(end_of) do
        local answers = {}
        for i = 1, case[1] do answers[i] = moved end
        answers[#answers + 1] = last
        local p <close> = serve(table.unpack(answers))
        local got = { ours.request { url = p.url .. "/", maxredirects = case[2],
          method = method } }
        assert.same({ 1, tonumber(last:match " (%d+)") }, { got[1], got[2] })
        assert.match("/next$", got[3].location)
      end
    end
    for _, case in ipairs { { 5 }, { 1, 1 } } do
      local answers = {}
      for i = 1, case[1] + 1 do answers[i] = moved end
      local p <close> = serve(table.unpack(answers))
      local done, message = ours.request { url = p.url .. "/", maxredirects = case[2] }
      assert.is_nil(done)
      assert.match(("redirects = %d"):format(case[1]), message, 1, true)
    end
    for _, request in ipairs { { method = "DELETE" }, { maxredirects = 0 } } do
      local p <close> = serve(moved)
      request.url = p.url .. "/"
      assert.equal(302, select(2, ours.request(request)))
    end
  end)

  it("takes parts of a URL in place of those in it", function()
    for _, case in ipairs {
      { "/a?b", { path = "/x" }, "/x?b" }, { "/a", { query = "q=1" }, "/a?q=1" },
      { "/a?b", { query = "q=1" }, "/a?q=1" }, { "", { path = "/x", query = "q=1" }, "/x?q=1" },
      { "", {}, "/" }, { "/a", { scheme = "http" }, "/a" },
    } do
      local other = agree(function(http, url)
        case[2].url = url .. case[1]
        local done, code = http.request(case[2])
        return done, code
      end, plain "")
      assert.equal(("GET %s HTTP/1.1"):format(case[3]), other[2])
    end
  end)

  it("sends the credentials in a URL, and others of the request in their place", function()
    for _, case in ipairs {
      { {}, "me:p@w" }, { { user = "you" }, "you:p@w" }, { { password = "x" }, "me:x" },
    } do
      local one, other = both(function(http, url, p)
        case[1].url = url:gsub("//", "//me:p%%40w@") .. "/"
        assert.equal(1, (http.request(case[1])))
        return (select(2, last_request(p)).authorization)
      end, plain "")
      assert.same({ "Basic " .. core.base64(case[2]), n = 1 }, other[1])
      assert.same(one[1], other[1])
    end
  end)

  it("is GET if the method is empty", function()
    local p <close> = serve(plain "")
    assert.equal(1, (ours.request { url = p.url .. "/", method = "" }))
    assert.equal("GET / HTTP/1.1", (last_request(p)))
  end)

  it("says what is wrong with a URL", function()
    local done, message, err = ours.request "http://[bad/"
    assert.is_nil(done)
    assert.equal('url: "[" without "]" in the host', message)
    assert.equal("invalid", err.code)
  end)

  it("follows redirects of GET, and tells where to", function()
    local function moved(status)
      return ("HTTP/1.1 %s\r\nLocation: /next\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        :format(status)
    end
    for _, status in ipairs { "301 M", "302 F", "303 S", "307 T" } do
      local one, other = both(function(http, url) return http.request(url .. "/") end,
        moved(status), plain "there")
      assert.equal("there", one[1][1])
      assert.equal("there", other[1][1])
      assert.match("/next$", other[1][3].location)
      assert.equal("GET /next HTTP/1.1", other[2])
    end
    agree(function(http, url) return http.request { url = url .. "/", redirect = false } end,
      moved "302 F")
    agree(function(http, url) return http.request(url .. "/", "a=b") end, moved "302 F")
  end)

  it("takes the parts of a URL one by one, and credentials", function()
    local theirs_gave, other = both(function(http, _, p)
      local one = http.request { scheme = "http", host = "127.0.0.1", port = p.port, path = "/x",
        user = "me", password = "pw" }
      local line, fields = last_request(p)
      return one, line, fields.authorization
    end, plain "")
    assert.same(theirs_gave[1], other[1])
    assert.same({ 1, "GET /x HTTP/1.1", "Basic bWU6cHc=", n = 3 }, other[1])
  end)

  it("sends the program's fields, and its user agent", function()
    ours.USERAGENT = "old program"
    local p <close> = serve(plain "")
    assert.equal(1, (ours.request {
      url = "http://127.0.0.1:" .. p.port .. "/",
      headers = { Connection = "close", TE = "trailers", Accept = "text/plain", ["x-n"] = 5 },
    }))
    local _, fields = last_request(p)
    assert.equal("old program", fields["user-agent"])
    assert.equal("text/plain", fields.accept)
    assert.equal("5", fields["x-n"])
    assert.is_nil(fields.te)
  end)

  it("sends a user agent of the request's own in place of its own", function()
    ours.USERAGENT = "old program"
    local p <close> = serve(plain "")
    assert.equal(1, (ours.request { url = p.url .. "/", headers = { ["user-agent"] = "mine" } }))
    local _, fields = last_request(p)
    assert.equal("mine", fields["user-agent"])
  end)

  it("fails in LuaSocket's words, with sluice's error behind", function()
    local free <close> = peer.listen { script = { { { "close" } } } }
    local port = free.port
    free:stop()
    for _, http in ipairs { theirs, ours } do
      local done, message = http.request("http://127.0.0.1:" .. port .. "/")
      assert.is_nil(done)
      assert.equal("connection refused", message)
    end
    local _, _, err = ours.request("http://127.0.0.1:" .. port .. "/")
    assert.equal("connect", err.code)
    for _, http in ipairs { theirs, ours } do
      local p <close> = peer.listen { script = { { { "expect_until", head_end }, { "close" } } } }
      local done, message = http.request("http://127.0.0.1:" .. p.port .. "/")
      assert.is_nil(done)
      assert.equal("closed", message)
    end
    local p <close> = peer.listen { script = { { { "stall" } } } }
    ours.TIMEOUT = 0.05
    local done, message = ours.request { url = "http://127.0.0.1:" .. p.port .. "/" }
    assert.same({ nil, "timeout" }, { done, message })
  end)

  it("raises what cannot be meant, where the caller stands", function()
    local refused = {
      [{ url = "http://a/", create = print }] = "option 'create'",
      [{ url = "http://a/", verify = "none" }] = "option 'verify'",
      [{ url = "http://a/", method = 5 }] = "option 'method': string without zero bytes expected",
      [{ url = "http://a/", sink = {} }] = "option 'sink': function expected, got table",
    }
    for request, words in pairs(refused) do
      local ok, raised = pcall(function() ours.request(request) end)
      assert.is_false(ok)
      assert.match("socket_http_spec.lua:%d+: socket_http: ", raised)
      assert.match(words, raised, 1, true)
    end
    assert.error_matches(function() ours.request(5) end, "URL or table expected, got number")
    assert.error_matches(function() ours.request("http://a/", 5) end, "body: string expected")
    ours.request { url = "http://127.0.0.1:9/", unknown = true }
  end)

  it("waits in place inside a coroutine of the program's own", function()
    for _, http in ipairs { theirs, ours } do
      local p <close> = serve(chunked)
      local pieces = {}
      for chunk in coroutine.wrap(function()
        assert(http.request { url = "http://127.0.0.1:" .. p.port .. "/", sink = function(chunk)
          if chunk then coroutine.yield(chunk) end
          return 1
        end })
      end) do
        pieces[#pieces + 1] = chunk
      end
      assert.equal("abcdefg", table.concat(pieces))
    end
  end)

  it("raises inside a coroutine of the program's own what a source raises", function()
    local p <close> = peer.listen { script = { { { "read_all" } } } }
    local ok, raised = coroutine.wrap(function()
      return pcall(ours.request, {
        url = p.url .. "/", method = "PUT", source = function() error("torn", 0) end,
      })
    end)()
    assert.is_false(ok)
    assert.equal("torn", raised)
  end)

  it("yields inside a task", function()
    local p <close> = serve(plain "a", plain "b")
    local texts = {}
    sluice.run(function()
      local url = "http://127.0.0.1:" .. p.port .. "/"
      texts = sluice.map({ 1, 2 }, function() return (ours.request(url)) end)
    end)
    table.sort(texts)
    assert.same({ "a", "b" }, { texts[1], texts[2] })
  end)

  it("asks a proxy that is given, without a scheme too", function()
    local p <close> = serve(plain "by proxy")
    ours.PROXY = "127.0.0.1:" .. p.port
    assert.equal("by proxy", (ours.request "http://nowhere.invalid/x"))
    assert.equal("GET http://nowhere.invalid/x HTTP/1.1", (last_request(p)))
  end)

  -- luarocks downloads by LuaSocket where that is there; here it takes what stands in for it.
  it("downloads for luarocks, whose code knows LuaSocket", function()
    local program = [[
      local http = require "sluice.compat.socket_http"
      package.loaded["socket.http"], package.loaded["ssl.https"] = http, http
      assert(require("luarocks.core.cfg").init())
      local fs = require "luarocks.fs"
      fs.init()
      print(fs.download(...))
    ]]
    local page <close> = serve(plain "a rock")
    local none <close> = serve(plain("", "404 Not Found"))
    local directory = server.directory()
    local script, rock = directory .. "/download.lua", directory .. "/a.rock"
    server.write(script, program)
    local _, output = server.run { "lua5.4", script, page.url .. "/a.rock", rock }
    assert.equal(("true\t%s\tnil\n"):format(rock), output)
    assert.equal("a rock", server.read(rock))
    assert.match("via LuaSocket", page:received()[1], 1, true)
    _, output = server.run { "lua5.4", script, none.url .. "/b.rock", rock }
    assert.match("404 Not Found", output, 1, true)
    server.remove(directory)
  end)
end)
