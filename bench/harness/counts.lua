--- The rows that are counted rather than timed. Each function runs what it needs and returns a
-- table of numbers, whose names are those of the row's figures.
--
-- Calls are counted in two runs of different length; the difference is free of what starting and
-- stopping a program costs. System calls are counted by perf where it may, since strace slows a
-- client so much that it behaves differently.

local shell = require "shell"
local contenders = require "contenders"

local counts = {}

local function script(bench, name, arguments, variables)
  local words = { "env BUILD=" .. shell.quote(bench.build) }
  for key, value in pairs(variables or {}) do
    words[#words + 1] = key .. "=" .. shell.quote(value)
  end
  return ("%s %s %s/sluice/%s.lua %s"):format(
    table.concat(words, " "), bench.lua, bench.here, name, arguments)
end

local function run_script(bench, ...)
  local output = shell.run(bench.pin_client(script(bench, ...)))
  return contenders.numbers(output) or error(output, 0)
end

local function mode(bench)
  return { TRANSPORT = bench.mode }
end

local function small_row(connections)
  return { at = "fast", path = "/1k", connections = connections }
end

local function small_command(bench, client, connections, count, wrapper)
  return contenders.command(bench, small_row(connections), {
    client = client, mode = client == "sluice" and bench.mode or nil,
    workload = connections == 1 and "sequential" or "concurrent",
  }, count, wrapper)
end

-- Calls per request that `wrapper` counts and `read` finds in what it wrote.
local function difference(bench, client, connections, few, many, wrapper, read)
  shell.run(small_command(bench, client, connections, few, wrapper))
  local base = read()
  shell.run(small_command(bench, client, connections, many, wrapper))
  return (read() - base) / (many - few)
end

-- perf counts without slowing what it counts; where it may not, strace does.
local function call_counter(bench)
  local path = bench.servers.dir .. "/calls"
  local wrapper, pattern = "perf stat -x, -e raw_syscalls:sys_enter -o " .. path, "(%d+),"
  if not select(2, shell.try(wrapper .. " true")) or not shell.read(path):match("%d+,,raw") then
    wrapper, pattern = "strace -f -c -o " .. path, "(%d+)%s+%d*%s*total"
  end
  return wrapper, function() return tonumber(shell.read(path):match(pattern)) end
end

local function malloc_counter(bench)
  local path = bench.servers.dir .. "/mallocs"
  return ("env LD_PRELOAD=%s/count_malloc.so COUNT_MALLOC=%s"):format(bench.absolute_out, path),
    function()
      local numbers = contenders.numbers(shell.read(path))
      return numbers.other + numbers.lua
    end
end

--- Calls of the allocator, Lua's heap among them, and of the system, for a unit of a timed row.
-- They are counted in two runs of their own. A field is missing where it cannot be counted.
function counts.used(bench, row, contender, few)
  local result = {}
  few = math.max(1, few // (contender.share or 1))
  if contender.client == "wrk" then return result end
  for field, make in pairs { mallocs = malloc_counter, calls = call_counter } do
    local wrapper, read = make(bench)
    local function run(count)
      shell.run(bench.pin_client(contenders.command(bench, row, contender, count, wrapper)))
      return read()
    end
    local is_ok, value = pcall(function() return run(2 * few) - run(few) end)
    result[field] = is_ok and value / few / (row.per == "MiB" and row.mib or 1) or nil
  end
  return result
end

function counts.allocations(bench)
  local path = bench.servers.dir .. "/mallocs"
  local wrapper = ("env LD_PRELOAD=%s/count_malloc.so COUNT_MALLOC=%s"):format(
    bench.absolute_out, path)
  local function mallocs()
    return contenders.numbers(shell.read(path)).other
  end
  local result = run_script(bench, "heap", bench.servers.fast .. "/1k 2000", mode(bench))
  -- From where Lua's collector has run: until then the spares grow.
  result.mallocs = difference(bench, "sluice", 1, 4000, 8000, wrapper, mallocs)
  result.curl = difference(bench, "curl", 1, 4000, 8000, wrapper, mallocs)
  return result
end

function counts.system_calls(bench)
  local wrapper, calls = call_counter(bench)
  return {
    sequential = difference(bench, "sluice", 1, 500, 2500, wrapper, calls),
    concurrent = difference(bench, "sluice", 64, 6400, 32000, wrapper, calls),
    curl_sequential = difference(bench, "curl", 1, 500, 2500, wrapper, calls),
    curl_concurrent = difference(bench, "curl", 64, 6400, 32000, wrapper, calls),
  }
end

local IDLE = 1000

local function check_open(result, count)
  if result.connections < count then
    error(("only %d connections were open"):format(result.connections), 0)
  end
  return result
end

-- Bytes per connection, all to one origin: what closing twice as many gives back more. Neither
-- what is made once shows in that, nor what opening them all at the same time has left in pools.
local function allocated(bench, how, url, variables, few)
  local path = bench.servers.dir .. "/live"
  variables.LD_PRELOAD = bench.absolute_out .. "/count_malloc.so"
  variables.COUNT_MALLOC = path
  local function given_back(count)
    local arguments = ("%s %s %d"):format(how, url:gsub("%$", count), count)
    check_open(run_script(bench, "idle", arguments, variables), count)
    local with, without = shell.read(path):match("live=(%d+)\nlive=(%d+)")
    return with - without
  end
  local least = given_back(few)
  return (given_back(2 * few) - least) / few
end

local function together(bench, url, variables)
  return allocated(bench, "together", url, variables, IDLE)
end

function counts.idle(bench)
  local fast = bench.servers.fast
  local apart = run_script(bench, "idle", ("apart %s/1k %d"):format(fast, IDLE), mode(bench))
  return {
    together = together(bench, fast .. "/gather/$", mode(bench)),
    apart = check_open(apart, IDLE).idle,
  }
end

-- As many at once as there are descriptors for.
function counts.burst(bench)
  local files = tonumber(shell.run("ulimit -n")) or 20000
  local count = math.min(9000, files - 100)
  local arguments = ("burst %s/gather/%d %d"):format(bench.servers.fast, count, count)
  local result = check_open(run_script(bench, "idle", arguments, mode(bench)), count)
  return { each = math.max(0, result.burst - 8192) * 1024 / count, whole = result.burst }
end

-- `count(url, few)` beside a server in JavaScript, for as many as there are descriptors for.
local function beside(bench, program, count)
  local files = tonumber(shell.run("ulimit -n")) or 20000
  local few = math.min(5000, (files - 300) // 2)
  local server <close> = assert(io.popen(bench.pin_server(
    ("env NODE_MODULES=%s/node_modules node %s/origin/%s"):format(bench.absolute_out, bench.here,
      program))))
  local port, pid = server:read("l"):match "^(%d+) (%d+)$"
  local ok, result = pcall(count, ("127.0.0.1:%s/"):format(port), few)
  shell.run("kill " .. pid)
  if not ok then error(result, 0) end
  return result
end

function counts.idle_sockets(bench)
  return beside(bench, "ws_idle.js", function(url, few)
    return { socket = allocated(bench, "sockets", "ws://" .. url, mode(bench), few) }
  end)
end

function counts.idle_streams(bench)
  return beside(bench, "events_idle.js", function(url, few)
    local result = {}
    for _, how in ipairs { "streams", "subscribed", "waiting" } do
      result[how] = allocated(bench, how, "http://" .. url, mode(bench), few)
    end
    return result
  end)
end

function counts.idle_secure(bench)
  local variables = mode(bench)
  variables.CA_FILE = bench.servers.ca_file
  return { together = together(bench, bench.servers.secure .. "/gather/$", variables) }
end

--- Delays of events on 50 streams over those of undici, by the medians of three runs of each in
-- turn.
function counts.event_delays(bench)
  local of = { p50 = {}, p99 = {}, undici_p50 = {}, undici_p99 = {} }
  local function run(prefix, format)
    local port = shell.run(bench.pin_server(bench.out .. "/ticker 50 200")):match "%d+"
    local url = ("http://127.0.0.1:%s/"):format(port)
    local numbers = contenders.numbers(shell.run(bench.pin_client(format:format(url))))
    for _, name in ipairs { "p50", "p99" } do
      table.insert(of[prefix .. name], numbers[name])
    end
  end
  for _ = 1, 3 do
    run("", script(bench, "delays", "%s 50", mode(bench)))
    run("undici_", ("env NODE_MODULES=%s/node_modules node %s/clients/events.js delays %%s 50")
      :format(bench.absolute_out, bench.here))
  end
  local result = {}
  for name, list in pairs(of) do
    table.sort(list)
    result[name] = list[2]
  end
  result.median = result.p50 / result.undici_p50
  result.late = result.p99 / result.undici_p99
  return result
end

function counts.steady(bench)
  local result = run_script(bench, "steady", bench.servers.fast .. "/1k", mode(bench))
  result.grown = result.last - result.first
  return result
end

-- The most over the least that one request costs for each of the counts; those below `from` are
-- shown, and not compared.
local function growth(bench, what, sizes, from)
  local least, most, points = math.huge, 0, {}
  for i, size in ipairs(sizes) do
    local arguments = ("%s %s %d"):format(what, bench.servers.fast, size)
    local us = run_script(bench, "growth", arguments, mode(bench)).us
    local is_compared = size >= (from or 0)
    points[i] = { size = size, us = us, is_compared = is_compared }
    if is_compared then least, most = math.min(least, us), math.max(most, us) end
  end
  return { growth = most / least, most = most, points = points, what = what }
end

function counts.growth_tasks(bench)
  return growth(bench, "tasks", { 1, 10, 100, 1000, 10000, 40000 }, 1000)
end

function counts.growth_connections(bench)
  local files = tonumber(shell.run("ulimit -n")) or 20000
  return growth(bench, "connections", { 1, 10, 100, 1000, math.min(10000, files - 100) }, 100)
end

function counts.growth_sizes(bench)
  return growth(bench, "sizes", { 1 << 10, 1 << 14, 1 << 18, 1 << 22, 1 << 26, 1 << 30 }, 1 << 22)
end

function counts.growth_elsewhere(bench) return growth(bench, "elsewhere", { 0, 30000 }) end

function counts.growth_origins(bench)
  return growth(bench, "origins", { 1, 10, 100, 1000, 10000 }, 100)
end

--- What a GET costs with the built-in interceptors over one without, by the median of five runs of
-- each in turn.
function counts.interceptors(bench)
  local with, without = {}, {}
  for i = 1, 5 do
    for flag, list in pairs { [0] = without, [1] = with } do
      local arguments = ("steps %s %d"):format(bench.servers.fast, flag)
      list[i] = run_script(bench, "growth", arguments, mode(bench)).us
    end
  end
  table.sort(with)
  table.sort(without)
  return { growth = with[3] / without[3], most = with[3] }
end

return counts
