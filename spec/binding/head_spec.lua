-- Heads that the core makes for the Lua layer.
-- Runs once.

local core = require "sluice.core"

describe("a head of the core", function()
  local function fails(expected, ...)
    local head, message, err = core.head(...)
    assert.is_nil(head)
    assert.equal(expected, message)
    assert.equal("invalid", err.code)
  end

  it("is made of a request line and two lists of fields", function()
    local head = assert(core.head("GET", "/", "a", { "A", "1" }, { "B", "2" }, true))
    assert.equal("userdata", type(head))
    assert(core.head("GET", "/", "", {}, {}))
  end)

  it("names a field that could split it, in either list", function()
    for _, place in ipairs { 1, 2 } do
      for name, value in pairs { ["A B"] = "1", A = "1\r\nB: 2", [""] = "" } do
        local lists = { { "X", "1" }, { "Y", "2" } }
        table.move({ name, value }, 1, 2, 3, lists[place])
        local head, message, err = core.head("GET", "/", "a", lists[1], lists[2], false)
        assert.is_nil(head)
        assert.equal("invalid", err.code)
        assert.equal(1, (message:find(("header '%s': "):format(name), 1, true)), message)
      end
    end
    fails("request method 'G T': not a token", "G T", "/", "a", {}, {})
    fails("request line: the request target is empty", "GET", "", "a", {}, {})
  end)

  it("has a limit for its size", function()
    local head, _, err = core.head("GET", "/", "a", { "A", ("x"):rep(1 << 20) }, {}, false)
    assert.is_nil(head)
    assert.equal("limit", err.code)
  end)

  it("is not a string, and is made of strings only", function()
    assert.has_error(function() core.head("GET", "/", "a", { "A", {} }, {}) end)
    assert.has_error(function() core.head("GET", "/", "a", {}) end)
    assert.has_error(function() core.head("GET", "/", nil, {}, {}) end)
  end)
end)
