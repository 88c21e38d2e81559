-- Which fields a request may have, before and behind its body.

local fields = require "sluice.fields"
local sluice = require "sluice"
local support = require "spec.support"

local peer = support.peer

local EMPTY = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

describe("a list of fields", function()
  it("loses every field of a name, in any case", function()
    local list = { "A", "1", "b", "2", "a", "3", "B", "4", "c", "5" }
    fields.remove(list, "A")
    assert.same({ "b", "2", "B", "4", "c", "5" }, list)
    fields.set(list, "b", "6")
    assert.same({ "c", "5", "b", "6" }, list)
    fields.default(list, { "B", "7", "D", "8", "d", "9" })
    assert.same({ "c", "5", "b", "6", "D", "8", "d", "9" }, list)
  end)

  it("loses its secrets, but for those that are spared with their value", function()
    local list = { "Cookie", "own", "X-Key", "a", "cookie", "other", "Authorization", "b",
      "Proxy-Authorization", "c", "X-Kept", "d", "x-key", "mine" }
    local copy = table.move(list, 1, #list, 1, {})
    fields.remove_secrets(list, { "X-Key" }, { "COOKIE", "own", "X-Key", "mine" })
    assert.same({ "Cookie", "own", "X-Kept", "d", "x-key", "mine" }, list)
    fields.remove_secrets(copy)
    assert.same({ "X-Key", "a", "X-Kept", "d", "x-key", "mine" }, copy)
  end)
end)

describe("fields of a request", function()
  local client, server

  support.verify_each(function(keep)
    server = keep(peer.listen { script = { { { "expect_until", "\r\n\r\n" }, { "send", EMPTY },
      { "loop" } } }, repeat_last = true })
    client = keep(support.client())
  end)

  local function sent(options)
    assert(client:get(server.url .. "/", options)):dispose()
    return server:received(1)
  end

  local function refused(reason, response, message, err)
    assert.is_nil(response)
    assert.equal("invalid", err.code)
    assert.equal("queue", err.stage)
    assert.matches(reason, message)
    assert.equal(0, (server:connections()))
  end

  -- RFC 9110 5.3
  for _, name in ipairs { "Authorization", "Content-Type", "Cookie", "Range", "Referer",
    "User-Agent", "If-Modified-Since", "Date", "Origin" } do
    it("are one at most where there is no list: " .. name, function()
      for _, headers in ipairs {
        { { name, "a" }, { name:lower(), "b" } }, { [name] = { "a", "a" } },
      } do
        refused("header '[%a-]+': given twice",
          client:get(server.url .. "/", { headers = headers }))
      end
      client:use(function(request, forward)
        request.fields[#request.fields + 1] = name
        request.fields[#request.fields + 1] = "another"
        return forward(request)
      end)
      refused("given twice", client:get(server.url .. "/", { headers = { [name] = "a" } }))
    end)
  end

  it("are sent line by line where there is a list", function()
    local head = sent { headers = { Accept = { "a/b", "c/d" }, ["X-Own"] = { "1", "2" } } }
    assert.truthy(head:find("Accept: a/b\r\nAccept: c/d\r\nX-Own: 1\r\nX-Own: 2\r\n", 1, true))
  end)

  it("of the client itself are refused", function()
    for _, name in ipairs { "Content-Length", "Transfer-Encoding", "Connection", "Upgrade", "TE",
      "Trailer", "Host", "Keep-Alive", "Proxy-Connection" } do
      refused("set by the client itself",
        client:get(server.url .. "/", { headers = { [name:lower()] = "x" } }))
    end
  end)

  it("say Expect by the option alone", function()
    for _, body in ipairs { false, "body" } do
      refused("header 'expect': set by the option expect_continue",
        client:post(server.url .. "/", { body = body or nil, expect_continue = true,
          headers = { expect = "100-continue" } }))
    end
  end)

  it("offer no codings beside Range: a part of a coded body is nothing to decode", function()
    assert.is_nil(sent { headers = { range = "bytes=0-9" } }:find "Accept%-Encoding")
    local head = sent { headers = { Range = "bytes=0-9", ["Accept-Encoding"] = "gzip" } }
    assert.truthy(head:find("\r\nAccept-Encoding: gzip\r\n", 1, true))
  end)

  it("that would be lost are refused by name", function()
    for wrong, headers in pairs {
      ["header 'A': element 2 is missing (a hole)"] = { A = { "1", nil, "3" } },
      ["headers: element 2 is missing (a hole)"] = { { "A", "1" }, nil, { "B", "2" } },
      ["headers: element 1 is missing (a hole)"] = { nil, { "B", "2" } },
      ["headers: an array has no key 'X'"] = { { "A", "1" }, X = "2" },
      ["header 'A': an array has no key 'x'"] = { A = { x = "1" } },
      ["header 'A': string expected, got a boolean"] = { A = true },
      ["header 'A': string expected, got a function"] = { { "A", print } },
      ["header 'A': string expected, got a table"] = { A = { {} } },
      ["header 'A': string expected, got nothing"] = { { "A" } },
      ["header 'A\\x0D': string expected, got a boolean"] = { ["A\r"] = true },
      ["headers: pairs of name and value expected"] = { "A: 1" },
      ["header name: string expected, got number"] = { { 5, "1" } },
      ["header name: string expected, got boolean"] = { [true] = "1" },
      ["headers: a pair of name and value has no key 'secrt'"] = { { "A", "1", secrt = true } },
      ["headers: a pair of name and value has no key '3'"] = { { "A", "1", "2" } },
      ["headers: secret: boolean expected, got string"] = { { "A", "1", secret = "yes" } },
    } do
      for _, make in ipairs {
        function()
          local response = client:get(server.url .. "/", { headers = headers })
          return response
        end,
        function()
          local own = sluice.client { headers = headers }
          return own
        end,
      } do
        local made, message = pcall(make)
        assert.is_false(made)
        assert.truthy(message:find(wrong, 1, true), message)
        assert.matches("^spec/lua/fields_spec.lua:%d+: ", message) -- the line of the call
      end
    end
    assert.equal(0, (server:connections()))
  end)

  it("may be numbers, and values that know their text", function()
    local version = setmetatable({ 1 }, { __tostring = function() return "1.2.3" end })
    local head = sent { headers = { A = version, B = { version, 5.0 }, C = 0.1 } }
    assert.truthy(head:find("A: 1.2.3\r\nB: 1.2.3\r\nB: 5\r\nC: 0.1\r\n", 1, true))
    client:use(function(request, forward)
      assert.error_matches(function() request:set_header("X", {}) end,
        "set_header: 'X': string expected, got a table", 1, true)
      assert.error_matches(function() request:set_header(5, "x") end, "set_header: name", 1, true)
      return forward(request:set_header("X-Version", version))
    end)
    client:get(server.url .. "/"):dispose()
    assert.truthy(server:received(1):find("\r\nX-Version: 1.2.3\r\n", 1, true))
  end)

  it("are added behind those of their name by an interceptor, from any kind of text", function()
    client:use(function(request, forward)
      for message, arguments in pairs {
        ["add_header: 'X': string expected, got a table"] = { "X", {} },
        ["add_header: '5': string expected, got a name that is none"] = { 5, "x" },
      } do
        local ok, raised = pcall(function()
          request:add_header(table.unpack(arguments))
          return true
        end)
        assert.is_false(ok)
        assert.matches("^spec/lua/fields_spec.lua:%d+: ", raised)
        assert.truthy(raised:find(message, 1, true), raised)
      end
      return forward(request:add_header("x-a", 2):add_header("X-A", "3"))
    end)
    local head = sent { headers = { ["X-A"] = "1" } }
    assert.truthy(head:find("X-A: 1\r\nx-a: 2\r\nX-A: 3\r\n", 1, true), head)
  end)

  it("that an interceptor adds are those of this request alone", function()
    local count = 0
    client:use(function(request, forward)
      count = count + 1
      if count > 1 then request:add_header("X-Count", count) end
      return forward(request)
    end)
    for _ = 1, 3 do client:get(server.url .. "/"):dispose() end
    local seen = {}
    for text in server:received(1):gmatch "X%-Count: (%d)" do seen[#seen + 1] = text end
    assert.same({ "2", "3" }, seen)
  end)

  it("that cannot be sent are escaped in the message", function()
    refused("header 'X\\x0D\\x0AY: z': ", client:get(server.url .. "/",
      { headers = { ["X\r\nY: z"] = "1" } }))
    refused("trailer 'X\\x00': ", client:post(server.url .. "/",
      { body = function() end, trailers = { ["X\0"] = "1" } }))
    refused("^request method 'TE\\xFF': not a token", client:request("TE\xff", server.url .. "/"))
  end)

  it("of a client cost what they are, however many", function()
    local function cost(count)
      local headers = {}
      for i = 1, count do headers[i] = { "X-Head-" .. i, "v", secret = i % 2 == 0 } end
      local own <close> = support.client { headers = headers, base_url = "http://127.0.0.1:1/" }
      local clock = os.clock()
      for _ = 1, 3 do own:get("http://127.0.0.2:1/", { headers = { X = "y" } }) end
      return os.clock() - clock
    end
    cost(1000)
    local few, many = cost(1000), cost(16000)
    -- Sixteen times as many: quadratic would be 256 times as much.
    assert.is_true(many < 80 * few + 0.05, ("%g s, %g s"):format(few, many))
  end)

  -- ---- behind the body ----

  local pieces_of = support.pieces_of

  -- RFC 9110 6.5.1
  for _, name in ipairs { "Content-Length", "Transfer-Encoding", "Host", "Trailer", "TE",
    "Connection", "Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "Content-Type",
    "Content-Encoding", "Content-Range", "Cache-Control", "Expect", "Max-Forwards", "Range",
    "If-Match", "If-None-Match", "Accept", "Accept-Encoding", "Date", "Location", "Vary" } do
    it("that come too late behind the body are refused: " .. name, function()
      local asked = false
      refused(("trailer '%s': not allowed behind the body"):format(name:lower():gsub("-", "%%-")),
        client:post(server.url .. "/", { trailers = { [name:lower()] = "x" }, body = function()
          asked = true
        end }))
      assert.is_false(asked)
    end)
  end

  it("behind the body may be a sum of it", function()
    local last = "0\r\nContent-Digest: a\r\n\r\n"
    local p <close> = peer.listen { script = { { { "expect_until", last }, { "send", EMPTY },
      { "stall" } } } }
    assert(client:post(p.url .. "/", { body = pieces_of "abc",
      trailers = { ["Content-Digest"] = "a" } })):dispose()
  end)

  it("behind the body may have names that only end like those that come too late", function()
    assert.is_true(fields.check_trailers { "X-Content-Sum", "cookie", "X-Accept", "b",
      "X-If-Match", "c", "My-Vary", "d" })
  end)

  it("behind the body that are none are not announced", function()
    local p <close> = peer.listen { script = { { { "expect_until", "0\r\n\r\n" },
      { "send", EMPTY }, { "stall" } } } }
    assert(client:post(p.url .. "/", { body = pieces_of "abc", trailers = {} })):dispose()
    assert.is_nil(p:received(1):find "Trailer")
    assert.truthy(sent({ trailers = {} }):find "^GET ")
  end)

  it("behind the body give the reason that they are refused for at once", function()
    refused("only after a body of unknown length",
      client:post(server.url .. "/", { body = "abc", trailers = { X = "y" } }))
    refused("trailer 'X'", client:post(server.url .. "/",
      { body = pieces_of "abc", trailers = { X = "a\r\nb" } }))
  end)
end)
