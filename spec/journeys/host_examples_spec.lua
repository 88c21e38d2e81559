-- The examples of hosts, each as `make demo` runs it.
-- Runs once.

local nginx = require "spec.support.nginx"
local server = require "spec.support.server"

describe("an example of a host", function()
  local web

  setup(function() web = nginx.start() end)
  teardown(function() web:stop() end)

  local function run(name, ...)
    return server.run { os.getenv "LUA" or "lua5.4", ("examples/%s.lua"):format(name), ... }
  end

  for name, output in pairs {
    cqueues = "cqueues: 30 of 30 requests arrived, its timer ticked\n",
    luv = "luv: 30 of 30 requests arrived, its timer ticked\n",
    copas = "copas: 30 of 30 clients were answered by a request\n",
  } do
    it("has its requests answered: " .. name, function()
      local status, printed = run(name, web.url .. "/json", "30")
      assert.equal(output, printed)
      assert.equal(0, status)
    end)

    it("prints the reason of a failure: " .. name, function()
      local status, printed = run(name, "http://127.0.0.1:1/", "2")
      assert.equal(1, status)
      if name ~= "copas" then assert.matches("connection refused", printed) end
      status, printed = run(name)
      assert.equal(2, status)
      assert.matches("^usage: ", printed)
    end)

    it("has at most 40 lines: " .. name, function()
      local _, count = server.read(("examples/%s.lua"):format(name)):gsub("\n", "")
      assert.is_true(count <= 40)
    end)
  end
end)
