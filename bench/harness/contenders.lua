--- One run of one contender: the command line for it, and what it printed as numbers.

local shell = require "shell"

local contenders = {}

local WRK_SECONDS = 2

local function environment(variables)
  local words = {}
  for name, value in pairs(variables) do
    words[#words + 1] = name .. "=" .. shell.quote(value)
  end
  table.sort(words)
  return #words > 0 and "env " .. table.concat(words, " ") .. " " or ""
end

-- How a contender's program is called: sluice by a script of the row's, other clients for Lua by
-- one of theirs, ws and undici by node. Others are programs of their own.
local function program(bench, row, contender)
  if contender.client == "sluice" then
    return ("%s %s/sluice/%s.lua"):format(bench.lua, bench.here, row.script or "client")
  elseif contender.client == "ws" then
    return ("node %s/clients/ws.js"):format(bench.here)
  elseif contender.client == "undici" then
    local script = row.per == "request" and "undici" or "events"
    return ("node %s/clients/%s.js"):format(bench.here, script)
  elseif contender.client == "lua" then
    return ("%s %s/clients/lua.lua"):format(bench.lua, bench.here)
  end
  return ("%s/%s"):format(bench.out, contender.client)
end

--- The command line of a contender in a row, without pinning.
-- @param bench what bench/run knows: out, here, lua, build, servers, mode
-- @param wrapper a program that runs it, such as strace with its options
function contenders.command(bench, row, contender, count, wrapper)
  local servers = bench.servers
  local url = servers[row.at] .. row.path
  if contender.client == "wrk" then
    return ("%s/measure wrk -t1 -c%d -d%d %s"):format(
      bench.out, row.connections, WRK_SECONDS, url)
  end
  local variables = { UPLOAD = servers.upload, BUILD = bench.build, TRANSPORT = contender.mode,
    PAYLOADS = servers.payloads, NODE_MODULES = bench.absolute_out .. "/node_modules" }
  if row.at == "secure" then
    variables.CA_FILE = servers.ca_file
  end
  for name, value in pairs(contender.env or {}) do
    variables[name] = value
  end
  return ("%s%s%s %s %s %d %d"):format(
    environment(variables), wrapper and wrapper .. " " or "", program(bench, row, contender),
    contender.workload, url, count, row.size or row.connections)
end

--- Whether it can be run here: for another client for Lua, whether its module loads.
function contenders.is_here(bench, contender)
  return not contender.needs
    or select(2, shell.try(("%s -e 'require [[%s]]'"):format(bench.lua, contender.needs)))
end

--- The name=number pairs of the last line that has any.
function contenders.numbers(output)
  local numbers
  for line in output:gmatch("[^\n]+") do
    local found
    for name, value in line:gmatch("(%a[%w_]*)=(-?[%d.]+)") do
      found = found or {}
      found[name] = tonumber(value)
    end
    numbers = found or numbers
  end
  return numbers
end

local function check_bytes(row, contender, numbers)
  if not row.mib or not numbers.bytes or row.path:find("gzip") and not contender.env then
    return
  end
  -- the bare loop counts chunk heads too: it cannot tell them from the body
  local wanted = row.mib * 1024 * 1024
  if numbers.bytes < wanted * numbers.requests then
    error(("%s: %s counted %d bytes of %d"):format(
      row.name, contender.name, numbers.bytes, wanted), 0)
  end
end

--- Runs it once. Returns cpu, user, sys and wall in seconds per unit of the row, rss in KiB and
-- `held`, the peak of resident memory per byte of body.
function contenders.run(bench, row, contender, count)
  local output = shell.run(bench.pin_client(contenders.command(bench, row, contender, count)))
  local numbers = contenders.numbers(output)
  local requests = tonumber(output:match("(%d+) requests in")) or numbers and numbers.requests
  if not numbers or not numbers.cpu or not requests then
    error(("%s: %s printed no result:\n%s"):format(row.name, contender.name, output), 0)
  end
  check_bytes(row, contender, numbers)
  local units = row.per == "MiB" and requests * row.mib or requests
  local result = { rss = numbers.rss }
  for _, field in ipairs { "cpu", "user", "sys", "wall" } do
    result[field] = numbers[field] and numbers[field] / units
  end
  if row.mib and numbers.rss then
    result.held = numbers.rss / (row.mib * 1024)
  end
  return result
end

return contenders
