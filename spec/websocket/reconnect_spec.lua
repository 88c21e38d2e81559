-- The option `reconnect`: a socket that is opened again when its connection is lost.

local failure = require "sluice.failure"
local reconnect = require "sluice.websocket.reconnect"
local sluice = require "sluice"
local support = require "spec.support"
local peer = support.peer

local request_head = { "expect_until", "\r\n\r\n" }
local its_close = { "read", 8 }

local function text(bytes) return "\x81" .. string.char(#bytes) .. bytes end
local function close(code, reason)
  reason = reason or ""
  return "\x88" .. string.char(2 + #reason) .. (">I2"):pack(code) .. reason
end

describe("a socket that reconnects", function()
  local client, states

  support.verify_each(function(keep)
    client = keep(support.client())
    states = {}
  end)

  local function note(state) states[#states + 1] = state end

  -- Opens one with short waits.
  local function open(p, changes)
    local option = { delay = 0.001, on_state = note }
    for name, value in pairs(changes or {}) do option[name] = value end
    return client:websocket(("ws://%s:%d/"):format(p.host, p.port), { reconnect = option })
  end

  -- The script of a connection: the handshake, then these steps.
  local function talk(...) return { { "accept" }, ... } end

  local function receive(socket)
    local message <close> = assert(socket:receive(20))
    return message:text()
  end

  it("goes on over another connection, after what came over the first", function()
    local endings = {
      { { "reset" } }, { { "close" } }, { { "send", close(1001) }, its_close },
      { { "send", close(1011) }, its_close },
    }
    for _, ending in ipairs(endings) do
      states = {}
      local p <close> = peer.listen { script = {
        talk({ "send", text "one" .. text "two" }, table.unpack(ending)),
        talk({ "send", text "three" }, its_close, { "send", close(1000) }) } }
      local socket <close> = assert(open(p))
      local got = { receive(socket) }
      if ending[1][1] ~= "reset" then got[2] = receive(socket) end
      assert.same(ending[1][1] ~= "reset" and { "one", "two" } or { "one" }, got)
      repeat local last = receive(socket) until last == "three"
      assert.same({ "open", "waiting", "connecting", "open" }, states)
      assert.equal("open", socket.state)
      assert.is_true(socket:close())
      assert.is_nil(socket:receive())
      assert.equal("closed", socket.state)
      assert.equal(1000, socket.close_code)
      assert.equal("closed", states[5])
      assert.is_nil(states[6])
    end
  end)

  it("says so in the words of a socket if no message comes while it is down", function()
    local p <close> = peer.listen { script = { talk { "close" } } }
    local socket <close> = assert(open(p, { delay = 100, max_delay = 100 }))
    for _, timeout in ipairs { 0.02, 0, 0.01 } do
      local message, why, err = socket:receive(timeout)
      assert.same({ nil, "timeout", "timeout" }, { message, why, err.code })
      assert.matches("^receive from ws://127.0.0.1:%d+/: no message within [%d.]+ s$", err.message)
    end
    assert.equal("waiting", socket.state)
  end)

  it("applies the timeout of receive to all connections together", function()
    local p <close> = peer.listen { script = { talk { "close" }, talk { "read_all" } } }
    local socket <close> = assert(open(p))
    for _ = 1, 2 do -- over both, and over the second one alone
      local message, _, err = socket:receive(0.2)
      assert.is_nil(message)
      assert.equal("timeout", err.code)
    end
    assert.equal("open", socket.state)
    assert.equal(2, p:connections())
  end)

  -- Raises unless misuse is raised, with the line of the program in front.
  local function check_misuse(socket)
    for words, call in pairs {
      ["receive: timeout: number of seconds, not negative expected, got string"] =
        function() socket:receive "soon" end,
      ["receive: timeout: number of seconds, not negative expected, got %-1"] =
        function() socket:receive(-1) end,
      ["send: string, sequence, lease, function or reader expected, got number"] =
        function() socket:send(7) end,
      ["send: string, sequence, lease, function or reader expected, got table"] =
        function() socket:send {} end,
      ["send: type: \"text\" or \"binary\" expected, got json"] =
        function() socket:send("x", "json") end,
      ["send: text is not UTF%-8"] = function() socket:send_text "\xff" end,
      ["ping: payload: string expected, got table"] = function() socket:ping {} end,
      ["close: code 1005 may not be sent"] = function() socket:close(1005) end,
    } do
      local ok, raised = pcall(call)
      assert.is_false(ok)
      assert.match("reconnect_spec.lua:%d+: " .. words, raised)
    end
  end

  it("names the line of misuse", function()
    local p <close> = peer.listen { script = { talk { "stall" } } }
    local socket <close> = assert(open(p))
    check_misuse(socket)
    assert.equal("open", socket.state)
    socket:dispose()
    for name, argument in pairs { send = "x", receive = 0, ping = "x", close = 1000 } do
      local ok, raised = pcall(function() socket[name](socket, argument) end)
      assert.is_false(ok)
      assert.match("reconnect_spec.lua:%d+: use of disposed websocket", raised)
    end
  end)

  it("says which side has closed it", function()
    local p <close> = peer.listen { script = { talk(its_close, { "send", close(1000) }) } }
    local socket <close> = assert(open(p))
    assert(socket:close())
    local _, _, err = socket:receive()
    assert.match("closed by this side, the peer answered with code 1000", err.message, 1, true)
  end)

  it("ends by any other close code", function()
    for _, code in ipairs { 1000, 1002, 1008, 3000 } do
      local p <close> = peer.listen { script = { talk({ "send", close(code, "so") }, its_close) } }
      local socket <close> = assert(open(p))
      local message, closed, err = socket:receive(20)
      assert.is_nil(message)
      assert.equal("closed", closed)
      assert.equal(code, err.close_code)
      assert.equal("so", socket.close_reason)
      assert.equal("closed", socket.state)
      assert.is_nil(socket:send "x")
      assert.is_nil(socket:receive())
      assert.equal(1, p:connections())
    end
  end)

  it("ends by the codes that were asked for", function()
    local p <close> = peer.listen { script = { talk({ "send", close(4000) }, its_close),
      talk({ "send", close(1001) }, its_close) } }
    local socket <close> = assert(open(p, { codes = { 4000 } }))
    local _, _, err = socket:receive(20)
    assert.equal(1001, err.close_code)
    assert.equal(2, p:connections())
  end)

  it("gives up when its tries are used up, and says so", function()
    local p = peer.listen { script = { talk({ "close" }) } }
    local socket <close> = assert(open(p, { tries = 2 }))
    p:stop()
    local message, _, err = socket:receive(20)
    assert.is_nil(message)
    assert.equal("closed", err.code)
    assert.equal(1006, err.close_code)
    assert.equal("connect", err.cause.code)
    assert.matches("the connection was lost (close code 1006), and not opened again in 2 of 2 "
      .. "tries (reconnect.tries): connect 127.0.0.1", err.message, 1, true)
    assert.same({ "open", "waiting", "connecting", "waiting", "connecting", "closed" }, states)
    local _, again = socket:send "x"
    assert.equal(err.message, again)
  end)

  it("asks no server again that refuses it for good", function()
    local p <close> = peer.listen { script = { talk({ "close" }),
      { request_head, { "send", "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n" } },
      { request_head, { "send", "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n" } } } }
    local socket <close> = assert(open(p))
    local _, _, err = socket:receive(20)
    assert.equal(403, err.cause.status)
    assert.matches("in 2 of 5 tries", err.message, 1, true)
  end)

  it("does not open again what could not be opened at first", function()
    local p <close> = support.serve "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
    local socket, _, err = open(p)
    assert.is_nil(socket)
    assert.equal(503, err.status)
    err:dispose()
    assert.equal(1, p:connections())
  end)

  it("counts its tries anew once a connection has given a message", function()
    local script = {}
    for i = 1, 4 do script[i] = talk({ "send", text(tostring(i)) }, { "close" }) end
    script[5] = talk({ "send", text "5" }, its_close)
    local p <close> = peer.listen { script = script }
    local socket <close> = assert(open(p, { tries = 1 }))
    for i = 1, 5 do assert.equal(tostring(i), receive(socket)) end
    socket:close()
  end)

  it("calls a hook with each connection, which sends before all others", function()
    local p <close> = peer.listen { script = {
      talk({ "read", 6 + 9 }, { "close" }),
      talk({ "read", 6 + 9 + 6 + 4 }, { "send", text "fine" }, its_close) } }
    local count = 0
    local socket <close> = assert(open(p, { queue = true, on_open = function(connection)
      count = count + 1
      assert(connection:send "subscribe")
    end }))
    while not states[2] do -- a message that meets the loss fails, later ones are kept
      socket:send "probe"
      sluice.sleep(0.001)
    end
    assert(socket:send "probe")
    assert.equal("fine", receive(socket))
    assert.equal(2, count)
    socket:close()
  end)

  it("ends if the hook raises, which is raised where somebody waits", function()
    local p <close> = peer.listen { repeat_last = true, script = { talk({ "close" }) } }
    assert.error_matches(function()
      open(p, { on_open = function() error "no" end })
    end, "no")
    local count = 0
    local socket <close> = assert(open(p, { on_open = function()
      count = count + 1
      if count == 2 then error "not again" end
    end }))
    assert.error_matches(function() socket:receive(20) end, "not again")
    assert.equal("closed", socket.state)
    local _, _, err = socket:receive(20)
    assert.equal("closed", err.code)
  end)

  it("tries again if the connection is lost while the hook subscribes", function()
    local p <close> = peer.listen { script = {
      talk({ "send", text "one" .. close(1001) }, its_close),
      talk({ "send", text "two" .. close(1011) }, its_close),
      talk({ "send", text "three" }, its_close, { "send", close(1000) }) } }
    local count = 0
    local socket <close> = assert(open(p, { on_open = function(connection)
      count = count + 1
      if count == 3 then return end
      while connection.state == "open" do sluice.sleep(0.001) end
      assert(connection:send "subscribe")
    end }))
    assert.same({ "one", "two", "three" }, { receive(socket), receive(socket), receive(socket) })
    assert.equal(3, count)
    assert.is_true(socket:close())
  end)

  it("ends if the server ends it for good while the hook subscribes", function()
    local p <close> = peer.listen { script = {
      talk({ "send", text "one" .. close(1008, "no") }, its_close) } }
    local socket <close> = assert(open(p, { on_open = function(connection)
      while connection.state == "open" do sluice.sleep(0.001) end
      error "no subscription"
    end }))
    assert.equal("one", receive(socket))
    local _, _, err = socket:receive(20)
    assert.same({ "closed", 1008, "no" }, { err.code, err.close_code, err.close_reason })
    assert.same({ "closed" }, states)
  end)

  it("goes on from one connection to the next while others send", function()
    local script = {}
    for i = 1, 20 do script[i] = talk({ "send", text(tostring(i)) }, { "close" }) end
    script[21] = talk({ "send", text "last" }, { "expect_close" }, { "send", close(1000) })
    local p <close> = peer.listen { script = script, records = false, repeat_last = true }
    local socket <close> = assert(open(p, { queue = true, tries = 100, max_delay = 0.002 }))
    local is_over = false
    local sender = sluice.spawn(function()
      while not is_over do
        socket:ping()
        socket:send ""
        sluice.sleep(0.0005)
      end
    end)
    local got = {}
    repeat -- a reset may take a message that has arrived along
      local last = receive(socket)
      got[#got + 1] = tonumber(last)
    until last == "last"
    is_over = true
    sender:await()
    socket:dispose()
    for i = 2, #got do assert.is_true(got[i - 1] < got[i]) end
    assert.equal("closed", socket.state)
  end)

  -- A socket whose connection is lost, and not made again while the test goes on.
  local function lost(changes)
    local p = peer.listen { script = { talk({ "close" }) } }
    changes = changes or {}
    changes.delay = 60
    local socket = assert(open(p, changes))
    local message, _, err = socket:receive(0.05)
    while socket.state == "open" do message, _, err = socket:receive(0.05) end
    assert.is_nil(message)
    assert.is_true(err == nil or err.code == "timeout")
    p:stop()
    return socket
  end

  it("refuses what is sent while it is down, unless it keeps that", function()
    local socket <close> = lost()
    assert.equal("waiting", socket.state)
    local ok, message, err = socket:send "x"
    assert.is_nil(ok)
    assert.equal("closed", err.code)
    assert.is_true(err.retryable)
    assert.matches("reconnect.queue keeps what is sent meanwhile", message, 1, true)
    local lease = support.lease "x"
    assert.is_nil(socket:send(lease))
    assert.is_true(support.is_disposed(lease))
    assert.equal("closed", select(3, socket:ping()).code)
  end)

  it("raises misuse while it is down, too", function()
    for _, queue in ipairs { false, true } do
      local socket <close> = lost { queue = queue }
      check_misuse(socket)
      assert.equal("waiting", socket.state)
    end
  end)

  it("keeps no more than its limits", function()
    local socket <close> = lost { queue = { messages = 2, bytes = 10 } }
    assert.is_true(socket:send "12345")
    local _, message, err = socket:send "123456"
    assert.equal("limit", err.code)
    assert.matches("reconnect.queue", message, 1, true)
    assert.is_true(socket:send(support.lease "1", "binary"))
    _, _, err = socket:send "1"
    assert.equal("limit", err.code)
    local other <close> = lost { queue = true }
    _, _, err = other:send(support.lease "\xff")
    assert.equal("invalid", err.code)
    assert.is_true(other:send("\xff", "binary"))
    _, _, err = other:send(function() return nil end)
    assert.equal("invalid", err.code)
  end)

  it("sends what it has kept, in order", function()
    local p <close> = peer.listen { script = { talk({ "close" }),
      talk({ "read", 2 * (6 + 1) }, { "send", text "fine" }, its_close) } }
    local socket <close> = assert(open(p, { queue = true, delay = 0.05 }))
    while socket.state == "open" do socket:receive(0.001) end
    assert.is_true(socket:send "1")
    assert.is_true(socket:send_binary "2")
    assert.equal("fine", receive(socket))
    socket:close()
    local sent = p:received(2):match "\r\n\r\n(.*)$"
    assert.equal("\x81\x82", sent:sub(1, 1) .. sent:sub(8, 8))
  end)

  it("is closed at once while it waits, whoever waits for it", function()
    for _, way in ipairs { "close", "dispose" } do
      local socket = lost()
      local task = sluice.spawn(function() return socket:receive() end)
      sluice.sleep(0)
      socket[way](socket)
      assert.equal("closed", socket.state)
      local message, _, err = task:await()
      assert.is_nil(message)
      assert.equal("closed", err.code)
      assert.matches("closed by this side", err.message, 1, true)
    end
  end)

  it("is closed at once while it connects", function()
    local p <close> = peer.listen { script = { talk({ "close" }), { request_head, { "stall" } } } }
    local socket <close> = assert(open(p))
    local task = sluice.spawn(function() return socket:receive() end)
    repeat sluice.sleep(0.001) until p:connections() == 2
    assert.equal("connecting", socket.state)
    socket:close()
    assert.equal("closed", select(3, task:await()).code)
  end)

  it("is closed by its hook", function()
    local p <close> = peer.listen { script = { talk({ "close" }), talk({ "read_all" }) } }
    local count, socket = 0, nil
    socket = assert(open(p, { on_open = function()
      count = count + 1
      if count == 2 then socket:close() end
    end }))
    local _, _, err = socket:receive(20)
    assert.equal("closed", err.code)
    assert.matches("closed by this side", err.message, 1, true)
    assert.is_true(p:wait("idle", 2, 20))
    assert.same({ "open", "waiting", "connecting", "closed" }, states)
    assert.equal("closed", socket.state)
    socket:dispose()
  end)

  it("gives up a server that ends each connection before a message", function()
    local p <close> = peer.listen { repeat_last = true, script = { talk({ "close" }) } }
    local socket <close> = assert(open(p, { tries = 2 }))
    local _, _, err = socket:receive(20)
    assert.matches("in 2 of 2 tries", err.message, 1, true)
    assert.equal(3, p:connections())
  end)

  it("tries again after what may pass, and not after anything else", function()
    -- A connection that is lost at once.
    local function fake()
      return { url = "ws://a.test/", state = "closed", close_code = 1006,
        receive = function() return nil, "lost", { code = "closed" } end,
        dispose = function() end }
    end
    for code, tries in pairs { timeout = 3, resolve = 3, connect = 3, proxy = 3, tls = 3,
      closed = 3, memory = 3, invalid = 1, protocol = 1, unsupported = 1, cancelled = 1 } do
      local count = 0
      local socket <close> = reconnect.new(client, { tries = 3, delay = 0.001 }, fake(), function()
        count = count + 1
        return failure.new(code, "try", "no")
      end)
      local _, message, err = socket:receive(20)
      assert.same({ tries, "closed", code }, { count, err.code, err.cause.code })
      assert.matches(("in %d of 3 tries (reconnect.tries): try: no"):format(tries), message, 1,
        true)
    end
    local own, count = { code = "timeout", message = "an interceptor's own" }, 0
    local socket <close> = reconnect.new(client, { delay = 0.001 }, fake(), function()
      count = count + 1
      return nil, "no", own
    end)
    assert.equal(own, select(3, socket:receive(20)).cause)
    assert.equal(1, count)
  end)

  it("has a policy without any option", function()
    local p <close> = peer.listen { repeat_last = true, script = { talk({ "read_all" }) } }
    local function policy_of(option)
      local socket <close> = assert(client:websocket("ws" .. p.url:sub(5), { reconnect = option }))
      return socket.policy
    end
    assert.same({ tries = 5, delay = 1, max_delay = 30, max_retry_after = 60, jitter = 0.5,
      codes = { [1001] = true, [1006] = true, [1011] = true } }, policy_of(true))
    assert.equal(31, policy_of { delay = 31 }.max_delay)
    assert.same({ messages = 100, bytes = 16 << 20 }, policy_of { queue = true }.limits)
    assert.same({ messages = 5, bytes = 16 << 20 }, policy_of { queue = { messages = 5 } }.limits)
    assert.same({ messages = 100, bytes = 5 }, policy_of { queue = { bytes = 5 } }.limits)
    assert.same({ [1000] = true, [4999] = true }, policy_of { codes = { 1000, 4999 } }.codes)
  end)

  it("ends with its client while it is down", function()
    local socket <close> = lost()
    client:close()
    local _, _, err = socket:receive(20)
    assert.equal("closed", err.code)
    assert.equal("closed", socket.state)
  end)

  it("goes on when the coroutine that receives is cancelled", function()
    local p <close> = peer.listen { script = { talk({ "close" }),
      talk({ "send", text "fine" }, its_close) } }
    local socket <close> = assert(open(p, { delay = 0.3 }))
    local task = sluice.spawn(function() return socket:receive() end)
    repeat sluice.sleep(0.001) until states[2] == "waiting"
    task:cancel()
    local _, _, err = task:await()
    assert.equal("cancelled", err.code)
    assert.equal("fine", receive(socket))
    socket:close()
  end)

  it("stays open when it is closed with a wrong code", function()
    local p <close> = peer.listen { script = { talk(its_close, { "send", close(1000) }) } }
    local socket <close> = assert(open(p))
    assert.has_error(function() socket:close(1005) end)
    assert.equal("open", socket.state)
    local task = sluice.spawn(function() return socket:close() end)
    sluice.sleep(0)
    assert.equal("closing", socket.state)
    assert.is_true(task:await())
    assert.equal("closed", socket.state)
  end)

  it("says what it is", function()
    local socket <close> = lost()
    assert.equal("sluice.websocket (waiting)", tostring(socket))
    socket:dispose()
    assert.equal("sluice.websocket (closed)", tostring(socket))
  end)

  it("raises for a wrong option", function()
    for option, message in pairs {
      [1] = "option 'reconnect': boolean or table expected, got number",
      [{ tries = 0 }] = "option 'reconnect.tries': integer above zero expected, got 0",
      [{ codes = { 999 } }] = "option 'reconnect.codes': array of close codes",
      [{ codes = { 1000, 4999, 5000 } }] = "option 'reconnect.codes': array of close codes",
      [{ retries = 1 }] = "unknown option 'reconnect.retries'",
      [{ on_opne = print }] =
        "unknown option 'reconnect.on_opne': did you mean 'reconnect.on_open'?",
    } do
      local ok, raised = pcall(client.websocket, client, "ws://127.0.0.1/", { reconnect = option })
      assert.is_false(ok)
      assert.matches(message, raised, 1, true)
    end
  end)
end)
