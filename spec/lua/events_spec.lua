-- Server-sent events over several connections: what each asks for, when, and how a loop ends.

local sluice = require "sluice"
local support = require "spec.support"

local peer = support.peer

local HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
local GONE = "HTTP/1.1 204 No Content\r\n\r\n"

local request_head = { "expect_until", "\r\n\r\n" }

-- A server that answers each connection with one of these, then closes it.
local function serve(...)
  local script = {}
  for i, bytes in ipairs { ... } do
    script[i] = type(bytes) == "table" and bytes or { request_head, { "send", bytes }, { "close" } }
  end
  return peer.listen { script = script }
end

local quick = { delay = 0.01, jitter = 0, tries = 3 }

describe("client:events", function()
  local client

  support.verify_each(function(keep)
    client = keep(support.client { timeout = { first_byte = 60 } })
  end)

  -- The data of all events, and what was raised at the end.
  local function collect(url, options)
    local list = {}
    local ok, raised = pcall(function()
      for event in client:events(url, options) do list[#list + 1] = event.data end
    end)
    return list, not ok and raised or nil
  end

  -- The values of a field of the requests, in their order; false without it.
  local function fields_of(p, name)
    local list = {}
    for i, request in ipairs(p:received()) do
      list[i] = request:match("\r\n" .. name .. ": ([^\r\n]*)") or false
    end
    return list
  end

  it("reconnects with the last ID until the server answers 204, in every style", function()
    for _, call in support.each_style(sluice) do
      local p <close> = serve(HEAD .. "data: a\n\nid: 1\nretry: 10\ndata: b\n\n",
        HEAD .. "data: c\n\n", HEAD .. "id: 2\n\nid: 3\ndata: cut off", GONE)
      local options = { query = { z = "1" }, reconnect = quick }
      local list, raised = call(collect, p.url .. "/x?y", options)
      assert.is_nil(raised)
      assert.same({ "a", "b", "c" }, list)
      assert.same({ false, "1", "1", "2" }, fields_of(p, "Last%-Event%-ID"))
      for _, value in ipairs(fields_of(p, "Accept")) do assert.equal("text/event-stream", value) end
      for _, value in ipairs(fields_of(p, "Cache%-Control")) do assert.equal("no-cache", value) end
      assert.matches("^GET /x%?y&z=1 HTTP/1.1\r\n", p:received(4))
    end
  end)

  it("shares the plan of its first request, which is none of another request's", function()
    local stream = HEAD .. "data: a\n\n"
    local p <close> = serve(stream, stream, stream, stream)
    for _ = 1, 2 do assert.same({ "a" }, (collect(p.url, { reconnect = false }))) end
    assert.equal(1, client.plan_count)
    assert(client:get(p.url, { stream = true })):text()
    assert.same({ "a" }, (collect(p.url, { reconnect = false, headers = { Accept = "x/y" } })))
    assert.same({ "text/event-stream", "text/event-stream", "*/*", "x/y" }, fields_of(p, "Accept"))
    assert.same({ "no-cache", "no-cache", false, "no-cache" }, fields_of(p, "Cache%-Control"))
  end)

  it("goes on from an ID of before, and keeps it while the stream sets no other", function()
    local p <close> = serve(HEAD .. "data: a\n\n", HEAD .. "id: 9\ndata: b\n\nid\ndata: c\n\n",
      HEAD .. "data: d\n\n", GONE)
    local ids = {}
    for event in client:events(p.url, { last_id = "x 1", reconnect = quick }) do
      ids[#ids + 1] = event.id or "none"
    end
    assert.same({ "x 1", "9", "none", "none" }, ids)
    assert.same({ "x 1", "x 1", false, false }, fields_of(p, "Last%-Event%-ID"))
  end)

  it("reconnects where a connection fails, at any stage", function()
    local p <close> = serve(
      { request_head, { "send", HEAD .. "id: 1\ndata: a\n\n" }, { "reset" } },
      { { "reset" } }, { request_head, { "send", "HTTP/1.1 200 OK\r\nContent-Ty" }, { "reset" } },
      HEAD .. "data: b\n\n", GONE)
    local list, raised = collect(p.url, { reconnect = quick })
    assert.is_nil(raised)
    assert.same({ "a", "b" }, list)
  end)

  it("raises the last failure after its tries, which a stream begins anew", function()
    local reset = { request_head, { "reset" } }
    local p <close> = serve(reset, reset, HEAD .. "data: a\n\n", reset, reset, reset, reset)
    local list, err = collect(p.url, { reconnect = quick })
    assert.same({ "a" }, list)
    assert.equal("closed", err.code)
    assert.equal(7, (p:connections()))
  end)

  it("makes one connection alone where it shall not reconnect", function()
    for _, off in ipairs { false, 0 } do
      local p <close> = serve(HEAD .. "data: a\n\n")
      local list, raised = collect(p.url, { reconnect = off })
      assert.is_nil(raised)
      assert.same({ "a" }, list)
      local q <close> = serve({ request_head, { "reset" } })
      local _, err = collect(q.url, { reconnect = off })
      assert.equal("closed", err.code)
    end
  end)

  it("ends at an answer that is no event stream, and says what it is", function()
    local function answer(status, field, body)
      return ("HTTP/1.1 %s\r\n%s\r\nContent-Length: %d\r\n\r\n%s")
        :format(status, field, #body, body)
    end
    for _, case in ipairs {
      { answer("200 OK", "Content-Type: text/html", "<p>"), "unsupported", 200,
        "status 200, text/html: no event stream" },
      { answer("200 OK", "A: b", ""), "unsupported", 200, "without Content%-Type" },
      { answer("404 Not Found", "Content-Type: text/event-stream", "data: x\n\n"), "status", 404,
        "status 404, text/event%-stream: no event stream" },
      { answer("503 No", "Content-Type: text/plain", "busy"), "status", 503, "status 503" },
    } do
      local p <close> = serve(HEAD .. "data: a\n\n", case[1])
      local list, err = collect(p.url, { reconnect = quick })
      assert.same({ "a" }, list)
      assert.equal(case[2], err.code)
      assert.equal(case[3], err.status)
      assert.matches(case[4], err.message)
    end
  end)

  it("waits for Retry-After where the request is to be sent again", function()
    local p <close> = serve("HTTP/1.1 429 No\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n",
      HEAD .. "data: a\n\n", GONE)
    local list, raised = collect(p.url, { reconnect = quick, retry = { tries = 1, delay = 0.01 } })
    assert.is_nil(raised)
    assert.same({ "a" }, list)
  end)

  it("follows redirects", function()
    local p <close> = serve(HEAD .. "data: a\n\n", GONE)
    local answer = ("HTTP/1.1 307 Go\r\nLocation: %s/\r\nContent-Length: 0\r\n\r\n"):format(p.url)
    local q <close> = support.serve(answer, answer)
    assert.same({ "a" }, (collect(q.url, { reconnect = quick })))
  end)

  it("closes the stream when the loop is left, by break or by an error", function()
    local p <close> = peer.listen { script = { {
      request_head, { "send", HEAD .. "id: 5\ndata: a\n\n" }, { "stall" },
    } }, repeat_last = true }
    local events = client:events(p.url)
    for event in events do
      assert.equal("a", event.data)
      events:close()
    end
    assert.equal("5", events.last_id)
    assert.is_nil(events())
    assert.equal("sluice.events (closed)", tostring(events))
    local ok = pcall(function() for _ in client:events(p.url) do error "oops" end end)
    assert.is_false(ok)
    support.settle(sluice)
    assert.is_true(p:wait("idle", 2))
  end)

  it("ends with its total time, in a connection and between two", function()
    local stalls = { request_head, { "send", HEAD .. "data: a\n\n" }, { "stall" } }
    local p <close> = serve(stalls)
    local list, err = collect(p.url, { timeout = 0.5, reconnect = quick })
    assert.same({ "a" }, list)
    assert.equal("timeout", err.code)
    local q <close> = serve(HEAD .. "data: a\n\n")
    list, err = collect(q.url, { timeout = 0.5, reconnect = { delay = 30, jitter = 0 } })
    assert.same({ "a" }, list)
    assert.equal("timeout", err.code)
  end)

  it("waits without an idle deadline, unless one is given", function()
    local stalls = { request_head, { "send", HEAD .. "data: a\n\n" }, { "stall" } }
    local p <close> = serve(stalls)
    local list, err = collect(p.url, { timeout = { idle = 0.2 }, reconnect = false })
    assert.same({ "a" }, list)
    assert.same({ "timeout", "body" }, { err.code, err.stage })
    assert.matches("timeout.idle", err.message, 1, true)
    local q <close> = serve(stalls)
    list = {}
    local task = sluice.spawn(function()
      for event in client:events(q.url, { timeout = { first_byte = 0.05 } }) do
        list[#list + 1] = event.data
      end
    end)
    local deadline = support.system.clock() + 20
    -- The timer of the first byte fires once more, and finds no other deadline.
    repeat sluice.loop():step(0.01)
    until list[1] and sluice.stats().timers == 0 or support.system.clock() > deadline
    assert.same({ "a" }, list)
    assert.equal(0, sluice.stats().timers)
    task:cancel()
    assert.is_false((pcall(task.await, task)))
  end)

  it("ends when its client closes while it waits", function()
    local p <close> = serve(HEAD .. "data: a\n\n")
    local list = {}
    local task = sluice.spawn(function()
      for event in client:events(p.url, { reconnect = { delay = 60 } }) do
        list[#list + 1] = event.data
      end
    end)
    local deadline = support.system.clock() + 20
    repeat sluice.loop():step(0.01)
    until next(client.pauses) or support.system.clock() > deadline
    client:close()
    local ok, err = pcall(task.await, task)
    assert.is_false(ok)
    assert.same({ "a" }, list)
    assert.equal("cancelled", err.code)
  end)

  it("names a limit that the stream exceeds", function()
    local p <close> = serve(HEAD .. "data: a\n\ndata: " .. ("b"):rep(100) .. "\n\n")
    local list, err = collect(p.url, { max_line_size = 50 })
    assert.same({ "a" }, list)
    assert.equal("limit", err.code)
    assert.matches("max_line_size", err.message)
  end)

  it("checks its options", function()
    for _, case in ipairs {
      { { reconect = 1 }, "events: unknown option 'reconect': did you mean 'reconnect'?" },
      { { tls = {} }, "events: unknown option 'tls': it is an option of the client" },
      { { reconnect = "x" }, "events: option 'reconnect': false, number of tries or table" },
      { { reconnect = { dely = 1 } }, "events: unknown option 'reconnect.dely': did you mean "
        .. "'reconnect.delay'?" },
      { { reconnect = { times = 1 } }, "events: unknown option 'reconnect.times': reconnect has "
        .. "delay, jitter, max_delay, max_retry, tries" },
      { { reconnect = { jitter = 2 } }, "events: option 'reconnect.jitter': number from 0 to 1" },
      { { json = {} }, "events: option 'json': events are fetched with GET" },
      { { method = "POST" }, "events: option 'method': events are fetched with GET" },
      { { last_id = "a\0b" }, "events: option 'last_id': string without zero bytes" },
      { 7, "events: table of options expected, got number" },
    } do
      local ok, raised = pcall(client.events, client, "http://127.0.0.1:1/", case[1])
      assert.is_false(ok)
      assert.matches(case[2], raised, 1, true)
    end
    local ok, raised = pcall(client.events, "http://127.0.0.1:1/")
    assert.is_false(ok)
    assert.matches("events: called without a client", raised)
  end)

  it("has no keys and elements, and a method that is called with a colon", function()
    local events <close> = client:events("http://127.0.0.1:1/")
    for _, case in ipairs {
      { "sluice.events is a loop, without keys or elements", function() return pairs(events) end },
      { "sluice.events is a loop, without keys or elements", function() local _ = events[1] end },
      { "close: called without a loop: write events:close()", function() events.close() end },
    } do
      local ok, raised = pcall(case[2])
      assert.is_false(ok)
      assert.matches("events_spec.lua:%d+: " .. (case[1]:gsub("%p", "%%%0")), raised)
    end
    local ok, raised = pcall(function() for _ in ipairs(events) do break end end) -- luacheck: ignore
    assert.is_false(ok)
    assert.matches("is a loop, without keys or elements", raised, 1, true)
  end)
end)
