--- Dates as cookies have them (RFC 6265bis 5.1.1): a time, a day, a month and a year between
-- anything else, in any order that tells them apart.

local date = require "sluice.date"

local cookie_date = {}

local month_names = { jan = "Jan", feb = "Feb", mar = "Mar", apr = "Apr", may = "May", jun = "Jun",
  jul = "Jul", aug = "Aug", sep = "Sep", oct = "Oct", nov = "Nov", dec = "Dec" }

local token_pattern = "[^\9\32-\47\59-\64\91-\96\123-\126]+"

-- What a token may be, in the order of trying, each only until one was found. A part ends with
-- its digits, or where something else than a digit follows.
local readers = {
  { "time", function(token)
    local hour, minute, second = token:match "^(%d%d?):(%d%d?):(%d%d?)%f[%D]"
    return hour and { tonumber(hour), tonumber(minute), tonumber(second) }
  end },
  { "day", function(token) return tonumber(token:match "^(%d%d?)%f[%D]") end },
  { "month", function(token) return month_names[token:sub(1, 3):lower()] end },
  { "year", function(token) return tonumber(token:match "^(%d%d%d?%d?)%f[%D]") end },
}

local function read_token(found, token)
  for _, reader in ipairs(readers) do
    local name, read = reader[1], reader[2]
    local part = not found[name] and read(token)
    if part then
      found[name] = part
      return
    end
  end
end

local function full_year(year)
  if year >= 70 and year <= 99 then return year + 1900 end
  return year <= 69 and year + 2000 or year
end

--- Returns seconds since 1970 in UTC, or nil for what is no date.
function cookie_date.parse(text)
  local found = {}
  for token in text:gmatch(token_pattern) do read_token(found, token) end
  if not (found.time and found.day and found.month and found.year) then return nil end
  local year, second = full_year(found.year), found.time[3]
  if year < 1601 or second > 59 then return nil end
  return date.parse(("Sun, %02d %s %04d %02d:%02d:%02d GMT"):format(found.day, found.month, year,
    found.time[1], found.time[2], second))
end

return cookie_date
