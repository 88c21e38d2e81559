-- Which transport a client gets: the default, the option, and what the machine can do.
-- Runs once.

local script = require "spec.support.script"
local sluice = require "sluice"
local support = require "spec.support"

local peer = support.peer

local BACKENDS = { io_uring = true, epoll = true, kqueue = true, threads = true, poll = true }

local function is_listed(list, name)
  for _, one in ipairs(list) do
    if one == name then return true end
  end
  return false
end

describe("the platform", function()
  it("reports its capabilities, the same each time", function()
    local platform = sluice.platform()
    assert.equal("boolean", type(platform.supported))
    assert.is_truthy(({ full = 1, reduced = 1, none = 1 })[platform.expected_benefit])
    assert.is_true(#platform.backends >= 1)
    for _, name in ipairs(platform.backends) do assert.is_true(BACKENDS[name], name) end
    assert.equal(platform.supported and platform.backends[1] or "none", platform.completion_model)
    assert.same(platform, sluice.platform())
    platform.supported = "changed"
    assert.not_equal("changed", sluice.platform().supported)
  end)

  it("has the threads backend everywhere, and epoll on Linux", function()
    local backends = sluice.platform().backends
    assert.is_true(is_listed(backends, "threads"))
    assert.is_true(is_listed(backends, "epoll"))
  end)
end)

-- Those that wait for each other. A loop that has once opened poll waits in poll from then on, and
-- a ring beside it is then looked at only now and then: not for the other specs of this process.
local side_by_side = {}
for _, name in ipairs(sluice.platform().backends) do
  if name ~= "poll" then side_by_side[#side_by_side + 1] = name end
end

-- The modules that query the platform are loaded again, over a core that reports this one.
local function without_completions(f)
  local core = require "sluice.core"
  local kept = {}
  for name, module in pairs(package.loaded) do
    if name:match "^sluice%f[.\0]" then kept[name] = module end
  end
  local poorer = setmetatable({
    platform = function()
      return { supported = false, completion_model = "none", expected_benefit = "none",
        backends = { "poll" } }
    end,
  }, { __index = core })
  for name in pairs(kept) do package.loaded[name] = nil end
  package.loaded["sluice.core"] = poorer
  local ok, message = pcall(function() f(require "sluice") end)
  for name in pairs(package.loaded) do
    if name:match "^sluice%f[.\0]" then package.loaded[name] = nil end
  end
  for name, module in pairs(kept) do package.loaded[name] = module end
  if not ok then error(message, 0) end
end

describe("the transport of a client", function()
  local p

  -- A backend is opened when it is first needed, and stays.
  setup(function()
    local web <close> = peer.listen { script = { { { "read_all" } } }, repeat_last = true }
    for _, backend in ipairs(side_by_side) do
      local transport <close> = assert(sluice.connect { -- luacheck: ignore
        host = web.host, port = web.port, transport = { mode = "completion", backend = backend } })
    end
    support.settle(sluice)
  end)

  support.verify_each(function(keep)
    p = keep(peer.listen {
      script = { { { "expect_until", "\r\n\r\n" },
        { "send", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood" }, { "loop" } } },
      repeat_last = true,
    })
  end)

  local function get(client)
    local response <close> = assert(client:get(p.url .. "/"))
    assert.equal("good", response:text())
  end

  it("is stream by default", function()
    local client <close> = sluice.client()
    assert.equal("stream", client:stats().transport)
    get(client)
  end)

  it("is frozen when the client is made", function()
    local transport = { mode = "completion", backend = "threads" }
    local options = { transport = transport }
    local client <close> = sluice.client(options)
    transport.mode, transport.backend = "stream", "epoll"
    options.transport = "stream"
    get(client)
    get(client)
    assert.equal("completion", client:stats().transport)
    assert.equal("threads", client:stats().backend)
    assert.equal(1, (p:connections()))
  end)

  it("and pooling do not depend on each other", function()
    for _, transport in ipairs { "stream", "completion" } do
      for _, pooling in ipairs { true, false } do
        local client <close> = sluice.client { transport = transport, pooling = pooling }
        assert.equal(transport, client:stats().transport)
        get(client)
        get(client)
        assert.equal(1, client:stats().made)
      end
    end
  end)

  it("on several backends side by side", function()
    local clients = {}
    for i, backend in ipairs(side_by_side) do
      clients[i] = sluice.client { transport = { mode = "completion", backend = backend } }
    end
    for _ = 1, 3 do
      for _, client in ipairs(clients) do get(client) end
    end
    for _, client in ipairs(clients) do
      assert.equal(1, client:stats().made)
      client:close()
    end
  end)

  it("never changes: an old client finishes its requests beside one of another mode", function()
    local slow <close> = peer.listen { repeat_last = true, script = { {
      { "expect_until", "\r\n\r\n" },
      { "send", "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf" }, { "hold" },
      { "send", "full" }, { "expect_end" } } } }
    for i, modes in ipairs { { "stream", "completion" }, { "completion", "stream" } } do
      local old = sluice.client { transport = modes[1] }
      local response <close> = assert(old:get(slow.url .. "/", { stream = true }))
      assert.equal("half", response:read(4))
      old:close()
      local new <close> = sluice.client { transport = modes[2] }
      get(new)
      get(new)
      assert.same({ modes[2], 1 }, { new:stats().transport, new:stats().made })
      slow:signal(1)
      assert.equal("full", response:read(4))
      assert.is_nil((response:read(4)))
      sluice.loop():step(0)
      assert.is_true(slow:wait("idle", i, 10)) -- its connection is not kept
    end
    assert.same({}, slow:failures())
  end)

  it("by completions holds two blocks of 8 KiB per idle connection, and releases them",
    function()
      for _, pooling in ipairs { true, false } do
        for mode, bytes in pairs { stream = 0, completion = 16384 } do
          local client <close> =
            sluice.client { transport = mode, pooling = pooling, pool = { idle = 0.05 } }
          local spare = sluice.stats().spare
          get(client)
          local now = sluice.stats()
          assert.same({ bytes, bytes // 8192, 1 }, { now.bytes, now.outstanding, now.connections })
          -- Without pooling they come from the allocator, and nothing is kept for later.
          if not pooling then assert.equal(spare, now.spare) end
          local deadline = support.system.clock() + 10
          repeat
            sluice.loop():step(0.01)
            now = sluice.stats()
          until now.connections == 0 and now.bytes == 0 or support.system.clock() > deadline
          assert.same({ 0, 0, 0 }, { now.bytes, now.outstanding, now.connections })
          if not pooling then assert.equal(spare, now.spare) end
        end
      end
    end)

  it("is reported to the logger once, at construction", function()
    local lines = {}
    local function logger(level, text) lines[#lines + 1] = level .. ": " .. text end
    local client <close> = sluice.client { transport = "completion", logger = logger }
    local platform = sluice.platform()
    local line = "info: completion transport over " .. platform.completion_model
    assert.equal("full", platform.expected_benefit)
    assert.same({ line }, lines)
    get(client)
    assert.equal(1, #lines)
    lines = {}
    local slower <close> = sluice.client {
      transport = { mode = "completion", backend = "threads" }, logger = logger }
    assert.same({ "info: completion transport over threads, " ..
      "which works without the kernel's completions and gains less" }, lines)
    get(slower)
    assert.equal(1, #lines)
    lines = { "" }
    sluice.client({ logger = logger }):close()
    assert.equal(1, #lines)
  end)

  it("is refused if it is invalid", function()
    for _, transport in ipairs { "streem", 5, { mode = "threads" }, { backend = "ring" },
      { kind = "stream" } } do
      assert.error_matches(function() sluice.client { transport = transport } end, "transport")
    end
  end)

  it("fails if the named backend is missing, and takes no other", function()
    without_completions(function(poor)
      for _, mode in ipairs { "stream", "completion" } do
        local transport = { mode = mode, backend = "epoll" }
        local client, message, err = poor.client { transport = transport }
        assert.is_nil(client)
        assert.equal("unsupported", err.code)
        assert.equal(tostring(err), message)
        assert.matches("epoll", message)
        local connected, _, why = poor.connect {
          host = "127.0.0.1", port = 1, transport = transport }
        assert.is_nil(connected)
        assert.equal("unsupported", why.code)
      end
    end)
  end)
end)

describe("a machine without completion transport", function()
  it("makes stream clients, each with one warning at construction", function()
    local p <close> = peer.listen { script = { { { "expect_until", "\r\n\r\n" },
      { "send", "HTTP/1.1 204 No Content\r\n\r\n" }, { "stall" } } }, repeat_last = true }
    without_completions(function(poor)
      local lines = {}
      local function logger(level, text) lines[#lines + 1] = level .. ": " .. text end
      local client <close> = poor.client { transport = "completion", logger = logger }
      assert.same({ "warning: completion transport is not available here; using stream" }, lines)
      assert.equal("stream", client:stats().transport)
      local response <close> = assert(client:get(p.url .. "/"))
      assert.equal(204, response.status)
      assert.equal(1, #lines)
      local other <close> = poor.client { logger = logger }
      assert.equal("stream", other:stats().transport)
      assert.equal(1, #lines)
      local named, _, err =
        poor.client { transport = { mode = "completion", backend = "io_uring" } }
      assert.is_nil(named)
      assert.equal("unsupported", err.code)
    end)
    support.settle(sluice)
  end)

  it("warns once per state if there is no logger, however many connect", function()
    local p <close> = peer.listen { script = { { { "stall" } } }, repeat_last = true }
    local count = 0
    local warned = _G.warn
    _G.warn = function(text)
      count = count + 1
      assert.equal("sluice: completion transport is not available here; using stream", text)
    end
    local ok, message = pcall(without_completions, function(poor)
      for _ = 1, 3 do
        assert(poor.connect { host = p.host, port = p.port, transport = "completion" }):close()
        poor.client({ transport = "completion" }):close()
      end
    end)
    _G.warn = warned
    assert(ok, message)
    assert.equal(1, count)
    support.settle(sluice)
  end)

  it("uses streams without a word where a host has taken warn away", function()
    local warned = _G.warn
    _G.warn = nil
    local ok, message = pcall(without_completions, function(poor)
      poor.client({ transport = "completion" }):close()
    end)
    _G.warn = warned
    assert(ok, message)
  end)
end)

describe("a build without a TLS library", function()
  it("fails requests for https and says what to build, and sends those for http", function()
    local p <close> = peer.listen { script = { { { "expect_until", "\r\n\r\n" },
      { "send", "HTTP/1.1 204 No Content\r\n\r\n" }, { "stall" } } } }
    local status, output = script.run([[
      local core = require "sluice.core"
      local platform = core.platform
      core.platform = function()
        local seen = platform()
        seen.tls_providers = {}
        return seen
      end
      local sluice = require "sluice"
      for _, url in ipairs { "https://127.0.0.1:1/", (arg[1]:gsub("^http", "https")) } do
        local none, message, err = sluice.get(url)
        print(none, err.code, err.stage, message)
      end
      print(select(3, sluice.websocket "wss://127.0.0.1:1/").code)
      local transport, _, err = sluice.connect { host = "127.0.0.1", port = 1, tls = true }
      print(transport, err.code)
      print(assert(sluice.get(arg[1])).status)
    ]], p.url .. "/")
    local told = "nil\tunsupported\ttls\ttls: this build has no TLS library; build sluice where "
      .. "the headers of OpenSSL or GnuTLS are installed\n"
    assert.equal(told .. told .. "unsupported\nnil\tunsupported\n204\n", output)
    assert.equal(0, status)
  end)
end)

describe("a kernel that refuses io_uring", function()
  local refused = [[
    assert(require "support.refusal".io_uring(tonumber(arg[2])))
    local sluice = require "sluice"
    local platform = sluice.platform()
    assert(platform.supported and platform.completion_model == "epoll", platform.completion_model)
    local lines = {}
    local client = sluice.client {
      transport = "completion", logger = function(...) lines[#lines + 1] = { ... } end,
    }
    local response = assert(client:get(arg[1]))
    assert(response.status == 204)
    response:dispose()
    assert(client:stats().transport == "completion")
    client:close()
    local none, message, err =
      sluice.client { transport = { mode = "completion", backend = "io_uring" } }
    assert(none == nil and err.code == "unsupported", message)
    print(#lines .. " " .. lines[1][1] .. " " .. lines[1][2])
    print(message)
  ]]

  for name, number in pairs { EPERM = 1, ENOSYS = 38, ENOMEM = 12 } do
    it(("with %s: the next best is used, a client that names it fails"):format(name), function()
      local p <close> = peer.listen { script = { { { "expect_until", "\r\n\r\n" },
        { "send", "HTTP/1.1 204 No Content\r\n\r\n" }, { "stall" } } } }
      local status, output = script.run(refused, p.url .. "/", tostring(number))
      assert.equal("1 info completion transport over epoll\n" ..
        "client: completion transport: the kernel refuses io_uring: see the sysctl " ..
        "kernel.io_uring_disabled and the seccomp profile of the container, or leave backend " ..
        "out for the next best\n",
        output)
      assert.equal(0, status)
    end)
  end
end)
