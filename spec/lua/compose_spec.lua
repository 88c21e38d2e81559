-- Heads: the part that is cached, and what each sending adds.

local compose = require "sluice.compose"
local support = require "spec.support"
local peer = support.peer

local request_head = { "expect_until", "\r\n\r\n" }
local EMPTY = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

describe("a head", function()
  local client, server

  support.verify_each(function(keep)
    server = keep(support.serve(EMPTY))
    client = keep(support.client())
  end)

  --- The last head that the server got, without what names the request alone.
  local function head(response, message)
    assert(response, message)
    response:dispose()
    local last
    for _, bytes in ipairs(server:received()) do
      for one in bytes:gmatch "%u+ %S+ HTTP/1.1\r\n.-\r\n\r\n" do last = one end
    end
    return last
  end

  local function count_plans(of)
    local count = 0
    for _, kept in pairs(of.plans) do
      for _ in pairs(kept) do count = count + 1 end
    end
    assert.equal(count, of.plan_count)
    return count
  end

  it("is made once for requests that differ only in bodies and options", function()
    local url = server.url .. "/a"
    local function tell(name) return name end
    for round = 1, 2 do
      for _, options in ipairs {
        {}, { timeout = 5 }, { stream = true }, { redirects = false }, { limits = { body = 5 } },
        { on_progress = tell },
      } do
        head(client:get(url, options))
        head(client:post(url, options))
        options.body = ("x"):rep(round)
        head(client:post(url, options))
        options.body = nil
        options.json = { round }
        head(client:post(url, options))
      end
      head(client:get(url))
      head(client:post(url, { json = {} }))
      assert.equal(4, count_plans(client))
    end
  end)

  it("goes with options for the core that are compiled once for each kind of request", function()
    local seen = {}
    for _, case in ipairs { { "GET", {} }, { "POST", {} }, { "GET", { stream = true } },
      { "GET", {}, true }, { "GET", { stream = true }, true } } do
      local method, own, expects = case[1], case[2], case[3] or false
      local function options() return compose.options(client, method, own, expects) end
      assert.equal(options(), options())
      assert.is_nil(seen[options()])
      seen[options()] = true
    end
  end)

  it("names all trailers", function()
    local p <close> = peer.listen { script = { { { "expect_until", "\r\nC: 3\r\n\r\n" },
      { "send", EMPTY } } } }
    local text = "x"
    assert(client:post(p.url .. "/", {
      body = { read = function()
        local given = text
        text = nil
        return given
      end },
      trailers = { { "A", "1" }, { "B", "2" }, { "C", "3" } },
    })):dispose()
    assert.matches("\r\nTrailer: A, B, C\r\n", p:received()[1], 1, true)
  end)

  it("is the same whether it comes from the cache or not", function()
    local url = server.url .. "/a?b"
    local own <close> = support.client { headers = { { "X-Own", "1" } }, auth = { "a", "b" } }
    for _, one in ipairs { client, own } do
      for _, method in ipairs { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS" } do
        for _, options in ipairs {
          {}, { body = "text" }, { body = "" }, { json = { 1 } }, { auth = { "c", "d" } },
          { auth = { bearer = "x" }, body = "text" },
        } do
          if method ~= "OPTIONS" or not options.body then
            -- An empty map of fields changes nothing, but the head is not cached.
            local plain = {}
            for key, value in pairs(options) do plain[key] = value end
            plain.headers = {}
            local expected = head(one:request(method, url, plain))
            for _ = 1, 2 do assert.equal(expected, head(one:request(method, url, options))) end
          end
        end
      end
    end
  end)

  it("has a body's length written into it, however long the body is", function()
    for _, size in ipairs { 0, 1, 9, 10, 99, 12345, 1 } do
      for _, method in ipairs { "PUT", "DELETE" } do
        local p <close> = peer.listen { script = { {
          request_head, { "read", size }, { "send", EMPTY }, { "read_all" } } } }
        assert(client:request(method, p.url .. "/", { body = ("x"):rep(size) })):dispose()
        local text = p:received(1)
        assert.truthy(text:find(("\r\nContent-Length: %d\r\n"):format(size), 1, true))
        assert.equal(("x"):rep(size), text:match "\r\n\r\n(.*)$")
        assert.equal(1, select(2, text:gsub("Content%-Length", "")))
      end
    end
  end)

  it("longer than any prepared buffer is sent as well", function()
    local long = ("x"):rep(4000)
    local sent = head(client:get(server.url .. "/" .. long, { auth = { bearer = long } }))
    assert.truthy(sent:find("\r\nAuthorization: Bearer " .. long .. "\r\n", 1, true))
    assert.matches("^GET /" .. long .. " ", sent)
    local own <close> = support.client { headers = { { "X-Long", long } } }
    for _ = 1, 2 do
      sent = head(own:post(server.url .. "/", { json = 5 }))
      assert.truthy(sent:find("\r\nX-Long: " .. long .. "\r\nContent-Type", 1, true))
      assert.truthy(sent:find("\r\nContent-Length: 1\r\n", 1, true))
    end
  end)

  it("has the credentials of a request in the place of the client's", function()
    local own <close> = support.client { auth = { bearer = "client" } }
    local url = server.url .. "/"
    for _ = 1, 2 do
      assert.truthy(head(own:get(url)):find("\r\nAuthorization: Bearer client\r\n", 1, true))
      local sent = head(own:get(url, { auth = { bearer = "own" } }))
      assert.truthy(sent:find("\r\nAuthorization: Bearer own\r\nUser-Agent", 1, true), sent)
      assert.is_nil(sent:find("client", 1, true))
    end
    local named <close> = support.client { headers = { Authorization = "field" } }
    local sent = head(named:get(url, { auth = { bearer = "own" } }))
    assert.truthy(sent:find("\r\nAuthorization: field\r\n", 1, true))
    assert.equal(1, select(2, sent:gsub("Authorization", "")))
  end)

  it("is cached for up to a thousand URLs; one more clears the cache", function()
    local closed = support.system.free_port()
    for i = 1, 1001 do client:get(("http://127.0.0.1:%d/%d"):format(closed, i)) end
    assert.equal(1, count_plans(client))
  end)

  it("is not cached for redirects, nor for requests that an interceptor changed", function()
    client:use(function(request, forward) return forward(request:set_header("X-A", "1")) end)
    head(client:get(server.url .. "/"))
    assert.equal(0, count_plans(client))
    local reading <close> = support.client()
    reading:use(function(request, forward) return forward(request) end)
    head(reading:get(server.url .. "/"))
    assert.equal(1, count_plans(reading))
  end)

  it("of a TRACE request carries no secrets", function()
    local own <close> = support.client { headers = { { "X-Key", "hidden", secret = true } } }
    for _, trace in ipairs {
      function() return own:request("TRACE", server.url .. "/") end,
      function()
        return client:request("TRACE", server.url .. "/",
          { headers = { { "X-Key", "hidden", secret = true } } })
      end,
      function() return client:request("TRACE", server.url .. "/", { auth = { "a", "b" } }) end,
      function() return client:request("TRACE", (server.url:gsub("//", "//user:pass@"))) end,
    } do
      local response, message, err = trace()
      assert.is_nil(response)
      assert.equal("invalid", err.code)
      assert.matches("^TRACE request: would have [%w-]+ sent back$", message)
    end
    assert.equal(0, (server:connections()))
    own:use(function(request, forward)
      request.method = "TRACE"
      return forward(request)
    end)
    local response, _, err = own:get(server.url .. "/")
    assert.is_nil(response)
    assert.equal("invalid", err.code)
  end)
end)
