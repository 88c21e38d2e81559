-- The loop as hosts see it: one descriptor, one timeout, one step.

local script = require "spec.support.script"
local sluice = require "sluice"
local support = require "spec.support"

local peer, system = support.peer, support.system
local clock = system.clock

local GOOD = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"

describe("the loop", function()
  local loop

  support.verify_each(function() loop = sluice.loop() end)

  local function server(...)
    return peer.listen { script = { { { "expect_until", "\r\n\r\n" }, ... } }, repeat_last = true }
  end

  it("exists once per state", function()
    assert.equal(loop, sluice.loop())
    assert.error_matches(function() loop.step(io.stdout) end, "sluice.loop expected")
  end)

  it("never blocks in step(0)", function()
    local task = sluice.spawn(function() return sluice.sleep(60) end)
    local from = clock()
    for _ = 1, 100 do assert.is_true(loop:step(0)) end
    assert.is_true(loop:step())
    assert.is_true(clock() - from < 5)
    task:cancel()
    loop:run()
    assert.is_false(loop:step(0))
  end)

  it("waits in step no longer than its argument says, and less if there is work", function()
    local from = clock()
    loop:step(0.03)
    local waited = clock() - from
    assert.is_true(waited < 20, waited)
    local woken
    local task = sluice.spawn(function()
      sluice.sleep(0.01)
      woken = clock()
    end)
    from = clock()
    while not woken do loop:step(60) end
    assert.is_true(woken - from < 20)
    assert.equal("done", task:status())
  end)

  it("may poll for a while before it sleeps", function()
    loop:spin(0.001)
    local p <close> = server({ "send", GOOD }, { "loop" })
    local client <close> = support.client()
    for _ = 1, 20 do
      local response <close> = assert(client:get(p.url .. "/"))
      assert.equal("good", response:text())
    end
    local from = clock()
    assert.is_true(sluice.sleep(0.02))
    assert.is_true(clock() - from >= 0.02)
    loop:spin(0)
    for _, seconds in ipairs { -1, 0 / 0, 0.0011, 1, "soon", {} } do
      assert.error(function() loop:spin(seconds) end)
    end
    assert.error(function() loop:spin() end)
  end)

  it("refuses invalid times", function()
    for _, seconds in ipairs { -1, 0 / 0, "soon", {} } do
      assert.error(function() loop:step(seconds) end)
    end
  end)

  it("refuses a step inside a step", function()
    sluice.run(function()
      assert.error_matches(function() loop:step(0) end, "already inside a step")
      assert.error_matches(function() loop:run() end, "already inside a step")
      assert.is_true(sluice.sleep(0))
    end)
  end)

  it("runs until no task waits", function()
    local count = 0
    for i = 1, 4 do
      sluice.spawn(function()
        for _ = 1, i do sluice.sleep(0.001) end
        count = count + 1
      end)
    end
    loop:run()
    assert.equal(4, count)
    local from = clock()
    loop:run()
    assert.is_true(clock() - from < 5)
  end)

  it("reports how long the host may wait before the next step", function()
    assert.equal("r", loop:events())
    local task = sluice.spawn(function() return sluice.sleep(60) end)
    assert.equal(0, loop:timeout())
    loop:step(0)
    local timeout = loop:timeout()
    assert.is_true(timeout > 0 and timeout <= 60)
    task:cancel()
    loop:run()
  end)

  it("keeps the same descriptor for life", function()
    local fd = loop:pollfd()
    assert.equal("integer", math.type(fd))
    local client = support.client()
    local p <close> = server({ "send", GOOD }, { "loop" })
    for _ = 1, 3 do
      local response <close> = assert(client:get(p.url .. "/"))
      assert.equal("good", response:text())
      assert.equal(fd, loop:pollfd())
    end
    client:close()
    assert.equal(fd, loop:pollfd())
  end)

  it("drives requests for a host that only polls", function()
    local fd = loop:pollfd()
    local client = support.client()
    local p <close> = server({ "pause", 0.02 }, { "cut", GOOD, 30, 0.02 }, { "loop" })
    local texts, steps = {}, 0
    local function request(i)
      local response <close>, message = client:get(p.url .. "/" .. i)
      texts[#texts + 1] = response and response:text() or message
    end
    for i = 1, 5 do coroutine.wrap(request)(i) end
    local deadline = clock() + 60
    while #texts < 5 do
      local timeout = loop:timeout()
      if timeout ~= 0 then system.poll(fd, math.min(timeout or 1, 1)) end
      loop:step(0)
      steps = steps + 1
      assert.is_true(clock() < deadline, "no result in a minute of polling")
    end
    assert.same({ "good", "good", "good", "good", "good" }, texts)
    assert.is_true(steps < 500, steps .. " steps")
    client:close()
  end)

  it("wakes a host that does nothing but poll its descriptor", function()
    local fd = loop:pollfd()
    local client = support.client()
    local p <close> = server({ "hold" }, { "send", GOOD }, { "loop" })
    for i = 1, 3 do
      local text
      coroutine.wrap(function()
        local response <close>, message = client:get(p.url .. "/" .. i)
        text = response and response:text() or message
      end)()
      repeat loop:step(0) until p:wait("holding", 1, 0)
      while loop:timeout() == 0 do loop:step(0) end
      p:signal(1)
      while not text do
        local timeout = loop:timeout()
        -- With poll(2) the host must step from time to time; with others no time-out is near.
        assert.is_true(timeout == nil or timeout <= 0.01 or timeout > 5, timeout)
        assert.is_true(system.poll(fd, math.min(timeout or 5, 5)) or timeout <= 0.01)
        loop:step(0)
      end
      assert.equal("good", text)
    end
    client:close()
  end)

  -- A host that steps only when the descriptor is readable or when the time that `timeout` returned
  -- after the last step has passed.
  local function wait_as_host(is_done)
    local fd, deadline = loop:pollfd(), clock() + 10
    local due
    while not is_done() do
      assert(clock() < deadline, "the host was not woken")
      local left = math.max(math.min((due or deadline) - clock(), deadline - clock()), 0)
      if system.poll(fd, left) or due and clock() >= due then
        loop:step(0)
        local timeout = loop:timeout()
        due = timeout and clock() + timeout
      end
    end
  end

  it("wakes a host for work that was begun outside a step", function()
    local client = support.client()
    local p <close> = server({ "send", GOOD }, { "loop" })
    local hung <close> = server({ "stall" })
    local started
    sluice.spawn(function() started = true end)
    wait_as_host(function() return started end)
    for i = 1, 3 do
      local text
      coroutine.wrap(function()
        local response <close> = assert(client:get(p.url .. "/" .. i))
        text = response:text()
      end)()
      wait_as_host(function() return text end)
      assert.equal("good", text)
    end
    local sleeper = sluice.spawn(function() return sluice.sleep(0.01) end)
    wait_as_host(function() return sleeper:status() == "done" end)
    local err
    coroutine.wrap(function()
      err = select(3, client:get(hung.url .. "/", { timeout = 0.05 }))
    end)()
    wait_as_host(function() return err end)
    assert.equal("timeout", err.code)
    local task = sluice.spawn(function() return select(3, client:get(hung.url .. "/")) end)
    wait_as_host(function() return task:status() == "waiting" end)
    task:cancel()
    wait_as_host(function() return task:status() == "done" end)
    assert.equal("cancelled", task:await().code)
    client:close()
    loop:step(0)
    assert.is_false(system.poll(loop:pollfd(), 0))
  end)

  it("delivers what arrived in time, however late the step is", function()
    local body = ("x"):rep(20000)
    local answer = ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body)
    local p <close> = server({ "hold" }, { "send", answer }, { "read_all" })
    local count, seconds = 150, 2
    local client = support.client { pool = { per_origin = count, total = count } }
    local tasks, from = {}, clock()
    for i = 1, count do
      tasks[i] = sluice.spawn(function()
        local response <close>, message = client:get(p.url .. "/", { timeout = seconds })
        return response and response:text() or message
      end)
    end
    repeat loop:step(0.01) until p:wait("holding", count, 0)
    p:signal(count)
    -- The program computes past every deadline; the answers are in the kernel long before that.
    repeat until clock() - from > seconds + 0.1
    loop:step(0)
    for i = 1, count do
      assert.equal("done", tasks[i]:status(), i)
      assert.equal(body, tasks[i]:await(), i)
    end
    client:close()
  end)

  it("does not wake its host while nothing happens", function()
    local fd = loop:pollfd()
    local client = support.client()
    local p <close> = server({ "send", GOOD }, { "stall" })
    do
      local response <close> = assert(client:get(p.url .. "/"))
      assert.equal("good", response:text())
    end
    -- A worker may report a moment later that the request was sent, and nothing after that.
    local deadline = clock() + 20
    repeat
      loop:step(0)
      assert.is_true(clock() < deadline, "never at rest")
    until not system.poll(fd, 0.02) and sluice.stats().operations == 0
    assert.is_false(system.poll(fd, 0.1))
    client:close()
  end)

  it("resumes a frame loop's coroutines only inside step", function()
    local client = support.client()
    local p <close> = server({ "send", GOOD }, { "loop" })
    local is_stepping, was_outside, done = false, false, false
    coroutine.wrap(function()
      local response <close> = assert(client:get(p.url .. "/"))
      was_outside = was_outside or not is_stepping
      sluice.sleep(0.002)
      was_outside = was_outside or not is_stepping
      done = response:text()
    end)()
    local deadline = clock() + 60
    while not done and clock() < deadline do
      collectgarbage "step"
      is_stepping = true
      loop:step(0)
      is_stepping = false
    end
    assert.equal("good", done)
    assert.is_false(was_outside)
    client:close()
  end)

  it("keeps errors with the coroutine that raised them", function()
    local errors = {}
    for i = 1, 3 do
      local task = sluice.spawn(function()
        sluice.sleep(0.001)
        error("own " .. i)
      end)
      errors[i] = task
    end
    loop:run()
    for i = 1, 3 do assert.error_matches(function() errors[i]:await() end, "own " .. i) end
  end)

  it("counts operations, timers, connections and requests under way", function()
    local names = { "outstanding", "rented", "returned", "high_water", "leaked", "bytes",
      "operations", "timers", "descriptors", "connections", "requests", "resends" }
    local stats = sluice.stats()
    for _, name in ipairs(names) do assert.equal("integer", math.type(stats[name]), name) end
    local client = support.client()
    local p <close> = server({ "hold" }, { "send", GOOD }, { "loop" })
    local task = sluice.spawn(function()
      local response <close> = assert(client:get(p.url .. "/"))
      return response:text()
    end)
    repeat loop:step(0.01) until p:wait("holding", 1, 0)
    local during = sluice.stats()
    assert.equal(stats.connections + 1, during.connections)
    assert.is_true(during.operations > 0 and during.timers > 0 and during.descriptors > 0)
    p:signal(1)
    assert.equal("good", task:await())
    local after = sluice.stats()
    assert.equal(stats.requests + 1, after.requests)
    assert.equal(stats.resends, after.resends)
    client:close()
  end)
end)

