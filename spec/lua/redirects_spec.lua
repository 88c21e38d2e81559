local sluice = require "sluice"
local support = require "spec.support"
local peer = support.peer

local request_head = { "expect_until", "\r\n\r\n" }

local function answer(status, location)
  return ("HTTP/1.1 %d X\r\nLocation: %s\r\nContent-Length: 2\r\n\r\nno"):format(status, location)
end

local DONE = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"

describe("a redirect", function()
  local client

  support.verify_each(function(keep)
    client = keep(support.client { timeout = { first_byte = 60, idle = 60 } })
  end)

  --- A peer that answers the requests of each connection one after the other.
  local function server(...)
    local script = {}
    for _, bytes in ipairs { ... } do
      script[#script + 1] = request_head
      script[#script + 1] = { "send", bytes }
    end
    script[#script + 1] = { "read_all" }
    return peer.listen { script = { script }, repeat_last = true }
  end

  local function lines_of(p)
    local lines = {}
    for _, bytes in ipairs(p:received()) do
      for line in bytes:gmatch "(%u+ %S+) HTTP/1.1" do lines[#lines + 1] = line end
    end
    return table.concat(lines, ", ")
  end

  -- RFC 9110 15.4.2 to 15.4.9
  local methods = {
    { 301, "GET", "GET" }, { 301, "POST", "GET" }, { 301, "PUT", "PUT" }, { 301, "HEAD", "HEAD" },
    { 302, "GET", "GET" }, { 302, "POST", "GET" }, { 302, "DELETE", "DELETE" },
    { 303, "GET", "GET" }, { 303, "POST", "GET" }, { 303, "PUT", "GET" }, { 303, "HEAD", "HEAD" },
    { 307, "GET", "GET" }, { 307, "POST", "POST" }, { 307, "PUT", "PUT" },
    { 308, "GET", "GET" }, { 308, "POST", "POST" }, { 308, "PATCH", "PATCH" },
  }
  for _, case in ipairs(methods) do
    local status, method, after = table.unpack(case)
    it(("of %d turns %s into %s"):format(status, method, after), function()
      local first = answer(status, "/next")
      if method == "HEAD" then first = first:gsub("no$", "") end
      local p <close> = server(first, method == "HEAD" and DONE:gsub("done$", "") or DONE)
      local body = (method == "POST" or method == "PUT" or method == "PATCH") and "body" or nil
      local response <close>, message = client:request(method, p.url .. "/", { body = body })
      assert(response, message)
      assert.equal(200, response.status)
      assert.equal(("%s /, %s /next"):format(method, after), lines_of(p))
      local sent = p:received()[1]
      local bodies = select(2, sent:gsub("\r\n\r\nbody", ""))
      assert.equal(body and (after == method and 2 or 1) or 0, bodies)
    end)
  end

  -- RFC 9110 15.4.8, 15.4.9
  it("of 307 or 308 keeps method and body", function()
    for _, status in ipairs { 307, 308 } do
      local p <close> = server(answer(status, "/next"), DONE)
      local response <close> = assert(client:put(p.url .. "/", { body = "body" }))
      assert.equal("PUT /, PUT /next", lines_of(p))
      assert.equal(2, select(2, p:received()[1]:gsub("\r\n\r\nbody", "")))
      assert.equal(200, response.status)
    end
  end)

  it("is listed in the history; fragments are neither shown nor sent", function()
    local p <close> = server(answer(302, "a?x=1"), answer(301, "../b#other"), DONE)
    local response <close> = assert(client:get(p.url .. "/dir/start#part"))
    assert.equal(p.url .. "/b", response.url)
    assert.equal("GET /dir/start, GET /dir/a?x=1, GET /b", lines_of(p))
    assert.same({ 302, 301 }, { response.redirects[1].status, response.redirects[2].status })
    assert.equal(p.url .. "/dir/a?x=1", response.redirects[2].url)
    assert.is_nil(p:received(1):find("#", 1, true))
  end)

  -- RFC 9110 10.2.2
  it("inherits the fragment, unless the new URL has one", function()
    local p <close> = server(answer(302, "/a"), answer(302, "/b#own"), answer(302, "/c"), DONE)
    local own <close> = support.client()
    local urls = {}
    own:use { hop = function(request, forward)
      urls[#urls + 1] = request.url:sub(#p.url + 1)
      return forward(request)
    end }
    local response <close> = assert(own:get(p.url .. "/#first"))
    assert.same({ "/#first", "/a#first", "/b#own", "/c#own" }, urls)
    assert.equal("done", response:text())
  end)

  it("is followed ten times by default", function()
    local hops = {}
    for i = 1, 11 do hops[i] = answer(302, "/" .. i) end
    local p <close> = server(table.unpack(hops))
    local response, message, err = client:get(p.url .. "/")
    assert.is_nil(response)
    assert.equal("redirect", err.code)
    assert.truthy(message:find("more redirects than allowed", 1, true))
    local q <close> = server(hops[1], hops[2], DONE)
    response, message, err = client:get(q.url .. "/", { redirects = 1 })
    assert.is_nil(response)
    assert.equal("redirect", err.code)
    assert.truthy(message:find("more redirects than allowed", 1, true))
    local r <close> = server(hops[1])
    response = assert(client:get(r.url .. "/", { redirects = false }))
    assert.equal(302, response.status)
    assert.equal("no", response:text())
    response:dispose()
  end)

  it("may lead back to the same URL: only the count ends a loop", function()
    local p <close> = server(answer(302, "/b"), answer(302, "/a"), answer(302, "/a"), DONE)
    local response <close> = assert(client:get(p.url .. "/a"))
    assert.equal("GET /a, GET /b, GET /a, GET /a", lines_of(p))
    assert.equal(3, #response.redirects)
    local q <close> = peer.listen { script = { { request_head, { "send", answer(302, "/a") },
      { "loop" } } } }
    local none, message, err = client:get(q.url .. "/a")
    assert.is_nil(none)
    assert.same({ "redirect", "head" }, { err.code, err.stage })
    assert.equal(("GET %s/a: more redirects than allowed (redirects = 10)"):format(q.url), message)
    assert.equal(11, select(2, q:received(1):gsub("GET /a ", "")))
  end)

  it("is followed byte for byte, except bytes that cannot be sent", function()
    local p <close> = server(answer(302, "/[a]|{b}^`?f[]=1|2&s=%2Fx%7C"),
      answer(302, "/a b?\xc3\xa9=\"%zz\""), DONE)
    local response <close> = assert(client:get(p.url .. "/"))
    assert.equal("GET /, GET /[a]|{b}^`?f[]=1|2&s=%2Fx%7C, GET /a%20b?%C3%A9=%22%25zz%22",
      lines_of(p))
    assert.equal(200, response.status)
  end)

  it("without a Location is returned as a response", function()
    local p <close> = server "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"
    local response <close> = assert(client:get(p.url .. "/"))
    assert.equal(302, response.status)
  end)

  it("to an unknown scheme or an empty host is refused", function()
    for _, location in ipairs { "ftp://127.0.0.1/", "http://", "javascript:alert(1)",
      "http+unix://%2Fsocket/" } do
      local p <close> = server(answer(302, location))
      local response, _, err = client:get(p.url .. "/")
      assert.is_nil(response)
      assert.equal("redirect", err.code)
    end
  end)

  it("that resends the body needs one that can be sent again", function()
    local p <close> = server(answer(307, "/next"))
    local pieces = { "a", "b" }
    local response, _, err = client:post(p.url .. "/", {
      body = { read = function() return table.remove(pieces, 1) end, length = 2 },
    })
    assert.is_nil(response)
    assert.equal("redirect", err.code)
  end)

  it("with a leased body sends the same bytes and disposes the lease once", function()
    local p <close> = server(answer(308, "/next"), DONE)
    local writer <close> = sluice.writer {}
    local lease = writer:write("leased"):detach()
    local response <close> = assert(client:post(p.url .. "/", { body = lease }))
    assert.equal(200, response.status)
    assert.equal(2, select(2, p:received()[1]:gsub("\r\n\r\nleased", "")))
    assert.has_error(function() lease:dispose() end)
  end)

  it("sends no secrets to another origin, nor back to the first one", function()
    local port = support.system.free_port()
    local home <close> = server(answer(302, ("http://127.0.0.1:%d/away"):format(port)), DONE)
    local away <close> = peer.listen {
      port = port,
      script = {
        { request_head, { "send", answer(302, home.url .. "/back") }, { "read_all" } },
      },
    }
    local response <close> = assert(client:get(home.url .. "/", {
      headers = {
        Authorization = "Bearer secret", Cookie = "a=secret", ["Proxy-Authorization"] = "secret",
        ["X-Kept"] = "kept",
      },
    }))
    assert.equal(200, response.status)
    local first, second = home:received()[1]:match "^(.-\r\n\r\n)(.*)$"
    assert.equal(3, select(2, first:gsub("secret", "")))
    for _, later in ipairs { away:received()[1], second } do
      assert.is_nil(later:find "secret")
      assert.truthy(later:find "X%-Kept: kept")
    end
  end)

  it("of 303 drops the trailers with the body", function()
    local p <close> = peer.listen { script = { {
      { "expect_until", "0\r\nX-Sum: 1\r\n\r\n" }, { "send", answer(303, "/next") }, request_head,
      { "send", DONE }, { "read_all" },
    } } }
    local given = false
    local response <close> = assert(client:post(p.url .. "/", {
      trailers = { ["X-Sum"] = "1" },
      body = function()
        given = not given
        return given and "piece" or nil
      end,
    }))
    assert.equal("done", response:text())
    assert.equal("POST /, GET /next", lines_of(p))
    assert.equal(1, select(2, p:received(1):gsub("Trailer:", "")))
  end)

  it("keeps the user info within its origin, however its target is written", function()
    for _, way in ipairs { "relative", "absolute" } do
      local port = support.system.free_port()
      local origin = way == "absolute" and ("http://127.0.0.1:%d"):format(port) or ""
      local p <close> = peer.listen { port = port, script = { {
        request_head, { "send", answer(302, origin .. "/next") }, request_head, { "send", DONE },
        { "read_all" },
      } } }
      local response <close> = assert(client:get(("http://a%%25:b@127.0.0.1:%d/"):format(port)))
      assert.equal("done", response:text())
      local _, count = p:received(1):gsub("Authorization: Basic YSU6Yg==\r\n", "")
      assert.equal(2, count)
    end
  end)

  it("sends no field marked secret to another origin, nor back to the first one", function()
    local port = support.system.free_port()
    local home <close> = server(answer(302, "/near"),
      answer(302, ("http://127.0.0.1:%d/away"):format(port)), DONE)
    local away <close> = peer.listen {
      port = port,
      script = {
        { request_head, { "send", answer(302, home.url .. "/back") }, { "read_all" } },
      },
    }
    local own <close> = support.client {
      headers = { { "X-Client", "hidden", secret = true }, { "X-Other", "kept" } },
    }
    local response <close> = assert(own:get(home.url .. "/", {
      headers = { { "X-Key", "hidden", secret = true }, { "X-Kept", "kept", secret = false },
        { "x-key", "hidden" } },
    }))
    assert.equal(200, response.status)
    local first, near, back = home:received()[1]:match "^(.-\r\n\r\n)(.-\r\n\r\n)(.*)$"
    assert.equal(3, select(2, first:gsub("hidden", "")))
    assert.equal(3, select(2, near:gsub("hidden", "")))
    for _, later in ipairs { away:received()[1], back } do
      assert.is_nil(later:find "hidden")
      assert.equal(2, select(2, later:gsub("kept", "")))
    end
  end)

  it("sends no trailer marked secret to another origin, nor does an interceptor", function()
    local away <close> = peer.listen { repeat_last = true, script = { {
      request_head, { "send", "HTTP/1.1 100 Go on\r\n\r\n" },
      { "expect_until", "X-Kept: kept\r\n\r\n" }, { "send", DONE }, { "read_all" } } } }
    local home <close> = server(answer(307, away.url .. "/"))
    local moving <close> = support.client()
    moving:use { hop = function(request, forward)
      request.url = away.url .. "/"
      return forward(request)
    end }
    for i, own in ipairs { client, moving } do
      local pieces = { "piece" }
      local response <close>, message = own:put(home.url .. "/", {
        body = function() return table.remove(pieces) end, expect_continue = true,
        headers = { { "X-Key", "hidden", secret = true } },
        trailers = { { "X-Sum", "hidden", secret = true }, { "X-Kept", "kept" } },
      })
      assert(response, message)
      assert.equal("done", response:text())
      assert.is_nil(away:received(i):find "hidden")
      assert.matches("\r\nTrailer: X%-Kept\r\n", away:received(i))
      assert.matches("\r\n0\r\nX%-Kept: kept\r\n\r\n$", away:received(i))
    end
  end)

  -- ---- followed at the head ----

  -- Each body comes behind a head that was sent before it, and has something wrong with it.
  local bodies = {
    ["that never comes"] = { "Content-Length: 5\r\n", { "stall" } },
    ["that has no end"] = { "", { "send_repeat", ("x"):rep(1000), 1 << 30 } },
    ["that is cut off"] = { "Content-Length: 500\r\n", { "send", "x" }, { "close" } },
    ["beyond the limit"] = { "Content-Length: 5000000000\r\n", { "send", "x" }, { "stall" } },
    ["that is broken"] = { "Transfer-Encoding: chunked\r\n", { "send", "zz\r\n" }, { "stall" } },
    ["that cannot be decoded"] = { "Content-Encoding: gzip\r\nContent-Length: 500\r\n",
      { "send", ("x"):rep(500) }, { "loop" } },
  }
  for name, case in pairs(bodies) do
    for _, way in ipairs { "buffered", "streamed" } do
      it(("is followed however its body ends: %s, %s"):format(way, name), function()
        for _, hold in ipairs { false, true } do
          local to <close> = server(DONE)
          local head = ("HTTP/1.1 302 F\r\nLocation: %s/next\r\n%s\r\n"):format(to.url, case[1])
          local script = { request_head, { "send", head }, table.unpack(case, 2) }
          if hold then table.insert(script, 3, { "hold" }) end
          local p <close> = peer.listen { script = { script }, records = false }
          local response <close>, message = client:get(p.url .. "/",
            { stream = way == "streamed", limits = { body = 1000 } })
          assert(response, message)
          if hold then p:signal(1) end
          assert.equal("done", response:text())
          assert.equal(1, #response.redirects)
        end
      end)
    end
  end

  it("has the rest of a small body drained, and its connection used again", function()
    local to <close> = server(DONE)
    local p <close> = peer.listen { script = { {
      request_head,
      { "send", ("HTTP/1.1 302 F\r\nLocation: %s/next\r\n"):format(to.url) ..
        "Content-Length: 4\r\n\r\nno" },
      { "hold" }, { "send", "no" }, request_head, { "send", DONE }, { "read_all" },
    } } }
    local response <close> = assert(client:get(p.url .. "/"))
    assert.equal("done", response:text())
    p:signal(1)
    local deadline = support.system.clock() + 20
    repeat sluice.loop():step(0.01)
    until client:stats().active == 0 or support.system.clock() > deadline
    local again <close> = assert(client:get(p.url .. "/again"))
    assert.equal("done", again:text())
    assert.equal(1, (p:connections()))
  end)

  it("is followed on the only allowed connection, or on its successor if it closes", function()
    local own <close> = support.client { pool = { per_origin = 1, total = 1 } }
    local head = "HTTP/1.1 302 F\r\nLocation: /next\r\nContent-Length: 4\r\n\r\n"
    local p <close> = peer.listen { script = {
      { request_head, { "send", head .. "full" }, request_head, { "send", head }, { "stall" } },
      { request_head, { "send", DONE }, { "read_all" } },
    } }
    local response <close> = assert(own:get(p.url .. "/"))
    assert.equal("done", response:text())
    assert.equal("GET /, GET /next, GET /next", lines_of(p))
    assert.equal(2, (p:connections()))
  end)

  -- ---- Location ----

  it("with two equal Location lines is followed, with different ones refused", function()
    local head = "HTTP/1.1 302 F\r\nLocation: /a\r\nContent-Length: 0\r\nlocation: %s\r\n\r\n"
    local p <close> = server(head:format "/a", DONE)
    local response <close> = assert(client:get(p.url .. "/"))
    assert.equal("GET /, GET /a", lines_of(p))
    assert.equal(200, response.status)
    local q <close> = server(head:format "/b")
    local none, message, err = client:get(q.url .. "/")
    assert.is_nil(none)
    assert.equal("redirect", err.code)
    assert.equal(("GET %s/: two Location fields that differ"):format(q.url), message)
  end)

  it("to a malformed URL fails, naming the request and what is wrong", function()
    for location, reason in pairs {
      ["http://a:99999/"] = "Location: the port is larger than 65535",
      ["http://[::1/"] = "Location: ",
      ["http://"] = "Location: ",
      ["ftp://127.0.0.1/"] = "Location: the scheme is not supported",
    } do
      for _, options in ipairs { {}, { stream = true } } do
        local p <close> = server(answer(302, location))
        local none, message, err = client:get(p.url:gsub("//", "//user:pass@") .. "/x", options)
        assert.is_nil(none)
        assert.same({ "redirect", "head" }, { err.code, err.stage }, location)
        assert.truthy(message:find(("GET %s/x: %s"):format(p.url, reason), 1, true), message)
      end
    end
  end)

  it("with user info is refused, and the message does not show it", function()
    local to <close> = server(DONE)
    for _, location in ipairs { "http://user:pass@127.0.0.1:%d/", "//user@127.0.0.1:%d/",
      "http://@127.0.0.1:%d/" } do
      local p <close> = server(answer(302, location:format(to.port)))
      local none, message, err = client:get(p.url .. "/")
      assert.is_nil(none)
      assert.equal("redirect", err.code)
      assert.equal(("GET %s/: Location: user info"):format(p.url), message)
    end
    assert.equal(0, (to:connections()))
  end)

  it("of a unix socket stays on that socket", function()
    local function url_of(one) return "http+unix://" .. sluice.url.escape(one.path) .. "/" end
    local other <close> = peer.listen { family = "unix", script = { { { "stall" } } } }
    local web <close> = server(DONE)
    for _, location in ipairs { web.url .. "/", url_of(other), "http://localhost/" } do
      local p <close> = peer.listen { family = "unix", script = { {
        request_head, { "send", answer(302, location) }, { "read_all" } } } }
      local none, message, err = client:get(url_of(p))
      assert.is_nil(none)
      assert.equal("redirect", err.code)
      assert.truthy(message:find("a unix socket leads elsewhere", 1, true), message)
    end
    local p <close> = peer.listen { family = "unix", script = { {
      request_head, { "send", answer(302, "/next") }, request_head, { "send", DONE },
      { "read_all" } } } }
    local response <close>, message = client:get(url_of(p))
    assert(response, message)
    assert.equal("GET /, GET /next", lines_of(p))
    assert.same({ 0, 0 }, { (web:connections()), (other:connections()) })
  end)

  -- ---- bodies ----

  it("instead of 100 sends the body, which was not read yet, to the new URL", function()
    for _, status in ipairs { 307, 308 } do
      local p <close> = peer.listen { script = {
        { request_head, { "send", answer(status, "/next") }, { "expect_end" } },
        { request_head, { "send", "HTTP/1.1 100 Go on\r\n\r\n" },
          { "expect_until", "0\r\n\r\n" }, { "send", DONE }, { "read_all" } },
      } }
      local pieces = { "piece" }
      local response <close>, message = client:post(p.url .. "/", {
        body = function() return table.remove(pieces) end, expect_continue = true })
      assert(response, message)
      assert.equal("done", response:text())
      assert.equal("", p:received(1):match "\r\n\r\n(.*)$")
      assert.equal("5\r\npiece\r\n0\r\n\r\n", p:received(2):match "\r\n\r\n(.*)$")
    end
  end)

  it("does not resend a body if pieces of it were already taken", function()
    local p <close> = peer.listen { script = { {
      { "expect_until", "piece" }, { "send", answer(307, "/next") }, { "read_all" } } } }
    local asked = 0
    local none, message, err = client:post(p.url .. "/", { body = function()
      asked = asked + 1
      if asked == 1 then return "piece" end
      sluice.sleep(60)
    end })
    assert.is_nil(none)
    assert.equal("redirect", err.code)
    assert.equal(("POST %s/: the body cannot be sent again"):format(p.url), message)
  end)
end)
