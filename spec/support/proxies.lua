--- Real proxies on free ports, for the user "me" with the password "secret".

local server = require "spec.support.server"
local system = require "support.system"

local proxies = {}

--- tinyproxy, an HTTP proxy that allows tunnels to these ports.
function proxies.tinyproxy(...)
  local directory, port = server.directory(), system.free_port()
  local lines = { "Port " .. port, "Listen 127.0.0.1", "Timeout 60", "BasicAuth me secret" }
  for _, allowed in ipairs { ... } do lines[#lines + 1] = "ConnectPort " .. allowed end
  local file = server.write(directory .. "/conf", table.concat(lines, "\n"), "\n")
  return server.start({ "tinyproxy", "-d", "-c", file }, port, directory)
end

--- microsocks, a SOCKS5 proxy.
function proxies.microsocks()
  local port = system.free_port()
  return server.start({ "microsocks", "-i", "127.0.0.1", "-p", tostring(port), "-u", "me",
    "-P", "secret" }, port, server.directory())
end

return proxies
