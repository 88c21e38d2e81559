-- Tasks: coroutines that the loop runs, what they wait for, and how they end.
-- Runs once.

local script = require "spec.support.script"
local sluice = require "sluice"
local support = require "spec.support"

local clock = support.system.clock

describe("a task", function()
  support.verify_each()

  --- Steps until `done` is true, which it has to be soon.
  local function step_until(done)
    local deadline = clock() + 60
    while not done() do
      sluice.loop():step(0.01)
      assert.is_true(clock() < deadline, "not within five seconds")
    end
  end

  local function closing(f) return setmetatable({}, { __close = f }) end

  describe("that is run", function()
    it("receives all arguments and returns all results", function()
      assert.same({ n = 0 }, table.pack(sluice.run(function() end)))
      assert.same({ n = 3, 1, nil, 3 },
        table.pack(sluice.run(function(...) return ... end, 1, nil, 3)))
      local many = {}
      for i = 1, 240 do many[i] = i end
      assert.same(table.pack(table.unpack(many)),
        table.pack(sluice.run(function(...)
          sluice.sleep(0)
          return ...
        end, table.unpack(many))))
    end)

    it("raises the error of its function", function()
      local ok, message = pcall(sluice.run, function() error "broken" end)
      assert.is_false(ok)
      assert.matches("task_spec.lua:%d+: broken$", message)
      for _, value in ipairs { 5, false, {} } do
        local passed, got = pcall(sluice.run, function() error(value) end)
        assert.is_false(passed)
        assert.equal(value, got)
      end
      local passed, got = pcall(sluice.run, function() error() end)
      assert.is_false(passed)
      assert.is_nil(got)
    end)

    it("is refused inside another run, and in a coroutine", function()
      local function refused()
        assert.error_matches(function() sluice.run(print) end, "already inside a coroutine")
      end
      sluice.run(refused)
      coroutine.wrap(refused)()
      assert.error_matches(function() sluice.run() end, "function expected")
      assert.error_matches(function() sluice.run {} end, "function expected")
    end)

    it("ends once its function and all that was spawned have ended", function()
      local ended = {}
      local function work(name, seconds)
        return function()
          sluice.sleep(seconds)
          ended[#ended + 1] = name
        end
      end
      sluice.spawn(work("before", 0.001))
      assert.equal("result", sluice.run(function()
        sluice.spawn(function()
          sluice.sleep(0.01)
          sluice.spawn(work("late", 0.02))
        end)
        return "result"
      end))
      assert.same({ "before", "late" }, ended)
    end)

    it("cancels the others when its function raises, and waits for their end", function()
      local got, others
      local ok, message = pcall(sluice.run, function()
        others = {
          sluice.spawn(function()
            got = table.pack(sluice.sleep(60))
            sluice.sleep(0.001)
            return "tidy"
          end),
          sluice.spawn(function() error "of its own" end),
        }
        pcall(others[2].await, others[2])
        error("broken", 0)
      end)
      assert.same({ false, "broken" }, { ok, message })
      assert.equal("cancelled", got[3].code)
      assert.equal("tidy", others[1]:await())
    end)

    it("stops those that do not end though they were cancelled", function()
      local closed, other, waiting
      assert.error_matches(function()
        sluice.run(function()
          other = sluice.spawn(function()
            local _ <close> = closing(function() closed = true end)
            while true do sluice.sleep(0.05) end
          end)
          waiting = coroutine.create(function() other:await() end)
          coroutine.resume(waiting)
          sluice.sleep(0)
          error("broken", 0)
        end)
      end, "^broken$")
      assert.is_true(closed)
      assert.equal("failed", other:status())
      assert.error_matches(function() other:await() end, "the task was stopped")
      assert.is_true(coroutine.close(waiting))
    end)
  end)

  describe("that is spawned", function()
    it("starts in the next step, in order, with its arguments", function()
      local started = {}
      for i = 1, 5 do
        sluice.spawn(function(...) started[#started + 1] = { i, ... } end, i * 2, nil, "x")
      end
      assert.same({}, started)
      sluice.loop():step(0)
      for i = 1, 5 do assert.same({ i, i * 2, nil, "x" }, started[i]) end
    end)

    it("has to be given a function", function()
      assert.error_matches(function() sluice.spawn() end, "function expected")
      assert.error_matches(function() sluice.spawn "f" end, "function expected")
    end)

    it("reports its status", function()
      local inner
      local task
      task = sluice.spawn(function()
        inner = task:status()
        sluice.sleep(0.005)
      end)
      assert.equal("ready", task:status())
      assert.equal("sluice.task (ready)", tostring(task))
      sluice.loop():step(0)
      assert.equal("running", inner)
      assert.equal("waiting", task:status())
      assert.equal("sluice.task (waiting)", tostring(task))
      step_until(function() return task:status() == "done" end)
      assert.equal("sluice.task (done)", tostring(task))
      local failing = sluice.spawn(function() error "x" end)
      sluice.loop():step(0)
      assert.equal("failed", failing:status())
      assert.error(function() failing:await() end)
    end)

    it("goes on in the next step after a plain yield", function()
      local order = {}
      local function worker(name)
        for i = 1, 3 do
          order[#order + 1] = name .. i
          assert.equal(0, select("#", coroutine.yield("nobody", "gets", "this")))
        end
        return name
      end
      local a, b = sluice.spawn(worker, "a"), sluice.spawn(worker, "b")
      assert.equal("a", a:await())
      assert.equal("b", b:await())
      assert.same({ "a1", "b1", "a2", "b2", "a3", "b3" }, order)
    end)
  end)

  describe("that sleeps", function()
    --- The order in which five tasks wake, and how late the latest is.
    local function sleep_in_tasks()
      local order, late = {}, 0
      sluice.run(function()
        local tasks = {}
        for i, seconds in ipairs { 0.03, 0.01, 0.02, 0, 0.015 } do
          tasks[i] = sluice.spawn(function()
            local from = clock()
            assert.is_true(sluice.sleep(seconds))
            local slept = clock() - from
            assert.is_true(slept >= seconds - 0.0001)
            late = math.max(late, slept - seconds)
            order[#order + 1] = i
          end)
        end
        sluice.all(tasks)
      end)
      return order, late
    end

    it("wakes in time and in order", function()
      local best = math.huge
      -- Other programs on this machine delay some.
      for _ = 1, 5 do
        local order, late = sleep_in_tasks()
        assert.same({ 4, 2, 5, 3, 1 }, order)
        best = math.min(best, late)
      end
      assert.is_true(best < 0.02, best)
    end)

    it("lets other tasks run even where it cannot yield", function()
      local count = 0
      local ticking = sluice.spawn(function()
        for _ = 1, 3 do
          sluice.sleep(0.001)
          count = count + 1
        end
      end)
      local deadline = clock() + 60
      repeat assert.is_true(sluice.sleep(0.02)) until count == 3 or clock() > deadline
      assert.equal(3, count)
      assert.equal("done", ticking:status())
    end)

    it("refuses an invalid time", function()
      for _, seconds in ipairs { -1, -math.huge, 0 / 0, "soon", {}, false } do
        assert.error(function() sluice.sleep(seconds) end)
      end
      assert.error(function() sluice.sleep() end)
    end)

    it("can sleep for ever, until it is cancelled", function()
      for _, seconds in ipairs { math.huge, 1e300, 1e10 } do
        local task = sluice.spawn(function() return sluice.sleep(seconds) end)
        sluice.loop():step(0)
        assert.is_true(task:cancel())
        local result, _, err = task:await()
        assert.is_nil(result)
        assert.equal("cancelled", err.code)
      end
    end)
  end)

  describe("that is awaited", function()
    it("returns its results to every waiter, as often as they ask", function()
      local task = sluice.spawn(function()
        sluice.sleep(0.005)
        return 1, nil, 3
      end)
      local got = {}
      sluice.run(function()
        local waiters = {}
        for i = 1, 4 do
          waiters[i] = sluice.spawn(function() got[i] = table.pack(task:await()) end)
        end
        sluice.all(waiters)
      end)
      for i = 1, 4 do assert.same({ n = 3, 1, nil, 3 }, got[i]) end
      assert.same({ n = 3, 1, nil, 3 }, table.pack(task:await()))
      assert.same({ n = 3, 1, nil, 3 }, table.pack(task:await(0)))
    end)

    it("raises its error in every waiter", function()
      local task = sluice.spawn(function()
        sluice.sleep(0)
        error "broken"
      end)
      local messages = {}
      sluice.run(function()
        for i = 1, 3 do
          sluice.spawn(function() messages[i] = select(2, pcall(task.await, task)) end)
        end
        messages[4] = select(2, pcall(task.await, task))
      end)
      messages[5] = select(2, pcall(task.await, task))
      for i = 1, 5 do assert.matches("broken$", messages[i]) end
      assert.matches("^stack traceback:\n.*task_spec.lua:%d+", task:traceback())
    end)

    it("goes on when the wait for it times out", function()
      local other = sluice.spawn(function() return sluice.sleep(60) end)
      local task = sluice.spawn(function()
        other:await()
        return "late"
      end)
      for _, timeout in ipairs { 0.005, 0 } do
        local from = clock()
        local result, message, err = task:await(timeout)
        assert.is_nil(result)
        assert.equal("await task: timed out", message)
        assert.equal("timeout", err.code)
        assert.is_true(clock() - from < timeout + 20)
      end
      other:cancel()
      assert.equal("late", task:await(20))
    end)

    it("refuses an invalid time, and to wait for itself", function()
      local task
      task = sluice.spawn(function()
        assert.error_matches(function() task:await() end, "cannot await itself")
        return true
      end)
      for _, timeout in ipairs { -1, 0 / 0, "soon" } do
        assert.error(function() task:await(timeout) end)
      end
      assert.is_true(task:await())
    end)

    it("wakes its waiter, when two tasks wait for each other with a timeout", function()
      local a, b
      a = sluice.spawn(function() return b:await(0.01) end)
      b = sluice.spawn(function() return a:await(0.02) end)
      local result, _, err = b:await()
      assert.is_nil(result)
      assert.equal("timeout", (err or { code = "timeout" }).code)
      assert.is_nil((a:await()))
    end)
  end)

  describe("that is cancelled", function()
    it("gets the cancellation in its current wait", function()
      local got, is_closed
      local task = sluice.spawn(function()
        local variable <close> = closing(function() is_closed = true end) -- luacheck: ignore
        got = table.pack(sluice.sleep(60))
        return "went on"
      end)
      sluice.loop():step(0)
      assert.is_true(task:cancel "no longer needed")
      assert.is_nil(got)
      assert.equal("went on", task:await())
      assert.is_nil(got[1])
      assert.equal("sleep: cancelled: no longer needed", got[2])
      assert.equal("cancelled", got[3].code)
      assert.equal(got[2], tostring(got[3]))
      assert.is_true(is_closed)
    end)

    it("gets the cancellation in its first wait if it had not started", function()
      local task = sluice.spawn(function() return sluice.sleep(60) end)
      assert.is_true(task:cancel())
      assert.equal("cancelled", select(3, task:await()).code)
    end)

    it("gets the cancellation in its next wait only, if it cancels itself", function()
      local task
      task = sluice.spawn(function()
        assert.is_true(task:cancel())
        local _, _, err = sluice.sleep(60)
        assert.equal("cancelled", err.code)
        return sluice.sleep(0)
      end)
      assert.is_true(task:await())
    end)

    it("gets the cancellation while it awaits another task, which goes on", function()
      local other = sluice.spawn(function()
        sluice.sleep(0.01)
        return "other"
      end)
      local task = sluice.spawn(function() return other:await() end)
      sluice.loop():step(0)
      task:cancel()
      local result, message, err = task:await()
      assert.is_nil(result)
      assert.equal("await task: cancelled", message)
      assert.equal("cancelled", err.code)
      assert.equal("other", other:await())
    end)

    it("reports only text as the reason, and each reason once", function()
      local task
      task = sluice.spawn(function()
        local first, second
        assert.is_true(task:cancel "first")
        first = select(2, sluice.sleep(60))
        assert.is_true(task:cancel())
        second = select(2, sluice.sleep(60))
        return first, second
      end)
      assert.error(function() task:cancel {} end)
      assert.same({ "sleep: cancelled: first", "sleep: cancelled" }, { task:await() })
    end)

    it("is not interrupted twice, or after its end", function()
      local task = sluice.spawn(function() return sluice.sleep(60) end)
      sluice.loop():step(0)
      assert.is_true(task:cancel())
      assert.is_true(task:cancel())
      assert.equal("cancelled", select(3, task:await()).code)
      assert.is_false(task:cancel())
      assert.equal("cancelled", select(3, task:await()).code)
    end)

    -- Two tasks wait for the same gate. Who goes first calls `meanwhile` with the other, whose
    -- wait is over by then; it returns what `late` returns.
    local function beyond_a_gate(meanwhile, late)
      local gate, first, tasks = sluice.spawn(sluice.sleep, 60), nil, {}
      for i = 1, 2 do
        tasks[i] = sluice.spawn(function()
          assert.is_nil((gate:await()))
          if first then return late() end
          first = i
          meanwhile(tasks[3 - i])
        end)
      end
      for _ = 1, 2 do sluice.loop():step(0) end
      assert.is_nil(first)
      gate:cancel()
      step_until(function() return first end)
      return tasks[3 - first]:await()
    end

    it("gets the cancellation in its next wait if the current one is over", function()
      local sleeping, message, err, again
      beyond_a_gate(function(other) assert.is_true(other:cancel "too late") end, function()
        sleeping, message, err = sluice.sleep(60)
        again = sluice.sleep(0)
      end)
      assert.is_nil(sleeping)
      assert.equal("sleep: cancelled: too late", message)
      assert.equal("cancelled", err.code)
      assert.is_true(again)
    end)

    it("is interrupted once if it is cancelled twice after its wait", function()
      local codes = {}
      beyond_a_gate(function(other)
        other:cancel "first"
        other:cancel "second"
      end, function()
        for i = 1, 2 do codes[i] = select(2, sluice.sleep(0)) or "slept" end
      end)
      assert.same({ "sleep: cancelled: second", "slept" }, codes)
    end)

    it("may end without another wait", function()
      assert.equal("late", beyond_a_gate(function(other) other:cancel() end,
        function() return "late" end))
    end)

    it("gets the cancellation before the run that raised stops it", function()
      local codes = {}
      local ok, message = pcall(sluice.run, function()
        local gate = sluice.spawn(sluice.sleep, 60)
        for i = 1, 2 do
          sluice.spawn(function()
            gate:await()
            repeat
              local slept, _, err = sluice.sleep(0.001)
              codes[i] = err and err.code
            until not slept
          end)
        end
        sluice.sleep(0)
        gate:cancel()
        gate:await()
        error("broken", 0)
      end)
      assert.same({ false, "broken" }, { ok, message })
      assert.same({ "cancelled", "cancelled" }, codes)
    end)

    it("gets the results of a task that ends before the cancellation arrives", function()
      local waiting, got, next_wait
      local awaited = sluice.spawn(function()
        sluice.sleep(0)
        waiting:cancel()
        return "result"
      end)
      waiting = sluice.spawn(function()
        got = awaited:await()
        next_wait = table.pack(sluice.sleep(60))
      end)
      waiting:await()
      assert.equal("result", got)
      assert.equal("sleep: cancelled", next_wait[2])
    end)

    it("gets the cancellation and its reason in a generator, too", function()
      local first, second
      local task = sluice.spawn(function()
        local generator = sluice.wrap(function()
          first = select(2, sluice.sleep(60))
          second = sluice.sleep(0)
        end)
        generator()
      end)
      sluice.loop():step(0)
      task:cancel "enough"
      task:await()
      assert.same({ "sleep: cancelled: enough", true }, { first, second })
    end)
  end)

  describe("that fails", function()
    it("has its variables closed", function()
      local order = {}
      local task = sluice.spawn(function()
        local first <close> = closing(function() order[#order + 1] = "first" end) -- luacheck: ignore
        local second <close> = closing(function(_, reason) -- luacheck: ignore
          order[#order + 1] = tostring(reason):match "broken"
        end)
        sluice.sleep(0)
        error "broken"
      end)
      assert.error_matches(function() task:await() end, "broken")
      assert.same({ "broken", "first" }, order)
    end)

    it("survives variables whose closing fails or waits", function()
      local outcome
      local task = sluice.spawn(function()
        local failing <close> = closing(function() error "closing" end) -- luacheck: ignore
        local waiting <close> = closing(function() -- luacheck: ignore
          outcome = select(2, pcall(sluice.sleep, 0.001))
        end)
        error "broken"
      end)
      assert.error_matches(function() task:await() end, "broken")
      assert.matches("cannot yield", tostring(outcome))
      assert.is_true(sluice.sleep(0))
    end)

    it("leaves the others alone", function()
      local good = sluice.spawn(function()
        sluice.sleep(0.01)
        return "good"
      end)
      local bad = {}
      for i = 1, 5 do
        bad[i] = sluice.spawn(function()
          if i > 2 then sluice.sleep(0.001) end
          error("bad " .. i)
        end)
      end
      assert.equal("good", good:await())
      for i = 1, 5 do assert.error_matches(function() bad[i]:await() end, "bad " .. i) end
    end)

    it("causes one warning, unless its error was raised in a waiter", function()
      local status, output = script.run [[
        local sluice = require "sluice"
        sluice.spawn(function() error "collected" end)
        sluice.loop():step(0)
        local task = sluice.spawn(function() error "answered" end)
        print(pcall(task.await, task) == false)
        task = nil
        collectgarbage() collectgarbage()
        io.stdout:write "mark 1\n" io.stdout:flush()
        local kept
        sluice.run(function() kept = sluice.spawn(function() error "of a run" end) end)
        io.stdout:write "mark 2\n" io.stdout:flush()
        kept = sluice.spawn(function() error "at the end" end)
        sluice.loop():step(0)
        local own = setmetatable({}, { __tostring = function() return "own" end })
        sluice.spawn(function() error(own) end)
        sluice.loop():step(0)
      ]]
      assert.equal(0, status, output)
      local function count(pattern, text) return select(2, text:gsub(pattern, "")) end
      assert.equal(4, count("error in a task that nobody awaited: ", output), output)
      assert.equal(4, count("stack traceback:", output), output)
      local first, second, last = output:match "^(.*)mark 1(.*)mark 2(.*)$"
      assert.equal(1, count("awaited: [^\n]*collected\n", first), output)
      assert.equal(1, count("awaited: [^\n]*of a run\n", second), output)
      assert.equal(1, count("awaited: [^\n]*at the end\n", last), output)
      assert.equal(1, count("awaited: own\n", last), output)
      assert.is_nil(output:find("answered", 1, true), output)
    end)

    it("causes a warning also as a plain coroutine of the caller", function()
      local status, output = script.run [[
        local sluice = require "sluice"
        local closed
        coroutine.wrap(function()
          local variable <close> = setmetatable({}, { __close = function() closed = true end })
          sluice.sleep(0)
          error "foreign"
        end)()
        sluice.loop():step(0.1)
        print("closed", closed)
      ]]
      assert.equal(0, status, output)
      assert.matches("error in a coroutine: [^\n]*foreign\nstack traceback:\n", output)
      assert.matches("closed\ttrue", output)
    end)

    describe("with a handler", function()
      local reports

      before_each(function()
        reports = {}
        assert.is_nil(sluice.on_error(function(...) reports[#reports + 1] = table.pack(...) end))
      end)
      after_each(function() sluice.on_error(nil) end)

      it("is reported to it, in order, at the end of run", function()
        local value, tasks = {}, {}
        sluice.run(function()
          tasks[1] = sluice.spawn(function() error("one", 0) end)
          tasks[2] = sluice.spawn(function() error(value) end)
          coroutine.wrap(function()
            sluice.sleep(0)
            error("foreign", 0)
          end)()
          sluice.sleep(0.001)
          assert.equal(1, #reports)
        end)
        assert.equal(3, #reports)
        assert.equal("foreign", reports[1][1])
        assert.is_nil(reports[1][3])
        assert.equal("one", reports[2][1])
        assert.equal(value, reports[3][1])
        for i = 1, 2 do assert.equal(tasks[i], reports[i + 1][3]) end
        for i = 1, 3 do assert.matches("^stack traceback:\n.*task_spec.lua", reports[i][2]) end
        tasks[1], tasks[2], reports[2], reports[3] = nil, nil, nil, nil
        collectgarbage()
        collectgarbage()
        assert.equal(1, #reports)
      end)

      it("is reported to it when the task is collected", function()
        sluice.spawn(function() error("lost", 0) end)
        sluice.loop():step(0)
        assert.same({}, reports)
        collectgarbage()
        collectgarbage()
        assert.equal(1, #reports)
        assert.equal("lost", reports[1][1])
      end)

      it("is not reported when somebody awaited it", function()
        sluice.run(function()
          local task = sluice.spawn(function()
            sluice.sleep(0.001)
            error "heard"
          end)
          pcall(task.await, task)
        end)
        collectgarbage()
        assert.same({}, reports)
      end)
    end)

    it("is printed when the handler raises or is none", function()
      local status, output = script.run [[
        local sluice = require "sluice"
        sluice.on_error(function(message) error("of the handler", 0) end)
        sluice.run(function() sluice.spawn(function() error "of the task" end) end)
      ]]
      assert.equal(0, status, output)
      assert.matches("handler of on_error: of the handler\n", output)
      assert.matches("awaited: [^\n]*of the task\nstack traceback:", output)
      for _, value in ipairs { 5, true, {}, "f" } do
        assert.error_matches(function() sluice.on_error(value) end, "function expected")
      end
    end)
  end)

  describe("whose coroutine somebody else touches", function()
    local awaited
    local waits = {
      sleep = function() return sluice.sleep(60) end,
      await = function()
        awaited = sluice.spawn(function() sluice.sleep(60) end)
        return awaited:await(60)
      end,
    }

    local function cancel_awaited()
      if awaited then awaited:cancel() end
      awaited = nil
    end

    for name, wait in pairs(waits) do
      it("waits on when it is resumed too early, in " .. name, function()
        local co = coroutine.create(wait)
        local waiting = select(2, coroutine.resume(co))
        for _ = 1, 5 do
          assert.same({ true, waiting }, { coroutine.resume(co, "a forged result") })
          sluice.loop():step(0)
        end
        assert.equal("suspended", coroutine.status(co))
        assert.equal(name == "await" and 2 or 1, sluice.stats().waiting)
        assert.is_true(coroutine.close(co))
        cancel_awaited()
        sluice.loop():run()
      end)

      it("is left alone once it is closed, in " .. name, function()
        local co = coroutine.create(wait)
        assert.is_true(coroutine.resume(co))
        assert.is_true(coroutine.close(co))
        cancel_awaited()
        sluice.loop():run()
        assert.equal(0, sluice.stats().waiting)
      end)

      it("is left alone when it is closed after its result has arrived, in " .. name, function()
        local co = coroutine.create(wait)
        local other
        sluice.run(function()
          other = sluice.spawn(function() coroutine.resume(co) end)
          other:await()
          assert.is_true(coroutine.close(co))
          cancel_awaited()
        end)
        sluice.loop():run()
      end)
    end

    it("is resumed even if nothing else refers to it", function()
      local done
      coroutine.wrap(function()
        sluice.sleep(0.005)
        done = true
      end)()
      collectgarbage()
      collectgarbage()
      sluice.loop():run()
      assert.is_true(done)
    end)
  end)

  describe("that cannot yield", function()
    local places = {
      ["a comparator"] = function(wait) table.sort({ 3, 2, 1 }, function(a, b)
        wait()
        return a < b
      end) end,
      ["a replacement"] = function(wait) return (("x"):gsub(".", wait)) end,
      ["a metamethod called from C"] = function(wait)
        return tostring(setmetatable({}, { __tostring = function()
          wait()
          return "x"
        end }))
      end,
    }

    for name, place in pairs(places) do
      it("raises in " .. name .. ", and goes on", function()
        sluice.run(function()
          for _, wait in ipairs { function() sluice.sleep(0.001) end,
            function() sluice.spawn(function() sluice.sleep(0.001) end):await() end } do
            local ok, message = pcall(place, wait)
            assert.is_false(ok)
            assert.matches("cannot yield", message)
          end
          assert.is_true(sluice.sleep(0.002))
        end)
        sluice.loop():run()
      end)

      it("drives the loop in " .. name .. " where no step is under way", function()
        local count = 0
        place(function()
          count = count + 1
          sluice.sleep(0)
        end)
        assert.is_true(count > 0)
      end)
    end

    it("raises in a finaliser, which Lua turns into a warning", function()
      local outcome
      sluice.run(function()
        setmetatable({}, { __gc = function() outcome = table.pack(pcall(sluice.sleep, 0.001)) end })
        collectgarbage()
        collectgarbage()
      end)
      assert.is_false(outcome[1])
      assert.matches("cannot yield", outcome[2])
    end)
  end)

  it("runs beside thousands of others", function()
    local count, total = 0, 3000
    sluice.run(function()
      local tasks = {}
      for i = 1, total do
        tasks[i] = sluice.spawn(function()
          sluice.sleep((i * 7919 % 100) / 10000)
          count = count + 1
          return i
        end)
      end
      local results = sluice.all(tasks)
      for i = 1, total do assert.equal(i, results[i]) end
    end)
    assert.equal(total, count)
  end)

  it("leaves no memory in use after its end", function()
    local function round()
      sluice.run(function()
        for _ = 1, 1000 do sluice.spawn(function() sluice.sleep(0) end):await() end
      end)
      collectgarbage()
      collectgarbage()
      return collectgarbage "count"
    end
    round()
    local first = round()
    round()
    assert.is_true(round() - first < 16)
  end)
end)
