#!/usr/bin/env lua5.4
-- .ci/layers.lua [ROOT] - checks that the includes of src/ run along the arrows
--
--   base -> memory -> codec -> http, ws --+
--                  -> tls ----------------+--> conn -> task -> binding
--                  -> io -----------------+
--
-- Also: only task/ and binding/ see Lua's headers, only io/ and what stands above it
-- sees sockets, and includes name the folder.

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
  tls = set "base memory tls",
  io = set "base memory io",
  conn = set "base memory codec http ws tls io conn",
  task = set "base memory codec io task",
  binding = set "base memory codec http ws tls io conn task binding",
}

local no_sockets = set "base memory codec http ws tls"

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

--- Why `folder` may not include `name`, or nil when it may.
local function complaint(folder, name, is_system)
  if is_system then
    if folder ~= "task" and folder ~= "binding" and matches(name, lua_headers) then
      return "only task/ and binding/ include Lua's headers"
    elseif no_sockets[folder] and matches(name, socket_headers) then
      return folder .. "/ sees no sockets"
    end
    return nil
  end
  if name == "sluice.h" then
    return folder ~= "binding" and "only binding/ includes sluice.h" or nil
  end
  local target = name:match("^([%w_]+)/")
  if not target or not may_include[target] then
    return "an include names its folder in src/"
  elseif not may_include[folder][target] then
    return ("%s/ may not include %s/"):format(folder, target)
  end
  return nil
end

local failures = 0

local function fail(path, line, message)
  failures = failures + 1
  io.stderr:write(("%s:%d: %s\n"):format(path, line, message))
end

local function check_file(path, folder)
  local number = 0
  for line in io.lines(path) do
    number = number + 1
    local open, name = line:match('^%s*#%s*include%s*([<"])([^>"]+)[>"]')
    local message = name and complaint(folder, name, open == "<")
    if message then
      fail(path, number, ("includes %s: %s"):format(name, message))
    end
  end
end

local list = assert(io.popen(("cd '%s' && find src -mindepth 2 -name '*.[ch]'"):format(root)))
for path in list:lines() do
  local folder = path:match("^src/([%w_]+)/")
  if may_include[folder] then
    check_file(root .. "/" .. path, folder)
  else
    fail(path, 1, "no layer is called " .. folder)
  end
end
list:close()

if failures > 0 then
  os.exit(1)
end
