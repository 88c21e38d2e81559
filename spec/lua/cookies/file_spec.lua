-- Files of cookies in Netscape's format: what is read, what is refused, what is written.
-- Runs once.

local cookie_file = require "sluice.cookies.file"

local NOW = 1700000000

describe("a file of cookies", function()
  local path

  before_each(function()
    path = os.tmpname()
    os.remove(path)
  end)
  after_each(function() os.remove(path) end)

  local function write(text)
    local file <close> = assert(io.open(path, "wb"))
    file:write(text)
  end

  local function read_text()
    local file <close> = assert(io.open(path, "rb"))
    return file:read "a"
  end

  local function read(text)
    write(text)
    return cookie_file.read(path, NOW)
  end

  local function cookie(changes)
    local made = { name = "a", value = "b", domain = "site.example", host_only = true, path = "/",
      secure = false, http_only = false }
    for key, value in pairs(changes or {}) do made[key] = value end
    return made
  end

  it("has seven fields in a line, comments, and #HttpOnly_ before a domain", function()
    local list = assert(read("# Netscape HTTP Cookie File\n# a comment\n\n \t\n#\n"
      .. "site.example\tFALSE\t/\tFALSE\t0\ta\tb\n"
      .. ".Site.Example\tTRUE\t/x\tTRUE\t1700000010\tname\tv=1, w\r\n"
      .. "#HttpOnly_site.example\tfalse\t/\tFALSE\t\t\tvalue alone\n"
      .. "127.0.0.1\tFALSE\t/\tFALSE\t-5\tempty\t\n"
      .. "::1\tFALSE\t/\tFALSE\t1700000010\tlost"))
    assert.same({
      cookie(),
      cookie { domain = "site.example", host_only = false, path = "/x", secure = true,
        expires = NOW + 10, name = "name", value = "v=1, w" },
      cookie { http_only = true, name = "", value = "value alone" },
      cookie { domain = "127.0.0.1", expires = -5, name = "empty", value = "" },
      cookie { domain = "::1", expires = NOW + 10, name = "lost", value = "" },
    }, list)
  end)

  it("is bounded: nothing lasts longer than 400 days", function()
    for _, expires in ipairs { "99999999999", ("9"):rep(100) } do
      local list = assert(read("site.example\tFALSE\t/\tFALSE\t" .. expires .. "\ta\tb\n"))
      assert.equal(NOW + 400 * 86400, list[1].expires)
    end
    local list = assert(read("site.example\tFALSE\t/\tFALSE\t-" .. ("9"):rep(100) .. "\ta\tb\n"))
    assert.is_true(list[1].expires < NOW)
  end)

  it("is refused with the number of a line that is wrong, and without its value", function()
    local good = "site.example\tFALSE\t/\tFALSE\t0\ta\tb\n"
    for line, reason in pairs {
      ["secret"] = "7 fields between tabs expected, got 1",
      ["site.example FALSE / FALSE 0 a secret"] = "7 fields between tabs expected, got 1",
      ["site.example\tFALSE\t/\tFALSE\t0\ta\tsecret\tmore"] =
        "7 fields between tabs expected, got 8",
      ["site.example\tno\t/\tFALSE\t0\ta\tsecret"] = "field 2 is neither TRUE nor FALSE",
      ["site.example\tFALSE\t/\tsecret\t0\ta\tb"] = "field 4 is neither TRUE nor FALSE",
      ["site.example\tFALSE\t/\tFALSE\tsecret\ta\tb"] = "expires is not a number",
      ["site.example\tFALSE\t/\tFALSE\t1e9\ta\tb"] = "expires is not a number",
      ["\tFALSE\t/\tFALSE\t0\ta\tsecret"] = "the domain is no host name or address",
      ["a b\tFALSE\t/\tFALSE\t0\ta\tsecret"] = "the domain is no host name or address",
      ["..x\tTRUE\t/\tFALSE\t0\ta\tsecret"] = "the domain is no host name or address",
      ["site.example\tFALSE\tx\tFALSE\t0\ta\tsecret"] =
        "the path does not begin with /, is too long, or has a control character or ;",
      ["site.example\tFALSE\t/\tFALSE\t0\t\t"] = "neither name nor value",
      ["site.example\tFALSE\t/\tFALSE\t0\ta\tsecret\0"] = "a control character",
      ["site.example\tFALSE\t/\tFALSE\t0\ta=\tsecret"] =
        "the name contains '=' or ';', or the value ';'",
      ["site.example\tFALSE\t/\tFALSE\t0\ta\t secret"] = "blanks around the name or the value",
      ["site.example\tFALSE\t/\tFALSE\t0\ta\t" .. ("secret"):rep(700)] =
        "name and value exceed 4096 bytes",
      ["site.example\tFALSE\t/\tFALSE\t0\ta\t" .. ("secret"):rep(3000)] =
        "the line is too long",
      ["site.example\tFALSE\t/\tFALSE\t0\t__Secure-a\tsecret"] = "__Secure- needs secure",
      [".site.example\tTRUE\t/\tTRUE\t0\t__Host-a\tsecret"] =
        "__Host- needs secure, host_only and the path /",
      ["site.example\tFALSE\t/\tFALSE\t0\t\t__host-a=secret"] =
        "a value that begins with __Secure- or __Host- needs a name",
    } do
      for count = 0, 2 do
        local none, message, err = read("# x\n" .. good:rep(count) .. line .. "\n" .. good)
        assert.is_nil(none, line)
        assert.equal(("load '%s': line %d: %s"):format(path, count + 2, reason), message)
        assert.equal("invalid", err.code)
        assert.is_nil(message:find("secret", 1, true))
      end
    end
    local none, message = cookie_file.read("/nowhere/cookies.txt", NOW)
    assert.is_nil(none)
    assert.equal("load '/nowhere/cookies.txt': No such file or directory", message)
  end)

  it("is written as it is read, and can be read by its owner alone", function()
    local list = {
      cookie(), cookie { host_only = false, name = "", value = "x y=\xC3\xA9" },
      cookie { domain = "::1", http_only = true, secure = true, expires = NOW + 5, path = "/a b" },
      cookie { value = "" },
    }
    assert.same({ 4, 0 }, { cookie_file.write(path, list) })
    assert.equal("# Netscape HTTP Cookie File\n"
      .. "site.example\tFALSE\t/\tFALSE\t0\ta\tb\n"
      .. ".site.example\tTRUE\t/\tFALSE\t0\t\tx y=\xC3\xA9\n"
      .. "#HttpOnly_::1\tFALSE\t/a b\tTRUE\t1700000005\ta\tb\n"
      .. "site.example\tFALSE\t/\tFALSE\t0\ta\t\n", read_text())
    assert.same(list, cookie_file.read(path, NOW))
    local mode <close> = assert(io.popen("stat -c %a " .. path))
    assert.equal("600", mode:read "l")
  end)

  it("is replaced whole, with a mode that others cannot read it by", function()
    write "old"
    os.execute("chmod 644 " .. path)
    assert.same({ 0, 0 }, { cookie_file.write(path, {}) })
    assert.equal("# Netscape HTTP Cookie File\n", read_text())
    assert.same({}, cookie_file.read(path, NOW))
    local mode <close> = assert(io.popen("stat -c %a " .. path))
    assert.equal("600", mode:read "l")
    local many = {}
    for i = 1, 3000 do many[i] = cookie { name = "n" .. i, value = ("v"):rep(1000) } end
    assert.equal(3000, (cookie_file.write(path, many)))
    assert.equal(3000, #cookie_file.read(path, NOW))
  end)

  it("leaves out, and counts, what a tab in it would change", function()
    local list = { cookie { value = "a\tb" }, cookie { name = "a\tb" }, cookie { path = "/\t" },
      cookie() }
    assert.same({ 1, 3 }, { cookie_file.write(path, list) })
    assert.same({ cookie() }, cookie_file.read(path, NOW))
  end)

  it("that cannot be written is a failure that names it", function()
    local none, message, err = cookie_file.write("/nowhere/cookies.txt", {})
    assert.is_nil(none)
    assert.equal("save '/nowhere/cookies.txt': No such file or directory", message)
    assert.equal("invalid", err.code)
    none, message = cookie_file.write("/dev/full", { cookie() })
    assert.is_nil(none)
    assert.equal("save '/dev/full': No space left on device", message)
  end)
end)
