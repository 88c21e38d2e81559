-- Pages that lead to each other: which are fetched, with what, and what is left behind.

local sluice = require "sluice"
local support = require "spec.support"

local peer = support.peer

-- A page of that body, which leads to `next_url` if there is one.
local function page(body, next_url, status)
  return { "send", ("HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n%s"):format(status or "200 OK",
    next_url and ("Link: <%s>; rel=next\r\n"):format(next_url) or "", #body, body) }
end

-- A server whose connections answer with these steps, one for each request.
local function serve(...)
  local steps = {}
  for _, step in ipairs { ... } do
    steps[#steps + 1] = { "expect_until", "\r\n\r\n" }
    steps[#steps + 1] = step
  end
  steps[#steps + 1] = { "stall" }
  return peer.listen { script = { steps } }
end

-- The targets of the requests that a server got, in their order.
local function targets(p)
  local list = {}
  for target in table.concat(p:received(), "\n"):gmatch "GET (%S+) HTTP" do
    list[#list + 1] = target
  end
  return list
end

describe("client:pages", function()
  local client

  support.verify_each(function(keep) client = keep(support.client()) end)

  -- The texts of all pages, and what was raised at the end.
  local function texts(url, options, other)
    local list = {}
    local ok, raised = pcall(function()
      for response in (other or client):pages(url, options) do
        list[#list + 1] = assert(response:text())
      end
    end)
    return list, not ok and raised or nil
  end

  it("fetches each page on one connection, in every style", function()
    for _, call in support.each_style(sluice) do
      local p <close> = serve(page("a", "/2?x=1"), page("b", "3"), page "c")
      local options = { query = { q = "z" }, headers = { A = "b" } }
      local list, raised = call(texts, p.url .. "/1", options)
      assert.is_nil(raised)
      assert.same({ "a", "b", "c" }, list)
      assert.same({ "/1?q=z", "/2?x=1", "/3" }, targets(p))
      assert.equal(3, select(2, p:received(1):gsub("A: b\r\n", "")))
      client:close()
      client = support.client()
    end
  end)

  it("streams pages that are longer than memory should be", function()
    local long = ("x"):rep(1 << 20)
    local p <close> = serve(page(long, "/2"), page(long))
    local size = 0
    for response in client:pages(p.url .. "/1", { stream = true }) do
      for piece in response:chunks() do
        size = size + #piece
        piece:dispose()
      end
    end
    assert.equal(2 << 20, size)
  end)

  it("disposes a page when the next one is asked for", function()
    local p <close> = serve(page("a", "/2"), page("b", "/3"), page "c")
    local last, lease
    for response in client:pages(p.url .. "/1") do
      if last then assert.error_matches(function() last:text() end, "use of disposed response") end
      last = response
      if response.url:find "/2$" then lease = response:detach() end
      if response.url:find "/3$" then response:dispose() end -- sooner
    end
    assert.error_matches(function() last:text() end, "use of disposed response")
    assert.equal("b", lease:tostring())
    lease:dispose()
  end)

  it("releases the page where the loop is left", function()
    for _, leave in ipairs { function(f) f() end, function(f) pcall(f, true) end } do
      local p <close> = serve(page("a", "/2"), page(("x"):rep(100000), "/3"))
      leave(function(raises)
        for response in client:pages(p.url .. "/1", { stream = true }) do
          if response.url:find "/2$" then
            if raises then error "left" end
            break
          end
        end
      end)
      client:close()
      support.settle(sluice)
      client = support.client()
    end
  end)

  it("fetches no more than `max`", function()
    local p <close> = serve(page("a", "/2"), page("b", "/3"))
    assert.same({ "a", "b" }, (texts(p.url .. "/1", { max = 2 })))
    assert.same({ "/1", "/2" }, targets(p))
  end)

  it("goes by the base_url, and by where redirects led", function()
    local p <close> = serve({ "send", "HTTP/1.1 302 Found\r\nLocation: /b/1\r\n"
      .. "Content-Length: 0\r\n\r\n" }, page("a", "2"), page "b")
    local other <close> = support.client { base_url = p.url .. "/a/" }
    assert.same({ "a", "b" }, (texts("1", nil, other)))
    assert.same({ "/a/1", "/b/1", "/b/2" }, targets(p))
  end)

  it("passes each page through the interceptors, as it was asked for", function()
    local p <close> = serve(page("a", "/2"), page("b", "/3"), page "c")
    local seen = {}
    client:use(function(request, forward)
      seen[#seen + 1] = request:get_header "X-Count" or "none"
      request:set_header("X-Count", #seen)
      return forward(request)
    end)
    assert.same({ "a", "b", "c" }, (texts(p.url .. "/1")))
    assert.same({ "none", "none", "none" }, seen)
  end)

  it("takes credentials along, but never to another origin, and never back", function()
    local last = serve(page "d")
    local other = serve(page("c", last.url .. "/4"))
    local p = serve(page("a", "/2"), page("b", other.url .. "/3"))
    finally(function()
      for _, server in ipairs { p, other, last } do server:stop() end
    end)
    local options = { auth = { "user", "pass" },
      headers = { { "X-Key", "k", secret = true }, { "Cookie", "c=1" }, { "X-Plain", "p" } } }
    local list, raised = texts(p.url .. "/1", options)
    assert.is_nil(raised)
    assert.same({ "a", "b", "c", "d" }, list)
    for server, count in pairs { [p] = 2, [other] = 0, [last] = 0 } do
      local sent = server:received(1)
      for _, name in ipairs { "Authorization", "X%-Key", "Cookie" } do
        assert.equal(count, select(2, sent:gsub("\r\n" .. name .. ": ", "")))
      end
      assert.is_truthy(sent:find("X-Plain: p", 1, true))
    end
  end)

  it("gives nothing back to the first origin behind another one", function()
    local p, other
    other = serve(page("b", "http://127.0.0.1:1/")) -- replaced below
    p = peer.listen { script = { { { "expect_until", "\r\n\r\n" }, page("a", other.url .. "/2"),
      { "expect_until", "\r\n\r\n" }, page "c", { "stall" } } } }
    other:stop()
    other = peer.listen { port = other.port, script = { { { "expect_until", "\r\n\r\n" },
      page("b", p.url .. "/3"), { "stall" } } } }
    finally(function()
      p:stop()
      other:stop()
    end)
    assert.same({ "a", "b", "c" }, (texts(p.url .. "/1", { auth = { bearer = "t" } })))
    assert.equal(1, select(2, p:received(1):gsub("Authorization: Bearer t", "")))
    assert.same({ "/1", "/3" }, targets(p))
  end)

  it("keeps the user info of a URL for its origin", function()
    local p <close> = serve(page("a", "/2"), page "b")
    local list = texts((p.url:gsub("//", "//user:p%%25ss@")) .. "/1")
    assert.same({ "a", "b" }, list)
    assert.equal(2, select(2, p:received(1):gsub("Authorization: Basic dXNlcjpwJXNz\r\n", "")))
  end)

  it("raises where pages lead in a circle", function()
    for _, url in ipairs { "/1", "/2", "/2#part" } do
      local p <close> = serve(page("a", "/2"), page("b", url))
      local list, err = texts(p.url .. "/1")
      assert.same({ "a", "b" }, list)
      assert.equal("redirect", err.code)
      assert.equal(("GET %s/2: the next page: %s%s was fetched before"):format(p.url, p.url,
        url:match "^[^#]*"), tostring(err))
    end
    local p <close> = serve({ "send", "HTTP/1.1 302 Found\r\nLocation: /2\r\n"
      .. "Content-Length: 0\r\n\r\n" }, page("a", "/2"))
    local list, err = texts(p.url .. "/1")
    assert.same({ "a" }, list)
    assert.matches("/2 was fetched before$", tostring(err))
  end)

  it("raises where a page leads where no request may go", function()
    for url, reason in pairs {
      ["ftp://a.example/"] = "the scheme is not supported",
      ["http+unix://%2Frun%2Fa.sock/"] = "to a unix socket",
      ["http://user:pw@127.0.0.1/"] = "user info",
      ["http://127.0.0.1:0/"] = "port",
    } do
      local p <close> = serve(page("a", url))
      local list, err = texts(p.url .. "/1")
      assert.same({ "a" }, list)
      assert.equal("redirect", err.code)
      assert.is_truthy(tostring(err):find("GET " .. p.url .. "/1: the next page: ", 1, true), err)
      assert.is_truthy(tostring(err):find(reason, 1, true), err)
      assert.is_nil(tostring(err):find("pw", 1, true))
    end
  end)

  it("raises what fails, at the first page and later", function()
    local list, err = texts "http://127.0.0.1:1/"
    assert.same({}, list)
    assert.equal("connect", err.code)
    local p <close> = peer.listen { script = { { { "expect_until", "\r\n\r\n" }, page("a", "/2"),
      { "expect_until", "\r\n\r\n" }, { "send", "HTTP/1.1 what\r\n\r\n" }, { "stall" } } } }
    list, err = texts(p.url .. "/1")
    assert.same({ "a" }, list)
    assert.equal("protocol", err.code)
    local q <close> = serve(page("a", "/2"))
    local ok
    ok, err = pcall(function()
      for _ in client:pages(q.url .. "/1") do client:close() end
    end)
    assert.is_false(ok)
    assert.equal("closed", err.code)
  end)

  it("gives a page of a failing status like any other", function()
    local p <close> = serve(page("a", "/2"), page("none", nil, "404 Not Found"))
    local statuses = {}
    for response in client:pages(p.url .. "/1") do statuses[#statuses + 1] = response.status end
    assert.same({ 200, 404 }, statuses)
  end)

  it("raises a failing status by fail_status, with its page", function()
    local p <close> = serve(page("a", "/2"), page("no more", nil, "503 Service Unavailable"))
    local list, err = texts(p.url .. "/1", { fail_status = true })
    assert.same({ "a" }, list)
    assert.equal("status", err.code)
    assert.equal(503, err.status)
    assert.equal("no more", err.response:text())
    err.response:dispose()
  end)

  it("tries a page again by retry, and goes on", function()
    local p <close> = serve(page "", page("a", "/2"), page(""), page "b")
    local count = 0
    client:use { hop = function(request, forward)
      count = count + 1
      local response, message, err = forward(request)
      if response and count % 2 == 1 then
        response:dispose()
        return nil, "lost", { code = "closed", retryable = true, message = "lost" }
      end
      return response, message, err
    end }
    assert.same({ "a", "b" }, (texts(p.url .. "/1", { retry = { tries = 1, delay = 0 } })))
    assert.same({ "/1", "/1", "/2", "/2" }, targets(p))
  end)

  it("gives what interceptors answer with, and ends at a value of their own", function()
    client:use(function(request)
      if request.url:find "/2$" then return { body = "of their own" } end
      return request:answer { status = 200, headers = { Link = "</2>; rel=next" }, body = "a" }
    end)
    local list = {}
    for response in client:pages "http://127.0.0.1:1/1" do list[#list + 1] = response.body end
    assert.same({ "a", "of their own" }, list)
  end)

  it("blames misuse on the caller, before anything is sent", function()
    local function blamed(f, reason)
      local ok, raised = pcall(f)
      assert.is_false(ok)
      assert.matches("^%S*spec/lua/pages_spec%.lua:%d+: ", raised)
      assert.is_truthy(raised:find(reason, 1, true), raised)
    end
    local url = "http://127.0.0.1:1/"
    for reason, options in pairs {
      ["pages: option 'max': integer above zero expected, got 0"] = { max = 0 },
      ["pages: option 'body': pages are fetched with GET, without a body"] = { body = "x" },
      ["pages: option 'json': pages are fetched with GET, without a body"] = { json = {} },
      ["request: unknown option 'haeders': did you mean 'headers'?"] = { haeders = {} },
      ["request: option 'method': given as an argument already"] = { method = "POST" },
      ["pages: table of options expected, got string"] = "max",
    } do
      blamed(function() local _ = client:pages(url, options) end, reason)
    end
    blamed(function() local _ = client:pages(5) end, "request: url: string expected, got number")
    blamed(function() local _ = client.pages(url) end, "called without a client")
    local ok, err = pcall(client.pages, client, url, { headers = { Host = "x" } })
    assert.is_false(ok)
    assert.equal("invalid", err.code)
    client:close()
    blamed(function() local _ = client:pages(url) end, "use of closed client")
  end)
end)
