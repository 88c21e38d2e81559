-- The opening handshake (RFC 6455 4.1): what is sent, which answers are accepted, and what becomes
-- of the others.

local core = require "sluice.core"
local sluice = require "sluice"
local support = require "spec.support"
local peer = support.peer

-- RFC 6455 1.3
local KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

local request_head = { "expect_until", "\r\n\r\n" }

-- An answer of 101 with these values in the place of the right ones; false: no such field.
local function switch(changes)
  local lines = { "HTTP/1.1 101 Switching Protocols" }
  for _, field in ipairs { { "Upgrade", "websocket" }, { "Connection", "Upgrade" },
    { "Sec-WebSocket-Accept", ACCEPT }, { "Sec-WebSocket-Protocol", false },
    { "Sec-WebSocket-Extensions", false } } do
    local name, value = field[1], field[2]
    if changes and changes[name] ~= nil then value = changes[name] end
    if value then lines[#lines + 1] = name .. ": " .. value end
  end
  return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

local TEXT, CLOSE = "\x81\x05hello", "\x88\x02\x03\xe8"

-- A client's Close frame, behind which the server closes the connection.
local its_close = { "read", 8 }

describe("a handshake", function()
  local client
  local real_key = core.websocket_key

  before_each(function() core.websocket_key = function() return KEY end end)
  after_each(function() core.websocket_key = real_key end)
  support.verify_each(function(keep) client = keep(support.client()) end)

  -- A peer that answers one handshake, then says more, and closes behind the client's Close.
  local function server(answer, more)
    return peer.listen { repeat_last = true, script = {
      { request_head, { "send", answer .. (more or "") }, its_close } } }
  end

  local function url_of(p, path) return ("ws://%s:%d%s"):format(p.host, p.port, path or "/") end

  -- The failure of a handshake.
  local function fails(url, options, own)
    local socket, message, err = (own or client):websocket(url, options)
    assert.is_nil(socket)
    assert.equal(message, tostring(err))
    return err
  end

  it("sends what the protocol asks for, behind the caller's fields", function()
    local p <close> = server(switch(), CLOSE)
    local socket <close> = assert(client:websocket(url_of(p, "/chat?x=1"),
      { headers = { Origin = "http://a.example" }, query = { y = "2" } }))
    socket:close()
    local head = p:received(1):match "^.-\r\n\r\n"
    assert.matches("^GET /chat%?x=1&y=2 HTTP/1.1\r\nHost: 127.0.0.1:%d+\r\n", head)
    assert.matches("\r\nOrigin: http://a.example\r\n", head, 1, true)
    for _, line in ipairs { "Connection: Upgrade", "Upgrade: websocket",
      "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " .. KEY } do
      assert.matches("\r\n" .. line .. "\r\n", head, 1, true)
    end
    assert.is_nil(head:find("Sec-WebSocket-Protocol", 1, true))
    assert.is_nil(head:find("Content-Length", 1, true))
  end)

  it("makes a key of 16 random bytes for each sending", function()
    core.websocket_key = real_key
    local seen = {}
    local p <close> = support.serve "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"
    for _ = 1, 3 do fails(url_of(p)):dispose() end
    for _, bytes in ipairs(p:received()) do
      local key = bytes:match "Sec%-WebSocket%-Key: (%S+)\r\n"
      assert.matches("^[%w+/]+==$", key)
      assert.equal(24, #key)
      assert.is_nil(seen[key])
      seen[key] = true
    end
  end)

  it("accepts names and words in any case, and further words of Connection", function()
    local right = { { Upgrade = "WebSocket" }, { Connection = "keep-alive, UPGRADE" } }
    for _, changes in ipairs(right) do
      local p <close> = server(switch(changes), CLOSE)
      local socket <close> = assert(client:websocket(url_of(p)))
      assert.equal("open", socket.state)
      socket:close()
    end
  end)

  local wrong = {
    { "another Upgrade", { Upgrade = "h2c" }, "Upgrade is not websocket" },
    { "no Upgrade", { Upgrade = false }, "Upgrade is not websocket" },
    { "two words in Upgrade", { Upgrade = "websocket, h2c" }, "Upgrade is not websocket" },
    { "another Connection", { Connection = "keep-alive" }, "Connection is not Upgrade" },
    { "no Connection", { Connection = false }, "Connection is not Upgrade" },
    { "no Accept", { ["Sec-WebSocket-Accept"] = false }, "without Sec-WebSocket-Accept" },
    { "the key itself", { ["Sec-WebSocket-Accept"] = KEY }, "does not fit the key" },
    { "Accept in another case", { ["Sec-WebSocket-Accept"] = ACCEPT:lower() },
      "does not fit the key" },
    { "two Accepts",
      { ["Sec-WebSocket-Accept"] = ACCEPT .. "\r\nSec-WebSocket-Accept: " .. ACCEPT },
      "does not fit the key" },
    { "a subprotocol", { ["Sec-WebSocket-Protocol"] = "chat" }, "a subprotocol was not offered" },
    { "an extension", { ["Sec-WebSocket-Extensions"] = "x-odd" }, "an extension was not offered" },
    { "a body's framing", { Upgrade = "websocket\r\nTransfer-Encoding: chunked",
      Connection = false }, "Connection is not Upgrade" },
  }
  for _, case in ipairs(wrong) do
    it("fails if the answer has " .. case[1], function()
      local p <close> = server(switch(case[2]), TEXT)
      local err = fails(url_of(p))
      assert.equal("protocol", err.code)
      assert.equal("websocket", err.stage)
      assert.is_false(err.retryable)
      assert.matches("^GET ws://127.0.0.1:%d+/: ", err.message)
      assert.matches(case[3], err.message, 1, true)
      assert.is_true(p:wait("idle", 1, 20))
      assert.equal(0, client:stats().active)
      for offset in support.each_cut(switch(case[2])) do
        if offset % 7 == case[1]:byte() % 7 then -- together they are cut everywhere
          local q <close> = peer.listen { script = {
            { request_head, { "cut", switch(case[2]), offset, 0 }, { "read_all" } } } }
          assert.matches(case[3], fails(url_of(q)).message, 1, true)
        end
      end
    end)
  end

  it("fails if a head of 101 is of HTTP/1.0, is cut off, or was not asked for", function()
    for answer, code in pairs {
      [switch():gsub("1%.1", "1.0")] = "protocol",
      [switch():sub(1, -3)] = "closed",
    } do
      local p <close> = peer.listen { script = { { request_head, { "send", answer } } } }
      local err = fails(url_of(p))
      assert.equal(code, err.code)
      assert.equal("websocket", err.stage)
    end
    local p <close> = server(switch())
    local response, _, err = client:get(p.url .. "/")
    assert.is_nil(response)
    assert.equal("protocol", err.code)
  end)

  it("is the same wherever the answer is cut, with frames behind it", function()
    local bytes = switch() .. TEXT .. CLOSE
    for offset in support.each_cut(bytes) do
      local p <close> = peer.listen { script = {
        { request_head, { "cut", bytes, offset, 0.0005 }, its_close } } }
      local socket <close> = assert(client:websocket(url_of(p)))
      local message <close> = assert(socket:receive(20))
      assert.equal("hello", message:text())
      assert.is_nil(socket:receive(20))
      assert.equal(1000, socket.close_code)
    end
  end)

  it("gives the subprotocol that the server chose, or none", function()
    for _, chosen in ipairs { "b", false } do
      local p <close> = server(switch { ["Sec-WebSocket-Protocol"] = chosen }, CLOSE)
      local socket <close> = assert(client:websocket(url_of(p), { protocols = { "a", "b" } }))
      assert.equal(chosen or nil, socket.subprotocol)
      assert.matches("Sec-WebSocket-Protocol: a, b\r\n", p:received(1), 1, true)
      socket:close()
    end
    for _, chosen in ipairs { "B", "a, b", "c" } do
      local p <close> = server(switch { ["Sec-WebSocket-Protocol"] = chosen })
      assert.matches("a subprotocol was not offered",
        fails(url_of(p), { protocols = { "a", "b" } }).message, 1, true)
    end
  end)

  it("shows the fields of the answer, and its URL", function()
    local p <close> = server((switch():gsub("\r\n\r\n", "\r\nX-Server: a\r\nx-server: b\r\n\r\n")),
      CLOSE)
    local socket <close> = assert(client:websocket(url_of(p, "/x")))
    assert.equal("a, b", socket.headers["X-Server"])
    assert.same({ "a", "b" }, socket.headers:all "x-server")
    assert.equal(url_of(p, "/x"), socket.url)
    assert.is_nil(socket.subprotocol)
    socket:close()
  end)

  -- ---- refusals ----

  it("that is refused gives the response, with its body, and keeps the connection", function()
    for status, retryable in pairs { [200] = false, [400] = false, [401] = false, [403] = false,
      [404] = false, [426] = false, [500] = false, [503] = true } do
      local p <close> = support.serve(("HTTP/1.1 %d Well\r\nContent-Length: 4\r\n"
        .. "Sec-WebSocket-Version: 13, 8\r\n\r\nbody"):format(status))
      local err = fails(url_of(p))
      assert.equal("status", err.code)
      assert.equal("websocket", err.stage)
      assert.equal(status, err.status)
      assert.equal(retryable, err.retryable)
      assert.equal(("GET %s: status %d Well instead of 101 (Switching Protocols)")
        :format(url_of(p), status), err.message)
      assert.equal("13, 8", err.response.headers["Sec-WebSocket-Version"])
      assert.equal("body", err.response:text())
      err:dispose()
      assert.equal(1, client:stats().idle)
      client:close()
      client = support.client()
    end
  end)

  it("goes over a connection of its own, not over one that was used before", function()
    local p <close> = peer.listen { script = {
      { request_head, { "send", "HTTP/1.1 204 No Content\r\n\r\n" }, { "read_all" } },
      { request_head, { "send", switch() .. CLOSE }, its_close } } }
    local response <close> = assert(client:get(p.url .. "/"))
    assert.equal(1, client:stats().idle)
    local socket <close> = assert(client:websocket(url_of(p)))
    assert.equal(1, client:stats().idle)
    assert.equal(0, client:stats().active) -- it counts no longer
    socket:close()
    assert.equal(204, response.status)
  end)

  it("leaves the room of its origin to requests once it has succeeded", function()
    local own = support.client { pool = { per_origin = 1 } }
    local p <close> = peer.listen { script = {
      { request_head, { "send", switch() }, its_close },
      { request_head, { "send", "HTTP/1.1 204 No Content\r\n\r\n" }, { "read_all" } } } }
    local socket <close> = assert(own:websocket(url_of(p)))
    local response <close> = assert(own:get(p.url .. "/"))
    assert.equal(204, response.status)
    own:close()
    socket:close()
  end)

  it("fails by its deadline, which is ten seconds or what the client allows", function()
    local p <close> = peer.listen { repeat_last = true, script = { { { "stall" } } } }
    local own = support.client { timeout = 0.25 }
    for _, err in ipairs { fails(url_of(p), { timeout = 0.25 }), fails(url_of(p), nil, own),
      fails(url_of(p), { timeout = { total = 0.25 } }) } do
      assert.equal("timeout", err.code)
      assert.equal("websocket", err.stage)
      assert.matches("not complete within 0.25 s (timeout.total)", err.message, 1, true)
    end
    own:close()
    local err = fails(url_of(p), { timeout = { first_byte = 0.05 } })
    assert.matches("no response within 0.05 s (timeout.first_byte)", err.message, 1, true)
  end)

  it("fails if nobody listens, naming that stage", function()
    local port = support.system.free_port()
    local err = fails(("ws://127.0.0.1:%d/"):format(port))
    assert.equal("connect", err.code)
    assert.equal("connect", err.stage)
  end)

  -- ---- options ----

  it("names the wrong option, and the likely one", function()
    for options, message in pairs {
      [{ protocol = "a" }] = "websocket: unknown option 'protocol': did you mean 'protocols'?",
      [{ ping_intervall = 1 }] = "unknown option 'ping_intervall': did you mean 'ping_interval'?",
      [{ tls = {} }] = "unknown option 'tls': it is an option of the client",
      [{ body = "x" }] = "websocket: unknown option 'body'",
      [{ max_payload = 1 }] = "unknown option 'max_payload': did you mean 'max_message_size'?",
      [{ protocols = "chat" }] = "option 'protocols': array of names (tokens, none of them twice) "
        .. "expected, got string",
      [{ protocols = { "a", "a" } }] = "option 'protocols': array",
      [{ protocols = { "a b" } }] = "option 'protocols': array",
      [{ protocols = { a = "b" } }] = "option 'protocols': array",
      [{ max_message_size = 0 }] = "option 'max_message_size': integer above zero expected, got 0",
      [{ queue = { size = 1 } }] = "unknown option 'queue.size'",
    } do
      local ok, raised = pcall(client.websocket, client, "ws://127.0.0.1/", options)
      assert.is_false(ok)
      assert.matches(message, raised, 1, true)
    end
    assert.has_error(function() client:websocket() end, "websocket: url: string expected, got nil")
  end)

  it("is of a URL of ws, wss, http or https, without a fragment", function()
    for url, message in pairs {
      ["ws://127.0.0.1/#a"] = "GET ws://127.0.0.1/#a: a WebSocket URL has no fragment",
      ["ftp://127.0.0.1/"] = "the scheme is not supported",
      ["127.0.0.1/x"] = "a URL begins with ws:// or wss://",
      ["ws:///x"] = "GET",
      ["ws://u:secret@127.0.0.1/#a"] = "GET ws://127.0.0.1/#a: a WebSocket URL has no fragment",
    } do
      local err = fails(url)
      assert.equal("invalid", err.code)
      assert.matches(message, err.message, 1, true)
    end
    local response, message = client:get "ws://127.0.0.1/"
    assert.is_nil(response)
    assert.matches("client:websocket(url) opens a WebSocket", message, 1, true)
  end)

  it("can be of a URL relative to that of the client, and of http", function()
    local p <close> = peer.listen { repeat_last = true, script = {
      { request_head, { "send", switch() .. CLOSE }, its_close } } }
    local own = support.client { base_url = p.url .. "/api" }
    for _, url in ipairs { "chat", p.url .. "/api/chat", "WS" .. p.url:sub(5) .. "/api/chat" } do
      local socket <close> = assert(own:websocket(url))
      assert.equal(url_of(p, "/api/chat"), socket.url)
      socket:close()
    end
    own:close()
  end)

  it("refuses the fields that are its own", function()
    for name, hint in pairs { ["Upgrade"] = "set by the client itself",
      ["connection"] = "set by the client itself", ["Sec-WebSocket-Key"] = "set by the client",
      ["sec-websocket-version"] = "set by the client itself",
      ["Sec-WebSocket-Protocol"] = "set by the option protocols",
      ["Sec-WebSocket-Extensions"] = "set by the option compress" } do
      local err = fails("ws://127.0.0.1:1/", { headers = { [name] = "x" } })
      assert.equal("invalid", err.code)
      assert.matches(hint, err.message, 1, true)
    end
  end)

  -- ---- steps of a request ----

  it("follows redirects only if it may, also to a URL of ws", function()
    local q <close> = server(switch(), CLOSE)
    for _, location in ipairs { url_of(q, "/there"), q.url .. "/there" } do
      local p <close> = support.serve("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n"
        .. "Location: " .. location .. "\r\n\r\n")
      local err = fails(url_of(p))
      assert.equal("status", err.code)
      assert.matches("the option redirects follows it", err.message, 1, true)
      err:dispose()
      local socket <close> = assert(client:websocket(url_of(p), { redirects = 1 }))
      assert.equal(url_of(q, "/there"), socket.url)
      socket:close()
    end
  end)

  it("passes interceptors, which see what the request is for", function()
    local p <close> = server(switch(), CLOSE)
    local seen = {}
    client:use(function(request, forward)
      seen[#seen + 1] = ("call %s %s %s"):format(request.method, tostring(request.upgrade),
        request.url)
      return forward(request)
    end)
    client:use { hop = function(request, forward)
      request:set_header("X-Hop", "1")
      local response, message, err = forward(request)
      seen[#seen + 1] = "hop " .. response.status
      return response, message, err
    end }
    local socket <close> = assert(client:websocket(url_of(p)))
    assert.same({ ("call GET websocket %s/"):format(p.url), "hop 101" }, seen)
    assert.matches("\r\nX-Hop: 1\r\n", p:received(1), 1, true)
    socket:close()
  end)

  it("that an interceptor answers, or changes into something else, is refused", function()
    local p <close> = server(switch(), CLOSE)
    local step
    client:use(function(request, forward) return step(request, forward) end)
    step = function(request) return request:answer { status = 403, body = "no" } end
    local err = fails(url_of(p))
    assert.equal("status", err.code)
    assert.equal("no", err.response:text())
    err:dispose()
    step = function() return { status = 101 } end
    assert.matches("a value of its own", fails(url_of(p)).message, 1, true)
    step = function(request, forward)
      request.method = "POST"
      return forward(request)
    end
    assert.matches("a WebSocket is opened with GET", fails(url_of(p)).message, 1, true)
    step = function(request, forward)
      request.body = "text"
      return forward(request)
    end
    assert.matches("for a WebSocket takes no body", fails(url_of(p)).message, 1, true)
    step = function(request, forward)
      assert(forward(request))
      return request:answer { status = 503 }
    end
    fails(url_of(p)):dispose() -- and the one that was accepted is closed
    assert.is_true(p:wait("idle", 1, 20))
  end)

  it("is neither cached nor recorded", function()
    local folder = require("spec.support.server").directory()
    local p <close> = server(switch(), CLOSE)
    client:use(sluice.interceptors.cache())
    client:use(sluice.interceptors.record { path = folder, mode = "auto" })
    for _ = 1, 2 do
      local socket <close> = assert(client:websocket(url_of(p)))
      socket:close()
    end
    assert.equal(2, p:connections())
    require("spec.support.server").remove(folder)
  end)

  it("sends cookies, and keeps those of its answer", function()
    local own = support.client { cookies = true }
    local p <close> =
      server((switch():gsub("\r\n\r\n", "\r\nSet-Cookie: a=1\r\n\r\n")), CLOSE)
    for i = 1, 2 do
      local socket <close> = assert(own:websocket(url_of(p)))
      socket:close()
      assert.equal(i == 2, p:received(i):find("\r\nCookie: a=1\r\n", 1, true) ~= nil)
    end
    own:close()
  end)

  it("has the credentials of the client, of the call, or of the URL", function()
    local p <close> = server(switch(), CLOSE)
    local sockets = {
      assert(client:websocket(url_of(p), { auth = { "u", "p" } })),
      assert(client:websocket((url_of(p):gsub("//", "//u:p@")))),
      assert(client:websocket(url_of(p), { auth = { bearer = "t" } })),
    }
    for i, value in ipairs { "Basic dTpw", "Basic dTpw", "Bearer t" } do
      assert.matches(("\r\nAuthorization: %s\r\n"):format(value), p:received(i), 1, true)
      assert.is_nil(sockets[i].url:find("u:p", 1, true))
      sockets[i]:close()
    end
  end)

  it("answers a challenge for digest credentials", function()
    local p <close> = peer.listen { script = {
      { request_head, { "send", "HTTP/1.1 401 No\r\nContent-Length: 0\r\nWWW-Authenticate: Digest "
        .. 'realm="r", nonce="n", qop="auth"\r\n\r\n' }, { "read_all" } },
      { request_head, { "send", switch() .. CLOSE }, its_close } } }
    local socket <close> = assert(client:websocket(url_of(p), { auth = { digest = { "u", "p" } } }))
    assert.matches('Authorization: Digest username="u"', p:received(2), 1, true)
    socket:close()
  end)

  it("is sent again only if that was asked for", function()
    local busy = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
    local own = support.client { retry = { tries = 1, delay = 0 } }
    for _, retry in ipairs { false, { tries = 1, delay = 0 } } do
      local p <close> = peer.listen { script = {
        { request_head, { "send", busy }, { "read_all" } },
        { request_head, { "send", switch() .. CLOSE }, its_close } } }
      local socket, _, err = own:websocket(url_of(p), { retry = retry or nil })
      if retry then
        assert(socket, err):close()
      else
        assert.equal(503, err.status)
        err:dispose()
      end
    end
    own:close()
  end)

  -- ---- one at a time ----

  it("waits for those to the same host that were begun before (RFC 6455 4.1)", function()
    local p <close> = peer.listen { repeat_last = true, script = {
      { request_head, { "hold" }, { "send", switch() .. CLOSE }, its_close } } }
    local tasks = {}
    for i = 1, 3 do
      tasks[i] = sluice.spawn(function()
        local socket <close> = assert(client:websocket(url_of(p)))
        socket:close()
        return "done"
      end)
    end
    for i = 1, 3 do
      sluice.spawn(function()
        repeat sluice.sleep(0.001) until p:wait("holding", 1, 0)
        assert.equal(i, p:connections())
        p:signal()
      end):await()
      assert.equal("done", tasks[i]:await())
    end
  end)

  it("that waits can be cancelled, times out, and ends with the client", function()
    local p <close> = peer.listen { repeat_last = true, script = {
      { request_head, { "stall" } } } }
    local first = sluice.spawn(function() return client:websocket(url_of(p)) end)
    sluice.sleep(0)
    local second = sluice.spawn(function() return client:websocket(url_of(p)) end)
    local third = sluice.spawn(function()
      return client:websocket(url_of(p), { timeout = 0.05 })
    end)
    local _, _, err = third:await()
    assert.equal("timeout", err.code)
    second:cancel()
    local fourth = sluice.spawn(function() return client:websocket(url_of(p)) end)
    sluice.sleep(0)
    client:close()
    _, _, err = fourth:await()
    assert.equal("closed", err.code)
    first:cancel()
    first:await()
    second:await()
    assert.equal(1, p:connections())
  end)

  it("leaves nothing behind when its coroutine is closed", function()
    local p <close> = peer.listen { repeat_last = true, script = { { request_head, { "stall" } } } }
    for _ = 1, 2 do
      local task = sluice.spawn(function() return client:websocket(url_of(p)) end)
      sluice.sleep(0.01)
      task:cancel()
      local _, _, err = task:await()
      assert.equal("cancelled", err.code)
    end
  end)
end)
