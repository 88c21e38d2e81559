-- Digest credentials of clients and requests: when they are sent, and how often.

local challenges = require "sluice.auth.challenges"
local core = require "sluice.core"
local sluice = require "sluice"
local support = require "spec.support"
local peer = support.peer

local DONE = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"

local function ask(nonce, more)
  return ('HTTP/1.1 401 X\r\nWWW-Authenticate: Digest realm="r", nonce="%s", qop="auth"%s\r\n'
    .. "Content-Length: 2\r\n\r\nno"):format(nonce, more or "")
end

local serve = support.serve

describe("digest credentials", function()
  local client

  support.verify_each(function(keep)
    client = keep(support.client { auth = { digest = { "me", "hidden" } } })
  end)

  local function md5(...) return core.hash("md5", table.concat({ ... }, ":")) end

  --- What each request brought: "none", or nonce and count, after its response was verified.
  local function seen_by(p)
    local seen = {}
    for _, bytes in ipairs(p:received()) do
      for method, target, head in bytes:gmatch "(%u+) (%S+) HTTP/1.1\r\n(.-)\r\n\r\n" do
        local value = head:match "Authorization: ([^\r]*)"
        if value then
          local given = challenges.read { value }[1].parameters
          assert.equal(target, given.uri)
          assert.equal(md5(md5("me", given.realm, "hidden"), given.nonce, given.nc, given.cnonce,
            "auth", md5(method, target)), given.response)
          value = given.nonce .. " " .. tonumber(given.nc, 16)
        end
        seen[#seen + 1] = value or "none"
      end
    end
    return table.concat(seen, ", ")
  end

  for _, way in ipairs { "buffered", "streamed" } do
    it("answer a 401, and are sent at once from then on, " .. way, function()
      local p <close> = serve(ask "n", DONE, DONE, DONE)
      for i = 1, 3 do
        local response <close> = assert(client:get(p.url .. "/a?b=" .. i,
          { stream = way == "streamed" }))
        assert.equal("done", response:text())
        assert.equal(i == 1 and 2 or 1, response.attempts)
      end
      assert.equal("none, n 1, n 2, n 3", seen_by(p))
      assert.equal(1, (p:connections()))
    end)
  end

  it("of a request are the same, and the client remembers them for their user", function()
    local plain <close> = support.client()
    local p <close> = serve(ask "n", DONE, DONE, DONE, ask "m", DONE)
    local own = { auth = { digest = { "me", "hidden" } } }
    for _, options in ipairs { own, own, false, { auth = { digest = { "me", "hidden" } } } } do
      plain:get(p.url .. "/", options or nil):dispose()
    end
    assert.equal("none, n 1, n 2, none, n 3, m 1", seen_by(p))
  end)

  it("that are refused are sent once, and the 401 is returned", function()
    local p <close> = serve(ask "n", ask "m", ask "o", ask "p")
    for _ = 1, 2 do
      local response <close> = assert(client:get(p.url .. "/"))
      assert.same({ 401, 2, "no" }, { response.status, response.attempts, response:text() })
    end
    assert.equal("none, n 1, none, o 1", seen_by(p))
    assert.same({ {}, 0 }, { client.known.sessions, client.known.session_count })
    local q <close> = serve(ask "n", DONE, ask "n")
    client:get(q.url .. "/"):dispose()
    local response <close> = assert(client:get(q.url .. "/"))
    assert.same({ 401, 1 }, { response.status, response.attempts })
    assert.equal("none, n 1, n 2", seen_by(q))
  end)

  it("with a nonce that is too old are sent with another one, once", function()
    local stale = ", stale=true"
    local p <close> = serve(ask "n", DONE, ask("m", stale), DONE, DONE)
    for _ = 1, 3 do client:get(p.url .. "/"):dispose() end
    assert.equal("none, n 1, n 2, m 1, m 2", seen_by(p))
    local q <close> = serve(ask "a", ask("b", stale), ask("c", stale), ask("d", stale))
    local response <close> = assert(client:get(q.url .. "/"))
    assert.same({ 401, 3 }, { response.status, response.attempts })
    assert.equal("none, a 1, b 1", seen_by(q))
  end)

  it("follow to the next nonce that the server names", function()
    local p <close> = serve(ask "n", (DONE:gsub("\r\n", '\r\nAuthentication-Info: qop=auth, '
      .. 'nextnonce="x,y", rspauth="z"\r\n', 1)), DONE, DONE)
    for _ = 1, 3 do client:get(p.url .. "/"):dispose() end
    assert.equal("none, n 1, x,y 1, x,y 2", seen_by(p))
  end)

  it("stay with their nonce if the server names none, or one that cannot be sent", function()
    for _, info in ipairs { "qop=auth", 'nextnonce=""', 'nextnonce="x\ty"', "x=", "," } do
      local p <close> = serve(ask "n",
        (DONE:gsub("\r\n", "\r\nAuthentication-Info: " .. info .. "\r\n", 1)), DONE)
      for _ = 1, 2 do client:get(p.url .. "/"):dispose() end
      assert.equal("none, n 1, n 2", seen_by(p))
    end
  end)

  it("answer a restarted server, which does not call its nonce old", function()
    local p <close> = serve(ask "n", DONE, ask "m", DONE)
    for _ = 1, 2 do client:get(p.url .. "/"):dispose() end
    assert.equal("none, n 1, n 2, m 1", seen_by(p))
  end)

  it("are not asked for by a server that a redirect leads to", function()
    local away <close> = serve(ask "evil", DONE)
    local home <close> = serve(ask "n", ("HTTP/1.1 302 X\r\nLocation: %s/\r\n"):format(away.url)
      .. "Content-Length: 0\r\n\r\n", DONE)
    local response <close> = assert(client:get(home.url .. "/"))
    assert.same({ 401, 3 }, { response.status, response.attempts })
    client:get(home.url .. "/"):dispose()
    assert.same({ "none, n 1, n 2", "none" }, { seen_by(home), seen_by(away) })
  end)

  it("answer the strongest challenge, and none that they cannot", function()
    local p <close> = serve('HTTP/1.1 401 X\r\nWWW-Authenticate: Basic realm="b"\r\n'
      .. 'WWW-Authenticate: Digest realm="r", nonce="1", qop=auth, Digest realm="r", nonce="2", '
      .. 'qop="auth", algorithm=SHA-256\r\nContent-Length: 0\r\n\r\n', DONE)
    client:get(p.url .. "/"):dispose()
    assert.truthy(p:received(1):find('nonce="2".*algorithm=SHA%-256'))
    for _, lines in ipairs { "", 'WWW-Authenticate: Basic realm="b"\r\n',
      'WWW-Authenticate: Digest realm="r", nonce="n", algorithm=X\r\n' } do
      local q <close> = serve("HTTP/1.1 401 X\r\n" .. lines .. "Content-Length: 0\r\n\r\n")
      local response <close> = assert(client:get(q.url .. "/"))
      assert.same({ 401, 1 }, { response.status, response.attempts })
    end
  end)

  it("send a body with each try, if it can be sent again", function()
    local script = {}
    for i, bytes in ipairs { ask "n", DONE } do
      script[2 * i - 1] = { "expect_until", "\r\n\r\nbody" }
      script[2 * i] = { "send", bytes }
    end
    script[#script + 1] = { "read_all" }
    for _, kind in ipairs { "text", "lease" } do
      local p <close> = peer.listen { script = { script } }
      local writer <close> = sluice.writer {}
      local body = kind == "text" and "body" or assert(writer:write "body"):detach()
      local response <close> = assert(client:post(p.url .. "/", { body = body }))
      assert.equal(200, response.status)
      if kind == "lease" then assert.truthy(tostring(body):find "disposed") end
    end
    local p <close> = peer.listen { repeat_last = true, script = { {
      { "expect_until", "0\r\n\r\n" }, { "send", ask "n" },
      { "expect_until", "0\r\n\r\n" }, { "send", DONE }, { "read_all" } } } }
    local function post()
      local is_over = false
      return client:post(p.url .. "/", { body = function()
        if is_over then return nil end
        is_over = true
        return "body"
      end })
    end
    local response <close> = assert(post())
    assert.equal(401, response.status)
    local again <close> = assert(post()) -- what the server asked for is known by now
    assert.equal(200, again.status)
    assert.equal("none, n 1", seen_by(p))
  end)

  it("are seen by steps of a hop as sendings of their own, and the redirect behind", function()
    local p <close> = serve(ask "n", "HTTP/1.1 302 X\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n",
      DONE)
    local seen = {}
    client:use { hop = function(request, forward)
      local response, message, err = forward(request)
      seen[#seen + 1] = response.status
      assert.is_nil(request:get_header "Authorization")
      return response, message, err
    end }
    local response <close> = assert(client:get(p.url .. "/a"))
    assert.same({ { 401, 302, 200 }, 3 }, { seen, response.attempts })
    assert.equal("none, n 1, n 2", seen_by(p))
  end)

  it("give way to an Authorization of the request's own", function()
    local p <close> = serve(ask "n")
    local response <close> = assert(client:get(p.url .. "/", { headers = { Authorization = "x" } }))
    assert.same({ 401, 1 }, { response.status, response.attempts })
    assert.truthy(p:received(1):find("\r\nAuthorization: x\r\n", 1, true))
    client:use { hop = function(request, forward)
      return forward(request:set_header("Authorization", "y"))
    end }
    local other <close> = assert(client:get(p.url .. "/"))
    assert.same({ 401, 1 }, { other.status, other.attempts })
  end)

  it("leave the answers of interceptors alone", function()
    local own
    client:use { hop = function(request, forward)
      if own == nil then return request:answer { status = 401 } end
      forward(request):dispose()
      return own
    end }
    local response <close> = assert(client:get "http://a.test/")
    assert.same({ 401, 0 }, { response.status, response.attempts })
    local p <close> = serve(ask "n")
    for _, value in ipairs { { status = 401 }, "text", io.stdout } do
      own = value
      assert.equal(value, client:get(p.url .. "/"))
    end
  end)

  it("count each nonce over tasks that share it", function()
    local p <close> = serve(ask "n", DONE, DONE)
    client:get(p.url .. "/"):dispose()
    sluice.run(function()
      local tasks = {}
      for i = 1, 20 do
        tasks[i] = sluice.spawn(function() client:get(p.url .. "/"):dispose() end)
      end
      sluice.all(tasks)
    end)
    local counts = {}
    for nonce, count in seen_by(p):gmatch "(%a) (%d+)" do
      counts[nonce .. count] = (counts[nonce .. count] or 0) + 1
    end
    for name, count in pairs(counts) do assert.equal(1, count, name) end
  end)

  it("fail with a clear message if the hash is refused", function()
    local hash = core.hash
    finally(function() core.hash = hash end)
    core.hash = function(name)
      return nil, name .. ": the TLS library does not offer it (FIPS mode?)",
        { code = "unsupported" }
    end
    local p <close> = serve(ask "n")
    local response, message, err = client:get(p.url .. "/")
    assert.is_nil(response)
    assert.equal("unsupported", err.code)
    assert.equal(("GET %s/: digest credentials: md5: the TLS library does not offer it "
      .. "(FIPS mode?)"):format(p.url), message)
  end)

  it("forget the oldest beyond a thousand servers' users", function()
    local credentials = require "sluice.auth.credentials"
    local response = { headers = { all = function() return { 'Digest realm="r", nonce="n"' } end } }
    for i = 1, 2500 do credentials.learn(client, { key = tostring(i) }, response, false) end
    local count = 0
    for _ in pairs(client.known.sessions) do count = count + 1 end
    assert.is_true(count <= 1000)
    assert.equal(count, client.known.session_count)
  end)

  it("are refused in TRACE", function()
    local none, message, err = client:request("TRACE", "http://a.test/")
    assert.is_nil(none)
    assert.same({ "invalid", "TRACE request: would have Authorization sent back" },
      { err.code, message })
  end)
end)
