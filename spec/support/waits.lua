--- The kinds of waits beside that for a plain response: `waits.points[name]()` makes one. It has
--   run(timeout)  what a coroutine does; nil: it waits for as long as a spec may take
--   close()       closes what the wait belongs to, under it; nil: it belongs to nobody
--   finish()      gives up the rest: peers, clients, tasks

local certificates = require "spec.support.certificates"
local core = require "sluice.core"
local sluice = require "sluice"
local support = require "spec.support"

local waits = { points = {} }

local points = waits.points
local LONG = 600
local PATIENT = { resolve = LONG, connect = LONG, proxy = LONG, tls = LONG, first_byte = LONG,
  idle = LONG, total = LONG }
local head = { "expect_until", "\r\n\r\n" }
local SWITCH = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
  .. "Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
local PART = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\npart"

-- A point of a client's: `use(client, url, timeout)`.
local function of_client(listening, use, scheme)
  return function()
    local p = support.peer.listen(listening)
    -- With one root: a busy machine takes long to read those of the system, in the time of a call.
    local client = support.client {
      timeout = PATIENT, tls = scheme and { ca_file = certificates.file "root.pem" },
    }
    local url = ("%s://127.0.0.1:%d/"):format(scheme or "http", p.port)
    return {
      run = function(timeout) return use(client, url, timeout) end,
      close = function() client:close() end,
      finish = function()
        client:close()
        p:stop()
      end,
    }
  end
end

-- A point of a transport's, or of its making.
local function of_transport(listening, use, options)
  return function()
    local p = support.peer.listen(listening)
    local transport
    return {
      run = function(timeout)
        local all = { host = p.host, port = p.port, transport = support.transport(),
          timeout = not use and timeout or LONG, tls = options and options.tls }
        local message, err
        transport, message, err = sluice.connect(all)
        if not use then return transport, message, err end
        return use(transport, timeout or LONG)
      end,
      close = use and function() transport:close() end,
      finish = function()
        if transport then transport:close() end
        p:stop()
      end,
    }
  end
end

local function of_task(use)
  return function()
    local task = sluice.spawn(sluice.sleep, LONG)
    return {
      run = function(timeout) return use(task, timeout) end,
      close = function() task:cancel() end,
      finish = function() task:cancel() end,
    }
  end
end

points["a TLS handshake"] = of_client({ script = { { { "read_all" } } } },
  function(client, url, timeout) return client:get(url, { timeout = timeout }) end, "https")

-- The peer is the proxy.
points["a tunnel"] = of_client({ script = { { head, { "stall" } } } },
  function(client, url, timeout)
    return client:get(url, { proxy = url:gsub("^https", "http"), timeout = timeout })
  end, "https")

-- Without a time of its own it has ten seconds, whatever the client allows: a busy machine may take
-- longer to begin all waits.
points["a handshake of WebSocket"] = of_client({ script = { { head, { "stall" } } } },
  function(client, url, timeout) return client:websocket(url, { timeout = timeout or LONG }) end)

points["100-continue"] = of_client({ script = { { head, { "stall" } } } },
  function(client, url, timeout)
    return client:post(url, { body = "body", expect_continue = true, timeout = timeout })
  end)

points["a pushed body"] = of_client({ script = { { { "stall" } } }, receive_buffer = 4096 },
  function(client, url, timeout)
    local piece = ("x"):rep(1 << 20)
    return client:post(url, { body = function() return piece end, timeout = timeout })
  end)

points["a body that is saved"] = of_client({ script = { { head, { "send", PART }, { "stall" } } } },
  function(client, url, timeout)
    local response <close>, message, err =
      client:get(url, { stream = true, timeout = timeout and { idle = timeout } })
    if not response then return nil, message, err end
    return response:save "/dev/null"
  end)

points["a name"] = of_client({ script = { { head, { "stall" } } } },
  function(client, url, timeout)
    return client:get((url:gsub("127%.0%.0%.1", "localhost")), { timeout = timeout })
  end)

points["a connection"] = of_transport { accept = false }
points["a connection's handshake"] = of_transport({ script = { { { "read_all" } } } }, nil,
  { tls = true })
points["a transport's send"] = of_transport(
  { script = { { { "stall" } } }, receive_buffer = 4096 },
  function(transport, timeout) return transport:send(("x"):rep(32 << 20), timeout) end)
points["a transport's receive"] = of_transport({ script = { { { "stall" } } } },
  function(transport, timeout) return transport:receive(100, timeout) end)
points["a completion"] = of_transport({ script = { { { "stall" } } } },
  function(transport, timeout) return transport:begin_receive(100, timeout):await() end)

-- A point of a WebSocket's.
local function of_socket(use)
  return function()
    local p = support.peer.listen { receive_buffer = 4096,
      script = { { head, { "send", SWITCH }, { "stall" } } } }
    local client = support.client { timeout = PATIENT }
    local real_key = core.websocket_key
    core.websocket_key = function() return "dGhlIHNhbXBsZSBub25jZQ==" end
    local socket = assert(client:websocket(("ws://127.0.0.1:%d/"):format(p.port), {
      timeout = LONG, close_timeout = LONG, send_timeout = LONG, ping_interval = LONG }))
    core.websocket_key = real_key
    return {
      run = function(timeout) return use(socket, timeout) end,
      close = function() socket:dispose() end,
      finish = function()
        socket:dispose()
        client:close()
        p:stop()
      end,
    }
  end
end

points["a WebSocket's receive"] = of_socket(
  function(socket, timeout) return socket:receive(timeout) end)
points["a WebSocket's send"] = of_socket(
  function(socket, timeout)
    if timeout then return socket:receive(timeout) end
    return socket:send(("x"):rep(32 << 20))
  end)
points["a WebSocket's fragments"] = of_socket(
  function(socket, timeout)
    if timeout then return socket:receive(timeout) end
    return socket:send(function() return ("x"):rep(1 << 20) end)
  end)
points["a WebSocket's close"] = of_socket(
  function(socket, timeout)
    if timeout then return socket:receive(timeout) end
    return socket:close()
  end)

points["a task's end"] = of_task(function(task, timeout) return task:await(timeout) end)
points["the end of all"] = of_task(function(task, timeout)
  local other = sluice.spawn(sluice.sleep, timeout or LONG)
  local _ <close> = setmetatable({}, { __close = function() other:cancel() end })
  return sluice.all(timeout and { other } or { task, other })
end)
points["a sleep"] = function()
  local function run(timeout) return sluice.sleep(timeout or LONG) end
  return { run = run, finish = function() end }
end

--- A coroutine that waits at each point; what they need stays open.
function waits.begin_all()
  local kept = {}
  for name, make in pairs(points) do
    local point = make()
    local thread = coroutine.create(point.run)
    assert(coroutine.resume(thread))
    kept[#kept + 1] = { point, thread, name }
  end
  for _ = 1, 20 do sluice.loop():step(0.002) end
  for _, one in ipairs(kept) do
    assert(coroutine.status(one[2]) == "suspended", one[3] .. " did not wait")
  end
  return kept
end

return waits
