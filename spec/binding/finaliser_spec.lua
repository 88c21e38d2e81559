-- Finalisers run wherever Lua allocates, also inside this module's functions, and may dispose or
-- finalise the objects in use there: the worst outcome is an error. Objects of a connection.

local finalisers = require "spec.support.finalisers"
local support = require "spec.support"

local LINES = 200
local BODY = 300000

describe("a finaliser that disposes", function()
  local head = { "HTTP/1.1 200 OK\r\n", ("Content-Length: %d\r\n"):format(BODY) }
  for i = 1, LINES do head[#head + 1] = ("X-A: %s\r\n"):format((("%05d"):format(i)):rep(20)) end
  local answer = table.concat(head) .. "\r\n" .. support.pattern(BODY)
  local switch = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
    .. "Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"

  for _, what in ipairs { "response text", "response sequence", "response detach",
    "response timings", "response read", "response chunks", "response headers", "response all",
    "response watch", "response get", "response lines", "response reader", "response whole reader",
    "socket ping", "transport receive" } do
    it(what .. " does no harm", function()
      local p <close> = finalisers.listen(what == "socket ping" and switch or answer)
      finalisers.check(what, p, support.transport() or { mode = "stream", backend = "epoll" })
    end)
  end
end)
