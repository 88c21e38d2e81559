-- Kinds of request bodies and their behaviour: functions that let other tasks run, files that
-- change meanwhile, bodies that can be sent once, and bodies that are refused at the call.

local server = require "spec.support.server"
local sluice = require "sluice"
local support = require "spec.support"

local peer, system, pattern = support.peer, support.system, support.pattern
local pieces_of, body_of = support.pieces_of, support.body_of

local DONE = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"
local request_head = { "expect_until", "\r\n\r\n" }

--- A peer for one request that ends in `last`.
local function listen(last)
  return peer.listen { script = { { { "expect_until", last }, { "send", DONE }, { "stall" } } } }
end

describe("a request body", function()
  local client, directory

  support.verify_each(function(keep)
    directory = keep(server.directory(), server.remove)
    client = keep(support.client())
  end)

  --- A peer that reads whatever comes and never answers.
  local function swallow()
    return peer.listen { records = false, script = { { request_head, { "discard" } } } }
  end

  -- ---- turns ----

  -- Pieces without end; if no other task has run after ten seconds, none will.
  local function endless(piece)
    local from, asked = system.clock(), 0
    return function()
      asked = asked + 1
      if system.clock() - from > 10 then return nil, "nobody cut in" end
      return piece
    end
  end

  for _, size in ipairs { 0, 1, 100, 65536 } do
    it(("without end lets others run, and the deadline: pieces of %d"):format(size), function()
      for _, is_declared in ipairs { false, true } do
        for _, call in support.each_style(sluice) do
          local p <close> = swallow()
          local ticks, goes_on = 0, true
          local ticking = sluice.spawn(function()
            while goes_on do
              sluice.sleep(0.001)
              ticks = ticks + 1
            end
          end)
          local body = endless(pattern(size))
          if is_declared then body = { read = body, length = 1 << 50 } end
          local response, _, err = call(client.post, client, p.url .. "/",
            { body = body, timeout = 0.1 })
          goes_on = false
          assert.is_nil(response)
          assert.equal("timeout", err.code)
          assert.is_true(ticks > 0)
          ticking:await()
        end
      end
    end)
  end

  it("is not read before the connection is open", function()
    local asked = 0
    local port = system.free_port()
    local response, _, err = client:post(("http://127.0.0.1:%d/"):format(port), { body = function()
      asked = asked + 1
      return "piece"
    end })
    assert.is_nil(response)
    assert.equal("connect", err.code)
    assert.equal(0, asked)
  end)

  it("that fails at its first piece is reported as a failure to send, not to connect", function()
    local p <close> = swallow()
    local response, message, err = client:post(p.url .. "/", { body = function()
      return nil, "dry"
    end })
    assert.is_nil(response)
    assert.equal("invalid", err.code)
    assert.equal("send", err.stage)
    assert.equal(("POST %s/: request body: dry"):format(p.url), message)
  end)

  -- ---- waiting inside ----

  local SOURCE = "HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n0123456789"

  local function source()
    return peer.listen { script = { { request_head, { "send", SOURCE }, { "hold" },
      { "send", "abcdefghij" }, { "pause", 0.01 }, { "send", "ABCDEFGHIJ" }, { "stall" } } } }
  end

  it("can be another response, sent piece by piece", function()
    local from <close> = source()
    local p <close> = listen "0\r\n\r\n"
    local origin <close> = assert(client:get(from.url .. "/", { stream = true }))
    from:signal()
    local response <close> = assert(client:post(p.url .. "/",
      { body = function() return origin:read(10) end }))
    assert.equal(200, response.status)
    assert.equal("a\r\n0123456789\r\na\r\nabcdefghij\r\na\r\nABCDEFGHIJ\r\n0\r\n\r\n",
      body_of(p:received(1)))
  end)

  it("rejects a wrapped coroutine that waits, instead of taking it for the end", function()
    for _, call in support.each_style(sluice) do
      local from <close> = source()
      local p <close> = peer.listen { script = { { request_head, { "discard" } } } }
      local origin <close> = assert(client:get(from.url .. "/", { stream = true }))
      local ok, raised = call(pcall, client.post, client, p.url .. "/", {
        body = coroutine.wrap(function()
          for piece in origin:chunks() do
            local text = piece:tostring()
            piece:dispose()
            coroutine.yield(text)
          end
        end),
      })
      assert.is_false(ok)
      assert.matches("request body: a coroutine that waits inside", raised)
      assert.is_nil(((p:received(1) or ""):find("0\r\n\r\n$")))
    end
  end)

  -- ---- pieces of a wrong type ----

  it("raises for a piece of a wrong type, and names the type", function()
    for _, piece in ipairs { 5, true, {}, print, io.stdout } do
      local p <close> = peer.listen { script = { { request_head, { "discard" } } } }
      local ok, raised = pcall(client.post, client, p.url .. "/", { body = pieces_of(piece) })
      assert.is_false(ok)
      assert.equal("request body: piece: string, sequence or lease expected, got "
        .. (piece == io.stdout and "FILE*" or type(piece)), raised)
    end
  end)

  -- ---- files ----

  local function write(content) return server.write(directory .. "/body", content) end

  --- Changes the file when the request is made and not yet sent.
  local function change_before_sending(path, content, mode)
    client:use(function(request, forward)
      local file <close> = assert(io.open(path, mode))
      file:write(content)
      file:close()
      return forward(request)
    end)
  end

  for _, size in ipairs { 5, 70000 } do
    it(("sends only the declared bytes of a file that has grown, %d"):format(size), function()
      local path = write(("x"):rep(size - 3) .. "end")
      change_before_sending(path, "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n", "ab")
      local p <close> = peer.listen { script = { { { "expect_until", "end" }, { "send", DONE },
        { "expect_until", "\r\n\r\n" }, { "send", DONE }, { "stall" } } } }
      assert(client:post(p.url .. "/", { body = { path = path } })):dispose()
      assert(client:get(p.url .. "/next")):dispose()
      assert.equal(1, (p:connections()))
      assert.is_nil(p:received(1):find("smuggled", 1, true))
      assert.matches("endGET /next", p:received(1))
    end)

    it(("is refused if its file has shrunk since the request was made, %d"):format(size), function()
      local path = write(("x"):rep(size))
      change_before_sending(path, "x", "wb")
      local p <close> = peer.listen { script = { { { "stall" } } } }
      local response, message, err = client:post(p.url .. "/", { body = { path = path } })
      assert.is_nil(response)
      assert.equal("invalid", err.code)
      assert.equal(("request body '%s': has shrunk since the request was made"):format(path),
        message)
      assert.equal(0, (p:connections()))
    end)
  end

  --- The err of a POST with that body to a peer that reads on only after `change`.
  local function change_while_sending(body, change)
    local p <close> = peer.listen {
      records = false, receive_buffer = 16384,
      script = { { request_head, { "read", 65536 }, { "hold" }, { "discard" } } },
    }
    local result
    local posting = sluice.spawn(function()
      local _, message, err = client:post(p.url .. "/", { body = body })
      result = { message, err }
    end)
    while not p:wait("holding", 1, 0) do sluice.loop():step(0.01) end
    change()
    p:signal()
    posting:await()
    return result[2], p.url
  end

  for name, size in pairs { ["to nothing"] = 0, ["in the middle of a page"] = 12 << 20 | 17,
    ["by one byte"] = (16 << 20) - 1 } do
    it("fails if its file shrinks while it is sent: " .. name, function()
      local path = write(pattern(16 << 20))
      local err, url = change_while_sending({ path = path }, function()
        assert(os.execute(("truncate -s %d '%s'"):format(size, path)))
      end)
      assert.equal("invalid", err.code)
      assert.equal("send", err.stage)
      assert.is_false(err.retryable)
      assert.equal(("POST %s/: request body '%s' has shrunk since the request was made")
        :format(url, path), err.message)
    end)
  end

  it("names the part that shrinks while it is sent", function()
    local first, second = write "first", server.write(directory .. "/second", pattern(16 << 20))
    local err = change_while_sending({ { path = first }, "text", { path = second } }, function()
      assert(os.execute(("truncate -s 0 '%s'"):format(second)))
    end)
    assert.equal("invalid", err.code)
    assert.matches("/second' has shrunk since the request was made$", err.message)
  end)

  it("refuses devices, FIFOs and directories without waiting for them", function()
    local fifo = directory .. "/fifo"
    assert(os.execute(("mkfifo '%s'"):format(fifo)))
    for path, kind in pairs { ["/dev/null"] = "a device", ["/dev/zero"] = "a device",
      [fifo] = "a FIFO", [directory] = "a directory" } do
      local response, message, err = client:post("http://127.0.0.1:1/", { body = { path = path } })
      assert.is_nil(response)
      assert.equal("invalid", err.code)
      assert.equal(("request body '%s': regular file expected, got %s"):format(path, kind), message)
    end
    local file <close> = assert(io.open("/dev/zero", "rb"))
    local response, message, err = client:post("http://127.0.0.1:1/", { body = file })
    assert.is_nil(response)
    assert.equal("invalid", err.code)
    assert.equal("request body: regular file expected, got a device", message)
  end)

  it("refuses a file name with a zero byte", function()
    local path = write "secret"
    local response, message, err = client:post("http://127.0.0.1:1/",
      { body = { path = path .. "\0.txt" } })
    assert.is_nil(response)
    assert.equal("invalid", err.code)
    assert.equal(("request body '%s\\x00.txt': the name contains a zero byte"):format(path),
      message)
  end)

  it("shows the reason for a failure even after a very long path", function()
    local path = directory .. ("/long"):rep(200)
    local _, message = client:post("http://127.0.0.1:1/", { body = { path = path } })
    assert.matches("^request body '%.%.%.[long/]+': No such file or directory$", message)
    assert.is_true(#message < 200)
  end)

  it("does not leave its file open in programs that are started meanwhile", function()
    local path = write(pattern(70000))
    local p <close> = listen(pattern(70000):sub(-100))
    local links
    client:use(function(request, forward)
      local lines <close> = assert(io.popen("ls -l /proc/self/fd"))
      links = lines:read "a"
      return forward(request)
    end)
    assert(client:post(p.url .. "/", { body = { path = path } })):dispose()
    assert.is_nil(links:find(path, 1, true))
  end)

  it("refuses a closed file", function()
    local file = assert(io.open(write "closed", "rb"))
    file:close()
    assert.error(function() client:post("http://127.0.0.1:1/", { body = file }) end)
  end)

  it("can be an empty file", function()
    local p <close> = listen "\r\n\r\n"
    assert(client:post(p.url .. "/", { body = { path = write "" } })):dispose()
    assert.matches("\r\nContent%-Length: 0\r\n", p:received(1))
  end)

  -- ---- once ----

  it("from a function is not sent a second time as an empty body", function()
    local p <close> = listen "0\r\n\r\n"
    local results = {}
    client:use(function(request, forward)
      assert.is_false(request:is_replayable())
      results[1] = table.pack(forward(request))
      results[2] = table.pack(forward(request))
      return table.unpack(results[1], 1, results[1].n)
    end)
    local response <close> = assert(client:post(p.url .. "/", { body = pieces_of "abc" }))
    assert.equal(200, response.status)
    assert.is_nil(results[2][1])
    assert.equal("request body: cannot be sent again", results[2][2])
    assert.equal("invalid", results[2][3].code)
  end)

  it("from a function is sent by a builder only once, other kinds each time", function()
    local step = { { "expect_until", "abc" }, { "send", DONE }, { "loop" } }
    local p <close> = peer.listen { script = { step } }
    local built = client:build("POST", p.url .. "/"):body "abc"
    for _ = 1, 2 do assert(built:send()):dispose() end
    for _, body in ipairs { pieces_of "abc", { read = pieces_of "abc" } } do
      local target <close> = listen "0\r\n\r\n"
      built = client:build("POST", target.url .. "/"):body(body)
      assert(built:send()):dispose()
      local response, message, err = built:send()
      assert.is_nil(response)
      assert.equal("invalid", err.code)
      assert.equal("request body: cannot be sent again", message)
    end
  end)

  it("from a function that was not called yet can still be sent", function()
    local refused = system.free_port()
    local p <close> = listen "0\r\n\r\n"
    client:use(function(request, forward)
      assert.is_nil((forward(request)))
      request.url = p.url .. "/"
      return forward(request)
    end)
    local response <close> = assert(client:post(("http://127.0.0.1:%d/"):format(refused),
      { body = pieces_of "abc" }))
    assert.equal(200, response.status)
    assert.equal("3\r\nabc\r\n0\r\n\r\n", body_of(p:received(1)))
  end)

  -- ---- changed by interceptors ----

  it("can be replaced by an interceptor", function()
    local file_path = write "of a file"
    local others = {
      ["a string"] = function() return "changed" end,
      ["a number of pieces"] = function() return pieces_of("chan", "ged") end,
      ["a lease"] = function() return support.lease "changed" end,
      ["a path"] = function() return { path = file_path } end,
    }
    for name, make in pairs(others) do
      for _, way in ipairs { "assigned", "set" } do
        local own <close> = support.client()
        local given = support.lease "given"
        local last = name == "a number of pieces" and "0\r\n\r\n" or name == "a path" and "file"
          or "changed"
        local p <close> = listen(last)
        own:use(function(request, forward)
          assert.equal(given, request.body)
          local other = make()
          if way == "set" then
            assert.equal(request, request:set_body(other))
          else
            request.body = other
          end
          assert.equal(other, request.body)
          assert.error(function() given:sequence() end) -- disposed at once
          return forward(request)
        end)
        local response <close> = assert(own:post(p.url .. "/", { body = given }))
        assert.equal(200, response.status)
        local request = p:received(1)
        if name == "a number of pieces" then
          assert.equal("4\r\nchan\r\n3\r\nged\r\n0\r\n\r\n", body_of(request))
        else
          assert.equal(tostring(#body_of(request)), request:match "Content%-Length: (%d+)")
        end
      end
    end
  end)

  it("can be removed by an interceptor", function()
    local p <close> = listen "\r\n\r\n"
    client:use(function(request, forward)
      request.body = nil
      assert.is_nil(request.body)
      return forward(request)
    end)
    assert(client:post(p.url .. "/", { body = "given" })):dispose()
    assert.matches("Content%-Length: 0\r\n", p:received(1))
    assert.equal("", body_of(p:received(1)))
  end)

  it("set by an interceptor is checked like the option", function()
    local seen
    client:use(function(request, forward)
      seen = { pcall(request.set_body, request, 5) }
      assert.error_matches(function() request.body = true end, "body: string, lease")
      request.body = { path = directory .. "/none" }
      return forward(request)
    end)
    local response, message, err = client:post("http://127.0.0.1:1/", { body = "given" })
    assert.is_nil(response)
    assert.equal("invalid", err.code)
    assert.matches("none': No such file", message)
    assert.is_false(seen[1])
    assert.matches("set_body: body: string, lease", seen[2])
  end)
end)

describe("a request body of parts", function()
  local client, directory

  support.verify_each(function(keep)
    directory = keep(server.directory(), server.remove)
    client = keep(support.client())
  end)

  local function sequence_of(text)
    local buffer <close> = sluice.buffer()
    buffer:append(text)
    return buffer:sequence()
  end

  local function write(name, content) return server.write(directory .. "/" .. name, content) end

  --- Sends a POST whose body ends in "the end". Returns that body, whose length was declared.
  local function sent(parts, options)
    local p <close> = peer.listen {
      script = { { { "expect_until", "the end" }, { "send", DONE }, { "stall" } } },
    }
    local copy = { body = parts }
    for key, value in pairs(options or {}) do copy[key] = value end
    local response <close>, message = client:post(p.url .. "/", copy)
    assert(response, message)
    local body = body_of(p:received(1))
    assert.equal(tostring(#body), p:received(1):match "\r\nContent%-Length: (%d+)\r\n")
    return body
  end

  for name, call in support.each_style(sluice) do
    it("is sent in order, with the sum of their lengths, " .. name, function()
      call(function()
        local lease = support.lease "lease, "
        local sequence <close> = sequence_of "sequence, "
        local handle <close> = assert(io.open(write("handle", "skipped handle, "), "rb"))
        handle:seek("set", 8)
        assert.equal("text, lease, path, sequence, handle, the end", sent { "text, ", lease,
          { path = write("path", "path, ") }, sequence, handle, "", "the end" })
        assert.error(function() lease:sequence() end)
        assert.equal("sequence, ", sequence:tostring())
        assert.equal("file", io.type(handle))
      end)
    end)
  end

  it("may have many parts, and large ones", function()
    local parts, expected = {}, {}
    for i = 1, 300 do
      parts[i] = i % 3 == 0 and support.lease(("lease %d "):format(i)) or ("text %d "):format(i)
      expected[i] = i % 3 == 0 and ("lease %d "):format(i) or ("text %d "):format(i)
    end
    for i, size in ipairs { 100000, 10, 3 << 20, 40000 } do
      table.insert(parts, i * 50, { path = write("file-" .. i, pattern(size)) })
      table.insert(expected, i * 50, pattern(size))
    end
    parts[#parts + 1], expected[#expected + 1] = "the end", "the end"
    assert.is_true(table.concat(expected) == sent(parts))
  end)

  it("may show the same bytes twice", function()
    local path = write("path", "path ")
    local sequence <close> = sequence_of "sequence "
    local handle <close> = assert(io.open(path, "rb"))
    assert.equal("sequence path path path sequence the end",
      sent { sequence, handle, { path = path }, handle, sequence, "the end" })
  end)

  it("with one part is sent like that part alone", function()
    assert.equal("the end", sent { "the end" })
    assert.equal("the end", sent { support.lease "the end" })
    assert.equal("the end", sent { { path = write("path", "the end") } })
  end)

  it("without content declares a length of 0 and does not expect 100", function()
    local p <close> = peer.listen { script = { { request_head, { "send", DONE }, { "stall" } } } }
    assert(client:post(p.url .. "/", { expect_continue = true,
      body = { "", support.lease "", { path = write("empty", "") } } })):dispose()
    assert.matches("\r\nContent%-Length: 0\r\n", p:received(1))
    assert.is_nil(p:received(1):find("Expect", 1, true))
  end)

  it("is sent again after a stale connection and after a 307", function()
    local function parts()
      return { "text ", support.lease "lease ", { path = write("small", "small ") },
        { path = write("large", pattern(100000)) }, "the end" }
    end
    local expected = "text lease small " .. pattern(100000) .. "the end"
    local p <close> = peer.listen { script = {
      { request_head, { "send", DONE }, { "expect_until", "the end" }, { "close" } },
      { { "expect_until", "the end" }, { "send", DONE }, { "stall" } },
    } }
    assert(client:get(p.url .. "/")):dispose()
    local response <close> = assert(client:put(p.url .. "/", { body = parts() }))
    assert.equal(200, response.status)
    assert.equal(1, client:stats().resends)
    assert.is_true(expected == body_of(p:received(2)))

    local target <close> = listen "the end"
    local leading <close> = peer.listen { script = { { { "expect_until", "the end" }, { "send",
      ("HTTP/1.1 307 Go\r\nLocation: %s/\r\nContent-Length: 0\r\n\r\n"):format(target.url) },
      { "stall" } } } }
    local led <close> = assert(client:post(leading.url .. "/", { body = parts() }))
    assert.equal(200, led.status)
    assert.is_true(expected == body_of(target:received(1)))
  end)

  it("reports progress up to its full length", function()
    local calls = {}
    local parts = { "text", { path = write("path", pattern(300000)) }, "the end" }
    sent(parts, { on_progress = function(...) calls[#calls + 1] = { ... } end })
    local size = 4 + 300000 + 7
    assert.same({ size, 4, size, 4 }, calls[#calls])
  end)

  it("can be set by a builder and by an interceptor", function()
    local step = { { "expect_until", "the end" }, { "send", DONE }, { "loop" } }
    local p <close> = peer.listen { script = { step } }
    local built = client:build("POST", p.url .. "/"):body { "text ", "the end" }
    for _ = 1, 2 do assert(built:send()):dispose() end
    local given, lease = support.lease "given", support.lease "lease "
    client:use(function(request, forward)
      assert.equal(request, request:set_body { lease, "the end" })
      assert.error(function() given:sequence() end)
      return forward(request)
    end)
    assert(client:post(p.url .. "/", { body = given })):dispose()
    assert.error(function() lease:sequence() end)
    assert.matches("lease the end$", p:received(1))
  end)

  it("disposes its leases exactly once, however the request ends", function()
    local ends = {
      ["refused"] = function(parts)
        return client:post(("http://127.0.0.1:%d/"):format(system.free_port()), { body = parts })
      end,
      ["a file that is not there"] = function(parts)
        parts[#parts + 1] = { path = directory .. "/none" }
        return client:post("http://127.0.0.1:1/", { body = parts })
      end,
      ["a bad field"] = function(parts)
        return client:post("http://127.0.0.1:1/", { body = parts, headers = { A = "\r" } })
      end,
      ["a file that has shrunk"] = function(parts)
        local path = write("path", "content")
        parts[#parts + 1] = { path = path }
        local own <close> = support.client()
        own:use(function(request, forward)
          write("path", "")
          return forward(request)
        end)
        return own:post("http://127.0.0.1:1/", { body = parts })
      end,
    }
    for name, ending in pairs(ends) do
      local leases = { support.lease "one", support.lease "two" }
      local response, message, err = ending { leases[1], "text", leases[2] }
      assert.is_nil(response, name)
      assert.equal("string", type(message))
      assert.is_true(err.code == "invalid" or err.code == "connect", err.code)
      for _, lease in ipairs(leases) do
        assert.error(function() lease:sequence() end)
      end
    end
  end)

  it("names the part that has a wrong type", function()
    local disposed = support.lease "gone"
    disposed:dispose()
    local handle <close> = assert(io.open(write("closed", "x"), "rb"))
    handle:close()
    local one_of = "string, lease, sequence, file or { path = } expected, got "
    for expected, parts in pairs {
      ["body[1]: " .. one_of .. "number"] = { 5 },
      ["body[2]: " .. one_of .. "nil"] = { "a", nil, "b" },
      ["body[2]: " .. one_of .. "boolean"] = { "a", false },
      ["body[2]: " .. one_of .. "table"] = { "a", { "b" } },
      ["body[1]: " .. one_of .. "table"] = { { read = print } },
      ["body[1]: " .. one_of .. "closed file"] = { handle },
      ["body[2]: a function can be the whole body, but no part of one"] = { "a", print },
      ["unknown option 'body[2].name'"] = { "a", { path = "x", name = "y" } },
      ["body[2]: use of disposed lease"] = { "a", disposed },
      ["unknown option 'body.path' in an array of parts"] = { "a", path = "x" },
    } do
      local ok, raised = pcall(client.post, client, "http://127.0.0.1:1/", { body = parts })
      assert.is_false(ok)
      assert.is_true(raised:find("request: " .. expected, 1, true) ~= nil,
        expected .. " ~= " .. raised)
    end
  end)

  it("names the part that cannot be read", function()
    local response, message, err = client:post("http://127.0.0.1:1/",
      { body = { "text", { path = write("good", "x") }, { path = directory .. "/none" } } })
    assert.is_nil(response)
    assert.equal("invalid", err.code)
    assert.equal(("request body[3] '%s/none': No such file or directory"):format(directory),
      message)
  end)
end)
