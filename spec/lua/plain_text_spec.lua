-- Text as a value. What every serializer promises is in serializers_spec.lua.
-- Runs once.

local sluice = require "sluice"
local text = require "sluice.plain_text"

describe("plain text", function()
  it("is a string of any bytes, and nothing else", function()
    assert.equal("a\0\xff", text.decode "a\0\xff")
    local writer <close> = sluice.writer()
    for _, value in ipairs { 5, true, {}, print } do
      local ok, message, err = text.encode(value, writer)
      assert.is_nil(ok)
      assert.equal("encode text: string expected, got " .. type(value), message)
      assert.equal("invalid", err.code)
    end
    assert.equal("", writer:view())
  end)
end)
