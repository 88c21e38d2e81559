--- examples/websocket_server.lua [PORT] - an echo server of WebSocket, over LuaSocket
local sluice, socket = require "sluice", require "socket"
local function shake_hands(client, key)
  repeat
    local line = client:receive "*l" or ""
    key = line:lower():find "^sec%-websocket%-key:" and line:match ":(.*)" or key
  until line == ""
  local accept = sluice.ws_accept(key or "") -- nil for what is no key
  return accept and client:send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n" ..
    "Upgrade: websocket\r\nSec-WebSocket-Accept: " .. accept .. "\r\n\r\n")
end
local function echo(parser)
  for event in parser:events() do -- raises what is wrong with a frame
    if event.text then parser[event.type](parser, event:text()) end -- "text" or "binary"
    if event.type == "ping" then parser:pong(event.payload) end
    if event.type == "close" then parser:close(event.code) end
  end
end
local function serve(client) -- a coroutine: it yields until there is something to receive
  client:settimeout(5) -- seconds for the handshake
  local parser <close>, is_open = sluice.ws_parser { role = "server" }, shake_hands(client)
  while is_open and coroutine.yield(true) do
    client:settimeout(0)
    local bytes, why, rest = client:receive(65536)
    local ok, err = pcall(echo, parser:feed(bytes or rest))
    if not ok then parser:close(err.close_code) end
    client:settimeout(5) -- seconds for the answer
    is_open = client:send(parser:output()) and why ~= "closed" and ok and parser:next() == false
  end
  client:close()
end
local sockets, talks = { assert(socket.bind("127.0.0.1", arg[1] or 8081)) }, {}
while true do
  local ready = socket.select(sockets)
  if ready[sockets[1]] then sockets[#sockets + 1] = sockets[1]:accept() end
  for i = #sockets, 2, -1 do
    local talk = talks[sockets[i]] or coroutine.wrap(serve)
    talks[sockets[i]] = talk
    if ready[sockets[i]] and not talk(sockets[i]) then talks[table.remove(sockets, i)] = nil end
  end
end
