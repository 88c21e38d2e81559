--- What is noted beside the bytes of an unfinished download, in lines of a name and a value.

local core = require "sluice.core"
local ranges = require "sluice.download.ranges"
local text_file = require "sluice.text_file"

local notes = {}

local first_line = "sluice download 1"

local function read_integer(text)
  return text:find "^%d+$" and math.tointeger(tonumber(text)) or nil
end

-- By name: reads a value into what was found. Returns nil, or what is wrong.
local readers = {
  source = function(found, value) found.source = value end,
  etag = function(found, value) found.known.etag = value end,
  modified = function(found, value) found.known.modified = value end,
  digest = function(found, value) found.known.digest = value end,
  total = function(found, value)
    found.known.total = read_integer(value)
    return not found.known.total and "no number" or nil
  end,
  ranges = function(found) found.done = {} end,
  range = function(found, value)
    local from, to = value:match "^(%d+) (%d+)$"
    from, to = from and read_integer(from), to and read_integer(to)
    if not found.done or not from or not to or from >= to then return "no range" end
    ranges.add(found.done, from, to)
  end,
}

--- Reads the notes at `path` about a download from `source`.
-- Returns the version, and the ranges that are there (nil: all bytes of the file) | nil: there are
-- no such notes
function notes.read(path, source)
  local found, count = { known = {} }, 0
  local ok = text_file.each_line("read", path, function(line)
    count = count + 1
    if count == 1 then return line ~= first_line and "of another kind" or nil end
    local name, value = line:match "^(%l+) (.*)$"
    local read = readers[name]
    if not read then return "unknown" end
    return read(found, value)
  end)
  if not ok or found.source ~= source then return nil end
  return found.known, found.done
end

--- Writes notes instead of those that are there, under a name that is always the same until they
-- are whole. `done`: ranges, nil where the bytes come in their order. Returns true | nil, reason
function notes.write(path, source, known, done)
  local lines = { first_line, "source " .. source }
  for _, name in ipairs { "etag", "modified", "digest", "total" } do
    if known[name] then lines[#lines + 1] = name .. " " .. known[name] end
  end
  if done then
    lines[#lines + 1] = "ranges " .. #done
    for _, range in ipairs(done) do
      lines[#lines + 1] = ("range %d %d"):format(range[1], range[2])
    end
  end
  local file <close>, reason = core.open_parts(path, true, true)
  if not file then return nil, reason end
  local ok
  ok, reason = file:cut(0)
  if ok then ok, reason = text_file.write_all(file, table.concat(lines, "\n") .. "\n") end
  if not ok then
    file:discard()
    return nil, reason
  end
  return file:commit(false)
end

--- Removes notes, and what a process that ended while it wrote them has left.
function notes.remove(path)
  os.remove(path)
  os.remove(path .. ".sluice-part")
end

return notes
