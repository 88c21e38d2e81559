--- lua5.4 examples/interceptors.lua URL FOLDER - records requests in the folder, replays them
-- without a network, and prints what was measured.

local sluice = require "sluice"

local url, folder = arg[1], arg[2]
if not folder then
  io.stderr:write("usage: lua5.4 examples/interceptors.lua URL FOLDER\n")
  os.exit(2)
end

local built_in = sluice.interceptors

--- Sends three requests through a recorder in that mode. Returns the metrics, and the requests that
-- went over the network.
local function send(mode)
  local client <close> = assert(sluice.client { timeout = 10 })
  local cache <close> = built_in.cache()
  local metrics = built_in.metrics { buckets = { 0.01, 0.1, 1 } }
  client:use(built_in.default_headers { ["X-Example"] = "interceptors" })
  client:use(built_in.log { sink = function(line) print("  " .. line) end })
  client:use(metrics):use(cache):use(built_in.rate_limit { rate = 100 })
  client:use(built_in.circuit_breaker())
  client:use(built_in.record { path = folder, mode = mode })
  for i = 1, 3 do
    local response <close> = assert(client:get(url .. "?token=secret&page=" .. i))
    assert(response.ok, response.status)
  end
  return metrics, client:stats().requests
end

print "\nThree requests, recorded:"
local _, recorded = send "record"
print "Replayed:"
local metrics, replayed = send "replay"
print(metrics:text():match "sluice_client_requests_total{[^\n]*")
print(("  %d requests sent, then %d; outstanding %d")
  :format(recorded, replayed, sluice.stats().outstanding))
os.exit(recorded == 3 and replayed == 0 and sluice.stats().outstanding == 0, true)
