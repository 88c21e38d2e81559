-- Readers from Lua: a file over a sequence, compared with a real file of the same bytes.
-- Runs once.

local server = require "spec.support.server"
local sluice = require "sluice"
local support = require "spec.support"

describe("a reader", function()
  local before, directory

  setup(function() directory = server.directory() end)
  teardown(function() server.remove(directory) end)
  before_each(function() before = support.snapshot(sluice) end)
  after_each(function() support.verify(sluice, before) end)

  local function sequence_of(text, segment_size)
    local buffer <close> = sluice.buffer { segment_size = segment_size or 16384 }
    assert(buffer:append(text))
    return buffer:sequence()
  end

  local function file_of(text)
    return assert(io.open(server.write(directory .. "/file", text), "rb"))
  end

  --- Runs `use` on a file and on a reader over the same bytes, in segments of many sizes: both have
  --- to give the same.
  local function compare(text, use, name)
    local expected
    do
      local file <close> = file_of(text)
      expected = table.pack(use(file))
    end
    for _, segment_size in ipairs { 1, 2, 3, 5, 8, 16, 64, 16384 } do
      local sequence <close> = sequence_of(text, segment_size)
      local got = table.pack(use(sequence:reader()))
      assert.same(expected, got, (name or "") .. " with segments of " .. segment_size)
    end
  end

  local function each_read(...)
    local formats = table.pack(...)
    return function(file)
      local results = {}
      for _ = 1, 60 do
        local got = table.pack(file:read(table.unpack(formats, 1, formats.n)))
        results[#results + 1] = got
        if got[1] == nil then break end
      end
      return results
    end
  end

  local texts = {
    ["nothing"] = "",
    ["one line"] = "only",
    ["one ended line"] = "only\n",
    ["lines"] = "first\nsecond\n\nfourth\r\nlast",
    ["line ends"] = "\n\n\n",
    ["any bytes"] = "\0\1\255\n\0\0\n" .. support.pattern(50),
    ["numbers"] = "1 2.5 -3e2 0x1F 0x.8p1 .5 5. +7 1e+2 0xA.8 \n\t 12",
    ["no numbers"] = "x1",
    ["numbers side by side"] = "1-2+3.4.5",
    ["a number and letters"] = "12abc",
    ["broken exponents"] = "1e 2",
    ["a broken sign"] = "+-1",
    ["no digits"] = ". 1",
    ["hexadecimal without digits"] = "0x 1",
    ["hexadecimal and an e"] = "0x1e2g",
    ["a zero and an x"] = "0xg",
    ["a long number"] = ("1"):rep(199) .. " 2",
    ["a number that is too long"] = ("1"):rep(250) .. " 2",
    ["white space"] = " \f\n\r\t\v",
    ["a number behind NUL"] = "\0" .. "1",
    ["nan and inf"] = "nan inf",
  }

  local formats = {
    {}, { "l" }, { "L" }, { "n" }, { "a" }, { "*l" }, { "*n" }, { "*a" }, { "*L" },
    { 0 }, { 1 }, { 2 }, { 3 }, { 7 }, { 1000 }, { "l", "l" }, { "n", "n" }, { "n", "l" },
    { 1, "l" }, { 0, 1 }, { "L", 2, "n" }, { "a", "a" }, { "a", "l" }, { "n", 1 }, { 5, 0 },
    { "line" }, { "all" }, { "number" },
  }

  for name, text in pairs(texts) do
    it("reads every format as a file does: " .. name, function()
      for _, list in ipairs(formats) do
        compare(text, each_read(table.unpack(list)), table.concat(list, ","))
      end
    end)

    it("iterates over lines as a file does: " .. name, function()
      for _, list in ipairs { {}, { "l" }, { "L" }, { "n" }, { 3 }, { 1, "l" }, { "a" } } do
        compare(text, function(file)
          local results = {}
          for a, b in file:lines(table.unpack(list)) do
            results[#results + 1] = { a, b }
            if #results == 40 then break end
          end
          return results
        end, table.concat(list, ","))
      end
    end)
  end

  it("reads every size over every segment size as from a string", function()
    local text = support.pattern(40)
    for segment_size = 1, 20 do
      local sequence <close> = sequence_of(text, segment_size)
      for size = 1, 41 do
        local reader = sequence:reader()
        local pieces = {}
        for piece in function() return reader:read(size) end do
          assert.is_true(#piece == size or reader:position() == #text)
          pieces[#pieces + 1] = piece
        end
        assert.equal(text, table.concat(pieces))
        assert.is_nil(reader:read(size))
        assert.is_nil(reader:read(0))
        assert.equal("", reader:read "a")
        assert.is_nil(reader:read "l")
      end
    end
  end)

  it("seeks to every offset from everywhere as a file does", function()
    local text = "seek\nand find\n!"
    for from = 0, #text do
      compare(text, function(file)
        local results = {}
        for to = 0, #text do
          results[#results + 1] = { file:seek("set", from), file:seek("cur", to - from),
            file:seek(), file:read(4), file:seek "cur", file:seek("end", -to), file:read "l",
            file:seek "set", file:seek "end", file:read(1) or "end" }
        end
        return results
      end)
    end
  end)

  it("clamps a seek past the end and refuses one before the start", function()
    local sequence <close> = sequence_of("0123456789", 4)
    local reader = sequence:reader()
    assert.equal(10, reader:seek("set", 11))
    assert.equal(10, reader:seek("end", 5))
    assert.equal(10, reader:seek("cur", math.maxinteger))
    assert.is_nil(reader:read(1))
    assert.equal(7, reader:seek("set", 7))
    for _, attempt in ipairs { { "set", -1 }, { "cur", -8 }, { "end", -11 },
      { "set", math.mininteger }, { "cur", math.mininteger }, { "end", math.mininteger } } do
      local position, message, err = reader:seek(attempt[1], attempt[2])
      assert.is_nil(position)
      assert.is_truthy(message:find "before the start")
      assert.equal("invalid", err.code)
      assert.equal(7, reader:position())
    end
    assert.equal("789", reader:read "a")
  end)

  it("reports its position and its length", function()
    local sequence <close> = sequence_of(support.pattern(100), 9)
    local reader = sequence:reader()
    assert.equal(0, reader:position())
    assert.equal(100, #reader)
    reader:read(33)
    assert.equal(33, reader:position())
    assert.equal(100, #reader)
    assert.equal("sluice.reader (at 33)", tostring(reader))
  end)

  it("refuses invalid formats and positions", function()
    local sequence <close> = sequence_of "text"
    local reader = sequence:reader()
    assert.error_matches(function() reader:read "x" end, "invalid format")
    assert.error_matches(function() reader:read "" end, "invalid format")
    assert.error_matches(function() reader:read(-1) end, "negative")
    assert.error(function() reader:read(1.5) end)
    assert.error(function() reader:read {} end)
    assert.error(function() reader:seek "start" end)
    assert.error(function() reader:seek("set", 0.5) end)
    assert.error(function() reader:lines(table.unpack({}, 1, 300)) end)
    assert.equal("text", reader:read "a")
  end)

  it("reads independently of other readers of the same sequence", function()
    local sequence <close> = sequence_of("one two", 2)
    local first, second = sequence:reader(), sequence:reader()
    assert.equal("one", first:read(3))
    assert.equal("o", second:read(1))
    assert.equal(" two", first:read "a")
    assert.equal("ne", second:read(2))
  end)

  it("keeps its sequence alive, and owns no segment", function()
    local reader
    do
      reader = sequence_of(support.pattern(30000)):reader()
    end
    collectgarbage()
    collectgarbage()
    assert.is_true(reader:read "a" == support.pattern(30000))
    reader = nil
    collectgarbage()
    collectgarbage()
    assert.equal(0, sluice.stats().outstanding)
    before.leaked = before.leaked + 1
    assert.is_nil(reader)
  end)

  it("refuses use once its sequence is disposed", function()
    local sequence = sequence_of "gone"
    local reader = sequence:reader()
    local next_line = reader:lines()
    sequence:dispose()
    for name, use in pairs {
      read = function() reader:read(1) end,
      lines = function() reader:lines() end,
      iterator = next_line,
      seek = function() reader:seek("set", 0) end,
      position = function() reader:position() end,
      length = function() return #reader end,
    } do
      assert.error_matches(use, "use of disposed sequence", 1, false, name)
    end
  end)

  it("refuses use after close, which leaves the sequence alone", function()
    local sequence <close> = sequence_of "still here"
    local reader = sequence:reader()
    local next_line = reader:lines()
    assert.is_true(reader:close())
    assert.is_true(reader:close())
    assert.equal("sluice.reader (closed)", tostring(reader))
    for name, use in pairs {
      read = function() reader:read(1) end,
      lines = function() reader:lines() end,
      iterator = next_line,
      seek = function() reader:seek("set", 0) end,
      position = function() reader:position() end,
      length = function() return #reader end,
    } do
      assert.error_matches(use, "use of closed reader", 1, false, name)
    end
    assert.equal("still here", sequence:tostring())
    do
      local closing <close> = sequence:reader()
      assert.equal("still", closing:read(5))
    end
  end)

  it("never makes a string of the whole sequence", function()
    local sequence <close> = sequence_of(support.pattern(1 << 20))
    local rented = sluice.stats().rented
    collectgarbage()
    collectgarbage "stop"
    local heap = collectgarbage "count"
    local reader = sequence:reader()
    local size = 0
    for piece in function() return reader:read(100) end do
      size = size + #piece
      if size % 50000 == 0 then collectgarbage "step" end
    end
    reader:seek("set", 500000)
    assert.equal(1, #reader:read(1))
    assert.equal(1 << 20, size)
    assert.equal(rented, sluice.stats().rented)
    collectgarbage "restart"
    collectgarbage()
    assert.is_true(collectgarbage "count" - heap < 64)
  end)

  it("can be used in place of a file", function()
    local sequence <close> = sequence_of("return ...\n", 3)
    local reader = sequence:reader()
    local chunk = assert(load(function() return reader:read(4) end))
    assert.equal(5, chunk(5))
  end)

  it("behaves like a file under random use", function()
    math.randomseed(31)
    for round = 1, 60 do
      local pieces = {}
      for i = 1, math.random(0, 30) do
        pieces[i] = ({ "\n", "12.5 ", "word", "\0", "0x1p4", "  ", support.pattern(9) })
          [math.random(7)]
      end
      local seed = math.random(1 << 30)
      compare(table.concat(pieces), function(file)
        math.randomseed(seed)
        local results = {}
        for _ = 1, 40 do
          local action = math.random(7)
          local got
          if action == 1 then
            got = table.pack(file:read(math.random(0, 20)))
          elseif action == 2 then
            got = table.pack(file:read "l")
          elseif action == 3 then
            got = table.pack(file:read("L", math.random(0, 3)))
          elseif action == 4 then
            got = table.pack(file:read "n")
          elseif action == 5 then
            local size = file:seek "end"
            got = table.pack(file:seek("set", math.random(0, size)))
          elseif action == 6 then
            local size = file:seek "end"
            got = table.pack(file:seek("end", -math.random(0, size)))
          else
            got = table.pack(file:seek())
          end
          results[#results + 1] = got
        end
        return results
      end, "round " .. round)
      math.randomseed(seed)
    end
  end)
end)
