-- Waits in coroutines that a host resumes in its own way, by the options `suspend` and `resume`.

local core = require "sluice.core"
local script = require "spec.support.script"
local sluice = require "sluice"
local support = require "spec.support"
local waits = require "spec.support.waits"

local clock = support.system.clock
local hello = {
  { "expect_until", "\r\n\r\n" }, { "send", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello" },
  { "pause", 0.02 }, { "send", "world" }, { "loop" },
}

--- A scheduler that takes no yield but its own, and resumes nothing inside a step.
local function new_scheduler()
  local self = { ready = {}, alive = 0, suspended = 0 }
  function self.suspend(thread)
    assert(thread == coroutine.running())
    self.suspended = self.suspended + 1
    coroutine.yield(self)
  end
  function self.resume(thread) table.insert(self.ready, thread) end
  function self.go(f)
    self.alive = self.alive + 1
    local thread = coroutine.create(function()
      f()
      self.alive = self.alive - 1
    end)
    table.insert(self.ready, thread)
    return thread
  end
  function self.run_ready()
    while self.ready[1] do
      local thread = table.remove(self.ready, 1)
      local ok, yielded = coroutine.resume(thread)
      assert(ok, yielded)
      assert(yielded == self or coroutine.status(thread) == "dead", "a yield that is not its own")
    end
  end
  function self.run()
    local deadline = clock() + 60
    while self.alive > 0 do
      sluice.loop():step(0.01)
      self.run_ready()
      assert(clock() < deadline)
    end
  end
  self.host = core.host(self.suspend, self.resume)
  return self
end

describe("a host that resumes coroutines itself", function()
  local before, p, client, scheduler

  before_each(function()
    before = support.snapshot(sluice)
    p = support.peer.listen { script = { hello }, repeat_last = true }
    client = support.client()
    scheduler = new_scheduler()
    core.add_host(scheduler.host)
  end)
  after_each(function()
    core.remove_host(scheduler.host)
    client:close()
    p:stop()
    support.verify(sluice, before)
    assert.equal(0, sluice.stats().waiting)
  end)

  it("resumes whatever waits, one after the other", function()
    local url, log = p.url .. "/", {}
    scheduler.go(function()
      local response <close> = assert(client:get(url))
      table.insert(log, response:text())
      local stream <close> = assert(client:get(url, { stream = true }))
      table.insert(log, stream:read(5))
      table.insert(log, stream:text())
      assert(sluice.sleep(0.001))
      table.insert(log, sluice.spawn(function() return sluice.sleep(0.001) end):await())
      for value in sluice.wrap(function()
        sluice.sleep(0.001)
        coroutine.yield "generated"
        sluice.sleep(0.001)
      end) do
        table.insert(log, value)
      end
    end)
    scheduler.run()
    assert.same({ "helloworld", "hello", "world", true, "generated" }, log)
    assert.is_true(scheduler.suspended >= 7)
  end)

  for name, make in pairs(waits.points) do
    it("resumes a wait for " .. name, function()
      local point, is_over = make(), false
      scheduler.go(function()
        point.run(0.2)
        is_over = true
      end)
      scheduler.run()
      point.finish()
      assert.is_true(is_over)
      assert.is_true(scheduler.suspended > 0)
    end)
  end

  it("does not resume tasks, nor generators inside them", function()
    local text
    sluice.run(function()
      for value in sluice.wrap(function()
        local response <close> = assert(client:get(p.url .. "/"))
        coroutine.yield(response:text())
      end) do
        text = value
      end
    end)
    assert.equal("helloworld", text)
    assert.equal(0, scheduler.suspended)
  end)

  it("may resume inside the step, early, and late", function()
    local results = {}
    scheduler.resume = nil
    local inside = core.host(function() coroutine.yield() end, function(thread)
      assert(coroutine.resume(thread))
    end)
    core.remove_host(scheduler.host)
    core.add_host(inside)
    local thread = coroutine.create(function() table.insert(results, sluice.sleep(0.02)) end)
    for _ = 1, 3 do assert(coroutine.resume(thread)) end -- early
    assert.equal(0, #results)
    local deadline = clock() + 60
    while not results[1] and clock() < deadline do sluice.loop():step(0.01) end
    core.remove_host(inside)
    core.add_host(scheduler.host)
    assert.same({ true }, results)
    assert.equal("dead", coroutine.status(thread))

    scheduler.resume = function() error "not called" end
    scheduler.go(function() table.insert(results, sluice.sleep(0)) end)
    scheduler.run_ready()
    while not scheduler.ready[1] do sluice.loop():step(0.01) end
    for _ = 1, 3 do assert.is_false(sluice.loop():step(0)) end -- the host has it
    assert.equal(0, sluice.stats().waiting)
    scheduler.run_ready()
    assert.same({ true, true }, results)
  end)

  it("may say that a coroutine is not its own", function()
    core.remove_host(scheduler.host)
    local asked, slept = 0, false
    local picky = core.host(function()
      asked = asked + 1
      return false
    end, error)
    core.add_host(picky)
    core.add_host(picky) -- as often as one likes
    core.add_host(scheduler.host)
    scheduler.go(function() slept = sluice.sleep(0.001) end)
    scheduler.run()
    assert.equal(1, asked)
    assert.is_true(slept)
    core.remove_host(scheduler.host)
    local foreign = coroutine.wrap(function() slept = sluice.sleep(0.001) and "by the loop" end)
    assert.is_true(sluice.is_waiting(foreign()))
    sluice.loop():run()
    assert.equal("by the loop", slept)
    assert.equal(2, asked)
    core.remove_host(picky)
  end)

  it("whose functions raise loses nothing", function()
    core.remove_host(scheduler.host)
    local reports = {}
    sluice.on_error(function(message) table.insert(reports, message) end)
    local failing = core.host(function() error("no suspend", 0) end, print)
    core.add_host(failing)
    local thread = coroutine.wrap(function()
      local caught = select(2, pcall(client.get, client, p.url .. "/"))
      local generated = select(2, pcall(sluice.wrap(function() sluice.sleep(1) end)))
      return caught, generated
    end)
    assert.same({ "no suspend", "no suspend" }, { thread() })
    assert.error_matches(coroutine.wrap(function() sluice.sleep(1) end), "no suspend")
    core.remove_host(failing)

    local hasty = core.host(function() end, print)
    core.add_host(hasty)
    assert.matches("suspend returned before resume was called",
      coroutine.wrap(function() return select(2, pcall(sluice.sleep, 1)) end)())
    core.remove_host(hasty)

    local mute = core.host(coroutine.yield, function() error("no resume", 0) end)
    core.add_host(mute)
    thread = coroutine.create(function() sluice.sleep(0.001) end)
    assert(coroutine.resume(thread))
    sluice.loop():run()
    core.remove_host(mute)
    sluice.on_error(nil)
    assert.same({ "no resume" }, reports)
    assert.is_true(coroutine.close(thread))
  end)

  it("may step the loop in its suspend", function()
    core.remove_host(scheduler.host)
    local deadline = clock() + 60
    local is_over
    local nested = core.host(function()
      is_over = false
      while not is_over and clock() < deadline do sluice.loop():step(0.01) end
    end, function() is_over = true end)
    core.add_host(nested)
    local text = coroutine.wrap(function()
      local response <close> = assert(client:get(p.url .. "/"))
      return response:text()
    end)()
    core.remove_host(nested)
    assert.equal("helloworld", text)
  end)

  for name, drop in pairs {
    ["closes the coroutine"] = coroutine.close,
    ["drops the coroutine"] = function() end,
  } do
    for _, when in ipairs { "before", "after" } do
      it(("that %s %s it is over leaves nothing behind"):format(name, when), function()
        local held
        for _, wait in ipairs {
          function() client:get(p.url .. "/") end,
          function() sluice.sleep(when == "before" and 0.05 or 0.001) end,
          sluice.wrap(function() sluice.sleep(0.001) end),
          function() sluice.spawn(function() sluice.sleep(0.001) end):await() end,
        } do
          scheduler.go(wait)
          scheduler.run_ready()
          if when == "after" then
            local deadline = clock() + 60
            while not scheduler.ready[1] and clock() < deadline do sluice.loop():step(0.01) end
          end
          held = scheduler.ready
          scheduler.ready = {}
          for _, thread in ipairs(held) do drop(thread) end
        end
        held = nil -- luacheck: ignore
        collectgarbage()
        collectgarbage()
        sluice.loop():run()
        scheduler.ready = {}
        collectgarbage()
        collectgarbage()
        before.leaked = sluice.stats().leaked -- the response that was dropped
      end)
    end
  end

  it("is that of a client, whose coroutines stay with it", function()
    core.remove_host(scheduler.host)
    local own <close> = support.client { suspend = scheduler.suspend, resume = scheduler.resume }
    local url, texts = p.url .. "/", {}
    scheduler.go(function()
      local response <close> = assert(own:get(url))
      texts[1] = response:text()
      sluice.sleep(0.001)
      local other <close> = assert(client:get(url, { stream = true }))
      texts[2] = other:text()
      for page in own:pages(url) do texts[3] = page:text() end
    end)
    scheduler.run()
    assert.same({ "helloworld", "helloworld", "helloworld" }, texts)
    assert.is_true(scheduler.suspended >= 4)
    -- Those of others are resumed by the loop.
    local before_it = scheduler.suspended
    coroutine.wrap(function()
      local response <close> = assert(client:get(url))
      texts[4] = response:text()
    end)()
    sluice.loop():run()
    local text = sluice.run(function()
      local response <close> = assert(own:get(url))
      return response:text()
    end)
    assert.equal("helloworld", texts[4])
    assert.equal("helloworld", text)
    assert.equal(before_it, scheduler.suspended)
  end)

  it("whose suspend raises ends the wait of a generator, and no later one", function()
    core.remove_host(scheduler.host)
    local failing = core.host(function() error("no suspend", 0) end, print)
    core.add_host(failing)
    local thread = coroutine.create(function()
      sluice.wrap(function() sluice.sleep(1) end)()
    end)
    assert.same({ false, "no suspend" }, { coroutine.resume(thread) })
    core.remove_host(failing)
    assert.equal(0, sluice.stats().waiting)
    local slept
    coroutine.wrap(function() slept = sluice.sleep(0.001) end)()
    coroutine.close(thread)
    sluice.loop():run()
    assert.is_true(slept)
  end)

  it("declines: coroutines that wait for each other go on behind their own waits", function()
    core.remove_host(scheduler.host)
    local declining = core.host(function() return false end, print)
    core.add_host(declining)
    local values = {}
    coroutine.wrap(function()
      local thread
      local generator = sluice.wrap(function()
        thread = coroutine.running()
        coroutine.yield "first"
        values[2] = sluice.sleep(0.001)
        coroutine.yield "second"
      end)
      values[1] = generator()
      assert.is_true(sluice.is_waiting(select(2, coroutine.resume(thread))))
      values[3] = generator()
      values[4] = sluice.sleep(0.001)
    end)()
    sluice.loop():run()
    core.remove_host(declining)
    assert.same({ "first", true, "second", true }, values)
  end)

  it("gives both functions", function()
    for given, missing in pairs { suspend = "resume", resume = "suspend" } do
      local _, message = pcall(function() sluice.client { [given] = print } end)
      assert.matches(("hosts_spec.lua:%%d+: client: option '%s': needs '%s' beside it")
        :format(given, missing), message)
    end
  end)

  it("ends with its state, whatever waits", function()
    local status, output = script.run([[
      local sluice = require "sluice"
      sluice.configure { suspend = coroutine.yield, resume = function() end }
      local url = ...
      local kept = {}
      for i = 1, 100 do
        kept[i] = coroutine.create(function()
          local response <close> = sluice.get(url, { stream = i % 2 == 0 })
        end)
        coroutine.resume(kept[i])
        if i % 3 == 0 then kept[i] = nil end
        if i % 7 == 0 then sluice.loop():step(0.01) end
      end
    ]], p.url .. "/")
    assert.equal("", output)
    assert.equal(0, status)
  end)
end)
