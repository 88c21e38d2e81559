-- Interceptors that misbehave, or do what they may: around calls and sendings, buffered and
-- streamed, with every kind of body. Whatever happens, the call ends and gives everything back.

local sluice = require "sluice"
local support = require "spec.support"
local peer = support.peer

local request_head = { "expect_until", "\r\n\r\n" }
local LONG = ("0123456789abcde\n"):rep(3000)

local function answer(body)
  return ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body)
end

describe("an interceptor", function()
  local client, server

  support.verify_each(function(keep)
    server = keep(peer.listen { repeat_last = true,
      script = { { request_head, { "send", answer(LONG) }, { "loop" } } } })
    client = keep(support.client())
  end)

  --- for name, use, is_stream: both kinds of interceptors, buffered and streamed.
  local function each_way()
    local ways = {}
    for _, kind in ipairs { "call", "hop" } do
      for _, is_stream in ipairs { false, true } do
        ways[#ways + 1] = {
          ("around a %s, %s, "):format(kind == "call" and "call" or "sending",
            is_stream and "streamed" or "buffered"),
          function(own, step) own:use(kind == "call" and step or { hop = step }) end,
          is_stream,
        }
      end
    end
    local i = 0
    return function()
      i = i + 1
      if ways[i] then return table.unpack(ways[i]) end
    end
  end

  local function heads_of(p)
    local _, count = table.concat(p:received()):gsub("GET ", "")
    return count
  end

  for way, use, is_stream in each_way() do
    local function get() return client:get(server.url .. "/", { stream = is_stream }) end

    it(way .. "may raise before it sends", function()
      use(client, function() error "broken" end)
      for _, call in support.each_style(sluice) do
        call(function() assert.error_matches(get, "broken") end)
      end
      assert.equal(0, heads_of(server))
    end)

    it(way .. "may raise with the response in its hands", function()
      use(client, function(request, forward)
        assert(forward(request))
        assert(forward(request))
        error { broken = true }
      end)
      for _, call in support.each_style(sluice) do
        call(function()
          local ok, raised = pcall(get)
          assert.is_false(ok)
          assert.is_true(raised.broken)
        end)
        end
      assert.equal(6, heads_of(server))
    end)

    it(way .. "may wait before and after it sends", function()
      use(client, function(request, forward)
        sluice.sleep(0.001)
        local response, message, err = forward(request)
        sluice.sleep(0.001)
        return response, message, err
      end)
      for _, call in support.each_style(sluice) do
        call(function()
          local response <close> = assert(get())
          assert.equal(LONG, response:text())
        end)
      end
    end)

    it(way .. "may be cancelled while it waits, with a response in its hands", function()
      local is_waiting = false
      use(client, function(request, forward)
        local response, message, err = forward(request)
        is_waiting = true
        assert(sluice.sleep(1000))
        return response, message, err
      end)
      local task = sluice.spawn(get)
      while not is_waiting do sluice.loop():step(0.1) end
      task:cancel "enough"
      assert.is_false((pcall(task.await, task)))
    end)

    it(way .. "may be left with its coroutine, with a response in its hands", function()
      local is_waiting = false
      use(client, function(request, forward)
        local response, message, err = forward(request)
        is_waiting = true
        sluice.sleep(1000)
        return response, message, err
      end)
      local thread = coroutine.create(get)
      assert(coroutine.resume(thread))
      while not is_waiting do sluice.loop():step(0.1) end
      assert(coroutine.close(thread))
    end)

    it(way .. "may yield to a program that resumes it", function()
      local is_answered = false
      use(client, function(request, forward)
        local added = coroutine.yield "before"
        local response, message, err = forward(request:set_header("Added", added))
        is_answered = true
        coroutine.yield "after"
        return response, message, err
      end)
      local response
      local thread = coroutine.create(function() response = assert(get()) end)
      assert.same({ true, "before" }, { coroutine.resume(thread) })
      assert(coroutine.resume(thread, "yes"))
      while not is_answered do sluice.loop():step(0.1) end
      assert(coroutine.resume(thread))
      assert.equal(LONG, response:text())
      response:dispose()
      assert.matches("Added: yes", server:received(1))
    end)

    it(way .. "may send twice, and keep either response", function()
      for kept = 1, 2 do
        local own <close> = support.client()
        use(own, function(request, forward)
          local responses = { assert(forward(request)), assert(forward(request)) }
          return responses[kept]
        end)
        for _, call in support.each_style(sluice) do
          call(function()
            local response <close> = assert(own:get(server.url .. "/", { stream = is_stream }))
            assert.equal(LONG, response:text())
          end)
            end
      end
      assert.equal(12, heads_of(server))
    end)

    it(way .. "may send in tasks of its own, and return what comes first", function()
      use(client, function(request, forward)
        local first = sluice.spawn(forward, request)
        local second = sluice.spawn(forward, request)
        local response, message, err = first:await()
        second:cancel()
        return response, message, err
      end)
      sluice.run(function()
        local response <close> = assert(get())
        assert.equal(LONG, response:text())
      end)
    end)

    it(way .. "may answer without sending", function()
      use(client, function(request) return request:answer { status = 299, body = LONG } end)
      for _, call in support.each_style(sluice) do
        call(function()
          local response <close> = assert(get())
          assert.equal(299, response.status)
          assert.equal(LONG, response:text())
        end)
      end
      assert.equal(0, heads_of(server))
    end)

    it(way .. "may answer in place of the response, which is released", function()
      use(client, function(request, forward)
        local response = assert(forward(request))
        return request:answer { status = 299, body = tostring(response.status) }
      end)
      local response <close> = assert(get())
      assert.equal("200", response:text())
      response:dispose()
    end)

    it(way .. "may fail in place of the response, which is released", function()
      use(client, function(request, forward)
        assert(forward(request))
        return nil, "no", { code = "invalid" }
      end)
      assert.same({ nil, "no", { code = "invalid" } }, { get() })
    end)

    it(way .. "may fail with the response in its error, which stays good", function()
      use(client, function(request, forward)
        local response = assert(forward(request))
        return nil, "no", { code = "status", response = response }
      end)
      local _, _, err = get()
      assert.equal(LONG, err.response:text())
      err.response:dispose()
    end)

    it(way .. "may return a value of its own that holds the response", function()
      use(client, function(request, forward) return { inner = assert(forward(request)) } end)
      local value = get()
      assert.equal(LONG, value.inner:text())
      value.inner:dispose()
    end)

    it(way .. "that drops the response is named, and the response is released", function()
      local function step(request, forward) forward(request) end
      use(client, step)
      local line = debug.getinfo(step, "S").linedefined
      assert.error_matches(get,
        ("the interceptor of [^\n]*interceptors_spec.lua:%d returned nothing"):format(line))
    end)
  end

  -- ---- W8: whatever the kind of body ----

  local path

  setup(function()
    path = os.tmpname()
    local file <close> = assert(io.open(path, "wb"))
    file:write(LONG)
  end)

  teardown(function() os.remove(path) end)

  local function pull(text)
    local at = 0
    return function()
      if at >= #text then return nil end
      at = at + 1000
      return text:sub(at - 999, at)
    end
  end

  -- Each: the options, what ends with the test, whether it can be sent again.
  local bodies = {
    string = function() return { body = LONG }, nil, true end,
    lease = function()
      local lease = support.lease(LONG)
      return { body = lease }, nil, true, lease
    end,
    sequence = function()
      local lease <close> = support.lease(LONG)
      local sequence = lease:sequence()
      return { body = sequence }, sequence, true
    end,
    file = function()
      local file = assert(io.open(path, "rb"))
      return { body = file }, file, true
    end,
    path = function() return { body = { path = path } }, nil, true end,
    parts = function()
      local lease = support.lease(LONG:sub(1001))
      return { body = { LONG:sub(1, 1000), lease } }, nil, true, lease
    end,
    ["function"] = function() return { body = pull(LONG) }, nil, false end,
    ["read and length"] = function()
      return { body = { read = pull(LONG), length = #LONG } }, nil, false
    end,
    json = function() return { json = { text = LONG } }, nil, true end,
    form = function() return { form = { text = LONG } }, nil, true end,
    multipart = function() return { multipart = { text = LONG } }, nil, true end,
  }

  --- A server that reads a body of known or unknown length, and answers its head.
  local function reading()
    return peer.listen { repeat_last = true, script = { { { "expect_until", "89abcde" },
      { "send", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok" },
      { "discard" } } } }
  end

  for way, use, is_stream in each_way() do
    for kind, make in pairs(bodies) do
      local function with_body(step, check)
        local p <close> = reading()
        local own <close> = support.client()
        local options, value, is_replayable, lease = make()
        options.stream = is_stream
        local seen
        use(own, function(request, forward)
          seen = { request.method, request.url, request.body, request:is_replayable() }
          return step(request, forward)
        end)
        check(own, p, options)
        assert.same({ "POST", p.url .. "/", is_replayable }, { seen[1], seen[2], seen[4] })
        if options.body then assert.is_true(rawequal(options.body, seen[3])) end
        if lease then assert.error_matches(function() return #lease end, "disposed") end
        if io.type(value) then
          assert.equal("file", io.type(value)) -- the caller's, still open
          value:close()
        elseif value then
          assert.equal(#LONG, #value)
          value:dispose()
        end
        own:close()
        end

      it(way .. "sees a body as " .. kind .. " and may answer it", function()
        with_body(function(request) return request:answer { status = 200 } end,
          function(own, p, options)
            local response <close> = assert(own:post(p.url .. "/", options))
            assert.equal("", response:text())
            assert.same({}, p:received())
          end)
      end)

      it(way .. "sees a body as " .. kind .. " and may forward it with a field", function()
        with_body(function(request, forward) return forward(request:set_header("X", "1")) end,
          function(own, p, options)
            local response <close> = assert(own:post(p.url .. "/", options))
            assert.equal("ok", response:text())
            assert.truthy(p:received(1):find("\r\nX: 1\r\n", 1, true))
          end)
      end)

      it(way .. "sees a body as " .. kind .. " and may raise", function()
        with_body(function() error "broken" end, function(own, p, options)
          assert.error_matches(function() own:post(p.url .. "/", options) end, "broken")
        end)
      end)

      it(way .. "sees a body as " .. kind .. " and may send it twice where it can be", function()
        local _, value, is_replayable, unused = make()
        if unused then unused:dispose() end
        if io.type(value) then value:close() elseif value then value:dispose() end
        local first, second, err
        with_body(function(request, forward)
          first = forward(request)
          local message
          second, message, err = forward(request)
          return second or first, message, err
        end, function(own, p, options)
          local response <close> = assert(own:post(p.url .. "/", options))
          assert.equal("ok", response:text())
        end)
        if is_replayable then
          assert.is_truthy(second)
        else
          assert.is_nil(second)
          assert.equal("invalid", err.code)
          assert.equal("request body: cannot be sent again", err.message)
        end
      end)
    end
  end
end)
