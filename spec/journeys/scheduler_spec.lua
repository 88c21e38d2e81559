-- Requests in coroutines of other schedulers: of cqueues, and of games that resume all of theirs in
-- each frame.

local cqueues = require "cqueues"
local sluice = require "sluice"
local support = require "spec.support"

local hello = {
  { "expect_until", "\r\n\r\n" }, { "send", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello" },
}
local refusal = "scheduler_spec.lua:%d+: cannot wait in a coroutine of cqueues without its adapter"

describe("a coroutine of cqueues", function()
  local before, controller

  -- What the loop's descriptor is made of is there for life.
  setup(function()
    local client <close> = support.client()
    client:get "http://127.0.0.1:1/"
    sluice.get "http://127.0.0.1:1/" -- of the default client, in any mode
    sluice.loop():pollfd()
    sluice.loop():run()
  end)
  before_each(function()
    before = support.snapshot(sluice)
    controller = cqueues.new()
  end)
  after_each(function()
    package.loaded.cqueues = cqueues
    controller:close()
    support.verify(sluice, before)
    assert.equal(0, sluice.stats().waiting)
  end)

  it("is refused at the caller's line, and goes on", function()
    local p <close> = support.peer.listen { script = { hello } }
    local client <close> = support.client()
    local messages, is_over = {}, nil
    controller:wrap(function()
      for i, wait in ipairs {
        function() sluice.sleep(0.01) end,
        function() client:get(p.url .. "/") end,
        function() client:build("GET", p.url .. "/"):send() end,
        function() sluice.get(p.url .. "/") end,
        function() sluice.all { sluice.spawn(function() sluice.sleep(0.001) end) } end,
      } do
        messages[i] = select(2, pcall(wait))
      end
      cqueues.sleep(0.001)
      is_over = true
    end)
    assert(controller:loop())
    assert.is_true(is_over)
    assert.equal(5, #messages)
    for _, message in ipairs(messages) do assert.matches(refusal, message) end
    sluice.loop():run()
  end)

  it("awaits a task, as the message says", function()
    local p <close> = support.peer.listen { script = { hello } }
    local client <close> = support.client()
    local text
    controller:wrap(function()
      local task = sluice.spawn(function()
        local response <close> = assert(client:get(p.url .. "/"))
        return response:text()
      end)
      while task:status() ~= "done" do
        cqueues.poll(sluice.loop())
        sluice.loop():step(0)
      end
      text = task:await()
    end)
    assert(controller:loop())
    assert.equal("hello", text)
  end)

  it("waits where another coroutine is between", function()
    local inner
    controller:wrap(function()
      inner = coroutine.create(sluice.sleep)
      assert(coroutine.resume(inner, 0.001))
    end)
    assert(controller:loop())
    sluice.loop():run()
    assert.equal("dead", coroutine.status(inner))
  end)

  it("that yields all the same fails its loop, and nothing else", function()
    local p <close> = support.peer.listen { script = { hello } }
    local client <close> = support.client()
    local slept, text
    package.loaded.cqueues = nil -- so that nothing is refused
    controller:wrap(function() slept = sluice.sleep(0.01) end)
    assert.error_matches(function() controller:loop() end, "yield from outside a coroutine")
    local other = cqueues.new()
    other:wrap(function()
      local response <close> = assert(client:get(p.url .. "/"))
      text = response:text()
    end)
    assert.error(function() other:loop() end)
    collectgarbage()
    collectgarbage()
    sluice.loop():run()
    assert.is_true(slept)
    assert.equal("hello", text)
    other:close()
  end)
end)

describe("a game's coroutine", function()
  it("gets its answer though it is resumed in each frame", function()
    local before = support.snapshot(sluice)
    do
      local p <close> = support.peer.listen { script = {
        { { "expect_until", "\r\n\r\n" }, { "pause", 0.02 },
          { "send", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello" }, { "pause", 0.02 },
          { "send", "world" } },
      } }
      local client <close> = support.client()
      local text, frames = nil, 0
      local script = coroutine.create(function()
        local response <close> = assert(client:get(p.url .. "/", { stream = true }))
        text = response:text()
      end)
      while coroutine.status(script) ~= "dead" do
        assert(coroutine.resume(script, "frame", frames))
        sluice.loop():step(0.002)
        frames = frames + 1
      end
      assert.equal("helloworld", text)
      assert.is_true(frames > 2)
    end
    support.verify(sluice, before)
  end)
end)
