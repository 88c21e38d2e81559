-- Both directions at once: a server that answers while it reads never waits for a client that only
-- sends, and the other way round.

local server = require "spec.support.server"
local sluice = require "sluice"
local support = require "spec.support"

local peer, system, pattern = support.peer, support.system, support.pattern

local SIZE = 64 << 20
local PIECE = 1 << 16

local request_head = { "expect_until", "\r\n\r\n" }

-- Answers with what it reads, while it reads.
local function echo(head, size)
  return peer.listen {
    script = { { request_head, { "send", head }, { "echo", size }, { "stall" } } },
    records = false,
  }
end

local function head_of(size)
  return ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"):format(size)
end

--- Pieces of the pattern, `size` bytes in all.
local function pieces(size)
  local sent, piece = 0, pattern(PIECE)
  return function()
    if sent == size then return nil end
    sent = sent + PIECE
    return piece
  end
end

describe("an echo of 64 MiB", function()
  local client, directory

  support.verify_each(function(keep)
    directory = keep(server.directory(), server.remove)
    client = keep(support.client { timeout = { idle = 60 } })
  end)

  local function lease_of(size)
    local writer <close> = sluice.writer { max_size = SIZE }
    for piece in pieces(size) do writer:write(piece) end
    return writer:detach()
  end

  local bodies = {
    ["a string"] = function() return pattern(SIZE) end,
    ["a lease"] = function() return lease_of(SIZE) end,
    ["a file"] = function()
      local path = server.write(directory .. "/body", pattern(SIZE))
      return { path = path }
    end,
    ["a function of known length"] = function() return { read = pieces(SIZE), length = SIZE } end,
  }

  --- Whether the chunks are the pattern, and their size.
  local function compare(response)
    local size, is_same, expected = 0, true, pattern(2 * PIECE)
    for chunk in response:chunks() do
      local from = size % PIECE
      for at = 1, #chunk, PIECE do
        local part <close> = chunk:sub(at, math.min(at + PIECE - 1, #chunk))
        local start = (from + at - 1) % PIECE
        is_same = is_same and part:tostring() == expected:sub(start + 1, start + #part)
      end
      size = size + #chunk
      chunk:dispose()
    end
    return is_same, size
  end

  for name, make in pairs(bodies) do
    it("comes back buffered: " .. name, function()
      local p <close> = echo(head_of(SIZE), SIZE)
      local response <close>, message = client:post(p.url .. "/", { body = make() })
      assert(response, message)
      assert.equal(SIZE, #response)
      assert.is_true(response:text() == pattern(SIZE))
    end)

    it("comes back streamed: " .. name, function()
      local p <close> = echo(head_of(SIZE), SIZE)
      local response <close>, message =
        client:post(p.url .. "/", { body = make(), stream = true })
      assert(response, message)
      local is_same, size = compare(response)
      assert.equal(SIZE, size)
      assert.is_true(is_same)
      assert.equal(1, client:stats().idle)
    end)
  end

  for name, call in support.each_style(sluice) do
    it("comes back in its own chunks " .. name, function()
      call(function()
        -- The answer has the framing of the request.
        local p <close> = peer.listen {
          script = { {
            request_head, { "send", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" },
            { "echo" },
          } },
          records = false,
        }
        local response <close>, message =
          client:post(p.url .. "/", { body = pieces(SIZE), stream = true })
        assert(response, message)
        local is_same, size = compare(response)
        assert.equal(SIZE, size)
        assert.is_true(is_same)
      end)
    end)
  end

  it("uses little memory while streamed", function()
    local p <close> = echo(head_of(SIZE), SIZE)
    local rss = system.rss()
    local response <close> = assert(client:post(p.url .. "/",
      { body = { read = pieces(SIZE), length = SIZE }, stream = true }))
    local most = 0
    for chunk in response:chunks() do
      chunk:dispose()
      most = math.max(most, sluice.stats().bytes)
    end
    assert.is_true(most < 4 << 20, most)
    assert.is_true(system.rss() - rss < 16 << 20)
  end)
end)

describe("a conversation", function()
  local client

  support.verify_each(function(keep) client = keep(support.client { timeout = { idle = 60 } }) end)

  it("goes back and forth on one request", function()
    local p <close> = echo("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    sluice.run(function()
      local outgoing, heard = nil, {}
      local response <close> = assert(client:post(p.url .. "/", {
        stream = true,
        body = function()
          while not outgoing do sluice.sleep(0.001) end
          local piece = outgoing
          outgoing = nil
          return piece ~= "end" and piece or nil
        end,
      }))
      for _, word in ipairs { "one", "two", "three" } do
        outgoing = word
        heard[#heard + 1] = response:read(#word)
      end
      outgoing = "end"
      assert.is_nil((response:read(1)))
      assert.same({ "one", "two", "three" }, heard)
    end)
  end)

  it("ends the request body when the response is disposed", function()
    local p <close> = echo("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    local count = 0
    sluice.run(function()
      local response <close> = assert(client:post(p.url .. "/", {
        stream = true,
        body = function()
          count = count + 1
          return pattern(PIECE)
        end,
      }))
      local chunk <close> = response:next_chunk() -- luacheck: ignore
    end)
    local last = count
    support.settle(sluice)
    assert.is_true(count <= last + 1)
    p:wait("idle", 1, 2)
    assert.equal(0, client:stats().active)
  end)

  it("fails for its reader if its body fails", function()
    local p <close> = echo("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    local step, has_heard = 0, false
    local response <close> = assert(client:post(p.url .. "/", {
      stream = true,
      body = function()
        step = step + 1
        if step == 1 then return "one" end
        while not has_heard do sluice.sleep(0.001) end
        error "no more words"
      end,
    }))
    assert.equal("one", response:read(3))
    has_heard = true
    local piece, message, err = response:read(1)
    assert.is_nil(piece)
    assert.equal("invalid", err.code)
    assert.matches("no more words", message)
  end)

  it("ends if the coroutine that waits for it is closed", function()
    local p <close> = peer.listen { script = { { { "discard" } } } }
    local waiting = coroutine.create(function()
      client:post(p.url .. "/", { body = function() return pattern(PIECE) end })
    end)
    assert(coroutine.resume(waiting))
    for _ = 1, 20 do sluice.loop():step(0.001) end
    assert(coroutine.close(waiting))
    p:wait("idle", 1, 2)
    support.settle(sluice)
  end)
end)
