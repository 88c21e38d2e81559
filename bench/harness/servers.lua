--- The servers that are measured against: those of bench/origin and an nginx with a
-- certificate made on the spot, all on one core, all on free loopback ports.

local shell = require "shell"

local servers = {}

local MIB = 1024 * 1024

local function nginx_conf(dir, plain, secure, origin)
  return ([[
%s
daemon on;
worker_processes 1;
pid $dir/nginx.pid;
error_log $dir/error.log warn;
events { worker_connections 8192; }
http {
  access_log off;
  default_type text/plain;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  open_file_cache max=100 inactive=600s;
  open_file_cache_valid 600s;
  sendfile on;
  tcp_nopush on;
  tcp_nodelay on;
  client_body_temp_path $dir/body;
  proxy_temp_path $dir/proxy;
  fastcgi_temp_path $dir/fastcgi;
  uwsgi_temp_path $dir/uwsgi;
  scgi_temp_path $dir/scgi;
  root $dir/www;
  server { listen 127.0.0.1:$plain backlog=4096; }
  server {
    listen 127.0.0.1:$secure ssl backlog=4096;
    ssl_certificate $dir/leaf.pem;
    ssl_certificate_key $dir/leaf.key;
    ssl_protocols TLSv1.3;
    ssl_session_cache shared:bench:10m;
    ssl_session_tickets on;
    location /gather/ {
      proxy_pass $origin;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }
  }
}
]]):format(shell.run("id -u"):match("^0") and "user root;" or "")
    :gsub("%$dir", dir):gsub("%$plain", plain):gsub("%$secure", secure)
    :gsub("%$origin", origin)
end

-- A root and a leaf for localhost, ECDSA P-256, valid for two days.
local function make_certificates(dir)
  shell.write(dir .. "/leaf.cnf", "subjectAltName=DNS:localhost,IP:127.0.0.1\n")
  local steps = {
    "openssl ecparam -genkey -name prime256v1 -noout -out ca.key",
    "openssl req -x509 -new -key ca.key -sha256 -days 2 -subj '/CN=bench root' -out ca.pem",
    "openssl ecparam -genkey -name prime256v1 -noout -out leaf.key",
    "openssl req -new -key leaf.key -subj '/CN=localhost' -out leaf.csr",
    "openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -sha256 -days 2 "
      .. "-extfile leaf.cnf -out leaf.pem",
  }
  shell.run("cd " .. shell.quote(dir) .. " && " .. table.concat(steps, " && "))
end

-- At least that many bytes of numbered lines, all of them whole.
local function write_lines(path, size, format)
  if shell.exists(path) then return end
  local file = assert(io.open(path .. ".new", "wb"))
  local number = 0
  while size > 0 do
    local line = format:format(number)
    assert(file:write(line))
    size, number = size - #line, number + 1
  end
  assert(file:close())
  assert(os.rename(path .. ".new", path))
end

-- A token of a language model as an event, of 206 bytes.
local TOKEN = 'data: {"id":"chatcmpl-8f2a6c1e","object":"chat.completion.chunk",'
  .. '"created":1764420000,"model":"a-model-of-some-size-4b",'
  .. '"choices":[{"index":0,"delta":{"content":" token%09d"},'
  .. '"finish_reason":null}]}\n\n'

-- Made once, kept beside the programs: they are the same bytes every time.
local function make_payloads(out)
  local dir = out .. "/bodies"
  shell.run("mkdir -p " .. shell.quote(dir))
  for _, kind in ipairs { "text", "flat" } do
    local path = ("%s/%s.gz"):format(dir, kind)
    if not shell.exists(path) then
      shell.run(("%s/payload %s %d %s.new && mv %s.new %s"):format(
        out, kind, 256 * MIB, path, path, path))
    end
  end
  write_lines(dir .. "/lines", 256 * MIB, "%069d\n")
  write_lines(dir .. "/events", 256 * MIB, TOKEN)
  write_lines(dir .. "/numbers", 16 * MIB, "%d\n")
  write_lines(dir .. "/short", 16 * MIB, "%015d\n")
  return dir
end

-- Each of these starts a server, sets where it is, and returns its process.
local start = {}

-- When it is started again it has the same port, to which nginx leads.
function start.origin(self, out, pin)
  local port, pid = shell.run(pin(("%s/origin %s %s"):format(
    out, shell.quote(self.payloads), self.fast and self.fast:match("%d+$") or 0)))
    :match("(%d+) (%d+)")
  self.fast = "http://127.0.0.1:" .. port
  return pid
end

-- The same for WebSocket.
function start.ws_origin(self, out, pin)
  local port, pid = shell.run(pin(out .. "/ws_origin")):match("(%d+) (%d+)")
  self.websocket = "ws://127.0.0.1:" .. port
  return pid
end

function start.nginx(self, out, pin)
  local plain, secure = shell.run(out .. "/free_port 2"):match("(%d+)%s+(%d+)")
  shell.write(self.dir .. "/nginx.conf", nginx_conf(self.dir, plain, secure, self.fast))
  shell.run(pin(("nginx -c %s/nginx.conf"):format(self.dir)))
  self.nginx = "http://127.0.0.1:" .. plain
  self.secure = "https://127.0.0.1:" .. secure
  return (shell.read(self.dir .. "/nginx.pid"):match("%d+"))
end

-- One that has ended may stay known as a zombie, for which kill -0 succeeds.
local function runs(pid)
  local state = shell.try("ps -o stat= -p " .. pid)
  return state:find "^%s*[^Z%s]" ~= nil
end

-- Starts what does not run (any more).
local function ensure(self, out, pin)
  for _, name in ipairs { "origin", "ws_origin", "nginx" } do
    local pid = self.pids[name]
    if pid and not runs(pid) then
      io.stderr:write(name, " has ended, and is started again\n")
      pid = nil
    end
    self.pids[name] = pid or start[name](self, out, pin)
  end
end

--- Starts all and calls `use(self)`, which finds in it the base URLs `fast`, `websocket`, `nginx`
-- and `secure`, `ca_file`, `upload` (a file of 256 MiB), `payloads` (the folder of bodies) and
-- `dir` for its own files; its `ensure()` starts again what has ended. They are stopped after it,
-- also when it raises.
-- @param out where the programs are
-- @param pin puts a command on the servers' core
function servers.with(out, pin, use)
  local self = { pids = {} }
  local payloads = make_payloads(out)
  local dir = shell.run("mktemp -d"):match("%S+")
  self.dir = dir
  self.ca_file = dir .. "/ca.pem"
  self.upload = dir .. "/upload"
  self.payloads = payloads
  local is_ok, message = xpcall(function()
    shell.run(("chmod 755 %s && mkdir %s/www"):format(dir, dir))
    make_certificates(dir)
    shell.write(dir .. "/www/1k", ("abcdefghijklmnop"):rep(64))
    shell.run(("truncate -s 1G %s/www/1g"):format(dir))
    shell.run(("head -c %d /dev/zero > %s"):format(256 * MIB, self.upload))
    function self.ensure() ensure(self, out, pin) end
    self.ensure()
    use(self)
  end, debug.traceback)
  for _, pid in pairs(self.pids) do
    shell.try("kill " .. pid)
  end
  shell.try("rm -rf " .. shell.quote(dir))
  if not is_ok then
    error(message, 0)
  end
end

return servers
