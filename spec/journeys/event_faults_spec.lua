-- Streams of events that nobody should send: each ends with a failure that names it, everything
-- before the fault is delivered, and memory stays bounded.

local sluice = require "sluice"
local support = require "spec.support"

local peer = support.peer

local HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
local MIB = 1 << 20

-- Two events in gzip, flushed; more would follow.
local GZIP = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x4a\x49\x2c\x49\xb4\x52\x48\xe4\xe2\x4a"
  .. "\x01\x33\x92\xb8\xb8\x00\x00\x00\x00\xff\xff"

describe("a faulty stream of events", function()
  local client

  support.verify_each(function(keep)
    client = keep(support.client { timeout = { first_byte = 60 } })
  end)

  -- The data of all events, what was raised, and the most memory rented.
  local function collect(options, ...)
    local p <close> = peer.listen { records = false,
      script = { { { "expect_until", "\r\n\r\n" }, ... } } }
    local response = assert(client:get(p.url .. "/", { stream = true }))
    local list, most, is_over = {}, 0, false
    local watch = sluice.spawn(function()
      while not is_over do
        most = math.max(most, sluice.stats().bytes)
        coroutine.yield()
      end
    end)
    local task = sluice.spawn(function()
      for event in response:events(options) do list[#list + 1] = event.data end
    end)
    local ok, raised = pcall(task.await, task)
    is_over = true
    watch:await()
    response:dispose()
    client:close()
    client = support.client { timeout = { first_byte = 60 } }
    return list, not ok and raised or nil, most
  end

  local start = { "send", HEAD .. "\r\ndata: a\n\n" }

  it("whose line never ends", function()
    for _, prefix in ipairs { "data: ", ":", "x" } do
      local list, err, most = collect(nil, start, { "send", prefix },
        { "send_repeat", ("x"):rep(MIB), 1024 })
      assert.same({ "a" }, list)
      assert.equal("limit", err.code)
      assert.matches("line 3 is longer than 16777216 bytes (max_line_size)", err.message, 1, true)
      assert.is_true(most < 64 * MIB, most)
    end
  end)

  it("of a GiB of data in one event", function()
    local lines = ("data: " .. ("x"):rep(1017) .. "\n"):rep(1024)
    local list, err, most = collect(nil, start, { "send_repeat", lines, 1024 })
    assert.same({ "a" }, list)
    assert.equal("limit", err.code)
    assert.matches("event 2 is not complete within 67108864 bytes (max_event_size)", err.message,
      1, true)
    assert.is_true(most < 256 * MIB, most)
  end)

  it("of nothing but comments, blank lines, or fields that mean nothing", function()
    for _, line in ipairs { ": keep alive\n", "\n", "\r\n", "id: 1\n", "retry: 1\n\n", "foo\n" } do
      local flood = line:rep(MIB // #line)
      local list, err, most = collect({ max_event_size = 4 * MIB }, start,
        { "send_repeat", flood, 1024 })
      assert.same({ "a" }, list)
      assert.equal("limit", err.code)
      assert.matches("event 2 is not complete within 4194304 bytes", err.message, 1, true)
      assert.is_true(most < 4 * MIB, most) -- what is ignored is not kept
    end
  end)

  it("that is not UTF-8 is passed on", function()
    local wire = HEAD .. "\r\ndata: \xff\xc3\n\ndata: \xe2\x82\n\n"
    local list, raised = collect(nil, { "send", wire }, { "close" })
    assert.is_nil(raised)
    assert.same({ "\xff\xc3", "\xe2\x82" }, list)
  end)

  it("over a gzip that is cut off", function()
    local coded = HEAD .. "Content-Encoding: gzip\r\n\r\n" .. GZIP
    local list, err = collect(nil, { "send", coded }, { "close" })
    assert.same({ "a", "b" }, list)
    assert.equal("decode", err.code)
    assert.matches("^GET http://[^ ]+: compressed data is truncated$", err.message)
  end)

  it("over a gzip that is cut off at any byte, behind the events that are whole", function()
    local most = 0
    for size = 1, #GZIP - 1 do
      local coded = HEAD .. "Content-Encoding: gzip\r\n\r\n" .. GZIP:sub(1, size)
      local list, err = collect(nil, { "send", coded }, { "close" })
      assert.is_true(#list >= most and #list <= 2, size)
      for i, data in ipairs(list) do assert.equal(("ab"):sub(i, i), data) end
      assert.equal("decode", err.code)
      assert.matches("compressed data is truncated", err.message, 1, true)
      most = #list
    end
    assert.equal(2, most)
  end)

  -- 0xff begins a block of a kind that there is not.
  local corrupt = HEAD .. "Content-Encoding: gzip\r\n\r\n" .. GZIP .. "\xff\xff\xff\xff"

  it("over a gzip that is corrupt, in one piece with what comes before, or cut anywhere", function()
    local head = #corrupt - #GZIP - 4
    for at = head, #corrupt - 1 do
      local list, err = collect(nil, { "send", corrupt:sub(1, at) },
        { "send", corrupt:sub(at + 1) })
      assert.same({ "a", "b" }, list)
      assert.equal("decode", err.code)
    end
  end)

  it("gives what came before a fault to each way of reading it", function()
    local answer = { { "expect_until", "\r\n\r\n" }, { "send", corrupt } }
    local p <close> = peer.listen { records = false, script = { answer, answer, answer } }
    local function open() return assert(client:get(p.url .. "/", { stream = true })) end
    local list = {}
    local ok, raised = pcall(function()
      for line in open():lines() do list[#list + 1] = line end
    end)
    assert.same({ false, "decode" }, { ok, raised.code })
    assert.same({ "data: a", "", "data: b", "" }, list)
    local response <close> = open()
    assert.equal("data: a\n\ndata: b\n\n", response:read(1000))
    assert.equal("decode", select(3, response:read(1000)).code)
    list = {}
    ok, raised = pcall(function()
      for value in open():json_lines() do list[#list + 1] = value end
    end)
    assert.same({ false, "decode", 1 }, { ok, raised.code, raised.line })
  end)

  it("that is reset in the middle of an event", function()
    local list, err = collect(nil, start, { "send", "data: b" }, { "pause", 0.05 }, { "reset" })
    assert.same({ "a" }, list)
    assert.equal("closed", err.code)
  end)
end)
