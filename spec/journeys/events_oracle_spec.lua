--- sluice.event_parser beside npm's eventsource-parser 3 (`.ci/install test` puts it into
-- build/npm): streams made from a fixed seed, cut anywhere, come to the same events. They disagree
-- on purpose in four things, which are shown below:
--
-- - An ID stays until another one comes (HTML 9.2.6, "last event ID string"), also that of a block
--   without data. eventsource-parser gives it with the event of the same block alone.
-- - A lone CR ends a line at once. eventsource-parser waits for the character behind it, so that it
--   does not give the last event of a stream that ends with CR CR.
-- - A byte order mark is skipped. eventsource-parser leaves that to the decoder of its text.
-- - A `retry` above 2^53 keeps its digits, up to 2^63 - 1.
-- Runs once.

local server = require "spec.support.server"
local sluice = require "sluice"

local json = sluice.json

local STREAMS = tonumber(os.getenv "SLUICE_SPEC_STREAMS") or 400

local state

local function any(count) -- 0 to count - 1
  state = (state * 6364136223846793005 + 1442695040888963407) & math.maxinteger
  return (state >> 20) % count
end

local words = { "data", "data", "data: ", "data:", "event", "event: ", "id", "id: ", "retry: ", ":",
  " ", "x", "12", "\u{20ac}", "\0", "\n", "\n", "\n\n", "\r", "\r\n", "\r\n\r\n", "datax: ", "\t" }

local function any_stream()
  local parts = {}
  for i = 1, 1 + any(40) do parts[i] = words[any(#words) + 1] end
  return table.concat(parts)
end

-- The stream in pieces, none of which ends within a character.
local function any_pieces(stream)
  local pieces, size = {}, 1 + any(20)
  local piece = ""
  for _, code in utf8.codes(stream) do
    piece = piece .. utf8.char(code)
    if #piece >= size then
      pieces[#pieces + 1], piece, size = piece, "", 1 + any(20)
    end
  end
  pieces[#pieces + 1] = piece
  return pieces
end

local function ours(pieces)
  local parser <close> = sluice.event_parser()
  local list = {}
  for _, piece in ipairs(pieces) do
    parser:feed(piece)
    for event in parser:events() do list[#list + 1] = event end
  end
  return list
end

--- What eventsource-parser makes of many streams, each in pieces.
local function theirs(streams)
  local directory = server.directory()
  local lines = {}
  for i, pieces in ipairs(streams) do lines[i] = assert(json.text(pieces)) end
  local path = server.write(directory .. "/streams", table.concat(lines, "\n") .. "\n")
  local status, output = server.run { "sh", "-c", 'exec node "$1" <"$2"', "sh",
    "spec/differential/events.js", path }
  server.remove(directory)
  assert.equal(0, status, output)
  local lists = {}
  for line in output:gmatch "[^\n]+" do
    local list = assert(json.decode(line))
    for _, event in ipairs(list) do
      for i = 1, 4 do
        if event[i] == json.null then event[i] = nil end
      end
    end
    lists[#lists + 1] = list
  end
  return lists
end

local function check(stream, own, other)
  local note = ("%q"):format(stream)
  assert.equal(#other, #own, note)
  for i, event in ipairs(own) do
    local kind, data, id, retry = table.unpack(other[i], 1, 4)
    assert.equal(kind or "message", event.type, note)
    assert.equal(data, event.data, note)
    assert.equal(retry, event.retry, note)
    if id then assert.equal(id, event.id or "", note) end
  end
end

describe("events beside eventsource-parser", function()
  it("are the same, wherever streams are cut", function()
    state = 20240611
    local streams, all = {}, {}
    for i = 1, STREAMS do
      streams[i] = any_stream()
      all[i] = any_pieces(streams[i])
    end
    local flushed = {}
    for i, pieces in ipairs(all) do
      flushed[i] = table.move(pieces, 1, #pieces, 1, {})
      table.insert(flushed[i], ":\n") -- behind a last CR
    end
    local count = 0
    for i, other in ipairs(theirs(flushed)) do
      check(streams[i], ours(all[i]), other)
      count = count + #other
    end
    assert.is_true(count > STREAMS / 4, count)
  end)

  it("differ in what the standard says of IDs, CR, a byte order mark, and large numbers", function()
    local streams = { { "id: 1\n\ndata: a\n\ndata: b\n\n" }, { "data: a\r\r" },
      { "\u{feff}data: a\n\n" }, { "retry: 9007199254740993\ndata: a\n\n" } }
    local lists = theirs(streams)
    assert.same({ { nil, "a" }, { nil, "b" } }, lists[1])
    assert.equal("1", ours(streams[1])[2].id)
    assert.same({}, lists[2])
    assert.equal("a", ours(streams[2])[1].data)
    assert.same({}, lists[3])
    assert.equal("a", ours(streams[3])[1].data)
    assert.equal(9007199254740992, lists[4][1][4])
    assert.equal(9007199254740993, ours(streams[4])[1].retry)
  end)
end)
