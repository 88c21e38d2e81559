-- The short way of a GET whose interceptors are all built in: the same outcome as the general way.

local sluice = require "sluice"
local support = require "spec.support"
local peer = support.peer

local request_head = { "expect_until", "\r\n\r\n" }

local function answer(status, fields, body)
  return ("HTTP/1.1 %d X\r\nContent-Length: %d\r\n%s\r\n%s"):format(status, #body, fields, body)
end

describe("the short way", function()
  local client, lines, metrics, cache, breaker

  support.verify_each(function(keep)
    lines = {}
    cache = keep(sluice.interceptors.cache())
    metrics = sluice.interceptors.metrics()
    client = keep(support.client())
    breaker = sluice.interceptors.circuit_breaker { failures = 2, open_for = 1000 }
    client:use(sluice.interceptors.default_headers { ["X-Default"] = "1" })
    client:use(sluice.interceptors.log { sink = function(line)
      lines[#lines + 1] = line:gsub("%d+%.%d ms", "T ms")
    end })
    client:use(metrics):use(cache):use(sluice.interceptors.rate_limit { rate = 1000 }):use(breaker)
  end)

  local function serve(...)
    local script = {}
    for _, bytes in ipairs { ... } do
      script[#script + 1] = request_head
      script[#script + 1] = { "send", bytes }
    end
    script[#script + 1] = { "loop" }
    return peer.listen { script = { script }, repeat_last = true }
  end

  local function get(url, options)
    local response <close> = assert(client:get(url, options))
    return response:text()
  end

  it("logs, counts and sends what the general way does", function()
    local p <close> = serve(answer(200, "", "four"))
    local url = p.url .. "/a?token=x"
    for _, options in ipairs { {}, false, false, {}, false } do
      assert.equal("four", get(url, options or nil))
    end
    assert.equal(5, #lines)
    for _, line in ipairs(lines) do
      assert.equal("GET " .. p.url .. "/a?token=*** 200 4 bytes T ms", line)
    end
    local series = metrics:table()[1].series
    assert.equal(1, #series)
    assert.same({ "GET", 200, 5, 20 },
      { series[1].method, series[1].status, series[1].count, series[1].bytes })
    assert.same({ 0, 5 }, { cache:stats().hits, cache:stats().misses })
    local heads = {}
    for head in p:received(1):gmatch "GET.-\r\n\r\n" do heads[#heads + 1] = head end
    assert.equal(5, #heads)
    for _, head in ipairs(heads) do
      assert.equal(heads[1], head)
      assert.matches("\r\nX%-Default: 1\r\n", head)
    end
  end)

  it("is left for the cache, once there is something in it", function()
    local p <close> = serve(answer(200, "Cache-Control: max-age=1000\r\n", "a"))
    for _ = 1, 4 do assert.equal("a", get(p.url .. "/")) end
    assert.same({ 3, 1 }, { cache:stats().hits, cache:stats().misses })
    cache:clear()
    for _ = 1, 4 do assert.equal("a", get(p.url .. "/")) end
    assert.same({ 6, 2 }, { cache:stats().hits, cache:stats().misses })
    assert.equal(8, #lines)
  end)

  it("keeps in the cache what comes by it", function()
    local p <close> = serve(answer(200, "", "a"), answer(200, "", "b"),
      answer(200, "Cache-Control: max-age=1000\r\nVary: X-Default\r\n", "c"))
    for _, text in ipairs { "a", "b", "c", "c", "c" } do assert.equal(text, get(p.url .. "/")) end
    assert.equal(2, cache:stats().hits)
    assert.equal("a", get(p.url .. "/", { headers = { ["X-Default"] = "2" } }))
  end)

  it("counts failures for the breaker, and is left when that opens", function()
    local p <close> = serve(answer(200, "", ""), answer(200, "", ""), answer(503, "", ""),
      answer(503, "", ""))
    for _ = 1, 4 do assert.equal("", get(p.url .. "/")) end
    local _, message, err = client:get(p.url .. "/")
    assert.equal("limit", err.code)
    assert.matches("circuit breaker of ", message)
    assert.equal("open", breaker:state(p.url))
    assert.equal("GET " .. p.url .. "/ failed: limit (queue) T ms", lines[5])
  end)

  it("logs and counts failures", function()
    local p <close> = peer.listen { script = { { request_head, { "send", answer(200, "", "") },
      request_head, { "send", answer(200, "", "") }, request_head,
      { "send", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab" }, { "close" } } } }
    get(p.url .. "/")
    get(p.url .. "/")
    local none, _, err = client:get(p.url .. "/")
    assert.is_nil(none)
    assert.equal(("GET %s/ failed: %s (%s) T ms"):format(p.url, err.code, err.stage), lines[3])
    assert.equal(err.code, metrics:table()[1].series[2].status)
  end)

  it("goes on with redirects, each of which is seen", function()
    local p <close> = serve(answer(302, "Location: /b\r\n", ""), answer(200, "", "there"))
    for _ = 1, 3 do
      local response <close> = assert(client:get(p.url .. "/a"))
      assert.equal("there", response:text())
      assert.equal(1, #response.redirects)
      assert.equal(2, response.attempts)
    end
    assert.equal(6, #lines)
    local _, count = p:received(1):gsub("X%-Default: 1\r\n", "")
    assert.equal(6, count)
  end)

  it("knows what is on its way, also when its coroutine is closed", function()
    local p <close> = peer.listen { script = { { request_head, { "send", answer(200, "", "") },
      request_head, { "send", answer(200, "", "") }, request_head, { "stall" } } } }
    get(p.url .. "/")
    get(p.url .. "/")
    local thread = coroutine.create(function() client:get(p.url .. "/") end)
    assert(coroutine.resume(thread))
    assert.equal(1, metrics:table()[1].in_flight)
    assert(coroutine.close(thread))
    assert.equal(0, metrics:table()[1].in_flight)
  end)

  it("disposes the response when a sink raises", function()
    local own <close> = support.client()
    local p <close> = serve(answer(200, "", "four"))
    local count = 0
    own:use(sluice.interceptors.log { sink = function()
      count = count + 1
      if count == 3 then error "disk is full" end
    end })
    for _ = 1, 2 do assert(own:get(p.url .. "/")):dispose() end
    assert.error_matches(function() own:get(p.url .. "/") end, "disk is full")
    assert(own:get(p.url .. "/")):dispose()
  end)

  it("is not taken by a client with other steps of its own", function()
    local p <close> = serve(answer(404, "", "none"))
    local own <close> = support.client { fail_status = true }
    own:use(sluice.interceptors.log { sink = function(line) lines[#lines + 1] = line end })
    for _ = 1, 3 do
      local none, _, err = own:get(p.url .. "/")
      assert.is_nil(none)
      assert.equal("status", err.code)
      err:dispose()
    end
    assert.equal(3, #lines)
    for _, options in ipairs { { retry = 1 }, { auth = { digest = { "a", "b" } } } } do
      local other <close> = support.client(options)
      other:use(sluice.interceptors.log { sink = function() end })
      assert.is_nil(other.watched)
    end
  end)

  it("is not taken beside an interceptor of the program's own", function()
    local p <close> = serve(answer(200, "", "four"))
    for _ = 1, 3 do get(p.url .. "/") end
    local count = 0
    client:use(function(request, forward)
      count = count + 1
      return forward(request)
    end)
    for _ = 1, 3 do get(p.url .. "/") end
    assert.equal(3, count)
    assert.equal(6, #lines)
  end)

  it("reports misuse at the line of the caller", function()
    local _, message = pcall(function()
      local response = client:get(5)
      return response
    end)
    assert.matches("watch_spec.lua:%d+: request: url: string expected, got number$", message)
  end)

  it("forgets what metrics have forgotten", function()
    local p <close> = serve(answer(200, "", "four"))
    for _ = 1, 3 do get(p.url .. "/") end
    metrics:reset()
    for _ = 1, 3 do get(p.url .. "/") end
    assert.equal(3, metrics:table()[1].series[1].count)
  end)
end)
