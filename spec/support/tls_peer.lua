--- A TLS server that does what the path of each request says: see program/tls_peer.c.
--
--   local server <close> = tls_peer.start "1.3"
--   client:get(server:url "/length-5/body-whole/notify")
--   server:wait "close_notify"

local certificates = require "spec.support.certificates"
local server = require "spec.support.server"
local system = require "support.system"

local tls_peer = setmetatable({}, { __index = server })
tls_peer.__index = tls_peer
tls_peer.__name = "support.tls_peer"
tls_peer.__close = server.stop
tls_peer.__gc = server.stop

-- Built beside the modules.
local function program()
  local module = assert(package.searchpath("support.system", package.cpath))
  return (module:gsub("system%.so$", "tls_peer"))
end

--- A server of "1.2" or "1.3", for localhost. It answers `handshakes` handshakes (all unless
-- given) and is silent in those that follow.
function tls_peer.start(version, handshakes)
  local port = system.free_port()
  local command = { program(), certificates.directory(), tostring(port), version,
    handshakes and tostring(handshakes) }
  return setmetatable(server.start(command, port, server.directory()), tls_peer)
end

function tls_peer:url(path)
  return ("https://localhost:%d%s"):format(self.port, path)
end

--- How often that event came so far.
function tls_peer:count(event)
  local count = 0
  for line in self:output():gmatch "[^\n]+" do
    if line:sub(1, #event) == event then count = count + 1 end
  end
  return count
end

--- Waits, while `step` is called, until that event has come `count` times (once unless given).
function tls_peer:wait(event, count, step)
  local deadline = system.clock() + 10
  while self:count(event) < (count or 1) do
    if step then step() end
    if system.clock() > deadline then
      error(("no '%s' within 10 seconds:\n%s"):format(event, self:output()), 2)
    end
  end
end

return tls_peer
