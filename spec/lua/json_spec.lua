-- The serializer that comes with the module. What all serializers promise is in
-- serializers_spec.lua.

local script = require "spec.support.script"
local sluice = require "sluice"
local support = require "spec.support"

local json = sluice.json

-- What some versions of lua-cjson cannot do is tested with the default only, below.
for _, name in ipairs { "json", "cjson" } do
  describe("JSON by " .. name, function()
    local serializer = sluice.serializers[name]
    local depth = name == "json" and 512 or 128

    support.verify_each()

    it("reads and writes null as a value that is not nil", function()
      assert.is_not_nil(serializer.null)
      assert.equal(json.null, serializer.null)
      local writer <close> = sluice.writer()
      assert(serializer.encode({ serializer.null, 1 }, writer))
      assert.equal("[null,1]", writer:view())
      assert.equal(serializer.null, serializer.decode "[null]"[1])
      assert.is_nil(serializer.nothing)
    end)

    it("reads every kind of value", function()
      for text, value in pairs {
        [' { "a" : [ 1 , -2.5e3 , true , false ] , "" : {} } '] =
          { a = { 1, -2500, true, false }, [""] = {} },
        ['"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u20AC\\ud83d\\ude00"'] =
          '"\\/\b\f\n\r\t\u{e9}\u{20ac}\u{1f600}',
        ['"\u{e9}\u{20ac}\u{1f600}\x7f"'] = "\u{e9}\u{20ac}\u{1f600}\x7f",
        ['{"a":1,"a":2}'] = { a = 2 },
        ["\t\r\n 0.1 "] = 0.1,
        ["false"] = false,
        ['"a\\u0000b"'] = "a\0b",
      } do
        local result, message = serializer.decode(text)
        assert.same(value, result, message)
      end
    end)

    it("refuses malformed text, and says where", function()
      for _, text in ipairs { "", " ", "{", "[1,]", "{\"a\":}", "nul", "\"open", "[1 2]", "1 2",
        "NaN", "Infinity", "-Infinity", "[1e999", "\xef\xbb\xbf{}", "{\"a\" 1}", "{a:1}", "[1]]",
        "'a'", "\"\\x41\"", "\"\\ud800\"", "\"\\udc00\"", "\"\\u12g4\"", "\"\xff\"", "\"\xc0\xaf\"",
        "\"\xed\xa0\x80\"", "1\0", "[1]\0junk", "{} x",
        ("["):rep(depth + 1) .. ("]"):rep(depth + 1), ("["):rep(100000) } do
        local value, message, err = serializer.decode(text)
        assert.is_nil(value, text:sub(1, 20))
        assert.equal("decode", err.code)
        assert.equal("body", err.stage)
        assert.matches("^decode JSON: ", message)
        assert.is_truthy(math.type(err.position) == "integer" and err.position >= 1
          and err.position <= #text + 1, message)
      end
      assert.is_not_nil(serializer.decode(("["):rep(depth) .. ("]"):rep(depth)))
    end)

    it("refuses to write what JSON cannot hold", function()
      local writer <close> = sluice.writer()
      local loop = {}
      loop[1] = loop
      for _, value in ipairs { 0 / 0, math.huge, -math.huge, print, io.stdout, loop,
        { [{}] = 1 }, { 1, [1000000] = 2 }, coroutine.create(print), "\xff", { "\xed\xa0\x80" },
        { ["\x80"] = 1 } } do
        local result, message, err = serializer.encode(value, writer)
        assert.is_nil(result)
        assert.equal("invalid", err.code)
        assert.matches("^encode JSON: ", message)
        assert.equal("", writer:view())
      end
    end)

    it("can return the text as a string", function()
      assert.equal("[1,true,\"x\"]", serializer.text { 1, true, "x" })
      assert.equal("null", serializer.text(nil))
      assert.equal("{}", serializer.text {})
      local text, message, err = serializer.text(print)
      assert.is_nil(text)
      assert.equal("invalid", err.code)
      assert.equal(message, tostring(err))
      local long = ("x"):rep(100000)
      assert.is_true(serializer.text(long) == '"' .. long .. '"')
    end)
  end)
end

describe("JSON", function()
  support.verify_each()

  it("reads 64-bit integers as integers and other numbers as floats", function()
    for text, value in pairs { ["5"] = 5, ["1700000000123456"] = 1700000000123456,
      ["9223372036854775807"] = math.maxinteger, ["-9223372036854775808"] = math.mininteger,
      ["1.0"] = 1.0, ["-0.0"] = -0.0, ["0.30000000000000004"] = 0.1 + 0.2, ["1e+22"] = 1e22,
      ["1.7976931348623157e+308"] = 0x1.fffffffffffffp1023, ["5e-324"] = 0x1p-1074,
      ["123.45"] = 123.45, ["9007199254740993"] = 9007199254740993 } do
      local result = assert(json.decode(text))
      assert.equal(math.type(value), math.type(result), text)
      assert.equal(value, result)
      assert.equal(text, json.text(value))
    end
    assert.equal("/items/5", "/items/" .. json.decode '{"id":5}'.id)
    assert.equal(-math.huge, 1 / json.decode "-0")
    assert.equal("float", math.type(json.decode "1e2"))
  end)

  it("refuses numbers too large for Lua, and forms that RFC 8259 does not have", function()
    for text, reason in pairs {
      ["[1,9223372036854775808]"] = 'byte 4: an integer beyond 64 bits at "9223372036854775808]"',
      ["-9223372036854775809"] = "byte 1: an integer beyond 64 bits",
      ["1e999"] = "byte 1: a number beyond the range of doubles",
      ["-1e999"] = "byte 1: a number beyond the range of doubles",
      ["1e-999"] = "byte 1: a number beyond the range of doubles",
      ["01"] = "byte 1: a number with a leading zero",
      ["[0x10]"] = "byte 3: ',' or ']' expected",
      ["1."] = "byte 3: a digit expected at the end",
      ["\"a\nb\""] = "byte 3: a control character within a string",
      ["\xef\xbb\xbf1"] = "byte 1: a value expected, no byte order mark",
      ["<html>\xff"] = 'byte 1: a value expected at "<html>\\xFF"',
    } do
      local value, message, err = json.decode(text)
      assert.is_nil(value, text)
      assert.equal(1, (message:find("decode JSON: " .. reason, 1, true)), message)
      assert.equal(tonumber(reason:match "%d+"), err.position)
    end
  end)

  it("names the path to a value that it cannot write", function()
    local loop = {}
    loop.again = { loop }
    local holes = { 1, 2, 3 }
    holes[5] = 5
    for reason, value in pairs {
      ["function has no JSON form at a.b[2].c"] = { a = { b = { 1, { c = print } } } },
      ["infinity and NaN have no JSON form at [3]"] = { 1, 2, 0 / 0 },
      ["a string that is not UTF-8 at name"] = { name = "caf\xe9" },
      ["a key that is not UTF-8 at x.\\xE9"] = { x = { ["\xe9"] = 1 } },
      ["keys of an array and of an object in one table at list"] = { list = { 1, x = 2 } },
      ["an array with holes (json.null may stand there) at [1]"] = { holes },
      ["an index below 1"] = { [0] = 1 },
      ["boolean as a key (a string or an index expected)"] = { [true] = 1 },
      ["more than 512 levels of tables (fixed), or one within itself at again[1].again"] = loop,
    } do
      local text, message, err = json.text(value)
      assert.is_nil(text)
      assert.equal("encode JSON: " .. reason, message:sub(1, #reason + 13))
      assert.equal("invalid", err.code)
    end
  end)

  it("recognises arrays by their keys in any order, and empty ones by a mark", function()
    local backwards = {}
    for i = 20, 1, -1 do backwards[i] = i end
    assert.equal("[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]", json.text(backwards))
    local mended = { [2] = "b", [3] = { 1 } }
    mended[1] = "a"
    assert.equal('["a","b",[1]]', json.text(mended))
    assert.equal('{"a":{},"b":[],"c":[]}' , (json.text { a = {} }:sub(1, -2) .. ","
      .. json.text { b = json.empty_array }:sub(2, -2) .. ","
      .. json.text { c = setmetatable({}, json.array_mt) }:sub(2)))
    assert.equal("[[],[[]]]", json.text(json.decode "[[],[[]]]"))
    assert.equal("{}", json.text(json.decode "{}"))
    local list = json.decode "[]"
    list[1] = 1
    assert.equal("[1]", json.text(list))
    list.x = 1
    assert.is_nil((json.text(list)))
  end)

  it("builds tables of every size, also with repeated keys", function()
    for _, count in ipairs { 0, 1, 2, 31, 32, 33, 63, 64, 65, 127, 1000 } do
      local list, map, parts = {}, {}, {}
      for i = 1, count do
        list[i] = { i }
        map["key " .. i] = i
        parts[#parts + 1] = ('"key %d":0'):format(i)
      end
      for i = 1, count do parts[#parts + 1] = ('"key %d":%d'):format(i, i) end
      assert.same(list, json.decode(json.text(list)))
      assert.same(map, json.decode(json.text(map)))
      assert.same(map, json.decode("{" .. table.concat(parts, ",") .. "}"))
      assert.equal(count, #json.decode(json.text(list)))
    end
  end)

  it("reads and writes 512 levels, in a coroutine too", function()
    local text = ('[{"a":'):rep(256) .. "1" .. ("}]"):rep(256)
    local value = coroutine.wrap(function() return json.decode(text) end)()
    assert.equal(text, coroutine.wrap(function() return json.text(value) end)())
    assert.is_nil((json.text { value }))
    assert.is_nil((json.decode("[" .. text .. "]")))
  end)

  it("reads leases and sequences in place, without making a string", function()
    local text = json.text(support.pattern(1 << 20):gsub("[^ -~]", "."))
    local buffer <close> = sluice.buffer { segment_size = 100 }
    assert(buffer:append('[1,"a",' .. text .. "]"))
    local lease <close> = buffer:detach()
    local sequence <close> = lease:sequence()
    assert.is_true(json.decode(sequence)[3] == json.decode(text))
    assert.is_true(json.decode(lease)[3] == json.decode(text))
    local short <close> = sequence:sub(1, 7)
    local _, message = json.decode(short)
    assert.equal("decode JSON: byte 8: a value expected at the end", message)
    for _, wrong in ipairs { 5, {}, print, true } do
      assert.error_matches(function() json.decode(wrong) end, "string, sequence or lease")
    end
    assert.error_matches(function() json.encode(1, {}) end, "sluice.writer")
    assert.error(function() json.text() end)
  end)

  it("reports a writer that was too small and keeps its content", function()
    local writer <close> = sluice.writer { max_size = 12 }
    assert(writer:write "1234567")
    assert(json.encode({ 1, 2 }, writer))
    local result, message, err = json.encode(1, writer)
    assert.is_nil(result)
    assert.equal("limit", err.code)
    assert.equal("encode JSON: text exceeds the 12 bytes of its writer (max_size)", message)
    assert.equal("1234567[1,2]", writer:view())
  end)

  -- In a state of its own: its heap is small, so that collections come.
  it("may be disposed by a finaliser while it is read", function()
    local status, output = script.run [[
      local sluice = require "sluice"
      local buffer = sluice.buffer { segment_size = 64 }
      assert(buffer:append("[" .. ('{"a":["x"]},'):rep(20000) .. "1]"))
      local sequence = buffer:sequence()
      setmetatable({}, { __gc = function() sequence:dispose() end })
      collectgarbage "generational"
      print(pcall(sluice.json.decode, sequence))
    ]]
    assert.equal(0, status, output)
    assert.matches("^false.*use of disposed sequence", output)
  end)

  it("names request, status, type and first bytes of an answer that is not JSON", function()
    for bytes, shown in pairs {
      ["<html>\xff\r\n"] = [["<html>\xFF\x0D\x0A"]],
      [""] = [[""]],
      [("x"):rep(100)] = '"' .. ("x"):rep(64) .. '..."',
    } do
      for _, serializer in ipairs { json, sluice.serializers.cjson } do
        local client <close> = support.client { serializer = serializer }
        local p <close> = support.peer.listen { script = { { { "expect_until", "\r\n\r\n" },
          { "send", ("HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\n"
            .. "Content-Length: %d\r\n\r\n%s"):format(#bytes, bytes) }, { "stall" } } } }
        local response <close> = assert(client:get(p.url .. "/x"))
        local value, message, err = response:json()
        assert.is_nil(value)
        assert.equal("decode", err.code)
        assert.equal("body", err.stage)
        assert.equal(1, err.position)
        assert.equal(message, tostring(err))
        local first = "GET " .. p.url .. "/x: status 502, text/html: decode JSON: "
        local last = "; the body begins with " .. shown
        assert.equal(first, message:sub(1, #first))
        assert.equal(last, message:sub(-#last))
        assert.equal(bytes, response:text())
      end
    end
  end)

  it("is what a client uses that was told nothing, and keeps integers", function()
    local big = '{"at":1700000000123456}'
    local p <close> = support.peer.listen { script = { { { "expect_until", big },
      { "send", "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{\"id\":5}" }, { "stall" } } } }
    local client <close> = support.client()
    local response <close> = assert(client:post(p.url .. "/", { json = { at = 1700000000123456 },
      timeout = 30 }))
    assert.equal("/items/5", "/items/" .. response:json().id)
  end)

  it("does not change the host's settings of lua-cjson", function()
    local cjson = require "cjson"
    cjson.encode_invalid_numbers(true)
    finally(function() cjson.encode_invalid_numbers(false) end)
    local writer <close> = sluice.writer()
    assert.is_nil((sluice.serializers.cjson.encode(0 / 0, writer)))
    assert.equal("nan", tostring(cjson.encode(0 / 0)):lower():gsub("-", ""))
  end)

  it("works without any library", function()
    local cjson, bridge = package.loaded.cjson, package.loaded["sluice.json_cjson"]
    local preloaded = package.preload.cjson
    finally(function()
      package.loaded.cjson, package.loaded["sluice.json_cjson"] = cjson, bridge
      package.preload.cjson = preloaded
    end)
    package.loaded.cjson, package.loaded["sluice.json_cjson"] = nil, nil
    package.preload.cjson = function() error "not here" end
    assert.equal("[1]", json.text(json.decode "[1]"))
    local without = require "sluice.json_cjson"
    for _, f in ipairs { without.text, without.decode } do
      local result, message, err = f "1"
      assert.is_nil(result)
      assert.equal("unsupported", err.code)
      assert.matches("lua%-cjson is not installed", message)
    end
    assert.is_nil(sluice.serializers.xml)
  end)

  it("is encoded into the writer, with its type unless one is given", function()
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

  it("is refused beside a body", function()
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
