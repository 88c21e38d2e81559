-- Bodies as streams of values: server-sent events and JSON lines, streamed and whole.

local sluice = require "sluice"
local support = require "spec.support"

local peer, json = support.peer, sluice.json

local request_head = { "expect_until", "\r\n\r\n" }

local function head(content_type, more)
  return ("HTTP/1.1 200 OK\r\n%s%s\r\n"):format(
    content_type and ("Content-Type: %s\r\n"):format(content_type) or "", more or "")
end

local EVENTS = head("text/event-stream", "Transfer-Encoding: chunked\r\n")
local LINES = head("application/x-ndjson", "Transfer-Encoding: chunked\r\n")

local function chunk(bytes) return ("%x\r\n%s\r\n"):format(#bytes, bytes) end

local END = "0\r\n\r\n"

describe("a body as a stream", function()
  local client

  support.verify_each(function(keep)
    client = keep(support.client { timeout = { first_byte = 60 } })
  end)

  local function serve(...)
    return peer.listen { script = { { request_head, ... } }, repeat_last = true }
  end

  -- What a loop gives, and what it raised.
  local function collect(response, method, options)
    local list = {}
    local ok, raised = pcall(function()
      for value in response[method](response, options) do list[#list + 1] = value end
    end)
    response:dispose()
    return list, not ok and raised or nil
  end

  local function get(p, is_streamed)
    return assert(client:get(p.url .. "/", { stream = is_streamed }))
  end

  -- ---- events ----

  local stream = "\239\187\191: hello\n\ndata: one\n\n"
    .. "event: tick\r\nid: 7\r\ndata: {\"n\":1}\r\n\r\n"
    .. "retry: 250\rdata: a\rdata: b\r\rdata\n\nid: 8\n\ndata: cut"

  local function check_events(list)
    assert.same({ type = "message", data = "one" }, list[1])
    assert.same({ type = "tick", id = "7", data = '{"n":1}' }, list[2])
    assert.same({ type = "message", id = "7", data = "a\nb", retry = 250 }, list[3])
    assert.same({ type = "message", id = "7", data = "" }, list[4])
    assert.equal(4, #list)
    assert.same({ n = 1 }, list[2]:json())
  end

  it("gives events, whole, in pieces and byte by byte, in every style", function()
    local body = chunk(stream) .. END
    for _, call in support.each_style(sluice) do
      for _, step in ipairs {
        { "send", EVENTS .. body },
        { "cut", EVENTS .. chunk(stream:sub(1, 40)) .. chunk(stream:sub(41)) .. END, 150, 0.001 },
        { "dribble", EVENTS .. body, 1, 0 },
      } do
        local p <close> = serve(step)
        for _, is_streamed in ipairs { true, false } do
          local list, raised = call(collect, get(p, is_streamed), "events")
          assert.is_nil(raised)
          check_events(list)
        end
      end
    end
  end)

  it("gives the answer to a POST in events", function()
    local p <close> = serve({ "expect_until", "}" },
      { "send", EVENTS .. chunk "data: x\n\n" .. END })
    local response = assert(client:post(p.url .. "/", { json = { a = 1 }, stream = true }))
    assert.equal("x", collect(response, "events")[1].data)
  end)

  it("gives an event when its blank line has arrived, CR CR too", function()
    local p <close> = serve({ "send", EVENTS .. chunk "data: x\r\r" }, { "hold" },
      { "send", chunk "\ndata: y\r\n\r\n" .. END })
    local list, response = {}, get(p, true)
    for event in response:events() do
      list[#list + 1] = event.data
      p:signal(1)
    end
    assert.same({ "x", "y" }, list)
    response:dispose()
  end)

  it("says what the end cut off, and which ID and retry came last", function()
    local p <close> = serve { "send", EVENTS .. chunk(stream) .. END }
    for _, is_streamed in ipairs { true, false } do
      local response = get(p, is_streamed)
      local events = response:events()
      for _ in events do end -- luacheck: ignore
      assert.equal("8", events.last_id)
      assert.equal(250, events.retry)
      assert.equal(9, events.unfinished)
      assert.is_nil(events())
      events:close()
      assert.error_matches(events, "use of closed")
      assert.error_matches(function() events:next() end, "use of closed")
      assert.equal("8", events.last_id)
      assert.equal(9, events.unfinished)
      assert.equal("sluice.events (closed)", tostring(events))
      response:dispose()
    end
  end)

  it("gives all events before a failure, then raises it", function()
    for _, last in ipairs { "close", "reset" } do
      local p <close> = serve({ "send", EVENTS .. chunk "data: x\n\ndata: y\n\ndata: z" },
        { "hold" }, { last })
      local list = {}
      local response = get(p, true)
      local ok, err = pcall(function()
        for event in response:events() do
          list[#list + 1] = event.data
          if #list == 2 then p:signal(1) end
        end
      end)
      assert.is_false(ok)
      assert.equal("closed", err.code)
      assert.same({ "x", "y" }, list)
      response:dispose()
    end
  end)

  it("returns a failure from next", function()
    local p <close> = serve({ "send", EVENTS .. chunk "data: x\n\n" }, { "close" })
    local response <close> = get(p, true)
    local events <close> = response:events()
    assert.equal("x", events:next().data)
    local event, message, err = events:next()
    assert.is_nil(event)
    assert.equal("closed", err.code)
    assert.equal(message, err.message)
  end)

  it("disposes the response when a loop is left early", function()
    local p <close> = serve({ "send", EVENTS .. chunk "data: x\n\ndata: y\n\n" }, { "stall" })
    local response = get(p, true)
    for event in response:events() do
      assert.equal("x", event.data)
      if event then break end
    end
    assert.error_matches(function() response:text() end, "use of disposed response")
  end)

  it("names what exceeds a limit, behind the events before it", function()
    local p <close> = serve(
      { "send", EVENTS .. chunk("data: x\n\n: c\ndata: " .. ("y"):rep(100)) }, { "stall" })
    for _, case in ipairs {
      { { max_line_size = 50 }, "line 4 is longer than 50 bytes %(max_line_size%)" },
      { { max_event_size = 60 }, "event 2 is not complete within 60 bytes %(max_event_size%)" },
    } do
      local list, err = collect(get(p, true), "events", case[1])
      assert.equal("x", list[1].data)
      assert.equal("limit", err.code)
      assert.equal("body", err.stage)
      assert.matches("^GET http://[^ ]+/: " .. case[2], err.message)
      client:close()
      client = support.client()
    end
  end)

  it("refuses a body of another type before it is read", function()
    for _, case in ipairs {
      { "200 OK", "Content-Type: application/json", "status 200, application/json: no event" },
      { "401 No", "Content-Type: application/json", "status 401, application/json: no event" },
      { "503 No", "Content-Type: text/plain", "status 503, text/plain: no event stream" },
      { "503 No", "A: b", "status 503, without Content%-Type: no event stream" },
    } do
      local p <close> = serve { "send",
        ("HTTP/1.1 %s\r\n%s\r\nContent-Length: 2\r\n\r\n{}"):format(case[1], case[2]) }
      for _, is_streamed in ipairs { true, false } do
        local response <close> = get(p, is_streamed)
        local ok, err = pcall(response.events, response)
        assert.is_false(ok)
        assert.equal("unsupported", err.code)
        assert.matches(case[3], err.message)
        assert.equal("{}", response:text())
      end
    end
  end)

  it("takes a body of a type that says nothing, and any that is an event stream", function()
    for _, case in ipairs {
      { "200 OK", "A: b" }, { "200 OK", "Content-Type: text/plain; charset=utf-8" },
      { "200 OK", "Content-Type: Text/Event-Stream;charset=UTF-8" },
      { "400 No", "Content-Type: text/event-stream" },
    } do
      local p <close> = serve { "send",
        ("HTTP/1.1 %s\r\n%s\r\nContent-Length: 9\r\n\r\ndata: x\n\n"):format(case[1], case[2]) }
      assert.equal("x", collect(get(p, true), "events")[1].data)
    end
  end)

  it("waits without an idle deadline, unless one is given", function()
    local p <close> = serve({ "send", EVENTS .. chunk "data: x\n\n" }, { "stall" })
    for _, options in ipairs {
      { stream = true, timeout = { idle = 0.2 } }, { stream = true, timeout = { total = 0.5 } },
    } do
      local list, err = collect(assert(client:get(p.url .. "/", options)), "events")
      assert.equal(1, #list)
      assert.equal("timeout", err.code)
    end
    local response = assert(client:get(p.url .. "/",
      { stream = true, timeout = { first_byte = 0.05 } }))
    local list = {}
    local task = sluice.spawn(function()
      for event in response:events() do list[#list + 1] = event.data end
    end)
    local deadline = support.system.clock() + 20
    -- The timer of the first byte fires once more, and finds no other deadline.
    repeat sluice.loop():step(0.01)
    until list[1] and sluice.stats().timers == 0 or support.system.clock() > deadline
    assert.same({ "x" }, list)
    assert.equal(0, sluice.stats().timers)
    task:cancel()
    local ok, err = pcall(task.await, task)
    assert.is_false(ok)
    assert.equal("cancelled", err.code)
    response:dispose()
  end)

  it("checks its options, and that the response is live", function()
    local p <close> = serve { "send", EVENTS .. END }
    local response = get(p, true)
    assert.error_matches(function() response:events { max_line = 1 } end,
      "events: unknown option 'max_line'")
    assert.error_matches(function() response:events { max_line_size = 0 } end,
      "events: option 'max_line_size': integer above zero expected, got 0")
    local _, raised = pcall(function() response:json_lines(7) end)
    assert.matches("^%S*streams_spec.lua:%d+: json_lines: table of options expected, got number$",
      raised)
    response:dispose()
    assert.error_matches(function() response:events() end, "use of disposed response")
  end)

  it("names an event whose data is no JSON", function()
    local p <close> = serve { "send", EVENTS .. chunk "event: tick\ndata: {oops}\n\n" .. END }
    local event = collect(get(p, true), "events")[1]
    local value, message, err = event:json()
    assert.is_nil(value)
    assert.matches("event 'tick': decode JSON: byte 2: .*; its data begins with \"{oops}\"",
      message)
    assert.equal("decode", err.code)
    assert.equal(2, err.position)
    local ok, raised = pcall(function() event.json() end)
    assert.is_false(ok)
    assert.matches("streams_spec.lua:%d+: json: called without an event: write event:json%(%)",
      raised)
  end)

  -- What each function raises, at its own line.
  local function check_misuse(cases)
    for message, misuse in pairs(cases) do
      local ok, raised = pcall(misuse)
      local line = debug.getinfo(misuse, "S").linedefined
      assert.is_false(ok, message)
      assert.equal(("./spec/lua/streams_spec.lua:%d: %s"):format(line, message),
        (raised:gsub("^spec", "./spec")))
    end
  end

  it("names what was written wrong with a loop over events", function()
    local p <close> = serve { "send", EVENTS .. chunk(stream) .. END }
    for _, is_streamed in ipairs { true, false } do
      local response <close> = get(p, is_streamed)
      local events <close> = response:events()
      check_misuse {
        ["next: called without a loop: write events:next(), with a colon"] =
          function() for _ in events.next do break end end, -- luacheck: ignore
        ["close: called without a loop: write events:close(), with a colon"] =
          function() events.close() end,
        ["attempt to concatenate a sluice.events value (upvalue 'events')"] =
          function() return "got " .. events end,
        ["attempt to compare two sluice.events values"] = function() return events < events end,
        ["attempt to index a sluice.events value (upvalue 'events')"] =
          function() events.last_id = "8" end,
        ["events: called without a response: write response:events(...), with a colon"] =
          function() for _ in response.events do break end end, -- luacheck: ignore
      }
      local keys = "sluice.events is a loop, without keys or elements: write "
        .. "`for event in events do`"
      for _, misuse in ipairs {
        function() for _ in pairs(events) do break end end, -- luacheck: ignore
        function() for _ in ipairs(events) do break end end, -- luacheck: ignore
        function() return events[1] .. "" end,
      } do
        check_misuse { [keys] = misuse }
      end
      assert.is_nil(events[{}])
      assert.is_nil(events.text)
      assert.equal("one", events:next().data)
    end
  end)

  it("names what was written wrong with a loop over JSON lines", function()
    local p <close> = serve { "send", LINES .. chunk "1\n2\n" .. END }
    local response <close> = get(p, true)
    local _, _, _, records <close> = response:json_lines()
    assert.equal("sluice.json_lines", tostring(records))
    check_misuse {
      ["attempt to concatenate a sluice.json_lines value (upvalue 'records')"] =
        function() return "got " .. records end,
      ["sluice.json_lines is a loop, without keys or elements: write `for value in "
        .. "response:json_lines() do`"] = function() return records[1] .. "" end,
      ["json_lines: called without a response: write response:json_lines(...), with a colon"] =
        function() for _ in response.json_lines do break end end, -- luacheck: ignore
    }
  end)

  it("lets other tasks run while a flood of comments comes", function()
    local flood = chunk((": c\n"):rep(16384))
    local p <close> = serve({ "send", EVENTS }, { "send_repeat", flood, 64 },
      { "send", chunk "data: x\n\n" .. END })
    local turns, is_over = 0, false
    sluice.run(function()
      sluice.spawn(function()
        while not is_over do
          turns = turns + 1
          coroutine.yield()
        end
      end)
      assert.equal("x", collect(get(p, true), "events")[1].data)
      is_over = true
    end)
    assert.is_true(turns > 4, turns)
  end)

  it("makes no garbage beside the events, whether they wait or not", function()
    local COUNT, parts = 2000, {}
    local text = ("x"):rep(190)
    for i = 1, COUNT do parts[i] = ("data: %s%04d\n\n"):format(text, i) end
    local tokens = table.concat(parts)
    -- Kilobytes that f needs while nothing is collected.
    local function grown(f)
      collectgarbage()
      collectgarbage "stop"
      local at_first = collectgarbage "count"
      f()
      local size = collectgarbage "count" - at_first
      collectgarbage "restart"
      return size
    end
    local meta = { __index = {} }
    local least = grown(function()
      local kept -- luacheck: ignore
      for i = 1, COUNT do
        kept = setmetatable({ type = "message", data = tokens:sub(i, i + 193) }, meta)
      end
    end)
    for _, step in ipairs { { "send", tokens }, { "dribble", tokens, #parts[1], 0 } } do
      local p <close> = serve({ "send", head("text/event-stream") }, step, { "close" })
      local response <close> = get(p, true)
      local count = 0
      local events <close> = response:events()
      local size = grown(function() for _ in events do count = count + 1 end end)
      assert.equal(COUNT, count)
      assert.is_true(size < least * 1.02 + 4, ("%.0f of %.0f KiB"):format(size, least))
    end
  end)

  -- ---- JSON lines ----

  it("gives the values of JSON lines, whole and byte by byte", function()
    local lines = '{"a":1}\n\n[2,3]\r\nnull\n"\\n"\n 7 \n{"last":true}'
    for _, step in ipairs {
      { "send", LINES .. chunk(lines) .. END }, { "dribble", LINES .. chunk(lines) .. END, 1, 0 },
    } do
      local p <close> = serve(step)
      for _, is_streamed in ipairs { true, false } do
        local list, raised = collect(get(p, is_streamed), "json_lines")
        assert.is_nil(raised)
        assert.same({ { a = 1 }, { 2, 3 }, json.null, "\n", 7, { last = true } }, list)
      end
    end
  end)

  it("gives the values of a JSON text sequence", function()
    local p <close> = serve { "send", head("application/json-seq")
      .. "\30{\n\"a\": 1}\n\30[2,\n3]\n\30\"x\"\30true\n", }
    local list, raised = collect(get(p, true), "json_lines")
    assert.is_nil(raised)
    assert.same({ { a = 1 }, { 2, 3 }, "x", true }, list)
  end)

  it("names the line that is no JSON, behind the values before it", function()
    for _, case in ipairs {
      { "1\n\n{\"a\" 2}\n3\n", 3, "line 3: decode JSON: byte 6: " },
      { "1\n[2", 2, "line 2: decode JSON: byte 3: " },
      { "\0301\n\0302\0303\n", 2, "record 2: cut off: 2" },
    } do
      local p <close> = serve { "send", LINES .. chunk(case[1]) .. END }
      for _, is_streamed in ipairs { true, false } do
        local list, err = collect(get(p, is_streamed), "json_lines")
        assert.same({ 1 }, list)
        assert.equal("decode", err.code)
        assert.equal(case[2], err.line)
        assert.matches("^GET http://[^ ]+/: " .. case[3], err.message)
      end
    end
  end)

  it("says which status the answer has whose body is no JSON", function()
    local p <close> = serve { "send", "HTTP/1.1 502 Bad\r\nContent-Length: 6\r\n\r\n<html>" }
    local list, err = collect(get(p, true), "json_lines")
    assert.same({}, list)
    assert.matches("^GET http://[^ ]+/: status 502: line 1: decode JSON: byte 1: ", err.message)
  end)

  it("limits a line", function()
    local p <close> = serve({ "send", LINES .. chunk("1\n" .. ("2"):rep(100)) }, { "stall" })
    local list, err = collect(get(p, true), "json_lines", { max_line_size = 50 })
    assert.same({ 1 }, list)
    assert.equal("limit", err.code)
    assert.matches("line 2 is longer than 50 bytes %(max_line_size%)", err.message)
  end)

  it("does not take a line that a failure cut off for a value", function()
    local p <close> = serve({ "send", LINES .. chunk "1\n23" }, { "close" })
    local list, err = collect(get(p, true), "json_lines")
    assert.same({ 1 }, list)
    assert.equal("closed", err.code)
  end)
end)
