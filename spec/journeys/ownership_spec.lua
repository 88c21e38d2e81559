-- Who owns what when a request ends, however it ends: request bodies are disposed once, and
-- coroutines that waited leave nothing behind.

local server = require "spec.support.server"
local sluice = require "sluice"
local support = require "spec.support"

local peer, system = support.peer, support.system

local GOOD = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"
local request_head = { "expect_until", "\r\n\r\n" }

local function answer(...)
  return peer.listen { script = { { request_head, ... } }, repeat_last = true }
end

local function response_of(status, size)
  return { { "expect_until", "\r\n\r\n" }, { "read", size },
    { "send", ("HTTP/1.1 %d X\r\nContent-Length: 4\r\n\r\ngood"):format(status) } }
end

local function is_disposed(lease) return tostring(lease) == "sluice.lease (disposed)" end

local function step_until(done)
  local deadline = system.clock() + 60
  while not done() do
    sluice.loop():step(0.002)
    assert.is_true(system.clock() < deadline, "not within five seconds")
  end
end

local function step_some()
  for _ = 1, 15 do sluice.loop():step(0.002) end
end

describe("a leased request body", function()
  local client

  support.verify_each(function(keep) client = keep(support.client()) end)

  local BODY = support.pattern(3000)

  --- Posts a lease and expects that code of failure; nil: a response. Nothing is outstanding
  -- afterwards, and the lease is gone.
  local function post(url, code, options)
    local own <close> = support.client()
    local lease = support.lease(BODY)
    local copy = { body = lease }
    for key, value in pairs(options or {}) do copy[key] = value end
    do
      local response <close>, message, err = own:post(url, copy)
      assert.equal(code, err and err.code, message)
      assert.equal(code == nil, response ~= nil)
      assert.is_true(is_disposed(lease), "the lease lives")
    end
    assert.error_matches(function() lease:dispose() end, "use of disposed lease")
    own:close()
    support.settle(sluice)
  end

  for _, status in ipairs { 200, 204, 400, 404, 413, 500, 503 } do
    it("is disposed once after " .. status, function()
      local p <close> = peer.listen { script = { response_of(status, #BODY) } }
      post(p.url .. "/", nil)
      assert.equal(BODY, p:received(1):sub(-#BODY))
    end)
  end

  for name, listen in pairs {
    ["a connection refused"] = function()
      return "http://127.0.0.1:" .. system.free_port(), "connect"
    end,
    ["a name that does not resolve"] = function()
      return "http://no-such-name.invalid", "resolve"
    end,
    ["a URL that is none"] = function() return "http://[", "invalid" end,
  } do
    it("is disposed once after " .. name, function()
      local url, code = listen()
      post(url .. "/", code, { timeout = { resolve = 60 } })
    end)
  end

  for name, case in pairs {
    ["a reset while sending"] = { "closed", { "read", 500 }, { "reset" } },
    ["an end while sending"] = { "closed", { "read", 500 }, { "close" } },
    ["an end before the answer"] = { "closed", { "read", #BODY }, { "close" } },
    ["an end inside the answer"] = { "closed", { "read", #BODY }, { "send", GOOD:sub(1, -3) },
      { "close" } },
    ["garbage"] = { "protocol", { "read", #BODY }, { "send", "garbage\r\n\r\n" }, { "stall" } },
    ["a body above the limit"] = { "limit", { "read", #BODY }, { "send",
      "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" }, { "stall" },
      options = { limits = { body = 4999 } } },
    ["no answer in time"] = { "timeout", { "stall" },
      options = { timeout = { first_byte = 0.02 } } },
    ["no answer in all"] = { "timeout", { "stall" }, options = { timeout = 0.02 } },
    ["a broken coding"] = { "decode", { "read", #BODY }, { "send",
      "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnone" }, { "stall" } },
  } do
    it("is disposed once after " .. name, function()
      local p <close> = answer(table.unpack(case, 2))
      post(p.url .. "/", case[1], case.options)
    end)
  end

  it("is disposed once after a failed connection", function()
    local p <close> = peer.listen { accept = false }
    post(p.url .. "/", "timeout", { timeout = { connect = 0.02 } })
  end)

  it("is disposed once if the request is refused before it is sent", function()
    post("http://127.0.0.1:1/", "invalid", { headers = { ["Content-Length"] = "1" } })
    post("http://127.0.0.1:1/", "invalid", { headers = { ["X Y"] = "1" } })
    post("ftp://127.0.0.1:1/", "invalid")
    post("http://127.0.0.1:1/", "invalid", { trailers = { X = "y" } })
  end)

  it("stays with the caller if the call itself raises", function()
    local lease = support.lease(BODY)
    assert.error(function() client:post("http://127.0.0.1:1/", { body = lease, wrong = 1 }) end)
    assert.error(function() client:post("http://127.0.0.1:1/", { body = lease, json = {} }) end)
    assert.is_false(is_disposed(lease))
    lease:dispose()
  end)

  it("is refused if it is already disposed, also by an earlier request", function()
    local p <close> = peer.listen { script = { response_of(200, #BODY) } }
    local lease = support.lease(BODY)
    client:post(p.url .. "/", { body = lease }):dispose()
    assert.error_matches(function() client:post(p.url .. "/", { body = lease }) end,
      "use of disposed lease")
    local built = client:build("POST", p.url .. "/"):body(lease)
    assert.error_matches(function() built:send() end, "use of disposed lease")
    assert.equal(1, (p:connections()))
  end)

  it("is disposed once if the request times out in the queue", function()
    local own <close> = support.client { pool = { per_origin = 1 } }
    local p <close> = answer({ "hold" }, { "send", GOOD }, { "loop" })
    local first = sluice.spawn(function()
      local response <close> = assert(own:get(p.url .. "/"))
      return response:text()
    end)
    step_until(function() return p:wait("holding", 1, 0) end)
    local lease = support.lease(BODY)
    local response, _, err = own:post(p.url .. "/", { body = lease, timeout = { queue = 0.02 } })
    assert.is_nil(response)
    assert.same({ "timeout", "queue" }, { err.code, err.stage })
    assert.is_true(is_disposed(lease))
    p:signal(1)
    assert.equal("good", first:await())
  end)

  it("is disposed once if an interceptor raises, fails or answers by itself", function()
    local p <close> = peer.listen { script = { response_of(200, #BODY) } }
    for _, interceptor in ipairs {
      function() error "interceptor" end,
      function() return nil, "refused", { code = "invalid" } end,
      function(request, forward)
        assert(forward(request)):dispose()
        error "interceptor"
      end,
    } do
      local own <close> = support.client()
      own:use(interceptor)
      local lease = support.lease(BODY)
      pcall(own.post, own, p.url .. "/", { body = lease })
      assert.is_true(is_disposed(lease))
    end
  end)

  it("is sent again by an interceptor with the same bytes, and disposed once", function()
    local path = server.directory()
    local file_path = server.write(path .. "/body", BODY)
    for name, make in pairs {
      lease = function() return support.lease(BODY) end,
      string = function() return BODY end,
      sequence = function()
        local lease = support.lease(BODY)
        local sequence = lease:sequence()
        lease:dispose()
        return sequence
      end,
      file = function() return assert(io.open(file_path, "rb")) end,
      path = function() return { path = file_path } end,
    } do
      local p <close> = peer.listen { script = {
        { { "expect_until", "\r\n\r\n" }, { "read", #BODY }, { "send",
          "HTTP/1.1 503 X\r\nContent-Length: 4\r\n\r\nwait" }, { "expect_until", "\r\n\r\n" },
          { "read", #BODY }, { "reset" } },
        response_of(200, #BODY) } }
      local own <close> = support.client()
      local tries = 0
      own:use(function(request, forward)
        assert.is_true(request:is_replayable())
        for _ = 1, 3 do
          tries = tries + 1
          request:set_header("Try", tries)
          local response, message, err = forward(request)
          if response and response.status == 200 then return response end
          if tries == 3 then return nil, message, err end
          if response then response:dispose() end
        end
      end)
      local body = make()
      local response <close>, message = own:post(p.url .. "/", { body = body })
      assert(response, name .. ": " .. tostring(message))
      assert.equal("good", response:text())
      assert.equal(3, tries)
      local sent = table.concat(p:received())
      local bodies, headers = 0, {}
      for from in sent:gmatch "\r\n\r\n()" do
        if sent:sub(from, from + #BODY - 1) == BODY then bodies = bodies + 1 end
      end
      for try in sent:gmatch "\r\nTry: (%d)" do headers[#headers + 1] = try end
      assert.equal(3, bodies, name)
      assert.same({ "1", "2", "3" }, headers)
      if name == "lease" then assert.is_true(is_disposed(body)) end
      if name == "sequence" then
        assert.equal(BODY, body:tostring())
        body:dispose()
      end
      if name == "file" then body:close() end
    end
    server.remove(path)
  end)

  it("is sent again on a new connection with the same bytes", function()
    local p <close> = peer.listen { script = {
      { request_head, { "send", GOOD }, { "hold" }, { "close" } },
      response_of(200, #BODY),
    } }
    client:get(p.url .. "/"):dispose()
    p:signal(1)
    p:wait("idle", 1, 2)
    local lease = support.lease(BODY)
    local response <close>, message = client:put(p.url .. "/", { body = lease })
    assert(response, message)
    assert.is_true(is_disposed(lease))
    assert.equal(BODY, p:received(2):sub(-#BODY))
  end)

  it("is disposed once if its coroutine is closed or cancelled, at any step", function()
    local points = 0
    for steps = 0, 12 do
      for _, way in ipairs { "close", "cancel", "resume" } do
        local own <close> = support.client()
        local p <close> = peer.listen { script = { { request_head, { "read", #BODY },
          { "pause", 0.002 }, { "cut", GOOD, 20, 0.002 }, { "stall" } } } }
        local lease = support.lease(BODY)
        local function run()
          local response = own:post(p.url .. "/", { body = lease })
          if response then response:dispose() end
        end
        local co, task
        if way == "cancel" then
          task = sluice.spawn(run)
        else
          co = coroutine.create(run)
          coroutine.resume(co)
        end
        for _ = 1, steps do sluice.loop():step(0.001) end
        if task then
          if task:cancel() then points = points + 1 end
          task:await()
        elseif coroutine.status(co) == "suspended" then
          points = points + 1
          if way == "close" then
            assert.is_true(coroutine.close(co))
          else
            assert.is_true((coroutine.resume(co))) -- waits on
            coroutine.close(co)
          end
        end
        assert.is_true(is_disposed(lease), way .. " after " .. steps)
        own:close()
        support.settle(sluice)
      end
    end
    assert.is_true(points > 10)
  end)

  it("leaves the counters unchanged over a thousand failing sends", function()
    local url = ("http://127.0.0.1:%d/"):format(system.free_port())
    local p <close> = answer({ "reset" })
    local bytes
    for i = 1, 500 do
      for _, to in ipairs { url, p.url .. "/" } do
        local lease = support.lease(BODY)
        local response, _, err = client:post(to, { body = lease })
        assert.is_nil(response)
        assert.is_string(err.code)
        assert.is_true(is_disposed(lease))
      end
      if i == 50 then
        step_some()
        bytes = sluice.stats().bytes
      end
    end
    step_some()
    assert.is_true(sluice.stats().bytes <= bytes)
    assert.equal(0, sluice.stats().outstanding)
  end)
end)

-- ---- every place where a request waits ----

describe("a request that waits", function()
  local client

  support.verify_each(function(keep)
    client = keep(support.client { pool = { per_origin = 1 } })
  end)

  local function until_holding(p, n)
    step_until(function() return p:wait("holding", n or 1, 0) end)
    step_some()
  end

  -- Each returns a peer, a function whose coroutine waits there, and how to reach that point.
  local points = {
    queue = function()
      local p = answer({ "hold" }, { "send", GOOD }, { "loop" })
      -- Only the request that queues behind it is to meet a deadline.
      local blocking = sluice.spawn(function()
        local response <close> = assert(client:get(p.url .. "/",
          { timeout = { total = 60, connect = 10, idle = 60 } }))
        return response:text()
      end)
      until_holding(p)
      return p, function() return client:get(p.url .. "/second") end, step_some, function()
        p:signal(1)
        assert.equal("good", blocking:await())
      end
    end,
    connect = function()
      local p = peer.listen { accept = false }
      return p, function() return client:get(p.url .. "/") end, step_some
    end,
    resolve = function()
      local p = answer { "stall" }
      local url = ("http://localhost:%d/"):format(p.port)
      return p, function() return client:get(url) end, function() end
    end,
    send = function()
      local p = peer.listen { script = { { { "hold" } } }, receive_buffer = 4096 }
      local body = ("x"):rep(16 << 20)
      return p, function() return client:post(p.url .. "/", { body = body }) end,
        function() until_holding(p) end
    end,
    ["sending pieces"] = function()
      local p = peer.listen { script = { { { "hold" } } }, receive_buffer = 4096 }
      local piece = ("x"):rep(1 << 20)
      return p, function()
        return client:post(p.url .. "/", { body = function() return piece end })
      end, function() until_holding(p) end
    end,
    head = function()
      local p = answer { "hold" }
      return p, function() return client:get(p.url .. "/") end, function() until_holding(p) end
    end,
    body = function()
      local p = answer({ "send", GOOD:sub(1, -3) }, { "hold" })
      return p, function() return client:get(p.url .. "/") end, function() until_holding(p) end
    end,
  }

  for name, read in pairs {
    ["reading"] = function(response)
      local piece, message, err
      repeat piece, message, err = response:read(100) until not piece
      return nil, message, err
    end,
    ["reading chunks"] = function(response)
      for piece in response:chunks() do piece:dispose() end
    end,
    ["reading lines"] = function(response)
      local count = 0
      for _ in response:lines() do count = count + 1 end
      return count
    end,
    ["reading text"] = function(response) return response:text() end,
    ["detaching"] = function(response) return response:detach() end,
  } do
    points[name] = function()
      local p = answer({ "send", "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" },
        { "send", ("line\n"):rep(10) }, { "hold" })
      return p, function()
        local response <close> = assert(client:get(p.url .. "/", { stream = true }))
        return read(response)
      end, function() until_holding(p) end
    end
  end

  for name, point in pairs(points) do
    it("leaves nothing behind if its coroutine is closed, in " .. name, function()
      local p <close>, run, reach, finish = point()
      local co = coroutine.create(run)
      assert(coroutine.resume(co))
      reach()
      assert.equal("suspended", coroutine.status(co))
      assert.is_true(coroutine.close(co))
      if finish then finish() end
      client:close()
      support.settle(sluice)
      assert.same({}, p:failures())
    end)

    it("fails with cancelled if its task is cancelled, in " .. name, function()
      local p <close>, run, reach, finish = point()
      local task = sluice.spawn(run)
      sluice.loop():step(0)
      reach()
      assert.is_true(task:cancel "enough")
      local ok, result, message, err = pcall(task.await, task)
      if ok then
        assert.is_nil(result)
        assert.matches(": cancelled: enough$", message)
      else
        err = { code = tostring(result):match "cancelled" }
      end
      assert.equal("cancelled", err.code)
      if finish then finish() end
      client:close()
      support.settle(sluice)
      assert.same({}, p:failures())
    end)

    it("waits on when other code resumes it, in " .. name, function()
      local p <close>, run, reach, finish = point()
      local co = coroutine.create(run)
      assert(coroutine.resume(co))
      reach()
      local ok, value = coroutine.resume(co, "forged", "results")
      assert.is_true(ok)
      assert.is_true(sluice.is_waiting(value))
      coroutine.close(co)
      if finish then finish() end
      client:close()
      support.settle(sluice)
      assert.same({}, p:failures())
    end)

    it("ends by its deadline even if nothing refers to it, in " .. name, function()
      local own = client
      client = support.client { pool = { per_origin = 1 },
        timeout = { total = 0.1, queue = 0.1, connect = 0.1, idle = 0.1 } }
      local p <close>, run, _, finish = point()
      coroutine.wrap(function() pcall(run) end)()
      collectgarbage()
      collectgarbage()
      -- On a busy machine the deadline may pass before the request reaches its point.
      if finish then finish() end
      step_until(function() return sluice.stats().waiting == 0 end)
      client:close()
      support.settle(sluice)
      assert.is_true(#p:failures() <= 1)
      client = own
    end)
  end

  it("fails at once when the client closes, in the queue", function()
    local _ <close>, run, reach, finish = points.queue()
    local task = sluice.spawn(run)
    sluice.loop():step(0)
    reach()
    client:close()
    local from = system.clock()
    local result, message, err = task:await()
    assert.is_true(system.clock() - from < 5)
    assert.is_nil(result)
    assert.same({ "closed", "queue" }, { err.code, err.stage }, message)
    finish()
  end)

  it("goes on when the client closes, and its connection is not kept", function()
    local p <close> = answer({ "hold" }, { "send", GOOD }, { "expect_end" })
    local task = sluice.spawn(function()
      local response <close> = assert(client:get(p.url .. "/"))
      return response:text()
    end)
    until_holding(p)
    client:close()
    p:signal(1)
    assert.equal("good", task:await())
    p:wait("idle", 1, 2)
    assert.same({}, p:failures())
  end)

  it("fails if the response is disposed meanwhile", function()
    for _, use in ipairs {
      function(response) return response:read(1000) end,
      function(response) return response:text() end,
      function(response) for piece in response:chunks() do piece:dispose() end end,
    } do
      local own <close> = support.client()
      local p <close> = answer({ "send", "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nxy" },
        { "hold" })
      local response = assert(own:get(p.url .. "/", { stream = true }))
      local task = sluice.spawn(use, response)
      until_holding(p)
      response:dispose()
      response:dispose()
      assert.error_matches(function() task:await() end, "use of disposed response")
      support.settle(sluice)
    end
  end)

  it("refuses a second coroutine on one body", function()
    local p <close> = answer({ "send", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" },
      { "hold" }, { "send", "good" }, { "stall" })
    local response <close> = assert(client:get(p.url .. "/", { stream = true }))
    local first = sluice.spawn(function() return response:read(4) end)
    until_holding(p)
    for _, use in ipairs {
      function() return response:read(1) end, function() return response:text() end,
      function() return response:sequence() end, function() return response:next_chunk() end,
      function() return response:detach() end,
    } do
      assert.error_matches(use, "read by another coroutine")
      local task = sluice.spawn(use)
      assert.error_matches(function() task:await() end, "read by another coroutine")
    end
    p:signal(1)
    assert.equal("good", first:await())
    assert.is_nil((response:read(1)))
  end)

  it("refuses a second coroutine also if the result has already arrived", function()
    local p <close> = answer({ "send", "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n" },
      { "hold" }, { "send", "good" }, { "hold" }, { "send", "more" }, { "stall" })
    local response <close> = assert(client:get(p.url .. "/", { stream = true }))
    local first = sluice.spawn(function() return response:read(4), response:read(4) end)
    -- Woken in the same step as the first, sooner or later.
    local others = {}
    for i = 1, 3 do
      others[i] = sluice.spawn(function()
        while not first:status():find "done" do
          local ok, message = pcall(response.read, response, 4)
          if not ok then assert.matches("read by another coroutine", message) end
          sluice.sleep(0)
        end
      end)
    end
    until_holding(p)
    p:signal(1)
    step_until(function() return p:wait("holding", 1, 0) end)
    step_some()
    p:signal(1)
    sluice.all(others)
    assert.equal(0, #sluice.all { first } - 1)
  end)

  it("closes its connection if disposed early, or drains a short rest", function()
    for _, case in ipairs {
      { "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngo", "od", true },
      { "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\ngo", "od", false },
    } do
      local own <close> = support.client()
      local p <close> = peer.listen { script = { { request_head, { "send", case[1] }, { "hold" },
        { "send", case[2] }, { "hold" }, request_head, { "send", GOOD }, { "stall" } },
        { request_head, { "send", GOOD }, { "stall" } } } }
      local response = assert(own:get(p.url .. "/", { stream = true }))
      response:dispose()
      p:signal(1)
      -- A drain ends after 100 ms, but what arrived before the next step counts.
      if case[3] then assert.is_true(p:wait("holding")) end
      step_some()
      p:signal(1)
      local again <close> = assert(own:get(p.url .. "/"))
      assert.equal("good", again:text())
      assert.equal(case[3] and 1 or 2, (p:connections()))
    end
  end)
end)
