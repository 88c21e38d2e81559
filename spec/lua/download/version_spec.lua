-- Which version of a file a response has bytes of, and which parts fit together.

local support = require "spec.support"
local version = require "sluice.download.version"

describe("the version of a file", function()
  local client

  support.verify_each(function(keep) client = keep(support.client()) end)

  -- Calls f with a response of that status and fields, a map.
  local function answer(status, fields, f)
    client:use(function(request)
      return request:answer { status = status, headers = fields, body = "" }
    end)
    local response <close> = assert(client:get "http://127.0.0.1:1/")
    f(response)
    client:close()
    client = support.client()
  end

  local function of(fields)
    local found
    answer(200, fields, function(response) found = version.of(response) end)
    return found
  end

  it("has a strong tag, or none", function()
    for tag, is_strong in pairs {
      ['"a"'] = true, ['""'] = true, ['"a b"'] = false, ['W/"a"'] = false, ['w/"a"'] = false,
      a = false, ['"a'] = false, ['"a""b"'] = false, ['"\xE4!#~"'] = true,
      ['"' .. ("x"):rep(998) .. '"'] = true, ['"' .. ("x"):rep(999) .. '"'] = false,
    } do
      local known = of { ETag = tag }
      assert.equal(is_strong and tag or nil, known.etag, tag)
      assert.equal(known.etag, version.validator(known))
    end
  end)

  it("has a date only without a tag, and if it was a minute old", function()
    local changed = "Sun, 06 Nov 1994 08:49:37 GMT"
    for date, is_strong in pairs {
      ["Sun, 06 Nov 1994 08:50:37 GMT"] = true, ["Sun, 06 Nov 1994 08:50:36 GMT"] = false,
      ["Sun, 06 Nov 1994 08:40:37 GMT"] = false, never = false,
    } do
      assert.equal(is_strong and changed or nil,
        of({ ["Last-Modified"] = changed, Date = date }).modified, date)
      assert.is_nil(of({ ["Last-Modified"] = changed, Date = date, ETag = '"a"' }).modified)
      assert.is_nil(of({ ["Last-Modified"] = "x", Date = date }).modified)
    end
    assert.is_nil(of({ ["Last-Modified"] = changed }).modified)
  end)

  it("has a digest of a sensible size", function()
    assert.equal("sha-256=:x:", of({ ["Repr-Digest"] = "sha-256=:x:" }).digest)
    assert.equal(1000, #of({ ["Repr-Digest"] = ("x"):rep(1000) }).digest)
    assert.is_nil(of({ ["Repr-Digest"] = ("x"):rep(1001) }).digest)
  end)

  it("fits a range of the same version that begins where it should", function()
    local range = { ["Content-Range"] = "bytes 10-19/100" }
    for name, case in pairs {
      ["any"] = { {}, {}, 10, nil, 20 },
      ["up to an end"] = { {}, {}, 10, 20, 20 },
      ["beyond an end"] = { {}, {}, 10, 19 },
      ["elsewhere"] = { {}, {}, 9 },
      ["of that length"] = { {}, { total = 100 }, 10, nil, 20 },
      ["of another length"] = { {}, { total = 101 }, 10 },
      ["of that tag"] = { { ETag = '"a"' }, { etag = '"a"' }, 10, nil, 20 },
      ["of another tag"] = { { ETag = '"b"' }, { etag = '"a"' }, 10 },
      ["without a tag"] = { {}, { etag = '"a"' }, 10 },
      ["of that date"] = { { ["Last-Modified"] = "x" }, { modified = "x" }, 10, nil, 20 },
      ["without a date"] = { {}, { modified = "x" }, 10, nil, 20 },
      ["of another date"] = { { ["Last-Modified"] = "y" }, { modified = "x" }, 10 },
      ["several"] = { { ["Content-Type"] = "Multipart/byteranges; boundary=x" }, {}, 10 },
      ["coded"] = { { ["Content-Encoding"] = "br" }, {}, 10 },
      ["not coded"] = { { ["Content-Encoding"] = "Identity" }, {}, 10, nil, 20 },
      ["in upper case"] = { { ["Content-Range"] = "BYTES 10-19/100" }, {}, 10, nil, 20 },
      ["of other units"] = { { ["Content-Range"] = "lines 10-19/100" }, {}, 10 },
      ["backwards"] = { { ["Content-Range"] = "bytes 19-10/100" }, {}, 10 },
      ["behind the end"] = { { ["Content-Range"] = "bytes 10-100/100" }, {}, 10 },
      ["of unknown length"] = { { ["Content-Range"] = "bytes 10-19/*" }, {}, 10 },
      ["of none"] = { { ["Content-Range"] = "bytes */100" }, {}, 10 },
      ["from out of reach"] =
        { { ["Content-Range"] = "bytes 99999999999999999999-19/100" }, {}, 10 },
      ["to out of reach"] =
        { { ["Content-Range"] = "bytes 10-99999999999999999999/100" }, {}, 10 },
      ["out of reach"] = { { ["Content-Range"] = "bytes 10-19/99999999999999999999" }, {}, 10 },
    } do
      local fields = { ["Content-Range"] = range["Content-Range"] }
      for field, value in pairs(case[1]) do fields[field] = value end
      answer(206, fields, function(response)
        -- A response of an interceptor has the length of its body, a server's that of its range.
        local plain = setmetatable({ headers = setmetatable({
          all = function(_, ...) return response.headers:all(...) end,
        }, { __index = function(_, key)
          return key ~= "Content-Length" and response.headers[key] or nil
        end }) }, { __index = response })
        local ends, total = version.fit(plain, case[2], case[3], case[4])
        assert.equal(case[5], ends, name .. ": " .. tostring(total))
      end)
    end
  end)
end)
