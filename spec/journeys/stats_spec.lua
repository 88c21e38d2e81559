-- What sluice.stats() and client:stats() count.

local sluice = require "sluice"
local support = require "spec.support"

local GOOD = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"

describe("stats", function()
  local server

  support.verify_each(function(keep)
    server = keep(support.peer.listen {
      script = { { { "expect_until", "\r\n\r\n" }, { "hold" }, { "send", GOOD }, { "loop" } } },
      repeat_last = true,
    })
  end)

  local function step_until(is_so)
    local deadline = support.system.clock() + 30
    repeat sluice.loop():step(0.005) until is_so() or support.system.clock() > deadline
  end

  local function states(client)
    local of_client, of_state = client:stats(), sluice.stats()
    return { of_client.idle, of_client.active, of_client.dialing, of_client.queued,
      of_state.connections, of_state.idle, of_state.active }
  end

  it("count connections by state", function()
    local client <close> = support.client { pool = { per_origin = 2 } }
    assert.same({ 0, 0, 0, 0, 0, 0, 0 }, states(client))
    local tasks = {}
    for i = 1, 3 do
      tasks[i] = sluice.spawn(function()
        local response <close> = assert(client:get(server.url .. "/" .. i))
        return response:text()
      end)
    end
    step_until(function() return server:wait("holding", 2, 0) end)
    assert.same({ 0, 2, 0, 1, 2, 0, 2 }, states(client))
    server:signal(3)
    sluice.all(tasks)
    assert.same({ 2, 0, 0, 0, 2, 2, 0 }, states(client))
    assert.same({ 2, 3, 0 }, { client:stats().made, client:stats().requests,
      client:stats().resends })
    client:close()
    assert.equal(0, sluice.stats().connections)
    assert.equal(0, sluice.stats().idle)
  end)

  it("count connections that are being made", function()
    local silent <close> = support.peer.listen { accept = false, backlog = 0, script = { {} } }
    local client <close> = support.client { timeout = { connect = 30 } }
    local tasks = {}
    for i = 1, 8 do
      tasks[i] = sluice.spawn(function() return client:get(silent.url .. "/" .. i) end)
    end
    sluice.loop():step(0)
    local stats = client:stats()
    assert.equal(8, stats.active)
    assert.is_true(stats.dialing >= 4, stats.dialing)
    for _, task in ipairs(tasks) do task:cancel() end
    step_until(function() return client:stats().active == 0 end)
    assert.equal(0, client:stats().dialing)
  end)

  it("count what a client's pool has rented and got back", function()
    for _, pooling in ipairs { true, false } do
      local client <close> = support.client { pooling = pooling }
      local first = client:stats()
      server:signal(1)
      local response <close> = assert(client:get(server.url .. "/"))
      local held = client:stats()
      assert.is_true(held.outstanding > first.outstanding)
      assert.is_true(held.rented > first.rented)
      assert.is_true(held.bytes > first.bytes)
      assert.is_true(held.high_water >= held.outstanding)
      assert.equal(held.rented - held.returned, held.outstanding)
      response:dispose()
      client:close()
      support.settle(sluice)
      assert.equal(0, sluice.stats().outstanding)
    end
  end)

  it("count leaks, operations, timers and descriptors of a Lua state", function()
    local stats = sluice.stats()
    for _, name in ipairs { "outstanding", "rented", "returned", "high_water", "bytes", "spare",
      "quarantined", "leaked", "allocations", "operations", "timers", "descriptors", "waiting",
      "connections", "idle", "active", "requests", "resends" } do
      assert.equal("integer", math.type(stats[name]), name)
    end
  end)
end)
