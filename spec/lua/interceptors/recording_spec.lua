-- The files of recordings: for people, and exact.
-- Runs once.

local recording = require "sluice.interceptors.recording"

local function exchange(body)
  return { method = "POST", url = "http://host.test/a?b=***", body = "0123abcd", size = 5,
    fields = { { "Content-Type", "text/plain" } }, status = 201, reason = "Created",
    headers = { { "A", "1" }, { "B", "x: y" } }, response = body }
end

describe("a recording", function()
  it("is text", function()
    assert.equal(table.concat({
      "sluice recording 1", "POST http://host.test/a?b=***", "request-body: 0123abcd (5 bytes)",
      "> Content-Type: text/plain", "HTTP/1.1 201 Created", "A: 1", "B: x: y", "",
      "caf\u{e9}\nof two lines" }, "\n"),
      recording.write(exchange "caf\u{e9}\nof two lines"))
  end)

  local every = {}
  for i = 0, 255 do every[i + 1] = string.char(i) end

  for name, body in pairs {
    ["nothing"] = "", ["a line"] = "a line", ["a line end"] = "\n", ["line ends"] = "\n\n\r\n\n",
    ["its own marks"] = "HTTP/1.1 200 OK\n\nbody: base64\n", ["UTF-8"] = "\u{20ac}\u{10ffff}",
    ["invalid UTF-8"] = "a\xff", ["a zero byte"] = "a\0b", ["every byte"] = table.concat(every),
    ["a long one"] = table.concat(every):rep(100), ["one byte"] = "\1", ["two bytes"] = "\1\2",
    ["three bytes"] = "\1\2\3",
  } do
    it("gives back " .. name, function()
      local read = assert(recording.read("x", recording.write(exchange(body))))
      assert.equal(body, read.response)
      assert.same({ { "A", "1" }, { "B", "x: y" } }, read.headers)
      assert.same({ "POST", "http://host.test/a?b=***", "0123abcd", 201, "Created" },
        { read.method, read.url, read.body, read.status, read.reason })
    end)
  end

  it("gives back a server's own field of that name, and the body behind it", function()
    local given = exchange "text"
    for _, headers in ipairs {
      { { "body", "base64" } }, { { "body", "base64" }, { "A", "1" } },
      { { "body", "base64" }, { "body", "base64" } },
    } do
      given.headers = headers
      local read = assert(recording.read("x", recording.write(given)))
      assert.same(headers, read.headers)
      assert.equal("text", read.response)
    end
  end)

  it("says nothing of a body that the request does not have", function()
    local given = exchange "ok"
    given.body, given.size = "", nil
    local text = recording.write(given)
    assert.is_nil(text:find("request-body", 1, true))
    assert.equal("", assert(recording.read("x", text)).body)
  end)

  it("tells its own lines from values of fields that look like them", function()
    local given = exchange "ok"
    given.fields = { { "X", "HTTP/1.1 500 No" }, { "Y", "request-body: ffff (1 bytes)" } }
    given.headers = { { "A", "base64" }, { "body", "other" } }
    local read = assert(recording.read("x", recording.write(given)))
    assert.same({ 201, "0123abcd", "ok", given.headers },
      { read.status, read.body, read.response, read.headers })
  end)

  it("may be written by hand", function()
    local read = assert(recording.read("x",
      "sluice recording 1\r\nGET http://host.test/\r\nHTTP/1.1 204\r\n\r\n"))
    assert.same({ "GET", 204, "", "", {} },
      { read.method, read.status, read.reason, read.response, read.headers })
    read = assert(recording.read("x",
      "sluice recording 1\nGET http://host.test/\nHTTP/1.1 204 None"))
    assert.equal(204, read.status)
  end)

  for name, case in pairs {
    ["without its first line"] = { "", "does not begin with 'sluice recording 1'" },
    ["without a request"] = { "sluice recording 1\n\n", "line 2: method and URL expected" },
    ["with more than a request in its line"] =
      { "sluice recording 1\nGET x y\n\n", "line 2: method and URL expected" },
    ["with a field behind a space"] = { "sluice recording 1\nGET x\nHTTP/1.1 200 OK\n A: b\n\n",
      "line 4: 'name: value' expected" },
    ["with bytes behind the end of its base64"] =
      { "sluice recording 1\nGET x\nHTTP/1.1 200 OK\nbody: base64\n\nQQ==QQ==",
        "the body is not base64" },
    ["without a response"] =
      { "sluice recording 1\nGET x\n\n", "no line 'HTTP/1.1 status reason'" },
    ["with an interim response"] = { "sluice recording 1\nGET x\nHTTP/1.1 100 Continue\n\n",
      "line 3: 'HTTP/1.1 status reason' expected" },
    ["with a line that is no field"] = { "sluice recording 1\nGET x\nHTTP/1.1 200 OK\nA b\n\n",
      "line 4: 'name: value' expected" },
    ["with a body that is not base64"] =
      { "sluice recording 1\nGET x\nHTTP/1.1 200 OK\nbody: base64\n\n***",
        "the body is not base64" },
  } do
    it(name .. " is refused, with its name", function()
      local none, message, err = recording.read("folder/x.txt", case[1])
      assert.is_nil(none)
      assert.equal("recording 'folder/x.txt': " .. case[2], message)
      assert.equal("invalid", err.code)
    end)
  end
end)
