-- Connected streams for hosts: both directions, their completions, and every way a wait can end.

local certificates = require "spec.support.certificates"
local sluice = require "sluice"
local support = require "spec.support"

local peer, system = support.peer, support.system

local KIB, MIB = 1024, 1024 * 1024
-- Each way; a soak takes more.
local BIG = tonumber(os.getenv "SLUICE_SPEC_STREAM_MIB" or 64) * MIB

local TLS_ECHO = [[
def serve(connection):
    while data := connection.recv(65536):
        connection.sendall(data)
]]

--- Runs f in a coroutine driven by hand. Returns how often it yielded, then its results.
local function drive(f, ...)
  local thread = coroutine.create(f)
  local results = table.pack(coroutine.resume(thread, ...))
  local yields, deadline = 0, system.clock() + 30
  while coroutine.status(thread) == "suspended" do
    yields = yields + 1
    results = nil
    -- The loop resumes it, so that its results are seen only by itself.
    sluice.loop():step(0.01)
    assert.is_true(system.clock() < deadline, "still waiting after 30 seconds")
  end
  if results then assert(results[1], results[2]) end
  return yields
end

--- Steps until `done` is true, which has to be soon.
local function step_until(done)
  local deadline = system.clock() + 60
  while not done() do
    sluice.loop():step(0.01)
    assert.is_true(system.clock() < deadline, "not within ten seconds")
  end
end

