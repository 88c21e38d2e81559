--- WebSockets with servers that were written elsewhere: python3-websockets, the package ws of node,
-- and nginx in front of one of them.

local certificates = require "spec.support.certificates"
local nginx = require "spec.support.nginx"
local server = require "spec.support.server"
local sluice = require "sluice"
local support = require "spec.support"

local PYTHON = { "/usr/bin/python3", "spec/websocket/peer.py" }
local NODE = { "env", "NODE_PATH=/usr/share/nodejs", "node", "spec/websocket/peer.js" }

local PROXIED = [[
location = /proxied {
  proxy_pass http://127.0.0.1:%d/;
  proxy_http_version 1.1;
  proxy_set_header Upgrade $http_upgrade;
  proxy_set_header Connection "upgrade";
}
]]

local function start(program, mode)
  local port = support.system.free_port()
  local arguments = table.move(program, 1, #program, 1, {})
  arguments[#arguments + 1], arguments[#arguments + 2] = tostring(port), mode
  return server.start(arguments, port, server.directory())
end

local peers = {
  { name = "python3-websockets, plain", program = PYTHON, mode = "plain" },
  { name = "python3-websockets, compressed", program = PYTHON, mode = "deflate" },
  { name = "ws, plain", program = NODE, mode = "plain" },
  { name = "ws, compressed", program = NODE, mode = "deflate" },
  { name = "ws behind nginx, by wss", program = NODE, mode = "deflate", is_proxied = true },
}

local messages = {
  { "text", "" }, { "text", "caf\u{e9}" }, { "binary", "\0\xff" }, { "binary", "" },
  { "text", ("words "):rep(20000) }, { "binary", support.pattern(300000) },
  { "text", ("\u{10ffff}"):rep(1000) }, { "binary", support.pattern(3000000) },
}

for _, peer in ipairs(peers) do
  describe("a WebSocket with " .. peer.name, function()
    local program, proxy, client, url

    setup(function()
      program = start(peer.program, peer.mode)
      url = ("ws://127.0.0.1:%d/"):format(program.port)
      if peer.is_proxied then
        proxy = nginx.start { extra = PROXIED:format(program.port), tls = {
          certificate = certificates.chain "good", key = certificates.key "good" } }
        url = proxy.tls_url:gsub("^https", "wss") .. "/proxied"
      end
    end)
    teardown(function()
      if proxy then proxy:stop() end
      program:stop()
    end)

    support.verify_each(function(keep)
      client = keep(support.client { tls = { ca_file = certificates.file "root.pem" } })
    end)

    local function connect(options)
      options = options or {}
      options.compress = peer.mode == "deflate"
      return assert(client:websocket(url, options))
    end

    it("carries messages of every kind and size, both ways", function()
      local socket <close> = connect()
      local extensions = socket.extensions or ""
      assert.equal(peer.mode == "deflate", extensions:find "^permessage%-deflate" ~= nil)
      for _, message in ipairs(messages) do
        assert(socket:send(message[2], message[1]))
        local echo <close> = assert(socket:receive(20))
        assert.equal(message[1], echo.type)
        assert.is_true(echo:text() == message[2])
      end
      socket:close()
      assert.equal(1000, socket.close_code)
    end)

    it("sends while it receives", function()
      local socket <close> = connect()
      local sender = sluice.spawn(function()
        for i = 1, 200 do assert(socket:send_text(("number %d "):format(i):rep(i * 10))) end
      end)
      for i = 1, 200 do
        local echo <close> = assert(socket:receive(20))
        assert.is_true(echo:text() == ("number %d "):format(i):rep(i * 10))
      end
      assert(sender:await(20) == nil)
      socket:close()
    end)

    it("sends what a function gives in fragments", function()
      local socket <close> = connect()
      assert(socket:send(support.pieces_of("in ", "", "three ", ("pieces "):rep(20000)), "text"))
      local echo <close> = assert(socket:receive(20))
      assert.is_true(echo:text() == "in three " .. ("pieces "):rep(20000))
      socket:close()
    end)

    it("answers pings, and pings itself", function()
      local socket <close> = connect()
      assert(socket:ping "are you there, too?")
      assert(socket:send_text "ping")
      local echo <close> = assert(socket:receive(20))
      assert.equal("pong", echo:text())
      socket:close()
    end)

    it("is closed from this side with a code and a reason", function()
      local socket <close> = connect()
      assert(socket:send_text "x")
      socket:receive(20):dispose()
      socket:close(3001, "bye")
      assert.same({ "closed", 3001 }, { socket.state, socket.close_code })
    end)

    it("is closed from the other side with a code and a reason", function()
      local socket <close> = connect()
      assert(socket:send_text "close 3002 later")
      local message, why, err = socket:receive(20)
      assert.is_nil(message)
      assert.same({ "closed", "closed", 3002, "later" },
        { why, err.code, socket.close_code, socket.close_reason })
    end)

    it("reports a connection that ends without a Close frame", function()
      local socket <close> = connect()
      assert(socket:send_text "vanish")
      local message, _, err = socket:receive(20)
      assert.is_nil(message)
      assert.equal("closed", err.code)
      assert.equal(1006, socket.close_code)
    end)

    it("ends at a message that is too large, with 1009", function()
      local socket <close> = connect { max_message_size = 100000 }
      assert(socket:send_text "large 100000")
      local message <close> = assert(socket:receive(20))
      assert.equal(100000, #message)
      assert(socket:send_text "large 100001")
      local nothing, _, err = socket:receive(20)
      assert.is_nil(nothing)
      assert.equal("limit", err.code)
      assert.equal(1009, socket.close_code)
    end)

    it("agrees on a subprotocol", function()
      local socket <close> = connect { protocols = { "first", "second" } }
      assert.is_truthy(socket.subprotocol == "first" or socket.subprotocol == "second")
      socket:close()
    end)
  end)
end
