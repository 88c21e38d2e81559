-- Lua runs out of memory at every allocation of small programs: nothing crashes or hangs, nothing
-- stays behind, and the same state goes on once there is memory again.

local certificates = require "spec.support.certificates"
local nginx = require "spec.support.nginx"
local programs = require "spec.support.programs"
local server = require "spec.support.server"
local support = require "spec.support"

local peer = support.peer

local JSON = '{"list":[1,2,3]}'

local over_connections = {
  ["a request"] = [[
    local client <close> = sluice.client { transport = transport, timeout = 60 }
    local response <close>, message = client:get(url)
    assert(response, message)
    assert(response.status == 200 and response.headers["Content-Length"] == "16")
    assert(response:json().list[3] == 3)
  ]],

  ["a WebSocket"] = [[
    local client <close> = sluice.client { transport = transport, timeout = 60 }
    local socket <close>, message = client:websocket(socket_url,
      { protocols = { "a", "b" }, close_timeout = 0.05 })
    assert(socket, message)
    assert(socket.headers.Upgrade == "websocket" and socket.state == "open")
    assert(socket:send "hello")
    local received <close> = assert(socket:receive(20))
    assert(received:text() == "hello")
    assert(socket:close())
  ]],

  ["values by their type, and pages"] = [[
    local form = sluice.serializers.form
    local writer <close> = sluice.writer { initial_size = 1 }
    assert(form.encode({ a = { "x y", 2 }, b = "&" }, writer))
    local lease <close> = writer:detach()
    local sequence <close> = lease:sequence()
    local back = assert(form.decode(sequence))
    assert(back.a[1] == "x y" and back.a[2] == "2" and back.b == "&")
    local client <close> = sluice.client { transport = transport, timeout = 60 }
    local count = 0
    for response in client:pages(url, { max = 2 }) do
      assert(assert(response:decode()).list[3] == 3)
      assert(response.links.next.title == "a b" and response.filename == "a.txt")
      count = count + 1
      if count == 1 then response:dispose() end
      break
    end
    assert(count == 1)
  ]],

  ["a body as a file"] = [[
    local client <close> = sluice.client { transport = transport, timeout = 5 }
    local response <close>, message = client:get(url, { stream = true })
    assert(response, message)
    local reader <close> = response:reader()
    assert(#reader:read(3) == 3 and #reader:read "a" == 13)
    for line in response:lines() do error(line) end
    local whole <close>, why = client:get(url)
    assert(whole, why)
    for line in whole:lines() do assert(#line == 16) end
    assert(whole:save "/dev/null" == 16)
  ]],

  ["a request with a body"] = [[
    local client <close> = sluice.client { transport = transport, timeout = 60,
      headers = { A = "1" } }
    client:use(function(request, forward) return forward(request:set_header("B", "2")) end)
    local writer <close> = sluice.writer()
    assert(writer:write(("x"):rep(1000)))
    local response <close>, message = client:post(url, { query = "q", body = writer:detach() })
    assert(response, message)
    local sequence <close> = response:sequence()
    assert(#sequence == 16)
  ]],

  ["a request that is sent again, and fails by its status"] = [[
    local client <close> = sluice.client { transport = transport, timeout = 60,
      retry = { tries = 1, delay = 0.001, statuses = { 200 } },
      auth = function() return { digest = { "me", "x" } } end }
    local response <close>, message = client:get(url)
    assert(response, message)
    assert(response.attempts == 2 and response:json().list[3] == 3)
    client:use(function(request) return request:answer { status = 503, body = "no" } end)
    local none, why, err <close> = client:get(url, { fail_status = true })
    assert(none == nil and why and err.response:text() == "no")
  ]],

  ["a download"] = [[
    local client <close> = sluice.client { transport = transport, timeout = 60 }
    local done = 0
    local ok, message = client:download(url, path, { resume = true, parallel = 2,
      progress = function(count) done = count end,
      sha256 = "bbb2330fb3d521b2c0ab5fe632c43d9d8933c5dfb683d0818747b599fc0fcf30" })
    assert(ok, message)
    assert(done == 16)
    local file <close> = assert(io.open(path))
    assert(file:read "a" == '{"list":[1,2,3]}')
  ]],

  ["a request over TLS"] = [[
    local client <close> = sluice.client { transport = transport, timeout = 60,
      tls = { ca_file = root, verify = function(certificate) return certificate.names ~= nil end } }
    for _ = 1, 2 do
      local response <close>, message = client:get(tls_url .. "/json")
      assert(response, message)
      assert(response:json().list[3] == 3 and response.tls.peer.subject)
    end
  ]],

  ["a proxy by TLS, and its refusal"] = [[
    local client <close> = sluice.client { transport = transport, timeout = 60,
      proxy = function() return { url = tls_url, tls = { ca_file = root } } end }
    local response <close>, message = client:get "http://www.test/json"
    assert(response, message)
    assert(response:json().list[3] == 3)
    local refused, why, err = client:get "https://www.test/"
    if refused ~= nil or err.code ~= "proxy" and err.code ~= "memory" then error(why) end
    if err.code == "proxy" then
      assert(err.response.status == 400 and err.response.headers["Content-Type"] == "text/html")
    end
  ]],

  ["tasks"] = [[
    local client <close> = sluice.client { transport = transport, timeout = 60,
      pool = { per_origin = 2 } }
    sluice.run(function()
      local tasks = {}
      for i = 1, 3 do
        tasks[i] = sluice.spawn(function(...)
          sluice.sleep(0)
          local response <close>, message = client:get(url, { stream = true })
          assert(response, message)
          local size = 0
          for piece in response:chunks() do
            local closing <close> = piece
            size = size + #closing
          end
          assert(size == 16)
          return size, ...
        end, i)
      end
      local results = sluice.all(tasks)
      assert(results[1] + results[2] + results[3] == 48)
    end)
  ]],

  ["a coroutine of a host"] = [[
    local core = require "sluice.core"
    local is_ready = false
    local host <const> = core.host(coroutine.yield, function() is_ready = true end)
    local leaving <close> = setmetatable({}, { __close = function() core.remove_host(host) end })
    core.add_host(host)
    local client <close> = sluice.client { transport = transport }
    local text
    local thread <const> = coroutine.create(function()
      assert(sluice.sleep(0))
      for value in sluice.wrap(function()
        local response <close>, message = client:get(url)
        assert(response, message)
        coroutine.yield(response:text())
      end) do
        text = value
      end
    end)
    local closing <close> = setmetatable({}, { __close = function() coroutine.close(thread) end })
    local ok, message = coroutine.resume(thread)
    while ok and coroutine.status(thread) ~= "dead" do
      is_ready = false
      for _ = 1, 1000 do
        sluice.loop():step(0.01)
        if is_ready then break end
      end
      if not is_ready then error("not enough memory to resume", 0) end
      ok, message = coroutine.resume(thread)
    end
    if not ok then error(message, 0) end
    assert(#text == 16)
  ]],

  ["failures"] = [[
    local client <close> = sluice.client { transport = transport, timeout = 60 }
    local response, message, err = client:get("http://127.0.0.1:1/")
    if response ~= nil or err.code ~= "connect" and err.code ~= "memory" then error(message) end
    local task = sluice.spawn(function() error("own") end)
    assert(not pcall(task.await, task))
    task = sluice.spawn(function() return sluice.sleep(0.02) end)
    task:cancel()
    response, message, err = task:await()
    if response ~= nil or err.code ~= "cancelled" then error(message) end
  ]],
}

describe("without memory for Lua", function()
  local directory, web, secure, talker

  setup(function()
    directory = server.directory()
    web = peer.listen {
      script = { { { "expect_until", "\r\n\r\n" },
        { "send", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLink: </2>; rel=next; "
          .. "title*=UTF-8''a%20b\r\nContent-Disposition: attachment; filename=\"../a.txt\"\r\n"
          .. "Content-Length: 16\r\n\r\n" .. JSON }, { "loop" } } },
      repeat_last = true, records = false,
    }
  end)

  setup(function()
    talker = peer.listen { repeat_last = true, records = false, script = {
      { { "accept" }, { "read", 11 }, { "send", "\x81\x05hello" }, { "read", 8 },
        { "send", "\x88\x02\x03\xe8" } } } }
    secure = nginx.start {
      tls = { certificate = certificates.chain "good", key = certificates.key "good" },
    }
  end)

  teardown(function()
    web:stop()
    secure:stop()
    talker:stop()
    server.remove(directory)
  end)

  local function start(program)
    local mode = support.transport() or { mode = "stream", backend = "epoll" }
    return programs.start(directory, program, web.url .. "/", mode.mode, mode.backend,
      secure.tls_url, certificates.file "root.pem", talker.url .. "/", directory .. "/download")
  end

  it("a task starts with all its arguments or not at all", function()
    local state <close> = start [[
      local many = {}
      for i = 1, 300 do many[i] = i end
      sluice.run(function()
        local task = sluice.spawn(function(...) return select("#", ...), ... end,
          table.unpack(many))
        local count, first = task:await()
        assert(count == 300 and first == 1)
      end)
    ]]
    assert.is_nil((state:call()))
    local n, raised = 0, 0
    repeat
      n = n + 1
      local message, left, has_failed = state:call("pair", n)
      assert.is_nil(left, n)
      if message then raised = raised + 1 end
      assert.is_nil((state:call()), n)
    until not has_failed
    assert.is_true(raised > 10, raised)
  end)

  -- The first task of a state: what lists tasks grows with each entry.
  it("a task that cannot be made leaves nothing", function()
    local n, raised = 0, 0
    local has_failed
    repeat
      n = n + 1
      local state <close> = start [[
        for _, list in pairs(debug.getregistry()) do
          for key in next, type(list) == "table" and list or {} do
            assert(type(key) ~= "thread" and type(key) ~= "userdata", "left behind")
          end
        end
        sluice.run(function() end)
      ]]
      local message, left
      message, left, has_failed = state:call("pair", n)
      assert.is_nil(left, n)
      if message then raised = raised + 1 end
      assert.is_nil((state:call()), n)
    until not has_failed
    assert.is_true(raised > 3, raised)
  end)

  it("bytes that a transport received are not lost", function()
    local content = support.pattern(100000)
    local p <close> = peer.listen { records = false, repeat_last = true,
      script = { { { "expect_until", "\r\n\r\n" }, { "send", content }, { "close" } } } }
    local state <close> = start(([[
      local made <close> = assert(sluice.connect {
        host = "127.0.0.1", port = %d, transport = transport })
      assert(made:send "go\r\n\r\n")
      local size, pieces, want = 0, 0, 50000
      while true do
        local ok, piece, message = pcall(made.receive, made, want)
        if ok and not piece then
          assert(not message, message)
          break
        end
        if ok then
          size = size + #piece
        else
          want = want > 1000 and want // 2 or want
        end
        pieces = pieces + 1
        assert(pieces < 10000)
      end
      assert(size == 100000, size)
    ]]):format(p.port))
    assert.is_nil((state:call()))
    local has_failed = false
    for _, limit in ipairs { 10000, 20000, 40000 } do
      local message, left, failed = state:call("over", limit)
      assert.is_nil(message)
      assert.is_nil(left)
      has_failed = has_failed or failed
    end
    assert.is_true(has_failed)
  end)

  for name, title, mode, source in programs.each(over_connections) do
    it(title, function()
      local state <close> = start(source)
      programs.fail_each(state, mode, name)
    end)
  end
end)