describe("a state that ends", function()
  local slow = peer.listen
  local good

  -- The URL of a server that answers.
  local function start_good()
    good = peer.listen { script = { { { "expect_until", "\r\n\r\n" }, { "send", GOOD } } } }
    return good.url .. "/"
  end

  after_each(function()
    if good then good:stop() end
    good = nil
  end)

  --- Runs `body` in a state of its own, with `url` of a server that never answers.
  local function run(body, beginning)
    local p <close> = slow {
      script = { { { "expect_until", "\r\n\r\n" }, { "stall" } } }, repeat_last = true,
    }
    local mode = support.transport()
    local transport = mode and ('{ mode = "%s", backend = "%s" }'):format(mode.mode, mode.backend)
      or "nil"
    local status, output, seconds = script.run((beginning or "") .. ([[
      local sluice = require "sluice"
      local url = %q
      local client = sluice.client { transport = %s }
      local other = sluice.client { transport = %s }
    ]]):format(p.url .. "/", transport, transport) .. body)
    assert.equal(0, status, output)
    assert.equal("", output)
    assert.is_true(seconds < 30, seconds)
  end

  it("cancels requests in flight", function()
    run [[
      for i = 1, 20 do
        sluice.spawn(function() client:get(url) end)
        sluice.spawn(function() other:post(url, { body = ("x"):rep(100000) }) end)
      end
      for _ = 1, 20 do sluice.loop():step(0.005) end
      assert(sluice.stats().connections > 0)
    ]]
  end)

  it("drops coroutines that wait in every way", function()
    run [[
      local forever
      forever = sluice.spawn(function() sluice.sleep(math.huge) end)
      sluice.spawn(function() forever:await() end)
      sluice.spawn(function() client:get("http://192.0.2.1/") end)
      sluice.spawn(function() client:get("http://no-such-name.invalid/") end)
      coroutine.wrap(function() client:get(url, { stream = true }) end)()
      coroutine.wrap(function()
        local variable <close> = setmetatable({}, { __close = print })
        sluice.sleep(60)
      end)()
      sluice.spawn(function() coroutine.yield() end)
      sluice.loop():step(0)
    ]]
  end)

  it("releases everything at os.exit(true)", function()
    run [[
      sluice.spawn(function() client:get(url) end)
      sluice.spawn(function()
        sluice.sleep(0.02)
        os.exit(true, true)
      end)
      sluice.loop():run()
    ]]
  end)

  it("ends at once at os.exit(true, false)", function()
    run [[
      sluice.spawn(function() client:get(url) end)
      sluice.loop():step(0.01)
      os.exit(true)
    ]]
  end)

  it("releases its memory in whatever order it is collected", function()
    run [[
      local kept = {}
      for i = 1, 24 do
        local buffer, writer = sluice.buffer(), sluice.writer()
        buffer:append(("x"):rep(20000))
        writer:write "y"
        local made = { buffer, writer, buffer:sequence(), sluice.client(),
          buffer:sequence():reader(), sluice.spawn(function() sluice.sleep(1) end) }
        if i % 2 == 0 then made[7] = writer:detach() end
        table.sort(made, function(a, b) return tostring(a) .. i < tostring(b) .. i end)
        kept[i] = made
      end
      sluice.loop():step(0)
    ]]
  end)

  it("is closed for objects that are finalised after it", function()
    run([[
      saved.buffer, saved.writer, saved.client = sluice.buffer(), sluice.writer(), client
      saved.buffer:append "x"
      saved.writer:write "y"
    ]], [[
      local saved = setmetatable({}, { __gc = function(saved)
        assert(not pcall(require "sluice".stats))
        assert(not pcall(require "sluice".buffer))
        assert(not pcall(saved.client.get, saved.client, "http://127.0.0.1:1/"))
        assert(tostring(saved.buffer) == "sluice.buffer (disposed)")
        saved.buffer:dispose()
        saved.writer:dispose()
        saved.client:close()
      end })
    ]])
  end)

  it("may have loaded the module twice", function()
    run [[
      local first = sluice
      local buffer <close> = first.buffer()
      assert(buffer:append "shared")
      for name in pairs(package.loaded) do
        if name:find "^sluice" then package.loaded[name] = nil end
      end
      local second = require "sluice"
      assert(second ~= first)
      local sequence <close> = buffer:sequence()
      local copy <close> = second.buffer()
      assert(copy:append(sequence))
      assert(#copy == 6)
      assert(second.stats().outstanding == first.stats().outstanding)
      second.run(function() assert(first.sleep(0)) end)
      local made = second.client()
      local answer, _, err = made:get("http://127.0.0.1:1/")
      assert(answer == nil and err.code == "connect")
      made:close()
    ]]
  end)

  it("keeps the methods of responses when the core alone is loaded again", function()
    run([[
      local first = require "sluice.core"
      package.loaded["sluice.core"] = nil
      assert(require "sluice.core" ~= first)
      local response <close> = assert(sluice.client():get(saved))
      for _, name in ipairs { "json", "chunks", "lines", "save", "reader", "text", "push" } do
        assert(type(response[name]) == "function", name)
      end
      assert(response:text() == "good")
    ]], ("local saved = %q "):format(start_good()))
  end)

  it("may load and collect the module again and again", function()
    run [[
      for _ = 1, 20 do
        for name in pairs(package.loaded) do
          if name:find "^sluice" then package.loaded[name] = nil end
        end
        collectgarbage()
        require "sluice".run(function() require "sluice".sleep(0) end)
      end
    ]]
  end)
end)

describe("a forked process", function()
  support.verify_each()

  it("cannot use the module, and its parent goes on", function()
    local p <close> = peer.listen {
      script = { { { "expect_until", "\r\n\r\n" }, { "send", GOOD }, { "loop" } } },
      repeat_last = true,
    }
    local client = support.client()
    local function get()
      local response <close>, message = client:get(p.url .. "/")
      return response and response:text() or message
    end
    assert.equal("good", get())
    local task = sluice.spawn(function() return sluice.sleep(0.05) end)
    local loop = sluice.loop()
    loop:step(0)
    local buffer <close> = sluice.buffer()
    assert(buffer:append "x")
    for _ = 1, 50 do
      local pid = system.fork(function()
        local refused = 0
        for _, use in ipairs {
          function() client:get(p.url .. "/") end,
          function() sluice.sleep(0) end,
          function() sluice.spawn(print) end,
          function() loop:step(0) end,
          function() loop:pollfd() end,
          function() sluice.stats() end,
          function() sluice.buffer() end,
          function() sluice.client() end,
        } do
          local ok, message = pcall(use)
          if not ok and tostring(message):find "fork" then refused = refused + 1 end
        end
        client:close()
        collectgarbage()
        return refused
      end)
      assert.equal(8, system.reap(pid))
      assert.equal("good", get())
    end
    assert.is_true(task:await())
    assert.equal(1, (p:connections()))
    client:close()
  end)
end)
