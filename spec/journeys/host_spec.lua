-- The C host of examples/host.c, compiled as its first lines say and run against nginx.

local nginx = require "spec.support.nginx"
local peer = require "support.peer"
local server = require "spec.support.server"

describe("a C host", function()
  it("drives the loop among its own events and reads a body in place", function()
    local build = package.searchpath("sluice.core", package.cpath):match "^(.*)/sluice/core.so$"
    -- Of this run alone: another mode may be under way in the same folder.
    local program = build .. "/host." .. os.getenv "SLUICE_SPEC_MODE"
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
    -- A body that is written in place.
    local p <close> = peer.listen { script = {
      { { "expect_until", "\r\n\r\n" }, { "expect", ("x"):rep(70000) },
        { "send", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nthere" } },
    } }
    status, output = server.run { program, p.url .. "/", "70000" }
    assert.equal(0, status, output)
    assert.equal("5 bytes\n", output)
    assert.same({}, p:failures())
    -- More than a writer holds is reported, not written.
    status, output = server.run { program, p.url .. "/", tostring(1 << 40) }
    assert.not_equal(0, status)
    assert.matches("too much", output)
    status = server.run { program, "http://127.0.0.1:1/" }
    assert.not_equal(0, status)
  end)
end)
