-- The contract of serializers, and the one that comes with the module: encode(value, writer),
-- decode(sequence).

local sluice = require "sluice"
local support = require "spec.support"

local json = sluice.json

-- The smallest serializer that keeps the contract: what a user might pass to a client.
local plain = { content_type = "text/plain" }

local function failure(code, message)
  return nil, message, setmetatable({ message = message, code = code, retryable = false },
    { __tostring = function(err) return err.message end })
end

function plain.encode(value, writer)
  if type(value) ~= "string" then return failure("invalid", "encode text: string expected") end
  return writer:write("=", value)
end

function plain.decode(input)
  local text = type(input) == "string" and input or input:tostring()
  if text:sub(1, 1) ~= "=" then return failure("decode", "decode text: '=' expected") end
  return text:sub(2)
end

-- The same as an object of a class, with what it was made of, which has no content type.
local Class = { encode = plain.encode, decode = plain.decode }
Class.__index = Class
local object = setmetatable({ count = 0 }, Class)
object.itself = object

local serializers = {
  object = { is = object, good = "any text", bad_value = 5, bad_text = "?" },
  json = { is = json, good = { name = "sluice", list = { 1, 2.5, "three" }, nested = { { {} } } },
    bad_value = print, bad_text = "{" },
  plain = { is = plain, good = "any text", bad_value = 5, bad_text = "?" },
}

