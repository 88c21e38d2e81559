--- The file .netrc: users and passwords by host.
--
--     machine HOST login USER password PASSWORD        default login ...
--
-- Words stand between white space, or in quotes, with \ before a quote. A "#" where a word of the
-- format is expected begins a comment. What is beside login and password has no effect; the body
-- of a macdef ends at an empty line.

local core = require "sluice.core"
local failure = require "sluice.failure"
local values = require "sluice.values"

local netrc = {}

-- A larger file is none.
local largest = 1024 * 1024

-- ---- words ----

local escapes = { n = "\n", r = "\r", t = "\t" }

-- The word in quotes at `position`, and the position behind it | nil: it does not end.
local function read_quoted(text, position)
  local parts = {}
  position = position + 1
  while true do
    local plain, mark, behind = text:match('^([^"\\\n]*)(["\\])()', position)
    if not plain then return nil end
    parts[#parts + 1] = plain
    if mark == '"' then return table.concat(parts), behind end
    local escaped = text:sub(behind, behind)
    parts[#parts + 1] = escapes[escaped] or escaped
    position = behind + 1
  end
end

-- The next word from `position` on, and the position behind it; nil at the end | nil, where the
-- word begins that has no closing quote.
local function read_word(text, position)
  position = text:match("^%s*()", position)
  if position > #text then return nil end
  if text:sub(position, position) ~= '"' then return text:match("^(%S+)()", position) end
  local word, behind = read_quoted(text, position)
  if not word then return nil, position end
  return word, behind
end

-- ---- entries ----

-- Words that another one follows.
local has_value = { login = true, password = true, account = true }

-- Begins the entry of a machine, or the default (nil); one that is there already stays.
local function begin_entry(file, name)
  local entry = {}
  file.entry = entry
  if name == nil then
    file.default = file.default or entry
  else
    name = name:lower()
    file.machines[name] = file.machines[name] or entry
  end
end

-- The position behind a comment or a macro that begins there.
local function skip_line(text, position) return text:match("^[^\n]*\n?()", position) end

local function skip_macro(text, position)
  return select(2, text:find("\n%s-\n", position)) or #text + 1
end

--- Reads the text of a file.
-- Returns { machines = { host = { login =, password = } }, default = the same or nil }
-- | nil, the position of what is wrong
function netrc.read(text)
  local file, position = { machines = {}, entry = {} }, 1
  while true do
    local word, behind = read_word(text, position)
    if not word and behind then return nil, behind end
    if not word then return file end
    local is_quoted = text:find('^%s*"', position) ~= nil
    position = behind
    if word:sub(1, 1) == "#" and not is_quoted then
      position = skip_line(text, position)
    elseif word == "default" then
      begin_entry(file)
    elseif word == "macdef" then
      position = skip_macro(text, position)
    elseif word == "machine" or has_value[word] then
      local value
      value, behind = read_word(text, position)
      if not value then return nil, behind or #text end
      if word == "machine" then begin_entry(file, value) else file.entry[word] = value end
      position = behind
    end
  end
end

-- ---- files ----

--- The path of the user's own file: what NETRC says, else .netrc in HOME; or nil.
function netrc.path()
  local path = os.getenv "NETRC"
  if path and path ~= "" then return path end
  local home = os.getenv "HOME"
  return home and home ~= "" and home .. "/.netrc" or nil
end

local function fail(path, reason)
  return failure.new("invalid", "netrc " .. values.shown(path, 128), reason)
end

-- The content of a file, "" if it is not there and need not be | nil, message, err
local function read_file(path, may_miss)
  local file, reason = core.open_file(path)
  if not file then
    if may_miss and reason:lower():find("no such file", 1, true) then return "" end
    return fail(path, reason)
  end
  local closing <close> = file -- luacheck: ignore
  local text
  text, reason = file:read(largest + 1)
  if reason then return fail(path, reason) end
  if text and #text > largest then return fail(path, "longer than 1 MiB") end
  return text or ""
end

--- Reads a file; `true` is the user's own, which need not be there.
-- Returns what `read` gives | nil, message, err (invalid)
function netrc.load(option)
  local path = option
  if option == true then path = netrc.path() end
  if not path then return netrc.read "" end
  local text, message, err = read_file(path, option == true)
  if not text then return nil, message, err end
  local file, position = netrc.read(text)
  if file then return file end
  local line = select(2, text:sub(1, position):gsub("\n", "")) + 1
  return fail(path, ("line %d: a word is missing, or a quote"):format(line))
end

--- The credentials for a host: { user, password }, or nil. `default` counts only if
-- `takes_default`.
function netrc.find(file, host, takes_default)
  local entry = file.machines[host:lower()] or takes_default and file.default
  if not entry or not entry.login then return nil end
  return { entry.login, entry.password or "" }
end

return netrc
