-- Methods by their names.
-- Runs once.

local methods = require "sluice.methods"

describe("a method", function()
  it("that is defined may be named in lower case; others have case", function()
    assert.equal("GET", methods.named "get")
    assert.equal("PATCH", methods.named "Patch")
    assert.equal("LINK", methods.named "LINK")
    assert.equal("link", methods.named "link")
  end)

  -- RFC 9110 9.2.2
  it("is idempotent or not", function()
    for _, name in ipairs { "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE" } do
      assert.is_true(methods.idempotent[name], name)
    end
    for _, name in ipairs { "POST", "PATCH", "CONNECT", "LINK" } do
      assert.is_nil(methods.idempotent[name], name)
    end
  end)
end)
