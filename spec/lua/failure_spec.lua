-- Failures that are made in Lua look like those that come from C.
-- Runs once.

local failure = require "sluice.failure"
local sluice = require "sluice"

describe("a failure made in Lua", function()
  it("is nil, a message and an error whose text is the message", function()
    local none, message, err = failure.new("invalid", "GET http://a/", "no such thing")
    assert.is_nil(none)
    assert.equal("GET http://a/: no such thing", message)
    assert.equal(message, tostring(err))
    assert.equal(message, err.message)
  end)

  it("says by default that nothing was sent, and is never retryable", function()
    local _, _, err = failure.new("invalid", "a", "b")
    assert.same({ "invalid", "queue", false }, { err.code, err.stage, err.retryable })
    _, _, err = failure.new("tls", "a", "b", "tls")
    assert.same({ "tls", "tls", false }, { err.code, err.stage, err.retryable })
  end)

  it("has the fields of one from C", function()
    local _, _, made = failure.new("closed", "a", "b")
    local _, _, core = sluice.url.parse "http://[::/"
    assert.equal("invalid", core.code)
    for _, name in ipairs { "message", "code", "stage", "retryable" } do
      assert.equal(type(core[name]), type(made[name]), name)
    end
    assert.equal(getmetatable(core).__name, getmetatable(made).__name)
  end)
end)
