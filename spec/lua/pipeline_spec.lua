-- Steps of a program around a call and around each sending of it.

local support = require "spec.support"
local peer = support.peer

local DONE = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"

local function lead(location)
  return ("HTTP/1.1 302 F\r\nLocation: %s\r\nContent-Length: 2\r\n\r\nno"):format(location)
end

local serve, heads_of = support.serve, support.heads_of

describe("a step", function()
  local client, server

  support.verify_each(function(keep)
    server = keep(serve(DONE))
    client = keep(support.client())
  end)

  describe("of each sending", function()
    it("sees every request and response, including redirects", function()
      local p <close> = serve(lead "/b", lead "/c", DONE)
      local seen = {}
      client:use { hop = function(request, forward)
        local response, message, err = forward(request)
        seen[#seen + 1] = ("%s %s %d"):format(request.method, request.url, response.status)
        return response, message, err
      end }
      for _, options in ipairs { false, { stream = true }, { json = {} } } do
        seen = {}
        local response <close> = assert(client:post(p.url .. "/a", options or nil))
        assert.equal("done", response:text())
        assert.equal(2, #response.redirects)
        assert.same({ "POST " .. p.url .. "/a 302", "GET " .. p.url .. "/b 302",
          "GET " .. p.url .. "/c 200" }, seen)
      end
    end)

    it("may read the body of a redirect", function()
      local p <close> = serve(lead "/b", DONE)
      local texts = {}
      client:use { hop = function(request, forward)
        local response, message, err = forward(request)
        texts[#texts + 1] = response:text()
        return response, message, err
      end }
      local response <close> = assert(client:get(p.url .. "/a"))
      assert.same({ "no", "done" }, texts)
      assert.equal("done", response:text())
    end)

    it("runs inside the steps around the call, in the order of adding", function()
      local p <close> = serve(lead "/b", DONE)
      local order = {}
      local function step(name)
        return function(request, forward)
          order[#order + 1] = name
          return forward(request)
        end
      end
      client:use { hop = step "hop 1" }:use(step "call 1"):use { hop = step "hop 2" }
      client:use(step "call 2")
      assert(client:get(p.url .. "/a")):dispose()
      assert.same({ "call 1", "call 2", "hop 1", "hop 2", "hop 1", "hop 2" }, order)
    end)

    it("changes only the current sending", function()
      local p <close> = serve(lead "/b", DONE)
      local count = 0
      client:use { hop = function(request, forward)
        count = count + 1
        assert.is_nil(request:get_header "X-Hop")
        return forward(request:set_header("X-Hop", count))
      end }
      local response <close> = assert(client:get(p.url .. "/a", { headers = { A = "1" } }))
      assert.equal(200, response.status)
      local heads = heads_of(p)
      assert.equal(2, #heads)
      for i, head in ipairs(heads) do
        assert.truthy(head:find(("X-Hop: %d\r\n"):format(i), 1, true))
        assert.truthy(head:find("A: 1\r\n", 1, true))
      end
    end)

    it("may change the URL, and relative redirects start from there", function()
      local p <close> = serve(lead "b", DONE)
      client:use { hop = function(request, forward)
        request.url = request.url:gsub("http://other%.test", p.url .. "/dir")
        return forward(request)
      end }
      local response <close>, message = client:get("http://other.test/a",
        { headers = { Cookie = "secret" } })
      assert(response, message)
      local heads = heads_of(p)
      assert.matches("^GET /dir/a ", heads[1])
      assert.matches("^GET /dir/b ", heads[2])
      for _, head in ipairs(heads) do assert.is_nil(head:find "secret") end
    end)

    it("may send again, answer by itself, fail or raise", function()
      local act
      client:use { hop = function(request, forward) return act(request, forward) end }
      act = function(request, forward)
        assert(forward(request)):dispose()
        return forward(request)
      end
      assert(client:get(server.url .. "/")):dispose()
      assert.equal(2, #heads_of(server))
      act = function() return { own = true } end
      assert.is_true(client:get(server.url .. "/").own)
      act = function() return nil, "no", { code = "invalid" } end
      assert.same({ nil, "no", { code = "invalid" } }, { client:get(server.url .. "/") })
      act = function() error "step broke" end
      assert.error_matches(function() client:get(server.url .. "/") end, "step broke")
    end)
  end)

  it("also runs for a request whose head is already cached", function()
    for _, kind in ipairs { "call", "hop" } do
      local own <close> = support.client()
      assert(own:get(server.url .. "/")):dispose()
      assert(own:post(server.url .. "/", { json = {} })):dispose()
      local count = 0
      local function step(request, forward)
        count = count + 1
        return forward(request)
      end
      own:use(kind == "call" and step or { hop = step })
      assert(own:get(server.url .. "/")):dispose()
      assert(own:post(server.url .. "/", { json = {} })):dispose()
      assert.equal(2, count)
    end
  end)

  it("that returns nothing is named in the error, and its response is released", function()
    local line
    for _, kind in ipairs { "call", "hop" } do
      local own <close> = support.client()
      local function step(request, forward) forward(request) end
      line = debug.getinfo(step, "S").linedefined
      own:use(kind == "call" and step or { hop = step })
      assert.error_matches(function() own:get(server.url .. "/") end,
        ("the interceptor of [^\n]*pipeline_spec.lua:%d returned nothing"):format(line))
      assert.equal(0, own:stats().active)
    end
  end)

  -- ---- another URL ----

  --- The only head that a server got, for a client whose requests are moved to it.
  local function moved(options, request_options, step)
    local home <close> = peer.listen { script = { { { "stall" } } } }
    if options.base_url then options.base_url = home.url end
    local own <close> = support.client(options)
    own:use(function(request, forward)
      if step then return step(request, forward) end
      request.url = server.url .. "/moved"
      return forward(request)
    end)
    local response <close>, message = own:get(home.url .. "/", request_options)
    assert(response, message)
    local heads = heads_of(server)
    return heads[#heads]
  end

  local client_secrets = {
    headers = { { "X-Client", "hidden", secret = true }, { "X-Other", "kept" } },
    auth = { bearer = "hidden" },
  }
  local request_secrets = {
    headers = { { "X-Key", "hidden", secret = true }, { "Cookie", "hidden" },
      { "X-Kept", "kept" } },
    auth = { "hidden", "hidden" },
  }

  it("that changes the origin sends it no secrets of a client with base_url", function()
    local head = moved({ base_url = true, headers = client_secrets.headers,
      auth = client_secrets.auth })
    assert.matches("^GET /moved ", head)
    assert.is_nil(head:find "hidden")
    assert.is_nil(head:find "Authorization")
    assert.truthy(head:find("X-Other: kept", 1, true))
  end)

  it("that changes the origin sends it no secrets of the request", function()
    local head = moved({}, request_secrets)
    assert.is_nil(head:find "hidden")
    assert.is_nil(head:find "Authorization")
    assert.truthy(head:find("X-Kept: kept", 1, true))
  end)

  it("that changes the origin sends it what the client has for every origin", function()
    local head = moved(client_secrets)
    assert.truthy(head:find("X-Client: hidden", 1, true))
    assert.truthy(head:find("Authorization: Bearer hidden", 1, true))
  end)

  it("may set credentials for the new origin after the change", function()
    local head = moved({ base_url = true, auth = { bearer = "hidden" } }, request_secrets,
      function(request, forward)
        request:set_header("X-Key", "hidden")
        request.url = server.url .. "/moved"
        return forward(request:set_header("Authorization", "Bearer new"):set_header("X-Key", "new"))
      end)
    assert.is_nil(head:find "hidden")
    assert.truthy(head:find("Authorization: Bearer new", 1, true))
    assert.truthy(head:find("X-Key: new", 1, true))
  end)

  it("that changes the origin and changes it back loses the secrets", function()
    client:use(function(request, forward)
      local url = request.url
      request.url = "http://other.test/"
      request.url = url
      return forward(request)
    end)
    assert(client:get(server.url .. "/", request_secrets)):dispose()
    assert.is_nil(heads_of(server)[1]:find "hidden")
  end)

  it("that stays at the origin keeps the secrets", function()
    client:use(function(request, forward)
      request.url = server.url .. "/moved"
      return forward(request)
    end)
    assert(client:get(server.url .. "/", { headers = request_secrets.headers,
      auth = { bearer = "hidden" } })):dispose()
    local head = heads_of(server)[1]
    assert.matches("^GET /moved ", head)
    assert.equal(3, select(2, head:gsub("hidden", "")))
  end)

  it("refuses a URL that is not a string, and one that cannot be parsed when it is sent", function()
    local value
    client:use(function(request, forward)
      request.url = value
      return forward(request)
    end)
    value = 5
    local _, message = pcall(client.get, client, server.url .. "/")
    assert.matches("pipeline_spec.lua:%d+: request: url: string expected, got number$", message)
    value = "/relative"
    local none, _, err = client:get(server.url .. "/")
    assert.is_nil(none)
    assert.equal("invalid", err.code)
  end)
end)
