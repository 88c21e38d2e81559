--- Servers that send too much, too little, or take nothing: memory stays bounded, and the socket
-- ends with a code that names it, within its deadline.

local frames = require "spec.support.frames"
local sluice = require "sluice"
local support = require "spec.support"
local zlib = require "zlib"

local MIB = 1024 * 1024

describe("a WebSocket withstands a server that", function()
  local client, server

  after_each(function()
    if server then server:stop() end
    server = nil
  end)
  support.verify_each(function(keep) client = keep(support.client()) end)

  --- A socket with a server that goes on like this.
  local function connect(steps, options, line, listening)
    local script = { { "accept", line } }
    for _, step in ipairs(steps) do script[#script + 1] = step end
    listening = listening or {}
    listening.script = { script }
    server = support.peer.listen(listening)
    return assert(client:websocket(("ws://127.0.0.1:%d/"):format(server.port), options))
  end

  --- Calls f; returns the most memory that the pool had rented meanwhile, and what f returns.
  local function most_memory(f, ...)
    local most, is_over = 0, false
    local watcher = sluice.spawn(function()
      while not is_over do
        most = math.max(most, sluice.stats().bytes)
        sluice.sleep(0.002)
      end
    end)
    local results = table.pack(sluice.spawn(f, ...):await())
    is_over = true
    watcher:await()
    return most, table.unpack(results, 1, results.n)
  end

  local function seconds_of(f, ...)
    local start = support.system.clock()
    local results = table.pack(f(...))
    return support.system.clock() - start, table.unpack(results, 1, results.n)
  end

  it("sends pings without end, and reads no pong", function()
    local socket <close> = connect({
      { "send_repeat", frames.ping(("p"):rep(125)), 100000 }, { "send", frames.text "behind" },
      { "stall" },
    }, { send_timeout = 300 }, nil, { receive_buffer = 4096 })
    local most, message, _, err = most_memory(socket.receive, socket, 300)
    assert(message, err)
    assert.equal("behind", message:text())
    message:dispose()
    assert.is_true(most < MIB, ("%d bytes at once"):format(most))
    socket:dispose()
  end)

  it("sends a million empty fragments", function()
    local socket <close> = connect {
      { "send", frames.text("be", { more = true }) },
      { "send_repeat", frames.continuation("", { more = true }), 1000000 },
      { "send", frames.continuation "hind" .. frames.closing(1000) }, { "expect_close" },
    }
    local most, message = most_memory(socket.receive, socket, 60)
    assert.equal("behind", message:text())
    message:dispose()
    assert.is_true(most < MIB, ("%d bytes at once"):format(most))
    socket:close()
    assert.equal(1000, socket.close_code)
  end)

  it("sends empty messages that nobody receives", function()
    local socket <close> = connect({ { "send_repeat", frames.text "", 1000000 }, { "stall" } })
    local most = most_memory(sluice.sleep, 0.3)
    assert.is_true(most < MIB, ("%d bytes at once"):format(most))
    for _ = 1, 200 do assert(socket:receive(20)):dispose() end
    socket:dispose()
  end)

  it("sends a bomb", function()
    local payload = zlib.deflate(1, -15)(("\0"):rep(64 * MIB), "sync"):sub(1, -5)
    local socket <close> = connect({
      { "send", frames.binary(payload, { rsv = 4 }) }, { "expect_close" },
    }, { compress = true, max_message_size = 4 * MIB },
      "Sec-WebSocket-Extensions: permessage-deflate\r\n")
    local most, message, _, err = most_memory(socket.receive, socket, 60)
    assert.is_nil(message)
    assert.same({ "limit", 1009 }, { err.code, err.close_code })
    assert.is_true(most < 6 * MIB, ("%d bytes at once"):format(most))
    socket:close()
  end)

  it("takes nothing of what is sent", function()
    local socket <close> = connect({ { "stall" } }, { send_timeout = 0.3 }, nil,
      { receive_buffer = 4096 })
    local lease = support.lease(("x"):rep(32 * MIB))
    local held = sluice.stats().bytes
    local most, seconds, sent, _, err =
      most_memory(seconds_of, socket.send, socket, lease, "binary")
    assert.is_nil(sent)
    assert.is_truthy(err.code == "closed" or err.code == "timeout", err.code)
    assert.is_truthy(err.message:find("send_timeout", 1, true), err.message)
    assert.equal(1006, socket.close_code)
    assert.is_true(seconds < 20, ("%.1f s"):format(seconds))
    assert.is_true(most - held < MIB, ("%d bytes at once"):format(most - held))
    if not support.is_disposed(lease) then lease:dispose() end
  end)

  it("goes on behind its own Close", function()
    local socket <close> = connect({
      { "send", frames.closing(1000, "bye") }, { "send_repeat", frames.text "late", 1 << 40 },
    }, { close_timeout = 0.3 })
    local most, seconds, message, why = most_memory(seconds_of, function()
      local message, why = socket:receive(20)
      socket:close()
      return message, why
    end)
    assert.is_nil(message)
    assert.equal("closed", why)
    assert.same({ "closed", 1000, "bye" }, { socket.state, socket.close_code, socket.close_reason })
    assert.is_true(seconds < 20, ("%.1f s"):format(seconds))
    assert.is_true(most < MIB, ("%d bytes at once"):format(most))
  end)

  it("goes on sending and never answers a Close", function()
    local socket <close> = connect({ { "send_repeat", frames.text "on and on", 1 << 40 } },
      { close_timeout = 0.3 })
    local most, seconds = most_memory(seconds_of, socket.close, socket)
    assert.equal("closed", socket.state)
    assert.equal(1006, socket.close_code)
    assert.is_true(seconds < 20, ("%.1f s"):format(seconds))
    assert.is_true(most < MIB, ("%d bytes at once"):format(most))
  end)

  it("drips, and answers no ping", function()
    local socket <close> = connect({ { "dribble", frames.text(("x"):rep(125)), 1, 0.1 } },
      { ping_interval = 0.2, pong_timeout = 0.4 })
    local seconds, message, _, err = seconds_of(socket.receive, socket, 60)
    assert.is_nil(message)
    assert.equal("closed", err.code)
    assert.is_truthy(err.message:find("pong_timeout", 1, true), err.message)
    assert.equal(1006, socket.close_code)
    assert.is_true(seconds < 10, ("%.1f s"):format(seconds))
  end)

  it("drips a message, while the program looks for it", function()
    local socket <close> = connect({
      { "dribble", frames.text "slowly but surely" .. frames.closing(1000), 1, 0.005 },
      { "expect_close" },
    })
    local message, why
    repeat message, why = socket:receive(0.01) until message or why ~= "timeout"
    assert.equal("slowly but surely", message:text())
    message:dispose()
    socket:close()
    assert.equal(1000, socket.close_code)
  end)
end)
