-- What two parsers agree on in a handshake, and how they compress then; judged by zlib.
-- Runs once.

local frames = require "spec.support.frames"
local sluice = require "sluice"
local support = require "spec.support"
local zlib = require "zlib"

local TAIL = "\0\0\xff\xff"

describe("ws_parser", function()
  support.verify_each()

  it("offers what it was asked for, and answers what it can", function()
    for _, case in ipairs {
      { true, "permessage-deflate; client_max_window_bits", true, "permessage-deflate" },
      { true, nil, { server_max_window_bits = 10, client_max_window_bits = 9 },
        "permessage-deflate; server_max_window_bits=10; client_max_window_bits=9" },
      { { server_no_context_takeover = true }, nil, true,
        "permessage-deflate; server_no_context_takeover" },
      { true, nil, false, false },
    } do
      local client <close> = sluice.ws_parser { role = "client", compress = case[1] }
      local server <close> = sluice.ws_parser { role = "server", compress = case[3] }
      local offer = client:offer()
      if case[2] then assert.equal(case[2], offer) end
      local answer = server:agree(offer)
      assert.equal(case[4], answer)
      assert.equal(answer, client:agree(answer or nil))
      client:text(("hello "):rep(500))
      local message <close> = server:feed(client:output()):next()
      assert.equal(("hello "):rep(500), message:text())
    end
    local plain <close> = sluice.ws_parser { role = "client" }
    assert.is_nil(plain:offer())
    assert.is_false(plain:agree())
    local server <close> = sluice.ws_parser { role = "server", compress = true }
    assert.is_false(server:agree "x-webkit-deflate-frame, permessage-bzip2; level=9")
  end)

  it("refuses what was not offered, and says with which code to close", function()
    for _, case in ipairs {
      { false, "permessage-deflate" }, { true, "foo" }, { true, "permessage-deflate; foo" },
      { true, "permessage-deflate, permessage-deflate" }, { true, "permessage-deflate; ;" },
      { { server_max_window_bits = 9 }, "permessage-deflate; server_max_window_bits=10" },
      { true, "permessage-deflate; server_max_window_bits=7" },
    } do
      local parser <close> = sluice.ws_parser { role = "client", compress = case[1] }
      local agreed, message, err = parser:agree(case[2])
      assert.is_nil(agreed)
      assert.equal("protocol", err.code)
      assert.equal(1010, err.close_code)
      assert.matches("^agree: ", message)
    end
  end)

  it("agrees before the first frame alone, and offers as a client alone", function()
    local fed <close> = sluice.ws_parser { role = "client", compress = true }
    fed:feed "\x81"
    local sent <close> = sluice.ws_parser { role = "client", compress = true }
    sent:text "x"
    for _, parser in ipairs { fed, sent } do
      assert.error_matches(function() parser:agree "" end, "agree: call it in the handshake")
      assert.error_matches(function() parser:offer() end, "offer: call it in the handshake")
    end
    local server <close> = sluice.ws_parser { role = "server", compress = true }
    assert.error_matches(function() server:offer() end, "offer: a server answers offers")
  end)

  it("refuses options of compression that make no sense", function()
    for expected, compress in pairs {
      ["compress: boolean or table expected, got number"] = 1,
      ["compress: unknown option 'treshold'"] = { treshold = 1 },
      ["threshold: integer, not negative, expected"] = { threshold = -1 },
      ["server_max_window_bits: 8 to 15 expected"] = { server_max_window_bits = 7 },
      ["client_no_context_takeover: boolean expected"] = { client_no_context_takeover = 1 },
    } do
      assert.error_matches(function()
        sluice.ws_parser { role = "client", compress = compress }
      end, expected, 1, true)
    end
  end)

  --- A server that has agreed on that with a client.
  local function server_with(terms, threshold)
    local parser = sluice.ws_parser { role = "server", compress = { threshold = threshold } }
    assert(parser:agree("permessage-deflate" .. terms))
    return parser
  end

  --- What zlib makes of a message's frames. `inflate` has the context.
  local function inflated(inflate, wire)
    local payload = {}
    for i, frame in ipairs((frames.read_all(wire))) do
      assert.equal(i == 1 and 4 or 0, frame.rsv)
      payload[i] = frame.payload
    end
    return (inflate(table.concat(payload) .. TAIL))
  end

  it("writes what zlib inflates, for every window and context", function()
    local text = {}
    for i = 1, 12000 do text[i] = ("%x"):format(i * i * 7919 % 65521) end
    text = table.concat(text)
    for bits = 9, 15 do
      for _, forgets in ipairs { false, true } do
        local parser <close> = server_with(("; server_max_window_bits=%d%s"):format(bits,
          forgets and "; server_no_context_takeover" or ""), 0)
        local inflate
        for _, size in ipairs { 1, 100, 3000, #text, 3000, 0, 70000, 100 } do
          if forgets or not inflate then inflate = zlib.inflate(-bits) end
          local sent = (text .. text):sub(1, size)
          assert(parser:text(sent))
          local wire = parser:output()
          if size > 0 then assert.is_true(inflated(inflate, wire) == sent) end
        end
        parser:binary(text:sub(1, 5000), false):ping "p":continue(text:sub(5001))
        local pieces = {}
        for _, frame in ipairs((frames.read_all(parser:output()))) do
          if frame.opcode ~= "ping" then pieces[#pieces + 1] = frame.payload end
        end
        if forgets then inflate = zlib.inflate(-bits) end
        assert.is_true((inflate(table.concat(pieces) .. TAIL)) == text)
      end
    end
  end)

  it("sends messages as they are with a window of 2^8 bytes", function()
    local parser <close> = server_with("; server_max_window_bits=8", 0)
    assert.equal(frames.text(("x"):rep(5000)), parser:text(("x"):rep(5000)):output())
  end)

  it("sends messages below the threshold as they are", function()
    local parser <close> = server_with ""
    assert.equal(frames.text(("x"):rep(1023)), parser:text(("x"):rep(1023)):output())
    assert.is_true(#parser:text(("x"):rep(1024)):output() < 100)
    local all <close> = server_with("", 0)
    assert.is_true(#all:text(("x"):rep(100)):output() < 50)
  end)

  it("gives the memory of both windows back", function()
    local parser = server_with ""
    parser:text(("x"):rep(100000)):output()
    parser:feed(frames.text("\xf2\x48\xcd\xc9\xc9\x07\x00", { rsv = 4, key = "abcd" }))
    assert.equal("Hello", parser:next():text())
    parser:dispose()
    assert.equal(0, sluice.stats().outstanding)
  end)
end)
