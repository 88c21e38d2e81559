-- What a request's body may be and may do: functions that take turns with everybody else, files
-- that change under it, bodies that are sent once, and what is refused before anything is sent.

local server = require "spec.support.server"
local sluice = require "sluice"
local support = require "spec.support"

local peer, system, pattern = support.peer, support.system, support.pattern

local DONE = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"
local request_head = { "expect_until", "\r\n\r\n" }

--- A function that gives the pieces, then nil.
local function pieces_of(...)
  local pieces, index = { ... }, 0
  return function()
    index = index + 1
    return pieces[index]
  end
end

local function body_of(request) return request:match("\r\n\r\n(.*)$") end

describe("a request body", function()
  local before, client, directory

  before_each(function()
    before = support.snapshot(sluice)
    directory = server.directory()
    client = support.client()
  end)

  after_each(function()
    client:close()
    server.remove(directory)
    support.verify(sluice, before)
  end)

  --- A peer for one request that ends in `last`.
  local function listen(last)
    return peer.listen { script = { { { "expect_until", last }, { "send", DONE }, { "stall" } } } }
  end

  --- A peer that reads whatever comes and never answers.
  local function swallow()
    return peer.listen { records = false, script = { { request_head, { "discard" } } } }
  end

  -- ---- turns ----

  -- Pieces without end; after ten seconds nobody has cut in, and nobody will.
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

  it("is asked for nothing before there is a connection", function()
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

  it("that is dry at once is no failure to connect", function()
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

  it("comes from another response, piece by piece", function()
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

  it("is no wrapped coroutine that waits inside: that is refused, not taken for its end", function()
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

  -- ---- pieces that are none ----

  it("raises for pieces that are none, and names their type", function()
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
    it(("is a file that has grown: the declared bytes alone are sent, %d"):format(size), function()
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

    it(("is refused as a file that has become shorter, %d"):format(size), function()
      local path = write(("x"):rep(size))
      change_before_sending(path, "x", "wb")
      local p <close> = peer.listen { script = { { { "stall" } } } }
      local response, message, err = client:post(p.url .. "/", { body = { path = path } })
      assert.is_nil(response)
      assert.equal("invalid", err.code)
      assert.equal(("request body '%s': is shorter than it was"):format(path), message)
      assert.equal(0, (p:connections()))
    end)
  end

  it("fails as a file that becomes shorter while it is sent", function()
    local path = write(pattern(16 << 20))
    local p <close> = peer.listen {
      records = false, receive_buffer = 16384,
      script = { { request_head, { "read", 65536 }, { "hold" }, { "discard" } } },
    }
    local result
    local posting = sluice.spawn(function()
      local _, message, err = client:post(p.url .. "/", { body = { path = path } })
      result = { message, err }
    end)
    while not p:wait("holding", 1, 0) do sluice.loop():step(0.01) end
    write "short"
    p:signal()
    posting:await()
    assert.equal("invalid", result[2].code)
    assert.equal(("POST %s/: request body '%s' is shorter than it was"):format(p.url, path),
      result[1])
  end)

  it("is no file whose length nobody knows, and does not wait for one", function()
    local fifo = directory .. "/fifo"
    assert(os.execute(("mkfifo '%s'"):format(fifo)))
    for _, path in ipairs { "/dev/null", "/dev/zero", fifo, directory } do
      local response, message, err = client:post("http://127.0.0.1:1/", { body = { path = path } })
      assert.is_nil(response)
      assert.equal("invalid", err.code)
      assert.equal(("request body '%s': regular file expected"):format(path), message)
    end
    local file <close> = assert(io.open("/dev/zero", "rb"))
    local response, message, err = client:post("http://127.0.0.1:1/", { body = file })
    assert.is_nil(response)
    assert.equal("invalid", err.code)
    assert.equal("request body: regular file expected", message)
  end)

  it("is no closed file", function()
    local file = assert(io.open(write "closed", "rb"))
    file:close()
    assert.error(function() client:post("http://127.0.0.1:1/", { body = file }) end)
  end)

  it("is an empty file", function()
    local p <close> = listen "\r\n\r\n"
    assert(client:post(p.url .. "/", { body = { path = write "" } })):dispose()
    assert.matches("\r\nContent%-Length: 0\r\n", p:received(1))
  end)

  -- ---- once ----

  it("from a function is not sent again as an empty one", function()
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

  it("from a function is sent by a builder once, of other kinds each time", function()
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

  it("from a function that nobody asked can be sent", function()
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

  local function lease_of(text)
    local writer <close> = sluice.writer()
    writer:write(text)
    return writer:detach()
  end

  it("is another one when an interceptor says so", function()
    local file_path = write "of a file"
    local others = {
      ["a string"] = function() return "changed" end,
      ["a number of pieces"] = function() return pieces_of("chan", "ged") end,
      ["a lease"] = function() return lease_of "changed" end,
      ["a path"] = function() return { path = file_path } end,
    }
    for name, make in pairs(others) do
      for _, way in ipairs { "assigned", "set" } do
        local own <close> = support.client()
        local given = lease_of "given"
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

  it("is gone when an interceptor says so", function()
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

  it("of an interceptor is checked like one of the options", function()
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
