-- One scripted set of exchanges on every transport: the client reports the same events, to the
-- letter.

local certificates = require "spec.support.certificates"
local sluice = require "sluice"
local support = require "spec.support"
local tls_peer = require "spec.support.tls_peer"

local peer = support.peer

local head = { "expect_until", "\r\n\r\n" }

local function ok(body, fields)
  return ("HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s"):format(fields or "", #body, body)
end

local CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\nX-A: 2\r\n\r\n" ..
  "5\r\nHello\r\n8;x=y\r\n, sluice\r\n0\r\nX-Sum: 42\r\n\r\n"
local LARGE = support.pattern(300000)

-- name, the script of each connection, and the request: method, options, how often.
local exchanges = {
  { "two on one connection", { { head, { "send", ok "one" }, head, { "send", ok "two" } } },
    times = 2 },
  { "chunked with trailers, byte by byte", { { head, { "dribble", CHUNKED, 1 } } } },
  { "interim answers first", { { head, { "send", "HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n" ..
    "HTTP/1.1 100 Continue\r\n\r\n" .. ok "x" } } } },
  { "a large body in pieces", { { head, { "dribble", ok(LARGE), 10007 } } } },
  { "until the end of the connection",
    { { head, { "send", "HTTP/1.0 200 Fine\r\n\r\nto the end" }, { "close" } } } },
  { "no body", { { head, { "send", "HTTP/1.1 204 No Content\r\nX: y\r\n\r\n" } } } },
  { "HEAD", { { head, { "send", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n" } } },
    method = "HEAD" },
  { "an upload and its echo", { { head, { "read", 300000 }, { "send", ok "taken" } } },
    method = "POST", options = { body = LARGE } },
  { "413 while uploading", { { head, { "send", "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n" ..
    "Connection: close\r\n\r\nno" }, { "discard" } } }, method = "POST",
    options = { body = ("z"):rep(4 << 20) } },
  { "a server error",
    { { head, { "send", "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy" } } } },
  { "closed before the response, new connection", { { head, { "close" } } } },
  { "closed on reuse, sent again",
    { { head, { "send", ok "one" }, head, { "close" } }, { head, { "send", ok "two" } } },
    times = 2 },
  { "reset on reuse, sent again",
    { { head, { "send", ok "one" }, head, { "reset" } }, { head, { "send", ok "two" } } },
    times = 2 },
  { "closed on reuse, not sent again", { { head, { "send", ok "one" }, head, { "close" } } },
    times = 2, method = "POST" },
  { "cut in the body", { { head, { "send", ok("whole"):sub(1, -3) }, { "close" } } } },
  { "reset in the head", { { head, { "send", "HTTP/1.1 200 O" }, { "reset" } } } },
  { "cut in a chunk", { { head, { "send", CHUNKED:sub(1, -30) }, { "close" } } } },
  { "silence", { { head, { "stall" } } }, options = { timeout = { first_byte = 0.05 } } },
  { "silence in the body", { { head, { "send", ok("whole"):sub(1, -3) }, { "stall" } } },
    options = { timeout = { idle = 0.05 } } },
  { "garbage", { { head, { "send", "SSH-2.0-OpenSSH\r\n\r\n" }, { "stall" } } } },
  { "two lengths", { { head, { "send", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n" ..
    "Content-Length: 2\r\n\r\nxy" }, { "stall" } } } },
  { "a bad chunk size", { { head, { "send", "HTTP/1.1 200 OK\r\n" ..
    "Transfer-Encoding: chunked\r\n\r\n5x\r\n" }, { "stall" } } } },
  { "a body over the limit", { { head, { "send", ok(LARGE) }, { "stall" } } },
    options = { limits = { body = 1000 } } },
  { "more than the message", { { head, { "send", ok "one" .. "surplus" }, { "read_all" } },
    { head, { "send", ok "two" } } }, times = 2 },
  { "a redirect", { { head, { "send", "HTTP/1.1 302 Found\r\nLocation: /next\r\n" ..
    "Content-Length: 0\r\n\r\n" }, head, { "send", ok "there" } } } },
  { "100-continue", { { head, { "send", "HTTP/1.1 100 Continue\r\n\r\n" }, { "read", 4 },
    { "send", ok "taken" } } }, method = "POST",
    options = { body = "body", expect_continue = true } },
  { "417 instead of 100", { { head, { "send", "HTTP/1.1 417 No\r\nContent-Length: 2\r\n\r\nno" },
    { "stall" } }, { head, { "read", 4 }, { "send", ok "taken" } } }, method = "POST",
    options = { body = "body", expect_continue = true } },
  { "a chunked upload", { { { "expect_until", "\r\n0\r\n\r\n" }, { "send", ok "taken" } } },
    method = "POST", make_options = function()
      local left = 40
      return { body = function()
        left = left - 1
        return left >= 0 and ("piece"):rep(1000) or nil
      end }
    end },
  { "a connection refused", { { { "stall" } } }, is_refused = true },
  { "cancelled in the head", { { head, { "hold" } } }, cancel = true },
  { "cancelled in the body", { { head, { "send", ok("whole"):sub(1, -3) }, { "hold" } } },
    cancel = true },
}

-- The same over TLS: the paths requested from support/program/tls_peer.c, in order.
local tls_exchanges = {
  { "three on one connection", "/length-3/body-one", "/length-100000/fill-100000",
    "/length-3/body-two" },
  { "until close_notify", "/close/body-whole/notify/fin", "/length-3/body-one" },
  { "until close_notify without FIN", "/close/body-whole/notify", "/length-3/body-one" },
  { "until FIN", "/close/body-whole/fin", "/length-3/body-one" },
  { "cut by close_notify", "/length-9/body-whole/notify/fin", "/length-3/body-one" },
  { "cut by FIN", "/length-9/body-whole/fin", "/length-3/body-one" },
  { "cut by garbage", "/length-9/body-whole/garbage", "/length-3/body-one" },
  { "key updates, where there are some", "/length-10/body-whole/update-1/body-whole",
    "/length-10/body-whole/update-0/body-whole", "/length-3/body-one" },
  { "small records", "/fragment-512/length-5000/fill-5000", "/length-3/body-one" },
  { "answers that nobody asked for", "/length-3/body-one/length-3/body-two", "/length-3/body-six" },
  { "close_notify behind an answer", "/length-3/body-one/notify", "/length-3/body-two" },
}

local function log_response(log, response, stream)
  log("status " .. response.status .. " " .. tostring(response.reason) .. " " .. response.version)
  for name, value in pairs(response.headers) do log(name .. ": " .. value) end
  if stream then
    local pieces = {}
    local piece, message, err
    repeat
      piece, message, err = response:read(777)
      pieces[#pieces + 1] = piece
    until not piece
    log("body " .. table.concat(pieces))
    if message then log(("failed %s %s %s"):format(err.code, err.stage, err.retryable)) end
  else
    log("body " .. response:text())
  end
  for name, value in pairs(response.trailers or {}) do log("trailer " .. name .. ": " .. value) end
end

-- The request, in a task that is cancelled once the peer has played its part.
local function ask_and_cancel(p, ask)
  local task = sluice.spawn(function()
    local response, message, err = ask()
    if response then
      local _
      repeat _, message, err = response:read(100) until not _
      response:dispose()
    end
    return nil, message, err
  end)
  local deadline = support.system.clock() + 60
  while not p:wait("holding", 1, 0) and support.system.clock() < deadline do
    sluice.loop():step(0.002)
  end
  for _ = 1, 10 do sluice.loop():step(0.002) end
  task:cancel "enough"
  return task:await()
end

local function ask_now(_, ask) return ask() end

local function play(transport, exchange, stream)
  local lines = {}
  local function log(line) lines[#lines + 1] = line end
  local name, script = exchange[1], exchange[2]
  local p <close> = peer.listen { script = script }
  local client <close> = sluice.client { transport = transport }
  local before = sluice.stats()
  log(name)
  for _ = 1, exchange.times or 1 do
    local options = exchange.make_options and exchange.make_options() or {}
    options.stream = stream
    for key, value in pairs(exchange.options or {}) do options[key] = value end
    local url = p.url
    if exchange.is_refused then
      url = "http://127.0.0.1:" .. support.system.free_port()
    end
    local function ask() return client:request(exchange.method or "GET", url .. "/", options) end
    local response <close>, message, err = (exchange.cancel and ask_and_cancel or ask_now)(p, ask)
    if response then
      log_response(log, response, stream)
    else
      log(("failed %s %s %s: %s"):format(err.code, err.stage, err.retryable,
        (message:gsub("127%.0%.0%.1:%d+", "PEER"))))
    end
  end
  local after = client:stats()
  log(("made %d, sent again %d, in all %d and %d"):format(after.made, after.resends,
    sluice.stats().requests - before.requests, sluice.stats().resends - before.resends))
  client:close()
  support.settle(sluice)
  local now = sluice.stats()
  log(("left %d, leaked %d"):format(now.outstanding, now.leaked - before.leaked))
  return table.concat(lines, "\n")
end

local function play_tls(transport, exchange, stream, version, server)
  local lines = {}
  local function log(line) lines[#lines + 1] = line end
  local client <close> = sluice.client {
    transport = transport, tls = { ca_file = certificates.file "root.pem", max_version = version },
  }
  local before = sluice.stats()
  log(exchange[1] .. " " .. version)
  for i = 2, #exchange do
    local response <close>, message, err = client:get(server:url(exchange[i]), { stream = stream })
    if response then
      log_response(log, response, stream)
      log(response.tls.version .. " " .. response.tls.cipher)
    else
      log(("failed %s %s %s: %s"):format(err.code, err.stage, err.retryable,
        (message:gsub("localhost:%d+", "PEER"))))
    end
  end
  log(("made %d, sent again %d"):format(client:stats().made, client:stats().resends))
  client:close()
  support.settle(sluice)
  local now = sluice.stats()
  log(("left %d, leaked %d"):format(now.outstanding, now.leaked - before.leaked))
  return table.concat(lines, "\n")
end

-- Every transport is tried in one run: once is enough.
local own_mode = os.getenv "SLUICE_SPEC_MODE"
local is_turn = not own_mode or own_mode == "" or own_mode == "stream+epoll"

if is_turn then
  describe("the same exchanges", function()
    local modes = {}
    for _, backend in ipairs(sluice.platform().backends) do
      -- Streams are built on readiness.
      if backend ~= "threads" and backend ~= "io_uring" then
        modes[#modes + 1] = { mode = "stream", backend = backend }
      end
      modes[#modes + 1] = { mode = "completion", backend = backend }
    end

    it("run on all transports", function()
      assert.is_true(#modes >= 5)
    end)

    it("give each of several tasks its own log", function()
      local function run(transport)
        local client <close> = sluice.client { transport = transport }
        local peers, tasks, logs = {}, {}, {}
        for i = 1, 6 do
          local p = peer.listen { script = { { head, { "dribble", CHUNKED, i, 0.0005 }, head,
            { "cut", ok(LARGE), 5000 * i, 0.002 }, head, { "send", ok("task " .. i) } } } }
          peers[i] = p
          tasks[i] = sluice.spawn(function()
            local lines = {}
            for round = 1, 3 do
              local response <close> = assert(client:get(p.url .. "/", { stream = round == 2 }))
              log_response(function(line) lines[#lines + 1] = line end, response, round == 2)
            end
            logs[i] = table.concat(lines, "\n")
          end)
        end
        sluice.all(tasks)
        for _, p in ipairs(peers) do p:stop() end
        client:close()
        support.settle(sluice)
        assert.equal(0, sluice.stats().outstanding)
        return logs
      end
      local first = run(modes[1])
      for i, log in ipairs(first) do assert.is_truthy(log:find("task " .. i, 1, true)) end
      for i = 2, #modes do
        local logs = run(modes[i])
        for k, log in ipairs(first) do assert.is_true(log == logs[k], modes[i].backend .. k) end
      end
    end)

    -- play_over(transport) gives the same log over each of them, and nothing is left.
    local function check_logs(play_over)
      local first
      for _, transport in ipairs(modes) do
        local log = play_over(transport)
        first = first or log
        if log ~= first then
          error(("%s over %s differs:\n%s\n-- from --\n%s"):format(transport.mode,
            transport.backend, log:sub(1, 2000), first:sub(1, 2000)))
        end
        assert.is_truthy(log:find "left 0, leaked 0")
      end
    end

    for _, exchange in ipairs(exchanges) do
      for _, stream in ipairs { false, true } do
        it(("give the same log, %s: %s"):format(stream and "streamed" or "buffered", exchange[1]),
          function()
            check_logs(function(transport) return play(transport, exchange, stream) end)
          end)
      end
    end

    for _, version in ipairs { "1.2", "1.3" } do
      for _, exchange in ipairs(tls_exchanges) do
        it(("give the same log over TLS %s: %s"):format(version, exchange[1]), function()
          local server <close> = tls_peer.start(version)
          for _, stream in ipairs { false, true } do
            check_logs(function(transport)
              return play_tls(transport, exchange, stream, version, server)
            end)
          end
        end)
      end
    end
  end)
end
