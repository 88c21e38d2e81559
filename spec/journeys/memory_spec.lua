-- Large bodies: memory grows by their own size, once more for a string, and never in the Lua heap
-- before that.

local nginx = require "spec.support.nginx"
local script = require "spec.support.script"
local sluice = require "sluice"
local support = require "spec.support"

local SIZE = 256 << 20

-- Makes a request in its own interpreter, and prints the peak growth of its memory, in bytes per
-- byte of the body, and that of the Lua heap.
local source = [[
local support = require "spec.support"
local url, size, way = arg[1], math.tointeger(arg[2]), arg[3]

local function highest()
  for line in io.lines "/proc/self/status" do
    local kilobytes = line:match "^VmHWM:%s+(%d+)"
    if kilobytes then return tonumber(kilobytes) * 1024 end
  end
end

local ways = {}

function ways.text(response) assert(#response:text() == size) end

function ways.sequence(response)
  local sequence <close> = response:sequence()
  assert(#sequence == size)
end

function ways.detach(response)
  local lease <close> = response:detach()
  assert(#lease == size)
end

function ways.chunks(response)
  local got = 0
  for piece in response:chunks() do
    got = got + #piece
    piece:dispose()
  end
  assert(got == size)
end

function ways.save(response) assert(response:save(arg[4]) == size) end

local client <close> = support.client { limits = { body = size } }
assert(client:get(url:match "^http://[^/]*" .. "/json")):dispose()
collectgarbage()
local before, heap = highest(), collectgarbage "count"
do
  local is_stream = way == "chunks" or way == "save"
  local response <close> = assert(client:get(url, { stream = is_stream }))
  ways[way](response)
end
heap = collectgarbage "count" * 1024 - heap * 1024
print(("%.4f %.4f"):format((highest() - before) / size, heap / size))
]]

describe("a body of 256 MiB #slabs", function()
  local web

  setup(function()
    web = nginx.start()
    web:file(SIZE)
  end)
  teardown(function() web:stop() end)

  local function measure(kind, way)
    local url = ("%s/%s/%d"):format(web.url, kind, SIZE)
    local status, output = script.run(source, url, tostring(SIZE), way, web.directory .. "/saved")
    assert.equal(0, status, output)
    local memory, heap = output:match "^([%d.]+) (-?[%d.]+)\n$"
    return assert(tonumber(memory), output), assert(tonumber(heap))
  end

  local bounds = { text = 2.05, sequence = 1.05, detach = 1.05, chunks = 0.02, save = 0.02 }

  for _, kind in ipairs { "file", "chunked" } do
    for way, bound in pairs(bounds) do
      it(("takes at most %.2f times its own size, %s by %s"):format(bound, kind, way), function()
        local memory, heap = measure(kind, way)
        assert.is_true(memory <= bound, memory)
        if way ~= "text" then assert.is_true(heap < 0.004, heap) end
      end)
    end
  end
end)

describe("a body in one segment", function()
  local client

  support.verify_each(function(keep) client = keep(support.client()) end)

  it("is not copied before it becomes a string", function()
    local p <close> = support.peer.listen {
      script = { { { "expect_until", "\r\n\r\n" },
        { "send", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" .. support.pattern(1000) },
        { "stall" } } },
    }
    local response <close> = assert(client:get(p.url .. "/"))
    local stats = sluice.stats()
    assert.equal(support.pattern(1000), response:text())
    local now = sluice.stats()
    assert.equal(stats.rented, now.rented)
    assert.equal(stats.allocations, now.allocations)
    assert.is_true(now.bytes < stats.bytes) -- and then its segment goes back
  end)
end)

describe("responses that nobody disposes", function()
  local web, before, client

  setup(function()
    web = nginx.start()
    web:file(1 << 20)
  end)
  teardown(function() web:stop() end)

  before_each(function()
    before = support.snapshot(sluice)
    client = support.client()
    collectgarbage()
  end)

  after_each(function()
    client:close()
    collectgarbage()
    collectgarbage()
    before.leaked = sluice.stats().leaked
    support.verify(sluice, before)
  end)

  -- Runs `step` again and again, each time for 1 MiB. What could be collected may stay while it is
  -- in proportion to Lua's own heap.
  local function check(step)
    local bound = (32 << 20) + 4 * math.ceil(collectgarbage "count") * 1024
    for _ = 1, 2 * bound >> 20 do
      step(web.url .. "/file/" .. (1 << 20))
      assert.is_true(sluice.stats().bytes < bound, sluice.stats().bytes)
    end
  end

  for _, mode in ipairs { "incremental", "generational" } do
    it("do not pile up with a collector that is " .. mode, function()
      local last
      local previous = collectgarbage(mode)
      finally(function() collectgarbage(previous) end)
      check(function(url)
        last = assert(client:get(url)) -- the one before is old by now
        assert.equal(1 << 20, #last)
      end)
      check(function(url)
        last = assert(client:get(url)):sequence()
        assert.equal(1 << 20, #last)
      end)
      check(function(url)
        local response <close> = assert(client:get(url, { stream = true }))
        for piece in response:chunks() do assert.is_true(#piece > 0) end
      end)
    end)
  end
end)

describe("many requests at once", function()
  local COUNT = 600
  local client

  support.verify_each(function(keep)
    client = keep(support.client { pool = { per_origin = COUNT, total = COUNT } })
  end)

  it("leave no memory behind once their connections rest", function()
    -- It answers once all of them wait.
    local p <close> = support.peer.listen { repeat_last = true, script = { {
      { "expect_until", "\r\n\r\n" }, { "hold" },
      { "send", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood" }, { "stall" },
    } } }
    local tasks = {}
    for i = 1, COUNT do
      tasks[i] = sluice.spawn(function()
        local response <close> = assert(client:get(p.url .. "/"))
        return response.status
      end)
    end
    local deadline = support.system.clock() + 60
    while not p:wait("holding", COUNT, 0) and support.system.clock() < deadline do
      sluice.loop():step(0.01)
    end
    p:signal(COUNT)
    sluice.run(function()
      for _, task in ipairs(tasks) do assert.equal(200, task:await()) end
      assert.equal(COUNT, sluice.stats().idle)
      deadline = support.system.clock() + 30
      repeat sluice.sleep(0.01) until sluice.stats().spare == 0 or support.system.clock() > deadline
      assert.equal(0, sluice.stats().spare)
      assert.equal(COUNT, sluice.stats().idle)
    end)
  end)
end)
