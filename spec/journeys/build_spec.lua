-- What a build says on a machine that lacks what it needs: the thing, and what to do.
-- Runs once.

local server = require "spec.support.server"

local interpreter = os.getenv "LUA" or "lua5.4"

--- Runs a command. Returns its exit code and what it printed.
local function run(command)
  local pipe <close> = assert(io.popen(command .. " 2>&1; echo $?"))
  local text, code = pipe:read "a":match "^(.-)(%d+)\n$"
  return tonumber(code), text
end

--- The check of a build where these headers are to be found and no other, with that interpreter.
local function check(tls, headers, lua)
  local directory = server.directory()
  for name, text in pairs(headers) do
    local folder = name:match "^(.*)/"
    if folder then assert(os.execute(("mkdir -p %s/%s"):format(directory, folder))) end
    server.write(directory .. "/" .. name, text)
  end
  local code, text = run(("mk/check '%s' '%s' cc -nostdinc -I%s"):format(tls, lua or interpreter,
    directory))
  server.remove(directory)
  return code, text
end

--- Headers that a build takes, but for these changes; false: not there.
local function headers(changes)
  local list = {
    ["lua.h"] = "#define LUA_VERSION_NUM 504\n",
    ["zlib.h"] = "",
    ["openssl/ssl.h"] = "",
    ["openssl/opensslv.h"] = "#define OPENSSL_VERSION_NUMBER 0x30000000L\n",
    ["gnutls/gnutls.h"] = "#define GNUTLS_VERSION_NUMBER 0x030709\n",
  }
  for name, text in pairs(changes) do list[name] = text or nil end
  return list
end

describe("a build", function()
  it("says nothing where all is there", function()
    local code, text = check("openssl gnutls", headers {})
    assert.same({ 0, "" }, { code, text })
  end)

  local lacks = {
    { "lua.h", { ["lua.h"] = false }, { "lua.h is not found", "liblua5.4-dev", "LUA_INCLUDE=" } },
    { "a new Lua", { ["lua.h"] = "#define LUA_VERSION_NUM 501\n" },
      { "older than Lua 5.4", "LUA_INCLUDE=" } },
    { "zlib.h", { ["zlib.h"] = false }, { "zlib.h is not found", "zlib1g-dev", "CPPFLAGS=" } },
    { "OpenSSL", { ["openssl/ssl.h"] = false },
      { "openssl/ssl.h is not found", "libssl-dev", "TLS=gnutls" } },
    { "a new OpenSSL", { ["openssl/opensslv.h"] = "#define OPENSSL_VERSION_NUMBER 0x1000200fL\n" },
      { "OpenSSL that is found is older than 1.1.1", "CPPFLAGS=", "TLS=gnutls" } },
    { "a new GnuTLS", { ["gnutls/gnutls.h"] = "#define GNUTLS_VERSION_NUMBER 0x030500\n" },
      { "GnuTLS that is found is older than 3.6.13", "TLS=openssl" } },
  }
  for _, lack in ipairs(lacks) do
    it("says what to do without " .. lack[1], function()
      local code, text = check("openssl gnutls", headers(lack[2]))
      assert.equal(1, code)
      for _, part in ipairs(lack[3]) do assert.is_truthy(text:find(part, 1, true), text) end
      -- Nothing else is blamed.
      assert.equal(1, select(2, text:gsub("is found is older", "")) +
        select(2, text:gsub("is not found", "")), text)
    end)
  end

  it("without a TLS library goes on, and says what will fail", function()
    local code, text = check("", headers { ["openssl/ssl.h"] = false })
    assert.equal(0, code)
    assert.matches("no TLS: requests for https will fail", text)
  end)

  it("says what to do without an interpreter, or with an old one", function()
    local directory = server.directory()
    local old = server.write(directory .. "/lua", "#!/bin/sh\nexit 1\n")
    assert(os.execute("chmod +x " .. old))
    for _, lua in ipairs { "no-such-lua", old } do
      local code, text = check("openssl gnutls", headers {}, lua)
      assert.equal(1, code)
      assert.is_truthy(text:find("there is no Lua 5.4 that runs as '" .. lua, 1, true), text)
      assert.is_truthy(text:find("make LUA=", 1, true), text)
    end
    server.remove(directory)
  end)

  it("names a TLS library that there is not", function()
    local code, text = check("boringssl", headers {})
    assert.equal(1, code)
    assert.matches("no TLS library 'boringssl'", text)
  end)

  -- The layer as a build with these variables makes it.
  local function layer(variables)
    local directory = server.directory()
    local code, text = run(("env -u MAKEFLAGS -u MAKELEVEL make BUILD=%s LUA=%s %s %s/layer.c")
      :format(directory, interpreter, variables, directory))
    assert.equal(0, code, text)
    local made = server.read(directory .. "/layer.c")
    server.remove(directory)
    return made
  end

  -- The marks of compiled code: "\27Lua", and of text: "---".
  it("compiles the Lua layer, or takes its text", function()
    local compiled, text = '\n    "\\033\\114\\165\\141', '\n    "\\055\\055\\055'
    local made = layer ""
    assert.is_truthy(made:find(compiled, 1, true))
    assert.is_nil(made:find(text, 1, true))
    for _, variables in ipairs { "LUA_LAYER=text", "LUA_ABI=5.5" } do
      made = layer(variables .. " LUA_CFLAGS='$(shell pkg-config --cflags lua5.4)'")
      assert.is_truthy(made:find(text, 1, true))
      assert.is_nil(made:find(compiled, 1, true))
    end
  end)

  it("ends before anything is compiled", function()
    local directory = server.directory()
    local code, text = run(("env -u MAKEFLAGS -u MAKELEVEL make -k BUILD=%s LUA_INCLUDE=%s/none")
      :format(directory, directory))
    server.remove(directory)
    assert.is_true(code ~= 0)
    assert.matches("lua.h is not found", text)
    assert.is_nil(text:find("  cc ", 1, true), text)
  end)
end)
