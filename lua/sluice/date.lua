--- Dates of HTTP (RFC 9110 5.6.7) as seconds since 1970 in UTC, and back.
-- The arithmetic is that of the Gregorian calendar: neither locale nor time zone has a say.

local date = {}

local month_names = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct",
  "Nov", "Dec" }
local day_names = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" }
local long_day_names = { "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday",
  "Saturday" }

local function numbers_of(names)
  local numbers = {}
  for i, name in ipairs(names) do numbers[name] = i end
  return numbers
end

local months, days, long_days =
  numbers_of(month_names), numbers_of(day_names), numbers_of(long_day_names)

-- ---- the calendar: eras of 400 years that begin in March, so that a leap day ends a year ----

local day_seconds = 24 * 60 * 60
local era_days = 400 * 365 + 97
local days_before_1970 = 719468 -- since 1 March of year 0

-- Days from 1970-01-01 to a date.
local function days_of(year, month, day)
  if month <= 2 then year = year - 1 end
  local era, year_of_era = year // 400, year % 400
  local day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
  local day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
  return era * era_days + day_of_era - days_before_1970
end

-- The date that lies so many days after 1970-01-01: year, month, day.
local function civil_of(count)
  count = count + days_before_1970
  local era, day_of_era = count // era_days, count % era_days
  local year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524
    - day_of_era // 146096) // 365
  local day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
  local shifted = (5 * day_of_year + 2) // 153 -- March is 0
  local month = shifted < 10 and shifted + 3 or shifted - 9
  local year = era * 400 + year_of_era
  return month <= 2 and year + 1 or year, month, day_of_year - (153 * shifted + 2) // 5 + 1
end

local function month_length(year, month)
  local next_year, next_month = year, month + 1
  if month == 12 then next_year, next_month = year + 1, 1 end
  return days_of(next_year, next_month, 1) - days_of(year, month, 1)
end

-- ---- reading ----

-- Seconds since 1970 for the digits of a date and a time of day, or nil if there is none such.
local function seconds_of(year, month, day, hour, minute, second)
  hour, minute, second = tonumber(hour), tonumber(minute), tonumber(second)
  if hour > 23 or minute > 59 or second > 60 then return nil end -- 60: a leap second
  if day < 1 or day > month_length(year, month) then return nil end
  return days_of(year, month, day) * day_seconds + hour * 3600 + minute * 60 + second
end

-- The year and the second that lie 50 years after `now`.
local function fifty_years_after(now)
  local year, month, day = civil_of(now // day_seconds)
  return year + 50, days_of(year + 50, month, day) * day_seconds + now % day_seconds
end

-- Sun, 06 Nov 1994 08:49:37 GMT
local function read_fixdate(text)
  local name, day, month, year, hour, minute, second =
    text:match "^(%a%a%a), (%d%d) (%a%a%a) (%d%d%d%d) (%d%d):(%d%d):(%d%d) GMT$"
  if not name or not days[name] or not months[month] then return nil end
  return seconds_of(tonumber(year), months[month], tonumber(day), hour, minute, second)
end

-- Sunday, 06-Nov-94 08:49:37 GMT
local function read_rfc850(text, now)
  local name, day, month, year, hour, minute, second =
    text:match "^(%a+), (%d%d)%-(%a%a%a)%-(%d%d) (%d%d):(%d%d):(%d%d) GMT$"
  if not name or not long_days[name] or not months[month] then return nil end
  local function at(full)
    return seconds_of(full, months[month], tonumber(day), hour, minute, second)
  end
  local last_year, latest = fifty_years_after(now or os.time())
  local full = last_year - (last_year - tonumber(year)) % 100
  local seconds = at(full)
  if seconds and seconds > latest then return at(full - 100) end
  return seconds
end

-- Sun Nov  6 08:49:37 1994
local function read_asctime(text)
  local name, month, day, hour, minute, second, year =
    text:match "^(%a%a%a) (%a%a%a) ([ %d]%d) (%d%d):(%d%d):(%d%d) (%d%d%d%d)$"
  if not name or not days[name] or not months[month] then return nil end
  return seconds_of(tonumber(year), months[month], tonumber(day), hour, minute, second)
end

--- Reads a date in one of the three forms that RFC 9110 5.6.7 names, and in no other.
-- The name of the day need not be that of the date. A year of two digits is the last one that is
-- not more than 50 years after `now`, in seconds since 1970 (nil: the time of the system).
-- Returns seconds since 1970, or nil for any other text.
function date.parse(text, now)
  return read_fixdate(text) or read_rfc850(text, now) or read_asctime(text)
end

-- ---- writing ----

local first = days_of(0, 1, 1) * day_seconds
local last = days_of(10000, 1, 1) * day_seconds - 1

--- Writes seconds since 1970 as a date, "Sun, 06 Nov 1994 08:49:37 GMT". Parts of a second are
-- left out. Raises for what is no date of the years 0 to 9999.
function date.format(seconds)
  if type(seconds) ~= "number" or not (seconds >= first and seconds < last + 1) then
    error("date: seconds since 1970 expected, of the years 0 to 9999", 2)
  end
  seconds = math.floor(seconds)
  local count, rest = seconds // day_seconds, seconds % day_seconds
  local year, month, day = civil_of(count)
  return ("%s, %02d %s %04d %02d:%02d:%02d GMT"):format(day_names[(count + 4) % 7 + 1], day,
    month_names[month], year, rest // 3600, rest // 60 % 60, rest % 60)
end

return date
