-- The stand-in for lua-resty-http: the ways of use that its manual shows.

local http = require "sluice.compat.resty_http"
local nginx = require "spec.support.nginx"
local sluice = require "sluice"
local support = require "spec.support"

local peer = support.peer

describe("compat.resty_http", function()
  local server

  setup(function() server = nginx.start() end)
  teardown(function() server:stop() end)
  after_each(function() http.client = nil end)
  support.verify_each(function(keep) http.client = keep(support.client()) end)

  -- A connection to the server.
  local function connected()
    local httpc = assert(http.new())
    assert(httpc:connect { scheme = "http", host = "127.0.0.1", port = server.port })
    return httpc
  end

  it("sends a request to a URI, and has its body", function()
    local httpc = http.new()
    local res, err = httpc:request_uri(server.url .. "/request", {
      method = "POST", body = "a=1&b=2",
      headers = { ["Content-Type"] = "application/x-www-form-urlencoded", ["X-A"] = "b" },
    })
    assert.is_nil(err)
    assert.equal(200, res.status)
    assert.equal("OK", res.reason)
    assert.is_true(res.has_body)
    assert.match('"method":"POST"', res.body, 1, true)
    assert.equal(res.headers["Content-Type"], res.headers.content_type)
    assert.equal(res.headers["Content-Type"], res.headers["CONTENT-TYPE"])
    assert.is_nil(res.headers["X-None"])
  end)

  it("connects, sends, reads in pieces, and keeps the connection", function()
    server:file(100000)
    local path = "/file/100000"
    local connections
    for _ = 1, 2 do
      local httpc = connected()
      httpc:set_timeouts(5000, 5000, 5000)
      local res = assert(httpc:request { path = path })
      local reader, pieces = res.body_reader, {}
      repeat
        local buffer, err = reader(8192)
        assert.is_nil(err)
        if buffer then
          assert.is_true(#buffer <= 8192)
          pieces[#pieces + 1] = buffer
        end
      until not buffer
      assert.equal(100000, #table.concat(pieces))
      assert.equal(1, httpc:set_keepalive())
      connections = sluice.stats().connections
    end
    assert.equal(1, connections)
  end)

  it("goes by the client that is set now, also where the connection leads elsewhere", function()
    local first = http.client
    for _, name in ipairs { "one", "two" } do
      http.client = support.client { headers = { X = name } }
      local httpc = connected()
      local res = assert(httpc:request { path = "/request", headers = { Host = "example.com" } })
      assert.match('"x":"' .. name .. '"', res:read_body():lower(), 1, true)
      httpc:set_keepalive()
      http.client:close()
    end
    http.close_clients()
    http.client = first
  end)

  it("sends the Host that it is given, wherever the connection leads", function()
    local httpc = connected()
    local res = assert(httpc:request { path = "/request", headers = { Host = "example.com" } })
    assert.match('"host":"example.com', assert(res:read_body()), 1, true)
    assert.equal(1, httpc:set_keepalive())
    res = assert(connected():request { path = "/request", headers = { host = "127.0.0.1" } })
    assert.match('"host":"127.0.0.1', assert(res:read_body()), 1, true)
    http.close_clients()
  end)

  it("reads the whole body of a response", function()
    local httpc = connected()
    httpc:set_timeout(5000)
    local res = assert(httpc:request { path = "/request", query = { a = "1" } })
    assert.match('"uri":"/request?a=1"', assert(res:read_body()), 1, true)
    res = assert(httpc:request { path = "/request", query = "b=2" })
    assert.match('"uri":"/request?b=2"', assert(res:read_body()), 1, true)
    assert.equal(2, httpc:get_reused_times())
    assert.equal(1, httpc:close())
    assert.same({ nil, "closed" }, { httpc:close() })
    assert.same({ nil, "closed" }, { httpc:set_keepalive() })
    assert.same({ nil, "not connected" }, { httpc:request {} })
  end)

  it("sends bodies of text, tables and functions", function()
    for _, case in ipairs {
      { "hello" }, { { "hel", "lo" } }, { function() return nil end, "0" },
    } do
      local httpc = connected()
      local res = assert(httpc:request { method = "POST", path = "/upload", body = case[1] })
      assert.match('"length":"?' .. (case[2] or "5"), assert(res:read_body()))
      httpc:set_keepalive()
    end
    local pieces = { "one", "two" }
    local p <close> = peer.listen { script = { {
      { "expect_until", "onetwo" }, { "send", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" } } } }
    local httpc = http.new()
    httpc:connect("127.0.0.1", p.port)
    local res = assert(httpc:request {
      method = "PUT", path = "/", headers = { ["Content-Length"] = 6 },
      body = function() return table.remove(pieces, 1) end,
    })
    assert.equal("", res:read_body())
    assert.match("Content%-Length: 6\r\n", p:received()[1])
  end)

  it("gives trailers, and repeated fields as arrays", function()
    local p <close> = support.peer.listen { script = { {
      { "expect_until", "\r\n\r\n" },
      { "send", "HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: 2\r\nX-A: 3\r\nTrailer: Etag\r\n"
        .. "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nEtag: t\r\n\r\n" } } } }
    local httpc = http.new()
    httpc:connect { host = "127.0.0.1", port = p.port }
    local res = assert(httpc:request { path = "/" })
    assert.same({ "1", "2", "3" }, res.headers["X-A"])
    assert.is_nil(res.headers.Etag)
    assert.equal("abc", res:read_body())
    res:read_trailers()
    assert.equal("t", res.headers.ETAG)
    assert.same({ "1", "2", "3" }, res.headers.x_a)
  end)

  it("sends several requests one after the other", function()
    local httpc = connected()
    local responses = assert(httpc:request_pipeline {
      { path = "/request?n=1" }, { path = "/request?n=2" }, { path = "/status/404" },
    })
    local statuses = {}
    for i, r in ipairs(responses) do
      statuses[i] = r.status
      if i < 3 then assert.match("n=" .. i, assert(r:read_body())) end
    end
    assert.same({ 200, 200, 404 }, statuses)
    assert.equal(1, httpc:close())
  end)

  it("parses URIs", function()
    local httpc = http.new()
    assert.same({ "http", "a.example", 80, "/", "" }, httpc:parse_uri "http://a.example")
    assert.same({ "https", "a.example", 443, "/x?y=1", "" },
      httpc:parse_uri "https://a.example/x?y=1")
    assert.same({ "http", "a.example", 81, "/x", "y=1" },
      httpc:parse_uri("//a.example:81/x?y=1", false))
    local none, message = httpc:parse_uri "nothing"
    assert.is_nil(none)
    assert.equal("bad uri: nothing", message)
    assert.same({ nil, "bad uri: nothing" }, { httpc:request_uri "nothing" })
  end)

  it("fails in words that programs know", function()
    local httpc = http.new()
    assert.same({ nil, "connection refused" }, { httpc:request_uri "http://127.0.0.1:9/" })
    local p <close> = peer.listen { script = { { { "stall" } } } }
    httpc:set_timeouts(50, 50, 50)
    assert.same({ nil, "timeout" }, { httpc:request_uri(p.url .. "/") })
    local cut <close> = peer.listen { script = { {
      { "expect_until", "\r\n\r\n" },
      { "send", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc" }, { "close" } } } }
    httpc:connect { host = "127.0.0.1", port = cut.port }
    local res = assert(httpc:request { path = "/" })
    assert.equal("abc", res.body_reader())
    assert.same({ nil, "closed" }, { res.body_reader() })
    httpc:close()
  end)

  it("does not keep a connection whose response is not read", function()
    server:file(1000000)
    local httpc = connected()
    assert(httpc:request { path = "/file/1000000" })
    assert.equal(2, httpc:set_keepalive())
    assert(httpc:connect { host = "127.0.0.1", port = server.port })
    assert(httpc:request { path = "/file/1000000" })
    assert.equal(1, httpc:close())
  end)

  it("asks proxies, with their credentials", function()
    local p <close> = peer.listen { script = { {
      { "expect_until", "\r\n\r\n" },
      { "send", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" } } } }
    local httpc = http.new()
    httpc:set_proxy_options {
      http_proxy = p.url, http_proxy_authorization = "Basic bWU6cEB3",
      no_proxy = "localhost,b.example",
    }
    local res = assert(httpc:request_uri "http://a.invalid/x")
    assert.equal("ok", res.body)
    assert.match("^GET http://a.invalid/x HTTP/1.1\r\n", p:received()[1])
    assert.match("Proxy%-Authorization: Basic bWU6cEB3\r\n", p:received()[1])
    assert.error_matches(function()
      httpc:request_uri("http://a.invalid/", {
        proxy_opts = { http_proxy = p.url, http_proxy_authorization = "Bearer x" } })
    end, "credentials of Basic expected")
  end)

  it("uses no proxy for hosts in no_proxy, and none without options", function()
    local httpc = http.new()
    httpc:set_proxy_options { http_proxy = "http://127.0.0.1:9", no_proxy = "localhost, 127.0.0.1" }
    assert.equal(200, assert(httpc:request_uri(server.url .. "/json")).status)
    httpc:set_proxy_options(nil)
    assert.equal(200, assert(httpc:request_uri(server.url .. "/json")).status)
  end)

  it("decodes the credentials for a proxy whatever their length", function()
    for text, line in pairs { ["Basic bWU6cA=="] = "bWU6cA==", ["basic  bWU6cHc="] = "bWU6cHc=",
      ["Basic bTo+Pz8="] = "bTo+Pz8=" } do
      local p <close> = peer.listen { script = { {
        { "expect_until", "\r\n\r\n" },
        { "send", "HTTP/1.1 204 No\r\n\r\n" } } } }
      local res = assert(http.new():request_uri("http://a.invalid/", {
        proxy_opts = { http_proxy = p.url, http_proxy_authorization = text } }))
      assert.is_false(res.has_body)
      assert.match("Proxy-Authorization: Basic " .. line .. "\r\n", p:received()[1], 1, true)
    end
  end)

  it("uses TLS if ssl_verify is given without a scheme", function()
    for _, case in ipairs {
      { {}, "http", true }, { { scheme = "https" }, "https", true },
      { { ssl_verify = true }, "https", true }, { { ssl_verify = false }, "https", false },
      { { scheme = "http", ssl_verify = true }, "http", true },
    } do
      local httpc = http.new()
      case[1].host, case[1].port = "127.0.0.1", 9
      assert(httpc:connect(case[1]))
      assert.same({ case[2], case[3] }, { httpc.scheme, httpc.verifies })
    end
  end)

  it("waits for 100 Continue before it sends a body, and not without one", function()
    local p <close> = peer.listen { script = { {
      { "expect_until", "\r\n\r\n" }, { "send", "HTTP/1.1 100 Continue\r\n\r\n" },
      { "expect_until", "abc" }, { "send", "HTTP/1.1 204 No\r\n\r\n" },
      { "expect_until", "\r\n\r\n" }, { "send", "HTTP/1.1 204 No\r\n\r\n" } } } }
    local httpc, headers = http.new(), { Expect = "100-continue" }
    httpc:connect("127.0.0.1", p.port)
    assert(httpc:request { method = "PUT", path = "/", headers = headers, body = "abc" })
    assert.equal(204, assert(httpc:request { path = "/two", headers = headers }).status)
    assert.equal(2, httpc:get_reused_times())
    local first, second = p:received()[1]:match "^(.*)(GET /two.*)$"
    assert.match("Expect: 100-continue\r\n", first, 1, true)
    assert.not_match("Expect", second)
  end)

  it("is not connected for several requests without a connection either", function()
    assert.same({ nil, "not connected" }, { http.new():request_pipeline { { path = "/" } } })
  end)

  it("sends the query of a URI", function()
    for query, shown in pairs { ["?a=1"] = "?a=1", [""] = "" } do
      local res = assert(http.new():request_uri(server.url .. "/request" .. query))
      assert.match('"uri":"/request' .. shown .. '"', res.body, 1, true)
    end
    local res = assert(http.new():request_uri(server.url .. "/request?a=1", { query = "?b=2" }))
    assert.match('"uri":"/request?b=2"', res.body, 1, true)
  end)

  it("raises for a connection without a host", function()
    assert.error_matches(function() http.new():connect {} end, "table with host expected")
  end)

  it("yields inside tasks", function()
    sluice.run(function()
      local statuses = sluice.map({ 1, 2, 3 }, function()
        local res = assert(http.new():request_uri(server.url .. "/json"))
        return res.status
      end)
      assert.same({ 200, 200, 200 }, { table.unpack(statuses) })
    end)
  end)
end)
