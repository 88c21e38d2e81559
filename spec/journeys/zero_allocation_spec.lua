-- What a warm transport costs: no call of the C allocator and not a byte of Lua's heap; and what a
-- whole request costs.

local certificates = require "spec.support.certificates"
local nginx = require "spec.support.nginx"
local server = require "spec.support.server"
local support = require "spec.support"

local peer, system = support.peer, support.system

local ROUNDS = 10000
-- Lua's heap for one GET with a body of 1 KiB, the body taken as a string.
local GET_BYTES = 1600
-- Calls of the C allocator for it, all by Lua: strings, tables, handles.
local GET_CALLS = 3

-- measure(f): calls of the C allocator by anybody, those of the module by its own count, and bytes
-- of Lua's heap, over `rounds` calls of f after a warm-up.
local prelude = [[
  local allocations = require "support.allocations"
  local sluice = require "sluice"
  local support = require "spec.support"
  local port, rounds = tonumber(arg[1]), tonumber(arg[2])
  local function measure_once(f)
    local stats = sluice.stats
    local own = stats().allocations
    local heap = collectgarbage "count"
    local calls = allocations.count()
    for _ = 1, rounds do f() end
    calls = allocations.count() - calls
    heap = (collectgarbage "count" - heap) * 1024
    return calls, stats().allocations - own, heap
  end
  -- The least of three: the collector makes stacks smaller now and then, and they grow once.
  local function measure(f)
    for _ = 1, 200 do f() end
    collectgarbage()
    collectgarbage "stop"
    local calls, own, heap = math.huge, math.huge, math.huge
    for _ = 1, 3 do
      local a, b, c = measure_once(f)
      calls, own, heap = math.min(calls, a), math.min(own, b), math.min(heap, c)
    end
    collectgarbage "restart"
    print(("calls=%d own=%d heap=%d"):format(calls, own, heap // 1))
  end
  local function connect()
    return assert(sluice.connect {
      host = "127.0.0.1", port = port, transport = support.transport() })
  end
  local function run(f)
    if arg[3] == "task" then sluice.run(f) else f() end
  end
]]

local function preloaded()
  local own = assert(package.searchpath("support.allocations", package.cpath))
  local before = os.getenv "LD_PRELOAD"
  return before and before .. ":" .. own or own
end

--- Runs the script with the allocator counted. Returns its three figures.
local function measure(source, port, where, rounds)
  local directory = server.directory()
  local path = server.write(directory .. "/script.lua", prelude .. source)
  local command = { "env", "LD_PRELOAD=" .. preloaded(), os.getenv "LUA" or "lua5.4", "-W", path,
    tostring(port), tostring(rounds or ROUNDS), where }
  local status = system.reap(assert(system.spawn(command, directory .. "/output")), 300)
  local output = server.read(directory .. "/output")
  server.remove(directory)
  assert(status == 0, output)
  local calls, own, heap = output:match "^calls=(%d+) own=(%d+) heap=(%-?%d+)\n$"
  assert(calls, output)
  return { calls = tonumber(calls), own = tonumber(own), heap = tonumber(heap) }
end

local NOTHING = { calls = 0, own = 0, heap = 0 }

describe("after a warm-up #slabs", function()
  support.verify_each()

  it("the allocation counter works", function()
    local got = measure("measure(function() local _ = { 1 } end)", 1, "script", 100)
    assert.is_true(got.heap >= 100 * 16)
    -- A sanitizer's allocator comes first where there is one.
    if not os.getenv "LD_PRELOAD" then assert.is_true(got.calls >= 100, got.calls) end
  end)

  for _, where in ipairs { "script", "task" } do
    -- What is received at once, in one segment or many: the piece that is sent, and how often.
    for wanted, sent in pairs {
      [1000] = { 1000, 3 * ROUNDS + 1000 }, [65536] = { 64000, 100000 },
    } do
      it(("receives of %d bytes allocate nothing, in a %s"):format(wanted, where), function()
        local p <close> = peer.listen { records = false,
          script = { { { "send_repeat", support.pattern(sent[1]), sent[2] }, { "stall" } } } }
        local got = measure(([[
          local transport = connect()
          local buffer = sluice.buffer()
          local function receive()
            assert(transport:receive(buffer, %d))
            buffer:reset()
          end
          run(function() measure(receive) end)
          buffer:dispose()
          transport:close()
        ]]):format(wanted), p.port, where)
        assert.same(NOTHING, got)
      end)
    end

    it("exchanges on a transport allocate nothing, in a " .. where, function()
      local p <close> = peer.listen { records = false, script = { { { "echo" } } } }
      local got = measure([[
        local transport = connect()
        local buffer = sluice.buffer()
        local function exchange()
          assert(transport:send "a request of some bytes" == 23)
          local length = 0
          while length < 23 do length = length + assert(transport:receive(buffer)) end
          buffer:reset()
        end
        run(function() measure(exchange) end)
        buffer:dispose()
        transport:close()
      ]], p.port, where)
      assert.same(NOTHING, got)
    end)

    for jar, of_cookies in pairs {
      [""] = "", [" with cookies"] = [[
        client.cookies:set { name = "a", value = "b", domain = "127.0.0.1" }
        client.cookies:set { name = "c", value = "d", domain = "127.0.0.1",
          expires = os.time() + 100000 }
      ]],
    } do
      it(("a whole GET%s takes little Lua heap and allocates nothing in C, in a %s"):format(jar,
        where), function()
        local body = support.pattern(1024)
        local p <close> = peer.listen { records = false, repeat_last = true, script = { {
          { "expect_until", "\r\n\r\n" },
          { "send", "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\n\r\n" ..
            body },
          { "loop" } } } }
        local got = measure([[
          local client = support.client { cookies = ]] .. tostring(jar ~= "") .. [[ }
          local url = ("http://127.0.0.1:%d/"):format(port)
          ]] .. of_cookies .. [[
          local function get()
            local response = assert(client:get(url))
            assert(#response.body == 1024)
            response:dispose()
          end
          run(function() measure(get) end)
          client:close()
        ]], p.port, where)
        local own, calls, heap = got.own / ROUNDS, got.calls / ROUNDS, got.heap / ROUNDS
        print(("figure: client:get of 1 KiB%s in a %s: %.0f bytes of Lua's heap, " ..
          "%.2f calls of malloc by Lua, %.4f by sluice"):format(jar, where, heap, calls, own))
        assert.equal(0, got.own)
        assert.is_true(calls <= GET_CALLS, calls)
        assert.is_true(heap <= GET_BYTES, heap)
      end)
    end

    it("a whole GET over TLS allocates nothing in C, in a " .. where, function()
      local web <close> = nginx.start {
        tls = { certificate = certificates.chain "good", key = certificates.key "good" },
      }
      web:file(1024)
      for _, version in ipairs { "1.2", "1.3" } do
        local got = measure(([[
          local client = support.client { tls = { ca_file = %q, max_version = %q } }
          local url = ("https://localhost:%%d/file/1024"):format(port)
          local function get()
            local response = assert(client:get(url))
            assert(#response.body == 1024)
            response:dispose()
          end
          run(function() measure(get) end)
          client:close()
        ]]):format(certificates.file "root.pem", version), web.tls_port, where, ROUNDS // 20)
        assert.equal(0, got.own)
        assert.is_true(got.heap / (ROUNDS // 20) <= GET_BYTES, got.heap / (ROUNDS // 20))
      end
    end)
  end
end)
