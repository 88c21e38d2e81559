--- lua5.4 examples/interceptor.lua URL - interceptors: one of its own, and two that are built in.

local sluice = require "sluice"

local url = arg[1]
if not url then
  io.stderr:write("usage: lua5.4 examples/interceptor.lua URL\n")
  os.exit(2)
end

local client <close> = assert(sluice.client())
local metrics = sluice.interceptors.metrics {}
client:use(metrics)
client:use(sluice.interceptors.cache {})

-- Around a call: it may change the request, answer by itself, send more than once, or look at what
-- comes of it.
client:use(function(request, forward)
  request:set_header("X-Request-Id", ("%08x"):format(math.random(0, 1 << 32 - 1)))
  local response, message, err = forward(request)
  print(("  %s %s: %s"):format(request.method, request.url,
    response and response.status or message))
  return response, message, err
end)

print "\ntwo calls, of which the cache may answer one:"
local has_failed = false
for _ = 1, 2 do
  local response <close> = client:get(url)
  has_failed = has_failed or not response
end
print("  " .. metrics:text():match "sluice_client_requests_total{[^\n]*")
os.exit(not has_failed, true)
