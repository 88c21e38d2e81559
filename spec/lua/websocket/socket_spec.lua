local support = require "spec.support"
local peer = support.peer

local CLOSE = "\x88\x02\x03\xe8"

describe("a socket", function()
  local client

  support.verify_each(function(keep) client = keep(support.client()) end)

  local function text(bytes) return "\x81" .. string.char(#bytes) .. bytes end

  -- A socket whose server goes by these steps behind the handshake.
  local function open(...)
    local p = peer.listen { script = { { { "accept" }, ... } } }
    local socket = assert(client:websocket(p.url .. "/", { close_timeout = 0.5 }))
    return socket, p
  end

  local answer_close = { { "expect_frame", 0x88, "\3\xe8" }, { "send", CLOSE } }

  it("iterates over messages until both sides have closed", function()
    local socket, p = open({ "send", text "a" .. text "" .. "\x82\x01b" .. CLOSE },
      { "expect_frame", 0x88, "\3\xe8" })
    local got = {}
    for message in socket:messages() do
      got[#got + 1] = message.type .. " " .. message:text()
      message:dispose()
    end
    assert.same({ "text a", "text ", "binary b" }, got)
    assert.same({ "closed", 1000 }, { socket.state, socket.close_code })
    for _ in socket:messages() do error "another one" end
    assert.same({}, p:failures())
    p:stop()
    socket:dispose()
  end)

  it("raises a failure where it iterates", function()
    for _, ending in ipairs { { "close" }, { "send", "\x83\x00" } } do
      local socket, p = open({ "send", text "a" }, ending)
      local ok, raised = pcall(function()
        for message in socket:messages() do message:dispose() end
      end)
      assert.is_false(ok)
      assert.equal(ending[1] == "close" and 1006 or 1002, raised.close_code)
      socket:dispose()
      p:stop()
    end
  end)

  it("stays open when the loop is left", function()
    local socket, p = open({ "send", text "a" .. text "b" }, table.unpack(answer_close))
    for message in socket:messages() do -- luacheck: ignore
      message:dispose()
      break
    end
    local message <close> = assert(socket:receive(20))
    assert.equal("b", message:text())
    assert.is_true(socket:close())
    p:stop()
  end)

  it("sends text and bytes by name", function()
    local socket, p = open({ "expect_frame", 0x81, "caf\u{e9}" }, { "expect_frame", 0x82, "\xff" },
      { "expect_frame", 0x81, "x" }, table.unpack(answer_close))
    assert.is_true(socket:send_text "caf\u{e9}")
    assert.is_true(socket:send_binary(support.lease "\xff"))
    assert.is_true(socket:send "x")
    assert.has_error(function() socket:send_text "\xff" end)
    assert.is_true(socket:close())
    assert.same({}, p:failures())
    p:stop()
  end)

  it("sends what a function gives as one message in fragments", function()
    local socket, p = open({ "expect_frame", 0x01, "one " }, { "expect_frame", 0x00, "two" },
      { "expect_frame", 0x80, "" }, table.unpack(answer_close))
    assert.is_true(socket:send(support.pieces_of("one ", support.lease "two")))
    local ok = socket:close()
    assert.same({}, p:failures())
    assert.is_true(ok)
    p:stop()
  end)

  it("sends what a reader or a file gives", function()
    local file <close> = assert(io.open "LICENSE")
    local content = file:read "a"
    file:seek "set"
    local socket, p = open({ "expect_frame", 0x02, content }, { "expect_frame", 0x80, "" },
      { "expect_frame", 0x02, "leased" }, { "expect_frame", 0x80, "" }, table.unpack(answer_close))
    assert.is_true(socket:send_binary(file))
    local lease <close> = support.lease "leased"
    local sequence <close> = lease:sequence()
    local reader <close> = sequence:reader()
    assert.is_true(socket:send_binary(reader))
    assert.is_true(socket:close())
    assert.same({}, p:failures())
    p:stop()
  end)

  it("raises what the function raises, and ends with 1011 if a part was sent", function()
    local socket, p = open({ "expect_frame", 0x01, "part" }, { "expect_close" }, { "close" })
    local count = 0
    assert.error_matches(function()
      socket:send(function()
        count = count + 1
        if count == 2 then error "no more" end
        return "part"
      end)
    end, "no more")
    local message, _, err = socket:receive(20)
    assert.is_nil(message)
    assert.equal(1011, err.close_code)
    socket:dispose()
    p:stop()
    socket, p = open(table.unpack(answer_close))
    assert.error_matches(function() socket:send(function() error "at once" end) end, "at once")
    assert.equal("open", socket.state)
    assert.is_true(socket:close())
    p:stop()
  end)

  it("fails with what a reader gives as a failure", function()
    local socket, p = open(table.unpack(answer_close))
    local ok, message, err = socket:send(function() return nil, "broken", { code = "closed" } end)
    assert.is_nil(ok)
    assert.same({ "broken", "closed" }, { message, err.code })
    assert.is_true(socket:close())
    p:stop()
  end)

  it("raises for what is no bytes", function()
    local socket, p = open(table.unpack(answer_close))
    for _, value in ipairs { true, 1.5, {}, client } do
      assert.has_error(function() socket:send(value) end)
    end
    assert.has_error(function() socket:send() end)
    assert.has_error(function() socket:send("x", "words") end)
    assert.has_error(function() socket:send(function() return true end) end)
    assert.equal("open", socket.state)
    assert.is_true(socket:close())
    p:stop()
  end)
end)
