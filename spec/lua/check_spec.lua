-- What is said about options that do not exist, and methods called in the wrong way.

local sluice = require "sluice"
local support = require "spec.support"

describe("an unknown option", function()
  local before, client

  before_each(function()
    before = support.snapshot(sluice)
    client = support.client()
  end)

  after_each(function()
    client:close()
    support.verify(sluice, before)
  end)

  local function message_of(f, ...)
    local ok, message = pcall(f, ...)
    assert.is_false(ok)
    return (message:gsub("^[^\n]-:%d+: ", ""))
  end

  local function of_request(name)
    return message_of(client.get, client, "http://127.0.0.1:1/", { [name] = 1 })
  end

  local function of_client(name) return message_of(sluice.client, { [name] = 1 }) end

  it("that other libraries have is told by its name here", function()
    for name, meant in pairs {
      data = "'body'", params = "'query'", allow_redirects = "'redirects'", token = "'auth'",
      connect_timeout = "'timeout.connect'",
    } do
      assert.equal(("request: unknown option '%s': did you mean %s?"):format(name, meant),
        of_request(name))
    end
    assert.equal("client: unknown option 'verify': did you mean 'tls.verify'?", of_client "verify")
    assert.equal("client: unknown option 'baseURL': did you mean 'base_url'?", of_client "baseURL")
  end)

  it("that only a client has is told so", function()
    assert.equal("request: unknown option 'verify': did you mean 'tls.verify' of the client?",
      of_request "verify")
    assert.equal("request: unknown option 'tls': it is an option of the client", of_request "tls")
  end)

  it("that is nearly one that there is is told by its name", function()
    for name, meant in pairs { header = "headers", stram = "stream", time_out = "timeout",
      Query = "query" } do
      assert.equal(("request: unknown option '%s': did you mean '%s'?"):format(name, meant),
        of_request(name))
    end
  end)

  it("that resembles nothing is told alone", function()
    for _, name in ipairs { "colour", "x", "", 5 } do
      assert.equal(("request: unknown option '%s'"):format(name), of_request(name))
      assert.equal(("client: unknown option '%s'"):format(name), of_client(name))
    end
  end)
end)

describe("a method of a client", function()
  it("called with a dot is told so, at the caller's line", function()
    local client <close> = support.client()
    for _, name in ipairs { "get", "head", "post", "put", "patch", "delete", "options", "request",
      "use", "build", "stats", "close" } do
      local ok, message = pcall(function() client[name]("http://127.0.0.1:1/") end)
      assert.is_false(ok)
      assert.matches("^[^\n]*check_spec.lua:%d+: " .. name .. ": called without a client: write "
        .. "client:" .. name .. "%(...%), with a colon$", message)
    end
  end)

  it("is none of the module, which says so", function()
    for _, name in ipairs { "get", "head", "post", "put", "patch", "delete", "options" } do
      local ok, message = pcall(function() sluice[name](sluice, "http://127.0.0.1:1/") end)
      assert.is_false(ok)
      assert.matches("check_spec.lua:%d+: " .. name .. ": write sluice%." .. name
        .. "%(url%), with a dot$", message)
    end
  end)
end)
