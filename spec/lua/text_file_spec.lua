-- Text files of a user, line by line.
-- Runs once.

local text_file = require "sluice.text_file"

describe("a text file", function()
  local path

  before_each(function() path = os.tmpname() end)
  after_each(function() os.remove(path) end)

  local function write(text)
    local file <close> = assert(io.open(path, "wb"))
    file:write(text)
  end

  local function lines_of(text)
    write(text)
    local lines = {}
    assert(text_file.each_line("read", path, function(line) lines[#lines + 1] = line end))
    return lines
  end

  it("has its lines without their ends, the last one with or without an end", function()
    assert.same({}, lines_of "")
    assert.same({ "a", "", "b" }, lines_of "a\n\nb\n")
    assert.same({ "a", "b" }, lines_of "a\r\nb")
    assert.same({ "a\rb", "\0" }, lines_of "a\rb\n\0\n")
    local long = ("x"):rep(16384)
    assert.same({ long, "y", long }, lines_of(long .. "\ny\n" .. long))
    local expected, text = {}, {}
    for i = 1, 20000 do
      expected[i] = ("line %d"):format(i)
      text[i] = expected[i] .. "\n"
    end
    assert.same(expected, lines_of(table.concat(text)))
  end)

  it("is refused with the number of the line at fault", function()
    write "one\ntwo\nthree\n"
    local seen = 0
    local none, message, err = text_file.each_line("read", path, function(line)
      seen = seen + 1
      return line == "two" and "it is two" or nil
    end)
    assert.is_nil(none)
    assert.equal(("read '%s': line 2: it is two"):format(path), message)
    assert.equal("invalid", err.code)
    assert.equal(2, seen)
  end)

  it("is refused if a line is too long, however long it is", function()
    for _, size in ipairs { 16385, 70000, 1 << 20 } do
      for _, behind in ipairs { "", "\n" } do
        write("one\n" .. ("x"):rep(size) .. behind)
        local none, message = text_file.each_line("read", path, function() end)
        assert.is_nil(none)
        assert.equal(("read '%s': line 2: the line is too long"):format(path), message)
      end
    end
  end)

  it("is refused if it is not there, or no regular file", function()
    for name, reason in pairs {
      ["/nowhere/file"] = "No such file or directory", ["/dev/zero"] = "regular file expected",
      ["/tmp"] = "regular file expected", ["a\0b"] = "zero byte",
    } do
      local none, message, err = text_file.each_line("read", name, function() end)
      assert.is_nil(none)
      assert.matches(reason, message, 1, true)
      assert.equal("invalid", err.code)
    end
    assert.equal("read 'a\\x0Ab'", text_file.attempt("read", "a\nb"))
  end)
end)
