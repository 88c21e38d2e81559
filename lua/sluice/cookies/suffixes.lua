--- Public suffixes: the domains below which anybody may register a name, so that no cookie may be
-- for all hosts of one.
-- A list is { is_public = function(list, domain) }, with domains in lower case. It is that of
-- libpsl, where the core was built with it, or a file in the format of publicsuffix.org.

local core = require "sluice.core"
local failure = require "sluice.failure"
local punycode = require "sluice.cookies.punycode"
local text_file = require "sluice.text_file"

local suffixes = {}

-- ---- a file ----

local List = {}
List.__index = List

-- RFC of the format: a rule ends at the first blank; "!" is an exception, "*" any one label.
local function add_rule(list, text)
  local mark, domain = text:match "^(!?)(%S+)"
  if not domain then return end
  local ascii, reason = punycode.domain(domain:gsub("^%.", ""):lower())
  if not ascii then return reason end
  if mark == "!" then
    list.exceptions[ascii] = true
  elseif ascii:sub(1, 2) == "*." then
    list.wildcards[ascii:sub(3)] = true
  else
    list.rules[ascii] = true
  end
  list.count = list.count + 1
end

--- Whether the domain is a suffix. Without a rule the last label of a name is one. As with libpsl
-- and in browsers, a rule `*.domain` makes `domain` one, too.
function List:is_public(domain)
  if self.exceptions[domain] then return false end
  if self.rules[domain] or self.wildcards[domain] then return true end
  local parent = domain:match "^[^.]*%.(.+)$"
  if not parent then return true end
  return self.wildcards[parent] == true
end

--- Reads a list of rules, with wildcards and exceptions.
-- Returns the list | nil, message, err (invalid; names the line)
function suffixes.read(path)
  local list = setmetatable({ rules = {}, wildcards = {}, exceptions = {}, count = 0 }, List)
  local ok, message, err = text_file.each_line("read public suffixes of", path, function(line)
    if line:find "^%s*//" then return nil end
    return add_rule(list, line)
  end)
  if not ok then return nil, message, err end
  if list.count > 0 then return list end
  return failure.new("invalid", text_file.attempt("read public suffixes of", path),
    "the file has no rule")
end

-- ---- libpsl ----

-- It never changes, so all jars have the same one as long as one of them has it.
local shared = setmetatable({}, { __mode = "v" })

--- The list of libpsl, or nil: the core was built without it.
function suffixes.of_library()
  if not core.public_suffixes then return nil end
  shared.list = shared.list or core.public_suffixes()
  return shared.list
end

return suffixes
