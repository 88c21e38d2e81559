--- Every way that a request with a body can end: `endings.all` is an array of
--
--   { name =, code =, run = function(run), pushed =, size =, window =, is_unlike = }
--
-- `run` sends the body of a run and returns what Run:send does, or nothing if the call was left.
-- `code` is that of the failure: nil for a response, "left" for a call that returned nothing.
-- `pushed` is the code of bodies that cannot be sent again, where it is another one (false: none).
-- `size` is that of the body (nil: a small one), `window` the peer's receive buffer; `is_unlike`:
-- an interceptor sends something else. A body ends in `endings.last`.

local certificates = require "spec.support.certificates"
local sluice = require "sluice"
local support = require "spec.support"
local tls_peer = require "spec.support.tls_peer"

local peer, system, pattern = support.peer, support.system, support.pattern

local endings = { all = {}, last = "the end of the body" }

local GOOD = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"
local head, whole = { "expect_until", "\r\n\r\n" }, { "expect_until", endings.last }

local function answer(status, field)
  return { "send",
    ("HTTP/1.1 %d X\r\n%sContent-Length: 4\r\n\r\ngood"):format(status, field or "") }
end

local function step_until(done)
  local deadline = system.clock() + 120
  while not done() do
    sluice.loop():step(0.005)
    if system.clock() > deadline then error("not within two minutes", 2) end
  end
end

-- ---- the table ----

