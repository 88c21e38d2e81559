-- Every byte offset of canonical exchanges, and what a client makes of a peer that stops there.

local sluice = require "sluice"
local support = require "spec.support"

local peer, system = support.peer, support.system

local LENGTH = {
  name = "with Content-Length",
  head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\n",
  body = "Hello, sluice",
  text = "Hello, sluice",
}
local CHUNKED = {
  name = "chunked with a trailer",
  head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n",
  body = "5\r\nHello\r\n8\r\n, sluice\r\n0\r\nX-Sum: 42\r\n\r\n",
  text = "Hello, sluice",
}
local EXCHANGES = { LENGTH, CHUNKED }
for _, exchange in ipairs(EXCHANGES) do exchange.bytes = exchange.head .. exchange.body end

-- No head, chunk size or trailer holds a NUL; its end leaves no parser waiting.
local GARBAGE = ("\0\xff\1"):rep(20) .. "\r\n\r\n"

local DEADLINE = 0.1

local request_head = { "expect_until", "\r\n\r\n" }

local function failure(message, err)
  return { code = err.code, stage = err.stage, retryable = err.retryable, message = message }
end

local function buffered(client, url, timeout)
  local response <close>, message, err = client:get(url, { timeout = timeout })
  if not response then return failure(message, err) end
  return { status = response.status, text = response:text() }
end

