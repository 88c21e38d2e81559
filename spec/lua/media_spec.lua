-- Runs once.

local media = require "sluice.media"

describe("media types", function()
  it("are split into a name in lower case and parameters", function()
    local name, found = media.split "Text/HTML; Charset=\"UTF-8\"; a=b"
    assert.equal("text/html", name)
    assert.same({ charset = "UTF-8", a = "b" }, { charset = found.charset, a = found.a })
    assert.equal("application/problem+json", media.split " application/problem+json ")
  end)

  it("are none where a part is missing", function()
    for _, text in ipairs { "", "text", "text/", "/html", "text/html x", ";charset=x" } do
      assert.is_nil((media.split(text)))
    end
  end)
end)
