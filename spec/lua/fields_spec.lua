-- Which fields a request may have, before and behind its body.

local sluice = require "sluice"
local support = require "spec.support"

local peer = support.peer

local EMPTY = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

describe("fields of a request", function()
  local before, client, server

  before_each(function()
    before = support.snapshot(sluice)
    client = support.client()
    server = peer.listen { script = { { { "expect_until", "\r\n\r\n" }, { "send", EMPTY },
      { "loop" } } }, repeat_last = true }
  end)

  after_each(function()
    client:close()
    server:stop()
    support.verify(sluice, before)
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

  -- ---- behind the body ----

  local function pieces_of(...)
    local pieces, index = { ... }, 0
    return function()
      index = index + 1
      return pieces[index]
    end
  end

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
