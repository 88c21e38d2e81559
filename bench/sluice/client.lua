--- The workloads of clients/curl.c through sluice.
-- usage: client.lua <workload> <url> <count> <connections>
--
--   sequential   one after the other on one connection, the body taken as a string
--   concurrent   that many tasks, each one after the other
--   discard      bodies pulled as sequences, looked at and disposed
--   left         the same, left to the collector
--   strings      bodies pulled as strings of 64 KiB
--   hold         bodies held whole, as one sequence
--   text         bodies held whole, as one string
--   lines        bodies streamed, line by line; whole_lines: held whole before that
--   events       bodies streamed, event by event
--   numbers      bodies streamed, number by number; whole_numbers
--   file_lines   no request: io.lines over the file of that name in $PAYLOADS; file_numbers
--   upload       POST of the file named by $UPLOAD; multipart: as a part of one
--   post         POST of a small JSON document, encoded for each request
--
-- $SPIN: seconds that the loop polls before it sleeps, see loop:spin.

local here = arg[0]:match("^(.*/)") or "./"
package.path = here .. "?.lua;" .. package.path
local meter = require "meter"
local sluice = require "sluice"

local workload, url = arg[1], arg[2]
local count, connections = tonumber(arg[3]), tonumber(arg[4])

local client = meter.client {
  pool = { per_origin = connections, total = connections },
  limits = { body = 2 ^ 33 | 0 },
  timeout = 600,
}

if os.getenv("SPIN") then
  sluice.loop():spin(tonumber(os.getenv("SPIN")))
end

local function check(response, message)
  if not response then
    error(message)
  end
  if response.status ~= 200 then
    error("status is " .. response.status)
  end
  return response
end

local function get_small()
  return #check(client:get(url)).body
end

local upload_size

local function open_upload()
  local file = assert(io.open(os.getenv("UPLOAD"), "rb"))
  upload_size = file:seek("end")
  file:seek("set")
  return file
end

--- Each does one request and returns the bytes it counted.
local workloads = {}

workloads.sequential = get_small
workloads.concurrent = get_small

function workloads.discard()
  local response <close> = check(client:get(url, { stream = true }))
  local bytes = 0
  for piece in response:chunks() do
    bytes = bytes + #piece
    piece:dispose()
  end
  return bytes
end

function workloads.left()
  local response <close> = check(client:get(url, { stream = true }))
  local bytes = 0
  for piece in response:chunks() do
    bytes = bytes + #piece
  end
  return bytes
end

function workloads.strings()
  local response <close> = check(client:get(url, { stream = true }))
  local bytes = 0
  while true do
    local piece, message = response:read(65536)
    if not piece then
      assert(not message, message)
      return bytes
    end
    bytes = bytes + #piece
  end
end

function workloads.hold()
  local response <close> = check(client:get(url))
  return #response:sequence()
end

function workloads.text()
  local response <close> = check(client:get(url))
  return #response:text()
end

function workloads.upload()
  local file <close> = open_upload()
  local response <close> = check(client:post(url, { body = file }))
  assert(response.body:find(upload_size, 1, true), response.body)
  return upload_size
end

function workloads.multipart()
  local options = { multipart = { file = { path = os.getenv "UPLOAD" } } }
  local response <close> = check(client:post(url, options))
  open_upload():close()
  assert(tonumber(response.body:match "%d+") > upload_size, response.body)
  return upload_size
end

-- Their bytes with their ends.
local function count_lines(...)
  local bytes = 0
  for line in ... do
    bytes = bytes + #line + 1
  end
  return bytes
end

local function count_numbers(reader)
  local before = 0
  while reader:read("n") do
    before = reader:seek()
  end
  return before + 1
end

local function payload()
  return os.getenv("PAYLOADS") .. "/" .. url:match("[^/]*$")
end

local function lines_of(is_stream)
  local response <close> = check(client:get(url, { stream = is_stream }))
  return count_lines(response:lines())
end

local function numbers_of(is_stream)
  local response <close> = check(client:get(url, { stream = is_stream }))
  local reader <close> = response:reader()
  return count_numbers(reader)
end

function workloads.lines() return lines_of(true) end

function workloads.whole_lines() return lines_of(false) end

function workloads.events()
  local response <close> = check(client:get(url, { stream = true }))
  local bytes = 0
  for event in response:events() do
    bytes = bytes + #event.data + #"data: \n\n"
  end
  return bytes
end

function workloads.numbers() return numbers_of(true) end

function workloads.whole_numbers() return numbers_of(false) end

function workloads.file_lines() return count_lines(io.lines(payload())) end

function workloads.file_numbers()
  local file <close> = assert(io.open(payload()))
  return count_numbers(file)
end

local number = 0

function workloads.post()
  number = number + 1
  local response = check(client:post(url, {
    json = {
      id = number,
      name = "item " .. number,
      price = number / 100,
      tags = { "a", "b", "c" },
      stock = number % 1000,
    },
  }))
  return #response.body
end

local one = workloads[workload] or error("no such workload: " .. tostring(workload))
local bytes = 0

local function many(times)
  for _ = 1, times do
    bytes = bytes + one()
  end
  return true
end

local function run(total)
  if connections == 1 then
    return many(total)
  end
  local tasks = {}
  for i = 1, connections do
    tasks[i] = sluice.spawn(many, total // connections + (i <= total % connections and 1 or 0))
  end
  for _, task in ipairs(tasks) do
    assert(task:await())
  end
end

sluice.run(function()
  if workload == "sequential" or workload == "concurrent" or workload == "post" then
    run(connections * 4)
  end
  bytes = 0
  local start = meter.begin()
  run(count)
  meter.finish(start, count, bytes)
end)
client:close()
