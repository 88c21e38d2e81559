-- Waiting for several tasks, and for whatever has a method `await`.

local sluice = require "sluice"
local support = require "spec.support"

describe("sluice.all", function()
  support.verify_each()

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
        assert.same({ n = 5, errors = {}, 1, 2, 3, 4, 5 }, sluice.all(tasks))
        assert.same({ n = 5, errors = {}, 1, 2, 3, 4, 5 }, sluice.all(tasks))
        assert.same({ n = 0, errors = {} }, sluice.all {})
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
        local reports = {}
        sluice.on_error(function(...) reports[#reports + 1] = { ... } end)
        local ok, message = pcall(sluice.all, tasks)
        sluice.on_error(nil)
        assert.is_false(ok)
        assert.equal("first", message)
        assert.equal(1, #reports)
        assert.equal("second", reports[1][1])
        assert.matches("^stack traceback:", reports[1][2])
        assert.equal(tasks[2], reports[1][3])
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
    assert.same({ n = 3, errors = {} }, sluice.all(tasks))
    assert.equal(3, done)
  end)

  it("does not take its own cancellation for the failure of a task that has ended", function()
    local waiting, results, next_wait
    local ending = sluice.spawn(function()
      sluice.sleep(0)
      waiting:cancel()
      return "result"
    end)
    waiting = sluice.spawn(function()
      results = sluice.all { ending }
      next_wait = select(2, sluice.sleep(60))
    end)
    waiting:await()
    assert.same({ n = 1, errors = {}, "result" }, results)
    assert.equal("sleep: cancelled", next_wait)
  end)

  it("keeps a task's own failure among the results", function()
    local task = sluice.spawn(function() return nil, "own", { code = "cancelled" } end)
    local other = sluice.spawn(function() return "other" end)
    local text = sluice.spawn(function() return nil, "text" end)
    assert.same({ n = 3, nil, "other", errors = { { code = "cancelled" }, nil, "text" } },
      sluice.all { task, other, text })
  end)

  it("refuses a value that is not an array of tasks", function()
    assert.error_matches(function() sluice.all() end, "array of tasks expected, got nil")
    assert.error_matches(function() sluice.all "x" end, "array of tasks expected, got string")
    assert.error_matches(function() sluice.all(sluice.spawn(print), sluice.spawn(print)) end,
      "all: array of tasks expected, got a task: write {task, ...} around them")
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
    assert.same({ n = 2, errors = {}, "x", "done" },
      sluice.all { transport:begin_receive(), sluice.spawn(function() return "done" end) })
    assert.same({ n = 2, errors = {}, nil, "done" },
      sluice.all { transport:begin_receive(), sluice.spawn(function() return "done" end) })
  end)
end)

describe("sluice.map", function()
  support.verify_each()

  for name, call in support.each_style(sluice) do
    it("gives the results in order, so many at a time " .. name, function()
      call(function()
        local now, most = 0, 0
        local results = sluice.map({ 5, 3, 1, 4, 2 }, function(item, i)
          now = now + 1
          most = math.max(most, now)
          sluice.sleep(item / 1000)
          now = now - 1
          if item == 4 then return nil, "no 4", { code = "invalid" } end
          return item * 10 + i
        end, { limit = 2 })
        assert.same({ n = 5, 51, 32, 13, nil, 25, errors = { [4] = { code = "invalid" } } },
          results)
        assert.equal(2, most)
        assert.same({ n = 0, errors = {} }, sluice.map({}, print))
        assert.same({ n = 2, errors = {}, "a", "b" },
          sluice.map({ "a", "b" }, function(item) return item end))
      end)
    end)
  end

  it("raises an error once those under way have ended, and begins no more", function()
    local ended, begun = 0, 0
    local ok, message = pcall(sluice.map, { 1, 2, 3, 4 }, function(item)
      begun = begun + 1
      sluice.sleep(item / 1000)
      if item == 1 then error("first", 0) end
      ended = ended + 1
    end, { limit = 2 })
    assert.same({ false, "first" }, { ok, message })
    assert.same({ 2, 1 }, { begun, ended })
  end)

  it("cancels what it started when the caller is cancelled or closed", function()
    local codes = {}
    local function work()
      sluice.map({ 1, 2, 3 }, function(item)
        local _, _, err = sluice.sleep(60 * item)
        codes[#codes + 1] = err.code
      end, { limit = 3 })
    end
    local mapping = sluice.spawn(work)
    for _ = 1, 3 do sluice.loop():step(0) end
    mapping:cancel()
    mapping:await()
    local closed = coroutine.create(work)
    assert(coroutine.resume(closed))
    for _ = 1, 3 do sluice.loop():step(0) end
    assert.is_true(coroutine.close(closed))
    sluice.loop():run()
    assert.equal("cancelled cancelled cancelled cancelled cancelled cancelled",
      table.concat(codes, " "))
  end)

  it("refuses what is none of its arguments", function()
    assert.error_matches(function() sluice.map() end, "map: array expected, got nil")
    assert.error_matches(function() sluice.map({}, 5) end, "map: function expected, got number")
    for _, options in ipairs { 5, false } do
      assert.error_matches(function() sluice.map({}, print, options) end,
        "map: table of options expected, got " .. type(options))
    end
    assert.error_matches(function() sluice.map({}, print, { n = 1 }) end,
      "map: unknown option 'n': map has limit")
    for _, limit in ipairs { 0, -1, 1.5, "2" } do
      assert.error_matches(function() sluice.map({ 1 }, print, { limit = limit }) end,
        "map: option 'limit': integer above zero expected, got ")
    end
  end)
end)

describe("sluice.race", function()
  support.verify_each()

  local function sleeper(seconds, ...)
    local results = table.pack(...)
    return sluice.spawn(function()
      local ok, message, err = sluice.sleep(seconds)
      if not ok then return ok, message, err end
      return table.unpack(results, 1, results.n)
    end)
  end

  for name, call in support.each_style(sluice) do
    it("gives the results of the first and cancels the others " .. name, function()
      call(function()
        local slow = sleeper(60, "slow")
        assert.same({ n = 3, 1, nil, 3 },
          table.pack(sluice.race { slow, sleeper(0.001, 1, nil, 3) }))
        assert.equal("cancelled", select(3, slow:await()).code)
        assert.same({ nil, "own" }, { sluice.race { sleeper(0.001, nil, "own") } })
        local failing = sluice.spawn(function() error("first", 0) end)
        local ok, message = pcall(sluice.race, { sleeper(60), failing })
        assert.same({ false, "first" }, { ok, message })
      end)
    end)
  end

  it("cancels all when the caller is cancelled", function()
    local tasks = { sleeper(60), sleeper(60) }
    local racing = sluice.spawn(function() return sluice.race(tasks) end)
    for _ = 1, 3 do sluice.loop():step(0) end
    racing:cancel()
    assert.equal("cancelled", select(3, racing:await()).code)
    for _, one in ipairs(tasks) do assert.equal("cancelled", select(3, one:await()).code) end
    sluice.loop():run()
  end)

  it("cancels all when the caller is closed, and the others when one raises", function()
    local tasks = { sleeper(60), sleeper(60) }
    local racing = coroutine.create(function() return sluice.race(tasks) end)
    assert(coroutine.resume(racing))
    for _ = 1, 3 do sluice.loop():step(0) end
    assert.is_true(coroutine.close(racing))
    for _, one in ipairs(tasks) do assert.equal("cancelled", select(3, one:await()).code) end
    local other = sleeper(60)
    local failing = sluice.spawn(function() error("first", 0) end)
    assert.same({ false, "first" }, { pcall(sluice.race, { other, failing }) })
    assert.equal("cancelled", select(3, other:await()).code)
    sluice.loop():run()
  end)

  it("cancels also those whose wait is over already", function()
    local gate = sluice.spawn(sluice.sleep, 60)
    local tasks, codes = {}, {}
    for i = 1, 2 do
      tasks[i] = sluice.spawn(function()
        gate:await()
        codes[i] = select(3, sluice.sleep(60)).code
      end)
    end
    sluice.loop():step(0)
    local racing = coroutine.create(function() return sluice.race(tasks) end)
    assert(coroutine.resume(racing))
    local closer = sluice.spawn(function() -- the last that waits, and the first that goes on
      gate:await()
      assert.is_true(coroutine.close(racing))
    end)
    sluice.loop():step(0)
    gate:cancel()
    closer:await()
    sluice.all(tasks)
    assert.same({ "cancelled", "cancelled" }, codes)
  end)

  it("refuses what is no array of tasks", function()
    assert.error_matches(function() sluice.race() end, "race: array of tasks expected, got nil")
    assert.error_matches(function() sluice.race {} end, "race: at least one task expected")
    assert.error_matches(function() sluice.race { 5 } end,
      "race: %[1%]: task or completion expected")
  end)
end)

describe("a task that is cancelled", function()
  support.verify_each()

  it("is interrupted once if its client was closed in its wait, too", function()
    local p <close> = support.peer.listen { script = { { { "hold" } } } }
    local client = support.client()
    local codes = {}
    local task = sluice.spawn(function()
      codes[1] = select(3, client:get(p.url .. "/")).code
      for i = 2, 3 do codes[i] = select(2, sluice.sleep(0)) or "slept" end
    end)
    for _ = 1, 2 do sluice.loop():step(0) end
    client:close()
    task:cancel()
    task:await()
    assert.same({ "cancelled", "slept", "slept" }, codes)
  end)

  -- Two responses come at about the same time. The task that goes first cancels the other, whose
  -- response may have come as well.
  it("keeps a response that has arrived, and is interrupted in its next wait", function()
    local answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    local script = { { { "expect_until", "\r\n\r\n" }, { "send", answer }, { "stall" } } }
    local first_peer <close> = support.peer.listen { script = script }
    local second_peer <close> = support.peer.listen { script = script }
    local client <close> = support.client()
    local tasks, first, got, next_wait = {}, nil, nil, nil
    for i, p in ipairs { first_peer, second_peer } do
      tasks[i] = sluice.spawn(function()
        local response <close>, _, err = client:get(p.url .. "/")
        if not first then
          first = i
          tasks[3 - i]:cancel()
          return
        end
        got = response and response:text() or err.code
        next_wait = select(2, sluice.sleep(0)) or "slept"
      end)
    end
    for _, task in ipairs(tasks) do task:await() end
    assert.equal(got == "hello" and "sleep: cancelled" or "slept", next_wait)
    assert.is_true(got == "hello" or got == "cancelled", got)
  end)
end)

describe("sluice.wrap", function()
  support.verify_each()

  for name, call in support.each_style(sluice) do
    it("makes a generator that may wait " .. name, function()
      call(function()
        local count = sluice.wrap(function(first, last)
          for i = first, last do
            assert.is_true(sluice.sleep(0.001))
            assert.equal("more", coroutine.yield(i, nil))
          end
          sluice.sleep(0)
          return "end"
        end)
        assert.same({ n = 2, 3, nil }, table.pack(count(3, 4)))
        assert.same({ n = 2, 4, nil }, table.pack(count "more"))
        assert.equal("end", count "more")
        assert.error_matches(count, "dead coroutine")
        local outer = sluice.wrap(function()
          for value in sluice.wrap(function()
            sluice.sleep(0.001)
            coroutine.yield "inner"
          end) do
            sluice.sleep(0.001)
            coroutine.yield(value)
          end
        end)
        assert.equal("inner", outer())
        assert.is_nil(outer())
        local failing = sluice.wrap(function()
          sluice.sleep(0.001)
          error("broken", 0)
        end)
        assert.same({ false, "broken" }, { pcall(failing) })
      end)
    end)
  end

  it("refuses a caller while it runs, or waits for another", function()
    local itself, other
    itself = sluice.wrap(function() return pcall(itself, 1) end)
    assert.same({ false, "cannot resume non-suspended coroutine" }, { itself() })
    other = sluice.wrap(function() return pcall(itself, 1) end)
    itself = sluice.wrap(function() return other() end)
    assert.same({ false, "cannot resume non-suspended coroutine" }, { itself() })
    assert.same({ false, "cannot resume dead coroutine" }, { pcall(itself) })
    local slow = sluice.wrap(function()
      sluice.sleep(0.01)
      return "done"
    end)
    local first, second = sluice.spawn(slow), sluice.spawn(pcall, slow)
    sluice.loop():run()
    assert.equal("done", first:await())
    assert.same({ false, "the generator waits for another caller" }, { second:await() })
    assert.same({ false, "cannot resume dead coroutine" }, { pcall(slow) })
  end)

  it("leaves no wait where its caller cannot yield", function()
    local status, message
    sluice.run(function()
      local generator = sluice.wrap(function() sluice.sleep(0.001) end)
      local caller = coroutine.create(function()
        table.sort({ 1, 2 }, function() return generator() end)
      end)
      message = select(2, coroutine.resume(caller))
      status = coroutine.status(caller)
    end)
    assert.equal("dead", status)
    assert.matches("attempt to wait where a coroutine cannot yield", message)
    assert.equal(0, sluice.stats().waiting)
  end)

  it("is cancelled, resumed early and closed with its caller", function()
    local task = sluice.spawn(function()
      return sluice.wrap(function() return sluice.sleep(60) end)()
    end)
    sluice.loop():step(0)
    assert.equal("waiting", task:status())
    task:cancel()
    assert.equal("cancelled", select(3, task:await()).code)
    local closed
    local co = coroutine.create(sluice.wrap(function()
      local _ <close> = setmetatable({}, { __close = function() closed = true end })
      sluice.sleep(60)
    end))
    for _ = 1, 3 do
      assert.is_true(sluice.is_waiting(select(2, coroutine.resume(co))))
      sluice.loop():step(0)
    end
    assert.is_true(coroutine.close(co))
    assert.is_true(closed)
  end)

  -- ---- a wait that a caller waits along, which is of a coroutine without a task ----

  for name, call in support.each_style(sluice) do
    it("waits for a coroutine that was resumed by hand " .. name, function()
      local thread, slept, second
      local results = table.pack(call(function()
        local generator = sluice.wrap(function()
          thread = coroutine.running()
          coroutine.yield "first"
          slept = sluice.sleep(0.001)
          coroutine.yield "second"
        end)
        assert.equal("first", generator())
        assert.is_true(sluice.is_waiting(select(2, coroutine.resume(thread))))
        second = generator()
        assert.is_true(sluice.sleep(0.001))
        return "result", nil
      end))
      assert.same({ n = 2, "result" }, results)
      assert.is_true(slept)
      assert.equal("second", second)
    end)

    it("passes on the values of coroutines that wait, all of them " .. name, function()
      local values = call(function()
        local list = {}
        for value in sluice.wrap(function()
          for value in coroutine.wrap(function()
            for i = 1, 3 do
              assert.is_true(sluice.sleep(0.001))
              coroutine.yield(i)
            end
          end) do
            coroutine.yield(value)
          end
        end) do
          list[#list + 1] = value
        end
        return list
      end)
      assert.same({ 1, 2, 3 }, values)
    end)
  end

  -- A task that waits along the wait of a coroutine that its generator has resumed. Returns the
  -- task, and what the coroutine and the generator say.
  local function wait_along(seconds, and_then)
    local told = {}
    local task = sluice.spawn(function()
      return sluice.wrap(function()
        local inner = coroutine.create(function()
          local is_over = sluice.sleep(seconds)
          told[#told + 1] = is_over and "slept" or "cancelled"
        end)
        coroutine.yield(select(2, coroutine.resume(inner)))
        told[#told + 1] = "back"
        if and_then then return and_then(inner) end
      end)()
    end)
    sluice.sleep(0)
    assert.equal("waiting", task:status())
    return task, told
  end

  it("leaves a wait to the loop that it does not go on with", function()
    local task, told = wait_along(0.001, function(inner)
      sluice.sleep(0.02)
      return coroutine.status(inner)
    end)
    assert.equal("dead", task:await())
    assert.same({ "back", "slept" }, told)
    task, told = wait_along(0.001, function() error("broken", 0) end)
    assert.same({ false, "broken" }, { pcall(task.await, task) })
    assert.same({ "back", "slept" }, told)
  end)

  it("is cancelled with a coroutine for which it waits", function()
    local task, told = wait_along(60, function() return sluice.sleep(60) end)
    task:cancel()
    assert.equal("cancelled", select(3, task:await()).code)
    assert.same({ "back", "cancelled" }, told)
  end)

  it("leaves a wait to the loop when its caller is closed", function()
    local told = {}
    assert.error_matches(function()
      sluice.run(function()
        local second, third
        second = sluice.spawn(function()
          third:await()
          return "over"
        end)
        third = sluice.spawn(function() second:await() end)
        sluice.wrap(function()
          local inner = coroutine.create(function()
            local result = second:await()
            told[#told + 1] = result
          end)
          coroutine.yield(select(2, coroutine.resume(inner)))
        end)()
      end)
    end, "^deadlock: every task waits for another$")
    assert.same({ "over" }, told)

    local inner
    local outer = coroutine.create(sluice.wrap(function()
      inner = coroutine.create(function()
        sluice.sleep(0.01)
        told[#told + 1] = "slept"
      end)
      coroutine.yield(select(2, coroutine.resume(inner)))
    end))
    assert.is_true(sluice.is_waiting(select(2, coroutine.resume(outer))))
    assert.is_true(coroutine.close(outer))
    sluice.sleep(0.03)
    assert.same({ "over", "slept" }, told)
  end)

  it("knows no wait of a coroutine that was closed", function()
    local task = sluice.spawn(sluice.wrap(function()
      local inner = coroutine.create(function() sluice.sleep(60) end)
      local _, waiting = coroutine.resume(inner)
      assert.is_true(coroutine.close(inner))
      coroutine.yield(waiting)
      return sluice.sleep(0.02)
    end))
    sluice.loop():step(0)
    local other = sluice.spawn(function() return sluice.sleep(0.001) end)
    sluice.sleep(0.01)
    task:cancel()
    assert.is_true(other:await())
    assert.equal("cancelled", select(3, task:await()).code)
  end)

  it("refuses the wait of another task, which goes on", function()
    local thread
    local first = sluice.spawn(function()
      return sluice.wrap(function()
        thread = coroutine.running()
        sluice.sleep(0.01)
        return "result"
      end)()
    end)
    sluice.loop():step(0)
    local generator
    local second = sluice.spawn(function()
      generator = sluice.wrap(function()
        coroutine.yield(select(2, coroutine.resume(thread)))
        return "afterwards"
      end)
      local ok, raised = pcall(generator)
      return ok, raised, generator()
    end)
    local ok, raised, afterwards = second:await()
    assert.is_false(ok)
    assert.matches("a generator cannot wait for what another task waits for$", raised)
    assert.equal("afterwards", afterwards)
    assert.equal("result", first:await())
  end)
end)

describe("sluice.is_waiting", function()
  it("is true for what a wait yields, and for nothing else", function()
    local co = coroutine.create(function()
      sluice.sleep(60)
    end)
    assert.is_true(sluice.is_waiting(select(2, coroutine.resume(co))))
    for _, value in ipairs { 1, "x", {}, false } do assert.is_false(sluice.is_waiting(value)) end
    assert.is_false(sluice.is_waiting(nil))
    assert.is_true(coroutine.close(co))
  end)
end)

describe("sluice.run", function()
  support.verify_each()

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

  it("does not wait for what goes on behind requests", function()
    local is_asked, is_over = false, false
    local deadline = support.system.clock() + 20
    local client <close> = support.client { resolver = function()
      is_asked = true
      -- Cancelled or not.
      repeat sluice.sleep(0.001) until is_over or support.system.clock() > deadline
    end }
    local err = sluice.run(function()
      return select(3, client:get("http://a.test/", { timeout = { resolve = 0.01 } }))
    end)
    assert.same({ "timeout", "resolve" }, { err.code, err.stage })
    assert.is_true(is_asked)
    assert.equal(1, sluice.stats().waiting)
    is_over = true
    support.settle(sluice)
    assert.equal(0, sluice.stats().waiting)
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
  support.verify_each()

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
