--- Writes the documents that are made from others, or checks that they are up to date.
--
--     lua5.4 .ci/documents.lua write
--     lua5.4 .ci/documents.lua check

package.path = "bench/?.lua;.ci/?.lua;" .. package.path

local chart = require "chart"
local reference = require "reference"

local function read(path)
  local file <close> = io.open(path, "rb") -- luacheck: ignore
  return file and file:read "a"
end

--- { path = text } of each such document.
local function make()
  local made = reference.make(reference.types())
  made["doc/cpu.svg"] = chart.of("doc/guide/transports.md",
    "CPU time, relative to libcurl's multi interface (1): less is better",
    { "stream+epoll", "completion+io_uring" }, "W1,W2n,W3,W6b,W6c,W8")
  return made
end

local function write(path, text)
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(text))
end

local task, count = arg[1], 0
for path, text in pairs(make()) do
  if read(path) ~= text then
    count = count + 1
    if task == "write" then
      write(path, text)
      print("  made " .. path)
    else
      io.stderr:write(path, " differs from what `make doc` writes\n")
    end
  end
end
os.exit(task == "write" or count == 0)
