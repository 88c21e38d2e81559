--- A server that sends without end, as fast as it can: other tasks run all the same, and deadlines
-- are kept. On a busy machine one may pass before the head is there.

local sluice = require "sluice"
local support = require "spec.support"
local zlib = require "zlib"

local peer = support.peer

local MIB = 1024 * 1024
local WITHOUT_END = 1 << 40

local function head_of(field) return "HTTP/1.1 200 OK\r\n" .. field .. "\r\n" end

-- What is repeated goes out in large pieces, so that the server is always ahead.
local function repeated(bytes) return bytes:rep(65536 // #bytes) end

local function whole(client, url, timeout)
  return client:get(url, { timeout = timeout, limits = { body = WITHOUT_END } })
end

local function pieces_of(size)
  return function(client, url, timeout)
    local response <close>, message, err = client:get(url, { stream = true, timeout = timeout })
    if not response then return nil, message, err end
    local piece
    repeat piece, message, err = response:read(size) until not piece
    return piece, message, err
  end
end

local function values_of(method)
  return function(client, url, timeout)
    local response <close>, message, failure =
      client:get(url, { stream = true, timeout = timeout })
    if not response then return nil, message, failure end
    local _, err = pcall(function()
      for _ in response[method](response) do end -- luacheck: ignore
    end)
    return nil, tostring(err), err
  end
end

-- A deflated MiB, again and again; blocks of nothing.
local function deflated(bytes) return zlib.deflate(9, -15)(bytes, "full") end

local gzip = "Content-Encoding: gzip\r\n"
local gzip_head = zlib.deflate(9, 31)("x", "full")
local zeros = deflated(("\0"):rep(MIB))

local floods = {
  { "a body, taken whole", "", "x", whole },
  { "a body, in large pieces", "", "x", pieces_of(65536) },
  { "a body, byte by byte", "", "x", pieces_of(1) },
  { "chunks of a byte", "Transfer-Encoding: chunked\r\n", "1\r\nx\r\n", pieces_of(65536) },
  { "empty lines", "", "\n", values_of "lines" },
  { "a line that does not end", "", "x", values_of "lines" },
  { "events", "Content-Type: text/event-stream\r\n", "data:\n\n", values_of "events" },
  { "comments, and no event", "Content-Type: text/event-stream\r\n", ":\n", values_of "events" },
  { "blank lines between values", "", "\n", values_of "json_lines" },
  { "compressed zeros", gzip, zeros, pieces_of(65536), gzip_head },
  { "compressed nothing", gzip, "\0\0\0\255\255", pieces_of(65536), gzip_head },
}

describe("a server that sends without end", function()
  local client

  support.verify_each(function(keep) client = keep(support.client()) end)

  local function serve(fields, bytes, first)
    return peer.listen { records = false, script = { {
      { "expect_until", "\r\n\r\n" }, { "send", head_of(fields) .. (first or "") },
      { "send_repeat", repeated(bytes), WITHOUT_END },
    } } }
  end

  for _, flood in ipairs(floods) do
    local name, fields, bytes, take, first = table.unpack(flood)

    it("lets other tasks run: " .. name, function()
      local p <close> = serve(fields, bytes, first)
      local is_over = false
      local task = sluice.spawn(function()
        take(client, p.url .. "/", { total = 300 })
        is_over = true
      end)
      for _ = 1, 5 do sluice.sleep(0.005) end
      assert.is_false(is_over)
      task:cancel()
      task:await()
    end)

    it("meets the deadline: " .. name, function()
      local p <close> = serve(fields, bytes, first)
      local start = support.system.clock()
      local value, message, err = take(client, p.url .. "/", { total = 0.1 })
      local seconds = support.system.clock() - start
      assert.is_nil(value)
      assert.matches("timeout.total", message, 1, true)
      assert.equal("timeout", err.code)
      assert.is_true(seconds < 20, ("%.1f s"):format(seconds))
    end)
  end

  it("fills a line that does not end by a bounded part in each step", function()
    local p <close> = serve(gzip, zeros, gzip_head) -- which cost the server nothing
    local task = sluice.spawn(values_of "lines", client, p.url .. "/", { total = 2 })
    local loop, most, held = sluice.loop(), 0, sluice.stats().bytes
    for _ = 1, 50 do
      loop:step(0.1)
      local now = sluice.stats().bytes
      most, held = math.max(most, now - held), now
    end
    task:cancel()
    task:await()
    assert.is_true(most < 32 * MIB, ("%d bytes in a step"):format(most))
  end)
end)
