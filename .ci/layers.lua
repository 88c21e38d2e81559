#!/usr/bin/env lua5.4
-- .ci/layers.lua [ROOT] - checks that the includes of src/ run along the arrows
--
--   base -> memory -> codec -> http, ws, events --+
--                  -> tls ------------------------+--> conn -> task -> binding
--                  -> io -------------------------+
--
-- Also: only task/ and binding/ see Lua's headers, only io/ and what stands above
-- it sees sockets, includes name the folder, a wing (tls/openssl/) does not know
-- its sibling, and the units of conn/ stand in an order of their own.

local root = arg[1] or "."

local function set(words)
  local members = {}
  for word in words:gmatch("%S+") do
    members[word] = true
  end
  return members
end

--- What each folder may include, itself among them.
local may_include = {
  base = set "base",
  memory = set "base memory",
  codec = set "base memory codec",
  http = set "base memory codec http",
  ws = set "base memory codec ws",
  events = set "base memory codec events",
  tls = set "base memory tls",
  io = set "base memory io",
  conn = set "base memory codec http ws events tls io conn",
  task = set "base memory codec io task",
  binding = set "base memory codec http ws events tls io conn task binding",
}

--- The units of conn/ from the lowest to the highest: each includes those of its
-- own line and of the lines above it here. So the road to a connection knows no
-- exchange, and the two halves of an exchange do not decide its fate.
local conn_groups = {
  set "peer link directory",
  set "refusal",
  set "tunnel tunnel_http tunnel_socks5",
  set "opening",
  set "pool origin connection",
  set "source upload",
  set "outgoing incoming pace",
  set "exchange course lean exchanges deadline channel pushing",
  set "ws_queue ws_place ws_sending",
  set "websocket ws_receiving ws_ending ws_deadline",
}

local no_sockets = set "base memory codec http ws events tls"
local sees_lua = set "task binding"

local socket_headers = {
  "^sys/socket%.h$", "^sys/un%.h$", "^sys/epoll%.h$", "^sys/event%.h$", "^sys/select%.h$",
  "^netinet/", "^arpa/inet%.h$", "^netdb%.h$", "^poll%.h$", "^sys/poll%.h$", "^liburing",
}

local lua_headers = { "^lua%.h", "^lauxlib%.h$", "^lualib%.h$", "^luaconf%.h$", "^lua5" }

local function matches(name, patterns)
  for _, pattern in ipairs(patterns) do
    if name:find(pattern) then
      return true
    end
  end
  return false
end

local function conn_rank(unit)
  for rank, group in ipairs(conn_groups) do
    if group[unit] then
      return rank
    end
  end
  return nil
end

local function system_complaint(folder, name)
  if not sees_lua[folder] and matches(name, lua_headers) then
    return "only task/ and binding/ include Lua's headers"
  elseif no_sockets[folder] and matches(name, socket_headers) then
    return folder .. "/ sees no sockets"
  end
  return nil
end

local function wing_complaint(folder, wing, target, target_wing)
  if not target_wing then
    return nil
  elseif target ~= folder then
    return ("%s/%s/ is for %s/ alone"):format(target, target_wing, target)
  elseif wing and wing ~= target_wing then
    return ("%s/%s/ does not know its sibling %s/"):format(folder, wing, target_wing)
  end
  return nil
end

local function conn_complaint(unit, target_unit)
  local rank, target_rank = conn_rank(unit), conn_rank(target_unit)
  if not rank or not target_rank then
    return ("conn/%s stands in no line of conn_groups"):format(rank and target_unit or unit)
  elseif target_rank > rank then
    return ("conn/%s may not include conn/%s"):format(unit, target_unit)
  end
  return nil
end

--- The parts of "tls/openssl/engine.h" or "io/loop.c": folder, wing (or nil), unit.
local function parts_of(name)
  local folder, rest = name:match("^([%w_]+)/(.+)%.[ch]$")
  if not folder then
    return nil
  end
  local wing, unit = rest:match("^([%w_]+)/(.+)$")
  return folder, wing, unit or rest
end

--- Why the unit at `path` (below src/) may not include `name`, or nil when it may.
local function complaint(path, name, is_system)
  local folder, wing, unit = parts_of(path)
  if is_system then
    return system_complaint(folder, name)
  elseif name == "sluice.h" then
    return not sees_lua[folder] and "only task/ and binding/ include sluice.h" or nil
  end
  local target, target_wing, target_unit = parts_of(name)
  if not target or not may_include[target] then
    return "an include names its folder in src/"
  elseif not may_include[folder][target] then
    return ("%s/ may not include %s/"):format(folder, target)
  elseif folder == "conn" and target == "conn" then
    return conn_complaint(unit, target_unit)
  end
  return wing_complaint(folder, wing, target, target_wing)
end

local failures = 0

local function fail(path, line, message)
  failures = failures + 1
  io.stderr:write(("%s:%d: %s\n"):format(path, line, message))
end

local function check_line(path, number, line)
  local open, name = line:match('^%s*#%s*include%s*([<"])([^>"]+)[>"]')
  local message = name and complaint(path:match("^src/(.+)$"), name, open == "<")
  if message then
    fail(path, number, ("includes %s: %s"):format(name, message))
  end
end

local list = assert(io.popen(("cd '%s' && find src -mindepth 2 -name '*.[ch]'"):format(root)))
for path in list:lines() do
  local folder = path:match("^src/([%w_]+)/")
  if may_include[folder] then
    local number = 0
    for line in io.lines(root .. "/" .. path) do
      number = number + 1
      check_line(path, number, line)
    end
  else
    fail(path, 1, "no layer is called " .. folder)
  end
end
list:close()

if failures > 0 then
  os.exit(1)
end
