-- The option `resolver`: where hosts are is asked of a function, which may wait, fail and raise.

local sluice = require "sluice"
local support = require "spec.support"

local GOOD = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"

describe("a resolver", function()
  local server

  support.verify_each(function(keep) server = keep(support.serve(GOOD)) end)

  local function url(host) return ("http://%s:%d/"):format(host, server.port) end

  local function get(client, host)
    local response <close>, message = client:get(url(host))
    assert(response, message)
    return response:text()
  end

  it("is asked for each new connection, by name and port", function()
    local asked = {}
    local client <close> = support.client {
      resolver = function(host, port)
        asked[#asked + 1] = host .. ":" .. port
        return "127.0.0.1"
      end,
    }
    for _ = 1, 3 do
      assert.equal("good", get(client, "a.test"))
      assert.equal("good", get(client, "B.test"))
    end
    local a, b = "a.test:" .. server.port, "b.test:" .. server.port
    assert.same({ a, b }, asked)
    local fresh <close> = support.client { pool = false, resolver = client.settings.resolver }
    for _ = 1, 2 do assert.equal("good", get(fresh, "a.test")) end
    assert.same({ a, b, a, a }, asked)
  end)

  it("leads a service that has moved to where it is now", function()
    local now = "127.0.0.9"
    local client <close> = support.client {
      resolver = function() return now end, timeout = { connect = 20 },
    }
    local response, _, err = client:get(url "service.test")
    assert.is_nil(response)
    assert.same({ "connect", "connect" }, { err.code, err.stage })
    now = "127.0.0.1"
    assert.equal("good", get(client, "service.test"))
  end)

  it("is asked one question by 50 requests at once", function()
    local asked = 0
    local client <close> = support.client {
      resolver = function()
        asked = asked + 1
        sluice.sleep(0.05)
        return "127.0.0.1"
      end,
    }
    local tasks = {}
    for i = 1, 50 do tasks[i] = sluice.spawn(function() return get(client, "a.test") end) end
    for _, text in ipairs(sluice.all(tasks)) do assert.equal("good", text) end
    assert.equal(1, asked)
  end)

  it("that takes too long is a timeout of that stage, and is cancelled", function()
    local ended
    local client <close> = support.client {
      timeout = { resolve = 0.05 },
      resolver = function()
        local ok, message = sluice.sleep(3600)
        ended = message
        return ok and "127.0.0.1"
      end,
    }
    local response, message, err = client:get(url "slow.test")
    assert.is_nil(response)
    assert.same({ "timeout", "resolve" }, { err.code, err.stage })
    assert.matches("slow.test", message, 1, true)
    support.settle(sluice)
    assert.matches("nobody waits for the address any more", ended, 1, true)
  end)

  it("may give several addresses, tried in their order", function()
    local client <close> = support.client {
      resolver = function() return { "127.0.0.9", "127.0.0.1" } end,
    }
    assert.equal("good", get(client, "a.test"))
  end)

  it("may give another name, which the system is asked for", function()
    for _, answer in ipairs { "localhost", { "localhost" } } do
      local client <close> = support.client { resolver = function() return answer end }
      assert.equal("good", get(client, "alias.test"))
    end
    local client <close> = support.client { resolver = function() return "none.invalid" end }
    local response, message, err = client:get(url "alias.test")
    assert.is_nil(response)
    assert.same({ "resolve", "resolve" }, { err.code, err.stage })
    assert.matches("^resolve alias.test:%d+: ", message)
  end)

  it("is asked for a rooted name with its dot, which is another origin", function()
    local asked = {}
    local client <close> = support.client {
      resolver = function(host)
        asked[#asked + 1] = host
        return "127.0.0.1"
      end,
    }
    for _ = 1, 2 do
      assert.equal("good", get(client, "a.test"))
      assert.equal("good", get(client, "A.test."))
    end
    assert.same({ "a.test", "a.test." }, asked)
    assert.equal(2, (server:connections()))
    local seen = {}
    for _, bytes in ipairs(server:received()) do
      seen[#seen + 1] = bytes:match "\r\nHost: ([^\r]*)\r\n"
    end
    assert.same({ "a.test:" .. server.port, "a.test.:" .. server.port }, seen)
  end)

  it("that finds no address fails the request and names the host", function()
    for reason, results in pairs {
      ["no address"] = { n = 1 },
      ["nobody of that name"] = { nil, "nobody of that name", n = 2 },
      ["no address "] = { nil, {}, n = 2 },
      ["no address  "] = { false, 5, n = 2 },
      ["no address   "] = { {}, n = 1 },
      ["the resolver gave a number"] = { 5, n = 1 },
      ["the resolver gave a boolean"] = { true, n = 1 },
      ["the resolver gave no address"] = { "", n = 1 },
      ["the resolver gave no address "] = { "127.0.0.1\0.test", n = 1 },
      ["the resolver gave no address  "] = { { "127.0.0.1", 5 }, n = 1 },
      ["the resolver gave addresses: element 1 is missing (a hole)"] =
        { { nil, "127.0.0.1" }, n = 1 },
      ["the resolver gave addresses: an array has no key 'x'"] = { { x = "127.0.0.1" }, n = 1 },
      ["the resolver gave names among its addresses"] = { { "127.0.0.1", "a.test" }, n = 1 },
    } do
      local client <close> = support.client {
        resolver = function() return table.unpack(results, 1, results.n) end,
      }
      local response, message, err = client:get(url "some.test")
      assert.is_nil(response)
      assert.equal(("resolve some.test:%d: %s"):format(server.port, reason:gsub(" +$", "")),
        message)
      assert.equal("resolve", err.code)
      assert.equal("resolve", err.stage)
    end
    assert.equal(0, (server:connections()))
  end)

  it("that raises is a failure with its error", function()
    local fails = true
    local client <close> = support.client {
      resolver = function()
        if fails then error "resolver at fault" end
        return "127.0.0.1"
      end,
    }
    local response, message, err = client:get(url "a.test")
    assert.is_nil(response)
    assert.equal("resolve", err.code)
    assert.matches("^resolve a.test:%d+: the resolver raised: .*resolver at fault$", message)
    fails = false
    assert.equal("good", get(client, "a.test"))
  end)

  it("that waits makes one origin for all requests that wait for it", function()
    local client <close> = support.client {
      pool = { per_origin = 1 },
      resolver = function()
        sluice.sleep(0.01)
        return "127.0.0.1"
      end,
    }
    local tasks = {}
    for i = 1, 10 do
      tasks[i] = sluice.spawn(function() return get(client, "slow.test") end)
    end
    for _, text in ipairs(sluice.all(tasks)) do assert.equal("good", text) end
    assert.equal(1, client:stats().made)
    assert.equal(1, (server:connections()))
  end)

  it("during which the client closes goes on for what was begun", function()
    local client
    client = support.client {
      pool = { per_origin = 1 },
      resolver = function()
        client:close()
        return "127.0.0.1"
      end,
    }
    local first = sluice.spawn(function() return get(client, "a.test") end)
    local second = sluice.spawn(function() return client:get(url "a.test") end)
    assert.equal("good", first:await())
    local response, message, err = second:await()
    assert.is_nil(response)
    assert.equal("closed", err.code)
    assert.matches("client is closed", message, 1, true)
  end)

  it("is cancelled with the last request that waits for it", function()
    local ended
    local client <close> = support.client {
      resolver = function()
        local ok, message = sluice.sleep(3600)
        ended = message
        return ok and "127.0.0.1"
      end,
    }
    local tasks = {}
    for i = 1, 2 do tasks[i] = sluice.spawn(function() return client:get(url "a.test") end) end
    for _ = 1, 3 do sluice.loop():step(0) end
    for i, task in ipairs(tasks) do
      assert.is_nil(ended)
      assert.is_true(task:cancel("no more " .. i))
      local response, message, err = task:await()
      assert.is_nil(response)
      assert.matches("no more " .. i, message, 1, true)
      assert.same({ "cancelled", "resolve" }, { err.code, err.stage })
    end
    support.settle(sluice)
    assert.matches("nobody waits for the address any more", ended, 1, true)
  end)

  it("that answers too late is not heard", function()
    local client <close> = support.client {
      timeout = { resolve = 0.02 },
      resolver = function()
        sluice.sleep(0.05)
        sluice.sleep(0.05)
        return "127.0.0.1"
      end,
    }
    assert.is_nil((client:get(url "a.test")))
    support.settle(sluice)
    assert.equal(0, (server:connections()))
  end)
end)

describe("origins beyond those that a client remembers", function()
  local server

  support.verify_each(function(keep)
    server = keep(support.peer.listen {
      script = { { { "expect_until", "\r\n\r\n" }, { "hold" }, { "send", GOOD }, { "loop" } } },
      repeat_last = true,
    })
  end)

  it("do not disturb those that are in use", function()
    local client <close> = support.client {
      pool = { per_origin = 1 }, timeout = { queue = 60, total = 120 },
    }
    local function get(path)
      local response <close> = assert(client:get(server.url .. path))
      return response:text()
    end
    local first = sluice.spawn(get, "/first")
    local deadline = support.system.clock() + 30
    repeat sluice.loop():step(0.01)
    until server:wait("holding", 1, 0) or support.system.clock() > deadline
    -- Refused before anything is opened: an origin each, but no connection.
    local closed = support.system.free_port()
    for i = 1, 2500 do
      local response = client:get(("http://127.%d.%d.1:%d/"):format(i // 250, i % 250, closed))
      assert.is_nil(response)
    end
    -- Those that nothing uses, and those that plans hold.
    collectgarbage()
    assert.is_true(client:stats().origins <= 2000)
    local second = sluice.spawn(get, "/second")
    for _ = 1, 10 do sluice.loop():step(0) end
    assert.equal(1, client:stats().made)
    server:signal(2)
    assert.same({ "good", "good" }, { first:await(), (second:await()) })
    assert.equal(1, (server:connections()))
  end)

  it("are forgotten once no plan leads to them", function()
    local client <close> = support.client()
    local closed = support.system.free_port()
    for i = 1, 1500 do
      client:get(("http://127.%d.%d.1:%d/"):format(i // 250, i % 250, closed))
    end
    client:forget_plans()
    collectgarbage()
    assert.equal(1000, client:stats().origins)
  end)
end)
