-- What logs and recordings hide.
-- Runs once.

local secrets = require "sluice.interceptors.secrets"

describe("of a URL", function()
  local known = secrets.new(nil, { "Mine" })

  for url, shown in pairs {
    ["http://user:password@host/a"] = "http://host/a",
    ["http://host/a?b=1&c=2#secret"] = "http://host/a?b=1&c=2",
    ["http://host/a#token=1"] = "http://host/a",
    ["http://host/?token=x&b=1"] = "http://host/?token=***&b=1",
    ["http://host/?b=1&Access_Token=x"] = "http://host/?b=1&Access_Token=***",
    ["http://host/?X-Amz-Signature=x&X-Amz-Credential=y"] =
      "http://host/?X-Amz-Signature=***&X-Amz-Credential=***",
    ["http://host/?api_key=x;sig=y&key=z&code=w"] =
      "http://host/?api_key=***;sig=***&key=***&code=***",
    ["http://host/?client_secret=a=b&passwd=c"] = "http://host/?client_secret=***&passwd=***",
    ["http://host/?mine=x&monkey=y&token="] = "http://host/?mine=***&monkey=y&token=",
    ["http://host/?%74oken=x"] = "http://host/?%74oken=***",
  } do
    it("shows " .. url .. " as " .. shown, function()
      assert.equal(shown, secrets.shown_url(known, url))
    end)
  end

  it("shows what is no URL escaped, and without what may be credentials", function()
    assert.equal("http://ho\\x0Ast/", secrets.shown_url(known, "http://user@ho\nst/"))
  end)
end)

describe("of a field", function()
  local known = secrets.new { "X-Mine" }

  for _, case in ipairs {
    { "Authorization", "Bearer abc", "Bearer ***" }, { "authorization", "abc", "***" },
    { "Proxy-Authorization", "Basic abc", "Basic ***" }, { "Cookie", "a=b; c=d", "***" },
    { "Set-Cookie", "sid=abc; Path=/; HttpOnly", "sid=***; Path=/; HttpOnly" },
    { "Set-Cookie", "abc", "***" }, { "X-Api-Key", "abc", "***" }, { "x-mine", "abc", "***" },
    { "Content-Type", "text/plain", "text/plain" },
    { "Location", "/back?code=abc&state=1", "/back?code=***&state=1" },
    { "Location", "https://host/me@home?a=1#access_token=abc&b=2",
      "https://host/me@home?a=1#access_token=***&b=2" },
    { "Location", "//user:abc@host/", "//***@host/" },
    { "Location", "/a?b=c#d", "/a?b=c#d" },
    { "Content-Location", "?sig=abc", "?sig=***" },
    { "Referer", "http://host/?token=abc", "http://host/?token=***" },
    { "Link", '</?page=2&token=abc>; rel="next"; token=1, <b?key=abc>; rel="last"',
      '</?page=2&token=***>; rel="next"; token=1, <b?key=***>; rel="last"' },
    { "Link", "<<", "<<" },
  } do
    it(("shows %s: %s as %s"):format(table.unpack(case)), function()
      assert.equal(case[3], secrets.shown_value(known, case[1], case[2]))
    end)
  end

  it("hides what the request, or its client, marks as secret", function()
    local function shown(own, client)
      return secrets.shown_value(known, "X-Own", "abc",
        { secrets = own, client = { secrets = client } })
    end
    assert.equal("***", shown({ "x-own" }, nil))
    assert.equal("***", shown(false, { "x-other", "x-own" }))
    assert.equal("abc", shown(false, nil))
    assert.equal("abc", secrets.shown_value(known, "X-Own", "abc"))
  end)
end)
