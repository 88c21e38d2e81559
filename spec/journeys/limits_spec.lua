-- The numbers of doc/guide/limits.md and of the reference, tried: the largest permitted value is
-- accepted, one more is not.

local server = require "spec.support.server"
local sluice = require "sluice"
local support = require "spec.support"

local text = server.read "doc/guide/limits.md"

local table_of_limits = server.read "doc/reference/request_options.md"
  :match "\n## limits\n.-\n## "

--- The number in the row of that option, and the text of its last column.
local function row(name)
  local number, last = table_of_limits:match("\n| `" .. name
    .. "` |[^|]*|[^|]*| (%d+)[^|\n]*|[^|\n]*| (%l*) |")
  return assert(tonumber(number), name), last
end

describe("the documented limits", function()
  support.verify_each()

  --- The code and the message of what goes wrong; nil when nothing does.
  local function code_of(wire, options)
    local p <close> = support.peer.listen { records = false,
      script = { { { "expect_until", "\r\n\r\n" }, { "send", wire }, { "stall" } } } }
    local client <close> = support.client()
    local response <close>, message, err = client:get(p.url .. "/", options) -- luacheck: ignore
    return err and err.code or nil, message
  end

  local OK, END = "HTTP/1.1 200 OK\r\n", "Content-Length: 0\r\n\r\n"
  local CHUNKED = OK .. "Transfer-Encoding: chunked\r\n\r\n"

  -- name, wire of that size
  local wires = {
    head = function(size)
      local wire, rest = OK, size - #OK - #END
      while rest > 0 do
        local line = math.min(rest, 10000)
        if rest - line < 100 and rest > line then line = line - 100 end
        wire = wire .. "A: " .. ("x"):rep(line - 5) .. "\r\n"
        rest = rest - line
      end
      return wire .. END
    end,
    line = function(size) return OK .. "A: " .. ("x"):rep(size - 3) .. "\r\n" .. END end,
    lines = function(count) return OK .. ("A: b\r\n"):rep(count - 1) .. END end,
    interim = function(count)
      return ("HTTP/1.1 103 Early Hints\r\n\r\n"):rep(count) .. OK .. END
    end,
  }

  it("are generous: heads of real servers, and thousands of tasks in a queue", function()
    assert.same({ 65536, 131072, 32 }, { (row "line"), (row "head"), (row "interim") })
    local queue = server.read "doc/reference/request_options.md":match "\n| `queue` |[^\n]*"
    assert.matches("| s | 60 |", queue, 1, true)
  end)

  for name, make in pairs(wires) do
    it("of responses: " .. name, function()
      local limit, code = row(name)
      assert.equal("limit", code)
      assert.is_nil(code_of(make(limit)))
      assert.equal("limit", code_of(make(limit + 1)))
    end)
  end

  it("of responses: body", function()
    local limit, code = row "body"
    assert.equal("limit", code)
    local wire = ("%sContent-Length: %d\r\n\r\n"):format(OK, limit + 1)
    assert.equal("limit", code_of(wire))
    assert.is_nil(code_of(wire, { stream = true }))
    assert.equal("timeout", code_of(("%sContent-Length: %d\r\n\r\n"):format(OK, limit),
      { timeout = { idle = 0.05 } }))
  end)

  it("of chunks and codings", function()
    assert.is_truthy(text:find "256 bytes of extension per chunk %(`limit`%)")
    assert.is_nil(code_of(CHUNKED .. "0;" .. ("x"):rep(255) .. "\r\n\r\n"))
    assert.equal("limit", code_of(CHUNKED .. "0;" .. ("x"):rep(257) .. "\r\n\r\n"))
    assert.is_truthy(text:find "chunk sizes to 2%^63 %- 1 %(`protocol`%)")
    assert.is_nil(code_of(CHUNKED .. "7fffffffffffffff\r\nx", { stream = true }))
    assert.equal("protocol", code_of(CHUNKED .. "8000000000000000\r\nx"))
    assert.is_truthy(text:find "two content codings %(`decode`%)")
    assert.is_nil(code_of(OK .. "Content-Encoding: gzip, gzip\r\n" .. END))
    assert.equal("decode", code_of(OK .. "Content-Encoding: gzip, gzip, gzip\r\n" .. END))
  end)

  it("of trailers", function()
    local lines = row "lines"
    assert.is_nil(code_of(CHUNKED .. "0\r\n" .. ("A: b\r\n"):rep(lines) .. "\r\n"))
    assert.equal("limit", code_of(CHUNKED .. "0\r\n" .. ("A: b\r\n"):rep(lines + 1) .. "\r\n"))
  end)

  it("name their number, and their option if there is one, when they are exceeded", function()
    local body = "Content-Length: 10\r\n\r\n0123456789"
    local short = { timeout = { first_byte = 5, idle = 0.05 } }
    for _, case in ipairs {
      { "chunk extension exceeds 256 bytes (fixed)", CHUNKED .. "0;" .. ("x"):rep(300) },
      { "chunk size exceeds 2^63 - 1", CHUNKED .. "8000000000000000\r\n" },
      { "chunk size has more than 20 digits", CHUNKED .. ("0"):rep(21) .. "\r\n" },
      { "more than 2 content codings (fixed)",
        OK .. "Content-Encoding: gzip, gzip, gzip\r\n" .. END },
      { "body exceeds 9 bytes (limits.body)", OK .. body, { limits = { body = 9 } } },
      { "a line of the head exceeds 8 bytes (limits.line)", OK .. END, { limits = { line = 8 } } },
      { "response head exceeds 20 bytes (limits.head)", OK .. END, { limits = { head = 20 } } },
      { "response head exceeds 1 lines (limits.lines)", OK .. "A: b\r\n" .. END,
        { limits = { lines = 1 } } },
      { "more than 0 interim responses (limits.interim)", "HTTP/1.1 103 Early\r\n\r\n" .. OK .. END,
        { limits = { interim = 0 } } },
      { "no response within 0.05 s (timeout.first_byte)", "", { timeout = { first_byte = 0.05 } } },
      { "no data in either direction for 0.05 s (timeout.idle)", OK, short },
      { "fewer than 500 bytes in 0.05 s (timeout.rate)", OK,
        { timeout = { rate = { 500, 0.05 } } } },
      { "not complete within 0.05 s (timeout.total)", OK, { timeout = 0.05 } },
      { "does not fit into 1048576 bytes (fixed)", OK .. END,
        { headers = { A = ("x"):rep(1 << 20) } } },
      { "does not fit into 1048576 bytes (fixed)", OK .. END, { query = ("x"):rep(1 << 20) } },
    } do
      local _, message = code_of(case[2], case[3])
      assert.matches(": " .. case[1], message, 1, true)
    end
    assert.error_matches(function() sluice.loop():spin(0.5) end,
      "at most 0.001 seconds expected, got 0.5", 1, true)
  end)

  it("of options that callers may set", function()
    local client <close> = support.client()
    for name in text:match "\nContent%-Length, .-and Host":gmatch "[%a-]+" do
      if name ~= "and" then
        local _, _, err = client:get("http://127.0.0.1:1/", { headers = { [name] = "x" } })
        assert.equal("invalid", err.code, name)
      end
    end
  end)
end)
