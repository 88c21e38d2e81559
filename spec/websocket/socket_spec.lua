-- A socket once it is open: messages both ways, senders in order, its end from either side, and
-- coroutines that give up.

local core = require "sluice.core"
local sluice = require "sluice"
local support = require "spec.support"
local peer = support.peer

-- RFC 6455 1.3
local KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
local SWITCH = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
  .. "Sec-WebSocket-Accept: " .. ACCEPT .. "\r\n\r\n"

local request_head = { "expect_until", "\r\n\r\n" }
-- What a client's masked frame has before its payload, if that has fewer than 126 bytes.
local MASKED = 6

local function text(bytes) return "\x81" .. string.char(#bytes) .. bytes end
local function close(code, reason)
  reason = reason or ""
  return "\x88" .. string.char(2 + #reason) .. (">I2"):pack(code) .. reason
end

describe("a socket", function()
  local before, client, real_key, socket, server

  before_each(function()
    before = support.snapshot(sluice)
    client = support.client()
    real_key = core.websocket_key
    core.websocket_key = function() return KEY end
  end)

  after_each(function()
    core.websocket_key = real_key
    if socket then socket:dispose() end
    if server then server:stop() end
    socket, server = nil, nil
    client:close()
    support.verify(sluice, before)
  end)

  -- Opens one to a peer that goes on with these steps.
  local function open(steps, options, listening)
    local script = { request_head, { "send", SWITCH } }
    for _, step in ipairs(steps) do script[#script + 1] = step end
    listening = listening or {}
    listening.script = { script }
    server = peer.listen(listening)
    local err
    socket, err = client:websocket(("ws://%s:%d/"):format(server.host, server.port), options)
    assert(socket, err)
    return socket
  end

  -- What the peer got behind the handshake, as events: "text hello", "ping x", "close 1000 why".
  local function received()
    local bytes = server:received(1)
    local parser <close> = sluice.ws_parser { role = "server" }
    parser:feed(bytes:sub(select(2, bytes:find("\r\n\r\n", 1, true)) + 1))
    local events = {}
    for event in parser:events() do
      local message <close> = type(event) == "userdata" and event or nil -- luacheck: ignore
      if message then
        events[#events + 1] = event.type .. " " .. event:text()
      elseif event.type == "close" then
        events[#events + 1] = ("close %d %s"):format(event.code, event.reason)
      else
        events[#events + 1] = event.type .. " " .. event.payload
      end
    end
    return events
  end

  local function next_text(timeout)
    local message <close> = assert(socket:receive(timeout or 20))
    return message.type .. " " .. message:text()
  end

  describe("receives", function()
    it("text and binary messages, fragments joined", function()
      open { { "send", text "one" .. "\x02\x01a\x89\x00\x80\x02bc" .. text "" }, { "stall" } }
      assert.equal("text one", next_text())
      assert.equal("binary abc", next_text())
      assert.equal("text ", next_text())
    end)

    it("in time, or says that there is nothing yet", function()
      open { { "hold" }, { "send", text "late" }, { "stall" } }
      local message, why, err = socket:receive(0.01)
      assert.same({ nil, "timeout" }, { message, why })
      assert.same({ "timeout", "websocket", nil }, { err.code, err.stage, err.close_code })
      assert.matches("^receive from ws://127.0.0.1:%d+/: no message within 0.01 s$", err.message)
      assert.same({ nil, "timeout" }, { socket:receive(0), (select(2, socket:receive(0))) })
      server:signal()
      assert.equal("text late", next_text())
    end)

    for _, timeout in ipairs { 0, 1e-9 } do
      it(("what comes while a program does nothing but ask for %g s"):format(timeout), function()
        open { { "hold" }, { "send", text "late" }, { "stall" } }
        local message, why = socket:receive(timeout)
        assert.same({ nil, "timeout" }, { message, why })
        server:signal()
        local ends = os.time() + 20
        repeat message = socket:receive(timeout) until message or os.time() > ends
        assert.equal("late", message and message:text())
        message:dispose()
      end)
    end

    it("for one coroutine at a time", function()
      open { { "hold" }, { "send", text "x" }, { "stall" } }
      local task = sluice.spawn(next_text)
      sluice.sleep(0)
      local ok, message = pcall(socket.receive, socket)
      assert.is_false(ok)
      assert.matches("another coroutine receives already", message)
      server:signal()
      assert.equal("text x", task:await())
    end)

    it("while others run, though a message is always there", function()
      open { { "send_repeat", text "x", 1000 }, { "stall" } }
      local turns, is_over = 0, false
      sluice.spawn(function()
        while not is_over do
          turns = turns + 1
          sluice.sleep(0)
        end
      end)
      sluice.spawn(function()
        for _ = 1, 1000 do socket:receive():dispose() end
        is_over = true
      end):await()
      assert.is_true(turns >= 10, turns)
    end)

    it("no more than its queue holds, until the program takes some", function()
      open({ { "send_repeat", text(("x"):rep(100)), 200000 }, { "stall" } },
        { queue = { messages = 10, bytes = 1 << 20 } })
      sluice.sleep(0.05)
      local held = sluice.stats().bytes
      assert.is_true(held < 1 << 20, held)
      for _ = 1, 2000 do socket:receive():dispose() end
      assert.equal("open", socket.state)
    end)

    it("what came before a failure, then the failure", function()
      open { { "send", text "good" .. "\x81\x02\xc3\x28" }, { "stall" } }
      assert.equal("text good", next_text())
      for _ = 1, 2 do
        local message, why, err = socket:receive(20)
        assert.is_nil(message)
        assert.equal(err.message, why)
        assert.same({ "decode", "websocket", 1007 }, { err.code, err.stage, err.close_code })
        assert.matches("^websocket ws://[%d.:]+/: text is not UTF%-8$", why)
      end
      assert.same({ "closed", 1007 }, { socket.state, socket.close_code })
      local ok, why = socket:send "x"
      assert.is_nil(ok)
      assert.matches("text is not UTF%-8$", why)
    end)

    it("no message larger than max_message_size", function()
      open({ { "send", "\x82\x7e\x04\x01" }, { "stall" } }, { max_message_size = 1024 })
      local message, why, err = socket:receive(20)
      assert.same({ nil, "limit", 1009 }, { message, err.code, err.close_code })
      assert.matches("exceeds 1024 bytes %(max_message_size%)$", why)
    end)
  end)

  describe("sends", function()
    local lines = "0123456789\n"

    it("strings, sequences and leases", function()
      open { { "read", MASKED * 5 + 4 + 3 * #lines }, { "send", text "done" }, { "stall" } }
      local buffer <close> = sluice.buffer():append(lines)
      local lease = sluice.buffer():append(lines):detach()
      assert.is_true(socket:send "text")
      assert.is_true(socket:send(lines, "binary"))
      local sequence = buffer:sequence()
      assert.is_true(socket:send_text(sequence))
      assert.is_true(socket:send_binary(lease))
      assert.is_true(socket:send "")
      sequence:dispose()
      assert.error_matches(function() lease:dispose() end, "use of disposed lease")
      assert.equal("text done", next_text())
      assert.same({ "text text", "binary " .. lines, "text " .. lines, "binary " .. lines,
        "text " }, received())
    end)

    it("what a function gives, or a reader, in fragments", function()
      open { { "read", 4 * MASKED + 6 + 3 * MASKED + 8 + 65536 + 100 }, { "send", text "done" },
        { "stall" } }
      local pieces = { "ab", "", "cd", "ef" }
      local function next_piece() return table.remove(pieces, 1) end
      assert.is_true(socket:send(next_piece))
      local long = ("x"):rep(65536 + 100)
      local buffer <close> = sluice.buffer():append(long)
      local sequence = buffer:sequence()
      assert.is_true(socket:send(sequence:reader(), "binary"))
      sequence:dispose()
      assert.equal("text done", next_text())
      local events = received()
      assert.equal("text abcdef", events[1])
      assert.is_true(events[2] == "binary " .. long)
    end)

    it("for several tasks in order, while one receives", function()
      local large = ("y"):rep(8 << 20) -- more than the kernel keeps
      local bytes = #large + 14 + 5 * (MASKED + 1)
      open({ { "send", text "go" }, { "hold" }, { "read", bytes }, { "send", text "done" },
        { "stall" } }, nil, { receive_buffer = 4096 })
      local receiving = sluice.spawn(function() return next_text() .. next_text() end)
      local tasks = { sluice.spawn(socket.send, socket, large) }
      for i = 1, 5 do tasks[i + 1] = sluice.spawn(socket.send, socket, tostring(i)) end
      sluice.sleep(0.02)
      assert.not_equal("done", tasks[2]:status())
      server:signal()
      for _, task in ipairs(tasks) do assert.is_true(task:await()) end
      assert.equal("text gotext done", receiving:await())
      local events = received()
      assert.is_true(table.remove(events, 1) == "text " .. large)
      assert.same({ "text 1", "text 2", "text 3", "text 4", "text 5" }, events)
    end)

    it("only what it can send", function()
      open { { "stall" } }
      for words, call in pairs {
        ["text is not UTF-8"] = function() socket:send "\xff" end,
        ['text is not UTF-8; other bytes are sent as "binary"'] =
          function() socket:send_text "\xff" end,
        ['type: "text" or "binary" expected, got json'] = function() socket:send("x", "json") end,
        ["string, sequence, lease, function or reader expected, got number"] =
          function() socket:send(12) end,
        ["called without a socket"] = function() socket.send("x", "y") end,
      } do
        local ok, raised = pcall(call)
        assert.is_false(ok)
        assert.match("socket_spec.lua:%d+: send: ", raised)
        assert.match(words, raised, 1, true)
      end
      for words, call in pairs {
        ["ping: payload: at most 125 bytes"] = function() socket:ping(("x"):rep(126)) end,
        ["ping: payload: string expected, got table"] = function() socket:ping {} end,
        ["close: code 1005 may not be sent"] = function() socket:close(1005) end,
        ["close: code: integer expected, got string"] = function() socket:close "done" end,
        ["close: reason: UTF%-8 of at most 123 bytes"] =
          function() socket:close(1000, ("x"):rep(124)) end,
        ["close: reason: string expected, got table"] = function() socket:close(1000, {}) end,
      } do
        local _, raised = pcall(call)
        assert.match("socket_spec.lua:%d+: " .. words, raised)
      end
      assert.equal("open", socket.state)
    end)

    it("nothing more when the function of a message raises: it ends with 1011", function()
      open { { "read", MASKED + 2 }, { "discard" } }
      local calls = 0
      local ok, message = pcall(socket.send, socket, function()
        calls = calls + 1
        if calls == 2 then error("on purpose", 0) end
        return "ab"
      end)
      assert.same({ false, "on purpose" }, { ok, message })
      local got, why, err = socket:receive(20)
      assert.same({ nil, "cancelled", 1011 }, { got, err.code, err.close_code })
      assert.matches("a send ended in the middle of its message$", why)
    end)

    it("on, when the function raises before anything was sent", function()
      open { { "read", MASKED + 2 }, { "send", text "ok" }, { "stall" } }
      assert.is_false((pcall(socket.send, socket, function() error "on purpose" end)))
      assert.is_true(socket:send "ab")
      assert.equal("text ok", next_text())
    end)

    it("pings, and answers those of the peer", function()
      open { { "send", "\x89\x03abc" }, { "read", 3 * MASKED + 3 + 4 }, { "send", text "done" },
        { "stall" } }
      sluice.sleep(0.01)
      assert.is_true(socket:ping "mine")
      assert.is_true(socket:send "")
      assert.equal("text done", next_text())
      local events = received()
      table.sort(events)
      assert.same({ "ping mine", "pong abc", "text " }, events)
    end)
  end)

  describe("ends", function()
    it("by its own Close", function()
      open { { "read", 2 * MASKED + 2 + 3 }, { "send", text "last" .. close(1000, "fine") } }
      assert.is_true(socket:send "")
      assert.is_true(socket:close(3000, "bye"))
      assert.same({ "closed", 1000, "fine" },
        { socket.state, socket.close_code, socket.close_reason })
      assert.same({ "text ", "close 3000 bye" }, received())
      assert.equal("text last", next_text())
      local message, why, err = socket:receive()
      assert.same({ nil, "closed", "closed", 1000, "fine" },
        { message, why, err.code, err.close_code, err.close_reason })
      local ok, reason = socket:send "x"
      assert.same({ nil, "closed" }, { ok, reason })
      assert.is_true(socket:close())
    end)

    it("by the peer's Close, behind the messages before it", function()
      open { { "send", text "a" .. text "b" .. close(1001, "away") }, { "read", MASKED + 2 } }
      local texts = {}
      for message in socket:messages() do
        texts[#texts + 1] = message:text()
        message:dispose()
      end
      assert.same({ "a", "b" }, texts)
      assert.same({ "closed", 1001, "away" },
        { socket.state, socket.close_code, socket.close_reason })
      assert.is_true(socket:close())
      assert.same({ "close 1001 " }, received())
    end)

    it("by a Close without a code", function()
      open { { "send", "\x88\x00" }, { "read", MASKED } }
      local _, why, err = socket:receive(20)
      assert.same({ "closed", 1005, "" }, { why, err.close_code, err.close_reason })
    end)

    it("without a Close", function()
      for _, ending in ipairs { "close", "reset" } do
        open { { "send", text "a" }, { "hold" }, { ending } }
        assert.equal("text a", next_text())
        server:signal()
        local _, why, err = socket:receive(20)
        assert.same({ "closed", "closed", 1006 }, { why, err.code, err.close_code })
        assert.error_matches(function() socket:messages()() end, "^websocket ws://")
        socket:dispose()
        server:stop()
      end
    end)

    it("when the peer sends no more, though it reads on", function()
      open { { "send", text "a" }, { "shutdown" }, { "discard" } }
      assert.equal("text a", next_text())
      local _, why, err = socket:receive(20)
      assert.same({ "closed", "closed", 1006 }, { why, err.code, err.close_code })
      assert.matches("connection closed without a Close frame", err.message)
      local sent
      sent, why = socket:send "b"
      assert.same({ nil, "closed" }, { sent, why })
    end)

    it("in time, when the peer does not answer its Close", function()
      open({ { "stall" } }, { close_timeout = 0.05 })
      local ok, why, err = socket:close()
      assert.same({ nil, "closed", 1006 }, { ok, why, err.close_code })
      assert.matches("no Close frame within 0.05 s %(close_timeout%)$", err.message)
    end)

    it("when the peer is silent, and answers no ping", function()
      open({ { "stall" } }, { ping_interval = 0.02, pong_timeout = 0.02 })
      local _, why, err = socket:receive(20)
      assert.same({ "closed", 1006 }, { why, err.close_code })
      assert.matches("no pong within 0.02 s %(pong_timeout%)$", err.message)
    end)

    it("when no message comes for its idle_timeout, though the peer pings", function()
      local steps = {}
      for i = 1, 200, 2 do steps[i], steps[i + 1] = { "send", "\x89\0" }, { "pause", 0.01 } end
      steps[#steps + 1] = { "discard" }
      open(steps, { idle_timeout = 0.05 })
      local _, why, err = socket:receive(20)
      assert.same({ "closed", 1001 }, { why, err.close_code })
      assert.matches("no message for 0.05 s %(idle_timeout%)$", err.message)
    end)

    it("at once by dispose, with a goodbye", function()
      open { { "discard" } }
      local waiting = sluice.spawn(function() return select(2, socket:receive()) end)
      sluice.sleep(0)
      socket:dispose()
      socket:dispose()
      assert.equal("closed", waiting:await())
      assert.equal("closed", socket.state)
      assert.error_matches(function() socket:send "x" end, "use of disposed websocket")
      assert.error_matches(function() socket:receive() end, "use of disposed websocket")
      assert.equal("sluice.websocket (closed)", tostring(socket))
    end)

    it("by dispose right behind a send, which loses nothing", function()
      open { { "read_all" } }
      for i = 1, 20 do assert.is_true(socket:send(("x"):rep(i))) end
      socket:dispose()
      server:wait("idle", 1, 20)
      local events = received()
      assert.equal("close 1000 ", table.remove(events))
      assert.equal("text " .. ("x"):rep(20), events[20])
      assert.same({}, server:failures())
    end)

    it("when it is collected, which counts as a leak", function()
      open { { "read_all" } }
      socket = nil
      collectgarbage()
      collectgarbage()
      server:wait("idle", 1, 20)
      assert.same({ "close 1001 " }, received())
      assert.equal(before.leaked + 1, sluice.stats().leaked)
      before.leaked = before.leaked + 1
    end)

    it("when its variable goes out of scope", function()
      open { { "read_all" } }
      do
        local scoped <close> = socket -- luacheck: ignore
      end
      server:wait("idle", 1, 20)
      assert.same({ "close 1000 " }, received())
    end)
  end)

  describe("goes on", function()
    it("when a coroutine gives up its receive", function()
      open { { "hold" }, { "send", text "x" }, { "stall" } }
      local thread = coroutine.create(function() socket:receive() end)
      coroutine.resume(thread)
      coroutine.close(thread)
      local task = sluice.spawn(function() return select(2, socket:receive()) end)
      sluice.sleep(0)
      task:cancel "no more"
      assert.matches("cancelled: no more$", task:await())
      server:signal()
      assert.equal("text x", next_text())
    end)

    it("when one gives up a send of which nothing has left", function()
      local large = ("y"):rep(8 << 20)
      open({ { "hold" }, { "read", #large + 14 + MASKED + 4 }, { "send", text "done" },
        { "stall" } }, nil, { receive_buffer = 4096 })
      local first = sluice.spawn(socket.send, socket, large)
      local second = coroutine.create(function() socket:send "never" end)
      local third = sluice.spawn(socket.send, socket, "last")
      sluice.sleep(0)
      coroutine.resume(second)
      coroutine.close(second)
      server:signal()
      assert.is_true(first:await())
      assert.is_true(third:await())
      assert.equal("text done", next_text())
      local events = received()
      assert.is_true(table.remove(events, 1) == "text " .. large)
      assert.same({ "text last" }, events)
    end)

    it("when a task is cancelled before it sends", function()
      open({ { "read", MASKED + 4 }, { "send", text "done" }, { "stall" } })
      local task
      task = sluice.spawn(function()
        local codes = {}
        for i, send in ipairs {
          function() return socket:send "never" end,
          function() return socket:send(function() return "never" end) end,
        } do
          task:cancel()
          codes[i] = select(3, send()).code
        end
        assert.is_true(socket:send "last")
        return codes
      end)
      assert.same({ "cancelled", "cancelled" }, task:await())
      assert.equal("text done", next_text())
      assert.same({ "text last" }, received())
    end)

    it("to its end when one gives up a send in the middle", function()
      local large = ("y"):rep(8 << 20)
      open({ { "stall" } }, nil, { receive_buffer = 4096 })
      local thread = coroutine.create(function() socket:send(large) end)
      coroutine.resume(thread)
      sluice.sleep(0.01)
      coroutine.close(thread)
      local _, why, err = socket:receive(20)
      assert.same({ "cancelled", 1006 }, { err.code, err.close_code })
      assert.matches("a send ended in the middle of its message$", why)
    end)
  end)
end)
