--- The workloads of clients/ws.js through sluice.
-- usage: websocket.lua <workload> <url> <count> <bytes of a message>
--
--   echo, text           messages looked at as received bytes, and disposed
--   echo_text, text_text messages taken as strings

local here = arg[0]:match("^(.*/)") or "./"
package.path = here .. "?.lua;" .. package.path
local meter = require "meter"
local sluice = require "sluice"

local workload, url, count, size = arg[1], arg[2], tonumber(arg[3]), tonumber(arg[4])
local takes_string = workload:find("_text$") ~= nil
local payload = ("01234567890123456789"):rep((size + 19) // 20):sub(1, size)
if workload:find("^text") then
  payload = "go"
end

local client = meter.client()

local function exchange(socket)
  assert(socket:send(payload, "binary"))
  local message = assert(socket:receive(600))
  local bytes = takes_string and #message:text() or #message
  message:dispose()
  return bytes
end

sluice.run(function()
  local socket <close> = assert(client:websocket(url, { max_message_size = 2 ^ 30 | 0 }))
  exchange(socket)
  local start = meter.begin()
  local bytes = 0
  for _ = 1, count do
    bytes = bytes + exchange(socket)
  end
  meter.finish(start, count, bytes)
end)
client:close()
