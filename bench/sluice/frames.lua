--- What a game's frame costs while bytes move: CPU time of one step of the loop, 60 times a second.
-- usage: frames.lua <workload> <origin> <seconds> [budget in milliseconds]
--
--   streamed    200 MiB after 200 MiB, its pieces taken and disposed; text: as strings of 64 KiB
--   buffered    the same, each body held whole
--   beside      streamed, beside 500 requests a second, 6,000 lines of 16 bytes a second and, if
--               $WEBSOCKET is a URL, a message there and back in each step
--   crowded     the same with 20,000 lines a second and 8 messages
--   lines       lines of 16 bytes from a streamed body; whole: from one that is held whole
--   connects    1,000 requests at once, each on a new connection, again and again
--   at_once     500 requests at once on 16 connections, again and again
--   nothing     no work but to watch the clock until the budget is over: what the machine adds
--
-- $TICK is the program that begins the frames (clients/tick.c).
--
-- What the game does is not counted: to begin 500 or 1,000 tasks, and to collect garbage, in steps
-- of Lua's collector behind the loop's. Its longest cannot be divided (doc/guide/games.md).
-- Prints what arrived, and the CPU milliseconds of the median frame, of the worst in a hundred and
-- in a thousand, and of all.

local here = arg[0]:match("^(.*/)") or "./"
package.path = here .. "?.lua;" .. package.path
local meter = require "meter"
local sluice = require "sluice"
local now = require("sluice.core").now

local workload, origin, seconds = arg[1], arg[2], tonumber(arg[3])
local budget = arg[4] and tonumber(arg[4]) / 1000
local large = origin .. "/length/" .. 200 * 1024 * 1024
local is_over, bytes, requests, lines, messages = false, 0, 0, 0, 0
local began, held_at = now(), nil

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
  bytes, held_at = bytes + #sequence, now()
end

-- At most `most` lines in a step, if given.
local function read_lines(is_stream, most)
  local response <close> = assert(client:get(origin .. "/file/short", { stream = is_stream }))
  for _ in response:lines() do
    lines = lines + 1
    if most and lines % most == 0 then sluice.sleep(0) end
    if is_over then break end
  end
end

-- `many` messages there in each step, each of which comes back.
local function talk(socket, many)
  sluice.spawn(function()
    repeat
      for _ = 1, many do assert(socket:send_text "tick") end
      sluice.sleep(0)
    until is_over
  end)
  repeat
    assert(socket:receive()):dispose()
    messages = messages + 1
  until is_over
  socket:dispose()
end

local under_way = 0

local function fetch()
  get_small()
  under_way = under_way - 1
end

local function spawn_all(count)
  under_way = under_way + count
  for _ = 1, count do sluice.spawn(fetch) end
end

local function fetch_some(number) spawn_all(number % 3 == 0 and 9 or 8) end -- 500 a second

--- What the frame itself does, outside of the step.
local frame_work = {
  at_once = function() if under_way == 0 then spawn_all(500) end end,
  connects = function()
    if under_way > 0 then return end
    client:close()
    client = client_for(1000)
    spawn_all(1000)
  end,
  beside = fetch_some,
  crowded = fetch_some,
}

-- Lines and messages in a step. The WebSocket is there before the first frame: see the guide.
local function stream_beside(lines_most, messages_most)
  local url = os.getenv "WEBSOCKET"
  local socket = url and assert(client:websocket(url))
  again(stream, take_piece)
  again(read_lines, true, lines_most)
  if socket then again(talk, socket, messages_most) end
end

local workloads = {
  streamed = function() again(stream, take_piece) end,
  text = function() again(stream, take_text) end,
  buffered = function() again(hold) end,
  lines = function() again(read_lines, true) end,
  whole = function() again(read_lines, false) end,
  connects = function() end,
  at_once = function() end,
  beside = function() stream_beside(100, 1) end,
  crowded = function() stream_beside(333, 8) end,
  nothing = function() end,
}

local loop = sluice.loop()

local function step()
  if workload ~= "nothing" then return loop:step(0, budget) end
  local from = now()
  repeat until now() - from > budget * 1e9
end


collectgarbage "incremental"
collectgarbage "stop"
workloads[workload]()
local times = {}
local frames <close> = assert(io.popen(os.getenv "TICK" .. " 60"))
repeat
  frames:read "l"
  if frame_work[workload] then frame_work[workload](#times) end
  local from = os.clock()
  step()
  times[#times + 1] = (os.clock() - from) * 1000
  collectgarbage("step", 200)
until now() - began > seconds * 1e9
local took = (now() - began) / 1e9
local receiving = held_at and (held_at - began) / 1e9 or took
table.sort(times)

local function worst_but(part) return times[math.ceil(#times * (1 - part))] end

local report = "frames=%d mb=%.1f requests=%.0f lines=%.0f messages=%.0f p50=%.3f p99=%.3f "
  .. "p999=%.3f max=%.3f"
print(report:format(#times, bytes / receiving / 1e6, requests / took, lines / took, messages / took,
  worst_but(0.5), worst_but(0.01), worst_but(0.001), times[#times]))
os.exit(0, false)