local function streamed(client, url, timeout)
  local response <close>, message, err = client:get(url, { stream = true, timeout = timeout })
  if not response then return failure(message, err) end
  local pieces = {}
  repeat
    local piece
    piece, message, err = response:read(5)
    pieces[#pieces + 1] = piece
  until not piece
  if err then return failure(message, err) end
  return { status = response.status, text = table.concat(pieces) }
end

local MODES = { { name = "buffered", fetch = buffered }, { name = "streamed", fetch = streamed } }

-- ---- the outcome table ----

local function complete(exchange)
  return { status = 200, text = exchange.text }
end

local function stage_at(exchange, offset)
  return offset < #exchange.head and "head" or "body"
end

-- Nothing of the response came: a GET may be sent again.
local function nothing_came(code)
  return { code = code, stage = "head", retryable = true }
end

local outcome = {}

function outcome.close(exchange, offset)
  if offset == #exchange.bytes then return complete(exchange) end
  if offset == 0 then return nothing_came "closed" end
  return { code = "closed", stage = stage_at(exchange, offset) }
end

function outcome.reset(exchange, offset)
  if offset == #exchange.bytes then return complete(exchange) end
  if offset == 0 then return nothing_came "closed" end
  return { code = "closed", stage = stage_at(exchange, offset) }
end

function outcome.stall(exchange, offset)
  if offset == #exchange.bytes then return complete(exchange) end
  if offset == 0 then return nothing_came "timeout" end
  return { code = "timeout", stage = stage_at(exchange, offset) }
end

function outcome.garbage(exchange, offset)
  if offset == #exchange.bytes then return complete(exchange) end
  if exchange == LENGTH and offset >= #exchange.head then
    local body = exchange.body:sub(1, offset - #exchange.head) .. GARBAGE
    return { status = 200, text = body:sub(1, #exchange.body) }
  end
  return { code = "protocol", stage = stage_at(exchange, offset) }
end

local last_step = {
  close = { { "close" } },
  reset = { { "reset" } },
  stall = { { "stall" } },
  garbage = { { "send", GARBAGE }, { "stall" } },
}

--- One connection for each offset, from nothing sent to everything sent.
local function script_for(exchange, fault)
  local script = {}
  for offset, head in support.each_cut(exchange.bytes) do
    script[offset + 1] = { request_head, { "send", head }, table.unpack(last_step[fault]) }
  end
  return script
end

local function assert_outcome(expected, got, where)
  for key, value in pairs(expected) do
    if got[key] ~= value then
      error(("%s: %s is %q, not %q (%s)"):format(where, key, tostring(got[key]), tostring(value),
        got.message or got.text))
    end
  end
  if expected.code and got.text or expected.text and got.code then
    error(("%s: got %s"):format(where, got.message or got.text))
  end
end

describe("a peer that fails at any byte", function()
  local good, client

  support.verify_each(function(keep)
    good = keep(peer.listen {
      script = { { request_head, { "send", LENGTH.bytes }, { "loop" } } }, repeat_last = true,
    }, function(p)
      p:stop()
      assert.same({}, p:failures())
    end)
    client = keep(support.client { pool = { per_origin = 512, total = 512 } })
  end)

  local function assert_still_usable(where)
    local got = buffered(client, good.url .. "/")
    assert_outcome(complete(LENGTH), got, where .. ", then a good URL")
  end

  local function try_every_offset(exchange, fault, fetch)
    local bad <close> = peer.listen { script = script_for(exchange, fault) }
    for offset in support.each_cut(exchange.bytes) do
      local where = ("%s at byte %d"):format(fault, offset)
      local got = fetch(client, bad.url .. "/")
      assert_outcome(outcome[fault](exchange, offset), got, where)
      if got.message then
        assert.is_truthy(got.message:find("127.0.0.1:" .. bad.port, 1, true), got.message)
      end
      assert_still_usable(where)
    end
    assert.equal(#exchange.bytes + 1, (bad:connections()))
    assert.same({}, bad:failures())
  end

  for _, exchange in ipairs(EXCHANGES) do
    for _, mode in ipairs(MODES) do
      for _, fault in ipairs { "close", "reset", "garbage" } do
        it(("%s, %s, %s"):format(fault, exchange.name, mode.name), function()
          try_every_offset(exchange, fault, mode.fetch)
        end)
      end

      it(("stall, %s, %s, all offsets at once"):format(exchange.name, mode.name), function()
        -- Tasks connect in any order: one peer for each offset. However busy the machine, the
        -- first byte is waited for where one comes.
        local peers, tasks = {}, {}
        for offset, head in support.each_cut(exchange.bytes) do
          local steps = { request_head, { "send", head }, { "stall" } }
          peers[offset] = peer.listen { script = { steps } }
        end
        sluice.run(function()
          for offset in support.each_cut(exchange.bytes) do
            tasks[offset] = sluice.spawn(function()
              local from = system.clock()
              local got = mode.fetch(client, peers[offset].url .. "/",
                { first_byte = offset == 0 and DEADLINE or 30, idle = DEADLINE })
              got.seconds = system.clock() - from
              return got
            end)
          end
          for offset in support.each_cut(exchange.bytes) do
            local got = tasks[offset]:await()
            local where = "stall at byte " .. offset
            assert_outcome(outcome.stall(exchange, offset), got, where)
            if got.code then
              assert.is_true(got.seconds >= DEADLINE, where)
              assert.is_true(got.seconds < 20, where)
            end
          end
          assert_still_usable "all offsets"
        end)
        for offset = 0, #exchange.bytes do
          assert.same({}, peers[offset]:failures())
          peers[offset]:stop()
        end
      end)
    end
  end

  it("stall: the deadline fires within 20 ms of its time", function()
    local least = math.huge
    for _ = 1, 5 do
      local bad <close> = peer.listen { script = { { request_head, { "stall" } } } }
      local from = system.clock()
      local timeout = { first_byte = DEADLINE }
      assert.equal("timeout", buffered(client, bad.url .. "/", timeout).code)
      least = math.min(least, system.clock() - from)
    end
    assert.is_true(least >= DEADLINE and least <= DEADLINE + 0.02, least)
  end)

  it("stall: the total deadline holds however steadily bytes arrive", function()
    local bad <close> = peer.listen {
      script = { { request_head, { "dribble", LENGTH.head .. ("x"):rep(13), 1, 0.02 } } },
    }
    local response, message, err = client:get(bad.url .. "/", { timeout = 0.3 })
    assert.is_nil(response)
    assert.equal("timeout", err.code)
    assert.equal("string", type(message))
    assert_still_usable "a steady dribble"
  end)

  for name, call in support.each_style(sluice) do
    it("close " .. name, function()
      call(try_every_offset, LENGTH, "close", buffered)
    end)
  end
end)

describe("a response cut anywhere but complete", function()
  local client

  support.verify_each(function(keep) client = keep(support.client()) end)

  for _, exchange in ipairs(EXCHANGES) do
    for _, mode in ipairs(MODES) do
      it(("in two at every byte, %s, %s"):format(exchange.name, mode.name), function()
        local steps = {}
        for offset in support.each_cut(exchange.bytes) do
          table.move({ request_head, { "cut", exchange.bytes, offset } }, 1, 2, #steps + 1, steps)
        end
        local p <close> = peer.listen { script = { steps } }
        for offset in support.each_cut(exchange.bytes) do
          local got = mode.fetch(client, p.url .. "/")
          assert_outcome(complete(exchange), got, "cut at " .. offset)
        end
        assert.equal(1, (p:connections()))
      end)

      it(("byte by byte, %s, %s"):format(exchange.name, mode.name), function()
        local steps = { request_head, { "dribble", exchange.bytes, 1 } }
        local p <close> = peer.listen { script = { steps } }
        assert_outcome(complete(exchange), mode.fetch(client, p.url .. "/"), "dribble")
      end)
    end
  end
end)

describe("a reused connection", function()
  local client

  support.verify_each(function(keep) client = keep(support.client()) end)

  -- The first exchange of the first connection is good, its second one fails at `offset`; another
  -- connection is good.
  local function listen(offset, fault)
    local first = { request_head, { "send", LENGTH.bytes }, request_head }
    if offset > 0 then first[#first + 1] = { "send", LENGTH.bytes:sub(1, offset) } end
    table.move(last_step[fault], 1, #last_step[fault], #first + 1, first)
    local second = { request_head, { "send", LENGTH.bytes }, { "stall" } }
    return peer.listen { script = { first, second } }
  end

  it("receives no request before its last answer is complete", function()
    local half = #LENGTH.bytes - 1
    local p <close> = peer.listen { script = { {
      request_head, { "send", LENGTH.bytes:sub(1, half) }, { "hold" },
      { "send", LENGTH.bytes:sub(half + 1) }, request_head, { "send", LENGTH.bytes }, { "stall" },
    } } }
    local own <close> = support.client { pool = { per_origin = 1 } }
    local asking = {}
    for i = 1, 2 do
      asking[i] = sluice.spawn(function() return buffered(own, p.url .. "/" .. i).status end)
    end
    while not p:wait("holding", 1, 0) do sluice.loop():step(0.01) end
    for _ = 1, 20 do sluice.loop():step(0) end
    assert.equal(1, select(2, p:received(1):gsub("GET /", "")))
    p:signal()
    assert.same({ 200, 200 }, { asking[1]:await(), (asking[2]:await()) })
    assert.equal(1, (p:connections()))
  end)

  for _, fault in ipairs { "close", "reset" } do
    it(("that fails by %s before any response byte is tried once more"):format(fault), function()
      local p <close> = listen(0, fault)
      local resends = client:stats().resends
      assert_outcome(complete(LENGTH), buffered(client, p.url .. "/"), "first")
      assert_outcome(complete(LENGTH), buffered(client, p.url .. "/"), "second")
      assert.equal(resends + 1, client:stats().resends)
      assert.equal(2, (p:connections()))
    end)

    it(("that fails by %s after a response byte is not tried again"):format(fault), function()
      for offset = 1, #LENGTH.bytes - 1 do
        local p <close> = listen(offset, fault)
        assert_outcome(complete(LENGTH), buffered(client, p.url .. "/"), "first")
        local got = buffered(client, p.url .. "/")
        assert_outcome(outcome[fault](LENGTH, offset), got, ("%s at %d"):format(fault, offset))
        assert.equal(1, (p:connections()))
      end
    end)

    it(("that fails by %s is not tried again with a POST"):format(fault), function()
      local p <close> = listen(0, fault)
      assert_outcome(complete(LENGTH), buffered(client, p.url .. "/"), "first")
      local response, _, err = client:post(p.url .. "/")
      assert.is_nil(response)
      assert.equal("closed", err.code)
      assert.is_false(err.retryable)
      assert.equal(1, (p:connections()))
    end)
  end

  -- A connection is looked at when it was idle for more than three tenths of a millisecond.
  local idle = { "pause", 0.02 }

  it("that its server has closed is not used", function()
    local p <close> = peer.listen {
      script = { { request_head, { "send", LENGTH.bytes }, idle, { "close" } } },
      repeat_last = true,
    }
    for round = 1, 20 do
      assert_outcome(complete(LENGTH), buffered(client, p.url .. "/"), "round " .. round)
      assert.is_true(p:wait("idle", round))
    end
    assert.equal(0, client:stats().resends)
    assert.equal(20, (p:connections()))
  end)

  it("with bytes beyond its message is not used", function()
    local surplus = LENGTH.bytes .. "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
    local p <close> = peer.listen {
      script = { { request_head, { "send", surplus }, { "read_all" } } }, repeat_last = true,
    }
    for _ = 1, 20 do
      assert_outcome(complete(LENGTH), buffered(client, p.url .. "/"), "a request")
    end
    assert.equal(20, (p:connections()))
  end)

  it("that received more right after its message is not used", function()
    local good = { request_head, { "send", LENGTH.bytes }, { "stall" } }
    local poisoned = {
      request_head, { "send", LENGTH.bytes }, { "pause", 0.0002 },
      { "send", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison" }, { "hold" },
    }
    for round = 1, 50 do
      local p <close> = peer.listen { script = { poisoned, good } }
      assert_outcome(complete(LENGTH), buffered(client, p.url .. "/"), "round " .. round)
      repeat until p:wait("holding", 1, 0) or p:wait("idle", 1, 0)
      local from = system.clock()
      repeat until system.clock() - from > 0.0004
      assert_outcome(complete(LENGTH), buffered(client, p.url .. "/"), "round " .. round)
      assert.equal(2, (p:connections()))
    end
    assert.equal(0, client:stats().resends)
  end)

  it("that received bytes while idle is not used", function()
    local good = { request_head, { "send", LENGTH.bytes }, { "stall" } }
    local poisoned = {
      request_head, { "send", LENGTH.bytes }, idle,
      { "send", "HTTP/1.1 408 Request Timeout\r\nContent-Length: 6\r\n\r\npoison" }, { "hold" },
    }
    for round = 1, 10 do
      local p <close> = peer.listen { script = { poisoned, good } }
      assert_outcome(complete(LENGTH), buffered(client, p.url .. "/"), "round " .. round)
      assert.is_true(p:wait "holding")
      assert_outcome(complete(LENGTH), buffered(client, p.url .. "/"), "round " .. round)
      assert.equal(2, (p:connections()))
    end
    assert.equal(0, client:stats().resends)
  end)
end)
