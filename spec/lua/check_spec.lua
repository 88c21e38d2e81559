-- Option tables are checked where they are given: each checker, and the messages of refusals. The
-- options themselves are in spec/journeys/options_spec.lua.

local check = require "sluice.check"
local sluice = require "sluice"
local support = require "spec.support"

-- Nothing: the value passes.
local function wrong_with(checker, value) return (checker(value)) end

describe("a checker", function()
  for name, values in pairs {
    string = { good = { "", "a", "a\0b" }, bad = { 5, true, {}, print } },
    text = { good = { "", "a" }, bad = { "a\0b", 5, {} } },
    content = { good = { "a" }, bad = { "", 5, {} } },
    boolean = { good = { true, false }, bad = { 0, "true", {} } },
    table = { good = { {}, { 1 } }, bad = { 0, "x", print } },
    callable = { good = { print, function() end }, bad = { 0, "x", {} } },
    seconds = { good = { 0, 1, 0.5, math.huge }, bad = { -1, -0.1, 0 / 0, "1", {} } },
    count = { good = { 0, 1, math.maxinteger }, bad = { -1, 1.0, "1", math.huge } },
    positive = { good = { 1, math.maxinteger }, bad = { 0, -1, 1.5, "1" } },
    port = { good = { 1, 80, 65535 }, bad = { 0, 65536, 80.5, "80" } },
    off = { good = { false }, bad = { true, 0, "false" } },
  } do
    it("accepts its own type and nothing else: " .. name, function()
      for _, value in ipairs(values.good) do assert.is_nil(wrong_with(check[name], value)) end
      for _, value in ipairs(values.bad) do
        assert.is_string(wrong_with(check[name], value), tostring(value))
      end
    end)
  end

  it("accepts one of the listed names", function()
    local mode = check.one_of("stream", "completion")
    assert.is_nil(wrong_with(mode, "stream"))
    assert.equal("'stream' or 'completion'", wrong_with(mode, "streem"))
    assert.equal("'stream' or 'completion'", wrong_with(mode, 1))
  end)

  it("accepts an array only without holes, other keys or too many values", function()
    local numbers = check.array("numbers", 3, function(v) return type(v) == "number" end, 1)
    for _, good in ipairs { { 1 }, { 1, 2, 3 } } do assert.is_nil(wrong_with(numbers, good)) end
    for _, bad in ipairs { {}, { 1, 2, 3, 4 }, { "a" }, { 1, x = 2 }, { [2] = 1 } } do
      assert.equal("numbers", wrong_with(numbers, bad))
    end
    assert.equal("numbers", wrong_with(numbers, 1))
  end)

  it("accepts what one of several checkers accepts, and names an inner key", function()
    local either = check.either("false or table", check.off, check.fields { a = check.count })
    assert.is_nil(wrong_with(either, false))
    assert.is_nil(wrong_with(either, { a = 1 }))
    assert.equal("false or table", wrong_with(either, true))
    assert.same({ check.count(-1), "a" }, { either { a = -1 } })
    local inner = check.fields { size = check.count }
    assert.same({ nil, "sise", "size" }, { check.either("table", inner) { sise = 1 } })
    assert.same({ nil, "b", { a = check.count } }, { either { b = 1 } })
  end)
end)

