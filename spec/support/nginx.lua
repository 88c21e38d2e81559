--- A real nginx on free loopback ports.
--
--   local server <close> = nginx.start()
--   local server <close> = nginx.start { tls = { certificate =, key =, protocols =, client_ca = } }
--
-- .url "http://127.0.0.1:PORT" .port .path (of a unix socket); with `tls` also
-- .tls_url "https://localhost:PORT" .tls_port
--
--   /json          a small document with its length
--   /empty         204
--   /file/<n>      n bytes, after server:file(n)
--   /chunked/<n>   the same bytes, chunked
--   /gzip/<n>      the same bytes, gzip and chunked
--   /slow/<n>      the same bytes, 64 KiB a second
--   /status/<nnn>  that status with a short body
--   /redirect      302 to /json; /redirect/loop to itself
--   /request       JSON: what nginx saw of the request
--   /upload        any body; JSON with its length
--   /put/<name>    PUT stores, GET reads back
--   /close         a small document, then the end of the connection

local pattern = require "spec.support.pattern"
local server = require "spec.support.server"
local system = require "support.system"

local statuses = {
  200, 201, 202, 400, 401, 403, 404, 405, 408, 409, 410, 413, 418, 429,
  500, 501, 502, 503, 504, 599,
}

local reflection = {
  method = "request_method", uri = "request_uri", version = "server_protocol", host = "http_host",
  user_agent = "http_user_agent", accept = "http_accept", accept_encoding = "http_accept_encoding",
  authorization = "http_authorization", cookie = "http_cookie", x = "http_x",
  content_type = "content_type", content_length = "content_length", connection = "connection",
  requests = "connection_requests", tls = "ssl_protocol", cipher = "ssl_cipher",
  resumed = "ssl_session_reused", server_name = "ssl_server_name", alpn = "ssl_alpn_protocol",
  client = "ssl_client_s_dn",
}

local http = [[
daemon off;
master_process off;
worker_processes 1;
pid DIRECTORY/pid;
error_log stderr warn;
events { worker_connections 16384; }
http {
  access_log off;
  default_type text/plain;
  client_body_temp_path DIRECTORY/temporary;
  proxy_temp_path DIRECTORY/temporary;
  fastcgi_temp_path DIRECTORY/temporary;
  uwsgi_temp_path DIRECTORY/temporary;
  scgi_temp_path DIRECTORY/temporary;
  client_max_body_size 0;
  keepalive_requests 100000000;
  keepalive_timeout 3600;
  large_client_header_buffers 8 64k;
  sendfile on;
  tcp_nodelay on;
  server {
    listen 127.0.0.1:PORT backlog=4096;
    listen unix:DIRECTORY/socket;
    TLS
    root DIRECTORY/root;
    location = /json { default_type application/json; }
    location = /empty { return 204; }
    location = /close { keepalive_timeout 0; default_type application/json; try_files /json =404; }
    location /chunked/ {
      alias DIRECTORY/root/file/;
      sub_filter_types *;
      sub_filter "no such text in any file" "";
    }
    location /gzip/ {
      alias DIRECTORY/root/file/;
      gzip on;
      gzip_types *;
      gzip_min_length 0;
    }
    location /slow/ { alias DIRECTORY/root/file/; limit_rate 64k; }
    location = /redirect { return 302 /json; }
    location = /redirect/loop { return 302 /redirect/loop; }
    location = /request { default_type application/json; return 200 '{REFLECTION}'; }
    location = /upload { proxy_pass http://127.0.0.1:PORT/upload/sink; }
    location = /upload/sink {
      default_type application/json;
      return 200 '{"length":$content_length}';
    }
    location /put/ { dav_methods PUT DELETE; create_full_put_path on; }
    STATUSES
    EXTRA
  }
}
]]

local tls = [[
    listen 127.0.0.1:PORT ssl;
    ssl_certificate CERTIFICATE;
    ssl_certificate_key KEY;
    ssl_protocols PROTOCOLS;
    ssl_session_cache shared:SSL:1m;
    ssl_session_timeout 1h;
]]

local function status_locations()
  local lines = {}
  for _, status in ipairs(statuses) do
    local line = "location = /status/NNN { return NNN 'status NNN\\n'; }"
    lines[#lines + 1] = line:gsub("NNN", status)
  end
  return table.concat(lines, "\n    ")
end

local function reflection_members()
  local members = {}
  for name, variable in pairs(reflection) do
    members[#members + 1] = ('"%s":"$%s"'):format(name, variable)
  end
  table.sort(members)
  return table.concat(members, ",")
end

local function tls_lines(options, port)
  local values = {
    PORT = tostring(port), CERTIFICATE = options.certificate, KEY = options.key,
    PROTOCOLS = options.protocols or "TLSv1.2 TLSv1.3",
  }
  local lines = tls:gsub("%u+", values)
  if options.client_ca then
    lines = lines .. ("ssl_client_certificate %s; ssl_verify_client on;"):format(options.client_ca)
  end
  return lines
end

local nginx = setmetatable({}, { __index = server })
nginx.__index = nginx
nginx.__name = "support.nginx"
nginx.__close = server.stop
nginx.__gc = server.stop

--- Starts nginx. Options: `tls` (see above), `extra` (lines for the server block).
function nginx.start(options)
  options = options or {}
  local directory, port = server.directory(), system.free_port()
  local tls_port = options.tls and system.free_port()
  for _, name in ipairs { "root", "root/file", "root/put", "temporary" } do
    assert(system.make_directory(directory .. "/" .. name))
  end
  server.write(directory .. "/root/json", '{"name":"sluice","list":[1,2,3],"text":"caf\u{e9}"}\n')
  local values = {
    DIRECTORY = directory, PORT = tostring(port), REFLECTION = reflection_members(),
    STATUSES = status_locations(), TLS = options.tls and tls_lines(options.tls, tls_port) or "",
    EXTRA = options.extra or "",
  }
  local path = server.write(directory .. "/nginx.conf", (http:gsub("%u%u%u+", values)))
  local command = { "/usr/sbin/nginx", "-p", directory, "-c", path, "-e", "stderr" }
  local self = setmetatable(server.start(command, port, directory), nginx)
  self.url = "http://127.0.0.1:" .. port
  self.path = directory .. "/socket"
  if tls_port then
    assert(system.wait_for_port(tls_port, self.pid))
    self.tls_port = tls_port
    self.tls_url = "https://localhost:" .. tls_port
  end
  return self
end

--- Makes /file/<size>, /chunked/<size>, /gzip/<size> and /slow/<size>.
-- Returns what they contain when that is at most 1 MiB.
function nginx:file(size)
  local path = ("%s/root/file/%d"):format(self.directory, size)
  local file <close> = assert(io.open(path, "wb"))
  local megabyte = pattern(1 << 20)
  for _ = 1, size >> 20 do assert(file:write(megabyte)) end
  assert(file:write(pattern(size & (1 << 20) - 1)))
  if size <= 1 << 20 then return pattern(size) end
end

return nginx
