-- A body on its way, read like a file: the same formats over the same bytes give the same, wherever
-- they were cut on the wire.

local server = require "spec.support.server"
local support = require "spec.support"

local peer = support.peer

describe("a reader of a body on its way", function()
  local directory, client

  setup(function() directory = server.directory() end)
  teardown(function() server.remove(directory) end)
  support.verify_each(function(keep) client = keep(support.client()) end)

  local function chunked(text, size)
    local parts = {}
    for at = 1, #text, size do
      local piece = text:sub(at, at + size - 1)
      parts[#parts + 1] = ("%x\r\n%s\r\n"):format(#piece, piece)
    end
    parts[#parts + 1] = "0\r\n\r\n"
    return table.concat(parts)
  end

  local CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

  --- Runs `use` with a reader of a response whose body is sent once the reader is there.
  local function with_reader(head, body, use)
    local p <close> = peer.listen { script = { { { "expect_until", "\r\n\r\n" }, { "send", head },
      { "hold" }, { "send", body } } } }
    local response <close> = assert(client:get(p.url .. "/", { stream = true }))
    local reader <close> = assert(response:reader())
    p:signal(1)
    return use(reader)
  end

  -- Runs `use` on a file and on a body of the same bytes in chunks of several sizes.
  local function compare(text, use)
    local expected
    do
      local file <close> = assert(io.open(server.write(directory .. "/file", text), "rb"))
      expected = table.pack(use(file))
    end
    for _, size in ipairs { 1, 2, 3, 7, 64 } do
      local got = table.pack(with_reader(CHUNKED, chunked(text, size), use))
      assert.same(expected, got, "in chunks of " .. size)
    end
  end

  local texts = { "", "only", "only\n", "first\nsecond\n\nfourth\r\nlast", "\n\n\n",
    "12 0x1F -3e2\n.5 5. word 7" }

  for _, format in ipairs { "l", "L", "n", "a", 0, 1, 5, 1000 } do
    it(("reads as a file does: %s"):format(format), function()
      for _, text in ipairs(texts) do
        compare(text, function(file)
          local results = {}
          for _ = 1, 8 do
            local got = file:read(format)
            results[#results + 1] = got == nil and "nil" or got
            if got == nil then break end
          end
          return results
        end)
      end
    end)
  end

  it("reads several formats in one call, up to the first that fails", function()
    compare("1 2\nrest of it", function(file) return file:read("n", "n", "l", 4, "a", "l") end)
    compare("1 x", function(file) return file:read("n", "n", "l") end)
  end)

  it("iterates over lines", function()
    compare("a\n\nb", function(file)
      local lines = {}
      for line in file:lines() do lines[#lines + 1] = line end
      return lines
    end)
  end)

  it("reports its position and refuses to seek", function()
    with_reader(CHUNKED, chunked("first\nsecond", 4), function(reader)
      assert.equal(0, reader:position())
      assert.equal("first", reader:read())
      assert.same({ 6, 6 }, { reader:position(), reader:seek() })
      assert.error_matches(function() reader:seek("set", 0) end, "read forward only")
      assert.equal("second", reader:read "a")
      assert.equal(12, reader:seek("cur", 0))
    end)
  end)

  it("reports a broken body after the bytes before the break were read", function()
    with_reader("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", "whole\npart", function(reader)
      assert.equal("whole", reader:read())
      local line, message, err = reader:read()
      assert.is_nil(line)
      assert.equal("closed", err.code)
      assert.equal(message, tostring(err))
    end)
  end)

  it("refuses use once it is closed", function()
    with_reader(CHUNKED, chunked("text", 4), function(reader)
      assert.equal("sluice.body_reader", tostring(reader))
      reader:close()
      reader:close()
      assert.equal("sluice.body_reader (closed)", tostring(reader))
      assert.error_matches(function() reader:read() end, "use of closed body reader")
    end)
  end)
end)
