-- Bodies read as Lua's files are, on their way and whole, beside a real file of the same bytes.

local server = require "spec.support.server"
local sluice = require "sluice"
local support = require "spec.support"

local peer, pattern = support.peer, support.pattern

local request_head = { "expect_until", "\r\n\r\n" }

local function head_of(size)
  return ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"):format(size)
end

describe("a body's reader", function()
  local client, directory

  setup(function() directory = server.directory() end)
  teardown(function() server.remove(directory) end)

  support.verify_each(function(keep)
    client = keep(support.client { timeout = { idle = 30, first_byte = 30 } })
  end)

  --- A peer that answers each request with these steps, on any connection.
  local function answer(...)
    local script = { request_head, ... }
    script[#script + 1] = { "loop" }
    return peer.listen { records = false, repeat_last = true, script = { script } }
  end

  local function stream(p) return assert(client:get(p.url .. "/", { stream = true })) end

  -- ---- beside a file ----

  local formats = {
    { "l" }, { "L" }, { "n" }, { 1 }, { 3 }, { 0 }, { 40 }, { "n", "l" }, { "L", 2, "n" },
    { "*n", "*l" },
  }

  --- What a file-like object gives for a run of reads that `seed` chooses, and then the rest.
  local function read_all(file, seed, text)
    math.randomseed(seed)
    local results = {}
    for i = 1, #text + 2 do
      local list = formats[math.random(#formats)]
      results[i] = table.pack(file:read(table.unpack(list)))
      results[i].place = file:seek()
    end
    results.rest = { file:read("a", "l", "a") }
    return results
  end

  local words = { "\n", "\r\n", "12.5 ", "-0x1F", "1e+3", "word", "\0", "  ", ".", "0x", "\r",
    ("7"):rep(201), pattern(9), "\n\n", "1-2" }

  local function random_text()
    local pieces = {}
    for i = 1, math.random(0, 25) do pieces[i] = words[math.random(#words)] end
    return table.concat(pieces)
  end

  local function expect(text, use)
    local file <close> = assert(io.open(server.write(directory .. "/file", text), "rb"))
    return use(file)
  end

  --- Ways in which `text` arrives: at once, and in pieces with a pause in between.
  local function each_cut(text)
    local wires = { { { "send", head_of(#text) .. text } } }
    for _, size in ipairs { 1, 2, 7 } do
      wires[#wires + 1] = { { "send", head_of(#text) }, { "dribble", text, size, 0.0001 } }
    end
    return coroutine.wrap(function()
      for i, wire in ipairs(wires) do coroutine.yield(i, table.unpack(wire)) end
    end)
  end

  it("reads as a file does, wherever the body was cut", function()
    for round = 1, 25 do
      math.randomseed(round)
      local text = random_text()
      local expected = expect(text, function(file) return read_all(file, round, text) end)
      for cut, first, second in each_cut(text) do
        local p <close> = answer(first, second)
        for _, is_stream in ipairs { true, false } do
          local response <close> = assert(client:get(p.url .. "/", { stream = is_stream }))
          local reader <close> = response:reader()
          assert.same(expected, read_all(reader, round, text),
            ("round %d, cut %d, %s"):format(round, cut, is_stream and "streamed" or "whole"))
        end
      end
    end
  end)

  it("iterates over lines as a file does, and response:lines() as text does", function()
    for round = 1, 15 do
      math.randomseed(100 + round)
      local text = random_text()
      local function loop(file)
        local got = {}
        for a, b in file:lines("L", 1) do got[#got + 1] = { a, b } end
        return got
      end
      local expected, lines = expect(text, loop), {}
      for line, ending in text:gmatch "([^\n]*)(\n?)" do
        if ending == "" and line == "" then break end
        lines[#lines + 1] = ending == "" and line or (line:gsub("\r$", ""))
      end
      for cut, first, second in each_cut(text) do
        local p <close> = answer(first, second)
        for _, is_stream in ipairs { true, false } do
          local response <close> = assert(client:get(p.url .. "/", { stream = is_stream }))
          local reader <close> = response:reader()
          assert.same(expected, loop(reader), "round " .. round .. ", cut " .. cut)
          local other <close> = assert(client:get(p.url .. "/", { stream = is_stream }))
          local got = {}
          for line in other:lines() do got[#got + 1] = line end
          assert.same(lines, got, "round " .. round .. ", cut " .. cut)
        end
      end
    end
  end)

  it("joins lines over many segments, between short ones", function()
    local parts = {}
    for i = 1, 40 do parts[i] = pattern(i % 4 == 0 and i * 4000 or i):gsub("\n", " ") end
    local text = table.concat(parts, "\n")
    local p <close> = answer({ "send", head_of(#text) .. text })
    for _, is_stream in ipairs { true, false } do
      local response <close> = assert(client:get(p.url .. "/", { stream = is_stream }))
      local got = {}
      for line in response:lines() do got[#got + 1] = line end
      assert.equal(#parts, #got)
      for i, part in ipairs(parts) do assert.is_true(part == got[i], "line " .. i) end
    end
  end)

  it("does not hold white space before a number in memory", function()
    local text = (" "):rep(4 << 20) .. "42\n"
    local p <close> = answer({ "send", head_of(#text) }, { "send", text })
    local response <close> = stream(p)
    local reader <close> = response:reader()
    local most = 0
    local watching = sluice.spawn(function()
      while sluice.sleep(0) do most = math.max(most, sluice.stats().bytes) end
    end)
    assert.equal(42, reader:read "n")
    watching:cancel()
    assert.is_true(most < 2 << 20, most)
    assert.equal(#text - 1, reader:position())
  end)

  -- ---- what was not read ----

  it("leaves unread bytes to the response", function()
    local text = "first\nsecond\n12 rest\nof it"
    local p <close> = answer({ "send", head_of(#text) .. text })
    for _, way in ipairs { "text", "sequence", "read" } do
      local response <close> = stream(p)
      local reader <close> = response:reader()
      assert.equal("first", reader:read())
      assert.equal("second", response:reader():read "l")
      assert.equal(12, reader:read "n")
      local rest = response[way](response)
      if way == "sequence" then
        local shown <close> = rest
        rest = shown:tostring()
      end
      assert.equal(" rest\nof it", rest)
      assert.equal(way == "sequence" and " rest" or nil, reader:read()) -- which only shows it
    end
    local response <close> = stream(p)
    local reader <close> = response:reader()
    reader:read(1)
    assert.error_matches(function() response:detach() end, "part of the body")
  end)

  it("returns no line that a failure has cut, and keeps its bytes", function()
    local p <close> = answer({ "send", head_of(20) .. "one\n12" }, { "close" })
    for _, format in ipairs { "l", "L", "n", "a" } do
      local response <close> = stream(p)
      local reader <close> = response:reader()
      assert.equal("one", reader:read())
      for _ = 1, 2 do
        local value, message, err = reader:read(format)
        assert.is_nil(value)
        assert.equal("closed", err.code)
        assert.equal(message, tostring(err))
      end
      assert.equal("12", response:read(10))
      local loop = reader:lines()
      local ok, raised = pcall(loop)
      assert.is_false(ok)
      assert.equal("closed", raised.code)
    end
    local response <close> = stream(p)
    local reader <close> = response:reader()
    assert.same({ "one", "12" }, { reader:read("l", 5) })
    assert.equal("closed", select(3, reader:read(5)).code)
  end)

  it("raises the failure of a loop over lines", function()
    local p <close> = answer({ "send", head_of(20) .. "one\n12" }, { "close" })
    local response <close> = stream(p)
    local got = {}
    local ok, raised = pcall(function()
      for line in response:lines() do got[#got + 1] = line end
    end)
    assert.is_false(ok)
    assert.equal("closed", raised.code)
    assert.same({ "one" }, got)
    assert.is_false(response:is_live())
  end)

  -- ---- ends ----

  it("keeps the response after a complete loop, and disposes it after another", function()
    local text = "a\nb\n"
    local p <close> = answer({ "send", head_of(#text) .. text })
    for _, is_stream in ipairs { true, false } do
      local response <close> = assert(client:get(p.url .. "/", { stream = is_stream }))
      for line in response:lines() do assert.is_string(line) end
      assert.is_true(response:is_live())
      local other = assert(client:get(p.url .. "/", { stream = is_stream }))
      for line in other:lines() do
        if line == "a" then break end
      end
      assert.is_false(other:is_live())
    end
  end)

  for name, call in support.each_style(sluice) do
    it("is refused to a second coroutine while one waits " .. name, function()
      local p <close> = answer({ "send", head_of(8) .. "one\n" }, { "hold" }, { "send", "two\n" })
      call(function()
        local response <close> = stream(p)
        local reader <close> = response:reader()
        assert.equal("one", reader:read())
        local waiting = sluice.spawn(function() return reader:read() end)
        sluice.sleep(0)
        sluice.sleep(0)
        for _, use in ipairs { function() reader:read() end, function() reader:lines()() end,
          function() response:lines()() end } do
          assert.error_matches(use, "read by another coroutine")
        end
        p:signal(1)
        assert.equal("two", waiting:await())
        assert.is_nil(reader:read())
      end)
    end)
  end

  it("ends its wait when the reader is closed or the response disposed", function()
    local p <close> = answer({ "send", head_of(8) .. "one\n" })
    for _, way in ipairs { "close", "dispose", "cancel" } do
      local response = stream(p)
      local reader = response:reader()
      local outcome
      local waiting = sluice.spawn(function()
        outcome = table.pack(pcall(reader.read, reader, "a"))
      end)
      sluice.loop():step(0.01)
      if way == "close" then reader:close() end
      if way == "cancel" then waiting:cancel() else response:dispose() end
      waiting:await()
      if way == "cancel" then
        assert.is_true(outcome[1])
        assert.equal("cancelled", outcome[4].code)
      else
        assert.is_false(outcome[1])
        assert.matches(way == "close" and "closed body reader" or "disposed response", outcome[2])
      end
      reader:close()
      response:dispose()
    end
  end)

  it("outlives the response when the body is whole", function()
    local p <close> = answer({ "send", head_of(8) .. "one\ntwo\n" })
    local response = assert(client:get(p.url .. "/"))
    local reader = response:reader()
    assert.equal("one", reader:read())
    response:dispose()
    assert.equal("two", reader:read())
    assert.equal(8, #reader)
    assert.is_nil(reader:read())
    reader:close()
    reader:close()
    assert.equal("sluice.body_reader (closed)", tostring(reader))
    assert.error_matches(function() reader:read() end, "use of closed body reader")
  end)

  it("refuses a length, seeking and unknown formats", function()
    local p <close> = answer({ "send", head_of(4) })
    local response <close> = stream(p)
    local reader <close> = response:reader()
    assert.equal("sluice.body_reader", tostring(reader))
    assert.error_matches(function() return #reader end, "not known")
    assert.error_matches(function() reader:seek("end", 0) end, "forward")
    assert.error_matches(function() reader:seek("cur", 1) end, "forward")
    for _, use in ipairs { "x", "", -1, 1.5, {} } do
      assert.error(function() reader:read(use) end)
      assert.error(function() reader:lines(use) end)
    end
    assert.error_matches(function() reader:lines(table.unpack({}, 1, 300)) end, "")
    assert.equal(0, reader:seek())
  end)

  it("costs what is read, whole and on its way", function()
    local count = 30000
    local text = ("12345\n"):rep(count)
    local p <close> = answer({ "send", head_of(#text) .. text })
    local function cost(is_stream, format)
      local response <close> = assert(client:get(p.url .. "/", { stream = is_stream }))
      local reader <close> = response:reader()
      local from, got = os.clock(), 0
      while reader:read(format) do got = got + 1 end
      assert.equal(count, got)
      return os.clock() - from
    end
    for _, format in ipairs { "n", "l" } do
      local whole, streamed = cost(false, format), cost(true, format)
      -- Copies of what is left of a piece would make it some hundred times as much.
      assert.is_true(streamed < 20 * whole + 0.1, ("%g s, %g s"):format(whole, streamed))
    end
  end)

  it("makes its strings from the segments, and holds nothing beside them", function()
    local line = pattern(69):gsub("\n", " ") .. "\n"
    local count = 60000
    local p <close> = answer({ "send", head_of(#line * count) },
      { "send_repeat", line, count })
    local response <close> = stream(p)
    local most, got = 0, 0
    for text in response:lines() do
      got = got + 1
      if got % 512 == 0 then most = math.max(most, sluice.stats().bytes) end
      if got % 10000 == 0 then assert.equal(line, text .. "\n") end
    end
    assert.equal(count, got)
    assert.is_true(most < 2 << 20, most)
  end)
end)
