--- bench/hosts/timer.lua HOST URL [REQUESTS] [TOGETHER] - a host's own timer beside requests.
--
-- HOST is cqueues, luv, copas, or `none`: a timer of cqueues alone. So many requests (100,000) go
-- out from so many coroutines (1,000), each over its own connection, while a timer of the host
-- ticks every 10 ms. Prints how late its ticks come, in milliseconds: median, p99, the latest; from
-- when as many have arrived as are sent together, so that all connections are there.

package.path = package.path .. ";/usr/share/lua/5.2/?.lua"
local core = require "sluice.core"
local sluice = require "sluice"

local host, url = arg[1], arg[2]
local requests, together = tonumber(arg[3] or 100000), tonumber(arg[4] or 1000)
local PERIOD = 0.01

local client = assert(sluice.client { pool = { per_origin = together, total = together } })
local late, alive, arrived = {}, 0, 0

local function now() return core.now() / 1e9 end

-- One coroutine's share.
local function work()
  alive = alive + 1
  for _ = 1, requests // together do
    local response <close> = assert(client:get(url))
    arrived = arrived + (response.ok and 1 or 0)
  end
  alive = alive - 1
end

local due

local function is_warm() return host == "none" or arrived >= together end

-- Notes a tick. Returns the seconds until the next one.
local function tick()
  local time = now()
  if due and is_warm() then late[#late + 1] = time - due end
  due = time + PERIOD
  return PERIOD
end

local hosts = {}

function hosts.cqueues()
  local cqueues = require "cqueues"
  require("sluice.hosts.cqueues").install()
  local controller = cqueues.new()
  for _ = 1, together do controller:wrap(work) end
  controller:wrap(function()
    repeat cqueues.sleep(tick()) until alive == 0
  end)
  assert(controller:loop())
end

function hosts.none()
  local cqueues = require "cqueues"
  local controller, ends = cqueues.new(), now() + 2
  controller:wrap(function()
    repeat cqueues.sleep(tick()) until now() > ends
  end)
  assert(controller:loop())
end

function hosts.luv()
  local uv = require "luv"
  require("sluice.hosts.luv").install()
  local timer = uv.new_timer()
  local function again()
    if arrived < requests // together * together then
      timer:start(math.floor(tick() * 1000), 0, again)
    else
      timer:close()
    end
  end
  for _ = 1, together do coroutine.wrap(work)() end
  again()
  uv.run()
end

-- copas has no timer: its program waits no longer than until the next tick.
function hosts.copas()
  local copas = require "copas"
  require("sluice.hosts.copas").install()
  for _ = 1, together do copas.addthread(work) end
  repeat
    local time = now()
    due = due or time + PERIOD
    if time >= due then
      if is_warm() then late[#late + 1] = time - due end
      due = time + PERIOD
    end
    copas.step(math.max(0, due - now()))
  until alive == 0
end

assert(hosts[host], "host: cqueues, luv, copas or none expected")()
table.sort(late)
local function at(share) return late[math.max(1, math.ceil(#late * share))] * 1000 end
print(("%-8s %6d requests, %4d ticks late by %.2f ms (median), %.2f ms (p99), %.2f ms (most)")
  :format(host, arrived, #late, at(0.5), at(0.99), at(1)))
