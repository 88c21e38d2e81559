--- A real stunnel on a free loopback port, which passes what comes through TLS to another port.
--
--   local front <close> = stunnel.start { to = port, name = "good" }
--
-- .port; `name` is that of a certificate; `client_ca` asks for certificates of clients.

local certificates = require "spec.support.certificates"
local server = require "spec.support.server"
local system = require "support.system"

local configuration = [[
foreground = yes
syslog = no
debug = 4
pid =
[front]
accept = 127.0.0.1:%d
connect = 127.0.0.1:%d
cert = %s
key = %s
%s
]]

local stunnel = setmetatable({}, { __index = server })
stunnel.__index = stunnel
stunnel.__name = "support.stunnel"
stunnel.__close = server.stop
stunnel.__gc = server.stop

--- Starts stunnel.
function stunnel.start(options)
  local directory, port = server.directory(), system.free_port()
  local clients = options.client_ca
    and ("CAfile = %s\nverifyChain = yes\nrequireCert = yes"):format(options.client_ca) or ""
  local path = server.write(directory .. "/conf", configuration:format(port, options.to,
    certificates.chain(options.name), certificates.key(options.name), clients))
  return setmetatable(server.start({ "stunnel4", path }, port, directory), stunnel)
end

return stunnel
