-- Names beyond ASCII as they are asked for.
-- Runs once.

local punycode = require "sluice.cookies.punycode"

describe("a name beyond ASCII", function()
  -- RFC 3492 7.1 without capitals, names of the public suffix list, and others.
  local names = {
    ["ليهمابتكلموشعربي؟"] = "xn--egbpdaj6bu4bxfgehfvwxn",
    ["他们为什么不说中文"] = "xn--ihqwcrb4cv8a8dqg056pqjye",
    ["למההםפשוטלאמדבריםעברית"] = "xn--4dbcagdahymbxekheh6e0a7fei0b",
    ["почемужеонинеговорятпорусски"] = "xn--b1abfaaepdrnnbgefbadotcwatmq2g4l",
    ["3年b組金八先生"] = "xn--3b-ww4c5e180e575a65lsy2b",
    ["-with-super-monkeys"] = "-with-super-monkeys",
    ["ひとつ屋根の下2"] = "xn--2-u9tlzr9756bt3uc0v",
    ["パフィーdeルンバ"] = "xn--de-jg4avhby1noc0d",
    ["bücher.example"] = "xn--bcher-kva.example",
    ["公司.cn"] = "xn--55qx5d.cn",
    ["*.sch.ä.uk"] = "*.sch.xn--4ca.uk",
    ["straße"] = "xn--strae-oqa",
    -- Two at the edges of how the first distance is scaled down, and one with a long second one.
    ["ẓấ"] = "xn--8jgyb",
    ["ᯘᯤ"] = "xn--9yfya",
    ["僔蠷笴"] = "xn--t1qy64hrfi",
    ["site.example"] = "site.example",
    [""] = "",
  }

  it("has one form in ASCII", function()
    for name, expected in pairs(names) do assert.equal(expected, (punycode.domain(name))) end
  end)

  it("is refused if it is no UTF-8", function()
    for _, name in ipairs { "\xFF", "a.\xC3", "\xED\xA0\x80.example" } do
      assert.same({ nil, "the name is no UTF-8" }, { punycode.domain(name) })
    end
  end)
end)
