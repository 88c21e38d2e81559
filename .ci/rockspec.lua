#!/usr/bin/env lua5.4
-- .ci/rockspec.lua check | write - compares rockspec/sluice-scm-1.rockspec with the tree
--
-- A builtin build lists its sources and modules one by one. `write` makes the
-- file anew from what stands in src/ and lua/, `check` fails when it differs.

local path = "rockspec/sluice-scm-1.rockspec"

--- The optional sources that a rock includes: every machine that builds one has OpenSSL.
local in_rock = { openssl = true }

--- The Makefile's lines of optional sources, by name: pattern and define.
local function read_optional()
  local found = {}
  for line in io.lines("Makefile") do
    local name, glob, define =
      line:match "^%$%(call optional,([^,]*),([^,]*),[^,]*,([^,)]*)[,)]"
    if name then
      local pattern = glob:gsub("[%-.]", "%%%0"):gsub("%*", "[^/]*")
      found[name] = { pattern = "^" .. pattern .. "$", define = define }
    end
  end
  return found
end

local optional = read_optional()

-- Whether it is left out, unless `platform_name` takes it.
local function is_left_out(path_of_source, platform_name)
  for name, one in pairs(optional) do
    if path_of_source:find(one.pattern) then
      return not in_rock[name] and name ~= platform_name
    end
  end
  return false
end

local function find(directory, pattern)
  local found = {}
  local list = assert(io.popen(("find %s -name '%s' 2>/dev/null"):format(directory, pattern)))
  for name in list:lines() do
    found[#found + 1] = name
  end
  list:close()
  table.sort(found)
  return found
end

local function sources(platform_name)
  local names = {}
  for _, name in ipairs(find("src", "*.c")) do
    if not is_left_out(name, platform_name) then
      names[#names + 1] = name
    end
  end
  return names
end

local function quoted_list(names, indent)
  local lines = {}
  for _, name in ipairs(names) do
    lines[#lines + 1] = ("%s%q,\n"):format(indent, name)
  end
  return table.concat(lines)
end

local function module_lines()
  local lines = {}
  for _, name in ipairs(find("lua", "*.lua")) do
    if not name:find("%.d%.lua$") then
      local module = name:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", ".")
      lines[#lines + 1] = ("    [%q] = %q,\n"):format(module, name)
    end
  end
  return table.concat(lines)
end

local function defines(platform_name)
  local list = { '"_GNU_SOURCE="' }
  for name, one in pairs(optional) do
    if in_rock[name] or name == platform_name then
      list[#list + 1] = ("%q"):format(one.define .. "=1")
    end
  end
  table.sort(list, function(a, b) return a > b end)
  return table.concat(list, ", ")
end

--- The overrides of one platform, merged over the common table by position: so
-- its list of sources is whole.
local function platform(name, backend)
  return ([[
    %s = {
      modules = {
        ["sluice.core"] = {
          sources = {
%s          },
          defines = { %s },
        },
      },
    },
]]):format(name, quoted_list(sources(backend), "            "), defines(backend))
end

local function text()
  return ([[
-- Written by `make rockspec`; `make lint` compares it with the tree.
rockspec_format = "3.0"
package = "sluice"
version = "scm-1"
source = {
  url = ".",
}
description = {
  summary = "An HTTP/1.1 and WebSocket client whose bytes live in pooled segments",
  detailed = "sluice keeps payload bytes outside the Lua heap, counted and bounded, from the "
    .. "socket to the moment a script asks for a string. It never blocks its host.",
  license = "MIT",
  labels = { "http", "websocket", "network", "async" },
}
dependencies = {
  "lua >= 5.4, < 5.6",
}
external_dependencies = {
  OPENSSL = { header = "openssl/ssl.h", library = "ssl" },
  ZLIB = { header = "zlib.h", library = "z" },
}
build = {
  type = "builtin",
  modules = {
    ["sluice.core"] = {
      sources = {
]] .. quoted_list(sources(nil), "        ") .. [[
      },
      defines = { ]] .. defines(nil) .. [[ },
      libraries = { "ssl", "crypto", "z", "pthread" },
      incdirs = { "src", "$(OPENSSL_INCDIR)", "$(ZLIB_INCDIR)" },
      libdirs = { "$(OPENSSL_LIBDIR)", "$(ZLIB_LIBDIR)" },
    },
]] .. module_lines() .. [[
  },
  platforms = {
]] .. platform("linux", "epoll") .. [[
  },
}
]])
end

local function read()
  local file = io.open(path)
  local content = file and file:read("a")
  if file then
    file:close()
  end
  return content
end

if arg[1] == "write" then
  local file = assert(io.open(path, "w"))
  assert(file:write(text()))
  assert(file:close())
elseif arg[1] == "check" then
  if read() ~= text() then
    io.stderr:write(path, ": differs from the tree; `make rockspec` writes it anew\n")
    os.exit(1)
  end
else
  io.stderr:write("usage: .ci/rockspec.lua check | write\n")
  os.exit(2)
end
