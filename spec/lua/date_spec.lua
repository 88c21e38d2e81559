-- Dates of HTTP, read and written.
-- Runs once.

local date = require "sluice.date"

local day = 24 * 60 * 60

describe("a date", function()
  -- RFC 9110 5.6.7
  it("is read in all three forms", function()
    for _, text in ipairs { "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
      "Sun Nov  6 08:49:37 1994" } do
      assert.equal(784111777, date.parse(text))
    end
    assert.equal(784975777, date.parse "Wed Nov 16 08:49:37 1994")
  end)

  it("is written as one that is read again, on each day of 140 years", function()
    for count = -70 * 365, 70 * 365 do
      local seconds = count * day + 12345
      local text = date.format(seconds)
      assert.equal(seconds, date.parse(text))
      assert.equal(os.date("!%d", seconds), text:sub(6, 7))
    end
    assert.equal("Thu, 01 Jan 1970 00:00:00 GMT", date.format(0))
    assert.equal("Wed, 31 Dec 1969 23:59:59 GMT", date.format(-0.5))
    assert.equal("Tue, 29 Feb 2000 00:00:00 GMT", date.format(951782400.9))
  end)

  it("reaches from year 0 to year 9999", function()
    for _, text in ipairs { "Sat, 01 Jan 0000 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT" } do
      assert.equal(text, date.format(date.parse(text)))
    end
    for _, wrong in ipairs { -62167219201, 253402300800, 1e300, -1e300, 0 / 0, "0" } do
      assert.error_matches(function() date.format(wrong) end, "date: seconds since 1970 expected")
    end
  end)

  it("with two digits of a year is at most 50 years ahead", function()
    local function year(text, now)
      return tonumber(date.format(date.parse(text, date.parse(now))):sub(13, 16))
    end
    local now = "Sun, 29 Nov 2026 12:00:00 GMT"
    for text, expected in pairs {
      ["Sunday, 29-Nov-26 12:00:00 GMT"] = 2026, ["Sunday, 29-Nov-00 12:00:00 GMT"] = 2000,
      ["Sunday, 29-Nov-76 12:00:00 GMT"] = 2076, ["Sunday, 29-Nov-76 12:00:01 GMT"] = 1976,
      ["Sunday, 31-Dec-76 00:00:00 GMT"] = 1976, ["Sunday, 01-Jan-77 00:00:00 GMT"] = 1977,
      ["Sunday, 01-Jan-99 00:00:00 GMT"] = 1999,
    } do
      assert.equal(expected, year(text, now), text)
    end
    assert.equal(2110, year("Sunday, 01-Jan-10 00:00:00 GMT", "Mon, 01 Jan 2080 00:00:00 GMT"))
    assert.is_number(date.parse "Sunday, 01-Jan-10 00:00:00 GMT")
  end)

  it("may be a leap second or a leap day, where there is one", function()
    assert.equal(date.parse "Sun, 01 Jan 2017 00:00:00 GMT",
      date.parse "Sat, 31 Dec 2016 23:59:60 GMT")
    assert.is_number(date.parse "Tue, 29 Feb 2000 00:00:00 GMT")
    assert.is_nil(date.parse "Mon, 29 Feb 1900 00:00:00 GMT")
    assert.is_nil(date.parse "Wed, 29 Feb 2023 00:00:00 GMT")
    assert.is_nil(date.parse("Wednesday, 29-Feb-23 00:00:00 GMT", 1700000000))
  end)

  it("is nothing else", function()
    for _, text in ipairs {
      "", "0", "784111777", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 UTC",
      "Sun, 06 Nov 1994 08:49:37 GMT ", " Sun, 06 Nov 1994 08:49:37 GMT",
      "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 06 nov 1994 08:49:37 GMT",
      "sun, 06 Nov 1994 08:49:37 GMT", "Xxx, 06 Nov 1994 08:49:37 GMT",
      "Sun, 06 Xxx 1994 08:49:37 GMT", "Sun, 00 Nov 1994 08:49:37 GMT",
      "Sun, 31 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:00:00 GMT",
      "Sun, 06 Nov 1994 08:60:00 GMT", "Sun, 06 Nov 1994 08:49:61 GMT",
      "Sun, 06-Nov-94 08:49:37 GMT", "Sunday, 06-Nov-1994 08:49:37 GMT",
      "Sunday, 06 Nov 94 08:49:37 GMT", "Sun Nov 6 08:49:37 1994", "Sun Nov 06 08:49:37 94",
      "Sun, 06 Nov 1994 08:49:37 GMT\n", "2026-11-29T12:00:00Z",
    } do
      assert.is_nil(date.parse(text), text)
    end
  end)
end)
