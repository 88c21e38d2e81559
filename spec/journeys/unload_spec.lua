-- A program whose Lua states come and go: the last one that closes unloads the module. Nothing of
-- it may be called afterwards: by no thread, nor at the end of a thread or of the program.

local certificates = require "spec.support.certificates"
local nginx = require "spec.support.nginx"
local server = require "spec.support.server"
local support = require "spec.support"

local prelude = [[
  local url, mode, backend, root = ...
  local sluice = require "sluice"
  local client = assert(sluice.client {
    transport = { mode = mode, backend = backend }, tls = { ca_file = root },
    pool = { per_origin = 400, total = 400 },
  })
]]

local get = [[
  local response = assert(client:get(url))
  assert(response.status == 200 and #response:text() == 1024)
  response:dispose()
]]

local close = "client:close()"

describe("the module is unloaded with its last state", function()
  local program, web, directory, transport

  setup(function()
    directory = server.directory()
    program = directory .. "/unload"
    local status, output = server.run { "cc", "-Wall", "-Wextra", "-Werror",
      "-I/usr/include/lua5.4", "spec/support/unload.c", "-llua5.4", "-lpthread", "-o", program }
    assert.equal(0, status, output)
    web = nginx.start {
      tls = { certificate = certificates.chain "good", key = certificates.key "good" },
    }
    web:file(1024)
    transport = support.transport() or { mode = "completion", backend = "threads" }
  end)
  teardown(function()
    web:stop()
    server.remove(directory)
  end)

  --- Returns the exit status and what was printed.
  local function run(rounds, threads, url, ...)
    local path = server.write(directory .. "/script.lua", table.concat { prelude, ... })
    local command = { program, tostring(rounds), tostring(threads), path, url, transport.mode,
      transport.backend, certificates.file "root.pem" }
    local preload = os.getenv "LD_PRELOAD"
    if preload then command = { "env", "LD_PRELOAD=" .. preload, table.unpack(command) } end
    return server.run(command)
  end

  local function url_of(scheme, host)
    local port = scheme == "https" and web.tls_port or web.port
    return ("%s://%s:%d/file/1024"):format(scheme, host, port)
  end

  for _, threads in ipairs { 0, 4 } do
    local where = threads == 0 and "in the program's thread" or "in threads that end with it"

    it("after requests, " .. where, function()
      local status, output = run(4, threads, url_of("http", "127.0.0.1"), get, get, close)
      assert.equal("unloaded, 0 threads, 0 descriptors\n", output)
      assert.equal(0, status)
    end)

    it("after requests over TLS and by name, " .. where, function()
      local status, output = run(3, threads, url_of("https", "localhost"), get, get, close)
      assert.matches("^u?n?loaded, 0 threads, 0 descriptors\n$", output)
      assert.equal(0, status)
    end)

    it("under look-ups, requests, timers and a WebSocket that nobody awaits, " .. where, function()
      local status, output = run(3, threads, url_of("http", "localhost"), [[
        for _ = 1, 20 do
          sluice.spawn(function() client:get(url) end)
          sluice.spawn(function() client:websocket(url:gsub("^http", "ws"), {}) end)
          sluice.spawn(function() sluice.sleep(60) end)
        end
        sluice.loop():step(0)
        sluice.spawn(function() client:get(url) end)
      ]])
      assert.matches("^u?n?loaded, 0 threads, 0 descriptors\n$", output)
      assert.equal(0, status)
    end)
  end

  it("with a thousand operations in flight", function()
    local p <close> = support.peer.listen { records = false, repeat_last = true, backlog = 500,
      script = { { { "expect_until", "\r\n\r\n" }, { "stall" } } } }
    local status, output = run(2, 0, p.url .. "/", [[
      local body = ("x"):rep(4 << 20)
      for _ = 1, 400 do
        sluice.spawn(function() client:post(url, { body = body }) end)
        sluice.spawn(function() sluice.sleep(60) end)
      end
      local until_then = os.time() + 60
      repeat
        sluice.loop():step(0.01)
        assert(os.time() < until_then)
      until sluice.stats().active == 400 and sluice.stats().operations >= 1000
    ]])
    assert.equal("unloaded, 0 threads, 0 descriptors\n", output)
    assert.equal(0, status)
  end)

  it("and loaded again by another state", function()
    local status, output = run(3, 0, url_of("http", "127.0.0.1"), [[
      for name in pairs(package.loaded) do
        if name:find "^sluice" then package.loaded[name] = nil end
      end
      assert(require "sluice" ~= sluice)
      assert(require "sluice" == require "sluice")
    ]], get, close)
    assert.equal("unloaded, 0 threads, 0 descriptors\n", output)
    assert.equal(0, status)
  end)
end)
