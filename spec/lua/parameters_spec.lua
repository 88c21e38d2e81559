-- Parameters in values of header fields: each form, and whatever servers make of them.
-- Runs once.

local parameters = require "sluice.parameters"
local support = require "spec.support"

describe("parameters", function()
  it("are tokens and quoted strings, with names in any case", function()
    for text, expected in pairs {
      [""] = {},
      ["; a=1"] = { a = "1" },
      [" ;A=1;b=2"] = { a = "1", b = "2" },
      ["; a = 1 ; b\t=\t2 "] = { a = "1", b = "2" },
      [";;; a=1;;b;"] = { a = "1", b = "" },
      ['; a="x; y=\\"z\\\\" ; b=c'] = { a = 'x; y="z\\', b = "c" },
      ['; a=""'] = { a = "" },
      ["; a=1; A=2"] = { a = "1" },
      ["; a=x y z ; b=1"] = { a = "x y z", b = "1" },
      ["; a*=UTF-8''%e2%82%ac"] = { ["a*"] = "UTF-8''%e2%82%ac" },
    } do
      assert.same(expected, (parameters.read(text, 1, ";")), text)
    end
  end)

  it("that are malformed give what can be read of them", function()
    for text, expected in pairs {
      ["a=1"] = {},
      ["; =1; b=2"] = {},
      ['; a="not ended'] = { a = "not ended" },
      ['; a="ends in \\'] = { a = "ends in " },
      ['; a="x"y; b=1'] = { a = "x" },
      ["; a=\xff\0"] = { a = "\xff\0" },
      [";"] = {},
    } do
      assert.same(expected, (parameters.read(text, 1, ";")), text)
    end
  end)

  it("end at a comma in a list, but not within quotes", function()
    local text = '<x>; a="1,2"; b=3 , <y>; c=4'
    local found, behind = parameters.read(text, 4, ";,")
    assert.same({ a = "1,2", b = "3" }, found)
    assert.equal(", <y>; c=4", text:sub(behind))
    assert.same({ a = "1", b = "3 , <y>" }, (parameters.read("; a=1; b=3 , <y>", 1, ";")))
  end)

  it("that are extended have UTF-8 or ISO-8859-1, and come first if they can be read", function()
    for value, expected in pairs {
      ["UTF-8''%e2%82%ac%20rates"] = "\u{20ac} rates",
      ["utf-8'en'plain"] = "plain",
      ["iso-8859-1'en'%A3%20rates"] = "\u{a3} rates",
      ["UTF-8''%ff"] = "plain one",
      ["UTF-8''%e"] = "plain one",
      ["UTF-16''a"] = "plain one",
      ["'UTF-8''a"] = "plain one",
      ["no quotes"] = "plain one",
      [""] = "plain one",
    } do
      local found = { title = "plain one", ["title*"] = value }
      assert.equal(expected, parameters.extended(found, "title"))
    end
    assert.equal("x", parameters.extended({ title = "x" }, "title"))
    assert.is_nil(parameters.extended({}, "title"))
    assert.is_nil(parameters.extended({ ["title*"] = "bad" }, "title"))
  end)

  it("become UTF-8 where they are none", function()
    assert.equal("caf\u{e9}", parameters.to_utf8 "caf\u{e9}")
    assert.equal("caf\u{e9}", parameters.to_utf8 "caf\xe9")
    assert.equal("a\0b", parameters.to_utf8 "a\0b")
  end)

  it("take time in proportion to their length", function()
    local function seconds(text)
      local from = support.system.clock()
      parameters.read(text, 1, ";")
      return support.system.clock() - from
    end
    for _, text in ipairs { (";"):rep(65536) .. "=", "; a=x" .. (" "):rep(65536) .. "b",
      '; a="' .. ("\\x"):rep(32768), ("; a=1"):rep(13000), "; a" .. (" "):rep(65536) .. "=" } do
      assert.is_true(seconds(text) < 2)
    end
  end)
end)
