-- The serializers by name.

local script = require "spec.support.script"
local sluice = require "sluice"

describe("the serializers", function()
  it("are found by name, and no other is there", function()
    assert.equal(sluice.json, sluice.serializers.json)
    assert.is_function(sluice.serializers.cjson.encode)
    assert.is_function(sluice.serializers.cjson.decode)
    assert.is_nil(sluice.serializers.yaml)
  end)

  it("load lua-cjson when it is used, and not before", function()
    local status, output = script.run [[
      local sluice = require "sluice"
      print(package.loaded.cjson == nil)
      local cjson = sluice.serializers.cjson
      print(package.loaded.cjson == nil, cjson.text { 1 })
      print(package.loaded.cjson ~= nil)
    ]]
    assert.equal(0, status, output)
    assert.equal("true\ntrue\t[1]\ntrue\n", output)
  end)
end)
