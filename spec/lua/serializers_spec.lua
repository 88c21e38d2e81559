-- The contract of serializers, encode(value, writer) and decode(sequence), which each one that is
-- registered keeps; and where they are registered.

local script = require "spec.support.script"
local sluice = require "sluice"
local support = require "spec.support"

local serializers = sluice.serializers

-- The smallest serializer that keeps the contract: what a user might register.
local plain = { content_type = "application/x-plain" }

local function failure(code, message)
  return nil, message, setmetatable({ message = message, code = code, retryable = false },
    { __tostring = function(err) return err.message end })
end

function plain.encode(value, writer)
  if type(value) ~= "string" then return failure("invalid", "encode text: string expected") end
  return writer:write("=" .. value)
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

serializers["application/x-plain"] = plain
serializers.object = object

-- For each: values that come back as they were; one that it cannot write, and one of many
-- levels whose last cannot be written; a text that it cannot read. `empty` is what it makes of
-- no bytes, if that is no failure.
local json_case = {
  good = { { name = "sluice", list = { 1, 2.5, "three" }, nested = { { { 1 } } } }, "caf\u{e9}\n",
    "a\0b", "", true, false, 1.5, ("x"):rep(20000) },
  bad_value = print, deep_bad_value = { "written before it", { { print } } }, bad_text = "{",
}
local cases = {
  [serializers.json] = json_case,
  [serializers.cjson] = json_case,
  [serializers.form] = {
    good = { { name = "sluice & co", list = { "1", "", "a\0b" }, ["caf\u{e9}=&+"] = "%\r\n" }, {},
      { [""] = ("x"):rep(20000) } },
    bad_value = "text", deep_bad_value = { a = "written before it", b = { print } },
    bad_text = "a=%zz", empty = {},
  },
  [serializers.text] = {
    good = { "any text", "a\0b\xff", "", ("x"):rep(20000) },
    bad_value = 5, deep_bad_value = { "x" }, empty = "",
  },
  [plain] = { good = { "any text", "" }, bad_value = 5, deep_bad_value = {}, bad_text = "?" },
  [object] = { good = { "any text", "" }, bad_value = 5, deep_bad_value = {}, bad_text = "?" },
}

-- What was encoded, as a string.
local function encoded(serializer, value)
  local writer <close> = sluice.writer()
  assert.equal(writer, serializer.encode(value, writer))
  return writer:view()
end

-- Calls `f` with the text as a sequence of segments of that size.
local function with_sequence(text, segment_size, f)
  local buffer <close> = sluice.buffer { segment_size = segment_size }
  assert(buffer:append(text))
  local sequence <close> = buffer:sequence()
  f(sequence)
end

