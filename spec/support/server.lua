--- Programs that specs talk to: started in a directory of their own, stopped and removed as one.

local lfs = require "lfs"
local system = require "support.system"

local server = {}
server.__index = server
server.__name = "support.server"

--- A directory for the files of one server. Removed by `server.remove`.
function server.directory()
  return assert(system.temporary_directory())
end

function server.remove(directory)
  assert(directory:match("^/tmp/sluice%-"), "not a directory of ours")
  system.reap(assert(system.spawn { "rm", "-rf", directory }))
end

function server.write(path, ...)
  local file <close> = assert(io.open(path, "wb"))
  for _, bytes in ipairs { ... } do assert(file:write(bytes)) end
  assert(file:close())
  return path
end

function server.read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

--- The names in a directory, sorted.
function server.names(directory)
  local found = {}
  for name in lfs.dir(directory) do
    if not name:find "^%.%.?$" then found[#found + 1] = name end
  end
  table.sort(found)
  return found
end

--- Runs a program to its end: its exit status and what it printed.
function server.run(arguments)
  local directory = server.directory()
  local status = system.reap(assert(system.spawn(arguments, directory .. "/output")), 300)
  local output = server.read(directory .. "/output")
  server.remove(directory)
  return status, output
end

--- Starts a program and waits until it accepts on `port`.
-- Returns a server with `pid`, `port` and `directory`; raises with the program's output when it
-- ends before.
function server.start(arguments, port, directory)
  local log = directory .. "/output"
  local pid = assert(system.spawn(arguments, log))
  local self = setmetatable({ pid = pid, port = port, directory = directory }, server)
  local ok, message = system.wait_for_port(port, pid)
  if not ok then
    local output = server.read(log)
    self:stop()
    error(("%s: %s\n%s"):format(arguments[1], message, output), 2)
  end
  return self
end

--- What the program printed so far.
function server:output()
  return server.read(self.directory .. "/output")
end

--- Ends the program and removes its directory; idempotent. Returns its exit status the first time.
function server:stop()
  local pid = self.pid
  if not pid then return end
  self.pid = nil
  system.kill(pid)
  local status = system.reap(pid)
  server.remove(self.directory)
  return status
end

server.__close = server.stop
server.__gc = server.stop

--- `openssl s_server` on a free port, answering each connection with a small page.
-- `arguments` are further ones for openssl.
function server.openssl(arguments)
  local port = system.free_port()
  local command = { "openssl", "s_server", "-accept", "127.0.0.1:" .. port, "-www", "-quiet" }
  table.move(arguments, 1, #arguments, #command + 1, command)
  return server.start(command, port, server.directory())
end

--- A Python program on a free port, which it gets as its first argument.
function server.python(source, ...)
  local directory, port = server.directory(), system.free_port()
  local path = server.write(directory .. "/server.py", source)
  return server.start({ "/usr/bin/python3", path, tostring(port), ... }, port, directory)
end

return server
