--- The version of a file that a response has bytes of:
--
--     { etag =, modified =, total =, digest = }
--
-- `etag` or `modified` is a strong validator (RFC 9110 8.8): two responses with the same one have
-- bytes of the same file. Without one nothing can be gone on with.

local core = require "sluice.core"

local version = {}

-- Bytes of a value that is worth keeping.
local most_field = 1000

-- Seconds between a change and a response after which no second change can hide behind the same
-- date, even if the two clocks differ (RFC 9110 8.8.2.2).
local apart = 60

-- A strong entity tag, or nil.
local function read_tag(response)
  local tag = response.headers["ETag"]
  return tag and #tag <= most_field and tag:find '^"[\x21\x23-\x7E\x80-\xFF]*"$' and tag or nil
end

-- The date of the last change as it was sent, if it is a strong validator, or nil.
local function read_modified(response)
  local text = response.headers["Last-Modified"]
  local changed, sent = response:date "Last-Modified", response:date "Date"
  if not changed or not sent or sent - changed < apart then return nil end
  return #text <= most_field and text or nil
end

--- What is in a response of the whole file. If its coding was removed, the bytes are not those
-- that its tag and digest are about.
function version.of(response)
  if core.is_decoded(response) then return {} end
  local tag, digest = read_tag(response), response.headers["Repr-Digest"]
  return {
    etag = tag,
    modified = not tag and read_modified(response) or nil,
    total = math.tointeger(tonumber(response.headers["Content-Length"])),
    digest = digest and #digest <= most_field and digest or nil,
  }
end

--- The value of If-Range that asks for this version, or nil.
function version.validator(known) return known.etag or known.modified end

-- Returns first, last and total, integers | nil
local function read_range(response)
  local values = response.headers:all "Content-Range"
  if #values ~= 1 then return nil end
  local first, last, total = values[1]:match "^[Bb][Yy][Tt][Ee][Ss] (%d+)%-(%d+)/(%d+)$"
  first, last = math.tointeger(tonumber(first)), math.tointeger(tonumber(last))
  total = math.tointeger(tonumber(total))
  if not first or not last or not total or first > last or last >= total then return nil end
  return first, last, total
end

-- Whether a field is missing, or says the same.
local function agrees(response, name, value)
  local found = response.headers[name]
  return found == nil or found == value
end

-- Whether a part is of the known version. A server that ignores If-Range is found out by its tag,
-- which each part has (RFC 9110 15.3.7); the date may be missing.
local function is_same(response, known)
  if known.etag then return response.headers["ETag"] == known.etag end
  return not known.modified or agrees(response, "Last-Modified", known.modified)
end

--- The range of a 206 that can be put together with bytes of the known version: it begins at
-- `from`, and ends before `to` at the latest (nil: anywhere).
-- Returns the position behind its last byte, and the size of the whole file | nil, why it does not
-- fit
function version.fit(response, known, from, to)
  local media = response.headers["Content-Type"]
  local coding = response.headers["Content-Encoding"]
  if media and media:lower():find "^multipart/byteranges" then return nil, "in several parts" end
  if coding and coding:lower() ~= "identity" then return nil, "coded" end
  local first, last, total = read_range(response)
  if not first then return nil, "without a range" end
  if first ~= from or to and last >= to then return nil, "another range" end
  if known.total and total ~= known.total then return nil, "another length" end
  if not is_same(response, known) then return nil, "another version" end
  if not agrees(response, "Content-Length", ("%d"):format(last - first + 1)) then
    return nil, "a length that is not that of its range"
  end
  return last + 1, total
end

return version
