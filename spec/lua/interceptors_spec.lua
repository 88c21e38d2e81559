-- The table of built-in interceptors.
-- Runs once.

local sluice = require "sluice"

describe("sluice.interceptors", function()
  it("loads each one when it is asked for, as require does", function()
    for _, name in ipairs { "cache", "circuit_breaker", "default_headers", "log", "metrics",
      "rate_limit", "record" } do
      assert.equal(require("sluice.interceptors." .. name), sluice.interceptors[name])
      assert.equal("function", type(sluice.interceptors[name]))
    end
  end)

  it("loads none before", function()
    local pipe = assert(io.popen([[lua5.4 -e 'require "sluice"
      for name in pairs(package.loaded) do
        if name:find "interceptors%." then print(name) end
      end']]))
    assert.equal("", pipe:read "a")
    pipe:close()
  end)

  it("names those that there are", function()
    assert.error_matches(function() return sluice.interceptors.cash end,
      "^interceptors: there is no 'cash': there are cache, circuit_breaker, default_headers, log, ")
  end)
end)