local function ending(name, code, run, options)
  local one = { name = name, code = code, run = run }
  for key, value in pairs(options or {}) do one[key] = value end
  endings.all[#endings.all + 1] = one
end

-- A server's scripts for its connections.
local function served(name, code, scripts, options)
  ending(name, code, function(run)
    return run:send_to(scripts, options and options.request, options and options.client)
  end, options)
end

for _, status in ipairs { 200, 201, 204, 304, 400, 401, 404, 413, 417, 429, 500, 503 } do
  served("status " .. status, nil, { { whole, answer(status), { "stall" } } })
end

served("a response that is chunked", nil, { { whole, { "send",
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\n\r\n" }, { "stall" } } })
served("an early refusal", nil, { { head, answer(413), { "stall" } } }, { size = 3 << 20 })
served("a refused expectation", nil, { { head, answer(401), { "stall" } } },
  { request = { expect_continue = true } })
served("an expectation sent once more", nil, { { head, answer(417), { "stall" } },
  { whole, answer(200), { "stall" } } }, { request = { expect_continue = true } })

-- failures to get there
ending("a connection refused", "connect", function(run)
  return run:send(run:client(), ("http://127.0.0.1:%d/"):format(system.free_port()))
end)
ending("a name that does not resolve", "resolve", function(run)
  return run:send(run:client { resolver = function() return nil, "unknown" end }, "http://a.test/")
end)
ending("a peer that does not accept", "timeout", function(run)
  local p = peer.listen { accept = false }
  run.peers[1] = p
  return run:send(run:client(), p.url .. "/", { timeout = { connect = 0.02 } })
end)
ending("a peer that speaks no TLS", "tls", function(run)
  local p = run:listen { { "read", 1 }, { "send", "no TLS\r\n" }, { "close" } }
  return run:send(run:client(), (p.url:gsub("^http", "https")) .. "/")
end)
ending("a certificate that is not trusted", "tls", function(run)
  local server <close> = tls_peer.start "1.3"
  return run:send(run:client(), server:url "/length-4/body-good")
end)
ending("a handshake in silence", "timeout", function(run)
  local p = run:listen { { "stall" } }
  return run:send(run:client(), (p.url:gsub("^http", "https")) .. "/", { timeout = { tls = 0.02 } })
end)
ending("a response over TLS", nil, function(run)
  local server <close> = tls_peer.start "1.3"
  return run:send(run:client { tls = { ca_file = certificates.file "root.pem" } },
    server:url "/length-4/body-good")
end)
for name, case in pairs {
  ["a proxy that refuses"] = { "proxy", { head, answer(407), { "stall" } } },
  ["a proxy that closes"] = { "closed", { head, { "close" } } },
  ["a proxy that is silent"] = { "timeout", { head, { "stall" } }, { proxy = 0.02 } },
} do
  ending(name, case[1], function(run)
    local p = run:listen(case[2])
    return run:send(run:client { proxy = p.url }, "https://a.test/", { timeout = case[3] })
  end)
end
ending("a response through a proxy", nil, function(run)
  local p = run:listen { whole, answer(200), { "stall" } }
  return run:send(run:client { proxy = p.url }, "http://a.test/")
end)
ending("a proxy that asks for digest credentials", nil, function(run)
  local p = run:listen { whole, { "send", "HTTP/1.1 407 X\r\nContent-Length: 0\r\n"
    .. 'Proxy-Authenticate: Digest realm="a", nonce="b", qop="auth"\r\n\r\n' },
    whole, answer(200), { "stall" } }
  local url = p.url:gsub("//", "//user:password@")
  return run:send(run:client { proxy = { url = url, digest = true } }, "http://a.test/")
end)
served("a server that asks for digest credentials", nil, { { whole, { "send",
  "HTTP/1.1 401 X\r\nContent-Length: 0\r\n"
    .. 'WWW-Authenticate: Digest realm="a", nonce="b", qop="auth"\r\n\r\n' },
  whole, answer(200), { "stall" } } },
  { client = { auth = { digest = { "user", "password" } } } })
ending("a SOCKS proxy that refuses", "proxy", function(run)
  local p = run:listen { { "read", 3 }, { "send", "\5\255" }, { "stall" } }
  return run:send(run:client { proxy = (p.url:gsub("^http", "socks5")) }, "http://a.test/")
end)

-- failures to send and to receive
local large = { size = 3 << 20 }
served("a reset while sending", "closed", { { { "read", 65536 }, { "reset" } } }, large)
served("an end while sending", "closed", { { { "read", 65536 }, { "close" } } }, large)
served("an end before the response", "closed", { { whole, { "close" } } })
served("an end inside the response", "closed", { { whole, { "send", GOOD:sub(1, -3) },
  { "close" } } })
served("garbage instead of a response", "protocol", { { whole, { "send", "garbage\r\n\r\n" },
  { "stall" } } })
served("a response above its limit", "limit", { { whole, { "send",
  "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n" }, { "send", pattern(50) }, { "stall" } } },
  { request = { limits = { body = 49 } } })
served("a response of a broken coding", "decode", { { whole, { "send",
  "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnone" }, { "stall" } } })

-- deadlines
served("no room to send for too long", "timeout", { { head, { "hold" } } },
  { size = 8 << 20, window = 4096, request = { timeout = { idle = 0.1 } } })
served("no time left to send", "timeout", { { head, { "hold" } } },
  { size = 8 << 20, window = 4096, request = { timeout = 0.1 } })
served("no response in time", "timeout", { { whole, { "stall" } } },
  { request = { timeout = { first_byte = 0.03 } } })
served("no response in all", "timeout", { { whole, { "stall" } } },
  { request = { timeout = 0.1 } })
ending("a queue for too long", "timeout", function(run)
  local p = run:listen { head, { "hold" }, answer(200), { "stall" } }
  local client = run:client { pool = { per_origin = 1 } }
  local first = sluice.spawn(function() assert(client:get(p.url .. "/")):dispose() end)
  step_until(function() return p:wait("holding", 1, 0) end)
  local results = table.pack(run:send(client, p.url .. "/", { timeout = { queue = 0.02 } }))
  p:signal()
  first:await()
  return table.unpack(results, 1, results.n)
end)

-- redirects
for status, method in pairs { [303] = "GET", [302] = "GET" } do
  ending(("a redirect with %d"):format(status), nil, function(run)
    local to = run:listen { { "expect_until", method .. " / " }, head, answer(200), { "stall" } }
    return run:send_to { { whole, answer(status, ("Location: %s/\r\n"):format(to.url)),
      { "stall" } } }
  end)
end
for _, status in ipairs { 307, 308 } do
  ending(("a redirect with %d"):format(status), nil, function(run)
    local to = run:listen { whole, answer(200), { "stall" } }
    local code = run:send_to { { whole, answer(status, ("Location: %s/\r\n"):format(to.url)),
      { "stall" } } }
    if code then assert(to:received(1):find(run.sent:sub(1, 3000), 1, true)) end
    if not code then return nil, "refused", { code = "redirect" } end
    return code
  end, { pushed = "redirect" })
end
served("too many redirects", "redirect", { { whole, answer(307, "Location: /\r\n"), { "loop" } } },
  { request = { redirects = 3 } })
served("a redirect that is refused", "redirect", { { whole, answer(307,
  "Location: ftp://a.test/\r\n"), { "stall" } } })
ending("a redirect to nobody", "connect", function(run)
  return run:send_to { { whole, answer(307,
    ("Location: http://127.0.0.1:%d/\r\n"):format(system.free_port())), { "stall" } } }
end, { pushed = "redirect" })

-- connections that are found dead
ending("a stale connection", nil, function(run)
  local p = run:listen({ head, { "send", GOOD }, head, { "close" } },
    { whole, answer(200), { "stall" } })
  local client = run:client()
  assert(client:get(p.url .. "/")):dispose()
  client:use(function(request, forward)
    request.method = "PUT" -- which may be sent again
    return forward(request)
  end)
  return run:send(client, p.url .. "/")
end, { pushed = "closed" })

-- the program gives up
local function left(name, code, leave, options)
  options = options or {}
  ending(name, code, function(run)
    local p = run:listen(options.steps or { head, { "hold" }, { "discard" } })
    local client = run:client()
    local results
    local function call() results = table.pack(run:send(client, p.url .. "/")) end
    leave(run, client, p, call)
    if results then return table.unpack(results, 1, results.n) end
  end, options)
end

local function until_holding(p) step_until(function() return p:wait("holding", 1, 0) end) end

for moment, options in pairs {
  ["while it sends"] = { size = 8 << 20, window = 4096 },
  ["while it waits for the response"] = { steps = { whole, { "hold" }, { "discard" } } },
  ["in the response"] = { steps = { whole, { "send", GOOD:sub(1, -3) }, { "hold" },
    { "discard" } } },
} do
  left("a task cancelled " .. moment, "cancelled", function(_, _, p, call)
    local task = sluice.spawn(call)
    until_holding(p)
    task:cancel()
    assert(pcall(task.await, task))
  end, options)
  left("a coroutine closed " .. moment, "left", function(_, _, p, call)
    local co = coroutine.create(call)
    assert(coroutine.resume(co))
    until_holding(p)
    assert(coroutine.close(co))
  end, options)
  left("a client closed " .. moment, nil, function(run, client, p, call)
    local task = sluice.spawn(call)
    until_holding(p)
    client:close() -- what has begun goes on
    task:cancel()
    pcall(task.await, task)
    run.code = "cancelled"
  end, options)
end
left("a client closed in the queue", "closed", function(run, _, p, _)
  local client = run:client { pool = { per_origin = 1 } }
  local first = sluice.spawn(function() client:get(p.url .. "/") end)
  until_holding(p)
  local results
  local second = sluice.spawn(function()
    results = table.pack(run:send(client, p.url .. "/"))
  end)
  sluice.loop():step(0)
  client:close()
  second:await()
  first:cancel()
  pcall(first.await, first)
  run.results = results
end)
ending("a closed client", "closed", function(run)
  local client = run:client()
  client:use(function(request, forward)
    client:close()
    return forward(request)
  end)
  return run:send(client, "http://127.0.0.1:1/")
end)
ending("a response that is dropped unread", "left", function(run)
  local p = run:listen { whole, { "send",
    "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nbegin" }, { "stall" } }
  run.options.stream = true
  assert(run:client():post(p.url .. "/", run.options)):dispose()
end)
ending("a deadline of a coroutine that nothing refers to", "left", function(run)
  local p = run:listen { whole, { "stall" } }
  local client = run:client()
  coroutine.wrap(function()
    run:send(client, p.url .. "/", { timeout = { first_byte = 0.05 } })
  end)()
  collectgarbage()
  collectgarbage()
  step_until(function() return sluice.stats().waiting == 0 end)
end)

-- requests that are refused before they are sent
for name, more in pairs {
  ["a bad field"] = { headers = { A = "\r\n" } },
  ["a field of the client's"] = { headers = { ["Content-Length"] = "1" } },
  ["a field that comes twice"] = { headers = { { "Range", "bytes=0-1" }, { "Range", "a" } } },
  ["trailers that have no place"] = { trailers = { A = "b" } },
} do
  ending(name, "invalid", function(run)
    return run:send(run:client(), "http://127.0.0.1:1/", more)
  end)
end
ending("a URL that is none", "invalid", function(run)
  return run:send(run:client(), "http://[/")
end)

-- interceptors
for name, case in pairs(require "spec.support.missteps") do
  for _, place in ipairs { "call", "hop" } do
    ending(("an interceptor of a %s that %s"):format(place, name), case[1], function(run)
      local steps_of = { case.is_removed and head or whole, answer(200), { "loop" } }
      local p = run:listen(steps_of)
      local client = run:client()
      client:use(place == "call" and case[2] or { hop = case[2] })
      if case.is_replaced then run.sent = endings.last end
      local results = table.pack(pcall(run.send, run, client, p.url .. "/"))
      if not results[1] then
        if case[1] == "raised" then return nil, "raised", { code = "raised" } end
        -- What an interceptor answers by itself is no response to be read.
        if case[1] == "answered" then return nil, "answered", { code = "answered" } end
        error(results[2], 0)
      end
      return table.unpack(results, 2, results.n)
    end, { pushed = case.pushed, is_unlike = case.is_replaced or case.is_removed })
  end
end

-- retries
local soon = { tries = 2, delay = 0.001, methods = { "POST" } }
local busy = { whole, answer(503, "Connection: close\r\n"), { "close" } }

served("a retry that succeeds", nil, { busy, busy, { whole, answer(200), { "stall" } } },
  { request = { retry = soon } })
served("the last retry", nil, { busy }, { request = { retry = soon } })
served("a retry after a reset, which is refused", "closed", { { whole, { "reset" } } },
  { request = { retry = soon } })
served("a retry for which no time is left", nil, { { whole, answer(503, "Retry-After: 30\r\n"),
  { "stall" } } }, { request = { retry = soon, timeout = 10 } })
served("a retry that a function refuses", nil, { busy, { whole, answer(200), { "stall" } } },
  { request = { retry = { tries = 2, when = function() return false end } } })
ending("a retry whose function raises", "raised", function(run)
  local results = table.pack(pcall(run.send_to, run, { busy },
    { retry = { tries = 2, when = function() error "when" end } }))
  if not results[1] then return nil, "raised", { code = "raised" } end
  return table.unpack(results, 2, results.n)
end, { pushed = false })
ending("a task cancelled between two tries", "cancelled", function(run)
  local p = run:listen(busy)
  local results
  local task = sluice.spawn(function()
    results = table.pack(run:send(run:client(), p.url .. "/",
      { retry = { tries = 2, delay = 60, methods = { "POST" } } }))
  end)
  step_until(function() return p:wait("idle", 1, 0) end)
  for _ = 1, 20 do sluice.loop():step(0.001) end
  task:cancel()
  assert(pcall(task.await, task))
  return table.unpack(results, 1, results.n)
end, { pushed = false })
served("a status that is a failure", "status", { { whole, answer(500), { "stall" } } },
  { request = { fail_status = true } })

ending("a retry of an interceptor", nil, function(run)
  local p = run:listen({ whole, answer(503, "Connection: close\r\n"), { "close" } },
    { whole, { "reset" } },
    { whole, answer(200), { "stall" } })
  local client = run:client()
  client:use(function(request, forward)
    local response, message, err
    for _ = 1, 3 do
      response, message, err = forward(request)
      if response and response.status == 200 then break end
      if response then response:dispose() end
    end
    return response, message, err
  end)
  return run:send(client, p.url .. "/")
end, { pushed = "invalid" })

return endings
