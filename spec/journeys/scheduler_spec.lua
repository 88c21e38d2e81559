-- Requests in coroutines of other schedulers: of cqueues, of copas, and of games that resume all of
-- theirs in each frame.

local cqueues = require "cqueues"
local sluice = require "sluice"
local support = require "spec.support"

local hello = {
  { "expect_until", "\r\n\r\n" }, { "send", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello" },
}
local refusal = "scheduler_spec.lua:%d+: cannot wait in a coroutine of NAME without its adapter"

-- What waits, each in its own way.
local function waits(client, url)
  return {
    function() sluice.sleep(0.01) end,
    function() client:get(url) end,
    function() client:build("GET", url):send() end,
    function() sluice.get(url) end,
    function() sluice.all { sluice.spawn(function() sluice.sleep(0.001) end) } end,
    sluice.wrap(function() sluice.sleep(0.001) end),
  }
end

local function check_refusals(messages, name)
  assert.equal(6, #messages)
  for _, message in ipairs(messages) do assert.matches(refusal:gsub("NAME", name), message) end
end

describe("a coroutine of cqueues", function()
  local controller

  -- What the loop's descriptor is made of is there for life.
  setup(function()
    local client <close> = support.client()
    client:get "http://127.0.0.1:1/"
    sluice.get "http://127.0.0.1:1/" -- of the default client, in any mode
    sluice.loop():pollfd()
    sluice.loop():run()
  end)
  after_each(function() package.loaded.cqueues = cqueues end)
  support.verify_each(function(keep)
    controller = keep(cqueues.new(), function(one) one:close() end)
  end)

  it("is refused at the caller's line, and goes on", function()
    local p <close> = support.peer.listen { script = { hello } }
    local client <close> = support.client()
    local messages, is_over = {}, nil
    controller:wrap(function()
      for i, wait in ipairs(waits(client, p.url .. "/")) do
        messages[i] = select(2, pcall(wait))
      end
      cqueues.sleep(0.001)
      is_over = true
    end)
    assert(controller:loop())
    assert.is_true(is_over)
    check_refusals(messages, "cqueues")
    sluice.loop():run()
  end)

  it("that ends by the refusal leaves no wait, also not that of a generator", function()
    local reports, is_closed = {}, false
    local before = sluice.on_error(function(message) table.insert(reports, message) end)
    controller:wrap(function() sluice.sleep(0.01) end)
    controller:wrap(function()
      sluice.wrap(function()
        local _ <close> = setmetatable({}, { __close = function() is_closed = true end })
        sluice.sleep(0.001)
      end)()
    end)
    for _ = 1, 2 do
      assert.matches(refusal:gsub("NAME", "cqueues"), select(2, controller:loop()))
    end
    assert.equal(0, sluice.stats().waiting)
    assert.is_true(is_closed)
    sluice.loop():run()
    sluice.on_error(before)
    assert.same({}, reports)
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

describe("a coroutine of copas", function()
  local copas, socket

  setup(function()
    local path = package.path
    package.path = path .. ";/usr/share/lua/5.2/?.lua" -- Debian's place
    socket = require "socket"
    copas = require "copas"
    package.path = path
    local client <close> = support.client()
    client:get "http://127.0.0.1:1/"
    sluice.get "http://127.0.0.1:1/"
    sluice.loop():run()
  end)
  teardown(function() package.loaded.copas = nil end)
  after_each(function() package.loaded.copas = copas end)
  support.verify_each()

  -- What a coroutine of copas sends that has read from its socket and then called `handle`.
  local function serve(handle)
    local listener = assert(socket.bind("127.0.0.1", 0))
    local peer = assert(socket.connect("127.0.0.1", (select(2, listener:getsockname()))))
    local accepted = assert(listener:accept())
    listener:close()
    accepted:settimeout(0)
    copas.addthread(function()
      assert(copas.receive(accepted))
      copas.send(accepted, handle() .. "\n")
    end)
    assert(peer:send "ask\n")
    peer:settimeout(0)
    local answer, reason
    repeat
      copas.step(0.01)
      answer, reason = peer:receive()
    until answer or reason ~= "timeout"
    peer:close()
    accepted:close()
    return answer, reason
  end

  it("is refused at the caller's line, and goes on", function()
    local p <close> = support.peer.listen { script = { hello } }
    local client <close> = support.client()
    local messages = {}
    assert.equal("over", serve(function()
      for i, wait in ipairs(waits(client, p.url .. "/")) do
        messages[i] = select(2, pcall(wait))
      end
      return "over"
    end))
    check_refusals(messages, "copas")
    sluice.loop():run()
  end)

  it("is refused in threads that scripts, tasks, generators and others add", function()
    local messages = {}
    local function try() messages[#messages + 1] = select(2, pcall(sluice.sleep, 0.001)) end
    local function add() copas.addthread(try) end
    add()
    copas.addthread(add)
    coroutine.wrap(add)()
    coroutine.wrap(function() copas.addthread(add) end)()
    sluice.run(add)
    sluice.run(function() sluice.wrap(add)() end)
    check_refusals(messages, "copas")
  end)

  it("gives the refusal to the handler of copas' errors", function()
    local reported
    copas.addthread(function()
      copas.setErrorHandler(function(message) reported = message end)
      sluice.sleep(0.001)
    end)
    assert.matches(refusal:gsub("NAME", "copas"), reported)
  end)

  it("awaits a task, as the message says", function()
    local p <close> = support.peer.listen { script = { hello } }
    local client <close> = support.client()
    local task
    copas.addthread(function()
      task = sluice.spawn(function()
        local response <close> = assert(client:get(p.url .. "/"))
        return response:text()
      end)
    end)
    while task:status() ~= "done" do
      copas.step(0)
      sluice.loop():step(0.01)
    end
    local text
    copas.addthread(function() text = task:await() end)
    assert.equal("hello", text)
  end)

  it("waits where another coroutine is between, and so does one beside it", function()
    local inner, outer
    copas.addthread(function()
      inner = coroutine.create(sluice.sleep)
      assert(coroutine.resume(inner, 0.001))
    end)
    outer = coroutine.create(sluice.sleep)
    assert(coroutine.resume(outer, 0.001))
    sluice.loop():run()
    assert.equal("dead", coroutine.status(inner))
    assert.equal("dead", coroutine.status(outer))
  end)

  it("that yields all the same is forgotten by copas, and goes on in our loop", function()
    local slept
    package.loaded.copas = nil -- so that nothing is refused
    copas.addthread(function() slept = sluice.sleep(0.01) end)
    collectgarbage()
    collectgarbage()
    sluice.loop():run()
    assert.is_true(slept)
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
