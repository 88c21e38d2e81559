-- The numbers of doc/limits.md, tried: the largest permitted value is accepted, one more is not.

local server = require "spec.support.server"
local sluice = require "sluice"
local support = require "spec.support"

local text = server.read "doc/limits.md"

--- The number in the row of that name, and the text of its last column.
local function row(name)
  local number, unit, last = text:match("\n| " .. name .. " | (%d+) ?([%a]*)[^|\n]*| ([^|\n]+) |")
  return assert(tonumber(number), name) * (unit == "MiB" and 1 << 20 or 1), last
end

describe("the documented limits", function()
  local before

  before_each(function() before = support.snapshot(sluice) end)
  after_each(function() support.verify(sluice, before) end)

  --- The code of what goes wrong; nil when nothing does.
  local function code_of(wire, options)
    local p <close> = support.peer.listen { records = false,
      script = { { { "expect_until", "\r\n\r\n" }, { "send", wire }, { "stall" } } } }
    local client <close> = support.client()
    local response <close>, _, err = client:get(p.url .. "/", options) -- luacheck: ignore
    return err and err.code or nil
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

  for name, make in pairs(wires) do
    it("of responses: " .. name, function()
      local limit, code = row(name)
      assert.equal("`limit`", code)
      assert.is_nil(code_of(make(limit)))
      assert.equal("limit", code_of(make(limit + 1)))
    end)
  end

  it("of responses: body", function()
    local limit, code = row "body"
    assert.equal("`limit`", code)
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
