-- Waiting for several tasks, and for whatever has a method `await`.

local sluice = require "sluice"
local support = require "spec.support"

describe("sluice.all", function()
  local before

  before_each(function() before = support.snapshot(sluice) end)
  after_each(function() support.verify(sluice, before) end)

  for name, call in support.each_style(sluice) do
    it("gives the first results in the order of the tasks " .. name, function()
      call(function()
        local tasks = {}
        for i = 1, 5 do
          tasks[i] = sluice.spawn(function()
            sluice.sleep((6 - i) / 1000)
            return i, "second"
          end)
        end
        assert.same({ 1, 2, 3, 4, 5 }, sluice.all(tasks))
        assert.same({ 1, 2, 3, 4, 5 }, sluice.all(tasks))
        assert.same({}, sluice.all {})
      end)
    end)

    it("raises the first error once all are over " .. name, function()
      call(function()
        local is_over = false
        local tasks = {
          sluice.spawn(function() sluice.sleep(0) error("first", 0) end),
          sluice.spawn(function() error("second", 0) end),
          sluice.spawn(function() sluice.sleep(0.01) is_over = true end),
        }
        local ok, message = pcall(sluice.all, tasks)
        assert.is_false(ok)
        assert.matches("^first\n", message)
        assert.is_true(is_over)
      end)
    end)
  end

  it("returns at once when it is cancelled, and the tasks go on", function()
    local tasks, done = {}, 0
    for i = 1, 3 do
      tasks[i] = sluice.spawn(function()
        sluice.sleep(0.02)
        done = done + 1
      end)
    end
    local waiting = sluice.spawn(function()
      local results, message, err = sluice.all(tasks)
      return results, message, err, done
    end)
    sluice.loop():step(0)
    waiting:cancel()
    local results, message, err, seen = waiting:await()
    assert.is_nil(results)
    assert.equal("await task: cancelled", message)
    assert.equal("cancelled", err.code)
    assert.equal(0, seen)
    assert.same({}, sluice.all(tasks))
    assert.equal(3, done)
  end)

  it("keeps a task's own failure among the results", function()
    local task = sluice.spawn(function() return nil, "own", { code = "cancelled" } end)
    local other = sluice.spawn(function() return "other" end)
    local results = sluice.all { task, other }
    assert.is_nil(results[1])
    assert.equal("other", results[2])
  end)

  it("refuses a value that is not an array of tasks", function()
    assert.error_matches(function() sluice.all() end, "array of tasks expected, got nil")
    assert.error_matches(function() sluice.all "x" end, "array of tasks expected, got string")
    for _, value in ipairs { 5, true, {}, print } do
      assert.error_matches(function() sluice.all { sluice.spawn(print), value } end,
        "all: %[2%]: task or completion expected, got " .. type(value))
    end
  end)

  it("waits for completions, too, also if they end without a value", function()
    local p <close> = support.peer.listen { script = { { { "send", "x" }, { "close" } } } }
    local transport <close> = assert(sluice.connect {
      host = "127.0.0.1", port = p.port, transport = support.transport(),
    })
    assert.same({ "x", "done" },
      sluice.all { transport:begin_receive(), sluice.spawn(function() return "done" end) })
    assert.same({ nil, "done" },
      sluice.all { transport:begin_receive(), sluice.spawn(function() return "done" end) })
  end)
end)

describe("sluice.run", function()
  local before

  before_each(function() before = support.snapshot(sluice) end)
  after_each(function() support.verify(sluice, before) end)

  it("raises if all tasks wait for each other", function()
    local first, second
    local closed = 0
    local function wait_for_each_other(before_that)
      sluice.run(function()
        local closing <close> = setmetatable({}, { __close = function() closed = closed + 1 end })
        first = sluice.spawn(function()
          before_that()
          second:await()
        end)
        second = sluice.spawn(function() first:await() end)
        second:await()
        return closing
      end)
    end
    for _, before_that in ipairs { function() end, function() sluice.sleep(0.01) end } do
      closed = 0
      assert.error_matches(function() wait_for_each_other(before_that) end,
        "^deadlock: every task waits for another$")
      assert.equal(1, closed)
      assert.equal("again", sluice.run(function()
        sluice.sleep(0.001)
        return "again"
      end))
      first:cancel()
      second:await()
    end
  end)

  it("waits for a task that waits for something else, however long", function()
    local p <close> = support.peer.listen { script = {
      { { "expect_until", "\r\n\r\n" }, { "pause", 0.05 },
        { "send", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone" }, { "stall" } },
    } }
    local client <close> = support.client()
    assert.equal("done", sluice.run(function()
      local inner = sluice.spawn(function()
        local response <close> = assert(client:get(p.url .. "/"))
        return response:text()
      end)
      return (sluice.spawn(function() return (inner:await()) end):await())
    end))
  end)
end)

describe("sluice.await", function()
  local before

  before_each(function() before = support.snapshot(sluice) end)
  after_each(function() support.verify(sluice, before) end)

  it("waits for a task, with a timeout", function()
    local task = sluice.spawn(function()
      sluice.sleep(0.01)
      return "a", "b"
    end)
    assert.equal("timeout", select(3, sluice.await(task, 0)).code)
    assert.same({ "a", "b" }, { sluice.await(task) })
  end)

  it("waits for anything that can be awaited", function()
    local own = { await = function(_, ...) return "own", ... end }
    assert.same({ "own", 1, 2 }, { sluice.await(own, 1, 2) })
  end)

  it("refuses values that cannot be awaited", function()
    for _, value in ipairs { 5, "x", true, {}, print, io.stdout } do
      assert.error_matches(function() sluice.await(value) end, "task or completion expected")
    end
    assert.error_matches(function() sluice.await() end, "task or completion expected")
  end)
end)
