-- What a proxy answered when it refused: err.response, whole, cut off and in every spelling.

local support = require "spec.support"

local peer = support.peer

describe("the answer of a proxy that refuses", function()
  support.verify_each()

  -- The failure of a request whose CONNECT gets these steps for an answer.
  local function refusal(...)
    local p <close> = peer.listen { script = { { { "expect_until", "\r\n\r\n" }, ... } } }
    local via = "http://me:secret@127.0.0.1:" .. p.port
    local client <close> = assert(support.client { proxy = via })
    local response, message, err = client:get "https://www.test/x"
    assert.is_nil(response)
    assert.same({ "proxy", "proxy" }, { err.code, err.stage })
    assert.not_matches("secret", message)
    return err.response, err
  end

  local head = "HTTP/1.1 407 Not You\r\nProxy-Authenticate: Basic realm=\"a\"\r\n"
    .. "Set-Cookie: a=1\r\nproxy-authenticate: Digest realm=\"b\"\r\nSet-Cookie: b=2\r\n"

  it("has a status, a head and a body", function()
    local answer = refusal({ "send", head .. "Content-Length: 7\r\n\r\n{\"a\":1}" }, { "read_all" })
    assert.same({ 407, "Not You", "1.1", false, false, "CONNECT" }, { answer.status,
      answer.reason, answer.version, answer.ok, answer.truncated, answer.method })
    assert.equal('{"a":1}', answer.body)
    assert.equal('{"a":1}', answer:text())
    assert.same({ a = 1 }, answer:json())
    assert.equal("sluice.refusal (407)", tostring(answer))
  end)

  it("has fields as those of a response", function()
    local headers = refusal({ "send", head .. "Content-Length: 0\r\n\r\n" }, { "read_all" }).headers
    assert.equal('Basic realm="a", Digest realm="b"', headers["Proxy-Authenticate"])
    assert.equal('Basic realm="a", Digest realm="b"', headers:get "PROXY-authenticate")
    assert.same({ 'Basic realm="a"', 'Digest realm="b"' }, headers:all "Proxy-Authenticate")
    assert.equal("a=1", headers["set-cookie"])
    assert.is_nil(headers["X-None"])
    assert.is_nil(headers[9])
    assert.same({}, headers:all "X-None")
    assert.equal(5, #headers)
    assert.same({ "Set-Cookie", "a=1" }, headers[2])
    local names = {}
    for name, value in pairs(headers) do names[#names + 1] = name .. "=" .. value end
    assert.same({ 'Proxy-Authenticate=Basic realm="a"', "Set-Cookie=a=1",
      'proxy-authenticate=Digest realm="b"', "Set-Cookie=b=2", "Content-Length=0" }, names)
  end)

  it("needs no dispose, and takes one", function()
    local _, err = refusal({ "send", "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno" },
      { "read_all" })
    do
      local answer <close> = err.response
      answer:dispose()
      assert.equal("no", answer.body)
    end
    assert.equal("no", err.response.body)
  end)

  it("ends where the proxy ends it, in any framing", function()
    for _, body in ipairs { "\r\nno", "Content-Length: 2\r\n\r\nno",
      "Transfer-Encoding: chunked\r\n\r\n1\r\nn\r\n1\r\no\r\n0\r\n\r\n" } do
      local answer = refusal({ "send", "HTTP/1.1 403 No\r\n" .. body })
      assert.same({ 403, "no", false }, { answer.status, answer.body, answer.truncated })
    end
  end)

  it("says when more was to come: cut off, stalled, or too long", function()
    local long = ("x"):rep(70000)
    for _, steps in ipairs {
      { { "send", "HTTP/1.1 403 No\r\nContent-Length: 3\r\n\r\nno" } },
      { { "send", "HTTP/1.1 403 No\r\nContent-Length: 3\r\n\r\nno" }, { "stall" } },
      { { "send", "HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\nx" } },
      { { "send", "HTTP/1.1 403 No\r\nContent-Length: 70000\r\n\r\n" .. long }, { "discard" } },
    } do
      local answer = refusal(table.unpack(steps))
      assert.equal(403, answer.status)
      assert.is_true(answer.truncated)
      assert.is_true(answer.body == "no" or answer.body == long:sub(1, 65536))
    end
  end)

  it("is the same wherever it is cut", function()
    local bytes = "HTTP/1.1 102 Wait\r\n\r\nHTTP/1.1 403 No\r\nX: y\r\n"
      .. "Transfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n"
    for at = 1, #bytes - 1, 7 do
      local answer = refusal({ "cut", bytes, at, 0.001 }, { "read_all" })
      assert.same({ 403, "y", "no", false }, { answer.status, answer.headers.X, answer.body,
        answer.truncated })
    end
  end)

  it("is not there where the proxy has not refused", function()
    for _, steps in ipairs {
      { { "send", "garbage\r\n\r\n" }, { "read_all" } },
      { { "send", "HTTP/1.1 200 OK\r\n\r\nglued" }, { "read_all" } },
      { { "send", "HTTP/1.1 101 Switching\r\n\r\n" }, { "read_all" } },
    } do
      assert.is_nil((refusal(table.unpack(steps))))
    end
  end)
end)
