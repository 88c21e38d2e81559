--- Writes the documents that are made from others, or checks that they are up to date.
--
--     lua5.4 .ci/documents.lua write
--     lua5.4 .ci/documents.lua check

package.path = "bench/?.lua;.ci/?.lua;" .. package.path

local chart = require "chart"
local figures = require "figures"
local reference = require "reference"

local function read(path)
  local file <close> = io.open(path, "rb") -- luacheck: ignore
  return file and file:read "a"
end

-- What the README shows of the benchmarks: their page, or, where `make bench` has written none, the
-- table of an earlier run.
local results = "bench/results/README.md"
local earlier = "doc/guide/transports.md"
local shown = { "W1", "W2n", "W3", "W6b", "W6c", "W8" }

--- The rows of the picture, the heading of each column, and the ratio that the README names.
local function benchmark()
  local headings, page = { "stream+epoll", "completion+io_uring" }, read(results)
  if page then
    local modes = { "stream", "completion+io_uring" }
    return figures.against_curl(page, shown, modes), headings,
      figures.against_curl(page, { "W2n" }, modes)[1][1]
  end
  page = assert(read(earlier))
  return chart.rows(page, headings, table.concat(shown, ",")), headings,
    chart.rows(page, headings, "W2n")[1][1]
end

--- { path = text } of each such document.
local function make()
  local made = reference.make(reference.types())
  local rows, headings, ratio = benchmark()
  made["doc/cpu.svg"] = chart.draw(
    "CPU time, relative to libcurl's multi interface (1): less is better", headings, rows)
  made["README.md"] = assert(read "README.md"):gsub("(connections cost )[%d.]+( of the CPU time)",
    ("%%1%.2f%%2"):format(ratio))
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
