-- http_parser as hosts with sockets of their own use it; what it makes of bytes is shown by the
-- fixtures in spec/journeys/http_parser_spec.lua.
-- Runs once.

local sluice = require "sluice"
local support = require "spec.support"

local HEAD = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"

describe("http_parser", function()
  support.verify_each()

  --- The types of the events until more bytes are needed, and the body in between.
  local function take(parser)
    local types, body = {}, {}
    for event in parser:events() do
      types[#types + 1] = event.type
      if event.type == "body" then
        body[#body + 1] = event.body:tostring()
        event.body:dispose()
      end
    end
    return table.concat(types, " "), table.concat(body)
  end

  it("returns events, false while more input is needed, and nil at the end", function()
    local parser <close> = sluice.http_parser()
    assert.is_false(parser:next())
    parser:feed "HTTP/1.1 200 OK\r\nA: b\r\nSet-Cookie: c\r\nSet-Cookie: d\r\n"
    assert.is_false(parser:next())
    parser:feed "Content-Length: 4\r\n\r\n"
    local head = parser:next()
    assert.same({ type = "head", status = 200, reason = "OK", version = "1.1", headers = {
      { "A", "b" }, { "Set-Cookie", "c" }, { "Set-Cookie", "d" }, { "Content-Length", "4" },
    } }, head)
    assert.is_false(parser:next())
    parser:feed "body"
    local event = parser:next()
    assert.equal("body", event.type)
    assert.equal("body", event.body:tostring())
    event.body:dispose()
    assert.same({ type = "end", trailers = {}, keep_alive = true }, parser:next())
    assert.is_nil(parser:next())
    assert.is_nil(parser:next())
  end)

  it("accepts strings, sequences and leases", function()
    local parser <close> = sluice.http_parser()
    local buffer <close> = sluice.buffer()
    local writer <close> = sluice.writer()
    buffer:append "la"
    writer:write "st"
    local sequence <close> = buffer:sequence()
    local lease <close> = writer:detach()
    parser:feed(HEAD):feed(sequence):feed(lease)
    local types, body = take(parser)
    assert.equal("head body end", types)
    assert.equal("last", body)
    assert.equal("la", sequence:tostring())
  end)

  it("gives events until it needs more bytes, and raises what is broken", function()
    local parser <close> = sluice.http_parser()
    assert.equal("", (take(parser)))
    parser:feed(HEAD):feed "bo"
    assert.equal("head body", (take(parser)))
    parser:feed "dy"
    assert.equal("body end", (take(parser)))
    assert.equal("", (take(parser)))
    parser:reset():feed "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n"
    local events = parser:events()
    for _ = 1, 2 do
      local ok, err = pcall(events)
      assert.is_false(ok)
      assert.equal("protocol", err.code)
      assert.equal("head", err.stage)
    end
    parser:dispose()
    assert.has_error(events, "use of disposed http_parser")
    assert.has_error(function() parser:events() end)
  end)

  it("goes on with the next response of the same input", function()
    local parser <close> = sluice.http_parser()
    parser:feed(HEAD .. "one." .. HEAD .. "two." .. "HTTP/1.1 204 No Content\r\n\r\nrest")
    for _, expected in ipairs { "one.", "two.", "" } do
      local _, body = take(parser)
      assert.equal(expected, body)
      parser:reset()
    end
    assert.equal("rest", parser:surplus())
    assert.equal("rest", parser:surplus())
  end)

  it("takes the request's method into account", function()
    local parser <close> = sluice.http_parser { method = "HEAD" }
    assert.equal("head end", (take(parser:feed(HEAD))))
    local tunnel <close> = sluice.http_parser { method = "CONNECT" }
    assert.equal("head end", (take(tunnel:feed(HEAD .. "tunnelled"))))
    assert.equal("tunnelled", tunnel:surplus())
  end)

  it("accepts 101 only if an upgrade was requested", function()
    local wire = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n" ..
      "Connection: Upgrade\r\n\r\nx says"
    local asked <close> = sluice.http_parser { upgrade = true }
    assert.equal(101, asked:feed(wire):next().status)
    assert.same({ type = "end", trailers = {}, keep_alive = false, upgrade = true }, asked:next())
    assert.is_nil(asked:next())
    assert.equal("x says", asked:surplus())
    local other <close> = sluice.http_parser { upgrade = false }
    local event, _, err = other:feed(wire):next()
    assert.is_nil(event)
    assert.equal("protocol", err.code)
  end)

  it("reports that the connection ends if the request said so", function()
    for _, close in ipairs { true, false } do
      local parser <close> = sluice.http_parser { close = close, method = "HEAD" }
      assert.equal("head", parser:feed(HEAD):next().type)
      assert.equal(not close, parser:next().keep_alive)
    end
  end)

  it("reports interim responses and trailers", function()
    local parser <close> = sluice.http_parser()
    parser:feed "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    local interim = parser:next()
    assert.same({ "interim", 103, { { "Link", "x" } } },
      { interim.type, interim.status, interim.headers })
    parser:feed "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n"
    assert.equal("head", parser:next().type)
    assert.same({ { "X", "y" } }, parser:next().trailers)
  end)

  it("ends a body without a length at the end of its input", function()
    local parser <close> = sluice.http_parser()
    parser:feed "HTTP/1.1 200 OK\r\n\r\nall of it"
    assert.equal("head body", (take(parser)))
    parser:finish()
    local event = parser:next()
    assert.equal("end", event.type)
    assert.is_false(event.keep_alive)
    assert.error_matches(function() parser:feed "more" end, "ended")
  end)

  it("reports an input that ends inside a message", function()
    for _, wire in ipairs { HEAD, HEAD .. "abc", "HTTP/1.1 200 OK\r\n", "",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel" } do
      local parser <close> = sluice.http_parser()
      take(parser:feed(wire))
      local event, message, err = parser:finish():next()
      assert.is_nil(event)
      assert.equal("closed", err.code)
      assert.equal(message, tostring(err))
    end
    local parser <close> = sluice.http_parser()
    take(parser:feed "HTTP/1.1 200 OK\r\n\r\nall of it")
    local event, _, err = parser:finish(false):next()
    assert.is_nil(event)
    assert.equal("closed", err.code)
  end)

  it("repeats its failure", function()
    local parser <close> = sluice.http_parser()
    parser:feed "HTTP/1.1 200 OK\r\nno colon\r\n\r\n"
    for _ = 1, 3 do
      local event, message, err = parser:next()
      assert.is_nil(event)
      assert.equal("protocol", err.code)
      assert.equal("head", err.stage)
      assert.matches("^response: ", message)
    end
  end)

  it("has the same limits as a client", function()
    for name, case in pairs {
      head = { #HEAD - 1, HEAD }, line = { 16, HEAD },
      lines = { 1, "HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\n\r\n" },
      interim = { 0, "HTTP/1.1 100 Continue\r\n\r\n" }, body = { 3, HEAD },
    } do
      local parser <close> = sluice.http_parser { [name] = case[1] }
      parser:feed(case[2] .. "body")
      local event, _, err
      repeat
        event, _, err = parser:next()
        if event and event.body then event.body:dispose() end
      until not event
      assert.equal("limit", err.code, name)
    end
    local lenient <close> = sluice.http_parser { lenient_lf = true }
    assert.equal("head end", (take(lenient:feed "HTTP/1.1 204 No\nA: b\n\n")))
  end)

  it("decodes codings unless decompress is false", function()
    local name = os.tmpname()
    local file <close> = assert(io.open(name, "wb"))
    file:write(("x"):rep(1 << 20))
    file:close()
    local pipe <close> = assert(io.popen("gzip -nc " .. name))
    local coded = pipe:read "a"
    os.remove(name)
    local wire = ("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s")
      :format(#coded, coded)
    local parser <close> = sluice.http_parser()
    parser:feed(wire)
    assert.same({}, parser:next().headers)
    local size, most = 0, 0
    for event in function() return parser:next() or nil end do
      if event.type == "body" then
        size = size + #event.body
        most = math.max(most, #event.body)
        event.body:dispose()
      end
    end
    assert.equal(1 << 20, size)
    assert.is_true(most <= 1 << 16, most)
    local left <close> = sluice.http_parser { decompress = false }
    local _, body = take(left:feed(wire))
    assert.is_true(body == coded)
  end)

  it("returns bodies that outlive it", function()
    local parser = sluice.http_parser()
    parser:feed(HEAD .. "body")
    parser:next()
    local body <close> = parser:next().body
    parser:dispose()
    assert.equal("body", body:tostring())
  end)

  it("raises for misuse", function()
    assert.error_matches(function() sluice.http_parser { methd = "GET" } end, "methd")
    assert.error(function() sluice.http_parser "GET" end)
    for name, wrong in pairs { head = "1", body = -1, lenient_lf = "no", upgrade = 1,
      close = "yes", decompress = {}, method = "GET\0HEAD" } do
      local ok, message = pcall(function() sluice.http_parser { [name] = wrong } end)
      assert.is_false(ok)
      assert.matches("http_parser.*" .. name .. ": %a+.* expected, got " .. type(wrong), message)
    end
    local parser = sluice.http_parser()
    assert.error(function() parser:feed() end)
    assert.error(function() parser:feed {} end)
    parser:dispose()
    parser:dispose()
    for _, name in ipairs { "feed", "next", "finish", "surplus", "reset" } do
      assert.error_matches(function() parser[name](parser, "x") end, "disposed")
    end
  end)
end)
