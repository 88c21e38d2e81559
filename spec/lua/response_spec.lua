-- What the Lua layer adds to responses: blame for misuse, turns for other tasks while bytes are
-- always ready, and the cost of pieces that are kept.

local sluice = require "sluice"
local support = require "spec.support"

local peer, system, pattern = support.peer, support.system, support.pattern

local request_head = { "expect_until", "\r\n\r\n" }
local DONE = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"

describe("a response", function()
  local client

  support.verify_each(function(keep) client = keep(support.client()) end)

  -- ---- misuse ----

  local function blamed(f, ...)
    local ok, raised = pcall(f, ...)
    assert.is_false(ok)
    assert.matches("^%S*spec/lua/response_spec%.lua:%d+: ", raised)
    return raised
  end

  it("names the caller's line for misuse of a disposed one", function()
    local p <close> = peer.listen { script = { { request_head, { "send", DONE }, { "stall" } } } }
    local response = assert(client:get(p.url .. "/"))
    response:dispose()
    for _, misuse in ipairs {
      function() local _ = response:text() end,
      function() local _ = response:json() end,
      function() local _ = response:sequence() end,
      function() local _ = response:reader() end,
      function() local _ = response:detach() end,
      function() local _ = response:read() end,
      function() local _ = response:save "/dev/null" end,
      function() local _ = response.status end,
      function() local _ = response:chunks() end,
      function() local _ = response:lines() end,
    } do
      assert.matches("use of disposed response", blamed(misuse))
    end
  end)

  it("says how to call a method that was called with a dot", function()
    local p <close> = peer.listen { script = { { request_head, { "send", DONE }, { "stall" } } } }
    local response <close> = assert(client:get(p.url .. "/"))
    for name in pairs(require "sluice.response".methods) do
      for _, argument in ipairs { false, "/dev/null", {} } do
        local raised = blamed(function() local _ = response[name](argument or nil) end)
        assert.matches(("%s: called without a response: write response:%s(...), with a colon$")
          :format(name, name):gsub("[().]", "%%%0"), raised)
      end
    end
  end)

  it("refuses other values in its place, also right after one of its fields was read", function()
    local p <close> = peer.listen { script = { { request_head, { "send", DONE }, { "stall" } } } }
    local response <close> = assert(client:get(p.url .. "/"))
    local index = getmetatable(response).__index
    for _, other in ipairs { false, 1, "text", {}, print, io.stdout, sluice.loop(), client } do
      assert.equal(200, index(response, "status"))
      assert.error_matches(function() index(other, "status") end, "sluice.response expected")
    end
  end)

  it("names the caller's line for invalid arguments", function()
    local p <close> = peer.listen { script = { {
      request_head, { "send", DONE }, request_head,
      { "send", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" }, { "stall" },
    } } }
    local response <close> = assert(client:get(p.url .. "/"))
    blamed(function() local _ = response:save(5) end)
    local reader = response:reader()
    blamed(function() local _ = reader:read "x" end)
    blamed(function() local _ = reader:seek "x" end)
    reader:close()
    blamed(function() local _ = reader:read() end)
    local streamed <close> = assert(client:get(p.url .. "/", { stream = true }))
    local forward <close> = streamed:reader()
    blamed(function() local _ = forward:read "x" end)
    blamed(function() local _ = forward:seek("set", 0) end)
    blamed(function() local _ = forward:lines "x" end)
    local next_line = forward:lines()
    forward:close()
    blamed(function() local _ = next_line() end)
    blamed(function() local _ = forward:read() end)
    blamed(function() local _ = forward:lines() end)
  end)

  it("names the caller's line for invalid requests", function()
    local url = "http://127.0.0.1:1/"
    local empty = sluice.buffer()
    local sequence = empty:sequence()
    sequence:dispose()
    empty:dispose()
    for what, misuse in pairs {
      ["unknown option 'what'"] = function() local _ = client:get(url, { what = 1 }) end,
      ["option 'stream'"] = function() local _ = client:post(url, { stream = 1 }) end,
      ["request: url"] = function() local _ = client:get(5) end,
      ["request: body: string"] = function() local _ = client:post(url, { body = 5 }) end,
      ["body: table with path"] = function() local _ = client:post(url, { body = {} }) end,
      ["unknown option 'body.x'"] = function()
        local _ = client:post(url, { body = { read = print, x = 1 } })
      end,
      ["body%.length"] = function()
        local _ = client:put(url, { body = { read = print, length = -1 } })
      end,
      ["only one of them"] = function()
        local _ = client:request("POST", url, { body = "", json = 1 })
      end,
      ["headers: pairs"] = function() local _ = client:get(url, { headers = { 1 } }) end,
      ["header 'A'"] = function() local _ = client:get(url, { headers = { A = print } }) end,
      ["request: method"] = function() local _ = client:request(5, url) end,
      ["use of disposed sequence"] = function()
        local _ = client:post(url, { body = sequence })
      end,
    } do
      assert.matches(what, blamed(misuse))
    end
  end)

  it("refuses to save with unknown options", function()
    local p <close> = peer.listen { script = { { request_head, { "send", DONE }, { "stall" } } } }
    local response <close> = assert(client:get(p.url .. "/"))
    local path = os.tmpname()
    finally(function() os.remove(path) end)
    assert.matches("save: unknown option 'resume'",
      blamed(function() local _ = response:save(path, { resume = true }) end))
    blamed(function() local _ = response:save(path, 5) end)
    assert.equal(4, response:save(path, {}))
  end)

  -- ---- properties and dates ----

  it("reads dates in fields as numbers", function()
    local p <close> = peer.listen { script = { { request_head, { "send",
      "HTTP/1.1 200 OK\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nExpires: 0\r\n"
        .. "Content-Length: 0\r\n\r\n" }, { "stall" } } } }
    local response <close> = assert(client:get(p.url .. "/"))
    assert.equal(784111777, response:date "last-modified")
    assert.is_nil(response:date "Expires")
    assert.is_nil(response:date "Date")
    assert.matches("date: name of a field expected, got nil",
      blamed(function() local _ = response:date() end))
    response:dispose()
    assert.matches("use of disposed response",
      blamed(function() local _ = response:date "Date" end))
  end)

  it("has properties, and nil for whatever else is asked", function()
    local p <close> = peer.listen { script = { { request_head, { "send", DONE }, { "stall" } } } }
    local response <close> = assert(client:get(p.url .. "/"))
    assert.same({}, response.links)
    assert.is_nil(response.filename)
    assert.is_nil(response.redirects)
    assert.is_nil(response.filenames)
    assert.equal("GET", response.method)
  end)

  -- ---- turns ----

  local ways = {
    chunks = function(response)
      local piece, message, err = response:next_chunk()
      if not piece then return nil, message, err end
      piece:dispose()
      return true
    end,
    ["chunks, with work in between"] = function(response)
      local piece, message, err = response:next_chunk()
      if not piece then return nil, message, err end
      piece:dispose()
      local from = system.clock()
      while system.clock() - from < 0.001 do end -- luacheck: ignore
      return true
    end,
    ["a few bytes"] = function(response) return response:read(100) end,
    ["lines and numbers"] = function(response)
      local reader <close> = response:reader()
      for _ = 1, 100 do
        local line, message, err = reader:read(2, "l")
        if not line then return nil, message, err end
        reader:read "n" -- there is a number only now and then
      end
      return true
    end,
    ["a loop over lines"] = function(response)
      local count = 0
      local ok, err = pcall(function()
        for _ in response:lines() do count = count + 1 end
      end)
      assert.is_false(ok)
      assert.is_true(count > 0)
      return nil, tostring(err), err
    end,
    ["many bytes"] = function(response) return response:read(1 << 20) end,
  }

  local ENDLESS = ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"):format(1 << 50)

  local function endless()
    return peer.listen { records = false, script = { {
      request_head, { "send", ENDLESS }, { "send_repeat", pattern(1 << 20), 1 << 30 },
    } } }
  end

  -- In each step something comes: the wait is over before the timers are looked at, and the next
  -- one begins behind them.
  it("that receives bytes with every step ends at its deadline", function()
    local p <close> = peer.listen { records = false, script = { {
      request_head, { "send", ENDLESS }, { "dribble", pattern(1 << 20), 50, 0.0002 }, { "loop" },
    } } }
    local count, late, err = 0, 0, nil
    local advance = coroutine.wrap(function()
      local response <close> = assert(client:get(p.url .. "/", { stream = true, timeout = 0.2 }))
      repeat
        local piece, _, failed = response:next_chunk()
        if piece then
          count = count + 1
          piece:dispose()
        end
        err = failed
      until not piece
    end)
    advance()
    local from = system.clock() -- no earlier than the request, however busy the machine
    repeat
      local frame = system.clock()
      repeat until system.clock() - frame > 0.003
      if system.clock() - from > 0.2 then late = late + 1 end
      sluice.loop():step(0)
    until err or late > 100
    assert.equal("timeout", err and err.code)
    assert.equal("body", err.stage)
    assert.is_true(count > 0)
    assert.is_true(late <= 3, late .. " steps beyond it")
  end)

  for name, read in pairs(ways) do
    it("whose bytes are always there lets other tasks and the deadline run: " .. name, function()
      for _, call in support.each_style(sluice) do
        local p <close> = endless()
        local ticks, goes_on = 0, true
        local ticking = sluice.spawn(function()
          while goes_on do
            sluice.sleep(0.001)
            ticks = ticks + 1
          end
        end)
        local err = call(function()
          local response <close> = assert(client:get(p.url .. "/",
            { stream = true, timeout = 0.2 }))
          local from = system.clock()
          while system.clock() - from < 10 do
            local got, _, failed = read(response)
            if not got then return failed end
          end
        end)
        goes_on = false
        assert.equal("timeout", err and err.code)
        assert.equal("body", err.stage)
        assert.is_true(ticks > 0)
        ticking:await()
      end
    end)
  end

  it("is read by a task that can be cancelled although it never waits", function()
    local p <close> = endless()
    local begun = false
    local reading = sluice.spawn(function()
      local response <close> = assert(client:get(p.url .. "/", { stream = true }))
      local from = system.clock()
      begun = true
      while system.clock() - from < 10 do
        local got, _, err = response:read(100)
        if not got then return err.code end
      end
    end)
    while not begun do sluice.loop():step(0.01) end
    reading:cancel()
    assert.equal("cancelled", (reading:await()))
  end)

  -- ---- what is kept ----

  it("gives pieces that do not keep whole segments in memory", function()
    local count = 300
    local p <close> = peer.listen { script = { {
      request_head, { "send", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" },
      { "dribble", ("1\r\nx\r\n"):rep(count), 6, 0.0005 }, { "send", "0\r\n\r\n" }, { "stall" },
    } } }
    local response <close> = assert(client:get(p.url .. "/", { stream = true }))
    local pieces, got = {}, 0
    local bytes = sluice.stats().bytes
    for piece in response:chunks() do
      pieces[#pieces + 1] = piece
      got = got + #piece
    end
    assert.equal(count, got)
    assert.is_true(sluice.stats().bytes - bytes < count * 512, sluice.stats().bytes - bytes)
    for _, piece in ipairs(pieces) do piece:dispose() end
  end)
end)

describe("responses that are kept", function()
  local client
  support.verify_each(function(keep) client = keep(support.client()) end)

  local COUNT, SEGMENT = 40, 16 * 1024

  it("keep no whole segments for small bodies, but for the last of a client", function()
    local script = {}
    for i = 0, COUNT do
      script[2 * i + 1] = request_head
      script[2 * i + 2] = { "send", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
        .. pattern(100) }
    end
    script[#script + 1] = { "stall" }
    local p <close> = peer.listen { script = { script } }
    assert(client:get(p.url .. "/")):dispose()
    local bytes, kept = sluice.stats().bytes, {}
    for i = 1, COUNT do kept[i] = assert(client:get(p.url .. "/")) end
    local held = sluice.stats().bytes - bytes
    assert.is_true(held <= COUNT * 1024 + SEGMENT, held)
    local sequence = kept[COUNT]:sequence() -- is handed over, perhaps for long
    held = sluice.stats().bytes - bytes
    assert.is_true(held <= COUNT * 1024, held)
    assert.equal(pattern(100), sequence:tostring())
    sequence:dispose()
    for i = 1, COUNT do
      assert.equal(pattern(100), kept[i].body)
      kept[i]:dispose()
    end
  end)
end)

describe("a parser", function()
  support.verify_each()

  it("gives pieces that do not keep whole segments in memory", function()
    local parser = sluice.http_parser {}
    parser:feed "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    local pieces = {}
    local bytes = sluice.stats().bytes
    for _ = 1, 300 do
      parser:feed "1\r\nx\r\n"
      for event in function() return parser:next() or nil end do
        if event.type == "body" then pieces[#pieces + 1] = event.body end
      end
    end
    assert.equal(300, #pieces)
    assert.is_true(sluice.stats().bytes - bytes < 300 * 512, sluice.stats().bytes - bytes)
    for _, piece in ipairs(pieces) do piece:dispose() end
    parser:dispose()
  end)
end)
