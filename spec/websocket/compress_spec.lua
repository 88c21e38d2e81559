-- The option `compress`: permessage-deflate (RFC 7692), as it is offered, agreed on and used.

local server = require "spec.support.server"
local support = require "spec.support"
local peer = support.peer

local CLOSE = "\x88\x02\x03\xe8"

local echo_server = [[
import asyncio, sys, websockets
from websockets.extensions import permessage_deflate

async def echo(socket):
    async for message in socket:
        await socket.send(message)

async def main():
    options = {}
    for name, value in zip(sys.argv[2::2], sys.argv[3::2]):
        options[name] = int(value) if value != "True" else True
    factory = permessage_deflate.ServerPerMessageDeflateFactory(**options)
    async with websockets.serve(echo, "127.0.0.1", int(sys.argv[1]), extensions=[factory],
                                compression=None, max_size=None):
        await asyncio.Future()

asyncio.run(main())
]]

describe("a socket that compresses", function()
  local client

  support.verify_each(function(keep) client = keep(support.client()) end)

  local function answer(extensions)
    local line = extensions and "Sec-WebSocket-Extensions: " .. extensions .. "\r\n" or ""
    return peer.listen { repeat_last = true,
      script = { { { "accept", line }, { "send", CLOSE }, { "read", 8 } } } }
  end

  local function url_of(p) return ("ws://%s:%d/"):format(p.host, p.port) end

  it("offers what was asked for, and nothing without that", function()
    local offers = {
      { false, nil }, { true, "permessage-deflate; client_max_window_bits" },
      { { server_no_context_takeover = true }, "server_no_context_takeover" },
      { { client_no_context_takeover = true }, "client_no_context_takeover" },
      { { server_max_window_bits = 9 }, "server_max_window_bits=9" },
      { { client_max_window_bits = 8 }, "client_max_window_bits=8" },
    }
    for _, case in ipairs(offers) do
      local p <close> = answer(nil)
      local socket <close> = assert(client:websocket(url_of(p), { compress = case[1] }))
      local offer = p:received(1):match "\r\nSec%-WebSocket%-Extensions: ([^\r]*)\r\n"
      if case[2] then assert.matches(case[2], offer, 1, true) else assert.is_nil(offer) end
      assert.is_nil(socket.extensions)
      socket:close()
    end
  end)

  it("accepts what was offered", function()
    for _, extensions in ipairs { "permessage-deflate",
      "permessage-deflate ; server_max_window_bits=8",
      'permessage-deflate; client_max_window_bits="10"; client_no_context_takeover' } do
      local p <close> = answer(extensions)
      local socket <close> = assert(client:websocket(url_of(p), { compress = true }))
      assert.equal(extensions, socket.extensions)
      socket:close()
    end
  end)

  -- RFC 7692 7.1: all of these fail the handshake.
  for _, extensions in ipairs { "permessage-deflate; unknown", "permessage-deflate, x-other",
    "permessage-deflate, permessage-deflate", "permessage-deflate; server_max_window_bits",
    "permessage-deflate; server_max_window_bits=7", "permessage-deflate; server_max_window_bits=16",
    "permessage-deflate; server_max_window_bits=08", "permessage-deflate; client_max_window_bits",
    "permessage-deflate; server_no_context_takeover=1",
    "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
    "x-webkit-deflate-frame", "permessage-deflate;" } do
    it("refuses an answer of " .. extensions, function()
      local p <close> = answer(extensions)
      local socket, message, err = client:websocket(url_of(p), { compress = true })
      assert.is_nil(socket, message)
      assert.equal("protocol", err.code)
      assert.equal("websocket", err.stage)
    end)
  end

  it("sends what is shorter than the threshold as it is", function()
    local p <close> = peer.listen { script = { {
      { "accept", "Sec-WebSocket-Extensions: permessage-deflate\r\n" },
      { "read", 2 + 4 + 9 }, { "read", 2 }, { "hold" } } } }
    local socket = assert(client:websocket(url_of(p), { compress = { threshold = 10 } }))
    assert(socket:send(("x"):rep(9)))
    assert(socket:send(("x"):rep(10)))
    assert.is_true(p:wait "holding")
    socket:dispose()
    local head, first = p:received(1):match "^(.-\r\n\r\n)(.)"
    assert.equal(0x81, first:byte())
    assert.equal(0xc1, p:received(1):byte(#head + 6 + 9 + 1))
  end)

  it("refuses a window beyond the one that was asked for, or one that was not offered", function()
    local p <close> = answer "permessage-deflate; server_max_window_bits=12"
    assert.is_nil((client:websocket(url_of(p), { compress = { server_max_window_bits = 10 } })))
    local q <close> = answer "permessage-deflate" -- without the one that it must have
    assert.is_nil((client:websocket(url_of(q), { compress = { server_max_window_bits = 10 } })))
    assert.is_nil((client:websocket(url_of(q),
      { compress = { server_no_context_takeover = true } })))
  end)

  it("raises for wrong parameters", function()
    for option, message in pairs {
      [1] = "option 'compress': boolean or table expected, got number",
      [{ client_max_window_bits = 16 }] =
        "option 'compress.client_max_window_bits': integer from 8 to 15 expected, got 16",
      [{ level = 9 }] = "unknown option 'compress.level'",
    } do
      local ok, raised = pcall(client.websocket, client, "ws://127.0.0.1/", { compress = option })
      assert.is_false(ok)
      assert.matches(message, raised, 1, true)
    end
  end)

  -- Other ends by another's library: one that agrees to everything, and one that asks for more.
  local servers = {
    {},
    { "server_no_context_takeover", "True", "client_max_window_bits", "10",
      "server_max_window_bits", "10" },
  }
  local wishes = { true, { threshold = 0 }, { threshold = 0, client_no_context_takeover = true },
    { threshold = 0, server_no_context_takeover = true, server_max_window_bits = 9 },
    { threshold = 0, client_max_window_bits = 9 } }
  local function talk(port, wish)
    local socket <close> = assert(client:websocket("ws://127.0.0.1:" .. port, { compress = wish }))
    assert.matches("^permessage%-deflate", socket.extensions)
    for _, text in ipairs { "", "a", ("hello "):rep(1000), "caf\u{e9}", ("0123456789"):rep(20000),
      ("hello "):rep(1000) } do
      assert(socket:send(text))
      local message <close> = assert(socket:receive(20))
      assert.equal(text, message:text())
    end
    assert.is_true(socket:close())
  end

  it("understands python3-websockets, with each set of parameters", function()
    for _, options in ipairs(servers) do
      local web <close> = server.python(echo_server, table.unpack(options))
      for _, wish in ipairs(wishes) do talk(web.port, wish) end
    end
  end)
end)
