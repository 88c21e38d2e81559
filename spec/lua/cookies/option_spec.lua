-- The option `cookies`, and what a program without cookies does not load.
-- Runs once.

local cookie_option = require "sluice.cookies.option"
local script = require "spec.support.script"
local sluice = require "sluice"

describe("the option cookies", function()
  it("takes a boolean or a jar of clients, false or a jar of requests", function()
    local jar = assert(sluice.cookie_jar())
    for _, value in ipairs { true, jar } do assert.is_nil((cookie_option.of_client(value))) end
    for _, value in ipairs { jar } do assert.is_nil((cookie_option.of_request(value))) end
    assert.is_nil((cookie_option.of_client(false)))
    assert.is_nil((cookie_option.of_request(false)))
    for _, value in ipairs { 1, "x", {}, print, setmetatable({}, { __name = "sluice.client" }),
      setmetatable({}, { __metatable = "hidden" }) } do
      assert.is_string((cookie_option.of_client(value)))
      assert.is_string((cookie_option.of_request(value)))
    end
    assert.is_string((cookie_option.of_request(true)))
  end)

  it("means a jar of the client's own, that jar, or none", function()
    local jar = assert(sluice.cookie_jar())
    assert.equal(jar, cookie_option.jar(jar))
    assert.is_nil(cookie_option.jar(nil))
    assert.is_nil(cookie_option.jar(false))
    local own, another = cookie_option.jar(true), cookie_option.jar(true)
    assert.equal("sluice.cookie_jar (0)", tostring(own))
    assert.not_equal(own, another)
  end)

  it("loads the code of a jar with the first jar", function()
    local status, output = script.run [[
      local sluice = require "sluice"
      local client <close> = assert(sluice.client {})
      client:get "http://127.0.0.1:1/"
      print(package.loaded["sluice.cookies.jar"], package.loaded["sluice.cookies.cookie"])
      print(sluice.cookie_jar())
    ]]
    assert.equal(0, status, output)
    assert.equal("nil\tnil\nsluice.cookie_jar (0)\n", output)
  end)
end)
