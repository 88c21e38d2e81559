--- lua5.4 examples/websocket_echo.lua URL [LINE...] - sends lines to a server that echoes them, and
-- prints what comes back; the connection is opened again if it is lost.

local sluice = require "sluice"

local url = arg[1]
if not url then
  io.stderr:write("usage: lua5.4 examples/websocket_echo.lua URL [LINE...]\n")
  os.exit(2)
end
local lines = { table.unpack(arg, 2) }
if not lines[1] then lines = { "first", "second", "third" } end

local socket <close>, message, err = sluice.websocket(url, { -- luacheck: ignore
  reconnect = { on_state = function(state) print("  " .. state) end },
})
if not socket then
  io.stderr:write(message, "\n")
  if err.response then io.stderr:write(err.response:text(), "\n") end
  os.exit(false, true)
end

sluice.run(function()
  print(("\n%s: %s"):format(socket.url, socket.state))
  sluice.spawn(function() -- sends while the other task receives
    for _, line in ipairs(lines) do assert(socket:send(line)) end
  end)
  local count = 0
  for echo in socket:messages() do
    count = count + 1
    print(("%s of %d bytes: %s"):format(echo.type, #echo, echo:text()))
    echo:dispose()
    if count == #lines then socket:close() end
  end
  print(("closed with %d"):format(socket.close_code))
end)
