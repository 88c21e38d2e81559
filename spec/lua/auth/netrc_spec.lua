-- The file .netrc.
-- Runs once.

local core = require "sluice.core"
local netrc = require "sluice.auth.netrc"
local server = require "spec.support.server"

describe("a netrc file", function()
  local function find(text, host, takes_default)
    local found = netrc.find(assert(netrc.read(text)), host, takes_default)
    return found and table.concat(found, "/") or nil
  end

  it("gives user and password of a machine, whatever the white space", function()
    for _, text in ipairs {
      "machine a.test login me password secret",
      "machine a.test\n\tlogin me\r\n\tpassword secret\r\n",
      "machine b.test login other password x machine a.test login me password secret",
      "  machine\n\n a.test\tpassword secret account 5 login me",
      'machine "a.test" "login" me "password" "secret"',
      "login lost password lost\nmachine a.test login me password secret",
      "# a comment machine a.test login no\nmachine a.test # another\nlogin me password secret",
      "machine a.test port 21 login me password secret",
      "machine a.test account login login me password secret",
      "machine A.TEST login me password secret",
    } do
      assert.equal("me/secret", find(text, "a.test"), text)
      assert.equal("me/secret", find(text, "A.Test"), text)
      assert.is_nil(find(text, "c.test", true), text)
    end
  end)

  it("takes the first entry of a machine, and the default for others only where it may", function()
    local text = "machine a.test login one password 1 machine a.test login two password 2 "
      .. "default login any password 3 default login late password 4 machine b.test login b"
    assert.equal("one/1", find(text, "a.test", true))
    assert.equal("any/3", find(text, "c.test", true))
    assert.is_nil(find(text, "c.test", false))
    assert.equal("b/", find(text, "b.test", true))
    assert.is_nil(find("machine a.test password x", "a.test"))
  end)

  it("reads quoted words, in which everything may stand", function()
    local text = 'machine a.test login "me \\"too\\"" password "p#\\\\\\n\\t d"'
    assert.equal('me "too"/p#\\\n\t d', find(text, "a.test"))
    assert.equal("me/#x", find("machine a.test login me password #x", "a.test"))
    assert.equal("me/", find('machine a.test login me password ""', "a.test"))
    assert.equal("me/machine", find("machine a.test login me password machine", "a.test"))
  end)

  it("passes over macros up to an empty line", function()
    local text = "machine a.test login me password x\nmacdef init\nmachine b.test login no\n"
      .. "password no\n\nmachine c.test login c password d"
    assert.equal("me/x", find(text, "a.test"))
    assert.is_nil(find(text, "b.test"))
    assert.equal("c/d", find(text, "c.test"))
    assert.equal("me/x", find("machine a.test login me password x\nmacdef init\nls", "a.test"))
    assert.equal("me/x", find('machine a.test login me password x\nmacdef init\nls "', "a.test"))
  end)

  it("says where a word is missing", function()
    for text, position in pairs { ["machine"] = 7, ["machine a.test login"] = 20,
      ['machine a.test\nlogin "me'] = 22, ['login me\n"x\n"'] = 10 } do
      local file, at = netrc.read(text)
      assert.is_nil(file)
      assert.equal(position, at, text)
    end
  end)

  it("is loaded from a path, and a failure names the line and no secret", function()
    local directory = server.directory()
    finally(function() server.remove(directory) end)
    local path = server.write(directory .. "/netrc", "machine a.test login me password x")
    assert.same({ "me", "x" }, netrc.find(assert(netrc.load(path)), "a.test"))
    local file, message, err = netrc.load(server.write(path, "machine a.test\nlogin \"hidden"))
    assert.is_nil(file)
    assert.equal("invalid", err.code)
    assert.equal(("netrc %s: line 2: a word is missing, or a quote"):format(path), message)
    file, message = netrc.load(server.write(path, ("x"):rep(1024 * 1024 + 1)))
    assert.is_nil(file)
    assert.equal(("netrc %s: longer than 1 MiB"):format(path), message)
    assert(netrc.load(server.write(path, ("x "):rep(512 * 1024))))
    file, message = netrc.load(directory .. "/missing")
    assert.is_nil(file)
    assert.matches("^netrc .*/missing: .*[Nn]o such file", message)
    file, message = netrc.load(directory)
    assert.is_nil(file)
    assert.matches("regular file expected, got a directory$", message)
  end)

  it("of the user need not be there, but what is there must be readable", function()
    local directory = server.directory()
    local getenv = os.getenv
    finally(function()
      rawset(os, "getenv", getenv)
      server.remove(directory)
    end)
    local variables
    rawset(os, "getenv", function(name) return variables[name] end)
    local none = { machines = {}, entry = {} }
    for _, present in ipairs { {}, { HOME = "" }, { HOME = directory },
      { NETRC = directory .. "/none" }, { NETRC = "", HOME = directory } } do
      variables = present
      assert.same(none, netrc.load(true))
    end
    server.write(directory .. "/.netrc", "machine a.test login me password x")
    assert.same({ "me", "x" }, netrc.find(assert(netrc.load(true)), "a.test"))
    variables = { HOME = directory, NETRC = directory }
    local file, message, err = netrc.load(true)
    assert.is_nil(file)
    assert.matches("regular file expected, got a directory$", message)
    assert.equal("invalid", err.code)
  end)

  it("that cannot be read to its end is refused", function()
    local open_file = core.open_file
    finally(function() core.open_file = open_file end)
    core.open_file = function()
      return setmetatable({ read = function() return nil, "Input/output error", 5 end },
        { __close = function() end })
    end
    local file, message, err = netrc.load "/disk/netrc"
    assert.is_nil(file)
    assert.equal("netrc /disk/netrc: Input/output error", message)
    assert.equal("invalid", err.code)
  end)

  it("is read in linear time", function()
    local before = os.clock()
    for _, piece in ipairs { "\n \n", "macdef x\n", '"\\"', '"" ', "# x\n", " ", "machine a " } do
      netrc.read(piece:rep(100000))
    end
    assert.is_true(os.clock() - before < 20)
  end)
end)
