-- Requests that are sent again, by the option `retry`.

local pause = require "sluice.pause"
local retry = require "sluice.retry"
local sluice = require "sluice"
local support = require "spec.support"
local peer, system = support.peer, support.system

local request_head = { "expect_until", "\r\n\r\n" }

local function answer(status, lines)
  return ("HTTP/1.1 %d X\r\n%sContent-Length: 2\r\n\r\nno"):format(status, lines or "")
end

local DONE = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"
local BUSY = answer(503)

--- A wait longer than a spec may take, and shorter than a call.
local LONG = 200

local serve, heads_of = support.serve, support.heads_of

describe("a request with retry", function()
  local client, waits
  local wait = pause.wait

  before_each(function()
    waits = {}
    pause.wait = function(_, seconds)
      waits[#waits + 1] = seconds
      return true
    end
  end)

  after_each(function() pause.wait = wait end)

  support.verify_each(function(keep)
    client = keep(support.client { timeout = { first_byte = 60, idle = 60 }, retry = 3 })
  end)

  for _, way in ipairs { "buffered", "streamed" } do
    it("is sent again until the answer is another one, " .. way, function()
      local p <close> = serve(answer(503), answer(429), DONE)
      local response <close> = assert(client:get(p.url .. "/", { stream = way == "streamed" }))
      assert.equal("done", response:text())
      assert.equal(3, response.attempts)
      assert.equal(3, #heads_of(p))
      assert.equal(2, #waits)
    end)
  end

  it("returns the last answer after the last try", function()
    local p <close> = serve(answer(502), answer(503), answer(504))
    local response <close> = assert(client:get(p.url .. "/", { retry = 2 }))
    assert.same({ 504, 3, "no" }, { response.status, response.attempts, response:text() })
    assert.equal(3, #heads_of(p))
  end)

  it("keeps the connection of an answer that it drops", function()
    local p <close> = serve(BUSY, BUSY, DONE)
    local response <close> = assert(client:get(p.url .. "/"))
    assert.equal(1, (p:connections()))
    assert.equal(200, response.status)
  end)

  it("waits longer each time, and as long as the server asks", function()
    local p <close> = serve(BUSY, BUSY, answer(503, "Retry-After: 7\r\n"),
      answer(429, "Retry-After: 3600\r\n"), answer(503, "Retry-After: soon\r\n"),
      answer(503, "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n"), DONE)
    local response <close> = assert(client:get(p.url .. "/", { retry = { tries = 9, jitter = 0 } }))
    assert.same({ 0.5, 1, 7, 60, 8, 0 }, waits)
    assert.equal(7, response.attempts)
  end)

  it("is sent once if the answer, the method or the body does not allow more", function()
    for _, case in ipairs {
      { "GET", 500 }, { "GET", 404 }, { "GET", 200 }, { "POST", 503, "x" }, { "PATCH", 429, "x" },
      { "PUT", 503, function() return nil end },
    } do
      local status = case[2]
      local p <close> = serve(answer(status))
      local response <close> = assert(client:request(case[1], p.url .. "/", { body = case[3] }))
      assert.same({ status, 1 }, { response.status, response.attempts })
      assert.equal(1, #heads_of(p))
    end
    assert.same({}, waits)
  end)

  it("is sent once without the option, and with false instead of the client's", function()
    local p <close> = serve(BUSY)
    local plain <close> = support.client()
    for _, response in ipairs { plain:get(p.url .. "/"),
      client:get(p.url .. "/", { retry = false }), client:get(p.url .. "/", { retry = 0 }),
      client:build("GET", p.url .. "/"):retry(0):send() } do
      assert.equal(1, response.attempts)
      response:dispose()
    end
    local response <close> = assert(plain:build("GET", p.url .. "/"):retry(1):send())
    assert.equal(2, response.attempts)
  end)

  it("of methods and statuses of its own goes by these", function()
    local p <close> = serve(answer(500), answer(500), DONE)
    local response <close> = assert(client:post(p.url .. "/", { body = "x",
      retry = { methods = { "POST" }, statuses = { 500 } } }))
    assert.same({ 200, 3 }, { response.status, response.attempts })
  end)

  it("is sent again after a failure that may pass", function()
    local p <close> = peer.listen { repeat_last = true, script = {
      { request_head, { "reset" } }, { { "close" } },
      { request_head, { "send", DONE }, { "loop" } },
    } }
    local response <close> = assert(client:get(p.url .. "/"))
    assert.same({ 200, 3 }, { response.status, response.attempts })
  end)

  it("names the attempts in the failure of the last one", function()
    for _, tries in ipairs { 1, 2 } do
      local response, message, err = client:get("http://127.0.0.1:1/", { retry = tries })
      assert.is_nil(response)
      assert.equal(("connect 127.0.0.1:1: connection refused, after %d attempts"):format(tries + 1),
        message)
      assert.same({ message, message, tries + 1, "connect" },
        { err.message, tostring(err), err.attempts, err.code })
    end
    local _, message, err = client:get("http://127.0.0.1:1/", { retry = false })
    assert.equal("connect 127.0.0.1:1: connection refused", message)
    assert.is_nil(err.attempts)
  end)

  it("is not sent again after a failure that stays", function()
    local p <close> = peer.listen { script = { { request_head, { "send", "nonsense\r\n\r\n" } } },
      repeat_last = true }
    local none, message, err = client:get(p.url .. "/")
    assert.is_nil(none)
    assert.equal("protocol", err.code)
    assert.is_nil(message:find("attempts", 1, true))
    none, message, err = client:post("http://127.0.0.1:1/", { body = "x" })
    assert.is_nil(none)
    assert.same({ "connect", true }, { err.code, err.retryable })
    assert.is_nil(message:find("attempts", 1, true))
    assert.same({}, waits)
  end)

  it("shows each try to the steps of a hop, as if it were the first", function()
    local p <close> = serve(BUSY, "HTTP/1.1 302 X\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n",
      BUSY, DONE)
    local seen, calls = {}, 0
    client:use(function(request, forward)
      calls = calls + 1
      return forward(request)
    end)
    client:use { hop = function(request, forward)
      assert.is_nil(request:get_header "X-Hop")
      request:set_header("X-Hop", "1")
      local response, message, err = forward(request)
      seen[#seen + 1] = ("%s %d %d"):format(request.url:match "/%a*$", response.status,
        response.attempts)
      return response, message, err
    end }
    local response <close> = assert(client:get(p.url .. "/a"))
    assert.same({ "/a 503 1", "/a 302 2", "/b 503 3", "/a 200 4" }, seen)
    assert.same({ 1, 4, nil }, { calls, response.attempts, response.redirects })
    for _, head in ipairs(heads_of(p)) do assert.equal(1, select(2, head:gsub("X%-Hop", ""))) end
  end)

  it("counts what the pool sends again on a new connection", function()
    local p <close> = peer.listen { repeat_last = true, script = {
      { request_head, { "send", DONE }, request_head, { "close" } },
      { request_head, { "send", BUSY }, request_head, { "send", DONE }, { "loop" } },
    } }
    client:get(p.url .. "/"):dispose()
    local response <close> = assert(client:get(p.url .. "/"))
    assert.same({ 200, 3 }, { response.status, response.attempts })
    local q <close> = peer.listen { repeat_last = true, script = {
      { request_head, { "send", DONE }, request_head, { "close" } }, { request_head, { "close" } },
    } }
    client:get(q.url .. "/"):dispose()
    local none, message, err = client:get(q.url .. "/", { retry = 1 })
    assert.is_nil(none)
    assert.equal(3, err.attempts)
    assert.matches(", after 3 attempts$", message)
  end)

  for _, kind in ipairs { "lease", "sequence", "path", "array" } do
    it("sends the same bytes each time, from a " .. kind, function()
      local text = support.pattern(50000)
      local script = {}
      for i, bytes in ipairs { BUSY,
        "HTTP/1.1 307 X\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n", BUSY, DONE } do
        script[2 * i - 1] = { "expect_until", "\r\n\r\n" .. text }
        script[2 * i] = { "send", bytes }
      end
      script[#script + 1] = { "read_all" }
      local p <close> = peer.listen { script = { script } }
      local writer <close> = sluice.writer {}
      local lease = assert(writer:write(text)):detach()
      local body = lease
      if kind == "sequence" then body = lease:sequence() end
      if kind == "path" then
        body = { path = os.tmpname() }
        local file <close> = assert(io.open(body.path, "wb"))
        file:write(text)
      elseif kind == "array" then
        body = { text:sub(1, 100), lease, "" }
        lease:dispose()
        local other <close> = sluice.writer {}
        body[2] = assert(other:write(text:sub(101))):detach()
        lease = body[2]
      end
      local response <close> = assert(client:put(p.url .. "/", { body = body }))
      if kind == "path" then os.remove(body.path) end
      if kind == "sequence" then body:dispose() end
      local is_owned = kind == "lease" or kind == "array"
      assert.equal(is_owned, tostring(lease):find "disposed" ~= nil)
      if not is_owned then lease:dispose() end
      assert.same({ 200, 4 }, { response.status, response.attempts })
      assert.same({}, p:failures())
    end)
  end

  it("disposes a leased body once, however it ends", function()
    local busy <close> = serve(BUSY)
    for _, url in ipairs { busy.url .. "/", "http://127.0.0.1:1/" } do
      local writer <close> = sluice.writer {}
      local lease = assert(writer:write "body"):detach()
      local response = client:put(url, { body = lease })
      if response then response:dispose() end
      assert.truthy(tostring(lease):find "disposed")
      assert.error_matches(function() lease:dispose() end, "disposed")
    end
    assert.equal(6, #waits)
  end)

  describe("that is asked by `when`", function()
    it("goes by what it returns, and knows the rules", function()
      local p <close> = serve(answer(404), answer(503), answer(404), DONE)
      local asked = {}
      local response <close> = assert(client:post(p.url .. "/", { body = "x", retry = {
        tries = 9,
        when = function(given, err, request, is_due)
          asked[#asked + 1] = { given.status, err, request.method, is_due, given:text() }
          return given.status == 404 or request:get_header "X" == nil and given.status ~= 200
        end,
      } }))
      assert.same({ { 404, nil, "POST", false, "no" }, { 503, nil, "POST", false, "no" },
        { 404, nil, "POST", false, "no" }, { 200, nil, "POST", false, "done" } }, asked)
      assert.same({ 200, 4 }, { response.status, response.attempts })
      local seen
      local none = client:get("http://127.0.0.1:1/", { retry = { when = function(_, err, _, is_due)
        seen = { err.code, is_due }
        return false
      end } })
      assert.is_nil(none)
      assert.same({ "connect", true }, seen)
    end)

    it("is not asked where nothing can be sent again", function()
      local function never() error "asked" end
      local p <close> = serve(BUSY)
      for _, options in ipairs {
        { retry = { tries = 0, when = never } },
        { body = function() return nil end, retry = { when = never } },
      } do
        local response <close> = assert(client:put(p.url .. "/", options))
        assert.equal(503, response.status)
      end
      client:use { hop = function()
        return nil, "mine", { code = "cancelled", retryable = true }
      end }
      local none, message = client:get(p.url .. "/", { retry = { when = never } })
      assert.same({ nil, "mine" }, { none, message })
    end)

    it("may dispose the answer, wait, and raise", function()
      local p <close> = serve(BUSY, BUSY, DONE)
      local response <close> = assert(client:get(p.url .. "/", { retry = {
        when = function(given, _, _, is_due)
          sluice.sleep(0.001)
          if is_due then given:dispose() end
          return is_due
        end,
      } }))
      assert.equal("done", response:text())
      for _, stream in ipairs { true, false } do
        local options = { stream = stream, retry = { when = function() error "mine" end } }
        assert.error_matches(function() client:get(p.url .. "/", options) end, "mine")
      end
    end)
  end)

  it("may be answered by an interceptor, whatever it answers", function()
    local count, own = 0, nil
    client:use { hop = function()
      count = count + 1
      return own
    end }
    local disposed = 0
    for _, value in ipairs { { status = 503 },
      { status = 503, dispose = function() disposed = disposed + 1 end } } do
      count, own = 0, value
      assert.equal(value, client:get "http://a.test/")
      assert.equal(4, count)
    end
    -- The last answer is the caller's.
    assert.equal(3, disposed)
    for _, value in ipairs { {}, "text", true } do
      count, own = 0, value
      assert.equal(value, client:get "http://a.test/")
      assert.equal(1, count)
    end
  end)

  it("ends at once if a wait would pass the deadline of the call", function()
    local p <close> = serve(answer(503, "Retry-After: 59\r\n"))
    for _, stream in ipairs { true, false } do
      local response <close> = assert(client:get(p.url .. "/", { timeout = 50, stream = stream }))
      assert.same({ 503, 1, "no" }, { response.status, response.attempts, response:text() })
    end
    local none, message = client:get("http://127.0.0.1:1/", { timeout = 50,
      retry = { tries = 9, delay = 26, jitter = 0, max_delay = 100 } })
    assert.is_nil(none)
    assert.matches("after 2 attempts$", message)
    assert.same({ 26 }, waits)
  end)

  it("has one deadline over all tries", function()
    pause.wait = wait
    local p <close> = peer.listen { repeat_last = true,
      script = { { request_head, { "pause", 0.05 }, { "send", BUSY }, { "loop" } } } }
    local from = system.clock()
    local response, message, err = client:get(p.url .. "/", { timeout = 0.3,
      retry = { tries = 1000, delay = 0.001 } })
    assert.is_true(system.clock() - from >= 0.2)
    if response then -- the last wait would have passed the deadline
      assert.equal(503, response.status)
      response:dispose()
    else
      assert.equal("timeout", err.code)
      assert.matches(", after %d+ attempts$", message)
    end
    assert.is_true(#heads_of(p) <= 7)
  end)

  describe("while it waits", function()
    before_each(function() pause.wait = wait end)

    local function step_until(done)
      local deadline = system.clock() + 60
      while not done() do
        sluice.loop():step(0.01)
        assert.is_true(system.clock() < deadline, "not within a minute")
      end
    end

    local function is_waiting() return next(client.pauses) ~= nil end

    local function waiting(p)
      local task = sluice.spawn(function()
        return client:get(p.url .. "/", { retry = { delay = LONG } })
      end)
      step_until(is_waiting)
      return task
    end

    it("holds no connection and no memory", function()
      local p <close> = serve(answer(503, "Connection: close\r\n"))
      local task = waiting(p)
      step_until(function() return client:stats().active == 0 end)
      local stats = client:stats()
      assert.same({ 0, 0, 0 }, { stats.active, stats.idle, stats.outstanding })
      task:cancel()
      task:await()
    end)

    it("can be cancelled, by its task, its coroutine and its client", function()
      local p <close> = serve(BUSY)
      local task = waiting(p)
      task:cancel "no more"
      local none, message, err = task:await()
      assert.is_nil(none)
      assert.equal("cancelled", err.code)
      assert.equal(("GET %s/: cancelled: no more"):format(p.url), message)
      local thread = coroutine.create(function()
        return client:get(p.url .. "/", { retry = { delay = LONG } })
      end)
      assert(coroutine.resume(thread))
      step_until(is_waiting)
      assert(coroutine.close(thread))
      assert.is_nil(next(client.pauses))
      task = waiting(p)
      client:close()
      none, message, err = task:await()
      assert.is_nil(none)
      assert.equal("closed", err.code)
      assert.equal(("GET %s/: client is closed"):format(p.url), message)
    end)
  end)

  it("takes every status of a response, and up to 100 methods", function()
    local statuses, names = {}, {}
    for i = 1, 400 do statuses[i] = 199 + i end
    for i = 1, 100 do names[i] = "M" .. i end
    assert.is_nil(retry.check { statuses = statuses, methods = names })
    for _, wrong in ipairs { 199, 600, 200.5 } do
      assert.is_truthy(retry.check { statuses = { wrong } })
    end
    names[101] = "M"
    assert.is_truthy(retry.check { methods = names })
  end)

  it("takes only options that it knows", function()
    for _, case in ipairs {
      { true, "'retry': false, number of tries or table expected, got boolean" },
      { -1, "'retry': false, number of tries or table expected, got %-1" },
      { 1.5, "'retry': false, number of tries or table expected, got 1.5" },
      { { tries = "2" }, "'retry.tries': integer, not negative expected, got string" },
      { { delay = -1 }, "'retry.delay': number of seconds, not negative expected, got %-1" },
      { { jitter = 2 }, "'retry.jitter': number from 0 to 1 expected, got 2" },
      { { statuses = 503 }, "'retry.statuses': array of statuses from 200 to 599 expected" },
      { { statuses = { 99 } }, "'retry.statuses': array of statuses from 200 to 599 expected" },
      { { methods = "POST" }, "'retry.methods': array of methods expected, got string" },
      { { when = true }, "'retry.when': function expected, got boolean" },
      { { backoff = 1 }, "unknown option 'retry.backoff'" },
    } do
      local options = { retry = case[1] }
      assert.error_matches(function() support.client(options) end, case[2])
      assert.error_matches(function() client:get("http://a.test/", options) end, case[2])
    end
  end)
end)
