-- event_parser as hosts with sockets of their own use it. How events are split is shown by
-- spec/c/events/sse_test.c.
-- Runs once.

local sluice = require "sluice"
local support = require "spec.support"

describe("event_parser", function()
  support.verify_each()

  local stream = "\239\187\191: c\nid: 1\nretry: 5\ndata: a\n\r\nevent: b\rdata: c\rdata\r\rdata: d"

  local function collect(parser, list)
    for event in parser:events() do
      list[#list + 1] = ("%s %s %s %s"):format(event.type, event.data, event.id, event.retry)
    end
  end

  it("gives the same events wherever the bytes are cut", function()
    for _, first, second in support.each_cut(stream) do
      local parser <close> = sluice.event_parser()
      local list = {}
      parser:feed(first)
      collect(parser, list)
      parser:feed(second)
      collect(parser, list)
      assert.same({ "message a 1 5", "b c\n 1 nil" }, list)
      assert.equal("1", parser.last_id)
      assert.equal(5, parser.retry)
      assert.equal(7, parser.unfinished)
    end
  end)

  it("returns events, false while more input is needed, and nil at the end", function()
    local parser <close> = sluice.event_parser {}
    assert.is_false(parser:next())
    parser:feed "data: a\n\ndata: b\n\n"
    assert.same({ type = "message", data = "a" }, parser:next())
    parser:finish()
    assert.same({ type = "message", data = "b" }, parser:next())
    assert.is_nil(parser:next())
    assert.is_nil(parser:next())
    assert.error_matches(function() parser:feed "x" end, "feed: the input has ended")
    parser:reset():feed "data: c\n\n"
    assert.equal("c", parser:next().data)
  end)

  it("accepts strings, sequences and leases", function()
    local parser <close> = sluice.event_parser()
    local buffer <close> = sluice.buffer()
    buffer:append "ta: "
    local sequence <close> = buffer:sequence()
    local lease <close> = support.lease "x\n\n"
    parser:feed("da"):feed(sequence):feed(lease)
    assert.equal("x", parser:next().data)
  end)

  it("goes on from an ID, and keeps it over a reset", function()
    local parser <close> = sluice.event_parser { last_id = "7" }
    assert.equal("7", parser.last_id)
    parser:feed "data: a\n\ndata: b"
    assert.equal("7", parser:next().id)
    assert.is_false(parser:next())
    assert.equal(7, parser.unfinished)
    assert.equal(0, parser:reset().unfinished)
    assert.equal("7", parser.last_id)
    parser:feed "id\n\n"
    assert.is_false(parser:next())
    assert.is_nil(parser.last_id)
    assert.is_nil(parser.retry)
    assert.is_nil(parser.other)
  end)

  it("fails for good where a limit is exceeded, until a reset", function()
    local parser <close> = sluice.event_parser { max_line_size = 8, max_event_size = 20 }
    parser:feed "data: a\n\ndata: 123\n\n"
    assert.equal("a", parser:next().data)
    for _ = 1, 2 do
      local event, message, err = parser:next()
      assert.is_nil(event)
      assert.equal("event stream: line 3 is longer than 8 bytes (max_line_size)", message)
      assert.equal("limit", err.code)
    end
    local ok, err = pcall(parser:events())
    assert.is_false(ok)
    assert.equal("limit", err.code)
    parser:reset():feed "data: a\n\n"
    assert.equal("a", parser:next().data)
  end)

  it("checks its options", function()
    for _, case in ipairs {
      { { max_line = 1 }, "event_parser: unknown option 'max_line'" },
      { { max_line_size = -1 }, "max_line_size: integer, not negative, expected" },
      { { last_id = 7 }, "last_id: string expected, got number" },
      { 7, "table expected" },
    } do
      local ok, raised = pcall(sluice.event_parser, case[1])
      assert.is_false(ok)
      assert.matches(case[2], raised, 1, true)
    end
  end)

  it("loses no event when a finaliser reads, resets or disposes it meanwhile", function()
    for _, act in ipairs { "next", "reset", "dispose" } do
      local parser <close> = sluice.event_parser()
      local count = 0
      local function trap()
        setmetatable({}, { __gc = function()
          if act == "next" then
            if parser:next() then count = count + 1 end
            trap()
          else
            parser[act](parser)
          end
        end })
      end
      parser:feed(("id: 12\nevent: a\ndata: bc\n\n"):rep(5000))
      trap()
      local ok, raised = pcall(function()
        for event in parser:events() do
          assert(event.data == "bc" and event.type == "a" and event.id == "12")
          count = count + 1
          if act ~= "next" then parser:feed "event: a\nid: 12\ndata: bc\n\n" end
          if count % 100 == 0 then collectgarbage "step" end
          if count > 50000 then break end
        end
      end)
      if act == "next" then
        -- What a finaliser reads while an event is made may end the loop with an error.
        while parser:next() do count = count + 1 end
        assert.is_true(ok or raised:find "was read meanwhile" ~= nil, raised)
        assert.equal(5000, count)
      elseif act == "dispose" then
        assert.matches("use of disposed event_parser", raised)
      end
      collectgarbage()
    end
  end)

  it("holds nothing once its input is used up", function()
    local parser <close> = sluice.event_parser()
    parser:feed(("data: x\n"):rep(1000) .. "\n")
    assert.equal(("x\n"):rep(999) .. "x", parser:next().data)
    assert.is_false(parser:next())
    assert.equal(0, sluice.stats().outstanding)
  end)
end)
