-- Dates of cookies: what counts as one, and which second it is.
-- Runs once.

local cookie_date = require "sluice.cookies.date"

-- Seconds as python's calendar.timegm gives them.
local dates = {
  ["Wed, 09 Jun 2021 10:18:14 GMT"] = 1623233894,
  ["Sun, 06 Nov 1994 08:49:37 GMT"] = 784111777,
  ["Sunday, 06-Nov-94 08:49:37 GMT"] = 784111777,
  ["Sun Nov  6 08:49:37 1994"] = 784111777,
  ["Mon, 10-Dec-2007 17:02:24 GMT"] = 1197306144,
  ["Thu, 01 Jan 1970 00:00:00 GMT"] = 0,
  ["Fri, 31-Dec-9999 23:59:59 GMT"] = 253402300799,
  ["Mon, 01 Jan 1601 00:00:00 GMT"] = -11644473600,
  ["Thu, 29 Feb 2024 12:00:00 GMT"] = 1709208000,
  -- no weekday, no zone, another order, other delimiters, no leading zeros
  ["09 Jun 2021 10:18:14"] = 1623233894,
  ["10:18:14 2021 Jun 9"] = 1623233894,
  ["Jun/9/2021 10:18:14"] = 1623233894,
  ["9;jun;21;10:18:14"] = 1623233894,
  ["9 JUNE 2021 10:18:14"] = 1623233894,
  ["9 Juniper 2021 10:18:14.999"] = 1623233894,
  ["9th Jun 2021 10:18:14"] = 1623233894,
  ["09 Jun 2021 10:18:14 GMT+0200 (CEST)"] = 1623233894, -- a zone says nothing
  ["09 Jun 2021 10:18:14Z"] = 1623233894,
  ["9 Jun 2021y 1:2:3x"] = 1623200523,
  ["9 Jun 2021 10:18:14 10 Jul 2022 11:19:15"] = 1623233894, -- the first of each counts
  -- years of two digits, and of three
  ["01 Jan 70 00:00:00"] = 0,
  ["01 Jan 99 00:00:00"] = 915148800,
  ["01 Jan 69 00:00:00"] = 3124224000,
  ["01 Jan 00 00:00:00"] = 946684800,
}

local none = {
  "", "0", "Session", "Wed, 09 Jun 2021", "10:18:14", "09 Jun 10:18:14", "Jun 2021 10:18:14",
  "09 2021 10:18:14", "09 Jun 2021 10:18", "09 Jun 2021 101:18:14", "09 Jun 2021 10:181:14",
  "09 Jun 2021 10:18:145", "00 Jun 2021 10:18:14", "32 Jan 2021 10:18:14",
  "31 Jun 2021 10:18:14", "29 Feb 2021 10:18:14", "30 Feb 2024 10:18:14", "29 Feb 1900 1:1:1",
  "09 Jun 2021 24:00:00", "09 Jun 2021 23:60:00", "09 Jun 2021 23:59:60", "09 Jun 1600 1:1:1",
  "009 Jun 2021 10:18:14", "09 Jun 20211 10:18:14", "09 J 2021 10:18:14", "09 Jun 999 1:1:1",
  "2021-06-09T10:18:14Z", "1623233894", "09\0Jun 2021 10:18:14",
}

describe("a date of a cookie", function()
  it("is read wherever a time, a day, a month and a year can be told apart", function()
    for text, seconds in pairs(dates) do assert.equal(seconds, cookie_date.parse(text), text) end
  end)

  it("is none if a part is missing, or if there is no such day or time", function()
    for _, text in ipairs(none) do assert.is_nil(cookie_date.parse(text), text) end
  end)

  it("does not depend on locale or time zone, nor on what stands around it", function()
    for _, byte in ipairs { " ", "\t", "!", "/", ";", "@", "[", "`", "{", "~" } do
      local text = byte .. ("9%sJun%s2021%s10:18:14"):gsub("%%s", byte) .. byte
      assert.equal(1623233894, cookie_date.parse(text), byte)
    end
  end)

  it("takes long texts in a time that grows with their length alone", function()
    assert.is_nil(cookie_date.parse(("1"):rep(60000)))
    assert.is_nil(cookie_date.parse(("1 "):rep(30000)))
    assert.equal(1623233894, cookie_date.parse((" "):rep(60000) .. "9 Jun 2021 10:18:14"))
  end)
end)