describe("a table of options", function()
  local schema = {
    size = check.count, inner = check.fields { deep = check.boolean },
    list = function(list) return "list without 'a'", "names", ("'%s'"):format(list.names[1]) end,
  }

  local function refusal(options)
    local ok, message = pcall(function() check.options("make", options, schema) end)
    assert.is_false(ok)
    return message
  end

  it("may lack any option", function()
    check.options("make", {}, schema)
    check.options("make", { size = 1, inner = { deep = false } }, schema)
  end)

  it("is refused with the function, the option and what was expected", function()
    for message, options in pairs {
      ["make: unknown option 'sise': did you mean 'size'?"] = { sise = 1 },
      ["make: unknown option '1': make has inner, list, size"] = { 1 },
      ["make: unknown option 'depth': make has inner, list, size"] = { depth = 1 },
      ["make: unknown option 'inner.depth': inner has deep"] = { inner = { depth = 1 } },
      ["make: option 'size': integer, not negative expected, got string"] = { size = "1" },
      ["make: option 'size': integer, not negative expected, got -1"] = { size = -1 },
      ["make: option 'size': integer, not negative expected, got 1.5"] = { size = 1.5 },
      ["make: option 'inner': table expected, got number"] = { inner = 1 },
      ["make: option 'inner.deep': boolean expected, got number"] = { inner = { deep = 1 } },
      ["make: option 'list.names': list without 'a' expected, got 'a'"] =
        { list = { names = { "a" } } },
    } do
      assert.equal(message, (refusal(options):gsub("^.-:%d+: ", "")))
    end
    assert.matches("make: table of options expected, got number", refusal(5), 1, true)
  end)

  it("is refused at the caller's line", function()
    local line = debug.getinfo(1, "l").currentline + 1
    local ok, message = pcall(function() check.options("make", { no = 1 }, schema) end)
    assert.is_false(ok)
    assert.matches(("check_spec.lua:%d: "):format(line), message, 1, true)
  end)
end)

describe("an unknown option", function()
  local client

  support.verify_each(function(keep) client = keep(support.client()) end)

  local function message_of(f, ...)
    local ok, message = pcall(f, ...)
    assert.is_false(ok)
    return (message:gsub("^[^\n]-:%d+: ", ""))
  end

  local function of_request(name)
    return message_of(client.get, client, "http://127.0.0.1:1/", { [name] = 1 })
  end

  local function of_client(name) return message_of(sluice.client, { [name] = 1 }) end

  it("that other libraries have is reported with its name in this library", function()
    for name, meant in pairs {
      data = "'body'", params = "'query'", allow_redirects = "'redirects'", token = "'auth'",
      connect_timeout = "'timeout.connect'", proxies = "'proxy'",
    } do
      assert.equal(("request: unknown option '%s': did you mean %s?"):format(name, meant),
        of_request(name))
    end
    assert.equal("client: unknown option 'verify': did you mean 'tls.verify'?", of_client "verify")
    assert.equal("client: unknown option 'baseURL': did you mean 'base_url'?", of_client "baseURL")
  end)

  it("that only a client has is reported as such", function()
    assert.equal("request: unknown option 'verify': did you mean 'tls.verify' of the client?",
      of_request "verify")
    assert.equal("request: unknown option 'tls': it is an option of the client", of_request "tls")
  end)

  it("that resembles an option is reported with that option's name", function()
    for name, meant in pairs { header = "headers", stram = "stream", time_out = "timeout",
      Query = "query" } do
      assert.equal(("request: unknown option '%s': did you mean '%s'?"):format(name, meant),
        of_request(name))
    end
  end)

  it("that resembles no option is reported without a suggestion", function()
    for _, name in ipairs { "colour", "x", "", 5 } do
      assert.equal(("request: unknown option '%s'"):format(name), of_request(name))
      assert.equal(("client: unknown option '%s'"):format(name), of_client(name))
    end
  end)
end)

describe("a method of a client", function()
  it("called with a dot is reported at the caller's line", function()
    local client <close> = support.client()
    for _, name in ipairs { "get", "head", "post", "put", "patch", "delete", "options", "request",
      "use", "build", "stats", "close" } do
      local ok, message = pcall(function() client[name]("http://127.0.0.1:1/") end)
      assert.is_false(ok)
      assert.matches("^[^\n]*check_spec.lua:%d+: " .. name .. ": called without a client: write "
        .. "client:" .. name .. "%(...%), with a colon$", message)
    end
  end)

  it("called on the module with a colon is reported at the caller's line", function()
    for _, name in ipairs { "get", "head", "post", "put", "patch", "delete", "options", "pages",
      "events", "download", "websocket" } do
      local ok, message = pcall(function() sluice[name](sluice, "http://127.0.0.1:1/") end)
      assert.is_false(ok)
      assert.matches("check_spec.lua:%d+: " .. name .. ": write sluice%." .. name
        .. "%(url%), with a dot$", message)
    end
  end)
end)
