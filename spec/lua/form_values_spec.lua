-- Values of forms. What every serializer promises is in serializers_spec.lua.
-- Runs once.

local form = require "sluice.form_values"
local sluice = require "sluice"

local function encoded(value)
  local writer <close> = sluice.writer()
  local ok, message, err = form.encode(value, writer)
  return ok and writer:view(), message, err
end

describe("a form", function()
  it("is read as a map of strings, with arrays for names that come again", function()
    for text, value in pairs {
      [""] = {},
      ["a=1&b=2"] = { a = "1", b = "2" },
      ["a=1&a=2&b=3&a=4"] = { a = { "1", "2", "4" }, b = "3" },
      ["a+b=c+d%2B&%C3%A9=%00"] = { ["a b"] = "c d+", ["\u{e9}"] = "\0" },
      ["a&&b=&=c&"] = { a = "", b = "", [""] = "c" },
      ["a=b=c"] = { a = "b=c" },
      ["a=1;b=2"] = { a = "1;b=2" },
    } do
      assert.same(value, form.decode(text), text)
    end
  end)

  it("is refused where its escapes are malformed, with the place of the pair", function()
    for text, position in pairs { ["a=%"] = 1, ["a=1&b=%2&c"] = 5, ["a=1&&%zz=2"] = 6 } do
      local value, message, err = form.decode(text)
      assert.is_nil(value)
      assert.equal(("decode form: byte %d: malformed percent-encoding"):format(position), message)
      assert.equal("decode", err.code)
      assert.equal(position, err.position)
    end
  end)

  it("is written as the option `form` is", function()
    assert.equal("a=1&b=x+y&b=2.5&c=true", encoded { c = true, a = 1.0, b = { "x y", 2.5 } })
    assert.equal("b=1&a=%26", encoded { { "b", 1 }, { "a", "&" } })
    assert.equal("", encoded {})
    for _, value in ipairs { "a=1", 5, { print }, { a = print }, { a = { { 1 } } },
      { [1.5] = 1 } } do
      local ok, message, err = encoded(value)
      assert.is_falsy(ok)
      assert.matches("^encode form: ", message)
      assert.equal("invalid", err.code)
    end
  end)
end)
