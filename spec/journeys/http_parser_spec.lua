--- Every wire fixture through sluice.http_parser: the events are those that the C tests see.
-- Runs once.

local sluice = require "sluice"
local fixtures = require "support.fixtures"

local escape = fixtures.escape

local function add_fields(lines, label, fields)
  for _, field in ipairs(fields) do
    lines[#lines + 1] = ("%s %s: %s"):format(label, escape(field[1]), escape(field[2]))
  end
end

-- Takes events until more bytes are needed; true when no more can come.
local function take(parser, lines, body)
  while true do
    local event, message, err = parser:next()
    if not event then
      if not message then return event == nil end
      -- How much of a corrupt body came out before that was found does not matter.
      if err.code == "decode" then body.text = "" end
      lines[#lines + 1] = #body.text > 0 and ('body "%s"'):format(escape(body.text)) or nil
      lines[#lines + 1] = ("error %s: %s"):format(err.code, (message:gsub("^response: ", "")))
      return true
    elseif event.type == "body" then
      body.text = body.text .. event.body:tostring()
      event.body:dispose()
    elseif event.type == "end" then
      if #body.text > 0 then lines[#lines + 1] = ('body "%s"'):format(escape(body.text)) end
      add_fields(lines, "trailer", event.trailers)
      lines[#lines + 1] = event.upgrade and "end upgrade"
        or event.keep_alive and "end keep-alive" or "end close"
    else
      lines[#lines + 1] = event.type == "interim" and ("interim %d"):format(event.status) or
        ('head %d %s "%s"'):format(event.status, event.version, escape(event.reason))
      add_fields(lines, "field", event.headers)
    end
  end
end

local function run(options, ending, pieces)
  local parser <close> = sluice.http_parser(options)
  local lines, body, is_over = {}, { text = "" }, false
  for _, piece in ipairs(pieces) do
    parser:feed(piece)
    is_over = is_over or take(parser, lines, body)
  end
  if ending and not is_over then
    parser:finish(ending == "clean")
    take(parser, lines, body)
  end
  if lines[#lines]:match("^end") and parser:surplus() ~= "" then
    lines[#lines + 1] = ('surplus "%s"'):format(escape(parser:surplus()))
  end
  return table.concat(lines, "\n")
end

describe("http_parser", function()
  it("does not change a sequence that it was fed", function()
    local wire = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" ..
      "3\r\nabc\r\n3\r\ndef\r\n3\r\nghi\r\n0\r\n\r\n"
    local buffer <close> = sluice.buffer()
    local parser <close> = sluice.http_parser()
    buffer:append(wire)
    local sequence <close> = buffer:sequence()
    parser:feed(sequence)
    local lines, body = {}, { text = "" }
    assert.is_true(take(parser, lines, body))
    assert.equal("abcdefghi", body.text)
    assert.equal(wire, sequence:tostring())
  end)
end)

describe("a fixture", function()
  local before = sluice.stats().outstanding

  for fixture in fixtures.each("http") do
    local options, ending = fixtures.context(fixture)
    local expected = table.concat(fixture.events, "\n")

    it("gives the same events wherever it is cut: " .. fixture.title, function()
      local bytes, single = fixture.bytes, {}
      assert.equal(expected, run(options, ending, { bytes }))
      for at = 1, #bytes - 1 do
        assert.equal(expected, run(options, ending, { bytes:sub(1, at), bytes:sub(at + 1) }))
      end
      for byte in bytes:gmatch(".") do single[#single + 1] = byte end
      assert.equal(expected, run(options, ending, single))
    end)
  end

  it("leaves no memory in use", function()
    assert.equal(before, sluice.stats().outstanding)
  end)
end)
