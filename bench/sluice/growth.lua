--- What one request costs while there are many others, in microseconds of CPU.
-- usage: growth.lua tasks <origin> <count>      so many tasks on 16 connections
--        growth.lua elsewhere <origin> <count>  a GET while so many wait for another origin
--        growth.lua origins <origin> <count>    the longest step, each task with its own origin
--        growth.lua connections <origin> <count>  a GET on each of so many connections in turn
--        growth.lua sizes <origin> <bytes>      a body of so many bytes, streamed; us for a MiB
--        growth.lua steps <origin> <0 or 1>     a GET, with 1 through the built-in interceptors
-- Prints us=.

local here = arg[0]:match("^(.*/)") or "./"
package.path = here .. "?.lua;" .. package.path
local meter = require "meter"
local sluice = require "sluice"

local what, url, count = arg[1], arg[2], tonumber(arg[3])
local port = url:match(":(%d+)")
local patient = { queue = 600, total = 600, first_byte = 600 }
local pool = what == "connections" and { per_origin = count, total = count } or nil
local client = meter.client { timeout = patient, pool = pool }
local us

local function fetch(address) assert(client:get(address)):dispose() end

if what == "tasks" then
  local from = os.clock()
  sluice.run(function()
    local tasks = {}
    for i = 1, count do tasks[i] = sluice.spawn(fetch, url .. "/1k") end
    for i = 1, count do tasks[i]:await() end
  end)
  us = (os.clock() - from) / count * 1e6
elseif what == "elsewhere" then
  local others = ("http://localhost:%s/gather/%d"):format(port, count + 1)
  for _ = 1, count do sluice.spawn(function() client:get(others) end) end
  local loop = sluice.loop()
  while client:stats().queued < count - 16 do loop:step(0.1) end
  local function measure(times)
    local from = os.clock()
    for _ = 1, times do fetch(url .. "/1k") end
    return (os.clock() - from) / times * 1e6
  end
  measure(100)
  us = measure(5000)
elseif what == "connections" then
  sluice.run(function()
    local function all(address, times)
      local tasks = {}
      for i = 1, count do
        tasks[i] = sluice.spawn(function()
          for _ = 1, times do fetch(address) end
        end)
      end
      for i = 1, count do tasks[i]:await() end
    end
    all(("%s/gather/%d"):format(url, count), 1)
    assert(sluice.stats().connections == count)
    local times = math.max(2, 20000 // count)
    local from = os.clock()
    all(url .. "/1k", times)
    us = (os.clock() - from) / times / count * 1e6
  end)
elseif what == "sizes" then
  sluice.run(function()
    local times = math.max(1, math.min(5000, (1 << 28) // count))
    local address = ("%s/length/%d"):format(url, count)
    fetch(url .. "/1k")
    local from = os.clock()
    for _ = 1, times do
      local response <close> = assert(client:get(address, { stream = true }))
      for piece in response:chunks() do piece:dispose() end
    end
    us = (os.clock() - from) / times / count * 1e6 * (1 << 20)
  end)
elseif what == "steps" then
  local steps = sluice.interceptors
  if count == 1 then
    client:use(steps.default_headers { ["X-Application"] = "bench" })
    client:use(steps.log { sink = function() end }):use(steps.metrics()):use(steps.cache())
    client:use(steps.rate_limit { rate = 1e9 }):use(steps.circuit_breaker())
  end
  sluice.run(function()
    for _ = 1, 1000 do fetch(url .. "/1k") end
    local from = os.clock()
    for _ = 1, 20000 do fetch(url .. "/1k") end
    us = (os.clock() - from) / 20000 * 1e6
  end)
else -- origins; Lua's collector works in steps of its own
  collectgarbage "stop"
  local left, longest = count, 0
  for i = 1, count do
    sluice.spawn(function()
      fetch(("http://127.%d.%d.%d:%s/1k"):format(1 + i // 62500, i // 250 % 250, 1 + i % 250, port))
      left = left - 1
    end)
  end
  local loop = sluice.loop()
  while left > 0 do
    local from = os.clock()
    loop:step(1)
    longest = math.max(longest, os.clock() - from)
  end
  us = longest * 1e6
end
print(("us=%.1f"):format(us))
os.exit(0, false)
