-- Steps with a budget, as a game makes them in each frame. What costs time here is measured by the
-- clock, so that a busy machine makes steps do less, and never more.

local core = require "sluice.core"
local script = require "spec.support.script"
local server = require "spec.support.server"
local sluice = require "sluice"
local support = require "spec.support"

local clock = support.system.clock
local UNIT = 0.0005

local function be_busy(seconds)
  local until_then = clock() + seconds
  repeat until clock() >= until_then
end

local function answer(body, more)
  return ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n"):format(#body, more or "") .. body
end

describe("a step with a budget", function()
  local loop, client

  support.verify_each(function(keep) loop, client = sluice.loop(), keep(support.client()) end)

  --- Steps until f() is true. Returns how many steps that took.
  local function step_until(f, budget)
    local deadline, steps = clock() + 60, 0
    while not f() do
      assert(clock() < deadline, "no end within a minute")
      loop:step(0.01, budget)
      steps = steps + 1
    end
    return steps
  end

  local function is_done(task)
    return function() return task:status() == "done" or task:status() == "failed" end
  end

  it("ends within it and one unit of work, and the next step goes on", function()
    local count, most, done = 60, 0, {}
    for i = 1, count do
      sluice.spawn(function()
        be_busy(UNIT)
        done[#done + 1] = i
      end)
    end
    while #done < count do
      local already = #done
      local is_waiting, has_work = loop:step(0, 2 * UNIT)
      most = math.max(most, #done - already)
      assert.equal(#done < count, is_waiting)
      assert.equal(#done < count, has_work)
    end
    assert.is_true(most <= 3, most)
    for i = 1, count do assert.equal(i, done[i]) end
    assert.same({ false, false }, { loop:step(0, 1) })
  end)

  it("does one unit of work where the budget is 0", function()
    local done = 0
    for _ = 1, 30 do sluice.spawn(function() done = done + 1 end) end
    while done < 30 do
      local already = done
      loop:step(0, 0)
      assert.is_true(done - already <= 1)
    end
    loop:run { budget = 0 }
  end)

  it("refuses what is no budget", function()
    for _, budget in ipairs { -1, 0 / 0, "soon", {} } do
      assert.error(function() loop:step(0, budget) end)
      assert.error_matches(function() loop:run { budget = budget } end,
        "run: option 'budget': number of seconds")
    end
    assert.error_matches(function() loop:run { bugdet = 1 } end, "unknown option 'bugdet'")
    assert.error(function() loop:run(0.001) end)
    sluice.spawn(function() sluice.sleep(0.001) end)
    loop:run {}
    sluice.spawn(function() sluice.sleep(0.001) end)
    loop:run { budget = 0.001 }
    assert.is_false(loop:step(0))
  end)

  it("divides the lines of a body, streamed or whole", function()
    local text = ("sixteen bytes..\n"):rep(200)
    local p <close> = support.serve(answer(text))
    for _, is_stream in ipairs { true, false } do
      local lines, most, already = 0, 0, 0
      local task = sluice.spawn(function()
        local response <close> = assert(client:get(p.url .. "/", { stream = is_stream }))
        for line in response:lines() do
          assert.equal("sixteen bytes..", line)
          lines = lines + 1
          be_busy(UNIT)
        end
      end)
      while not is_done(task)() do
        loop:step(0.01, 4 * UNIT)
        most, already = math.max(most, lines - already), lines
      end
      task:await()
      assert.equal(200, lines)
      assert.is_true(most <= 5, most)
    end
  end)

  it("comes to the end of every body, however short its turns are", function()
    local text = ("data: 1\n\n"):rep(40)
    local ways = {
      function(response)
        local bytes = 0
        for piece in response:chunks() do
          bytes = bytes + #piece
          piece:dispose()
        end
        return bytes == #text
      end,
      function(response)
        local bytes = 0
        while true do
          local piece = response:read(7)
          if not piece then return bytes == #text end
          bytes = bytes + #piece
        end
      end,
      function(response)
        local lines = 0
        for _ in response:lines() do lines = lines + 1 end
        return lines == 80
      end,
      function(response)
        local reader <close> = response:reader()
        return reader:read(3, "l", "n", "a") == "dat"
      end,
      function(response)
        local events = 0
        for event in response:events() do events = events + event:json() end
        return events == 40
      end,
      function(response) return response:text() == text end,
    }
    local p <close> = support.serve(answer(text, "Content-Type: text/event-stream\r\n"))
    for _, budget in ipairs { 0, 1e-7 } do
      for _, is_stream in ipairs { true, false } do
        for i, read in ipairs(ways) do
          local task = sluice.spawn(function()
            local response <close> = assert(client:get(p.url .. "/", { stream = is_stream }))
            return read(response)
          end)
          step_until(is_done(task), budget)
          assert.is_true(task:await(), i)
        end
      end
    end
  end)

  it("ends a turn early for a task that is cancelled", function()
    local p <close> = support.serve(answer(("line\n"):rep(1000)))
    for _, is_stream in ipairs { true, false } do
      local lines, err, is_failed = 0, nil, false
      local task = sluice.spawn(function()
        local response <close> = assert(client:get(p.url .. "/", { stream = is_stream }))
        is_failed, err = pcall(function()
          for _ in response:lines() do
            lines = lines + 1
            be_busy(UNIT)
          end
        end)
      end)
      step_until(function() return lines > 20 end, UNIT)
      task:cancel()
      step_until(is_done(task), UNIT)
      assert.is_true(lines < 100, lines)
      assert.is_false(is_failed)
      assert.equal("cancelled", err.code)
    end
  end)

  it("brings bodies whole, however they are taken", function()
    local body = support.pattern(3 << 20)
    local chunks = {}
    for i = 1, #body, 50000 do
      local piece = body:sub(i, i + 49999)
      chunks[#chunks + 1] = ("%x\r\n%s\r\n"):format(#piece, piece)
    end
    local chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
      .. table.concat(chunks) .. "0\r\n\r\n"
    for _, bytes in ipairs { answer(body), chunked } do
      local p <close> = support.serve(bytes)
      local takes = {
        function(response) return response:text() end,
        function(response)
          local pieces = {}
          for piece in response:chunks() do
            pieces[#pieces + 1] = piece:tostring()
            piece:dispose()
          end
          return table.concat(pieces)
        end,
        function(response)
          local pieces = {}
          for piece in function() return response:read(100000) end do
            pieces[#pieces + 1] = piece
          end
          return table.concat(pieces)
        end,
      }
      for i, take in ipairs(takes) do
        local task = sluice.spawn(function()
          local response <close> = assert(client:get(p.url .. "/", { stream = i > 1 }))
          return take(response)
        end)
        step_until(is_done(task), 0.0005)
        assert.is_true(task:await() == body, i)
      end
    end
  end)

  it("puts off a long text to a step with more time for it", function()
    local body = support.pattern(1024 * 1024) -- about 0.6 ms
    local p <close> = support.serve(answer(body))
    local function text(response) return response:text() end
    local function field(response) return response.body end -- an index never waits
    for _, case in ipairs {
      { text, 0.001, true }, { text, nil, false }, { field, 0.001, false },
    } do
      local take, budget, is_put_off = case[1], case[2], case[3]
      local steps, began, ended = 0, nil, nil
      local task = sluice.spawn(function()
        local response <close> = assert(client:get(p.url .. "/"))
        be_busy(0.0006)
        began = steps
        assert.is_true(take(response) == body)
        ended = steps
      end)
      while not is_done(task)() do
        steps = steps + 1
        loop:step(0.01, budget)
      end
      task:await()
      assert.equal(is_put_off, ended > began)
    end
  end)

  --- Begins a round and leaves it with f's task as the next unit of work.
  local function cut_before(f)
    local is_open, is_cut = false, false
    local gate = sluice.spawn(function()
      repeat sluice.sleep(0) until is_open
    end)
    local task = sluice.spawn(function()
      gate:await()
      return f()
    end)
    local before_it = sluice.spawn(function() -- who waits last goes on first
      gate:await()
      is_cut = true
    end)
    step_until(function()
      is_open = task:status() == "waiting" and before_it:status() == "waiting"
      return is_cut
    end, 0)
    assert.equal("waiting", task:status())
    return task
  end

  it("puts off a long text in a step that goes on with a round, too", function()
    local body = support.pattern(8 << 20) -- about 5 ms
    local p <close> = support.serve(answer(body))
    local response <close> = assert(client:get(p.url .. "/"))
    local step, began, ended = 0, nil, nil
    local task = cut_before(function()
      be_busy(0.004)
      began = step
      assert.is_true(response:text() == body)
      ended = step
    end)
    while not is_done(task)() do
      step = step + 1
      loop:step(0.01, 0.008)
    end
    task:await()
    assert.equal(1, began)
    assert.is_true(ended > began)
  end)

  it("ends a text that is put off when its task is cancelled", function()
    local p <close> = support.serve(answer(support.pattern(1024 * 1024)))
    local is_there, text, err = false, nil, nil
    local task = sluice.spawn(function()
      local response <close> = assert(client:get(p.url .. "/"))
      be_busy(0.001)
      is_there = true
      local failure
      text, failure, err = response:text()
      assert.is_nil(text, failure)
    end)
    step_until(function() return is_there end, 0.001)
    task:cancel()
    step_until(is_done(task), 0.001)
    assert.is_nil(text)
    assert.equal("cancelled", err.code)
  end)

  it("lets a request through beside a download that never waits", function()
    local head = "HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n"
    local large <close> = support.peer.listen { script = { {
      { "expect_until", "\r\n\r\n" }, { "send", head },
      { "send_repeat", ("x"):rep(65536), 1 << 20 },
    } } }
    local small <close> = support.serve(answer "good")
    local bytes, is_over = 0, false
    local task = sluice.spawn(function()
      local response <close> = assert(client:get(large.url .. "/", { stream = true }))
      for piece in response:chunks() do
        bytes = bytes + #piece
        piece:dispose()
        if is_over then break end
      end
    end)
    step_until(function() return bytes > 0 end, 0.001)
    local already = bytes
    local other = sluice.spawn(function()
      local count = 0
      repeat
        local response <close> = assert(client:get(small.url .. "/"))
        assert.equal("good", response:text())
        sluice.sleep(0.001)
        count = count + 1
      until count >= 20 and bytes > already
    end)
    step_until(is_done(other), 0.001)
    other:await()
    is_over = true
    step_until(is_done(task), 0.001)
    task:await()
  end)

  it("receives less at once where no time is left", function()
    local size = 8 << 20
    local most = {}
    for i, budget in ipairs { 0, 3600 } do
      local p <close> = support.peer.listen { script = { {
        { "expect_until", "\r\n\r\n" },
        { "send", ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"):format(size) },
        { "send_repeat", ("x"):rep(65536), size // 65536 }, { "loop" },
      } } }
      local longest, bytes = 0, 0
      local task = sluice.spawn(function()
        local response <close> = assert(client:get(p.url .. "/", { stream = true }))
        for piece in response:chunks() do
          longest, bytes = math.max(longest, #piece), bytes + #piece
          piece:dispose()
        end
      end)
      step_until(is_done(task), budget)
      task:await()
      assert.equal(size, bytes)
      most[i] = longest
    end
    assert.is_true(most[1] <= 128 << 10, most[1])
    assert.is_true(most[2] <= 256 << 10, most[2])
  end)

  it("divides the pieces of a body that a function gives", function()
    local p <close> = support.peer.listen { script = { {
      { "expect_until", "0\r\n\r\n" }, { "send", answer "good" }, { "loop" },
    } } }
    local pieces, already, most = 0, 0, 0
    local task = sluice.spawn(function()
      local response <close> = assert(client:post(p.url .. "/", { body = function()
        if pieces == 200 then return nil end
        be_busy(UNIT)
        pieces = pieces + 1
        return "piece"
      end }))
      return response:text()
    end)
    while not is_done(task)() do
      loop:step(0.01, 4 * UNIT)
      most, already = math.max(most, pieces - already), pieces
    end
    assert.equal("good", task:await())
    assert.equal(200, pieces)
    assert.is_true(most <= 5, most)
  end)

  it("divides the messages of a WebSocket", function()
    -- RFC 6455 1.3
    local real_key = core.websocket_key
    core.websocket_key = function() return "dGhlIHNhbXBsZSBub25jZQ==" end
    local switch = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
      .. "Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    local talk = {
      { "expect_until", "\r\n\r\n" },
      { "send", switch .. ("\x81\x04good"):rep(300) .. "\x88\x02\x03\xe8" }, { "read_all" },
    }
    local p <close> = support.peer.listen { script = { talk, talk } }
    local count, already, most = 0, 0, 0
    local is_busy = true
    local function receive_all()
      local socket <close> = assert(client:websocket((p.url:gsub("^http", "ws")) .. "/"))
      for message in socket:messages() do
        assert.equal("good", message:text())
        message:dispose()
        count = count + 1
        if is_busy then be_busy(UNIT) end
      end
    end
    local task = sluice.spawn(receive_all)
    while not is_done(task)() do
      loop:step(0.01, 4 * UNIT)
      most, already = math.max(most, count - already), count
    end
    assert.equal(300, count)
    assert.is_true(most <= 5, most)
    -- However short its turns are, each has a message.
    is_busy, count = false, 0
    local again = sluice.spawn(receive_all)
    step_until(is_done(again), 0)
    core.websocket_key = real_key
    task:await()
    again:await()
    assert.equal(300, count)
  end)

  it("wakes a coroutine that sleeps for no time once a step", function()
    local wakes, is_over = 0, false
    sluice.spawn(function()
      repeat
        sluice.sleep(0)
        wakes = wakes + 1
      until is_over
    end)
    for i = 1, 30 do
      loop:step(0, 0.005)
      assert.is_true(wakes <= i, wakes)
    end
    assert.is_true(wakes > 0)
    is_over = true
    loop:run()
  end)

  it("wakes it once in a step that goes on with a round, and in a long one", function()
    local wakes, is_over = 0, false
    local task = cut_before(function()
      repeat
        sluice.sleep(0)
        wakes = wakes + 1
        be_busy(0.011) -- after that, a step looks at the timers again
      until is_over
    end)
    for i = 1, 20 do
      loop:step(0, i % 2 * 0.05)
      assert.is_true(wakes <= i, wakes)
    end
    assert.is_true(wakes > 0)
    is_over = true
    task:await()
  end)

  it("lets no deadline pass for what arrived in time", function()
    local body = ("x"):rep(20000)
    local p <close> = support.peer.listen { script = { {
      { "expect_until", "\r\n\r\n" }, { "hold" }, { "send", answer(body) },
    } }, repeat_last = true }
    local count, seconds = 50, 1
    local many = support.client { pool = { per_origin = count, total = count } }
    local tasks, from, latest = {}, clock(), nil
    for i = 1, count do
      tasks[i] = sluice.spawn(function()
        latest = clock()
        local response <close>, message = many:get(p.url .. "/", { timeout = seconds })
        return response and response:text() or message
      end)
    end
    repeat loop:step(0.01, 0.001) until p:wait("holding", count, 0)
    p:signal(count)
    assert.is_true(p:wait("idle", count)) -- all is sent
    assert.is_true(clock() - from < seconds, "sent too late")
    repeat until clock() - latest > seconds + 0.1
    for i = 1, count do
      step_until(is_done(tasks[i]), 0)
      assert.equal(body, tasks[i]:await(), i)
    end
    many:close()
  end)

  it("still ends what has no answer", function()
    local p <close> = support.peer.listen { script = { { { "read_all" } } } }
    local task = sluice.spawn(function()
      return select(3, client:get(p.url .. "/", { timeout = 0.05 }))
    end)
    step_until(is_done(task), 0)
    assert.equal("timeout", task:await().code)
  end)

  it("begins many requests at once over many steps", function()
    local p <close> = support.serve(answer "good")
    local many = support.client { pool = { per_origin = 200, total = 200 } }
    local begun, done = 0, 0
    for _ = 1, 200 do
      sluice.spawn(function()
        begun = begun + 1
        local response <close> = assert(many:get(p.url .. "/"))
        assert.equal("good", response:text())
        done = done + 1
      end)
    end
    loop:step(0, 0)
    assert.is_true(begun <= 1)
    step_until(function() return done == 200 end, 0.0005)
    many:close()
  end)
end)

describe("a state that closes", function()
  it("leaves nothing behind with a thousand operations in flight, and a step cut short", function()
    local before = support.snapshot(sluice)
    do
      local p <close> = support.peer.listen {
        script = { { { "expect_until", "\r\n\r\n" }, { "stall" } } }, repeat_last = true,
      }
      local status, output = script.run(([[
        local sluice = require "sluice"
        local support = require "spec.support"
        local count = 400
        local client = support.client { pool = { per_origin = count, total = count } }
        local body = ("x"):rep(4 << 20)
        for _ = 1, count do
          sluice.spawn(function() client:post("%s/", { body = body }) end)
          sluice.spawn(function() sluice.sleep(60) end)
        end
        local loop = sluice.loop()
        local deadline = support.system.clock() + 60
        repeat
          loop:step(0.01, 0.002)
          assert(support.system.clock() < deadline)
        until sluice.stats().active == count and sluice.stats().operations >= 1000
        for _ = 1, 100 do sluice.spawn(print) end
        loop:step(0, 0)
        print "in flight"
        os.exit(true, true)
      ]]):format(p.url))
      assert.equal(0, status, output)
      assert.matches("in flight\n", output)
    end
    support.verify(sluice, before)
  end)
end)

describe("response:is_ready", function()
  local loop, client

  support.verify_each(function(keep) loop, client = sluice.loop(), keep(support.client()) end)

  --- Steps and asks until it is ready. False: it is not within `seconds`.
  local function poll(response, n, seconds)
    local deadline = clock() + seconds
    while not response:is_ready(n) do
      if clock() > deadline then return false end
      loop:step(0.001)
    end
    return true
  end

  it("says whether the next read would return at once", function()
    local p <close> = support.peer.listen { script = { {
      { "expect_until", "\r\n\r\n" }, { "send", "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n" },
      { "send", "hello" }, { "hold" }, { "send", " world!" }, { "read_all" },
    } } }
    local response <close> = assert(client:get(p.url .. "/", { stream = true }))
    assert.is_true(poll(response, 5, 20))
    assert.is_true(response:is_ready(1))
    assert.is_false(response:is_ready())
    assert.is_false(response:is_ready(6))
    assert.equal("hello", response:read(5))
    assert.is_false(poll(response, 1, 0.02))
    p:signal(1)
    assert.is_true(poll(response, nil, 20))
    assert.equal(" world!", response:read())
    assert.is_true(response:is_ready())
    assert.is_nil(response:read())
    assert.error(function() response:is_ready(0) end)
    assert.error(function() response:is_ready "many" end)
    response:dispose()
    assert.error_matches(function() response:is_ready() end, "use of disposed response")
  end)

  it("never waits in the coroutine of a game, which reads as bytes come", function()
    local p <close> = support.peer.listen { script = { {
      { "expect_until", "\r\n\r\n" }, { "send", "HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n" },
      { "dribble", ("x"):rep(300), 7, 0.0002 }, { "read_all" },
    } } }
    local pieces, frames = {}, 0
    local play = coroutine.create(function()
      local response <close> = assert(client:get(p.url .. "/", { stream = true }))
      repeat
        while not response:is_ready(10) do coroutine.yield "a frame" end
        local piece = response:read(10)
        pieces[#pieces + 1] = piece
      until not piece
    end)
    repeat
      local is_fine, value = coroutine.resume(play)
      assert.is_true(is_fine, value)
      assert.is_true(value == nil or value == "a frame" or sluice.is_waiting(value))
      loop:step(0.001, 0.001)
      frames = frames + 1
    until coroutine.status(play) == "dead"
    assert.equal(("x"):rep(300), table.concat(pieces))
    assert.is_true(frames > 1)
  end)

  it("is true once the deadline is over, and the read fails", function()
    local p <close> = support.peer.listen { script = { {
      { "expect_until", "\r\n\r\n" },
      { "send", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome" }, { "read_all" },
    } } }
    local options = { stream = true, timeout = { idle = 0.5 } }
    local response <close> = assert(client:get(p.url .. "/", options))
    assert.is_true(poll(response, 9, 20))
    assert.equal("some", response:read(9))
    assert.is_true(response:is_ready(9))
    local piece, message, err = response:read(9)
    assert.is_nil(piece)
    assert.matches("timeout.idle", message)
    assert.equal("timeout", err.code)
  end)

  it("is true for a body that is held whole, and false while a coroutine waits for it", function()
    local p <close> = support.serve(answer "good")
    do
      local response <close> = assert(client:get(p.url .. "/"))
      assert.is_true(response:is_ready())
      assert.equal("good", response:read())
      assert.is_true(response:is_ready())
    end
    local held <close> = support.peer.listen { script = { {
      { "expect_until", "\r\n\r\n" }, { "send", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" },
      { "hold" }, { "send", "late" }, { "read_all" },
    } } }
    local response <close> = assert(client:get(held.url .. "/", { stream = true }))
    local task = sluice.spawn(function() return response:read() end)
    loop:step(0)
    assert.is_false(response:is_ready())
    held:signal(1)
    assert.equal("late", task:await())
  end)
end)

describe("the game among the examples", function()
  local function play(...)
    return server.run { os.getenv "LUA" or "lua5.4", "examples/game.lua", ... }
  end

  it("draws the times of its frames while it downloads", function()
    local p <close> = support.serve(answer(("x"):rep(1 << 20)))
    local status, output = play(p.url .. "/", "0.3")
    assert.equal(0, status, output)
    assert.matches("\n 0%.1 ms +%d+ #*\n", "\n" .. output)
    local megabytes, frames = output:match "([%d.]+) MB in (%d+) frames\n$"
    assert.equal("18", frames, output)
    assert.is_true(tonumber(megabytes) > 0, output)
    local drawn = 0
    for count in output:gmatch "ms +(%d+)" do drawn = drawn + count end
    assert.equal(18, drawn)
  end)

  it("says what is wrong", function()
    local status, output = play()
    assert.equal(2, status)
    assert.matches("^usage: ", output)
    status, output = play("http://127.0.0.1:1/", "60")
    assert.not_equal(0, status)
    assert.matches("connect 127.0.0.1:1: connection refused", output)
  end)
end)
