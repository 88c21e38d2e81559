--- What a game's frame costs while bytes move: CPU time of one step of the loop, 60 times a second.
-- usage: frames.lua <workload> <origin> <seconds> [budget in milliseconds]
--
--   streamed    200 MiB after 200 MiB, its pieces taken and disposed; text: as strings of 64 KiB
--   buffered    the same, each body held whole
--   beside      streamed, beside 500 requests a second and lines of 16 bytes
--   lines       lines of 16 bytes from a streamed body; whole: from one that is held whole
--   connects    1,000 requests at once, each on a new connection, again and again
--   at_once     500 requests at once on 16 connections, again and again
--
-- Prints what arrived, and the CPU milliseconds of the median frame, the worst in a hundred, in a
-- thousand, and of all.

local here = arg[0]:match("^(.*/)") or "./"
package.path = here .. "?.lua;" .. package.path
local meter = require "meter"
local sluice = require "sluice"
local now = require("sluice.core").now

local workload, origin, seconds = arg[1], arg[2], tonumber(arg[3])
local budget = arg[4] and tonumber(arg[4]) / 1000
local large = origin .. "/length/" .. 200 * 1024 * 1024
local is_over, bytes, requests, lines = false, 0, 0, 0

local function client_for(connections)
  return meter.client {
    pool = { per_origin = connections, total = connections }, limits = { body = 1 << 33 },
    timeout = { total = 600, queue = 600, first_byte = 600 },
  }
end

local client = client_for(16)

--- A task that calls f again and again until the time is over.
local function again(f, ...)
  sluice.spawn(function(...)
    repeat f(...) until is_over
  end, ...)
end

local function get_small()
  local response <close> = assert(client:get(origin .. "/1k"))
  assert(#response:text() == 1024)
  requests = requests + 1
end

local function stream(take)
  local response <close> = assert(client:get(large, { stream = true }))
  repeat
    local size = take(response)
    bytes = bytes + (size or 0)
  until not size or is_over
end

local function take_piece(response)
  local piece <close> = response:next_chunk()
  return piece and #piece
end

local function take_text(response)
  local piece = response:read()
  return piece and #piece
end

local function hold()
  local response <close> = assert(client:get(large))
  local sequence <close> = response:sequence()
  bytes = bytes + #sequence
end

local function read_lines(is_stream)
  local response <close> = assert(client:get(origin .. "/file/short", { stream = is_stream }))
  for _ in response:lines() do
    lines = lines + 1
    if is_over then break end
  end
end

local function at_once(count)
  local tasks = {}
  for i = 1, count do tasks[i] = sluice.spawn(get_small) end
  assert(sluice.all(tasks))
end

local function connect_all()
  client:close()
  client = client_for(1000)
  at_once(1000)
end

local function get_regularly()
  get_small()
  sluice.sleep(0.02)
end

local workloads = {
  streamed = function() again(stream, take_piece) end,
  text = function() again(stream, take_text) end,
  buffered = function() again(hold) end,
  lines = function() again(read_lines, true) end,
  whole = function() again(read_lines, false) end,
  connects = function() again(connect_all) end,
  at_once = function() again(at_once, 500) end,
  beside = function()
    again(stream, take_piece)
    again(read_lines, true)
    for _ = 1, 10 do again(get_regularly) end
  end,
}

workloads[workload]()
local loop, times = sluice.loop(), {}
local frames <close> = assert(io.popen "while sleep 0.0156; do echo; done")
local began = now()
repeat
  frames:read "l"
  local from = os.clock()
  loop:step(0, budget)
  times[#times + 1] = (os.clock() - from) * 1000
until now() - began > seconds * 1e9
local took = (now() - began) / 1e9
table.sort(times)

local function worst_but(part) return times[math.ceil(#times * (1 - part))] end

print(("frames=%d mb=%.1f requests=%.0f lines=%.0f p50=%.3f p99=%.3f p999=%.3f max=%.3f"):format(
  #times, bytes / took / 1e6, requests / took, lines / took, worst_but(0.5), worst_but(0.01),
  worst_but(0.001), times[#times]))
os.exit(0, false)
