-- Public suffixes: of a file, and of libpsl, which must agree on Debian's list.
-- Runs once.

local core = require "sluice.core"
local suffixes = require "sluice.cookies.suffixes"

local DEBIANS = "/usr/share/publicsuffix/public_suffix_list.dat"

describe("a file of public suffixes", function()
  local path

  before_each(function() path = os.tmpname() end)
  after_each(function() os.remove(path) end)

  local function write(text)
    local file <close> = assert(io.open(path, "wb"))
    file:write(text)
  end

  local function read(text)
    write(text)
    return suffixes.read(path)
  end

  it("has rules, wildcards and exceptions, with comments behind them", function()
    local list = assert(read [[
// ===BEGIN===
  // site.example
com
co.uk   a comment
UK
  Indented.example

*.ck
!www.ck
*.compute.site.com
.dot.example
公司.cn
]])
    for domain, expected in pairs {
      com = true, ["site.com"] = false, ["a.site.com"] = false,
      uk = true, ["co.uk"] = true, ["a.co.uk"] = false, ["ac.uk"] = false,
      ck = true, ["foo.ck"] = true, ["a.foo.ck"] = false, ["www.ck"] = false,
      ["a.www.ck"] = false, ["compute.site.com"] = true, ["x.compute.site.com"] = true,
      ["y.x.compute.site.com"] = false, ["dot.example"] = true,
      -- a line is read up to its first blank
      ["indented.example"] = false, ["a.b.ck"] = false, ["xn--55qx5d.cn"] = true,
      ["a.xn--55qx5d.cn"] = false,
      -- without a rule the last label is one
      localhost = true, example = true, ["site.example"] = false,
    } do
      assert.equal(expected, list:is_public(domain), domain)
    end
  end)

  it("is refused if it has no rule, or with the number of a line that is no name", function()
    assert.matches("has no rule", select(2, read "  // nothing"), 1, true)
    for text, reason in pairs {
      [""] = "the file has no rule", ["// nothing\n\n"] = "the file has no rule",
      ["com\n\xFF.cn\n"] = "line 2: the name is no UTF-8",
    } do
      local none, message, err = read(text)
      assert.is_nil(none)
      assert.equal(("read public suffixes of '%s': %s"):format(path, reason), message)
      assert.equal("invalid", err.code)
    end
    local none, message = suffixes.read "/nowhere/list"
    assert.is_nil(none)
    assert.matches("read public suffixes of '/nowhere/list': No such file", message, 1, true)
  end)
end)

describe("the list of libpsl", function()
  it("is there if the core was built with it, and one for all", function()
    local list = suffixes.of_library()
    assert.equal(core.public_suffixes ~= nil, list ~= nil)
    if list then assert.equal(list, suffixes.of_library()) end
  end)

  it("says the same as the file, for each rule and what is above and below it", function()
    local list = suffixes.of_library()
    if not list then return end
    local own, count = assert(suffixes.read(DEBIANS)), 0
    local function compare(domain)
      count = count + 1
      if own:is_public(domain) ~= list:is_public(domain) then
        error(("%s: %s by the file"):format(domain, own:is_public(domain)))
      end
    end
    for _, rules in ipairs { own.rules, own.wildcards, own.exceptions } do
      for domain in pairs(rules) do
        compare(domain)
        compare("a." .. domain)
        compare("www." .. domain)
        compare("b.a." .. domain)
        local above = domain:match "%.(.+)$"
        if above then compare(above) end
      end
    end
    assert.is_true(count > 30000)
  end)
end)
