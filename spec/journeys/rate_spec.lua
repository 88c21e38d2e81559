-- timeout.rate ends what drips, and nothing else; `false` turns a deadline off.

local sluice = require "sluice"
local support = require "spec.support"

local peer, pattern = support.peer, support.pattern

local OK = "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
local request_head = { "expect_until", "\r\n\r\n" }

describe("timeout.rate", function()
  local client

  support.verify_each(function(keep)
    client = keep(support.client { timeout = { idle = 30, first_byte = 30 } })
  end)

  local function play(...)
    return peer.listen { script = { { ... } }, repeat_last = true }
  end

  local function rate(bytes, seconds) return { rate = { bytes, seconds } } end

  -- A body that drips for longer than any spec waits.
  local function drip(head)
    return play(request_head, { "send", head }, { "dribble", pattern(100000), 1, 0.02 })
  end

  for style, call in support.each_style(sluice) do
    it("ends a body that drips, whole or streamed, " .. style, function()
      call(function()
        for _, head in ipairs { OK:format(100000), "HTTP/1.1 200 OK\r\n\r\n" } do
          local p <close> = drip(head)
          local response, message, err = client:get(p.url .. "/", { timeout = rate(5000, 0.05) })
          assert.is_nil(response)
          assert.equal(("GET %s/: fewer than 5000 bytes in 0.05 s (timeout.rate)"):format(p.url),
            message)
          assert.same({ "timeout", "body", false }, { err.code, err.stage, err.retryable })
          local streamed <close> = assert(client:get(p.url .. "/", { -- luacheck: ignore
            stream = true, timeout = rate(5000, 0.05) }))
          local size = 0
          local piece
          repeat
            piece, message, err = streamed:read(1)
            size = size + #(piece or "")
          until not piece
          assert.matches("timeout.rate", message, 1, true)
          assert.equal("timeout", err.code)
          assert.is_true(size > 0)
        end
      end)
    end)
  end

  it("ends a head that drips", function()
    local p <close> = play(request_head, { "dribble",
      "HTTP/1.1 200 OK\r\n" .. ("A: b\r\n"):rep(999), 1, 0.01 })
    local _, _, err = client:get(p.url .. "/", { timeout = rate(5000, 0.05) })
    assert.same({ "timeout", "head" }, { err.code, err.stage })
  end)

  it("lets through what is fast enough", function()
    local body = pattern(2000)
    local p <close> = play(request_head, { "send", OK:format(#body) },
      { "dribble", body, 100, 0.005 })
    local response <close> = assert(client:get(p.url .. "/", { timeout = rate(50, 20) }))
    assert.equal(body, response:text())
  end)

  it("does not count the silence before an answer, nor behind an interim one", function()
    local p <close> = play(request_head, { "pause", 0.1 },
      { "send", "HTTP/1.1 103 Early Hints\r\n\r\n" }, { "pause", 0.1 },
      { "send", OK:format(2) .. "ok" }, { "stall" })
    local response <close> = assert(client:get(p.url .. "/", { timeout = rate(1 << 20, 0.05) }))
    assert.equal("ok", response:text())
  end)

  it("does not count the time of a program that does not wait", function()
    local p <close> = play(request_head, { "send", OK:format(3) .. "a" }, { "hold" },
      { "send", "b" }, { "hold" }, { "send", "c" }, { "stall" })
    local response <close> = assert(client:get(p.url .. "/", {
      stream = true, timeout = rate(100, 0.2) }))
    for _, byte in ipairs { "a", "b", "c" } do
      sluice.sleep(0.25)
      assert.equal(byte, response:read(1))
      if byte ~= "c" then
        p:wait("holding", 1, 20)
        p:signal(1)
      end
    end
  end)

  it("does not count the time in which a program makes its body", function()
    local p <close> = play({ "expect_until", "0\r\n\r\n" }, { "send", OK:format(0) }, { "stall" })
    local count = 0
    local response <close> = assert(client:post(p.url .. "/", {
      timeout = rate(1000, 0.05),
      body = function()
        count = count + 1
        sluice.sleep(0.08)
        return count < 4 and "piece" or nil
      end,
    }))
    assert.equal(200, response.status)
  end)

  it("ends an upload that the peer does not take, and lets it be tried again", function()
    local p <close> = peer.listen { records = false, receive_buffer = 4096, script = {
      { request_head, { "stall" } },
      { request_head, { "stall" } },
      { request_head, { "discard", 12 << 20 }, { "send", OK:format(0) }, { "stall" } },
    } }
    local body = ("x"):rep(12 << 20)
    local response, message, err = client:post(p.url .. "/", { -- luacheck: ignore
      body = body, timeout = rate(16 << 20, 0.1) })
    assert.is_nil(response)
    assert.matches("fewer than 16777216 bytes in 0.1 s (timeout.rate)", message, 1, true)
    assert.same({ "timeout", "send", false }, { err.code, err.stage, err.retryable })
    -- A socket takes more once a third of what it holds has gone, here 4 KiB at a time.
    local retried <close> = assert(client:put(p.url .. "/", {
      body = body, timeout = rate(1, 2), retry = { tries = 1, delay = 0 } }))
    assert.same({ 200, 2 }, { retried.status, retried.attempts })
  end)

  it("is of the client, or of a request", function()
    local p <close> = drip(OK:format(100000))
    local own <close> = support.client { timeout = { rate = { 5000, 0.05 }, total = 20 } }
    local _, message = own:get(p.url .. "/")
    assert.matches("fewer than 5000 bytes in 0.05 s", message, 1, true)
    _, message = own:get(p.url .. "/", { timeout = { rate = { 7000, 0.05 } } })
    assert.matches("fewer than 7000 bytes in 0.05 s", message, 1, true)
    _, message = own:get(p.url .. "/", { timeout = { rate = false, total = 0.1 } })
    assert.matches("timeout.total", message, 1, true)
  end)

  it("false turns a deadline of the client off", function()
    local p <close> = play(request_head, { "pause", 0.08 }, { "send", OK:format(2) },
      { "pause", 0.08 }, { "send", "ok" }, { "loop" })
    local strict <close> = support.client {
      timeout = { total = 0.03, first_byte = 0.03, idle = 0.03, rate = { 1000, 0.03 } } }
    local off = { total = false, first_byte = false, idle = false, rate = false }
    local response <close> = assert(strict:get(p.url .. "/", { timeout = off }))
    assert.equal("ok", response:text())
    local lax <close> = support.client { timeout = { total = false, queue = false, resolve = false,
      connect = false, proxy = false, tls = false, first_byte = false, idle = false } }
    local other <close> = assert(lax:get(p.url .. "/"))
    assert.equal("ok", other:text())
    -- Answers that do not come: a late one would still count on a machine that is later.
    local silent <close> = play(request_head, { "stall" })
    local half <close> = play(request_head, { "send", OK:format(2) }, { "stall" })
    for name in pairs(off) do
      local options = { total = false, first_byte = false, idle = false, rate = false }
      options[name] = nil
      local url = (name == "first_byte" and silent or half).url .. "/"
      local _, _, err = strict:get(url, { timeout = options })
      assert.equal("timeout", err.code, name)
    end
  end)

  it("false turns the deadline of a stage before the head off", function()
    local silent <close> = play { "stall" }
    -- Its queue holds one connection: the next one waits for ever.
    local full <close> = support.peer.listen { accept = false, backlog = 0, script = { {} } }
    local filling <close> = support.client { timeout = { total = false, first_byte = false } }
    local first = sluice.spawn(filling.get, filling, full.url .. "/")
    while filling:stats().active == 0 do sluice.loop():step(0.01) end
    local stages = {
      resolve = { url = "http://name.test/", resolver = function() sluice.sleep(20) end },
      connect = { url = full.url .. "/" },
      queue = { pool = { per_origin = 1 } },
      proxy = { url = "https://name.test/", proxy = silent.url },
      tls = { url = silent.url:gsub("^http", "https") },
    }
    for stage, case in pairs(stages) do
      local url = case.url or silent.url .. "/"
      local strict <close> = support.client { pool = case.pool, proxy = case.proxy,
        resolver = case.resolver, timeout = { [stage] = 0.03, total = false, first_byte = false } }
      local holder = stage == "queue" and sluice.spawn(strict.get, strict, url)
      if holder then
        while strict:stats().active == 0 do sluice.loop():step(0.01) end
      end
      local _, message, err = strict:get(url)
      assert.same({ "timeout", stage }, { err.code, err.stage }, message)
      assert.matches("timeout." .. stage, message, 1, true)
      _, message, err = strict:get(url, { timeout = { [stage] = false, total = 0.3 } })
      assert.equal("timeout", err.code, message)
      assert.matches("timeout.total", message, 1, true)
      if holder then
        holder:cancel()
        holder:await()
      end
    end
    first:cancel()
    first:await()
  end)
end)
