--- Compressed messages that are no deflate (RFC 7692): whatever is wrong, and wherever the bytes
-- are cut, the messages before it are delivered, the failure names it, and memory stays bounded.

local frames = require "spec.support.frames"
local sluice = require "sluice"
local support = require "spec.support"
local zlib = require "zlib"

local LINE = "Sec-WebSocket-Extensions: permessage-deflate\r\n"
local RSV1, FIRST = { rsv = 4 }, { rsv = 4, more = true }
local MIB = 1 << 20

-- "Hello", and again by reference to the first.
local HELLO, AGAIN = "\xf2\x48\xcd\xc9\xc9\x07\x00", "\xf2\x00\x11\x00\x00"
local GOOD = frames.text(HELLO, RSV1) .. frames.binary(AGAIN, RSV1)

describe("a fault in a compressed message", function()
  local client

  support.verify_each(function(keep) client = keep(support.client()) end)

  local function open(p, options)
    options = options or {}
    options.compress = true
    return assert(client:websocket(("ws://127.0.0.1:%d/"):format(p.port), options))
  end

  -- The texts of all messages, and what ended them.
  local function collect(socket)
    local list = {}
    while true do
      local message, reason, err = socket:receive(60)
      if not message then return list, reason, err end
      list[#list + 1] = message:text()
      message:dispose()
    end
  end

  -- The code of the Close frame that a connection of the peer got.
  local function code_sent(p, number)
    local found = frames.read_all(p:received(number):match "\r\n\r\n(.*)$")
    return (">I2"):unpack(found[#found].payload)
  end

  -- In each: its frames, and what the failure says. What ends too early has the four bytes behind
  -- it that a sender leaves out.
  local faults = {
    ["a kind of block that there is not"] = { frames.binary("\x06", RSV1), "invalid" },
    ["a good block, then that"] =
      { frames.binary(HELLO:sub(1, 6) .. "\x00\x00\x00\xff\xff\x06", RSV1), "invalid" },
    ["a stored block whose two lengths differ"] =
      { frames.binary("\x00\x05\x00\xfa\xfeHello", RSV1), "invalid" },
    ["a message that is cut off"] = { frames.text(HELLO:sub(1, 4), RSV1), "cut off" },
    ["a stored block that is cut off"] =
      { frames.binary("\x00\x05\x00\xfa\xffHel", RSV1), "invalid" },
    ["a stored block that never comes to its end"] =
      { frames.binary("\x00\x50\x00\xaf\xffHel", RSV1), "cut off" },
    ["a fault in a later fragment"] = { frames.binary(HELLO:sub(1, 6) .. "\x00", FIRST)
      .. frames.ping "p" .. frames.continuation("\x00\x00\xff\xff\x06"), "invalid" },
    ["text that is not UTF-8"] =
      { frames.text("\x00\x02\x00\xfd\xff\xc3\x28\x00", RSV1), "not UTF-8" },
  }

  for title, fault in pairs(faults) do
    it("leaves the messages before it, wherever it is cut: " .. title, function()
      local wire, scripts = GOOD .. fault[1], {}
      for at = 0, #wire do
        scripts[at + 1] = { { "accept", LINE }, { "cut", wire, at }, { "expect_close" } }
      end
      local p <close> = support.peer.listen { script = scripts }
      local first
      for at = 0, #wire do
        local socket <close> = open(p)
        local list, reason, err = collect(socket)
        local what = ("cut at %d"):format(at)
        assert.same({ "Hello", "Hello" }, list, what)
        first = first or reason
        assert.equal(first, reason, what)
        assert.matches(fault[2], reason, 1, true)
        assert.same({ "decode", 1007, 1007 }, { err.code, err.close_code, socket.close_code }, what)
        socket:close()
        assert.equal(1007, code_sent(p, at + 1), what)
      end
      assert.same({}, p:failures())
    end)
  end

  it("of 64 MiB in 64 KiB ends at the limit, and holds no more than that", function()
    local zeros = ("\0"):rep(64 * MIB)
    local bomb = zlib.deflate(9, -15)(zeros, "sync"):gsub("\0\0\xff\xff$", "")
    for _, wire in ipairs {
      frames.binary(bomb, RSV1),
      frames.binary(bomb:sub(1, 1000), FIRST) .. frames.continuation(bomb:sub(1001)),
    } do
      local p <close> = support.peer.listen {
        script = { { { "accept", LINE }, { "send", GOOD .. wire }, { "expect_close" } } } }
      local base = sluice.stats().bytes
      local socket <close> = open(p, { max_message_size = MIB })
      local list, reason, err = collect(socket)
      assert.same({ "Hello", "Hello" }, list)
      assert.same({ "limit", 1009 }, { err.code, err.close_code })
      assert.matches("max_message_size", reason, 1, true)
      assert.is_true(sluice.stats().bytes - base < 2 * MIB)
      socket:close()
      assert.equal(1009, code_sent(p, 1))
    end
  end)
end)