for name, case in pairs(serializers) do
  describe("the serializer " .. name, function()
    local before

    before_each(function() before = support.snapshot(sluice) end)
    after_each(function() support.verify(sluice, before) end)

    it("has a content type, or is one of JSON", function()
      assert.matches("^%l+/%l+", case.is.content_type or "application/json")
    end)

    it("gives back what it was given, from any segments", function()
      local writer <close> = sluice.writer()
      assert.equal(writer, case.is.encode(case.good, writer))
      local text = writer:view()
      assert.same(case.good, case.is.decode(text))
      for segment_size = 1, #text do
        local buffer <close> = sluice.buffer { segment_size = segment_size }
        assert(buffer:append(text))
        local sequence <close> = buffer:sequence()
        assert.same(case.good, case.is.decode(sequence))
      end
    end)

    it("appends to what is written already", function()
      local writer <close> = sluice.writer()
      assert(writer:write "before ")
      assert(case.is.encode(case.good, writer))
      assert.equal("before ", writer:view():sub(1, 7))
      assert.same(case.good, case.is.decode(writer:view():sub(8)))
    end)

    it("reports a value that it cannot encode, and writes nothing", function()
      local writer <close> = sluice.writer()
      local result, message, err = case.is.encode(case.bad_value, writer)
      assert.is_nil(result)
      assert.equal("string", type(message))
      assert.equal("invalid", err.code)
      assert.equal(message, tostring(err))
      assert.equal("", writer:view())
    end)

    it("reports a text that it cannot decode", function()
      local buffer <close> = sluice.buffer()
      assert(buffer:append(case.bad_text))
      local sequence <close> = buffer:sequence()
      for _, input in ipairs { case.bad_text, sequence } do
        local result, message, err = case.is.decode(input)
        assert.is_nil(result)
        assert.equal("decode", err.code)
        assert.equal(message, tostring(err))
      end
    end)

    it("reports a writer that is full, whose content stays", function()
      local writer <close> = sluice.writer { max_size = 8 }
      assert(writer:write "12345678")
      local result, _, err = case.is.encode(case.good, writer)
      assert.is_nil(result)
      assert.equal("limit", err.code)
      assert.equal("12345678", writer:view())
    end)

    it("serves a client both ways", function()
      local writer <close> = sluice.writer()
      assert(case.is.encode(case.good, writer))
      local text = writer:view()
      local client <close> = support.client { serializer = case.is }
      local p <close> = support.peer.listen { script = { {
        { "expect_until", "\r\n\r\n" }, { "read", #text },
        { "send", ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"):format(#text, text) },
        { "stall" },
      } } }
      local response <close>, message = client:post(p.url .. "/", { json = case.good })
      assert(response, message)
      assert.same(case.good, response:json())
      assert.same(case.good, response:json())
      local sent = p:received(1)
      local content_type = case.is.content_type or "application/json"
      assert.is_truthy(sent:find("\r\nContent-Type: " .. content_type .. "\r\n", 1, true))
      assert.equal(text, sent:sub(-#text))
    end)

    it("fails a request whose value it cannot encode, before anything is sent", function()
      local client <close> = support.client { serializer = case.is }
      local p <close> = support.peer.listen { script = { { { "stall" } } } }
      local response, _, err = client:post(p.url .. "/", { json = case.bad_value })
      assert.is_nil(response)
      assert.equal("invalid", err.code)
      assert.equal(0, (p:connections()))
    end)

    it("fails the reading of an answer that it cannot decode, whose text stays", function()
      local client <close> = support.client { serializer = case.is }
      local p <close> = support.peer.listen { script = { { { "expect_until", "\r\n\r\n" },
        { "send", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" .. case.bad_text },
        { "stall" } } } }
      local response <close> = assert(client:get(p.url .. "/"))
      local value, _, err = response:json()
      assert.is_nil(value)
      assert.equal("decode", err.code)
      assert.equal(case.bad_text, response:text())
    end)
  end)
end

describe("a serializer of one's own", function()
  local before

  before_each(function() before = support.snapshot(sluice) end)
  after_each(function() support.verify(sluice, before) end)

  local function answer(bytes)
    return support.peer.listen { script = { { { "expect_until", "\r\n\r\n" },
      { "send", ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"):format(#bytes, bytes) },
      { "stall" } } } }
  end

  it("is given sequences, each time anew, in every way of having read before", function()
    for _, is_stream in ipairs { false, true } do
      for _, has_text in ipairs { false, true } do
        local inputs = {}
        local client <close> = support.client { serializer = {
          encode = plain.encode,
          decode = function(input)
            inputs[#inputs + 1] = input
            assert.matches("^sluice%.sequence", tostring(input))
            return { input:tostring() }
          end,
        } }
        local bytes = support.pattern(40000)
        local p <close> = answer(bytes)
        local response <close> = assert(client:get(p.url .. "/", { stream = is_stream }))
        if has_text then assert.equal(bytes, response:text()) end
        local first, second = response:json(), response:json()
        assert.are_not_equal(first, second)
        assert.is_true(first[1] == bytes and second[1] == bytes)
        assert.error(function() return #inputs[1] end) -- good while it is decoded
      end
    end
  end)

  it("may raise: nothing is left behind", function()
    local thrown = { "a table" }
    local client <close> = support.client { serializer = {
      encode = function() error(thrown) end, decode = function() error(thrown) end,
    } }
    local p <close> = answer "x"
    local response <close> = assert(client:get(p.url .. "/"))
    for _, f in ipairs {
      function() return response:json() end,
      function() return client:post(p.url .. "/", { json = 1 }) end,
    } do
      local ok, raised = pcall(f)
      assert.is_false(ok)
      assert.equal(thrown, raised)
    end
  end)
end)

describe("JSON", function()
  local before

  before_each(function() before = support.snapshot(sluice) end)
  after_each(function() support.verify(sluice, before) end)

  it("has a null that is not nil, in both directions", function()
    assert.is_not_nil(json.null)
    local writer <close> = sluice.writer()
    assert(json.encode({ json.null, 1 }, writer))
    assert.equal("[null,1]", writer:view())
    assert.equal(json.null, json.decode "[null]"[1])
    assert.is_nil(json.nothing)
  end)

  it("refuses what is none", function()
    for _, text in ipairs { "", " ", "{", "[1,]", "{\"a\":}", "nul", "\"open", "[1 2]", "1 2",
      "NaN", "Infinity", "-Infinity", "[1e999", "\xef\xbb\xbf{}", ("["):rep(129) .. ("]"):rep(129),
      ("["):rep(100000) } do
      local value, message, err = json.decode(text)
      assert.is_nil(value, text:sub(1, 20))
      assert.equal("decode", err.code)
      assert.equal("body", err.stage)
      assert.matches("^decode JSON: ", message)
    end
    assert.is_not_nil(json.decode(("["):rep(128) .. ("]"):rep(128)))
  end)

  it("refuses to write what JSON cannot hold", function()
    local writer <close> = sluice.writer()
    local loop = {}
    loop[1] = loop
    for _, value in ipairs { 0 / 0, math.huge, -math.huge, print, io.stdout, loop,
      { [{}] = 1 }, { 1, [1000000] = 2 }, coroutine.create(print) } do
      local result, message, err = json.encode(value, writer)
      assert.is_nil(result)
      assert.equal("invalid", err.code)
      assert.matches("^encode JSON: ", message)
      assert.equal("", writer:view())
    end
  end)

  it("leaves the host's settings of the library alone", function()
    local cjson = require "cjson"
    cjson.encode_invalid_numbers(true)
    finally(function() cjson.encode_invalid_numbers(false) end)
    local writer <close> = sluice.writer()
    assert.is_nil((json.encode(0 / 0, writer)))
    assert.equal("nan", tostring(cjson.encode(0 / 0)):lower():gsub("-", ""))
  end)

  it("is sent through the writer, its type only where none is given", function()
    local client <close> = support.client()
    local step = { { "expect_until", "}" },
      { "send", "HTTP/1.1 204 No Content\r\n\r\n" }, { "loop" } }
    local p <close> = support.peer.listen { script = { step } }
    client:post(p.url .. "/", { json = { a = 1 } }):dispose()
    client:put(p.url .. "/", { json = { a = 1 },
      headers = { ["content-type"] = "application/vnd.test+json" } }):dispose()
    client:request("PATCH", p.url .. "/", { json = { a = false } }):dispose()
    local sent = p:received(1)
    local types = {}
    for value in sent:gmatch "[Cc]ontent%-[Tt]ype: ([^\r]*)" do types[#types + 1] = value end
    assert.same({ "application/json", "application/vnd.test+json", "application/json" }, types)
    assert.is_truthy(sent:find('Content%-Length: 7\r\n.-\r\n\r\n{"a":1}'))
    assert.is_truthy(sent:find('{"a":false}', 1, true))
  end)

  it("and a body are not sent together", function()
    local client <close> = support.client()
    assert.error_matches(function()
      client:post("http://127.0.0.1:1/", { json = {}, body = "x" })
    end, "only one of them")
  end)

  it("false is sent as a value", function()
    local client <close> = support.client()
    local p <close> = support.peer.listen { script = { { { "expect_until", "false" },
      { "send", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfalse" }, { "stall" } } } }
    local response <close> = assert(client:post(p.url .. "/", { json = false }))
    assert.is_false(response:json())
  end)
end)
