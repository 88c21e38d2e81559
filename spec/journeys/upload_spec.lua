-- Request bodies of every kind: the bytes on the wire, who disposes what, and servers that answer
-- before they have read everything.

local nginx = require "spec.support.nginx"
local server = require "spec.support.server"
local sluice = require "sluice"
local support = require "spec.support"

local peer, system, pattern = support.peer, support.system, support.pattern
local pieces_of, body_of, field_of = support.pieces_of, support.body_of, support.field_of

local DONE = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"
local request_head = { "expect_until", "\r\n\r\n" }

describe("a request body", function()
  local client, directory

  support.verify_each(function(keep)
    directory = keep(server.directory(), server.remove)
    client = keep(support.client())
  end)

  --- Sends a POST to a peer that waits for a request that ends in `last`. Returns that request.
  local function post(options, last)
    local p <close> = peer.listen {
      script = { { { "expect_until", last }, { "send", DONE }, { "stall" } } },
    }
    local response <close>, message = client:post(p.url .. "/", options)
    assert(response, message)
    assert.equal("done", response:text())
    return p:received(1)
  end

  local function declared(body, options)
    local copy = { body = body }
    for key, value in pairs(options or {}) do copy[key] = value end
    local request = post(copy, "the end")
    assert.equal(tostring(#body_of(request)), field_of(request, "Content%-Length"))
    assert.is_nil(field_of(request, "Transfer%-Encoding"))
    return body_of(request)
  end

  local function chunked(body, options)
    local copy = { body = body }
    for key, value in pairs(options or {}) do copy[key] = value end
    local request = post(copy, "0\r\n\r\n")
    assert.equal("chunked", field_of(request, "Transfer%-Encoding"))
    assert.is_nil(field_of(request, "Content%-Length"))
    return body_of(request)
  end

  local function lease_of(...)
    local writer <close> = sluice.writer()
    for _, piece in ipairs { ... } do writer:write(piece) end
    return writer:detach()
  end

  for name, call in support.each_style(sluice) do
    it("can be a string " .. name, function()
      call(function() assert.equal("a string, the end", declared "a string, the end") end)
    end)

    it("can be a function that returns pieces " .. name, function()
      call(function()
        assert.equal("1\r\na\r\n3\r\nbcd\r\n0\r\n\r\n", chunked(pieces_of("a", "", "bcd")))
      end)
    end)
  end

  it("can be a lease, which the request disposes", function()
    local lease = lease_of("a lease, ", ("x"):rep(40000), "the end")
    assert.equal("a lease, " .. ("x"):rep(40000) .. "the end", declared(lease))
    assert.error(function() lease:sequence() end)
  end)

  it("can be a sequence, which stays the caller's", function()
    local buffer <close> = sluice.buffer()
    buffer:append(pattern(100000))
    buffer:append "the end"
    local sequence <close> = buffer:sequence()
    assert.is_true(pattern(100000) .. "the end" == declared(sequence))
    assert.is_true(pattern(100000) .. "the end" == sequence:tostring())
  end)

  it("can be an open file, sent from its current position", function()
    local path = server.write(directory .. "/body", "skipped " .. pattern(70000) .. "the end")
    local file <close> = assert(io.open(path, "rb"))
    assert.equal("skipped ", file:read(8))
    assert.is_true(pattern(70000) .. "the end" == declared(file))
    assert.equal("file", io.type(file))
    assert.equal(8, file:seek()) -- where it stood
  end)

  it("can be a file given by its path", function()
    local path = server.write(directory .. "/body", pattern(70000) .. "the end")
    assert.is_true(pattern(70000) .. "the end" == declared { path = path })
  end)

  it("is refused if its file cannot be read", function()
    local response, message, err = client:post("http://127.0.0.1:1/",
      { body = { path = directory .. "/none" } })
    assert.is_nil(response)
    assert.equal("invalid", err.code)
    assert.matches("No such file", message)
    response, message, err = client:post("http://127.0.0.1:1/", { body = { path = directory } })
    assert.is_nil(response)
    assert.equal("invalid", err.code)
    assert.equal("string", type(message))
  end)

  it("can be an iterator", function()
    assert.equal("1\r\na\r\n1\r\nb\r\n0\r\n\r\n", chunked(("ab"):gmatch "."))
  end)

  it("can be a coroutine that yields its pieces", function()
    local body = coroutine.wrap(function()
      for i = 1, 3 do coroutine.yield(tostring(i)) end
    end)
    assert.equal("1\r\n1\r\n1\r\n2\r\n1\r\n3\r\n0\r\n\r\n", chunked(body))
  end)

  it("can have pieces of every kind", function()
    local lease <close> = lease_of "lease"
    local buffer <close> = sluice.buffer()
    buffer:append "sequence"
    local sequence <close> = buffer:sequence()
    assert.equal("6\r\nstring\r\n8\r\nsequence\r\n5\r\nlease\r\n0\r\n\r\n",
      chunked(pieces_of("string", sequence, lease)))
  end)

  it("can be a function with a length", function()
    local read = pieces_of("some of it, ", "the end")
    assert.equal("some of it, the end", declared { read = read, length = 19 })
  end)

  it("can be a function in a table, sent in chunks", function()
    assert.equal("1\r\na\r\n0\r\n\r\n", chunked { read = pieces_of "a" })
  end)

  it("can be empty, with known and unknown length", function()
    local request = post({ body = "" }, "\r\n\r\n")
    assert.equal("0", field_of(request, "Content%-Length"))
    request = post({ body = { read = pieces_of(), length = 0 } }, "\r\n\r\n")
    assert.equal("0", field_of(request, "Content%-Length"))
    request = post({}, "\r\n\r\n")
    assert.equal("0", field_of(request, "Content%-Length"))
    assert.equal("0\r\n\r\n", chunked(pieces_of()))
  end)

  it("may yield before each of its pieces", function()
    for _, call in support.each_style(sluice) do
      call(function()
        local count = 0
        local wire = chunked(function()
          assert(sluice.sleep(0.001))
          count = count + 1
          if count <= 3 then return tostring(count) end
        end)
        assert.equal("1\r\n1\r\n1\r\n2\r\n1\r\n3\r\n0\r\n\r\n", wire)
      end)
    end
  end)

  it("may be followed by trailers", function()
    local p <close> = peer.listen {
      script = { { { "expect_until", "0\r\nX-Sum: 42\r\n\r\n" }, { "send", DONE }, { "stall" } } },
    }
    local response <close> = assert(client:post(p.url .. "/", {
      body = pieces_of "abc", trailers = { ["X-Sum"] = "42" },
    }))
    assert.equal(200, response.status)
    assert.equal("X-Sum", field_of(p:received(1), "Trailer"))
    assert.matches("\r\n\r\n3\r\nabc\r\n0\r\nX%-Sum: 42\r\n\r\n$", p:received(1))
  end)

  it("of a known length has no trailers", function()
    local response, _, err = client:post("http://127.0.0.1:1/",
      { body = "abc", trailers = { X = "y" } })
    assert.is_nil(response)
    assert.equal("invalid", err.code)
  end)

  -- ---- what a function may do wrong ----

  --- The error of a POST with that body to a peer that never answers; the client stays usable.
  local function fail(body)
    local p <close> = peer.listen {
      script = { { request_head, { "discard" } }, { request_head, { "send", DONE }, { "stall" } } },
    }
    local response, message, err = client:post(p.url .. "/", { body = body })
    assert.is_nil(response)
    assert.equal("string", type(message))
    local good <close> = assert(client:get(p.url .. "/"))
    assert.equal("done", good:text())
    return err
  end

  it("fails: fewer bytes than were declared", function()
    local err = fail { read = pieces_of("abc"), length = 4 }
    assert.equal("invalid", err.code)
    assert.is_false(err.retryable)
    assert.matches("less body than was declared", tostring(err))
  end)

  it("fails: more bytes than were declared", function()
    local err = fail { read = pieces_of("abc", "de"), length = 4 }
    assert.equal("invalid", err.code)
    assert.matches("more body than was declared", tostring(err))
  end)

  it("fails: with the reason that its function returns", function()
    local count = 0
    local err = fail(function()
      count = count + 1
      if count == 1 then return "abc" end
      return nil, "the source is dry"
    end)
    assert.equal("invalid", err.code)
    assert.matches("request body: the source is dry", tostring(err))
  end)

  it("raises the error that its function raises", function()
    local p <close> = peer.listen {
      script = { { request_head, { "discard" } } }, repeat_last = true,
    }
    local thrown = { "a table" }
    for _, call in support.each_style(sluice) do
      local ok, raised = call(pcall, client.post, client, p.url .. "/",
        { body = function() error(thrown) end })
      assert.is_false(ok)
      assert.equal(thrown, raised)
    end
  end)

  it("raises: a piece of a wrong type", function()
    local p <close> = peer.listen { script = { { request_head, { "discard" } } } }
    local ok, raised = pcall(client.post, client, p.url .. "/", { body = pieces_of(true) })
    assert.is_false(ok)
    assert.equal("string", type(raised))
  end)

  -- ---- replay ----

  local replayable = {
    ["a string"] = function() return "again" end,
    ["a lease"] = function() return lease_of "again" end,
    ["a sequence"] = function()
      local buffer <close> = sluice.buffer()
      buffer:append "again"
      return buffer:sequence()
    end,
    ["a path"] = function() return { path = server.write(directory .. "/body", "again") } end,
  }

  -- The first connection is good once and then ends without a word.
  local function stale_peer()
    local first = { request_head, { "send", DONE }, { "expect_until", "again" }, { "close" } }
    local second = { { "expect_until", "again" }, { "send", DONE }, { "stall" } }
    return peer.listen { script = { first, second } }
  end

  for name, make in pairs(replayable) do
    it("is sent again with its idempotent request: " .. name, function()
      local p <close> = stale_peer()
      assert(client:get(p.url .. "/")):dispose()
      local body = make()
      local response <close>, message = client:put(p.url .. "/", { body = body })
      assert(response, message)
      assert.equal(1, client:stats().resends)
      assert.equal("again", body_of(p:received(2)))
      if name == "a sequence" then body:dispose() end
    end)
  end

  it("is not sent again if it came from a function", function()
    local p <close> = stale_peer()
    assert(client:get(p.url .. "/")):dispose()
    local response, _, err = client:put(p.url .. "/",
      { body = { read = pieces_of "again", length = 5 } })
    assert.is_nil(response)
    assert.equal("closed", err.code)
    assert.equal(0, client:stats().resends)
    assert.equal(1, (p:connections()))
  end)
end)

describe("an upload", function()
  local before, client

  before_each(function()
    before = support.snapshot(sluice)
    client = support.client()
  end)

  after_each(function()
    client:close()
    support.verify(sluice, before)
  end)

  local function bodies()
    local function read()
      return pattern(65536)
    end
    return { ["a string"] = pattern(8 << 20), ["a function"] = read,
      ["a function of known length"] = { read = read, length = 1 << 40 } }
  end

  for name in pairs(bodies()) do
    for _, is_stream in ipairs { false, true } do
      local way = is_stream and "streamed" or "buffered"

      it(("is ended by a final answer: %s, %s"):format(name, way), function()
        for _, status in ipairs { 413, 401, 307 } do
          local answer = ("HTTP/1.1 %d No\r\nContent-Length: 2\r\n\r\nno"):format(status)
          local p <close> = peer.listen {
            script = {
              { request_head, { "send", answer }, { "stall" } },
              { request_head, { "send", DONE }, { "stall" } },
            },
          }
          local response <close>, message = client:post(p.url .. "/",
            { body = bodies()[name], stream = is_stream, redirects = false })
          assert(response, message)
          assert.equal(status, response.status)
          assert.equal("no", response:text())
          local other <close> = assert(client:get(p.url .. "/"))
          assert.equal("done", other:text())
          assert.equal(2, (p:connections())) -- the first one has half a request on it
        end
      end)
    end
  end

  it("gets its answer even if the server closes without reading the body", function()
    local answer = "HTTP/1.1 413 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"
    local p <close> = peer.listen {
      script = { { request_head, { "send", answer }, { "shutdown" }, { "discard" } } },
    }
    local response <close>, message = client:post(p.url .. "/", { body = pattern(8 << 20) })
    assert(response, message)
    assert.equal(413, response.status)
  end)

  local size = 8 << 20

  --- 8 MiB in pieces.
  local function all_of_it()
    local left = size
    return function()
      left = left - 65536
      return left >= 0 and pattern(65536) or nil
    end
  end

  local wholes = {
    ["a string"] = function() return pattern(size) end,
    ["a function"] = all_of_it,
    ["a function of known length"] = function() return { read = all_of_it(), length = size } end,
  }

  for name, make in pairs(wholes) do
    for _, is_stream in ipairs { false, true } do
      local way = is_stream and "streamed" or "buffered"

      it(("goes on after a 2xx answer that is not complete: %s, %s"):format(name, way),
        function()
          local wire = name == "a function" and size + size // 65536 * 9 + 5 or size
          local p <close> = peer.listen { records = false, script = { {
            request_head, { "send", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" },
            { "read", wire }, { "send", "done" }, request_head, { "send", DONE }, { "stall" },
          } } }
          local response <close> = assert(client:post(p.url .. "/",
            { body = make(), stream = is_stream }))
          assert.equal(200, response.status)
          assert.equal("done", response:text())
          local other <close> = assert(client:get(p.url .. "/"))
          assert.equal("done", other:text())
          assert.equal(1, (p:connections()))
        end)

      it(("ends when a 2xx answer is complete: %s, %s"):format(name, way), function()
        local p <close> = peer.listen { records = false, receive_buffer = 65536, script = {
          { request_head, { "send", DONE }, { "stall" } },
          { request_head, { "send", DONE }, { "stall" } },
        } }
        local response <close> = assert(client:post(p.url .. "/",
          { body = make(), stream = is_stream }))
        assert.equal(200, response.status)
        assert.equal("done", response:text())
        assert.equal(0, client:stats().idle)
        local other <close> = assert(client:get(p.url .. "/"))
        assert.equal("done", other:text())
        assert.equal(2, (p:connections()))
      end)
    end
  end

  -- ---- 100-continue ----

  local function expect_continue(steps, options)
    local p <close> = peer.listen { script = { steps } }
    local copy = { body = "body", expect_continue = true }
    for key, value in pairs(options or {}) do copy[key] = value end
    local from = system.clock()
    local response <close>, message = client:post(p.url .. "/", copy)
    assert(response, message)
    local status, text = response.status, response:text()
    return status, text, p:received(1), system.clock() - from, client:stats().idle
  end

  local GO_ON = "HTTP/1.1 100 Continue\r\n\r\n"

  it("waits for 100", function()
    local status, _, request, seconds, idle = expect_continue {
      { "expect_until", "\r\n\r\n" }, { "pause", 0.02 }, { "send", GO_ON }, { "expect", "body" },
      { "send", DONE }, { "stall" },
    }
    assert.equal(200, status)
    assert.equal("100-continue", field_of(request, "Expect"))
    assert.equal("body", body_of(request))
    assert.is_true(seconds >= 0.02 and seconds < 0.9, seconds)
    assert.equal(1, idle)
  end)

  it("waits for 100 with a body from a function", function()
    local status, _, request = expect_continue({
      request_head, { "send", GO_ON }, { "expect_until", "0\r\n\r\n" }, { "send", DONE },
      { "stall" },
    }, { body = pieces_of("ab", "c") })
    assert.equal(200, status)
    assert.equal("2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", body_of(request))
  end)

  it("waits a second for 100, and no longer", function()
    local status, _, request, seconds = expect_continue {
      request_head, { "expect", "body" }, { "send", DONE }, { "stall" },
    }
    assert.equal(200, status)
    assert.equal("body", body_of(request))
    assert.is_true(seconds >= 1 and seconds < 20, seconds)
  end)

  for _, status in ipairs { 401, 413 } do
    it(("sends no body after %d instead of 100"):format(status), function()
      local answer = ("HTTP/1.1 %d No\r\nContent-Length: 2\r\n\r\nno"):format(status)
      local got, text, request, seconds, idle = expect_continue {
        request_head, { "send", answer }, { "expect_end" },
      }
      assert.equal(status, got)
      assert.equal("no", text)
      assert.equal("", body_of(request))
      assert.is_true(seconds < 20, seconds)
      assert.equal(0, idle)
    end)
  end

  it("goes on after 200 instead of 100", function()
    local status, text, request = expect_continue({
      request_head, { "send", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" },
      { "expect", "body" }, { "send", "done" }, { "stall" },
    })
    assert.equal(200, status)
    assert.equal("done", text)
    assert.equal("body", body_of(request))
  end)

  it("waits for 100 also after an earlier request without a body", function()
    local p <close> = peer.listen { script = { { request_head, { "send", DONE }, { "loop" } } } }
    assert(client:post(p.url .. "/", { expect_continue = true })):dispose()
    local _, _, request = expect_continue {
      request_head, { "send", "HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n" }, { "expect_end" },
    }
    assert.equal("", body_of(request))
  end)

  it("does not call the body's function if the server refuses the body", function()
    local asked = 0
    local status = expect_continue({
      request_head, { "send", "HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno" }, { "expect_end" },
    }, { body = function()
      asked = asked + 1
      return "piece"
    end })
    assert.equal(413, status)
    assert.equal(0, asked)
  end)

  -- RFC 9110 10.1.1
  it("does not send Expect without content", function()
    local writer <close> = sluice.writer()
    local buffer <close> = sluice.buffer()
    local sequence <close> = buffer:sequence()
    local empty = os.tmpname()
    finally(function() os.remove(empty) end)
    local function nothing() end
    for _, body in ipairs { false, "", writer:detach(), sequence, { path = empty },
      { read = nothing, length = 0 } } do
      local p <close> = peer.listen { script = { { request_head, { "send", DONE }, { "stall" } } } }
      local response <close> = assert(client:post(p.url .. "/",
        { body = body or nil, expect_continue = true }))
      assert.equal(200, response.status)
      assert.is_nil(field_of(p:received(1), "Expect"))
    end
  end)

  -- ---- progress ----

  --- Calls of on_progress, with their times.
  local function recorder()
    local calls = {}
    return calls, function(sent, received, to_send, to_receive)
      calls[#calls + 1] = { sent = sent, received = received, to_send = to_send,
        to_receive = to_receive, time = system.clock() }
    end
  end

  local function check_steps(calls, seconds)
    for i = 2, #calls do
      assert.is_true(calls[i].sent >= calls[i - 1].sent)
      assert.is_true(calls[i].received >= calls[i - 1].received)
    end
    assert.is_true(#calls <= seconds * 10 + 1, #calls .. " calls in " .. seconds)
  end

  it("reports its progress, and its full size at the end", function()
    local body = pattern(3 << 20)
    local count = 0
    local path = os.tmpname()
    finally(function() os.remove(path) end)
    server.write(path, body)
    for _, given in ipairs {
      body, { path = path }, { read = function()
        count = count + 1
        return count <= 48 and pattern(1 << 16) or nil
      end, length = #body },
    } do
      local p <close> = peer.listen {
        script = { { request_head, { "discard", 1 << 20 }, { "pause", 0.25 },
          { "discard", 2 << 20 }, { "send", DONE }, { "stall" } } },
        receive_buffer = 65536,
      }
      local calls, tell = recorder()
      local from = system.clock()
      local response <close> = assert(client:post(p.url .. "/",
        { body = given, on_progress = tell }))
      assert.equal("done", response:text())
      assert.is_true(#calls >= 2)
      assert.same({ #body, 4, #body, 4 }, { calls[#calls].sent, calls[#calls].received,
        calls[#calls].to_send, calls[#calls].to_receive })
      check_steps(calls, system.clock() - from)
    end
  end)

  it("counts only the payload of chunks", function()
    local p <close> = peer.listen {
      script = { { { "expect_until", "0\r\n\r\n" }, { "send", DONE }, { "stall" } } },
    }
    local calls, tell = recorder()
    local response <close> = assert(client:post(p.url .. "/",
      { body = pieces_of("abc", "de"), on_progress = tell }))
    assert.equal(200, response.status)
    assert.equal(5, calls[#calls].sent)
    assert.is_nil(calls[#calls].to_send)
  end)

  it("reports the progress of the response", function()
    local whole = 1 << 20
    local p <close> = peer.listen {
      script = { {
        request_head, { "send", ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"):format(whole) },
        { "dribble", pattern(whole), 65536, 0.02 }, { "stall" },
      } },
    }
    local calls, tell = recorder()
    local from = system.clock()
    local response <close> = assert(client:get(p.url .. "/", { on_progress = tell }))
    assert.equal(whole, #response:text())
    assert.is_true(#calls >= 2)
    assert.equal(whole, calls[#calls].received)
    assert.equal(whole, calls[#calls].to_receive)
    check_steps(calls, system.clock() - from)
  end)

  it("reports nil for a length that is not known", function()
    local p <close> = peer.listen { script = { {
      request_head, { "send", "HTTP/1.1 200 OK\r\n\r\ndone" }, { "close" },
    } } }
    local given
    local response <close> = assert(client:get(p.url .. "/",
      { on_progress = function(...) given = table.pack(...) end }))
    assert.equal("done", response:text())
    assert.same({ 0, 4, nil, nil, n = 4 }, given)
  end)

  for _, is_stream in ipairs { false, true } do
    local way = is_stream and "streamed" or "buffered"

    it("raises the error of on_progress at the end: " .. way, function()
      local p <close> = peer.listen { script = { { request_head, { "send", DONE }, { "stall" } } } }
      local thrown = { "a table" }
      local ok, raised = pcall(function()
        assert(client:get(p.url .. "/", {
          stream = is_stream, on_progress = function() error(thrown) end,
        })):dispose()
        assert.is_true(is_stream)
        error(thrown) -- no caller is left to get it
      end)
      assert.is_false(ok)
      assert.equal(thrown, raised)
    end)

    it("fails if on_progress raises: " .. way, function()
      local p <close> = peer.listen { script = { {
        request_head, { "send", "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\ngood" }, { "stall" },
      } } }
      local ok, raised = pcall(function()
        local response <close> = assert(client:get(p.url .. "/", {
          stream = is_stream, on_progress = function() error("oops", 0) end,
        }))
        local text, message, err = response:text()
        assert.is_nil(text)
        assert.equal("invalid", err.code)
        error((message:match "on_progress: (.*)$"), 0)
      end)
      assert.is_false(ok)
      assert.equal("oops", raised)
    end)
  end

  it("does not keep a streamed response that the program has dropped", function()
    local p <close> = peer.listen { script = { {
      request_head, { "send", "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\ngood" }, { "stall" },
    } } }
    local leaked = sluice.stats().leaked
    local calls = 0
    local function forget()
      assert(client:get(p.url .. "/",
        { stream = true, on_progress = function() calls = calls + 1 end }))
    end
    forget()
    collectgarbage()
    collectgarbage()
    assert.equal(leaked + 1, sluice.stats().leaked)
    before.leaked = before.leaked + 1 -- for the sake of the test
    support.settle(sluice)
    assert.equal(0, calls)
  end)

  it("reports the end of a streamed response that is disposed at that moment", function()
    local p <close> = peer.listen { script = { { request_head, { "send", DONE }, { "stall" } } } }
    local calls, tell = recorder()
    do
      local response <close> = assert(client:get(p.url .. "/",
        { stream = true, on_progress = tell }))
      assert.equal("done", response:text())
    end
    collectgarbage()
    sluice.run(function()
      while #calls == 0 do sluice.sleep(0.01) end
    end)
    assert.same({ 0, 4, 4 }, { calls[1].sent, calls[1].received, calls[1].to_receive })
    client:close()
    support.settle(sluice)
    assert.equal(1, #calls)
  end)

  it("reports the end of a streamed response while the loop runs", function()
    local p <close> = peer.listen { script = { { request_head, { "send", DONE }, { "stall" } } } }
    local calls, tell = recorder()
    sluice.run(function()
      local response <close> = assert(client:get(p.url .. "/",
        { stream = true, on_progress = tell }))
      assert.equal("done", response:text())
      while #calls == 0 do sluice.sleep(0.01) end
    end)
    assert.same({ 0, 4, 4 }, { calls[1].sent, calls[1].received, calls[1].to_receive })
  end)
end)

describe("an upload to nginx", function()
  local client, web

  setup(function() web = nginx.start() end)
  teardown(function() web:stop() end)

  support.verify_each(function(keep) client = keep(support.client()) end)

  it("arrives whole, whatever its kind", function()
    local size = 3 * 65536 + 17
    local content = pattern(size)
    local path = server.write(web.directory .. "/source", content)
    local function read_by(count)
      local at = 1
      return function()
        local piece = content:sub(at, at + count - 1)
        at = at + count
        return #piece > 0 and piece or nil
      end
    end
    local buffer <close> = sluice.buffer()
    buffer:append(content)
    local sequence <close> = buffer:sequence()
    local writer <close> = sluice.writer()
    writer:write(content)
    local file <close> = assert(io.open(path, "rb"))
    local shown <close> = sequence:sub(40001, 50000)
    local middle = server.write(web.directory .. "/middle", content:sub(50001, 150000))
    local rest <close> = assert(io.open(path, "rb"))
    rest:seek("set", 150000)
    for name, body in pairs {
      text = content, sequence = sequence, lease = writer:detach(), file = file,
      path = { path = path }, chunks = read_by(10000),
      parts = { content:sub(1, 40000), shown, { path = middle }, "", rest },
      pulled = { read = read_by(4096), length = size },
    } do
      local url = ("%s/put/%s"):format(web.url, name)
      local stored <close>, message = client:put(url, { body = body })
      assert(stored, message)
      assert.equal(201, stored.status)
      local back <close> = assert(client:get(url))
      assert.is_true(back:text() == content, name)
    end
  end)

  -- What the kernel meets while it copies depends on the moment, but it must always be reported.
  it("from a file that keeps shrinking and growing arrives or fails at once", function()
    local path = server.write(web.directory .. "/changing", pattern(4 << 20))
    local flag = server.write(web.directory .. "/flag", "")
    local changing = assert(io.popen(("for i in $(seq 10000); do [ -e '%s' ] || exit; "
      .. "truncate -s 100 '%s'; truncate -s %d '%s'; done"):format(flag, path, 4 << 20, path)))
    finally(function()
      os.remove(flag)
      changing:close()
    end)
    for _ = 1, 50 do
      local response, message, err = client:put(web.url .. "/put/changing",
        { body = { path = path } })
      if response then
        response:dispose()
      else
        assert.equal("invalid", err.code)
        assert.matches("has shrunk since the request was made$", message)
      end
    end
  end)

  it("waits for 100 before it sends", function()
    local response <close> = assert(client:put(web.url .. "/put/asked",
      { body = "abc", expect_continue = true }))
    assert.equal(201, response.status)
  end)
end)
