--- Files of cookies in Netscape's format, as curl, wget, browsers' extensions and python's
-- http.cookiejar read and write them: seven fields between tabs in each line,
--
--     domain  for hosts below it  path  secure  expires  name  value
--
-- with #HttpOnly_ before the domain where scripts of pages may not see the cookie.

local cookies = require "sluice.cookies.cookie"
local core = require "sluice.core"
local failure = require "sluice.failure"
local text_file = require "sluice.text_file"

local cookie_file = {}

local first_line = "# Netscape HTTP Cookie File\n"
local http_only = "#HttpOnly_"

-- ---- reading ----

local flags = { ["TRUE"] = true, ["FALSE"] = false }

local function split(line)
  local parts = {}
  for part in (line .. "\t"):gmatch "([^\t]*)\t" do parts[#parts + 1] = part end
  return parts
end

-- Returns seconds, or nil for a session | nil, what is wrong
local function read_expires(text)
  if text == "" or text == "0" then return nil end
  if not text:find "^%-?%d+$" then return nil, "expires is not a number" end
  local seconds = tonumber(text)
  return math.type(seconds) == "integer" and seconds or seconds > 0 and math.maxinteger or 1
end

-- The cookie of a line | nil, what is wrong with the line
local function read_cookie(line, now)
  local is_hidden = line:sub(1, #http_only) == http_only
  local parts = split(is_hidden and line:sub(#http_only + 1) or line)
  if #parts == 6 then parts[7] = "" end -- blanks at the end are easily lost
  if #parts ~= 7 then
    return nil, ("7 fields between tabs expected, got %d"):format(#parts)
  end
  local for_hosts_below, secure = flags[parts[2]:upper()], flags[parts[4]:upper()]
  if for_hosts_below == nil or secure == nil then
    return nil, ("field %d is neither TRUE nor FALSE"):format(secure == nil and 4 or 2)
  end
  local expires, wrong = read_expires(parts[5])
  if wrong then return nil, wrong end
  local cookie = {
    domain = parts[1]:gsub("^%.", ""):lower(),
    host_only = not for_hosts_below,
    path = parts[3],
    secure = secure,
    http_only = is_hidden,
    expires = cookies.bounded(expires, now),
    name = parts[6],
    value = parts[7],
  }
  wrong = cookies.fault(cookie)
  if wrong then return nil, wrong end
  return cookie
end

--- Reads a file of cookies; `now` in seconds since 1970.
-- Returns an array of cookies | nil, message, err (invalid; names the line, but no value)
function cookie_file.read(path, now)
  local list = {}
  local ok, message, err = text_file.each_line("load", path, function(line)
    local is_comment = line:find "^#" and line:sub(1, #http_only) ~= http_only
    if is_comment or not line:find "%S" then return nil end
    local cookie, wrong = read_cookie(line, now)
    list[#list + 1] = cookie
    return wrong
  end)
  if not ok then return nil, message, err end
  return list
end

-- ---- writing ----

local function flag(value) return value and "TRUE" or "FALSE" end

-- The line of a cookie, or nil: with a tab in it there is none.
local function line_of(cookie)
  if (cookie.name .. cookie.value .. cookie.path):find("\t", 1, true) then return nil end
  return table.concat({
    (cookie.http_only and http_only or "") .. (cookie.host_only and "" or ".") .. cookie.domain,
    flag(not cookie.host_only), cookie.path, flag(cookie.secure),
    ("%d"):format(cookie.expires or 0), cookie.name, cookie.value,
  }, "\t") .. "\n"
end

--- Writes cookies to a file that only its owner may read: to a temporary name beside it, then
-- renamed.
-- Returns how many were written, and how many could not be | nil, message, err (invalid)
function cookie_file.write(path, list)
  local attempt = text_file.attempt("save", path)
  local lines, left_out = { first_line }, 0
  for _, cookie in ipairs(list) do
    local line = line_of(cookie)
    if line then lines[#lines + 1] = line else left_out = left_out + 1 end
  end
  local file <close>, reason = core.replace_file(path, true)
  if not file then return failure.new("invalid", attempt, reason) end
  local ok
  ok, reason = text_file.write_all(file, table.concat(lines))
  if ok then ok, reason = file:commit(false) end
  if not ok then return failure.new("invalid", attempt, reason) end
  return #lines - 1, left_out
end

return cookie_file
