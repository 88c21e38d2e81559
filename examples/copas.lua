--- lua5.4 examples/copas.lua URL [COUNT] - a server of copas each of whose clients is served by a
-- request. Debian keeps copas where only Lua 5.2 looks: it is searched there, too.

package.path = package.path .. ";/usr/share/lua/5.2/?.lua"
local copas = require "copas" -- before socket.http
local sluice = require "sluice"
local socket = require "socket"
require("sluice.hosts.copas").install()

local url, count = arg[1], math.tointeger(arg[2] or 20)
if not url or not count then
  io.stderr:write("usage: lua5.4 examples/copas.lua URL [COUNT]\n")
  os.exit(2)
end

local client, answers, left = assert(sluice.client {}), 0, count
local listener = assert(socket.bind("127.0.0.1", 0))
local port = select(2, listener:getsockname())

copas.addserver(listener, function(accepted)
  local response <close>, message = client:get(url)
  copas.send(accepted, (response and response.status or message) .. "\n")
end)

for _ = 1, count do
  copas.addthread(function()
    local peer = assert(socket.connect("127.0.0.1", port))
    peer:settimeout(0)
    if copas.receive(peer) == "200" then answers = answers + 1 end
    peer:close()
    left = left - 1
  end)
end

while left > 0 do copas.step() end
client:close()
print(("copas: %d of %d clients were answered by a request"):format(answers, count))
os.exit(answers == count, true)
