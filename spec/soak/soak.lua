--- A long run against a real nginx: requests, connections, streams, cancellations.
--
--   lua5.4 spec/soak/soak.lua [requests = 100000]
--
-- One in a hundred requests is cancelled at a random moment. Every body is compared. At the
-- end nothing may be outstanding, no descriptor more be open than before, and neither RSS nor the
-- Lua heap may have grown since a tenth of the run.

local nginx = require "spec.support.nginx"
local support = require "spec.support"
local sluice = require "sluice"
local system = require "support.system"

local requests = tonumber(arg[1]) or 100000
local seed = tonumber(os.getenv "SOAK_SEED") or os.time()
math.randomseed(seed)
print(("soak: %d requests, seed %d, %s"):format(requests, seed,
  os.getenv "SLUICE_SPEC_MODE" or "stream"))

-- Until the pool has met its peak, memory that it keeps spare still grows; a short run ends there.
local is_long = requests >= 100000
local rss_allowance = 512 * 1024
local sizes = { 0, 1, 1000, 16384, 65537, 300000 }
local web = nginx.start()
local bodies = {}
for _, size in ipairs(sizes) do
  web:file(size)
  bodies[size] = support.pattern(size)
end

local counts = { whole = 0, streamed = 0, cancelled = 0, connected = 0 }

local function pick()
  local size = sizes[math.random(#sizes)]
  local kind = math.random() < 0.3 and "/chunked/" or "/file/"
  return web.url .. kind .. size, bodies[size]
end

local function check(held, what, message)
  if not held then error(what .. ": " .. tostring(message), 0) end
end

local function buffered(client)
  local url, body = pick()
  local response <close>, message = client:get(url)
  check(response, url, message)
  check(response:text() == body, url, "the body differs")
  counts.whole = counts.whole + 1
end

local function streamed(client)
  local url, body = pick()
  local response <close>, message = client:get(url, { stream = true })
  check(response, url, message)
  local position = 0
  for piece in response:chunks() do
    local text = piece:tostring()
    piece:dispose()
    check(body:sub(position + 1, position + #text) == text, url, "the body differs")
    position = position + #text
    if math.random() < 0.02 then return end
  end
  check(position == #body, url, "the body is short")
  counts.streamed = counts.streamed + 1
end

local function cancelled(client)
  local url = pick()
  local task = sluice.spawn(function()
    local response <close>, _, err = client:get(url)
    check(response or err.code == "cancelled", url, err)
  end)
  sluice.sleep(math.random() * 0.002)
  task:cancel()
  task:await()
  counts.cancelled = counts.cancelled + 1
end

local function work(client, fresh, share)
  for _ = 1, share do
    local dice = math.random()
    if dice < 0.01 then
      cancelled(client)
    elseif dice < 0.06 then
      counts.connected = counts.connected + 1
      buffered(fresh)
    elseif dice < 0.4 then
      streamed(client)
    else
      buffered(client)
    end
  end
end

local function round(count)
  local client = support.client()
  local fresh = support.client { pool = false }
  sluice.run(function()
    local tasks = {}
    for i = 1, 16 do tasks[i] = sluice.spawn(work, client, fresh, count // 16) end
    sluice.all(tasks)
  end)
  client:close()
  fresh:close()
  support.settle(sluice)
end

local function measure()
  collectgarbage()
  collectgarbage()
  return system.rss(), collectgarbage("count") * 1024
end

round(requests // 10)
local before = support.snapshot(sluice)
local rss, heap = measure()
for _ = 1, 9 do round(requests // 10) end
local rss_after, heap_after = measure()
support.verify(sluice, before)
web:stop()

print(("soak: %d whole, %d streamed, %d cancelled, %d connections"):format(counts.whole,
  counts.streamed, counts.cancelled, counts.connected))
print(("soak: RSS %+d KiB, Lua heap %+d KiB since a tenth of the run"):format(
  (rss_after - rss) // 1024, math.floor(heap_after - heap) // 1024))
check(not is_long or rss_after - rss <= rss_allowance, "RSS", "grew by more than 512 KiB")
check(heap_after - heap <= heap * 0.05 + 65536, "Lua heap", "grew")
