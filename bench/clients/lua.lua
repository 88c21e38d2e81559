--- Small GETs by other clients for Lua.
-- usage: lua.lua <client>_<workload> <url> <count> <connections>
--
--   luasocket   socket.http, a new connection for each request: it keeps none
--   copas       the same in so many of copas' threads
--   lua_http    http.request of lua-http, a connection for each request, in cqueues
--   luv         a client written by hand over luv: kept connections, no parser but for the length
--
-- Workloads: sequential, concurrent. The body is taken as a string.

local here = arg[0]:match "^(.*/)" or "./"
package.path = here .. "../sluice/?.lua;" .. package.path
local meter = require "meter"

local name, workload = arg[1]:match "^(.-)_(%l+)$"
local url, count, connections = arg[2], tonumber(arg[3]), tonumber(arg[4])
local bytes = 0

--- How many of `total` the i-th of the connections does.
local function share(total, i)
  return total // connections + (i <= total % connections and 1 or 0)
end

--- Each runs `total` requests.
local clients = {}

function clients.luasocket()
  local http = require "socket.http"
  return function(total)
    for _ = 1, total do
      local body, status = http.request(url)
      assert(status == 200, status)
      bytes = bytes + #body
    end
  end
end

function clients.copas()
  local copas = require "copas"
  local http = require "copas.http"
  return function(total)
    for i = 1, connections do
      copas.addthread(function()
        for _ = 1, share(total, i) do
          local body, status = http.request(url)
          assert(status == 200, status)
          bytes = bytes + #body
        end
      end)
    end
    copas.loop()
  end
end

function clients.lua_http()
  local request = require "http.request"
  local cqueues = require "cqueues"
  return function(total)
    local controller = cqueues.new()
    for i = 1, connections do
      controller:wrap(function()
        for _ = 1, share(total, i) do
          local headers, stream = assert(request.new_from_uri(url):go())
          assert(headers:get ":status" == "200")
          bytes = bytes + #stream:get_body_as_string()
          stream:shutdown()
        end
      end)
    end
    assert(controller:loop())
  end
end

function clients.luv()
  local uv = require "luv"
  local host, port, path = url:match "^http://([%d.]+):(%d+)(/.*)$"
  local line = ("GET %s HTTP/1.1\r\nHost: %s:%s\r\n\r\n"):format(path, host, port)

  local function start(socket, left)
    local received, whole = "", nil
    local function send() socket:write(line) end
    socket:read_start(function(err, data)
      assert(data, err or "closed")
      received = received .. data
      if not whole then
        local length = received:match "\r\n[Cc]ontent%-[Ll]ength: *(%d+)"
        local ended = select(2, received:find("\r\n\r\n", 1, true))
        if not ended then return end
        whole = ended + tonumber(length)
      end
      if #received < whole then return end
      local body = received:sub(-tonumber(received:match "\r\n[Cc]ontent%-[Ll]ength: *(%d+)"))
      bytes, received, whole, left = bytes + #body, "", nil, left - 1
      if left > 0 then send() else socket:read_stop() end
    end)
    if left > 0 then send() else socket:read_stop() end
  end

  local sockets = {}
  return function(total)
    for i = 1, connections do
      local socket = sockets[i]
      if socket then
        start(socket, share(total, i))
      else
        sockets[i] = uv.new_tcp()
        sockets[i]:nodelay(true)
        sockets[i]:connect(host, tonumber(port), function(err)
          assert(not err, err)
          start(sockets[i], share(total, i))
        end)
      end
    end
    uv.run()
  end
end

local run = assert(clients[name], name)()
assert(workload == "sequential" or workload == "concurrent", workload)
run(connections * 4)
bytes = 0
local start = meter.begin()
run(count)
meter.finish(start, count, bytes)
os.exit(0, false)
