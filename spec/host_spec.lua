-- The C host of examples/host.c, compiled as its first lines say and run against nginx.

local nginx = require "spec.support.nginx"
local server = require "spec.support.server"

describe("a C host", function()
  it("drives the loop among its own events and reads a body in place", function()
    local build = package.searchpath("sluice.core", package.cpath):match "^(.*)/sluice/core.so$"
    local program = build .. "/host"
    local status, output = server.run {
      "cc", "-Isrc", "-I/usr/include/lua5.4", "examples/host.c", build .. "/sluice/core.so",
      "-Wl,-rpath," .. build .. "/sluice", "-llua5.4", "-o", program,
    }
    assert.equal(0, status, output)
    local web <close> = nginx.start()
    web:file(100000)
    status, output = server.run { program, web.url .. "/file/100000" }
    assert.equal(0, status, output)
    assert.equal("100000 bytes\n", output)
    status = server.run { program, "http://127.0.0.1:1/" }
    assert.not_equal(0, status)
  end)
end)
