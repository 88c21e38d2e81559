-- sluice.connect: its arguments, and its errors when nobody listens. What a transport then does is
-- in spec/binding/transport_spec.lua.

local server = require "spec.support.server"
local sluice = require "sluice"
local support = require "spec.support"

local peer = support.peer

describe("sluice.connect", function()
  support.verify_each()

  local function connect(options)
    options.transport = support.transport()
    return sluice.connect(options)
  end

  it("gives a stream to a host and a port, or to a unix socket", function()
    for _, family in ipairs { "inet", "unix" } do
      local p <close> = peer.listen { family = family,
        script = { { { "expect", "ping" }, { "send", "pong" }, { "expect_end" } } } }
      local transport <close> = assert(connect(family == "unix" and { unix_path = p.path }
        or { host = p.host, port = p.port }))
      assert(transport:send "ping")
      local buffer <close> = sluice.buffer()
      while #buffer < 4 do assert(transport:receive(buffer)) end
      local sequence <close> = buffer:sequence()
      assert.equal("pong", sequence:tostring())
      transport:close()
      p:wait("idle", 1, 30)
      assert.same({}, p:failures())
    end
  end)

  it("requires a host and a port, or a path, and blames its caller", function()
    for _, options in ipairs { {}, { host = "a.test" }, { port = 80 } } do
      local ok, message = pcall(function() sluice.connect(options) end)
      assert.is_false(ok)
      assert.matches("^%S*connect_spec%.lua:%d+: connect: host and port, or unix_path expected$",
        message)
    end
  end)

  it("refuses the numeric forms that URLs refuse", function()
    for _, host in ipairs { "0x7f.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1",
      "1.2.3.4.5", "256.0.0.1", "0X7F.0.0.1" } do
      local ok, message = pcall(function() sluice.connect { host = host, port = 80 } end)
      assert.is_false(ok, host)
      assert.matches("^%S*connect_spec%.lua:%d+: connect: option 'host': '" .. host .. "': ",
        message)
    end
  end)

  it("names the address at which nobody listens", function()
    local port = support.system.free_port()
    local transport, message, err = connect { host = "127.0.0.1", port = port }
    assert.is_nil(transport)
    assert.equal("connect", err.code)
    assert.equal("connect", err.stage)
    assert.matches(("127.0.0.1:%d"):format(port), message, 1, true)
  end)

  it("names the socket that does not exist", function()
    local directory = server.directory()
    local transport, message, err = connect { unix_path = directory .. "/none.sock" }
    server.remove(directory)
    assert.is_nil(transport)
    assert.equal("connect", err.code)
    assert.matches("none.sock", message, 1, true)
  end)
end)
