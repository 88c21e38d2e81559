-- Hosts in C and C++, compiled as examples/host.c says and run against real servers.

local nginx = require "spec.support.nginx"
local peer = require "support.peer"
local server = require "spec.support.server"
local system = require "support.system"

local build = package.searchpath("sluice.core", package.cpath):match "^(.*)/sluice/core.so$"

--- Compiles a program of this run alone: another mode may be under way in the same folder.
local function compile(compiler, source, ...)
  local program = ("%s/%s.%s"):format(build, source:match "[^/.]+%.c%a*$",
    os.getenv "SLUICE_SPEC_MODE" or "default")
  local status, output = server.run { compiler, "-Wall", "-Wextra", "-Werror", "-Isrc",
    "-I/usr/include/lua5.4", source, "-llua5.4", "-lpthread", "-lm", "-o", program, ... }
  assert.equal(0, status, output)
  return program
end

local body = "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"

describe("a C host", function()
  local web, program

  setup(function()
    web = nginx.start()
    program = compile("cc", "examples/host.c")
  end)
  teardown(function() web:stop() end)

  it("drives two states in two threads among its own events", function()
    local content = web:file(100000)
    local sum = 0
    for i = 1, #content do sum = sum + content:byte(i) end
    local status, output = server.run { program, web.url .. "/file/100000" }
    assert.equal(0, status, output)
    for number = 1, 2 do
      local line = ("host %d: 100000 bytes, sum %d\n"):format(number, sum)
      assert.is_truthy(output:find(line, 1, true), output)
    end
  end)

  it("holds a WebSocket in each", function()
    local port = system.free_port()
    local echo <close> = server.start( -- luacheck: ignore
      { "lua5.4", "examples/websocket_server.lua", tostring(port) }, port, server.directory())
    local status, output = server.run { program, web.url .. "/json",
      ("ws://127.0.0.1:%d/"):format(port) }
    assert.equal(0, status, output)
    for number = 1, 2 do
      assert.matches(("host %d: [1-5] ticks came back\n"):format(number), output)
    end
  end)

  it("prints why it fails", function()
    for _, arguments in ipairs {
      { { "http://127.0.0.1:1/" }, "connection refused" },
      { { web.url .. "/json", "ws://127.0.0.1:1/" }, "connection refused" },
      { { "http:/" }, "http:/" },
      { {}, "usage", 2 },
    } do
      local status, output = server.run { program, table.unpack(arguments[1]) }
      assert.equal(arguments[3] or 1, status, output)
      assert.is_truthy(output:find(arguments[2], 1, true), output)
    end
    local status, output = server.run { "env", "LUA_PATH=/nowhere", program, web.url }
    assert.equal(1, status)
    assert.matches("host 1: sluice: .*module 'sluice' not found", output)
  end)
end)

describe("a game in C", function()
  it("draws how long its frames took, or prints why it fails", function()
    local program = compile("cc", "examples/game.c")
    local web <close> = nginx.start()
    web:file(100000)
    local status, output = server.run { program, web.url .. "/file/100000", "20" }
    assert.equal(0, status, output)
    assert.matches("^%d+ responses, %d+ bytes in 20 frames; sluice took\n", output)
    local count = 0
    for frames in output:gmatch "ms +(%d+) #*\n" do count = count + tonumber(frames) end
    assert.equal(20, count, output)
    status, output = server.run { program, "http://127.0.0.1:1/", "20" }
    assert.equal(1, status)
    assert.matches("game: script: .*connection refused", output)
  end)
end)

describe("a host in C++", function()
  it("uses every function of sluice.h", function()
    local program = compile("g++", "spec/support/host.cpp", "-std=c++17", "-Wpedantic")
    local function echo(text)
      return { { "expect_until", "\r\n\r\n" }, { "expect", text },
        { "send", body:format(#text, text) } }
    end
    local steps = echo(("x"):rep(70000))
    table.move(echo "bytes of the host's own", 1, 3, #steps + 1, steps)
    local p <close> = peer.listen { script = { steps } }
    local status, output = server.run { program, p.url .. "/" }
    assert.equal("good\n", output)
    assert.equal(0, status)
    assert.same({}, p:failures())
  end)
end)

describe("the module", function()
  it("exports one symbol", function()
    local status, output = server.run { "nm", "-D", "--defined-only", build .. "/sluice/core.so" }
    assert.equal(0, status)
    local names = {}
    for name in output:gmatch " [A-Z] ([%w_]+)" do names[#names + 1] = name end
    assert.same({ "luaopen_sluice_core" }, names)
  end)
end)