describe("a transport", function()
  local open

  before_each(function() open = {} end)
  after_each(function()
    for _, one in ipairs(open) do one:close() end
  end)
  support.verify_each()

  local function connect(p, options)
    local all = { host = p.host, port = p.port, transport = support.transport() }
    for key, value in pairs(options or {}) do all[key] = value end
    local transport, message, err = sluice.connect(all)
    open[#open + 1] = transport
    return transport, message, err
  end

  local function listen(...)
    return peer.listen { script = { { ... } }, repeat_last = true }
  end

  -- What was accepted and what was closed goes out with the loop's next steps.
  local function wait_idle(p)
    support.settle(sluice)
    return p:wait("idle", 1, 10)
  end

  local function receive_all(transport, size)
    local pieces, length = {}, 0
    while length < size do
      local piece = assert(transport:receive())
      pieces[#pieces + 1] = piece
      length = length + #piece
    end
    return table.concat(pieces)
  end

  describe("connects", function()
    it("and shows its peer and whether it is closed", function()
      local p <close> = listen({ "read_all" })
      local transport = connect(p)
      assert.equal(("sluice.transport (127.0.0.1:%d)"):format(p.port), tostring(transport))
      assert.is_nil(transport:tls())
      transport:close()
      transport:close()
      assert.equal("sluice.transport (closed)", tostring(transport))
      for _, name in ipairs { "send", "receive", "begin_send", "begin_receive", "tls" } do
        assert.error_matches(function() transport[name](transport, "x") end,
          "use of closed transport")
      end
      assert.is_true(wait_idle(p))
    end)

    it("to a unix socket and to a name", function()
      local unix <close> = peer.listen { family = "unix", script = { { { "echo" } } } }
      local one <close> =
        assert(sluice.connect { unix_path = unix.path, transport = support.transport() })
      assert.equal(5, one:send "hello")
      assert.equal("hello", receive_all(one, 5))
      local p <close> = listen({ "echo" })
      local two = connect(p, { host = "localhost" })
      two:send "hello"
      assert.equal("hello", receive_all(two, 5))
    end)

    it("to a unix socket as soon as its backlog has room, or times out", function()
      local full <close> = peer.listen { family = "unix", accept = false }
      local spent = os.clock()
      local transport, message, err = sluice.connect {
        unix_path = full.path, transport = support.transport(), timeout = 0.2,
      }
      assert.is_nil(transport)
      assert.equal("timeout", err.code)
      assert.equal("connect", err.stage)
      local expected = "connect %s: timed out after 0.2 s (timeout.connect), " ..
        "the server's backlog is full"
      assert.equal(expected:format(full.path), message)
      assert.is_true(os.clock() - spent < 0.15)
    end)

    it("or reports why it failed", function()
      local port = system.free_port()
      local transport, message, err = connect { host = "127.0.0.1", port = port }
      assert.is_nil(transport)
      assert.equal("connect", err.code)
      assert.equal("connect", err.stage)
      assert.equal(tostring(err), message)
      assert.is_truthy(message:find("127.0.0.1:" .. port, 1, true), message)
    end)

    it("within its deadline", function()
      local p <close> = peer.listen { accept = false, script = { { { "stall" } } } }
      local from = system.clock()
      local transport, _, err = connect(p, { timeout = 0.1 })
      assert.is_nil(transport)
      assert.equal("timeout", err.code)
      assert.is_true(system.clock() - from < 5)
    end)

    it("only with valid options", function()
      for name, options in pairs {
        host = {}, tiemout = { host = "a", port = 1, tiemout = 1 },
        transport = { host = "a", port = 1, transport = "streem" },
        port = { host = "a", port = "http" },
      } do
        assert.error_matches(function() sluice.connect(options) end, name)
      end
    end)

    it("closed by leaving its block", function()
      local p <close> = listen({ "read_all" })
      do
        local transport <close> = connect(p)
        transport:send "x"
      end
      assert.is_true(wait_idle(p))
      assert.same({ "x" }, p:received())
    end)
  end)

  for name, call in support.each_style(sluice) do
    it("sends and receives, " .. name, function()
      local p <close> = listen({ "echo" })
      call(function()
        local transport = connect(p)
        for _, text in ipairs { "x", "hello", ("y"):rep(20000) } do
          assert.equal(#text, transport:send(text))
          assert.equal(text, receive_all(transport, #text))
        end
        assert.equal(0, transport:send "")
      end)
    end)
  end

  describe("receives", function()
    it("no more than requested, in order", function()
      local p <close> = listen({ "send", "0123456789" }, { "read_all" })
      local transport = connect(p)
      assert.equal("012", transport:receive(3))
      assert.equal("3", transport:receive(1))
      assert.equal("456789", receive_all(transport, 6))
      for _, count in ipairs { 0, -1 } do
        assert.error_matches(function() transport:receive(count) end, "positive count")
      end
    end)

    it("the bytes before the end, then nil for ever", function()
      local p <close> = listen({ "send", "last" }, { "close" })
      local transport = connect(p)
      assert.equal("last", receive_all(transport, 4))
      for _ = 1, 3 do
        assert.same({ n = 1 }, table.pack(transport:receive()))
      end
    end)

    it("nil once the peer has closed its direction, and can still send", function()
      local p <close> = listen({ "shutdown" }, { "read", 5 })
      local transport = connect(p)
      assert.is_nil(transport:receive())
      assert.equal(5, transport:send "hello")
      transport:close()
      assert.is_true(wait_idle(p))
      assert.same({ "hello" }, p:received())
    end)

    it("a reset as an error with the code closed", function()
      local p <close> = listen({ "read", 1 }, { "reset" })
      local transport = connect(p)
      transport:send "x"
      local got, message, err = transport:receive()
      assert.is_nil(got)
      assert.equal("closed", err.code)
      assert.is_truthy(message:find("127.0.0.1:" .. p.port, 1, true), message)
    end)

    it("into a lent buffer, without a string", function()
      local content = support.pattern(300 * KIB)
      local p <close> = listen({ "send", content }, { "close" })
      local transport = connect(p)
      local buffer <close> = sluice.buffer()
      local sum = 0
      while true do
        local count = transport:receive(buffer)
        if not count then break end
        sum = sum + count
      end
      assert.equal(#content, sum)
      assert.equal(#content, #buffer)
      local sequence <close> = buffer:sequence()
      assert.equal(content, sequence:tostring())
    end)

    it("into a buffer of another segment size", function()
      local content = support.pattern(5000)
      local p <close> = listen({ "send", content }, { "close" })
      local transport = connect(p)
      local buffer <close> = sluice.buffer { segment_size = 100 }
      while transport:receive(buffer, 777) do end
      local sequence <close> = buffer:sequence()
      assert.equal(content, sequence:tostring())
    end)

    it("into a buffer as far as its limit goes", function()
      local p <close> = listen({ "send", "0123456789" }, { "read_all" })
      local transport = connect(p)
      local buffer <close> = sluice.buffer { max_size = 4 }
      local length = 0
      repeat
        local count, _, err = transport:receive(buffer)
        length = length + (count or 0)
        if not count then assert.equal("limit", err.code) end
      until not count
      assert.equal(4, length)
      assert.equal("456789", receive_all(transport, 6))
    end)

    it("nothing into a buffer disposed meanwhile, and loses nothing", function()
      local p <close> = listen({ "hold" }, { "send", "hello" }, { "hold" }, { "send", "again" },
        { "read_all" })
      local transport = connect(p)
      local buffer = sluice.buffer()
      local completion = transport:begin_receive(buffer)
      buffer:dispose()
      p:signal(1)
      assert.error_matches(function() completion:await() end, "use of disposed buffer")
      assert.equal("idle", completion.state)
      assert.equal("hel", transport:receive(3))
      local other <close> = sluice.buffer()
      assert.equal(2, transport:receive(other))
      local sequence <close> = other:sequence()
      assert.equal("lo", sequence:tostring())
      p:signal(1)
      assert.equal("again", transport:receive())
    end)
  end)

  describe("has completions", function()
    it("one for each direction, used again for every operation", function()
      local p <close> = listen({ "echo" })
      local transport = connect(p)
      local first, version = transport:begin_send "ab"
      assert.equal(version, first.version)
      assert.equal(2, first:await(version))
      local second, later = transport:begin_send "cd"
      assert.equal(first, second)
      assert.equal(version + 1, later)
      assert.equal(2, second:await())
      local receiving = transport:begin_receive(4)
      assert.not_equal(first, receiving)
      local text = receiving:await()
      assert.equal("abcd", text .. receive_all(transport, 4 - #text))
    end)

    it("that show their state", function()
      local p <close> = listen({ "hold" }, { "send", "x" }, { "read_all" })
      local transport = connect(p)
      local completion = transport:begin_receive()
      assert.equal("pending", completion.state)
      p:signal(1)
      step_until(function() return completion.state == "done" end)
      assert.equal("x", completion:await())
      assert.equal("idle", completion.state)
      transport:close()
      assert.equal("closed", completion.state)
    end)

    it("both under way at once", function()
      local p <close> = listen({ "read", 3 }, { "send", "answer" }, { "read_all" })
      local transport = connect(p)
      local receiving = transport:begin_receive()
      local sending = transport:begin_send "ask"
      assert.equal("answer", receiving:await())
      assert.equal(3, sending:await())
    end)

    it("a second operation in a direction raises, and the first completes", function()
      local p <close> = listen({ "hold" }, { "send", "x" }, { "discard" })
      local transport = connect(p)
      local receiving = transport:begin_receive()
      assert.error_matches(function() transport:begin_receive() end, "receive: one is under way")
      assert.error_matches(function() transport:receive() end, "receive: one is under way")
      -- More than both ends' socket buffers hold.
      local sending = transport:begin_send(("z"):rep(32 * MIB))
      assert.equal("pending", sending.state)
      assert.error_matches(function() transport:begin_send "y" end, "send: one is under way")
      assert.error_matches(function() transport:send "y" end, "send: one is under way")
      p:signal(1)
      assert.equal("x", receiving:await())
      assert.equal(32 * MIB, sending:await())
    end)

    it("a stale version raises", function()
      local p <close> = listen({ "echo" })
      local transport = connect(p)
      local completion, version = transport:begin_send "a"
      completion:await(version)
      assert.error_matches(function() completion:await(version) end, "nothing is under way")
      local _, later = transport:begin_send "b"
      assert.error_matches(function() completion:await(version) end, "version is over")
      assert.equal(1, completion:await(later))
      assert.error_matches(function() completion:await "x" end, "number")
    end)

    it("two awaits raise, and the first goes on", function()
      local p <close> = listen({ "hold" }, { "send", "x" }, { "read_all" })
      local transport = connect(p)
      local completion = transport:begin_receive()
      local got
      coroutine.wrap(function() got = completion:await() end)()
      coroutine.wrap(function()
        assert.error_matches(function() completion:await() end, "another coroutine waits already")
      end)()
      assert.error_matches(function() completion:await() end, "another coroutine waits already")
      p:signal(1)
      step_until(function() return got end)
      assert.equal("x", got)
    end)

    it("a result that nobody has read is not overwritten", function()
      local p <close> =
        listen({ "send", "first" }, { "hold" }, { "send", "second" }, { "read_all" })
      local transport = connect(p)
      local completion = transport:begin_receive()
      step_until(function() return completion.state == "done" end)
      assert.error_matches(function() transport:receive() end, "await the previous receive first")
      assert.equal("first", completion:await())
      p:signal(1)
      assert.equal("second", transport:receive())
    end)

    it("that sluice.await accepts", function()
      local p <close> = listen({ "send", "x" }, { "read_all" })
      assert.equal("x", (sluice.await((connect(p):begin_receive()))))
    end)

    it("a result that is ready at once does not yield", function()
      local p <close> = listen({ "hold" }, { "send", "abc" }, { "read_all" })
      local transport = connect(p)
      local completion = transport:begin_receive(3)
      p:signal(1)
      step_until(function() return completion.state == "done" end)
      local got
      local yields = drive(function() got = completion:await() end)
      assert.equal("abc", got)
      assert.equal(0, yields)
      -- What was not ready yields once, however long it takes.
      local other <close> = listen({ "hold" }, { "send", "x" }, { "read_all" })
      local slow = connect(other)
      local wait = slow:begin_receive()
      other:signal(1)
      assert.is_true(drive(function() got = wait:await() end) >= 1)
      assert.equal("x", got)
    end)
  end)

  describe("cancelled", function()
    it("receives nothing, and later bytes arrive whole", function()
      local p <close> = listen({ "hold" }, { "send", "whole" }, { "read", 4 }, { "read_all" })
      local transport = connect(p)
      local completion = transport:begin_receive()
      completion:cancel()
      local got, message, err = completion:await()
      assert.is_nil(got)
      assert.equal("cancelled", err.code)
      assert.equal("string", type(message))
      assert.is_nil(err.errno)
      p:signal(1)
      assert.equal("whole", receive_all(transport, 5))
      assert.equal(4, transport:send "fine")
      transport:close()
      assert.is_true(wait_idle(p))
      assert.same({ "fine" }, p:received())
      assert.same({}, p:failures())
    end)

    it("a thousand times while bytes arrive, loses none", function()
      local content = support.pattern(4000)
      local p <close> = listen({ "dribble", content, 40, 0.0001 }, { "read_all" })
      local transport = connect(p)
      local pieces, length = {}, 0
      while length < #content do
        local completion = transport:begin_receive()
        completion:cancel()
        local piece, _, err = completion:await()
        if not piece then
          assert.equal("cancelled", err.code)
          piece = assert(transport:receive(7))
        end
        pieces[#pieces + 1] = piece
        length = length + #piece
      end
      assert.equal(content, table.concat(pieces))
    end)

    it("while sending, ends with cancelled and can send no more", function()
      local p <close> = listen({ "hold" }, { "discard" })
      local transport = connect(p)
      local completion = transport:begin_send(("z"):rep(32 * MIB))
      completion:cancel()
      local sent, _, err = completion:await()
      assert.is_nil(sent)
      assert.equal("cancelled", err.code)
      -- A part went out: nothing can follow it.
      sent, _, err = transport:send "more"
      assert.is_nil(sent)
      assert.equal("closed", err.code)
      completion:cancel()
    end)

    it("when its coroutine is closed", function()
      local p <close> = listen({ "read_all" })
      local transport = connect(p)
      local thread = coroutine.create(function() transport:receive() end)
      assert(coroutine.resume(thread))
      assert.equal(1, sluice.stats().waiting)
      assert.is_true(coroutine.close(thread))
      assert.is_true(wait_idle(p))
      assert.error_matches(function() transport:send "x" end, "use of closed transport")
    end)

    it("with its task", function()
      local p <close> = listen({ "read_all" })
      local transport = connect(p)
      local code
      sluice.run(function()
        local task = sluice.spawn(function()
          local _, _, err = transport:receive()
          code = err.code
        end)
        sluice.sleep(0)
        task:cancel()
        task:await()
      end)
      assert.equal("cancelled", code)
    end)
  end)

  describe("closed", function()
    it("wakes its waiters with cancelled", function()
      local p <close> = listen({ "hold" }, { "discard" })
      local transport = connect(p)
      local codes = {}
      local function note(direction, ...)
        local _, message, err = ...
        codes[direction] = err and err.code or message
      end
      coroutine.wrap(function() note("receive", transport:receive()) end)()
      coroutine.wrap(function() note("send", transport:send(("z"):rep(32 * MIB))) end)()
      assert.equal(2, sluice.stats().waiting)
      transport:close()
      step_until(function() return codes.send and codes.receive end)
      assert.same({ send = "cancelled", receive = "cancelled" }, codes)
      assert.equal(0, sluice.stats().waiting)
    end)

    it("ends operations that nobody awaits yet", function()
      local p <close> = listen({ "read_all" })
      local transport = connect(p)
      local completion = transport:begin_receive()
      transport:close()
      local got, _, err = completion:await()
      assert.is_nil(got)
      assert.equal("cancelled", err.code)
      assert.error_matches(function() completion:await() end, "nothing is under way")
      assert.error_matches(function() completion:cancel() end, "closed")
    end)

    it("in order, delivers all bytes that were sent", function()
      local content = support.pattern(3 * MIB)
      local p <close> = listen({ "read_all" })
      local transport = connect(p)
      assert.equal(#content, transport:send(content))
      transport:close()
      assert.is_true(wait_idle(p))
      assert.is_true(p:received(1) == content)
      assert.same({}, p:failures())
    end)
  end)

  describe("has deadlines", function()
    it("for bytes that do not arrive, and later bytes arrive whole", function()
      local p <close> = listen({ "hold" }, { "send", "late" }, { "read_all" })
      local transport = connect(p)
      local from = system.clock()
      local got, message, err = transport:receive(100, 0.05)
      local took = system.clock() - from
      assert.is_nil(got)
      assert.equal("timeout", err.code)
      assert.is_truthy(message:find("receive from 127.0.0.1:" .. p.port, 1, true), message)
      assert.is_true(took >= 0.05 and took < 20, took)
      p:signal(1)
      assert.equal("late", receive_all(transport, 4))
    end)

    it("for receiving into a buffer, too", function()
      local p <close> = listen({ "read_all" })
      local transport = connect(p)
      local buffer <close> = sluice.buffer()
      local got, _, err = transport:receive(buffer, 100, 0.02)
      assert.is_nil(got)
      assert.equal("timeout", err.code)
      assert.equal(0, #buffer)
    end)

    it("for bytes that the peer does not read", function()
      local p <close> = listen({ "hold" }, { "discard" })
      local transport = connect(p)
      local sent, _, err = transport:send(("z"):rep(32 * MIB), 0.05)
      assert.is_nil(sent)
      assert.equal("timeout", err.code)
    end)

    it("that pass at once", function()
      local p <close> = listen({ "read_all" })
      local transport = connect(p)
      local _, _, err = transport:receive(1, 0)
      assert.equal("timeout", err.code)
      assert.error_matches(function() transport:receive(1, -1) end, "seconds")
      assert.error_matches(function() transport:receive(1, 0 / 0) end, "seconds")
    end)

    it("but waits for a slow reader if none was given", function()
      local p <close> = listen({ "pause", 1.1 }, { "discard", 16 * MIB }, { "send", "k" },
        { "read_all" })
      local transport = connect(p)
      assert.equal(16 * MIB, transport:send(("z"):rep(16 * MIB)))
      assert.equal("k", transport:receive())
    end)
  end)

  describe("carries", function()
    -- Sends `size` bytes and receives as many at once; both sides compare what came.
    local function both_ways(transport, size)
      local content = support.pattern(size)
      local sending = transport:begin_send(content, 60)
      local got = receive_all(transport, size)
      assert.equal(size, sending:await())
      assert.is_true(got == content, "other bytes came back")
    end

    for _, size in ipairs { 0, 1, 8191, 8192, 8193, 16384, 16385, 10 * MIB } do
      it(size .. " bytes both ways at once", function()
        local p <close> = listen({ "echo" })
        both_ways(connect(p), size)
      end)
    end

    it("sequences and leases of many segments", function()
      local content = support.pattern(200 * KIB)
      local p <close> = listen({ "echo" })
      local transport = connect(p)
      local buffer <close> = sluice.buffer()
      for i = 1, #content, 1000 do buffer:append(content:sub(i, i + 999)) end
      local sequence <close> = buffer:sequence()
      local sending = transport:begin_send(sequence)
      -- What is sent is held by the transport itself.
      sequence:dispose()
      buffer:dispose()
      assert.is_true(receive_all(transport, #content) == content)
      assert.equal(#content, sending:await())
    end)

    -- `size` bytes out and other `size` bytes in, by blocks of 1 MiB, each compared.
    local function full_duplex(transport, size)
      local block = support.pattern(MIB)
      local received = sluice.buffer()
      sluice.run(function()
        local sender = sluice.spawn(function()
          for _ = 1, size // MIB do assert(transport:send(block)) end
        end)
        for number = 1, size // MIB do
          while #received < MIB do
            assert(transport:receive(received, MIB - #received))
          end
          local sequence <close> = received:sequence()
          assert(sequence:tostring() == block, "other bytes in block " .. number)
          received:reset()
        end
        sender:await()
      end)
      received:dispose()
    end

    it(("%d MiB both ways at once"):format(BIG // MIB), function()
      local p <close> = peer.listen { script = { { { "echo" } } }, records = false }
      full_duplex(connect(p), BIG)
    end)

    it("TLS: both ways at once, and a verified end", function()
      local echo <close> = certificates.python(TLS_ECHO)
      local transport = assert(sluice.connect {
        host = "localhost", port = echo.port, transport = support.transport(),
        tls = { ca_file = certificates.file "root.pem" },
      })
      open[#open + 1] = transport
      assert.equal("string", type(transport:tls().version))
      for _, size in ipairs { 1, 8191, 8192, 8193, 2 * MIB } do both_ways(transport, size) end
      local completion = transport:begin_receive()
      completion:cancel()
      local _, _, err = completion:await()
      assert.equal("cancelled", err.code)
      both_ways(transport, 100)
      transport:close()
    end)

    it("TLS: resumed sessions between transports of the same settings only", function()
      local echo <close> = certificates.python(TLS_ECHO)
      local asked = 0
      local function accept() return true end
      local function password()
        asked = asked + 1
        return "secret"
      end
      local function resumes(tls)
        tls.ca_file = certificates.file "root.pem"
        local transport = assert(sluice.connect {
          host = "localhost", port = echo.port, transport = support.transport(), tls = tls,
        })
        open[#open + 1] = transport
        both_ways(transport, 1) -- behind the tickets
        return transport:tls().resumed
      end
      local function own_certificate()
        return { cert_file = certificates.chain "client", key_password = password,
          key_file = certificates.file "client_encrypted.key" }
      end
      assert.is_false(resumes {})
      assert.is_true(resumes {})
      assert.is_false(resumes { alpn = { "x" } })
      assert.is_true(resumes { alpn = { "x" } })
      assert.is_false(resumes { alpn = { "x", "y" } })
      assert.is_false(resumes { verify = accept })
      assert.is_true(resumes { verify = accept })
      assert.is_false(resumes { verify = function() return true end })
      assert.is_false(resumes { resume = false })
      assert.is_false(resumes { resume = false })
      assert.is_false(resumes(own_certificate()))
      assert.is_true(resumes(own_certificate()))
      assert.equal(1, asked)
      assert.is_true(resumes {})
      -- A context without transports is collected, too, and never found half-collected.
      for i = 1, 20 do
        while #open > 0 do table.remove(open):close() end
        collectgarbage(i % 2 == 0 and "step" or "collect")
        resumes {}
      end
    end)

    it("TLS: nothing to a peer whose certificate is refused", function()
      local wrong <close> = certificates.serve "wrong_name"
      local transport, message, err = sluice.connect {
        host = "localhost", port = wrong.port, transport = support.transport(),
        tls = { ca_file = certificates.file "root.pem" },
      }
      assert.is_nil(transport)
      assert.equal("tls", err.code)
      assert.equal("tls", err.stage)
      assert.is_truthy(message:find("localhost:" .. wrong.port, 1, true), message)
    end)

    it("TLS: a handshake within its deadline", function()
      local p <close> = listen({ "read_all" })
      local from = system.clock()
      local transport, _, err = connect(p, { tls = true, timeout = { tls = 0.1 } })
      assert.is_nil(transport)
      assert.equal("timeout", err.code)
      assert.equal("tls", err.stage)
      assert.is_true(system.clock() - from < 5)
    end)
  end)

  it("releases everything a thousand times over", function()
    local p <close> = listen({ "echo" })
    for round = 1, 1000 do
      local transport <close> = assert(sluice.connect {
        host = p.host, port = p.port, transport = support.transport() })
      if round % 100 == 0 then
        transport:send "x"
        assert.equal("x", transport:receive())
      end
    end
  end)
end)
