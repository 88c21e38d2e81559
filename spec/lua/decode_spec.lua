-- response:decode(): the value of a body, by the serializer for its type.

local sluice = require "sluice"
local support = require "spec.support"

local serializers = sluice.serializers

-- The smallest serializer: any text, behind "=".
local plain = {}

function plain.encode(value, writer) return writer:write("=" .. value) end

function plain.decode(input)
  local text = input:tostring()
  if text:sub(1, 1) ~= "=" then return nil, "no '='" end
  return text:sub(2)
end

local function answer(bytes, fields, status)
  return support.peer.listen { script = { { { "expect_until", "\r\n\r\n" },
    { "send", ("HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n%s"):format(status or "200 OK",
      fields or "", #bytes, bytes) }, { "loop" } } } }
end

describe("response:decode()", function()
  local client

  support.verify_each(function(keep) client = keep(support.client()) end)

  -- What decode gives for a body of that type.
  local function decoded(content_type, bytes, options, other)
    local p <close> = answer(bytes, content_type and ("Content-Type: %s\r\n"):format(content_type))
    local response <close> = assert((other or client):get(p.url .. "/x", options))
    local value, message, err = response:decode()
    if err then
      local first = ("GET %s/x: status 200, "):format(p.url)
      assert.equal(first, message:sub(1, #first))
      assert.equal(message, tostring(err))
      message = message:sub(#first + 1)
    end
    return value, message, err
  end

  it("decodes by the media type, without its parameters, in any case", function()
    for _, options in ipairs { {}, { stream = true } } do
      for content_type, value in pairs {
        ["application/json"] = { 1 },
        ["Application/JSON; charset=utf-8"] = { 1 },
        ["application/json;charset=ISO-8859-1"] = { 1 }, -- means nothing there (RFC 8259 11)
        ["application/problem+json"] = { 1 },
        ["application/vnd.a+b+json ; v=1"] = { 1 },
        ["text/plain"] = "[1]",
        ["text/plain; charset=\"UTF-8\""] = "[1]",
        ["text/plain;charset=us-ascii"] = "[1]",
        ["application/x-www-form-urlencoded"] = { ["[1]"] = "" },
      } do
        assert.same(value, (decoded(content_type, "[1]", options)))
      end
    end
  end)

  it("names a type for which there is nothing, and what there is", function()
    for _, content_type in ipairs { "text/html", "application/json, text/html", "json",
      "application/json+xml", "+json", "text/json2" } do
      local value, message, err = decoded(content_type, "[1]")
      assert.is_nil(value)
      assert.equal("unsupported", err.code)
      assert.equal("body", err.stage)
      assert.equal(content_type .. ": no serializer for this type, only for application/json, "
        .. "application/x-www-form-urlencoded, text/plain (sluice.serializers)", message)
    end
    local _, message, err = decoded(nil, "[1]")
    assert.equal("unsupported", err.code)
    assert.equal("without Content-Type: no telling what its body is: call text() or json()",
      message)
  end)

  it("refuses text in another charset than it gives", function()
    local value, message, err = decoded("text/plain; charset=iso-8859-1", "caf\xe9")
    assert.is_nil(value)
    assert.equal("unsupported", err.code)
    assert.equal("text/plain; charset=iso-8859-1: only utf-8 is decoded: text() gives the bytes",
      message)
  end)

  it("prefers the client's own serializer where it is for that type", function()
    local mine = { content_type = "application/x-plain; v=1", encode = plain.encode,
      decode = plain.decode }
    local other <close> = support.client { serializer = mine }
    assert.equal("a", (decoded("application/x-plain", "=a", nil, other)))
    assert.equal("a", (decoded("application/y+x-plain", "=a", nil, other)))
    assert.same({ 1 }, (decoded("application/json", "[1]", nil, other)))
    local nameless <close> = support.client { serializer = plain }
    assert.equal("a", (decoded("application/json", "=a", nil, nameless)))
    assert.equal("=a", (decoded("text/plain", "=a", nil, nameless)))
  end)

  it("finds what was registered, and instead of what comes with the module", function()
    finally(function()
      serializers["application/x-plain"] = nil
      serializers["application/json"] = sluice.json
    end)
    serializers["application/x-plain"] = plain
    assert.equal("a", (decoded("application/x-plain", "=a")))
    local _, message, err = decoded("application/x-plain", "a")
    assert.equal("application/x-plain: no '='; the body begins with \"a\"", message)
    assert.equal("decode", err.code)
    serializers["application/json"] = plain
    assert.equal("a", (decoded("application/json", "=a")))
    assert.equal("a", (decoded("application/problem+json", "=a")))
  end)

  it("says of a failing status that it is one, as json() does", function()
    local p <close> = answer("<html>", "Content-Type: application/json\r\n", "404 Not Found")
    local response <close> = assert(client:get(p.url .. "/x"))
    for _, name in ipairs { "decode", "json" } do
      local value, message, err = response[name](response)
      assert.is_nil(value)
      assert.equal("decode", err.code)
      assert.equal(1, err.position)
      assert.is_truthy(message:find("GET " .. p.url .. "/x: status 404, application/json: decode "
        .. "JSON: byte 1: ", 1, true), message)
    end
  end)

  it("passes on what reading the body gives", function()
    local p <close> = support.peer.listen { script = { { { "expect_until", "\r\n\r\n" },
      { "send", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n[" },
      { "close" } } } }
    local response <close> = assert(client:get(p.url .. "/", { stream = true }))
    local value, _, err = response:decode()
    assert.is_nil(value)
    assert.equal("closed", err.code)
  end)
end)
