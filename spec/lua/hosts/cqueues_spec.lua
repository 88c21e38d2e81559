-- Requests in coroutines of cqueues, beside its own primitives.

local adapter = require "sluice.hosts.cqueues"
local condition = require "cqueues.condition"
local core = require "sluice.core"
local cqueues = require "cqueues"
local sluice = require "sluice"
local support = require "spec.support"
local waits = require "spec.support.waits"

local hello = {
  { "expect_until", "\r\n\r\n" }, { "pause", 0.02 },
  { "send", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello" }, { "loop" },
}

describe("the adapter for cqueues", function()
  local before, p, client, controller

  setup(function()
    local warm <close> = support.client()
    warm:get "http://127.0.0.1:1/"
    sluice.loop():pollfd()
    cqueues.new():close()
  end)
  before_each(function()
    adapter.install()
    adapter.install() -- as often as one likes
    before = support.snapshot(sluice)
    p = support.peer.listen { script = { hello }, repeat_last = true }
    client = support.client()
    controller = cqueues.new()
  end)
  after_each(function()
    client:close()
    p:stop()
    controller:close()
    core.remove_host(adapter.host) -- also where something was left behind
    support.verify(sluice, before)
  end)

  local function get()
    local response <close> = assert(client:get(p.url .. "/"))
    return response:text()
  end

  it("lets a coroutine wait, whose controller's loop then ends", function()
    local texts = {}
    for i = 1, 20 do controller:wrap(function() texts[i] = get() .. get() end) end
    assert(controller:loop(60))
    assert.equal(20, #texts)
    for _, text in ipairs(texts) do assert.equal("hellohello", text) end
    assert.equal(0, controller:count())
  end)

  it("serves timers, conditions and polls of cqueues meanwhile", function()
    local ticks, text, signal, log = 0, nil, condition.new(), {}
    controller:wrap(function()
      text = get()
      signal:signal()
      cqueues.sleep(0.001)
      sluice.sleep(0.001)
      table.insert(log, "slept")
    end)
    controller:wrap(function()
      signal:wait()
      table.insert(log, "signalled")
    end)
    controller:wrap(function()
      while not text do
        cqueues.sleep(0.001)
        ticks = ticks + 1
      end
    end)
    assert(controller:loop(60))
    assert.equal("hello", text)
    assert.same({ "signalled", "slept" }, log)
    assert.is_true(ticks > 2)
  end)

  it("leaves other coroutines, and tasks, to the loop", function()
    local texts = {}
    controller:wrap(function()
      local inner = coroutine.wrap(function() texts[1] = get() end)
      assert.is_true(sluice.is_waiting(inner()))
      texts[2] = sluice.spawn(get):await()
      texts[3] = sluice.wrap(function() coroutine.yield(get()) end)()
      while not texts[1] do sluice.sleep(0.001) end
    end)
    assert(controller:loop(60))
    assert.same({ "hello", "hello", "hello" }, texts)
    assert.equal("hello", get()) -- outside of all
  end)

  it("waits in controllers inside each other, and in one after the other", function()
    local inner, texts = cqueues.new(), {}
    inner:wrap(function() texts[1] = get() end)
    controller:wrap(function()
      assert(inner:loop(60))
      texts[2] = get()
    end)
    assert(controller:loop(60))
    controller:wrap(function() texts[3] = get() end)
    assert(controller:loop(60))
    inner:close()
    assert.same({ "hello", "hello", "hello" }, texts)
  end)

  it("gives failures and deadlines", function()
    local silent <close> = support.peer.listen { script = { { { "stall" } } } }
    local codes = {}
    controller:wrap(function()
      codes[1] = select(3, client:get "http://127.0.0.1:1/").code
      codes[2] = select(3, client:get(silent.url .. "/", { timeout = 0.005 })).code
    end)
    assert(controller:loop(60))
    assert.same({ "connect", "timeout" }, codes)
  end)

  for name, make in pairs(waits.points) do
    it("resumes a wait for " .. name, function()
      local point, is_over = make(), false
      controller:wrap(function()
        point.run(0.2)
        point.finish()
        is_over = true
      end)
      assert(controller:loop(60))
      assert.is_true(is_over)
    end)
  end

  it("leaves nothing behind when a controller is closed under a request", function()
    for i = 1, 4 do
      controller:wrap(get)
      for _ = 1, i do controller:step(0.005) end
      controller:close()
      controller = cqueues.new()
    end
    collectgarbage()
    collectgarbage()
    sluice.loop():run()
    collectgarbage()
    collectgarbage()
    before.leaked = sluice.stats().leaked -- of responses that were dropped
  end)
end)
