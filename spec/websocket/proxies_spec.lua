-- WebSockets through proxies, over TLS, and over unix sockets.

local certificates = require "spec.support.certificates"
local proxies = require "spec.support.proxies"
local server = require "spec.support.server"
local stunnel = require "spec.support.stunnel"
local support = require "spec.support"
local peer = support.peer

local echo_server = [[
import asyncio, sys, websockets

async def echo(socket):
    async for message in socket:
        await socket.send(message)

async def main():
    async with websockets.serve(echo, "127.0.0.1", int(sys.argv[1])):
        await asyncio.Future()

asyncio.run(main())
]]

local request_head = { "expect_until", "\r\n\r\n" }

describe("a websocket", function()
  local echo, tls, tiny, front, socks

  setup(function()
    echo = server.python(echo_server)
    tls = stunnel.start { to = echo.port, name = "good" }
    tiny, socks = proxies.tinyproxy(echo.port, tls.port), proxies.microsocks()
    front = stunnel.start { to = tiny.port, name = "good" }
  end)

  teardown(function()
    front:stop()
    socks:stop()
    tiny:stop()
    tls:stop()
    echo:stop()
  end)

  support.verify_each()

  local function root() return { ca_file = certificates.file "root.pem" } end

  local function talk(client, url)
    local socket <close> = assert(client:websocket(url))
    assert.equal(url, socket.url)
    for _, bytes in ipairs { "", "hello", ("x"):rep(70000) } do
      assert(socket:send_binary(bytes))
      local message <close> = assert(socket:receive(20))
      assert.equal(bytes, message:text())
    end
    assert.is_true(socket:close())
  end

  local function urls()
    return ("ws://127.0.0.1:%d/"):format(echo.port), ("wss://localhost:%d/"):format(tls.port)
  end

  it("goes over TLS, which is verified", function()
    local _, secure = urls()
    local client <close> = support.client { tls = root() }
    talk(client, secure)
    local trusting <close> = support.client()
    local socket, _, err = trusting:websocket(secure)
    assert.is_nil(socket)
    assert.same({ "tls", "tls" }, { err.code, err.stage })
  end)

  it("goes through proxies of HTTP, HTTPS and SOCKS5, by a tunnel", function()
    for scheme, proxy in pairs { http = tiny, https = front, socks5 = socks } do
      local client <close> = assert(support.client { tls = root(), proxy = {
        url = ("%s://me:secret@localhost:%d"):format(scheme, proxy.port),
        tls = scheme == "https" and root() or nil,
      } })
      for _, url in ipairs { urls() } do talk(client, url) end
    end
  end)

  it("asks a proxy of HTTP for a tunnel, and requests beside it go as before", function()
    local p <close> = peer.listen { script = {
      { request_head, { "send", "HTTP/1.1 200 OK\r\n\r\n" }, { "accept" },
        { "read", 8 }, { "send", "\x88\x02\x03\xe8" } },
      { request_head, { "send", "HTTP/1.1 204 No Content\r\n\r\n" }, { "read_all" } } } }
    local asked = {}
    local client <close> = assert(support.client { proxy = function(url)
      asked[#asked + 1] = url
      return ("http://me:pass@127.0.0.1:%d"):format(p.port)
    end })
    local socket <close> = assert(client:websocket "ws://a.example/chat")
    local response <close> = assert(client:get "http://a.example/page")
    assert.is_true(socket:close())
    assert.same({ "ws://a.example/chat", "http://a.example/page" }, asked)
    local sent = p:received(1)
    assert.matches("^CONNECT a.example:80 HTTP/1.1\r\n", sent)
    assert.equal(1, select(2, sent:gsub("Proxy%-Authorization", "")))
    assert.matches("\r\n\r\nGET /chat HTTP/1.1\r\nHost: a.example\r\n", sent, 1, true)
    assert.matches("^GET http://a.example/page HTTP/1.1\r\n", p:received(2))
    assert.equal(204, response.status)
  end)

  it("that its proxy refuses shows the answer", function()
    local p <close> = support.serve "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno"
    local client <close> = assert(support.client { proxy = p.url })
    local socket, _, err = client:websocket "ws://a.example/"
    assert.is_nil(socket)
    assert.same({ "proxy", "proxy", 403 }, { err.code, err.stage, err.response.status })
  end)

  it("goes over a unix socket", function()
    local p <close> = peer.listen { family = "unix", script = {
      { { "accept" }, { "send", "\x88\x02\x03\xe8" }, { "read", 8 } } } }
    local client <close> = support.client()
    local path = p.path:gsub("/", "%%2F")
    local socket <close> = assert(client:websocket("http+unix://" .. path .. "/chat"))
    assert.is_nil(socket:receive(20))
    assert.equal(1000, socket.close_code)
    assert.matches("^GET /chat HTTP/1.1\r\nHost: localhost\r\n", p:received(1))
  end)
end)
