-- The module itself: what loading it does, and the client behind its own functions.
-- Runs once.

local script = require "spec.support.script"
local support = require "spec.support"

describe("the module", function()
  it("opens no descriptor and makes no global when it is loaded", function()
    local status, output = script.run [[
      local globals = {}
      for name in pairs(_G) do globals[name] = true end
      local peer = require "support.peer"
      local function count()
        local n = 0
        for _ in pairs(peer.descriptors()) do n = n + 1 end
        return n
      end
      local before = count()
      local sluice = require "sluice"
      for name in pairs(_G) do assert(globals[name], name) end
      assert(count() == before)
      assert(sluice == require "sluice")
      assert(sluice.stats().outstanding == 0)
    ]]
    assert.equal("", output)
    assert.equal(0, status)
  end)

  it("names its version, which is that of a release", function()
    local makefile <close> = assert(io.open "Makefile")
    local version = makefile:read("a"):match "\nVERSION := (%S+)"
    local status, output = script.run [[io.write(require("sluice")._VERSION)]]
    assert.same({ 0, "sluice " .. version }, { status, output })
  end)

  it("uses one client of its own for all verbs", function()
    local p <close> = support.peer.listen { script = { {
      { "expect_until", "\r\n\r\n" }, { "send", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" },
      { "loop" },
    } }, repeat_last = true }
    local status, output = script.run([[
      local sluice = require "sluice"
      local url = ...
      for _, verb in ipairs { "get", "head", "post", "put", "patch", "delete", "options" } do
        local response = assert(sluice[verb](url))
        assert(response.status == 200)
        response:dispose()
      end
      assert(sluice.request("GET", url)):dispose()
      assert(sluice.client ~= nil and sluice.stats().outstanding == 0)
    ]], p.url .. "/")
    assert.equal("", output)
    assert.equal(0, status)
    assert.equal(1, (p:connections()))
    local methods = {}
    for method in p:received(1):gmatch "(%u+) / HTTP" do methods[#methods + 1] = method end
    assert.same({ "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "GET" }, methods)
  end)

  it("uses it for pages, events and downloads", function()
    local path = os.tmpname()
    finally(function() os.remove(path) end)
    local steps = {}
    for _, answer in ipairs {
      "Content-Length: 1\r\nLink: </2>; rel=next\r\n\r\n1",
      "Content-Length: 1\r\n\r\n2",
      "Content-Length: 9\r\nContent-Type: text/event-stream\r\n\r\ndata: x\n\n",
      "Content-Length: 4\r\n\r\nfile",
    } do
      table.insert(steps, { "expect_until", "\r\n\r\n" })
      table.insert(steps, { "send", "HTTP/1.1 200 OK\r\n" .. answer })
    end
    local p <close> = support.peer.listen { script = { steps } }
    local status, output = script.run([[
      local sluice = require "sluice"
      local url, path = ...
      for page in sluice.pages(url) do print(page:text()) end
      for event in sluice.events(url) do
        print(event.data)
        break
      end
      print(sluice.download(url, path))
      print(pcall(sluice.events, url, { made_up = 1 }))
      assert(sluice.stats().outstanding == 0)
    ]], p.url .. "/", path)
    assert.equal(0, status, output)
    assert.matches("^1\n2\nx\ntrue\nfalse\t.*unknown option 'made_up'", output)
    local file <close> = assert(io.open(path, "rb"))
    assert.equal("file", file:read "a")
    assert.equal(1, (p:connections()))
  end)

  describe("configured", function()
    local p

    setup(function()
      p = support.peer.listen { script = { {
        { "expect_until", "\r\n\r\n" },
        { "send", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" }, { "loop" },
      } }, repeat_last = true }
    end)
    teardown(function() p:stop() end)

    -- Runs a script in a state of its own, whose module is not in use yet.
    local function run(source)
      local status, output = script.run([[
        local sluice = require "sluice"
        local url = ...
        local function get(path) assert(sluice.get(path)):dispose() end
      ]] .. source, p.url .. "/")
      assert.equal(0, status, output)
      return output
    end

    it("has the options of its own client, and returns it", function()
      assert.equal("true\t2\n", run [[
        local count = 0
        local client = sluice.configure { base_url = url, headers = { A = "1" } }
        client:use(function(request, forward)
          count = count + 1
          return forward(request)
        end)
        get "x"
        get "y"
        print(tostring(client):find "sluice.client" ~= nil, count)
        client:close()
        assert(not pcall(sluice.get, "x"))
        assert(sluice.stats().outstanding == 0)
      ]])
      assert.matches("GET /x HTTP/1.1\r\n.-A: 1\r\n.-GET /y HTTP/1.1\r\n.-A: 1\r\n",
        p:received(1))
    end)

    it("is refused once the client is in use, and the second time", function()
      local output = run [[
        get(url)
        print(pcall(function() sluice.configure {} end))
      ]]
      assert.matches("^false\t%S+script%.lua:%d+: configure: called after the first request",
        output)
      output = run [[
        sluice.configure {}
        print(pcall(function() sluice.configure { timeout = 1 } end))
        get(url)
      ]]
      assert.matches("^false\t%S+script%.lua:%d+: configure: called before, at %S+script%.lua:%d+:",
        output)
    end)

    it("changes nothing where its options are refused", function()
      local output = run [[
        print(pcall(function() sluice.configure { tiemout = 1 } end))
        print(sluice.configure { transport = { mode = "stream", backend = "threads" } })
        sluice.configure { timeout = 1 }
        get(url)
      ]]
      assert.matches("^false\t%S+script%.lua:%d+: configure: unknown option 'tiemout':"
        .. " did you mean 'timeout'%?\nnil\t[^\n]+\n$", output)
    end)
  end)
end)
