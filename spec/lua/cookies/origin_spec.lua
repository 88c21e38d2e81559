-- An origin with a jar: which line each sending gets, and what fills the jar. The core's origin is
-- played by a table here; journeys/cookies_spec.lua has the real one.
-- Runs once.

local CookieOrigin = require "sluice.cookies.origin"
local plan = require "sluice.plan"
local sluice = require "sluice"

describe("an origin with a jar", function()
  local jar, calls, outcome
  local time = os.time

  local core_origin = {}
  core_origin.__index = core_origin

  for _, name in ipairs { "send", "begin" } do
    core_origin[name] = function(_, head, options, info, content, is_stream, size, lines, ...)
      calls[#calls + 1] = { name, head, options, info, content, is_stream, size, lines or "", ... }
      return table.unpack(outcome, 1, 4)
    end
  end
  function core_origin.wait(_, response)
    calls[#calls + 1] = { "wait", response }
    return table.unpack(outcome, 1, 4)
  end

  local function make(list, url, is_relayed)
    return CookieOrigin.new(setmetatable({}, core_origin), jar,
      assert(plan.parse(url or "http://site.com/a")), list or {}, is_relayed or false)
  end

  local function lines_of_last() return calls[#calls][8] end

  before_each(function()
    calls, outcome = {}, { nil, "failed", { code = "closed" } }
    jar = assert(sluice.cookie_jar())
  end)
  after_each(function() rawset(os, "time", time) end)

  it("passes everything on, and the outcome back", function()
    local origin = make()
    local err = outcome[3]
    assert.same({ nil, "failed", err },
      { origin:send("head", "options", "info", "body", true, 5, nil, 9, "login") })
    assert.same({ "send", "head", "options", "info", "body", true, 5, "", 9, "login" }, calls[1])
    assert.same({ nil, "failed", err },
      { origin:begin("head", "options", "info", "body", false, 5, "X: y\r\n", 9, "login") })
    assert.same({ "begin", "head", "options", "info", "body", false, 5, "X: y\r\n", 9, "login" },
      calls[2])
    assert.same({ nil, "failed", err }, { origin:wait "response" })
    assert.same({ "wait", "response" }, calls[3])
  end)

  it("adds the line of the jar before other lines", function()
    jar:set { name = "a", value = "b", domain = "site.com" }
    local origin = make()
    origin:send()
    assert.equal("Cookie: a=b\r\n", lines_of_last())
    origin:send(nil, nil, nil, nil, nil, nil, "X: y\r\n")
    assert.equal("Cookie: a=b\r\nX: y\r\n", lines_of_last())
    origin:begin()
    assert.equal("Cookie: a=b\r\n", lines_of_last())
  end)

  it("makes one field of the caller's own Cookie and the jar's", function()
    jar:set { name = "a", value = "jar", domain = "site.com" }
    jar:set { name = "c", value = "d", domain = "site.com" }
    local list = { "X", "y", "cookie", "a=own", "Z", "z" }
    local origin = make(list)
    assert.same({ "X", "y", "Z", "z" }, list)
    origin:send()
    assert.equal("Cookie: a=own; c=d\r\n", lines_of_last())
    jar:clear()
    origin:send()
    assert.equal("Cookie: a=own\r\n", lines_of_last())
    origin = make { "Cookie", "" }
    origin:send()
    assert.equal("", lines_of_last())
  end)

  it("makes the line anew exactly when the jar has changed or one of its cookies ends", function()
    local now, made = 1700000000, 0
    rawset(os, "time", function() return now end)
    local matching = jar.matching
    jar.matching = function(...)
      made = made + 1
      return matching(...)
    end
    local origin = make()
    local function sends(expected, count)
      origin:send()
      assert.equal(expected, lines_of_last())
      assert.equal(count, made)
    end
    sends("", 1)
    sends("", 1)
    jar:set { name = "a", value = "b", domain = "site.com", expires = now + 10 }
    sends("Cookie: a=b\r\n", 2)
    jar:set { name = "a", value = "b", domain = "site.com", expires = now + 20 }
    sends("Cookie: a=b\r\n", 2)
    now = now + 10 -- when the line says so it is made again
    sends("Cookie: a=b\r\n", 3)
    sends("Cookie: a=b\r\n", 3)
    now = now + 10
    sends("", 4)
    sends("", 4)
    jar:set { name = "x", value = "y", domain = "other.com" }
    sends("", 5)
  end)

  it("notes the use of cookies with a line that was made before, too", function()
    jar:set { name = "first", value = "v", domain = "site.com" }
    local origin = make()
    origin:send()
    for i = 1, 49 do jar:set { name = "n" .. i, value = "v", domain = "site.com", path = "/x" } end
    origin:send()
    for i = 50, 60 do
      jar:set { name = "n" .. i, value = "v", domain = "site.com", path = "/x" }
      origin:send()
    end
    assert.equal("Cookie: first=v\r\n", lines_of_last())
  end)

  it("fills the jar from a head that came before a failure", function()
    outcome[4] = { "a=b", "c=d" }
    local origin = make()
    origin:send()
    assert.equal("b", jar:get("http://site.com/", "a"))
    jar:clear()
    origin:wait()
    assert.equal("d", jar:get("http://site.com/", "c"))
  end)

  it("sends nothing secure through a proxy without TLS", function()
    jar:set { name = "a", value = "b", domain = "localhost", secure = true }
    make({}, "http://localhost/"):send()
    assert.equal("Cookie: a=b\r\n", lines_of_last())
    make({}, "http://localhost/", true):send()
    assert.equal("", lines_of_last())
  end)
end)