local function answer(bytes, fields, status)
  return support.peer.listen { script = { { { "expect_until", "\r\n\r\n" },
    { "send", ("HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n%s"):format(status or "200 OK",
      fields or "", #bytes, bytes) }, { "loop" } } } }
end

for key, serializer in pairs(serializers) do
  describe("the serializer " .. key, function()
    local case = assert(cases[serializer], "no values to try it with")

    support.verify_each()

    it("has a content type, or uses that of JSON", function()
      assert.matches("^%l+/%l+", serializer.content_type or "application/json")
    end)

    it("decodes what it has encoded, in segments of any size", function()
      for _, value in ipairs(case.good) do
        local text = encoded(serializer, value)
        assert.same(value, serializer.decode(text))
        for segment_size = 1, math.min(#text + 1, 200) do
          with_sequence(text, segment_size, function(sequence)
            assert.same(value, serializer.decode(sequence))
            assert.equal(#text, #sequence) -- it is the caller's, to be closed
          end)
        end
      end
    end)

    it("decodes a text that is cut anywhere", function()
      local value = case.good[1]
      local text = encoded(serializer, value)
      for _, head, tail in support.each_cut(text) do
        local buffer <close> = sluice.buffer()
        for _, piece in ipairs { head, tail } do
          local part <close> = sluice.buffer()
          assert(part:append(piece))
          local lease <close> = part:detach()
          assert(buffer:append(lease))
        end
        local sequence <close> = buffer:sequence()
        assert.same(value, serializer.decode(sequence))
      end
    end)

    it("makes a value of nothing, or says that it is none", function()
      with_sequence("", 64, function(sequence)
        for _, input in ipairs { "", sequence } do
          local value, message, err = serializer.decode(input)
          assert.same(case.empty, value)
          if case.empty == nil then
            assert.equal("decode", err.code)
            assert.equal(message, tostring(err))
          end
        end
      end)
    end)

    it("appends to what the writer already holds", function()
      local writer <close> = sluice.writer()
      assert(writer:write "before ")
      assert(serializer.encode(case.good[1], writer))
      assert.equal("before ", writer:view():sub(1, 7))
      assert.same(case.good[1], serializer.decode(writer:view():sub(8)))
    end)

    it("reports a value that it cannot encode, and writes nothing", function()
      for _, value in ipairs { case.bad_value, case.deep_bad_value } do
        local writer <close> = sluice.writer()
        assert(writer:write "before")
        local result, message, err = serializer.encode(value, writer)
        assert.is_nil(result)
        assert.equal("string", type(message))
        assert.equal("invalid", err.code)
        assert.equal(message, tostring(err))
        assert.equal("before", writer:view())
      end
    end)

    it("fits a writer of exactly its size, and reports one that is a byte smaller", function()
      local size = #encoded(serializer, case.good[1])
      local fitting <close> = sluice.writer { max_size = size + 3 }
      assert(fitting:write "abc")
      assert(serializer.encode(case.good[1], fitting))
      local full <close> = sluice.writer { max_size = size + 2 }
      assert(full:write "abc")
      local result, message, err = serializer.encode(case.good[1], full)
      assert.is_nil(result)
      assert.equal("limit", err.code)
      assert.equal(message, tostring(err))
      assert.equal("abc", full:view())
    end)

    it("reports text that it cannot decode", function()
      if not case.bad_text then return end
      with_sequence(case.bad_text, 1, function(sequence)
        for _, input in ipairs { case.bad_text, sequence } do
          local result, message, err = serializer.decode(input)
          assert.is_nil(result)
          assert.equal("decode", err.code)
          assert.equal(message, tostring(err))
        end
      end)
    end)

    it("encodes a client's requests and decodes its responses", function()
      local text = encoded(serializer, case.good[1])
      local content_type = serializer.content_type or "application/json"
      local client <close> = support.client { serializer = serializer }
      local p <close> = support.peer.listen { script = { {
        { "expect_until", "\r\n\r\n" }, { "read", #text },
        { "send", ("HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s")
          :format(content_type, #text, text) },
        { "stall" },
      } } }
      local response <close>, message = client:post(p.url .. "/", { json = case.good[1] })
      assert(response, message)
      assert.same(case.good[1], response:json())
      assert.same(case.good[1], response:json())
      assert.same(case.good[1], response:decode())
      local sent = p:received(1)
      assert.is_truthy(sent:find("\r\nContent-Type: " .. content_type .. "\r\n", 1, true))
      assert.equal(text, sent:sub(-#text))
    end)

    it("fails a request whose value it cannot encode, before anything is sent", function()
      local client <close> = support.client { serializer = serializer }
      local p <close> = support.peer.listen { script = { { { "stall" } } } }
      local response, _, err = client:post(p.url .. "/", { json = case.bad_value })
      assert.is_nil(response)
      assert.equal("invalid", err.code)
      assert.equal(0, (p:connections()))
    end)

    it("fails to read an answer that it cannot decode, and keeps its text", function()
      if not case.bad_text then return end
      local client <close> = support.client { serializer = serializer }
      local p <close> = answer(case.bad_text)
      local response <close> = assert(client:get(p.url .. "/"))
      local value, _, err = response:json()
      assert.is_nil(value)
      assert.equal("decode", err.code)
      assert.equal(case.bad_text, response:text())
    end)
  end)
end

serializers["application/x-plain"], serializers.object = nil, nil

describe("the table of serializers", function()
  it("has what comes with the module, by name and by media type in any case", function()
    assert.equal(sluice.json, serializers.json)
    for name, media_type in pairs { json = "application/json", text = "text/plain",
      form = "application/x-www-form-urlencoded" } do
      assert.is_table(serializers[name])
      assert.equal(serializers[name], serializers[media_type])
      assert.equal(serializers[name], serializers[media_type:upper()])
    end
    assert.is_function(serializers.cjson.encode)
    assert.is_nil(serializers.yaml)
    assert.is_nil(serializers["application/yaml"])
    assert.is_nil(serializers[1])
    local keys = {}
    for key, serializer in pairs(serializers) do
      keys[#keys + 1] = key
      assert.equal(serializers[key], serializer)
    end
    assert.same({ "application/json", "application/x-www-form-urlencoded", "cjson", "form", "json",
      "text", "text/plain" }, keys)
  end)

  it("takes others, and gives them up again", function()
    serializers["Application/X-Plain"] = plain
    finally(function() serializers["application/x-plain"] = nil end)
    assert.equal(plain, serializers["application/x-plain"])
    serializers["application/X-plain"] = object
    assert.equal(object, serializers["application/x-plain"])
    serializers["application/x-plain"] = nil
    assert.is_nil(serializers["application/x-plain"])
  end)

  it("refuses what is no serializer, and keys that are neither name nor media type", function()
    local function refused(key, value, reason)
      local ok, message = pcall(function() serializers[key] = value end)
      assert.is_false(ok, key)
      assert.matches("^%S*spec/lua/serializers_spec%.lua:%d+: serializers: ", message)
      assert.is_truthy(message:find(reason, 1, true), message)
    end
    for _, value in ipairs { 5, "json", print, {}, { encode = print }, { decode = print } } do
      refused("mine", value, "'mine': table with encode and decode expected, got " .. type(value))
    end
    for _, key in ipairs { 5, "", "a b", "a/b; charset=utf-8", "a/", "/b", "a/b/c", "*", true } do
      refused(key, plain, ("name or media type expected as the key, got '%s'"):format(key))
    end
  end)

  it("loads lua-cjson when it is used, and not before", function()
    local status, output = script.run [[
      warn "@off" -- what it may say about numbers is tested with lua-cjson's other limits
      local sluice = require "sluice"
      print(package.loaded.cjson == nil)
      local cjson = sluice.serializers.cjson
      print(package.loaded.cjson == nil, cjson.text { 1 })
      print(package.loaded.cjson ~= nil)
    ]]
    assert.equal(0, status, output)
    assert.equal("true\ntrue\t[1]\ntrue\n", output)
  end)

  it("names what a client may be given", function()
    for name, serializer in pairs(serializers) do
      local client <close> = support.client { serializer = name }
      assert.equal(serializer, client.serializer)
    end
    assert.error_matches(function() sluice.client { serializer = "yaml" } end,
      "client: option 'serializer': table with encode and decode, or name in sluice.serializers,")
    local p <close> = answer "[1.0]"
    local client <close> = support.client { serializer = "cjson" }
    local response <close> = assert(client:get(p.url .. "/"))
    assert.equal(1, response:json()[1])
  end)
end)

describe("a serializer of one's own", function()
  support.verify_each()

  it("receives a fresh sequence each time, however the response was read before", function()
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

  it("may raise and leaves nothing behind", function()
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

  it("may give a reason alone, which becomes a failure like any other", function()
    local client <close> = support.client { serializer = {
      encode = function() return nil, "no such value" end,
      decode = function() return nil, "no such text" end,
    } }
    local p <close> = answer("x", "Content-Type: text/html\r\n")
    local response <close> = assert(client:get(p.url .. "/"))
    local value, message, err = response:json()
    assert.is_nil(value)
    assert.equal("decode", err.code)
    assert.equal(("GET %s/: status 200, text/html: no such text; the body begins with \"x\"")
      :format(p.url), message)
    value, message, err = client:post(p.url .. "/", { json = 1 })
    assert.is_nil(value)
    assert.equal("encode: no such value", message)
    assert.equal("invalid", err.code)
  end)

  it("is reported where it forgets to return", function()
    local client <close> = support.client { serializer = {
      encode = function() end, decode = plain.decode,
    } }
    assert.error_matches(function() client:post("http://127.0.0.1:1/", { json = 1 }) end,
      "the encode of a serializer, %S*serializers_spec%.lua:%d+, returned nothing")
  end)
end)
