-- Values of the caller as text, and bytes of anybody's in a message.
-- Runs once.

local values = require "sluice.values"

describe("a value as text", function()
  it("is a number that reads back as the same one", function()
    for text, value in pairs {
      ["5"] = 5.0, ["-5"] = -5, ["0"] = -0.0, ["9223372036854775807"] = math.maxinteger,
      ["1700000000123456"] = 1700000000123456.0, ["0.1"] = 0.1, ["1.5e-07"] = 1.5e-7,
      ["0.30000000000000004"] = 0.1 + 0.2, ["1e+300"] = 1e300,
    } do
      assert.equal(text, values.text(value))
    end
    for _ = 1, 2000 do
      local number = (math.random() - 0.5) * 10.0 ^ math.random(-300, 300)
      local text = values.text(number)
      assert.equal(number, tonumber(text))
      local digits = text:match("^[^e]*"):gsub("[-.]", ""):gsub("^0+", "")
      assert.is_true(#digits <= 17 or text:find "^-?%d+$" ~= nil, text)
    end
  end)

  it("has a point in every locale", function()
    local before = os.setlocale(nil, "numeric")
    for _, name in ipairs { "de_DE.UTF-8", "fr_FR.UTF-8", "C" } do
      os.setlocale(name, "numeric")
      assert.equal("0.5", values.text(0.5))
    end
    os.setlocale(before, "numeric")
  end)

  it("is what __tostring says", function()
    local meta = { __tostring = function(self) return "id " .. self.id end }
    assert.equal("id 7", values.text(setmetatable({ id = 7 }, meta)))
  end)

  it("is refused for everything else", function()
    for what, value in pairs {
      ["a table"] = {}, ["a boolean"] = true, ["a function"] = print,
      ["a thread"] = coroutine.create(print), ["an infinite number"] = math.huge,
      ["a number that is none (nan)"] = 0 / 0,
    } do
      local text, wrong = values.text(value)
      assert.is_nil(text)
      assert.equal(what, wrong)
    end
    assert.same({ nil, "nothing" }, { values.text(nil) })
    local buffer <close> = require "sluice".buffer()
    local sequence <close> = buffer:sequence()
    assert.same({ nil, "a sluice.sequence" }, { values.text(sequence) })
    assert.same({ nil, "a file" }, { values.text(io.stdout) })
  end)
end)

describe("the elements of an array", function()
  it("are counted, unless some are missing", function()
    assert.equal(0, values.count {})
    assert.equal(3, values.count { "a", "b", false })
    for wrong, array in pairs {
      ["element 2 is missing (a hole)"] = { 1, nil, 3 },
      ["element 1 is missing (a hole)"] = { nil, 2 },
      ["an array has no key 'x\\x0Ay'"] = { 1, ["x\ny"] = 2 },
      ["an array has no key '0'"] = { 1, [0] = 2 },
      ["an array has no key '1.5'"] = { 1, [1.5] = 2 },
    } do
      assert.same({ nil, wrong }, { values.count(array) })
    end
  end)
end)

describe("bytes in a message", function()
  it("are printable, and not too many", function()
    assert.equal("a\\x0D\\x0Ab\\xFF", values.shown("a\r\nb\xff", 64))
    assert.equal("abc...", values.shown("abcdef", 3))
  end)
end)
