-- Lua runs out of memory at every allocation of small programs that connect to nothing: nothing
-- crashes, nothing stays behind, and the same state goes on once there is memory again.
-- Runs once.

local programs = require "spec.support.programs"
local server = require "spec.support.server"

local without_connection = {
  ["memory"] = [[
    local buffer <close> = sluice.buffer { segment_size = 7 }
    assert(buffer:append("some bytes in segments\n12"))
    local sequence <close> = buffer:sequence()
    assert(sequence:tostring() == "some bytes in segments\n12")
    local part <close> = sequence:sub(3, -3)
    for piece in part:segments() do assert(#piece > 0) end
    local reader = sequence:reader()
    assert(reader:read("l", "n", "a") == "some bytes in segments")
    local writer <close> = sluice.writer { initial_size = 1 }
    assert(writer:write("x", 5, sequence))
    local lease <close> = writer:detach()
    assert(#lease:tostring() == #sequence + 2)
    local other <close> = buffer:detach()
    assert(buffer:reset():append(lease))
  ]],

  ["JSON both ways"] = [[
    local json, text = sluice.json, ("caf\u{e9}\n"):rep(800)
    local value = { text = text, list = { 1, 2.5, json.null, { { {} } }, {} }, n = 1 << 60 }
    for i = 1, 70 do value.list[5][i] = { i } end
    local writer <close> = sluice.writer { initial_size = 1 }
    assert(json.encode(value, writer))
    local lease <close> = writer:detach()
    local back = assert(json.decode(lease))
    assert(back.text == text and back.list[5][70][1] == 70 and back.n == 1 << 60)
    assert(#json.text(value) == #lease)
    local nothing, message, err = json.text { a = { print } }
    assert(nothing == nil and message:find "a%[1%]" and err.code == "invalid")
    nothing, message, err = json.decode '["\\u0041", 01]'
    assert(nothing == nil and message:find "leading zero" and err.position == 12)
  ]],

  ["events and JSON lines"] = [[
    local stream = "id: 1\n\nevent: a\ndata: b\ndata: c\n\nretry: 5\ndata: {\"n\":1}\n\n"
    local function check(next)
      local event = assert(next())
      assert(event.type == "a" and event.data == "b\nc" and event.id == "1")
      event = assert(next())
      assert(event.type == "message" and event.retry == 5 and event:json().n == 1)
    end
    local parser <close> = sluice.event_parser { last_id = "0" }
    assert(parser:feed(stream:sub(1, 30)))
    assert(parser:next() == false and parser.last_id == "1")
    assert(parser:feed(stream:sub(31)))
    check(parser:events())
    local client <close> = sluice.client { transport = transport }
    client:use(function(request)
      local is_event = request.url:find "events"
      local body = is_event and stream or '[1]\n\n{"a":2}'
      return request:answer { status = 200, body = body, headers = {
        ["Content-Type"] = is_event and "text/event-stream" or "application/x-ndjson" } }
    end)
    local response <close> = assert(client:get(url .. "events"))
    local events <close> = response:events()
    check(events)
    assert(events() == nil and events.last_id == "1")
    local other <close> = assert(client:post(url .. "lines", { json_lines = { 1, { 2 } } }))
    local values = {}
    for value in other:json_lines() do values[#values + 1] = value end
    assert(values[1][1] == 1 and values[2].a == 2)
  ]],

  ["frames of WebSocket"] = [[
    local here <close> = sluice.ws_parser { role = "client", compress = { threshold = 0 } }
    local there <close> = sluice.ws_parser { role = "server", compress = true }
    assert(here:agree(assert(there:agree(here:offer()))))
    assert(here:text("hello", false)):ping "p":continue " there":binary(("x"):rep(20000))
    assert(there:feed(here:output()))
    local ping = assert(there:next())
    assert(ping.type == "ping" and ping.payload == "p")
    local text <close> = assert(there:next())
    assert(text.type == "text" and text:text() == "hello there")
    local binary <close> = assert(there:next())
    local sequence <close> = binary:sequence()
    local lease <close> = binary:detach()
    assert(#sequence == 20000 and #lease == 20000)
    assert(there:close(3000, "bye"))
    local closing <close> = there:detach()
    assert(here:feed(closing))
    for event in here:events() do assert(event.code == 3000 and event.reason == "bye") end
    assert(here:next() == nil)
    local wrong <close> = sluice.ws_parser { role = "client" }
    local event, message, err = assert(wrong:feed "\x81\x01\xff"):next()
    assert(event == nil and message == tostring(err) and err.close_code == 1007)
    assert(sluice.ws_accept "dGhlIHNhbXBsZSBub25jZQ==" == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
  ]],
}

describe("without memory for Lua", function()
  local directory

  setup(function() directory = server.directory() end)
  teardown(function() server.remove(directory) end)

  for name, title, mode, source in programs.each(without_connection) do
    it(title, function()
      local state <close> = programs.start(directory, source, "http://none.invalid/")
      programs.fail_each(state, mode, name)
    end)
  end
end)
