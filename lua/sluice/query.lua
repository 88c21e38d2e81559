--- The option `query`: text, or names with values (see entries.lua).

local core = require "sluice.core"
local entries = require "sluice.entries"

local query = {}

-- Returns the text without "?" | nil, what is wrong | nil, message, err (memory)
local function encode(value)
  if type(value) ~= "string" then return entries.join(value, core.url.escape) end
  if value:find("#", 1, true) then
    return nil, "'#' would begin a fragment: write %23, or give a table"
  end
  return (value:gsub("^%?", ""))
end

--- Adds a query to a URL, behind one that it has.
-- Returns the URL | nil, what is wrong with the query | nil, message, err (memory)
function query.add(url, value)
  local added, wrong, err = encode(value)
  if not added then return nil, wrong, err end
  if added == "" then return url end
  local before, fragment = url:match "^([^#]*)(.*)$"
  local separator = ""
  if not before:find("?", 1, true) then
    separator = "?"
  elseif not before:find "[?&]$" then
    separator = "&"
  end
  return before .. separator .. added .. fragment
end

return query
