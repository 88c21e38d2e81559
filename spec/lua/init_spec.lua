-- The module itself: what loading it does, and the client behind its own functions.

local script = require "spec.support.script"
local support = require "spec.support"

describe("the module", function()
  it("opens no descriptor and makes no global when it is loaded", function()
    local status, output = script.run [[
      local globals = {}
      for name in pairs(_G) do globals[name] = true end
      local peer = require "support.peer"
      local function count()
        local n = 0
        for _ in pairs(peer.descriptors()) do n = n + 1 end
        return n
      end
      local before = count()
      local sluice = require "sluice"
      for name in pairs(_G) do assert(globals[name], name) end
      assert(count() == before)
      assert(sluice == require "sluice")
      assert(sluice.stats().outstanding == 0)
    ]]
    assert.equal("", output)
    assert.equal(0, status)
  end)

  it("uses one client of its own for all verbs", function()
    local p <close> = support.peer.listen { script = { {
      { "expect_until", "\r\n\r\n" }, { "send", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" },
      { "loop" },
    } }, repeat_last = true }
    local status, output = script.run([[
      local sluice = require "sluice"
      local url = ...
      for _, verb in ipairs { "get", "head", "post", "put", "patch", "delete", "options" } do
        local response = assert(sluice[verb](url))
        assert(response.status == 200)
        response:dispose()
      end
      assert(sluice.request("GET", url)):dispose()
      assert(sluice.client ~= nil and sluice.stats().outstanding == 0)
    ]], p.url .. "/")
    assert.equal("", output)
    assert.equal(0, status)
    assert.equal(1, (p:connections()))
    local methods = {}
    for method in p:received(1):gmatch "(%u+) / HTTP" do methods[#methods + 1] = method end
    assert.same({ "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "GET" }, methods)
  end)
end)
