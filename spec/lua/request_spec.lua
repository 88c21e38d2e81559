local core = require "sluice.core"
local support = require "spec.support"
local peer = support.peer

local request_head = { "expect_until", "\r\n\r\n" }
local EMPTY = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

describe("a request", function()
  local client, server

  support.verify_each(function(keep)
    server = keep(support.serve(EMPTY))
    client = keep(support.client { timeout = { first_byte = 60, idle = 60 } })
  end)

  --- The head of the last request that the server got, without its last empty line.
  local function head(response, message)
    assert(response, message)
    response:dispose()
    local received, last = server:received(), nil
    for one in received[#received]:gmatch "%u+ %S+ HTTP/1.1\r\n.-\r\n\r\n" do last = one end
    return last:sub(1, -3)
  end

  local function refused(response, _, err)
    assert.is_nil(response)
    assert.equal("invalid", err.code)
    return err.message
  end

  it("travels as line, Host, the caller's fields, framing, defaults", function()
    local sent = head(client:post(server.url .. "/a?b", {
      headers = { { "X-Second", "2" }, { "X-First", "1" }, { "X-Second", "3" } },
      body = "",
    }))
    assert.equal(("POST /a?b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"):format(server.port)
      .. "X-Second: 2\r\nX-First: 1\r\nX-Second: 3\r\nContent-Length: 0\r\n"
      .. "User-Agent: sluice/0.1\r\nAccept: */*\r\n",
      (sent:gsub("Accept%-Encoding: [^\r]*\r\n", "")))
  end)

  it("has a map of fields sent in the order of their names", function()
    local sent = head(client:get(server.url .. "/", {
      headers = { b = "2", a = { "1", "0" }, c = "3" },
    }))
    assert.truthy(sent:find("a: 1\r\na: 0\r\nb: 2\r\nc: 3\r\n", 1, true))
  end)

  it("may be one table of options", function()
    local sent = head(client:request { method = "PUT", url = server.url .. "/a", body = "four" })
    assert.truthy(sent:find "^PUT /a HTTP/1.1\r\n")
    assert.truthy(sent:find("Content-Length: 4\r\n", 1, true))
    assert.truthy(head(client:request { url = server.url .. "/b" }):find "^GET /b ")
    assert.error_matches(function() client:request { method = "GET" } end, "request: url: string")
    assert.error_matches(function() client:request { method = 5, url = "x" } end,
      "request: method: string expected, got number")
  end)

  it("says nothing twice that is an argument already", function()
    for name, value in pairs { url = server.url .. "/b", method = "PUT" } do
      local wrong = ("request: option '%s': given as an argument already"):format(name)
      assert.error_matches(function() client:get(server.url, { [name] = value }) end, wrong)
      assert.error_matches(function() client:request("GET", server.url, { [name] = value }) end,
        wrong)
    end
  end)

  it("is built with every option", function()
    local built = client:build("GET", server.url .. "/")
    for _, name in ipairs { "query", "body", "json", "auth", "timeout", "stream", "limits",
      "decompress", "redirects", "expect_continue", "trailers", "on_progress" } do
      assert.equal(built, built[name](built, nil), name)
    end
    local p <close> = peer.listen { script = { { request_head,
      { "send", "HTTP/1.1 302 F\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n" }, { "stall" } } } }
    local response <close> = assert(client:build("GET", p.url .. "/"):redirects(false):send())
    assert.equal(302, response.status)
  end)

  it("is none for a tunnel", function()
    assert.equal("CONNECT request: tunnels are not offered",
      refused(client:request("CONNECT", server.url .. "/")))
    assert.equal(0, (server:connections()))
  end)

  it("of JSON alone is the same as one with options, whatever its length", function()
    for _, size in ipairs { 1, 100, 10, 1 } do
      local value = { ("x"):rep(size) }
      for _, method in ipairs { "post", "put", "patch" } do
        local send, url = client[method], server.url .. "/a"
        local general = head(send(client, url, { json = value, stream = false }))
        local planned = head(send(client, url, { json = value }))
        assert.equal(general, planned)
        assert.truthy(planned:find(("\r\nContent-Length: %d\r\n"):format(size + 4), 1, true))
        assert.truthy(planned:find("\r\nContent-Type: application/json\r\n", 1, true))
      end
    end
  end)

  it("carries no field that nobody asked for", function()
    local sent = head(client:get(server.url .. "/"))
    local names = {}
    for name in sent:gmatch "\n([%w-]+):" do names[#names + 1] = name end
    assert.same({ "Host", "User-Agent", "Accept", "Accept-Encoding" }, names)
    assert.is_nil(sent:find("q=", 1, true))
    assert.is_nil(sent:find ",%s*,")
  end)

  it("keeps the caller's own values for the defaults", function()
    local sent = head(client:get(server.url .. "/", {
      headers = {
        ["user-agent"] = "mine", accept = "text/plain", ["accept-encoding"] = "identity",
      },
    }))
    assert.equal(1, select(2, sent:lower():gsub("user%-agent:", "")))
    assert.truthy(sent:find("user-agent: mine\r\n", 1, true))
    assert.truthy(sent:find("accept-encoding: identity\r\n", 1, true))
  end)

  it("with POST, PUT or PATCH and no body has a length of 0, others have none", function()
    for _, method in ipairs { "POST", "PUT", "PATCH" } do
      assert.truthy(head(client:request(method, server.url .. "/"))
        :find("Content-Length: 0\r\n", 1, true))
    end
    for _, method in ipairs { "GET", "HEAD", "DELETE", "OPTIONS" } do
      assert.is_nil(head(client:request(method, server.url .. "/")):find "Content%-Length")
    end
  end)

  it("with a body has a length or is chunked", function()
    assert.truthy(head(client:put(server.url .. "/", { body = "four" }))
      :find("Content-Length: 4\r\n", 1, true))
    local pieces = { "a" }
    local sent = head(client:put(server.url .. "/", {
      body = function() return table.remove(pieces) end,
    }))
    assert.truthy(sent:find("Transfer-Encoding: chunked\r\n", 1, true))
    assert.is_nil(sent:find "Content%-Length")
  end)

  it("of a client that keeps no connections says Connection: close", function()
    local closing = support.client { pool = false }
    assert.truthy(head(closing:get(server.url .. "/")):find("Connection: close\r\n", 1, true))
    closing:close()
    assert.is_nil(head(client:get(server.url .. "/")):find "Connection")
  end)

  it("shows the URL's user info in Authorization only", function()
    local sent = head(client:get(("http://us%%65r:p%%40ss@127.0.0.1:%d/"):format(server.port)))
    assert.truthy(sent:find("Authorization: Basic dXNlcjpwQHNz\r\n", 1, true))
    assert.is_nil(sent:find "user")
    assert.is_nil(sent:find "@")
  end)

  it("takes credentials from its own field, then the option, then the client", function()
    local known = support.client { auth = { bearer = "client" } }
    assert.truthy(head(known:get(server.url .. "/")):find("Bearer client", 1, true))
    assert.truthy(head(known:get(server.url .. "/", { auth = { "a", "b" } }))
      :find("Authorization: Basic YTpi\r\n", 1, true))
    assert.truthy(head(known:get(server.url .. "/", {
      auth = { "a", "b" }, headers = { authorization = "own" },
    })):find("authorization: own\r\n", 1, true))
    known:close()
  end)

  it("is not sent when its credentials cannot be written", function()
    local encode = core.base64
    finally(function() core.base64 = encode end)
    core.base64 = function() return nil, "base64: out of memory", { code = "memory" } end
    local response, message, err = client:get(server.url .. "/", { auth = { "a", "b" } })
    assert.is_nil(response)
    assert.equal("base64: out of memory", message)
    assert.equal("memory", err.code)
  end)

  it("that a 401 or 407 answers is not sent again", function()
    local p <close> = peer.listen {
      script = {
        {
          request_head,
          { "send", "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"x\"\r\n"
            .. "Content-Length: 0\r\n\r\n" },
          request_head,
          { "send", "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"x\"\r\n"
            .. "Content-Length: 0\r\n\r\n" },
          { "read_all" },
        },
      },
    }
    for _, status in ipairs { 401, 407 } do
      local response <close> = assert(client:get(p.url .. "/", { auth = { "a", "b" } }))
      assert.equal(status, response.status)
    end
    assert.equal(2, select(2, p:received()[1]:gsub("GET / ", "")))
  end)

  -- RFC 9110 14.4, 15.3.7: nothing is put together here, so nothing can be put together wrongly.
  it("for a range gets the answer as it came, a 206 like any other", function()
    for _, range in ipairs { "bytes 0-1/4", "bytes 3-2/4", "pages 1" } do
      local p <close> = peer.listen {
        script = {
          {
            request_head,
            { "send", "HTTP/1.1 206 Partial Content\r\nContent-Range: " .. range
              .. "\r\nContent-Length: 2\r\n\r\nab" },
            { "read_all" },
          },
        },
      }
      local response <close> = assert(client:get(p.url .. "/", {
        headers = { Range = "bytes=0-1" },
      }))
      assert.equal(206, response.status)
      assert.equal(range, response.headers["Content-Range"])
      assert.equal("ab", response:text())
      assert.equal(1, select(2, p:received()[1]:gsub("GET ", "")))
    end
  end)

  -- RFC 9112 6.1, 6.3
  it("of unknown length is not sent chunked to a server that spoke 1.0", function()
    local p <close> = peer.listen {
      script = {
        {
          { "expect_until", "known" },
          { "send", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n" }, { "close" },
        },
      },
      repeat_last = true,
    }
    assert(client:put(p.url .. "/", { body = "known" })):dispose()
    local response, message, err = client:put(p.url .. "/", { body = function() return "x" end })
    assert.is_nil(response)
    assert.equal("unsupported", err.code)
    assert.matches("1.0", message)
    assert.equal(1, (p:connections()))
  end)

  it("with OPTIONS and a body needs a Content-Type", function()
    assert.truthy(refused(client:options(server.url .. "/", { body = "{}" })):find "Content%-Type")
    head(client:options(server.url .. "/", {
      body = "{}", headers = { ["Content-Type"] = "application/json" },
    }))
  end)

  it("with TRACE has neither body nor secrets", function()
    refused(client:request("TRACE", server.url .. "/", { body = "x" }))
    refused(client:request("TRACE", server.url .. "/", { headers = { Cookie = "a=b" } }))
    refused(client:request("TRACE", server.url .. "/", { auth = { "a", "b" } }))
    refused(client:request("TRACE", (server.url:gsub("//", "//a:b@")) .. "/"))
    local marked = { { "X-Key", "a", secret = true } }
    refused(client:request("TRACE", server.url .. "/", { headers = marked }))
    for _, options in ipairs { { headers = marked }, { auth = { "a", "b" } } } do
      local own <close> = support.client(options)
      refused(own:request("TRACE", server.url .. "/"))
    end
    head(client:request("TRACE", server.url .. "/"))
  end)

  it("for https leaves over TLS alone", function()
    local plain <close> = peer.listen { script = { { { "read", 1 }, { "close" } } } }
    local response, _, err = client:get(("https://127.0.0.1:%d/secret"):format(plain.port))
    assert.is_nil(response)
    assert.equal("tls", err.stage)
    assert.is_nil((plain:received()[1] or ""):find "secret")
  end)

  it("adds a query, escaped, to the one that is there", function()
    local sent = head(client:get(server.url .. "/p?a=1#part", {
      query = { b = "x y&z", c = { 1, 2 } },
    }))
    assert.truthy(sent:find("GET /p?a=1&b=x%20y%26z&c=1&c=2 HTTP/1.1\r\n", 1, true))
    sent = head(client:get(server.url .. "/p", { query = "raw=1" }))
    assert.truthy(sent:find("GET /p?raw=1 HTTP/1.1\r\n", 1, true))
  end)
end)
