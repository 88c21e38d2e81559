-- The Lua layer within the module: found by require without a file, loaded with its first use.
-- Runs once.

local script = require "spec.support.script"

-- A Lua that finds the core and the module's first file, and no other file of Lua.
local alone = [[
  local find = package.searchers[2]
  package.searchers[2] = function(name)
    return name == "sluice" and find(name) or "\n\tno file of " .. name
  end
]]

--- Runs a script that ends with "done".
local function run(source)
  local status, output = script.run(source)
  assert.equal("done\n", output)
  assert.equal(0, status)
end

describe("modules of the Lua layer", function()
  it("need no file, also those that are loaded later", function()
    run(alone .. [[
      local sluice = require "sluice"
      package.searchers[2] = nil
      local client <close> = assert(sluice.client {
        cookies = true, auth = { digest = { "user", "word" } }, retry = 1 })
      client:use(sluice.interceptors.cache {})
      assert(sluice.serializers.form.encode)
      local multipart <close> = assert(sluice.multipart { a = "b" })
      local outcomes = {
        { client:get "http://127.0.0.1:1/" },
        { client:download("http://127.0.0.1:1/", "/nowhere/file") },
        { client:websocket "ws://127.0.0.1:1/" },
        { client:post("http://127.0.0.1:1/", { multipart = { a = "b" } }) },
      }
      for i, outcome in ipairs(outcomes) do
        assert(outcome[1] == nil and outcome[3].code, i)
      end
      assert(not pcall(function() for _ in client:events("http://127.0.0.1:1/", {
        reconnect = false }) do end end))
      print "done"
    ]])
  end)

  it("are loaded where they are needed, and where a host has taken all globals away", function()
    run [[
      local sluice = require "sluice"
      for _, name in ipairs { "download", "events", "multipart", "websocket.open", "auth.digest",
        "cookies.jar", "interceptors.cache" } do
        assert(not package.loaded["sluice." .. name], name)
      end
      local loaded, assert, print = package.loaded, assert, print
      local globals = _G
      for name, _ in next, globals do globals[name] = nil end
      assert(sluice.multipart { a = "b" }:dispose() == nil)
      assert(sluice.cookie_jar())
      assert(sluice.interceptors.cache {})
      assert(loaded["sluice.multipart"] and not loaded["sluice.download"])
      print "done"
    ]]
  end)

  it("give way to a loader that a program has set", function()
    run [[
      local mine = function() return function() return "mine" end end
      package.preload["sluice.download"] = mine
      local sluice = require "sluice"
      assert(package.preload["sluice.download"] == mine)
      assert(sluice.download("http://127.0.0.1:1/", "/nowhere/file") == "mine")
      print "done"
    ]]
  end)

  it("name their lines in a traceback, and the program's in a misuse", function()
    run [[
      local sluice = require "sluice"
      local raised, traceback
      xpcall(function() sluice.get("http://127.0.0.1:1/", { nothing = 1 }) end, function(message)
        raised, traceback = message, debug.traceback()
      end)
      assert(raised:find "^[^:]*script.lua:3: ", raised)
      assert(traceback:find "\n\tsluice/request.lua:%d+: ", traceback)
      print "done"
    ]]
  end)

  it("there are no others", function()
    run [[
      require "sluice.core"
      local ok, message = pcall(package.preload["sluice.client"], "sluice.nothing")
      assert(not ok and message:find "sluice has no module 'sluice.nothing'", message)
      ok, message = pcall(package.preload["sluice.client"])
      assert(not ok and message:find "string expected", message)
      print "done"
    ]]
  end)
end)
