--- How long after they were sent events are delivered.
-- usage: delays.lua <url> <streams>       of origin/ticker.c
-- Prints p50= and p99= in us.

local here = arg[0]:match("^(.*/)") or "./"
package.path = here .. "?.lua;" .. package.path
local meter = require "meter"
local core = require "sluice.core"
local sluice = require "sluice"

local url, streams = arg[1], tonumber(arg[2])
local client = meter.client { pool = { per_origin = streams, total = streams } }
local delays = {}

local function read()
  for event in client:events(url, { reconnect = false }) do
    delays[#delays + 1] = core.now() - tonumber(event.data:match "%d+")
  end
end

sluice.run(function()
  local tasks = {}
  for i = 1, streams do tasks[i] = sluice.spawn(read) end
  for _, task in ipairs(tasks) do task:await() end
end)
client:close()

table.sort(delays)

local function percentile(share) return delays[1 + math.floor((#delays - 1) * share)] / 1000 end

print(("events=%d p50=%.1f p99=%.1f"):format(#delays, percentile(0.5), percentile(0.99)))
