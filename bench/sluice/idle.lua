--- What an idle keep-alive connection costs.
-- usage: idle.lua together <url> <count>    to one origin, opened by that many tasks at once. Has
--                                           clients/count_malloc.c, which must be preloaded, tell
--                                           what is allocated with them, and after they closed.
--        idle.lua apart <url> <count>       one after the other, each to a loopback address of
--                                           its own (127.1.x.y): nothing else grows, but each
--                                           connection pays for its origin too. Prints idle=
--                                           resident bytes per connection.
--        idle.lua sockets <url> <count>     as together, for WebSockets, one after the other, each
--                                           with a message both ways
--        idle.lua streams <url> <count>     as sockets, for event streams (response:events), each
--                                           with its first event read
--        idle.lua subscribed <url> <count>  the same with `client:events()`
--        idle.lua waiting <url> <count>     as subscribed, each with a coroutine that waits for the
--                                           next event
--        idle.lua burst <url> <count>       as together, without a counter: prints burst= KiB that
--                                           are resident more than before, 150 ms after the last.
-- Prints connections= open at the end.

local here = arg[0]:match("^(.*/)") or "./"
package.path = here .. "?.lua;" .. package.path
local meter = require "meter"
local sluice = require "sluice"

local how, url, count = arg[1], arg[2], tonumber(arg[3])

local function new_client()
  return meter.client { pool = { per_origin = count, total = 2 * count, idle = 600 } }
end

local function get(client, target)
  local response <close> = assert(client:get(target))
  return #response.body == 1024
end

local function resident()
  collectgarbage()
  collectgarbage()
  return meter.kib("VmRSS")
end

-- Segments are not counted: they are mapped, and idle connections hold none.
local function tell_live()
  collectgarbage()
  collectgarbage()
  os.execute("kill -USR1 $PPID")
end

local function wave(client)
  local tasks = {}
  for i = 1, count do
    tasks[i] = sluice.spawn(get, client, url)
  end
  for _, task in ipairs(tasks) do
    assert(task:await())
  end
end

local function together()
  local client = new_client()
  wave(client)
  local connections = sluice.stats().connections
  sluice.sleep(0.5) -- they come to rest
  tell_live()
  client:close()
  sluice.sleep(0.5) -- operations in flight end and release their buffers
  tell_live()
  print(("connections=%d"):format(connections))
end

local function burst()
  local client = new_client()
  get(client, (url:gsub("/gather/.*", "/1k")))
  local before = resident()
  wave(client)
  collectgarbage()
  collectgarbage()
  sluice.sleep(0.15)
  local grown = meter.kib("VmRSS") - before
  print(("burst=%d connections=%d"):format(grown, sluice.stats().connections))
  client:close()
end

local function apart()
  local client = new_client()
  local function open(from, to)
    for i = from, to do
      local address = ("127.1.%d.%d"):format(i // 250, i % 250 + 1)
      get(client, (url:gsub("127%.0%.0%.1", address)))
    end
  end
  open(0, 99)
  local before = resident()
  open(100, 99 + count)
  local grown = resident() - before
  print(("idle=%.1f connections=%d"):format(grown * 1024 / count, sluice.stats().connections))
  client:close()
end

local function sockets()
  local client, open = new_client(), {}
  for i = 1, count do
    local socket = assert(client:websocket(url))
    assert(socket:send "hello")
    assert(socket:receive()):dispose()
    open[i] = socket
  end
  sluice.sleep(1.5) -- they come to rest
  tell_live()
  local connections = #open
  while open[1] do table.remove(open):dispose() end
  client:close()
  sluice.sleep(0.5)
  tell_live()
  print(("connections=%d"):format(connections))
end

-- `open(client)` -> what closes a stream
local function hold(open)
  local client, held = new_client(), {}
  for i = 1, count do held[i] = open(client) end
  sluice.sleep(1.5) -- they come to rest
  tell_live()
  local connections = #held
  while held[1] do table.remove(held):close() end
  client:close()
  sluice.sleep(0.5)
  tell_live()
  print(("connections=%d"):format(connections))
end

local function streams()
  hold(function(client)
    local events = assert(client:get(url, { stream = true })):events()
    assert(events().data == "hello")
    return events
  end)
end

local function subscribed()
  hold(function(client)
    local events = client:events(url)
    assert(events().data == "hello")
    return events
  end)
end

local Waiting = { __index = {} }

function Waiting.__index:close()
  self.task:cancel()
end

local function waiting()
  hold(function(client)
    local has_begun = false
    local self = setmetatable({}, Waiting)
    self.task = sluice.spawn(function()
      pcall(function()
        for event in client:events(url) do
          assert(event.data == "hello")
          has_begun = true
        end
      end)
    end)
    while not has_begun do sluice.sleep(0) end
    return self
  end)
end

sluice.run(({ together = together, burst = burst, apart = apart, sockets = sockets,
  streams = streams, subscribed = subscribed, waiting = waiting })[how])
