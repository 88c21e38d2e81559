-- JSON by lua-cjson. The contract of serializers is in json_spec.lua, which runs over it, too;
-- here is what is its own.
-- Runs once.

local cjson = require "sluice.json_cjson"
local script = require "spec.support.script"
local sluice = require "sluice"

describe("JSON by lua-cjson", function()
  it("reads strings and sequences of many segments alike", function()
    local text = '{"a":[1,2,"' .. ("x"):rep(100) .. '"],"b":null}'
    local buffer <close> = sluice.buffer { segment_size = 64 }
    assert(buffer:append(text))
    local sequence <close> = buffer:sequence()
    local value = assert(cjson.decode(sequence))
    assert.same(assert(cjson.decode(text)), value)
    assert.equal(2, value.a[2])
    assert.equal(sluice.json.null, value.b)
  end)

  it("says once that it rounds numbers, if this lua-cjson does", function()
    local status, output = script.run [[
      local cjson = require "sluice.json_cjson"
      local text = assert(cjson.text { 0.1 + 0.2 })
      assert(cjson.text { 1 })
      print(assert(cjson.decode(text))[1] == 0.1 + 0.2)
    ]]
    assert.equal(0, status)
    local is_exact = output:find "true\n$" ~= nil
    local _, told = output:gsub("this lua%-cjson rounds the numbers that it writes; the serializer "
      .. "json, the default, does not\n", "")
    assert.equal(is_exact and 0 or 1, told, output)
  end)

  it("takes the text once, and writes it at once", function()
    local count = 0
    local input = { tostring = function()
      count = count + 1
      return "[1,2]"
    end }
    assert.same({ 1, 2 }, cjson.decode(input))
    assert.equal(1, count)
    local written = {}
    local writer = { write = function(self, ...)
      written[#written + 1] = { ... }
      return self
    end }
    assert.equal(writer, cjson.encode({ 1, "x" }, writer))
    assert.same({ { '[1,"x"]' } }, written)
  end)

  it("refuses invalid UTF-8 and zero bytes both ways", function()
    for _, text in ipairs { '"\xff"', '"a"\0' } do
      local value, _, err = cjson.decode(text)
      assert.is_nil(value)
      assert.equal("decode", err.code)
      assert.equal("integer", math.type(err.position))
    end
    local text, _, err = cjson.text "\xff"
    assert.is_nil(text)
    assert.equal("invalid", err.code)
  end)

  it("reports a host without the library", function()
    local status, output = script.run [[
      package.preload.cjson = function() error "none" end
      local json = require "sluice.json_cjson"
      print(select(3, json.decode "1").code, select(3, json.text(1)).code)
    ]]
    assert.equal(0, status, output)
    assert.equal("unsupported\tunsupported\n", output)
  end)
end)
