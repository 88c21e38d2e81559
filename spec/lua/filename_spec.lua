-- response.filename: names that servers propose, and what is left of them.

local filename = require "sluice.filename"
local sluice = require "sluice"
local support = require "spec.support"

local function name_of(disposition)
  return filename { headers = { ["Content-Disposition"] = disposition } }
end

describe("the file name of a response", function()
  it("is that of Content-Disposition, in each of its forms", function()
    for disposition, name in pairs {
      ["attachment; filename=a.txt"] = "a.txt",
      ['attachment; filename="a b.txt"'] = "a b.txt",
      ["inline;FileName = a.txt ; x=y"] = "a.txt",
      ["attachment; filename=a b, c.txt"] = "a b, c.txt",
      ['attachment; filename="a \\"b\\" c.txt"'] = "a _b_ c.txt",
      ["attachment; filename=\"EURO rates\"; filename*=utf-8''%e2%82%ac%20rates"] =
        "\u{20ac} rates",
      ["attachment; filename*=iso-8859-1'en'%A3%20rates; filename=x"] = "\u{a3} rates",
      ["attachment; filename*=UTF-8''%ff; filename=x"] = "x",
      ['attachment; filename="caf\xe9.txt"'] = "caf\u{e9}.txt",
      ['attachment; filename="caf\u{e9}.txt"'] = "caf\u{e9}.txt",
      ['attachment; filename="a%20b.txt"'] = "a%20b.txt",
      ['attachment; filename="not ended'] = "not ended",
    } do
      assert.equal(name, name_of(disposition), disposition)
    end
  end)

  it("is nil where there is none, or nothing is left of it", function()
    assert.is_nil(name_of(nil))
    for _, disposition in ipairs { "", "attachment", "attachment; name=x", "attachment; filename=",
      'attachment; filename=""', "attachment; filename=.", "attachment; filename=..",
      "attachment; filename=/", "attachment; filename=a/", 'attachment; filename="\t \x7f"',
      "attachment; filename*=UTF-8''%00%0d%0a", 'attachment; filename="..\\\\..\\\\"',
      "attachment; filename*=bad" } do
      assert.is_nil(name_of(disposition), disposition)
    end
  end)

  it("has no folder, no controls, and is not hidden", function()
    for name, safe in pairs {
      ["../../etc/passwd"] = "passwd",
      ["/etc/passwd"] = "passwd",
      ["C:\\Windows\\x.dll"] = "x.dll",
      ["a/../b.txt"] = "b.txt",
      [".bashrc"] = "bashrc",
      ["...a.."] = "a",
      [" a . "] = "a",
      ["a\0b\r\nc\x1b[2J\x7f"] = "abc[2J",
      ["a:b|c?d*e<f>g\"h"] = "a_b_c_d_e_f_g_h",
      ["x\u{202e}txt.exe"] = "xtxt.exe",
      ["a\u{85}\u{9f}\u{feff}\u{2066}\u{200b}b"] = "ab",
      ["~"] = "~", ["-rf"] = "-rf", ["$(x)"] = "$(x)",
    } do
      local coded = name:gsub("[^%w]", function(byte) return ("%%%02x"):format(byte:byte()) end)
      assert.equal(safe, name_of("attachment; filename*=UTF-8''" .. coded), name)
    end
  end)

  it("is no device", function()
    for name, safe in pairs { ["CON"] = "_CON", ["con.txt"] = "_con.txt",
      ["Lpt1.a.b"] = "_Lpt1.a.b", ["aux .x"] = "_aux .x", ["com0"] = "_com0", ["cone"] = "cone",
      ["a.con"] = "a.con", ["my con.txt"] = "my con.txt", ["PRN.x"] = "_PRN.x",
      ["com9"] = "_com9", ["lpt9.txt"] = "_lpt9.txt", ["nul"] = "_nul", ["com10"] = "com10" } do
      assert.equal(safe, name_of(('attachment; filename="%s"'):format(name)))
    end
  end)

  it("is at most 255 bytes long, and keeps its extension and whole characters", function()
    local function cut(name) return name_of(('attachment; filename="%s"'):format(name)) end
    assert.equal(("x"):rep(255), cut(("x"):rep(255)))
    assert.equal(("x"):rep(255), cut(("x"):rep(256)))
    assert.equal(("x"):rep(251) .. ".txt", cut(("x"):rep(300) .. ".txt"))
    assert.equal(("x"):rep(255), cut(("x"):rep(300) .. "." .. ("y"):rep(16)))
    local extension = "." .. ("y"):rep(15)
    assert.equal(("x"):rep(239) .. extension, cut(("x"):rep(300) .. extension))
    assert.equal(("\u{e9}"):rep(127), cut(("\u{e9}"):rep(200)))
    assert.equal(("\u{20ac}"):rep(85), cut(("\u{20ac}"):rep(100)))
    assert.equal(("\u{20ac}"):rep(83) .. ".txt", cut(("\u{20ac}"):rep(100) .. ".txt"))
    assert.equal(("x"):rep(254), cut(("x"):rep(254) .. (" "):rep(60000) .. "y"))
  end)

  it("takes time in proportion to the field", function()
    local from = support.system.clock()
    for _, unit in ipairs { "a/", " ", ".", "\\\\", "\xe9", "a ", "\u{202e}" } do
      name_of(('attachment; filename="%s/x"'):format(unit:rep(60000 // #unit)))
      name_of(('attachment; filename="%s"'):format(unit:rep(60000 // #unit)))
    end
    assert.is_true(support.system.clock() - from < 10)
  end)

  it("is a property of each response, which a file can be saved by", function()
    local before = support.snapshot(sluice)
    do
      local client <close> = support.client()
      local p <close> = support.peer.listen { script = { { { "expect_until", "\r\n\r\n" },
        { "send", 'HTTP/1.1 200 OK\r\nContent-Disposition: attachment; filename="../a.txt"\r\n'
          .. "Content-Length: 0\r\n\r\n" }, { "stall" } } } }
      local response <close> = assert(client:get(p.url .. "/"))
      assert.equal("a.txt", response.filename)
    end
    support.verify(sluice, before)
  end)
end)
