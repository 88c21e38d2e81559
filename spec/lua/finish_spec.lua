-- What is called once when a streamed body has ended.
-- Runs once.

local finish = require "sluice.finish"

describe("the end of a body", function()
  it("calls its function once", function()
    local response, count = {}, 0
    finish.set(response, function() count = count + 1 end)
    finish.call(response)
    finish.call(response)
    finish.call {}
    assert.equal(1, count)
  end)

  it("raises the error of its function, and forgets it", function()
    local response = {}
    finish.set(response, function() error("broken", 0) end)
    assert.error_matches(function() finish.call(response) end, "^broken$")
    finish.call(response)
  end)

  it("holds no response", function()
    local held = setmetatable({ {} }, { __mode = "v" })
    finish.set(held[1], function() end)
    collectgarbage()
    collectgarbage()
    assert.is_nil(held[1])
  end)
end)
