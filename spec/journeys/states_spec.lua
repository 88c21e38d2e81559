-- Several Lua states in one process, each on a thread of its own: nothing is shared but code.

local certificates = require "spec.support.certificates"
local nginx = require "spec.support.nginx"
local states = require "support.states"
local support = require "spec.support"

local STATES = 8
local REQUESTS = tonumber(os.getenv "SLUICE_SPEC_STATE_REQUESTS" or 500)

local prelude = [[
  local number, port, count, mode, backend, root = ...
  count = tonumber(count)
  local sluice = require "sluice"
  local transport = { mode = mode, backend = backend }
  local function check_left()
    sluice.loop():step(0)
    local deadline = os.time() + 60
    repeat
      sluice.loop():step(0.01)
      local now = sluice.stats()
    until now.outstanding + now.operations + now.timers == 0 or os.time() > deadline
    local now = sluice.stats()
    assert(now.outstanding == 0 and now.operations == 0 and now.leaked == 0)
  end
]]

describe("several states", function()
  local transport

  support.verify_each(function()
    transport = support.transport() or { mode = "completion", backend = "threads" }
  end)

  --- Runs the script in every state. Returns the sum of what they returned.
  local function run(count, source, port)
    local sum = 0
    for i, one in ipairs(states.run(count, prelude .. source, tostring(port), tostring(REQUESTS),
      transport.mode, transport.backend, certificates.file "root.pem")) do
      assert(one.ok, ("state %d: %s"):format(i, one.result))
      sum = sum + tonumber(one.result)
    end
    return sum
  end

  it("each get their own answers, whole", function()
    local web <close> = nginx.start {}
    web:file(1024)
    local sum = run(STATES, [[
      local client = assert(sluice.client { transport = transport })
      local sum = 0
      -- Names are resolved on threads of the resolver's own.
      local url = ("http://localhost:%s/file/1024"):format(port)
      for i = 1, count do
        local response = assert(client:get(url))
        assert(#response:text() == 1024 and response.status == 200)
        response:dispose()
        sum = sum + 1
      end
      assert(client:stats().requests == count and sluice.stats().requests == count)
      client:close()
      check_left()
      return sum
    ]], web.port)
    assert.equal(STATES * REQUESTS, sum)
  end)

  it("have TLS contexts, sessions and verify callbacks of their own", function()
    local web <close> = nginx.start {
      tls = { certificate = certificates.chain "good", key = certificates.key "good" },
    }
    web:file(1024)
    local each = 2 * (REQUESTS // 20)
    local sum = run(STATES, [[
      local url = ("https://localhost:%s/file/1024"):format(port)
      local sum, asked, resumed = 0, 0, 0
      local function verify() asked = asked + 1 return true end
      for round = 1, 2 do
        local client = assert(sluice.client {
          transport = transport, tls = { ca_file = root, verify = verify },
          pool = round == 1 and {} or false,
        })
        for i = 1, count // 20 do
          local response = assert(client:get(url))
          assert(#response:text() == 1024 and response.status == 200)
          if response.tls.resumed then resumed = resumed + 1 end
          response:dispose()
          sum = sum + 1
        end
        client:close()
      end
      assert(asked == 1 + count // 20 and resumed == count // 20 - 1)
      check_left()
      return sum
    ]], web.tls_port)
    assert.equal(STATES * each, sum)
  end)

  it("run tasks, cancel some and let some time out", function()
    local head = { "expect_until", "\r\n\r\n" }
    local p <close> = support.peer.listen { records = false, repeat_last = true, backlog = 500,
      script = { { head, { "send", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood" }, head,
        { "stall" } } } }
    local sum = run(STATES, [[
      local client = assert(sluice.client { transport = transport, pool = { per_origin = 64 } })
      local url = ("http://127.0.0.1:%s/"):format(port)
      local good, bad = 0, 0
      sluice.run(function()
        local tasks = {}
        for i = 1, 30 do
          tasks[i] = sluice.spawn(function()
            for _ = 1, 2 do
              local response, _, err = client:get(url, { timeout = 0.3 })
              if response then
                good = good + 1
                response:dispose()
              else
                assert(err.code == "timeout" or err.code == "cancelled", err)
                bad = bad + 1
              end
            end
          end)
        end
        sluice.sleep(0.1)
        for i = 1, 30, 3 do tasks[i]:cancel() end
        sluice.all(tasks)
      end)
      client:close()
      check_left()
      return good + bad
    ]], p.port)
    assert.equal(STATES * 60, sum)
  end)

  it("close while operations are in flight", function()
    local p <close> = support.peer.listen { records = false, repeat_last = true, backlog = 500,
      script = { { { "expect_until", "\r\n\r\n" }, { "stall" } } } }
    local sum = run(STATES, [[
      local client = assert(sluice.client { transport = transport })
      local began = 0
      for _ = 1, 20 do
        coroutine.wrap(function()
          began = began + 1
          client:get(("http://localhost:%s/"):format(port))
        end)()
      end
      for _ = 1, number do sluice.loop():step(0.005) end
      return began
    ]], p.port)
    assert.equal(STATES * 20, sum)
  end)

  it("come and go two hundred times, and load the module twice", function()
    local p <close> = support.peer.listen { records = false, repeat_last = true, backlog = 500,
      script = { { { "expect_until", "\r\n\r\n" },
        { "send", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood" }, { "stall" } } } }
    local sum = 0
    for _ = 1, 50 do
      sum = sum + run(4, [[
        for name in pairs(package.loaded) do
          if name:find "^sluice" then package.loaded[name] = nil end
        end
        sluice = require "sluice"
        local client = assert(sluice.client { transport = transport })
        local response = assert(client:get(("http://127.0.0.1:%s/"):format(port)))
        assert(response:text() == "good")
        response:dispose()
        client:close()
        check_left()
        return 1
      ]], p.port)
    end
    assert.equal(200, sum)
  end)
end)
