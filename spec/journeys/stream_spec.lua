-- Streamed bodies: read in pieces of any size, held back while nobody reads, and disposed early.

local nginx = require "spec.support.nginx"
local server = require "spec.support.server"
local sluice = require "sluice"
local support = require "spec.support"

local peer, system, pattern = support.peer, support.system, support.pattern

local request_head = { "expect_until", "\r\n\r\n" }
local DONE = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"

-- Nine bytes are declared, three are sent.
local CUT = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"

local function with_length(body)
  return ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body)
end

local function in_chunks(body, size, trailer)
  local parts = { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" }
  for at = 1, #body, size do
    local piece = body:sub(at, at + size - 1)
    parts[#parts + 1] = ("%x\r\n%s\r\n"):format(#piece, piece)
  end
  parts[#parts + 1] = ("0\r\n%s\r\n"):format(trailer or "")
  return table.concat(parts)
end

describe("a streamed response", function()
  local client, directory

  support.verify_each(function(keep)
    directory = keep(server.directory(), server.remove)
    client = keep(support.client { timeout = { idle = 60, first_byte = 60 } })
  end)

  --- A peer that gives `wire` and then, on the same connection, what `DONE` says.
  local function answer(...)
    return peer.listen {
      script = { { request_head, ... }, { request_head, { "send", DONE }, { "stall" } } },
    }
  end

  local function stream(p, options)
    local copy = { stream = true }
    for key, value in pairs(options or {}) do copy[key] = value end
    local response, message = client:get(p.url .. "/", copy)
    return assert(response, message)
  end

  --- Bytes in three framings, whole and byte by byte.
  local function each_wire(body)
    local wires = {
      { "with its length", with_length(body) },
      { "in chunks of 3", in_chunks(body, 3) },
      { "to the end of the connection", "HTTP/1.1 200 OK\r\n\r\n" .. body },
    }
    return coroutine.wrap(function()
      for _, wire in ipairs(wires) do
        coroutine.yield(wire[1], { "send", wire[2] }, { "close" })
        coroutine.yield(wire[1] .. ", byte by byte", { "dribble", wire[2], 1, 0 }, { "close" })
      end
    end)
  end

  it("is returned once its head has arrived", function()
    local p <close> = answer({ "send", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" }, { "hold" },
      { "send", "done" }, { "stall" })
    local response <close> = stream(p)
    assert.equal(200, response.status)
    assert.is_false(response:is_complete())
    assert.error_matches(function() return response.body end, "still arriving")
    p:signal(1)
    assert.equal("done", response:text())
    assert.is_true(response:is_complete())
  end)

  -- ---- pieces ----

  it("gives pieces that stay valid until they are disposed", function()
    local body = pattern(1 << 20)
    for _, wire in ipairs { with_length(body), in_chunks(body, 7000) } do
      local p <close> = answer({ "send", wire }, { "stall" })
      local held, response = {}, stream(p)
      for piece in response:chunks() do held[#held + 1] = piece end
      response:dispose()
      local texts = {}
      for i, piece in ipairs(held) do
        texts[i] = piece:tostring()
        piece:dispose()
      end
      assert.is_true(#held > 1)
      assert.is_true(table.concat(texts) == body)
    end
  end)

  it("gives pieces of at most 64 KiB, however much arrives at once", function()
    local body = pattern(4 << 20)
    local p <close> = answer({ "send", with_length(body) }, { "stall" })
    local response <close> = stream(p)
    local texts = {}
    for piece in response:chunks() do
      assert.is_true(#piece <= 65536, #piece)
      texts[#texts + 1] = piece:tostring()
      piece:dispose()
    end
    assert.is_true(table.concat(texts) == body)
  end)

  it("gives strings of any size, wherever receives are cut", function()
    local body = pattern(3 << 20)
    for _, size in ipairs { 20000, 40000, 65536, 100000, 300000 } do
      local p <close> = answer({ "send", with_length(body) }, { "stall" })
      local response <close> = stream(p)
      local texts = {}
      repeat
        local text = response:read(size)
        texts[#texts + 1] = text
      until not text
      for i = 1, #texts - 1 do assert.equal(size, #texts[i]) end
      assert.is_true(table.concat(texts) == body)
    end
  end)

  it("gives a piece as soon as it has arrived", function()
    local p <close> = answer({ "send", in_chunks("one", 3):sub(1, -6) }, { "hold" },
      { "send", "3\r\ntwo\r\n0\r\n\r\n" }, { "stall" })
    local response <close> = stream(p)
    local first <close> = response:next_chunk()
    assert.equal("one", first:tostring())
    p:signal(1)
    local second <close> = response:next_chunk()
    assert.equal("two", second:tostring())
    assert.is_nil((response:next_chunk()))
    assert.is_nil((response:next_chunk()))
  end)

  it("keeps its trailers after a complete loop over it", function()
    for _, name in ipairs { "chunks", "lines" } do
      local p <close> = answer({ "send", in_chunks("a\nb\n", 3, "X-Sum: 42\r\n") }, { "stall" })
      local response <close> = stream(p)
      for piece in response[name](response) do
        if type(piece) == "userdata" then piece:dispose() end
      end
      assert.equal("42", response.trailers["X-Sum"])
    end
  end)

  -- ---- read ----

  it("reads exactly as many bytes as requested", function()
    local body = pattern(100)
    for framing, send, close in each_wire(body) do
      for _, size in ipairs { 1, 7, 99, 100, 101, 65536 } do
        local p <close> = answer(send, close)
        local response <close> = stream(p)
        for at = 1, #body, size do
          assert.equal(body:sub(at, at + size - 1), response:read(size), framing)
        end
        assert.is_nil((response:read(size)))
        assert.is_nil((response:read(size)))
      end
    end
  end)

  it("reads across segments", function()
    local body = pattern(100000)
    local p <close> = answer({ "send", with_length(body) }, { "stall" })
    local response <close> = stream(p)
    local parts = {}
    for _, size in ipairs { 1, 16383, 16384, 16385, 40000, 100000 } do
      parts[#parts + 1] = response:read(size)
    end
    assert.is_true(table.concat(parts) == body)
  end)

  it("refuses to read zero bytes", function()
    local p <close> = answer({ "send", with_length "abc" }, { "stall" })
    local response <close> = stream(p)
    assert.error(function() response:read(0) end)
    assert.error(function() response:read(-1) end)
    assert.equal("abc", response:text())
  end)

  -- ---- lines ----

  it("gives lines wherever its pieces end", function()
    local body = "one\r\ntwo\n\n\r\nth\rree\nlast\r"
    local expected = { "one", "two", "", "", "th\rree", "last\r" }
    for framing, send, close in each_wire(body) do
      local p <close> = answer(send, close)
      local response <close> = stream(p)
      local lines = {}
      for line in response:lines() do lines[#lines + 1] = line end
      assert.same(expected, lines, framing)
    end
    local p <close> = answer({ "send", with_length(body) }, { "stall" })
    local response <close> = assert(client:get(p.url .. "/"))
    local lines = {}
    for line in response:lines() do lines[#lines + 1] = line end
    assert.same(expected, lines)
  end)

  it("gives a line as soon as it has arrived", function()
    local p <close> = answer({ "send", in_chunks("one\n", 4):sub(1, -6) }, { "hold" },
      { "send", "4\r\ntwo\n\r\n0\r\n\r\n" }, { "stall" })
    local response <close> = stream(p)
    local lines = {}
    for line in response:lines() do
      lines[#lines + 1] = line
      p:signal(1)
    end
    assert.same({ "one", "two" }, lines)
  end)

  it("gives no line for an empty body, and long lines whole", function()
    local long = pattern(200000):gsub("\n", " ")
    for _, body in ipairs { "", long, long .. "\n", "\n" .. long } do
      local p <close> = answer({ "send", with_length(body) }, { "stall" })
      local response <close> = stream(p)
      local lines = {}
      for line in response:lines() do lines[#lines + 1] = line end
      local text = table.concat(lines, "\n")
      assert.is_true(text == (body:gsub("\n$", "")))
    end
  end)

  -- ---- reader ----

  local function check_reader(reader)
    assert.equal("first", reader:read())
    assert.equal("second\n", reader:read "L")
    assert.equal(42, reader:read "n")
    assert.equal(-0.5, reader:read "n")
    local number, rest = reader:read("n", "l")
    assert.equal(0x1f, number)
    assert.equal(" x", rest)
    assert.equal("", reader:read(0))
    assert.equal("abc", reader:read(3))
    assert.equal("defg\nh", reader:read "a")
    assert.equal("", reader:read "a")
    assert.is_nil(reader:read "l")
    assert.is_nil(reader:read(1))
    assert.is_nil(reader:read(0))
    assert.is_nil(reader:read "n")
  end

  it("has a reader with the formats of files", function()
    local body = "first\nsecond\n42 -0.5\n0x1f x\nabcdefg\nh"
    for _, send, close in each_wire(body) do
      local p <close> = answer(send, close)
      local response <close> = stream(p)
      local reader <close> = response:reader()
      check_reader(reader)
      assert.equal(#body, reader:position())
    end
    local p <close> = answer({ "send", with_length(body) }, { "stall" })
    local response <close> = assert(client:get(p.url .. "/"))
    local reader <close> = response:reader()
    check_reader(reader)
    assert.equal(6, reader:seek("set", 6))
    assert.equal("second", reader:read())
  end)

  it("has a reader that reads on demand and gathers nothing", function()
    local size = 32 << 20
    local p <close> = answer(
      { "send", ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"):format(size) },
      { "send_repeat", pattern(65535) .. "\n", size >> 16 }, { "stall" })
    local response <close> = stream(p)
    local reader <close> = response:reader()
    local count, most = 0, 0
    while reader:read(10000) do
      count = count + 1
      most = math.max(most, sluice.stats().bytes)
    end
    assert.equal(size // 10000 + 1, count)
    assert.is_true(most < 2 << 20, most)
  end)

  it("has a reader that reports its end, failures and misuse", function()
    local p <close> = answer({ "send", CUT }, { "close" })
    local response <close> = stream(p)
    local reader = response:reader()
    assert.equal("ab", reader:read(2))
    assert.equal(2, reader:seek())
    assert.error_matches(function() reader:seek("set", 0) end, "forward")
    assert.error_matches(function() reader:read "z" end, "format")
    local line, message, err = reader:read "a"
    assert.is_nil(line)
    assert.equal("closed", err.code)
    assert.equal(message, tostring(err))
    assert.error(function() for _ in reader:lines() do error "never" end end)
    reader:close()
    assert.error_matches(function() reader:read() end, "closed")
  end)

  -- ---- save ----

  local function list(path)
    local names = {}
    for name in require("lfs").dir(path) do
      if name ~= "." and name ~= ".." then names[#names + 1] = name end
    end
    return names
  end

  it("can be saved streamed, buffered and after text()", function()
    local body = pattern(300000)
    for _, way in ipairs { "streamed", "buffered", "text" } do
      local p <close> = answer({ "send", with_length(body) }, { "stall" })
      local response <close> = assert(client:get(p.url .. "/", { stream = way == "streamed" }))
      if way == "text" then response:text() end
      local path = server.write(directory .. "/" .. way, "old")
      assert.equal(#body, response:save(path))
      assert.is_true(server.read(path) == body)
    end
    assert.equal(3, #list(directory))
  end)

  it("leaves the file as it was if saving fails", function()
    local path = server.write(directory .. "/file", "old")
    local p <close> = answer({ "send", CUT }, { "close" })
    local response <close> = stream(p)
    local size, message, err = response:save(path)
    assert.is_nil(size)
    assert.equal("closed", err.code)
    assert.equal("string", type(message))
    assert.equal("old", server.read(path))
    assert.same({ "file" }, list(directory))
  end)

  it("leaves no file if the saving coroutine is closed", function()
    local p <close> = answer({ "send", CUT }, { "stall" })
    local saving = coroutine.create(function()
      local response <close> = stream(p)
      response:save(directory .. "/file")
    end)
    assert(coroutine.resume(saving))
    for _ = 1, 20 do sluice.loop():step(0.005) end
    assert.equal(1, #list(directory))
    assert(coroutine.close(saving))
    assert.same({}, list(directory))
  end)

  it("names the file that it could not save", function()
    local p <close> = answer({ "send", with_length "abc" }, { "stall" })
    local response <close> = stream(p)
    local size, message, err = response:save(directory .. "/none/file")
    assert.is_nil(size)
    assert.equal("invalid", err.code)
    assert.matches("No such file", message)
    assert.equal("abc", response:text())
  end)

  -- ---- leaving early ----

  -- The part of a response sent so far, and the rest once the response is disposed.
  local function leave(expected, missing, is_chunked)
    local head = is_chunked and "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" or
      ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"):format(3 + missing)
    local first = is_chunked and "3\r\nabc\r\n" or "abc"
    local rest = is_chunked and ("%x\r\n%s\r\n0\r\n\r\n"):format(missing, pattern(missing)) or
      pattern(missing)
    local p <close> = peer.listen {
      script = {
        { request_head, { "send", head .. first }, { "hold" }, { "send", rest }, request_head,
          { "send", DONE }, { "stall" } },
        { request_head, { "send", DONE }, { "stall" } },
      },
    }
    local response = stream(p)
    assert.equal("abc", response:read(3))
    response:dispose()
    assert.error_matches(function() response:read(1) end, "disposed")
    p:signal(1)
    local deadline = system.clock() + 60
    while client:stats().active > 0 and system.clock() < deadline do sluice.loop():step(0.01) end
    local other <close> = assert(client:get(p.url .. "/"))
    assert.equal("done", other:text())
    assert.equal(expected, (p:connections()))
  end

  it("is drained if little is missing, and its connection used again", function()
    leave(1, 10)
    leave(1, 65536)
    leave(1, 10, true)
    leave(1, 60000, true)
  end)

  it("closes its connection if much is missing", function()
    leave(2, 65537)
    leave(2, 1 << 20, true)
  end)

  it("closes its connection if the rest does not arrive in time", function()
    local p <close> = peer.listen {
      script = {
        { request_head, { "send", CUT }, { "stall" } },
        { request_head, { "send", DONE }, { "stall" } },
      },
    }
    stream(p):dispose()
    local from = system.clock()
    while client:stats().active > 0 do sluice.loop():step(0.01) end
    local seconds = system.clock() - from
    assert.is_true(seconds >= 0.09 and seconds < 5, seconds)
    local other <close> = assert(client:get(p.url .. "/"))
    assert.equal("done", other:text())
    assert.equal(2, (p:connections()))
  end)

  it("is disposed by break, by an error and by the end of its scope", function()
    for _, way in ipairs { "chunks", "lines" } do
      local p <close> = answer({ "send", with_length(("abc\n"):rep(100000)) }, { "stall" })
      local response = stream(p)
      for piece in response[way](response) do
        if type(piece) == "userdata" then piece:dispose() end
        if piece then break end
      end
      assert.is_false(response:is_live())
    end
    local p <close> = answer({ "send", with_length(("abc\n"):rep(100000)) }, { "stall" })
    local response = stream(p)
    assert.error(function()
      for piece in response:chunks() do
        piece:dispose()
        error "enough"
      end
    end)
    assert.is_false(response:is_live())
    local q <close> = answer({ "send", with_length(("abc\n"):rep(100000)) }, { "stall" })
    do
      local scoped <close> = stream(q)
      response = scoped
    end
    assert.is_false(response:is_live())
  end)

  it("raises its failure in a loop, and is disposed", function()
    for _, way in ipairs { "chunks", "lines" } do
      local p <close> = answer({ "send", CUT },
        { "close" })
      local response = stream(p)
      local ok, raised = pcall(function()
        for piece in response[way](response) do
          if type(piece) == "userdata" then piece:dispose() end
        end
      end)
      assert.is_false(ok)
      assert.equal("closed", raised.code)
      assert.is_false(response:is_live())
    end
  end)

  -- ---- back-pressure ----

  it("holds its peer back while nobody reads", function()
    local size = 256 << 20
    local p <close> = peer.listen {
      script = {
        { request_head, { "send", ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"):format(size) },
          { "send_repeat", pattern(65536), size >> 16 }, { "hold" } },
      },
    }
    local response <close> = stream(p)
    local deadline = system.clock() + 0.3
    while system.clock() < deadline do sluice.loop():step(0.05) end
    assert.is_true(sluice.stats().bytes < 1 << 20)
    assert.equal(10, #response:read(10))
    assert.is_true(sluice.stats().bytes < 1 << 20)
    -- The peer is far from its end: it never reaches its "hold".
    assert.is_false(p:wait("holding", 1, 0.1))
  end)

  it("has no limit by default, only a requested one", function()
    local body = pattern(70 << 20)
    local p <close> = answer({ "send", with_length(body) }, { "stall" })
    local response <close> = stream(p)
    local size = 0
    for piece in response:chunks() do
      size = size + #piece
      piece:dispose()
    end
    assert.equal(#body, size)
    for _, wire in ipairs { with_length(pattern(1001)), in_chunks(pattern(1001), 100) } do
      local q <close> = answer({ "send", wire }, { "stall" })
      local other, _, err = client:get(q.url .. "/", { stream = true, limits = { body = 1000 } })
      if other then
        repeat
          local piece
          piece, _, err = other:read(100)
        until not piece
        other:dispose()
      end
      assert.equal("limit", err.code)
    end
  end)

  -- ---- flattening ----

  it("makes its string only once", function()
    for _, options in ipairs { {}, { stream = true } } do
      local p <close> = answer({ "send", with_length '{"list":[1,2,3]}' }, { "stall" })
      local response <close> = assert(client:get(p.url .. "/", options))
      local text = response:text()
      assert.equal('{"list":[1,2,3]}', text)
      assert.equal(text, response:text())
      assert.equal(text, response.body)
      assert.equal(("%p"):format(text), ("%p"):format(response.body))
      assert.same({ 1, 2, 3 }, response:json().list)
      assert.equal(#text, #response)
      local sequence <close> = response:sequence()
      assert.equal(text, sequence:tostring())
    end
  end)

  it("returns the same long string each time", function()
    local p <close> = answer({ "send", with_length(pattern(100000)) }, { "stall" })
    local response <close> = assert(client:get(p.url .. "/"))
    local text = response:text()
    assert.equal(("%p"):format(text), ("%p"):format(response:text()))
    assert.equal(("%p"):format(text), ("%p"):format(response.body))
  end)

  it("outlives its response as a sequence or a lease", function()
    for _, options in ipairs { {}, { stream = true } } do
      local body = pattern(100000)
      local p <close> = answer({ "send", with_length(body) }, { "stall" })
      local response = assert(client:get(p.url .. "/", options))
      local sequence <close> = response:sequence()
      local lease <close> = response:detach()
      response:dispose()
      assert.is_true(sequence:tostring() == body)
      local shown <close> = lease:sequence()
      assert.is_true(shown:tostring() == body)
    end
  end)

  for name, call in support.each_style(sluice) do
    it("can be read in every way " .. name, function()
      call(function()
        local body = ("a line\n"):rep(20000)
        local ways = { "text", "sequence", "detach", "read", "chunks", "lines", "reader" }
        for _, way in ipairs(ways) do
          local p <close> = answer({ "dribble", in_chunks(body, 5000), 9000, 0 }, { "stall" })
          local response <close> = stream(p)
          local text
          if way == "text" then
            text = response:text()
          elseif way == "sequence" or way == "detach" then
            local all <close> = response[way](response)
            local shown <close> = way == "detach" and all:sequence() or nil
            text = (shown or all):tostring()
          elseif way == "read" then
            text = response:read(#body + 1)
          elseif way == "reader" then
            local reader <close> = response:reader()
            text = reader:read "a"
          else
            local parts = {}
            for piece in response[way](response) do
              if way == "chunks" then
                parts[#parts + 1] = piece:tostring()
                piece:dispose()
              else
                parts[#parts + 1] = piece .. "\n"
              end
            end
            text = table.concat(parts)
          end
          assert.is_true(text == body, way)
        end
      end)
    end)
  end
end)

describe("a stream from nginx", function()
  local client, web

  setup(function() web = nginx.start() end)
  teardown(function() web:stop() end)

  support.verify_each(function(keep) client = keep(support.client()) end)

  it("equals the file, however it is read", function()
    local size = 1 << 20
    local content = web:file(size)
    for _, kind in ipairs { "file", "chunked", "gzip" } do
      local url = ("%s/%s/%d"):format(web.url, kind, size)
      local response <close> = assert(client:get(url, { stream = true }))
      local parts = { response:read(10) }
      for piece in response:chunks() do
        parts[#parts + 1] = piece:tostring()
        piece:dispose()
      end
      assert.is_true(table.concat(parts) == content, kind)
      local saved <close> = assert(client:get(url, { stream = true }))
      local path = web.directory .. "/saved"
      assert.equal(size, saved:save(path))
      assert.is_true(server.read(path) == content, kind)
    end
    assert.equal(1, client:stats().made)
  end)

  it("can be left early without harm to the next", function()
    web:file(1 << 20)
    for i = 1, 20 do
      local response <close> = assert(client:get(web.url .. "/file/" .. (1 << 20),
        { stream = true }))
      assert.equal(i * 1000, #response:read(i * 1000))
      response:dispose()
      local other <close> = assert(client:get(web.url .. "/json"))
      assert.equal("sluice", other:json().name)
    end
  end)
end)
