-- Header fields of a response from Lua: found without case, joined or one by one, in wire order.

local core = require "sluice.core"
local support = require "spec.support"

describe("the headers of a response", function()
  local client

  support.verify_each(function(keep) client = keep(support.client()) end)

  --- The response with these lines, for `use`.
  local function with(lines, use, body)
    local p <close> = support.peer.listen { script = { {
      { "expect_until", "\r\n\r\n" },
      { "send", "HTTP/1.1 200 OK\r\n" .. lines .. (body or "Content-Length: 0\r\n\r\n") },
      { "stall" },
    } } }
    local response <close>, message = client:get(p.url .. "/")
    assert(response, message)
    use(response.headers, response)
  end

  local LINES = "X-One: 1\r\nx-two:  padded \t\r\nX-ONE: 2\r\nSet-Cookie: a=1, b\r\n"
    .. "Empty:\r\nset-cookie: c=2\r\nX-one: 3\r\n"

  it("are found without regard to case", function()
    with(LINES, function(headers)
      for _, name in ipairs { "x-two", "X-Two", "X-TWO" } do
        assert.equal("padded", headers[name])
        assert.equal("padded", headers:get(name))
      end
      assert.equal("", headers.empty)
      assert.equal("0", headers["Content-Length"])
    end)
  end)

  it("are joined when they repeat, but for Set-Cookie", function()
    with(LINES, function(headers)
      assert.equal("1, 2, 3", headers["X-One"])
      assert.equal("1, 2, 3", headers:get "x-one")
      assert.same({ "1", "2", "3" }, headers:all "X-ONE")
      assert.equal("a=1, b", headers["Set-Cookie"])
      assert.same({ "a=1, b", "c=2" }, headers:all "set-cookie")
      assert.same({ "" }, headers:all "empty")
    end)
  end)

  it("are nil for a field that was not sent", function()
    with(LINES, function(headers)
      for _, name in ipairs { "X", "X-On", "X-Onee", "", "x one", ("x"):rep(1000), "\0" } do
        assert.is_nil(headers[name])
        assert.is_nil(headers:get(name))
        assert.same({}, headers:all(name))
      end
    end)
  end)

  it("are iterated in wire order, with names as they were sent", function()
    with(LINES, function(headers)
      local seen = {}
      for name, value in pairs(headers) do seen[#seen + 1] = name .. "=" .. value end
      assert.same({ "X-One=1", "x-two=padded", "X-ONE=2", "Set-Cookie=a=1, b", "Empty=",
        "set-cookie=c=2", "X-one=3", "Content-Length=0" }, seen)
      assert.equal(8, #headers)
    end)
  end)

  it("are an array of names and values", function()
    with(LINES, function(headers)
      assert.same({ "X-One", "1" }, headers[1])
      assert.same({ "x-two", "padded" }, headers[2])
      assert.same({ "Empty", "" }, headers[5])
      local walked, listed = {}, {}
      for i, field in ipairs(headers) do walked[i] = field[1] .. "=" .. field[2] end
      for name, value in pairs(headers) do listed[#listed + 1] = name .. "=" .. value end
      assert.same(listed, walked)
      for _, none in ipairs { 0, -1, 9, math.maxinteger, math.mininteger } do
        assert.is_nil(headers[none])
      end
    end)
  end)

  it("can be iterated twice at once", function()
    with("A: 1\r\nB: 2\r\n", function(headers)
      local seen = {}
      for a in pairs(headers) do
        for b in pairs(headers) do seen[#seen + 1] = a:sub(1, 1) .. b:sub(1, 1) end
      end
      assert.equal("AA AB AC BA BB BC CA CB CC", table.concat(seen, " "))
    end)
  end)

  it("may have the names get and all", function()
    with("get: value\r\nall: other\r\n", function(headers)
      assert.equal("value", headers:get "get")
      assert.equal("other", headers:get "all")
      assert.equal("function", type(headers.get))
    end)
  end)

  it("keep every byte that is not a control", function()
    local value = "caf\xe9 \u{20ac} \"quoted\" (a, b;c=d)\ttab"
    with("X: " .. value .. "\r\n", function(headers) assert.equal(value, headers.x) end)
  end)

  it("hide the coding that was decoded", function()
    local script = { { "expect_until", "\r\n\r\n" }, { "send",
      "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 23\r\nX: y\r\n\r\n"
      .. "\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b\xaf\xca\x2c\0\0\xb0\xe5\x87\xc4\x04\0\0" }, { "stall" } }
    local p <close> = support.peer.listen { script = { script }, repeat_last = true }
    local response <close>, message = client:get(p.url .. "/", { decompress = false })
    assert(response, message)
    assert.equal("gzip", response.headers["content-encoding"])
    assert.equal("23", response.headers["content-length"])
    assert.equal(3, #response.headers)
    local another <close> = support.client()
    local decoded <close> = assert(another:get(p.url .. "/", { stream = true }))
    assert.equal(1, #decoded.headers)
    assert.same({ "X", "y" }, decoded.headers[1])
    assert.is_nil(decoded.headers[2])
  end)

  it("exist for trailers, too", function()
    with("Transfer-Encoding: chunked\r\n", function(_, response)
      assert.equal("good", response:text())
      assert.equal("v, w", response.trailers["x-trailer"])
      local seen = {}
      for name, value in pairs(response.trailers) do seen[#seen + 1] = name .. value end
      assert.same({ "X-Trailerv", "x-trailerw" }, seen)
      assert.is_nil(response.headers["x-trailer"])
    end, "\r\n4\r\ngood\r\n0\r\nX-Trailer: v\r\nx-trailer: w\r\n\r\n")
  end)

  it("are refused once the response is disposed", function()
    local kept, walk, subject
    with(LINES, function(headers)
      kept = headers
      walk, subject = pairs(headers)
    end)
    for name, use in pairs {
      index = function() return kept.x end,
      number = function() return kept[1] end,
      get = function() return kept:get "x" end,
      all = function() return kept:all "x" end,
      pairs = function() return pairs(kept) end,
      length = function() return #kept end,
      iterator = function() return walk(subject) end,
    } do
      assert.error_matches(use, "use of disposed response", 1, false, name)
    end
  end)

  it("give the lines of Set-Cookie one by one, and nothing if there is none", function()
    with(LINES, function(_, response)
      assert.same({ "a=1, b", "c=2" }, core.set_cookies(response))
      response:dispose()
      assert.is_nil(core.set_cookies(response))
    end)
    with("X-One: 1\r\nSet-Cookies: a\r\n", function(_, response)
      assert.is_nil(core.set_cookies(response))
      assert.error(function() core.set_cookies(nil) end)
    end)
    local lines = {}
    for i = 1, 200 do lines[i] = ("SET-COOKIE: n%d=v\r\n"):format(i) end
    with(table.concat(lines), function(_, response)
      local values = core.set_cookies(response)
      assert.same({ 200, "n1=v", "n200=v" }, { #values, values[1], values[200] })
    end)
  end)

  it("refuse names that are not strings", function()
    with(LINES, function(headers)
      assert.error(function() return headers[{}] end)
      assert.error(function() return headers:get() end)
      assert.error(function() return headers:all(nil) end)
      assert.error(function() headers.x = "y" end)
    end)
  end)

  it("make no string until one is read", function()
    local lines = {}
    for i = 1, 200 do lines[i] = ("X-%d: %s\r\n"):format(i, ("v"):rep(50)) end
    with(table.concat(lines), function(headers)
      collectgarbage()
      collectgarbage "stop"
      local heap = collectgarbage "count"
      local value = headers["x-150"]
      local grown = collectgarbage "count" - heap
      collectgarbage "restart"
      assert.equal(("v"):rep(50), value)
      assert.is_true(grown < 1, grown)
    end)
  end)
end)
