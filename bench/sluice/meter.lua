--- What one run of a Lua client cost; the twin of clients/meter.h.
-- Requiring it also puts this tree's module on the search path: lua/ beside bench/, and the
-- build folder that $BUILD names.

local here = arg[0]:match("^(.*/)") or "./"
local root = here .. "../../"
local build = os.getenv("BUILD") or root .. "build"
package.path = root .. "lua/?.lua;" .. root .. "lua/?/init.lua;" .. package.path
package.cpath = build .. "/?.so;" .. package.cpath

local meter = {}

local function read_file(path)
  local file = assert(io.open(path))
  local text = file:read("a")
  file:close()
  return text
end

--- A field of /proc/self/status in KiB: "VmRSS" is resident now, "VmHWM" the peak.
function meter.kib(field)
  return tonumber(read_file("/proc/self/status"):match(field .. ":%s*(%d+)"))
end

-- In hundredths of a second: good enough for runs of a second and more.
local function wall()
  return tonumber(read_file("/proc/uptime"):match("^%S+"))
end

--- Hundredths of a second in the program and in the kernel, so far.
local function ticks()
  local user, system = read_file("/proc/self/stat"):match("%)" .. (" %S+"):rep(11)
    .. " (%d+) (%d+)")
  return tonumber(user), tonumber(system)
end

--- Sets the peak of resident memory back to what is resident now.
function meter.forget_peak()
  local file = io.open("/proc/self/clear_refs", "w")
  if file then
    file:write("5")
    file:close()
  end
end

--- Starts measuring; the peak of resident memory is set back first.
function meter.begin()
  collectgarbage()
  collectgarbage()
  meter.forget_peak()
  local user, system = ticks()
  return { rss = meter.kib("VmRSS"), wall = wall(), cpu = os.clock(), user = user, system = system }
end

--- Prints what was used since `start`, in the form that clients/meter.c prints.
function meter.finish(start, requests, bytes)
  local cpu = os.clock() - start.cpu
  local seconds = wall() - start.wall
  local user, system = ticks()
  user, system = user - start.user, system - start.system
  local share = user + system > 0 and user / (user + system) or 0
  print(("cpu=%.6f user=%.6f sys=%.6f wall=%.6f requests=%d bytes=%d rss=%d"):format(cpu,
    cpu * share, cpu * (1 - share), seconds, requests, bytes, meter.kib("VmHWM") - start.rss))
end

--- A client as the environment asks for it: $TRANSPORT "stream" or "completion+<backend>" or
-- "stream+<backend>", and the variables that clients/curl.c knows.
function meter.client(options)
  local sluice = require "sluice"
  options = options or {}
  local transport = os.getenv("TRANSPORT")
  if transport then
    local mode, backend = transport:match("^(%a+)%+?(.*)$")
    options.transport = backend ~= "" and { mode = mode, backend = backend } or mode
  end
  local tls = { ca_file = os.getenv("CA_FILE") }
  if os.getenv("RESUME") == "0" then
    tls.resume = false
  end
  if next(tls) then
    options.tls = tls
  end
  if os.getenv("FRESH") then
    options.pool = false
  end
  options.decompress = os.getenv("DECODE") ~= nil
  return sluice.client(options)
end

return meter
