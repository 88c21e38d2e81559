#!/usr/bin/env lua5.4
-- .ci/rockspec.lua VERSION SOURCE TARBALL - the rockspec of a release, on stdout
--
-- The one of a checkout with another version, and a source: the tarball, fetched from the address
-- SOURCE, and known by its hash.

local version, address, tarball = table.unpack(arg, 1, 3)
if not tarball then
  io.stderr:write "usage: .ci/rockspec.lua VERSION SOURCE TARBALL\n"
  os.exit(2)
end
if not address:find "^%a[%w+.-]*://%S+$" then
  io.stderr:write(("SOURCE=%s: is no address; give one as in SOURCE=https://host/%s\n")
    :format(address, tarball:match "[^/]+$"))
  os.exit(1)
end

local function read(name)
  local file <close> = assert(io.open(name, "rb"))
  return assert(file:read "a")
end

local command = ("md5sum '%s' 2>/dev/null || md5 -q '%s'"):format(tarball, tarball)
local sum <close> = assert(io.popen(command))
local hash = assert(sum:read "a":match "^%x+", "neither md5sum nor md5 is there")

local source = ([[
source = {
  url = %q,
  md5 = %q,
  dir = %q,
}
]]):format(address, hash, "sluice-" .. version)

local text = read "rockspec/sluice-scm-1.rockspec":gsub("^%-%-[^\n]*\n%-%-[^\n]*\n", "")
local count
text, count = text:gsub('version = "scm%-1"\n', ('version = "%s-1"\n'):format(version))
assert(count == 1)
text, count = text:gsub("source = {\n.-\n}\n", (source:gsub("%%", "%%%%")))
assert(count == 1)
io.write(text)
