--- The server of examples/websocket_server.lua, as python3-websockets and plain sockets see it.
-- Runs once.

local frames = require "spec.support.frames"
local server = require "spec.support.server"
local support = require "spec.support"

local HANDSHAKE = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
  .. "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

describe("the example of a WebSocket server", function()
  local echo

  setup(function()
    local port = support.system.free_port()
    echo = server.start({ "lua5.4", "examples/websocket_server.lua", tostring(port) }, port,
      server.directory())
  end)
  teardown(function() echo:stop() end)

  it("has at most 40 lines of Lua", function()
    local count = 0
    for line in io.lines "examples/websocket_server.lua" do
      if not line:find "^%-%-" then count = count + 1 end
    end
    assert.is_true(count <= 40, count .. " lines")
  end)

  it("echoes to python3-websockets", function()
    local status, output = server.run { "/usr/bin/python3", "spec/websocket/echo_client.py",
      "ws://127.0.0.1:" .. echo.port }
    assert.equal(0, status, output)
    assert.equal("good\n", output)
  end)

  --- The frames that answer these bytes, sent behind a handshake; the last is a Close.
  local function answers(wire)
    local bytes, how = support.peer.request(echo.port, HANDSHAKE .. wire)
    assert.equal("end", how)
    local head, behind = bytes:match "^(.-\r\n\r\n)(.*)$"
    assert.matches("^HTTP/1.1 101 .*s3pPLMBiTxaQ9kYGzzhZRbK%+xOo=", head)
    local found, rest = frames.read_all(behind)
    assert.equal("", rest)
    local list = {}
    for i, frame in ipairs(found) do
      assert.is_nil(frame.key)
      list[i] = frame.opcode .. " " .. frame.payload
    end
    return list
  end

  it("closes with the code that fits what went wrong", function()
    local key = { key = "abcd" }
    local text = frames.text("hi", key)
    assert.same({ "text hi", "close \3\xe8" }, answers(text .. frames.closing(1000, "", key)))
    assert.same({ "text hi", "close " }, answers(text .. frames.close("", key)))
    assert.same({ "text hi", "close \3\xea" }, answers(text .. frames.text "not masked"))
    assert.same({ "pong p", "close \3\xef" },
      answers(frames.ping("p", key) .. frames.text("\xff", key)))
    assert.same({ "close \3\xf1" }, answers(frames.head(0x82, 17 << 20, 64, "abcd")))
  end)

  it("refuses what is no handshake", function()
    local bytes = support.peer.request(echo.port, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert.equal("", bytes)
  end)
end)
