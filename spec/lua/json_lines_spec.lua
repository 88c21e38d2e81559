-- Values as a body of JSON lines: of an array, of a function, and what goes wrong with them.

local json_lines = require "sluice.json_lines"
local sluice = require "sluice"
local support = require "spec.support"

local peer = support.peer

local DONE = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"

describe("the option json_lines", function()
  local client

  support.verify_each(function(keep) client = keep(support.client()) end)

  local function serve(last)
    return peer.listen { script = { { { "expect_until", "\r\n\r\n" }, { "expect_until", last },
      { "send", DONE }, { "stall" } } } }
  end

  local function post(p, options)
    local response <close> = assert(client:post(p.url .. "/", options))
    assert.equal("done", response:text())
    return p:received(1)
  end

  it("sends an array with its length", function()
    local p <close> = serve "null\n"
    local request = post(p, { json_lines = { { a = 1 }, { 1, 2 }, "x\n", sluice.json.null } })
    assert.matches("\r\nContent%-Length: 25\r\n", request)
    assert.matches("\r\nContent%-Type: application/x%-ndjson\r\n", request)
    assert.equal('{"a":1}\n[1,2]\n"x\\n"\nnull\n', support.body_of(request))
  end)

  it("sends the values of a function in chunks, each when it is there", function()
    local p <close> = peer.listen { script = { { { "expect_until", "\r\n\r\n" },
      { "expect_until", '{"n":1}\n' }, { "hold" }, { "expect_until", "0\r\n\r\n" },
      { "send", DONE }, { "stall" } } } }
    local count = 0
    local request = post(p, { json_lines = function()
      count = count + 1
      if count == 2 then
        repeat sluice.sleep(0) until p:wait("holding", 1, 0)
        p:signal(1)
      end
      if count <= 2 then return { n = count } end
    end })
    assert.matches("\r\nTransfer%-Encoding: chunked\r\n", request)
    assert.matches('{"n":2}\n\r\n0\r\n\r\n$', request)
  end)

  it("sends a sequence of texts where the headers say so", function()
    local p <close> = serve "2\n"
    local request = post(p, { json_lines = { 1, 2 },
      headers = { ["Content-Type"] = "application/json-seq" } })
    assert.equal("\0301\n\0302\n", support.body_of(request))
    assert.equal(1, select(2, request:gsub("Content%-Type", "")))
  end)

  it("goes through a builder, and back", function()
    local p <close> = peer.listen { script = { { { "expect_until", "7\n" },
      { "send", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n7\n" }, { "stall" } } } }
    local response <close> = assert(client:build("POST", p.url .. "/"):json_lines({ 7 }):send())
    for value in response:json_lines() do assert.equal(7, value) end
  end)

  it("names the value that is none", function()
    local _, message, err = client:post("http://127.0.0.1:1/", { json_lines = { 1, { print } } })
    assert.equal("invalid", err.code)
    assert.matches("request body: json_lines: value 2: ", message)
    local p <close> = peer.listen { script = { { { "read_all" } } } }
    local values = { 1, 0 / 0 }
    _, message, err = client:post(p.url .. "/", { json_lines = function()
      return table.remove(values, 1)
    end })
    assert.equal("invalid", err.code)
    assert.matches("request body: json_lines: value 2: ", message)
  end)

  it("is one body among others, of one type", function()
    assert.error_matches(function() client:post("http://127.0.0.1:1/", { json_lines = 7 }) end,
      "request: option 'json_lines': function or array expected, got number")
    assert.error_matches(function()
      client:post("http://127.0.0.1:1/", { json_lines = {}, json = 1 })
    end, "only one of them")
    assert.equal("", json_lines.body_of({}))
  end)

  it("refuses a table of which not all would be sent, and an iterator without its table", function()
    local function message_of(...)
      local value = ...
      local _, raised = pcall(client.post, client, "http://127.0.0.1:1/", { json_lines = value })
      return raised
    end
    for _, list in ipairs { { a = 1 }, { 1, nil, 3 }, { 1, 2, total = 2 }, { [0] = 0, 1 } } do
      assert.matches("option 'json_lines': array without gaps and other keys expected, got table",
        message_of(list), 1, true)
    end
    for _, step in ipairs { (pairs {}), (ipairs {}) } do
      assert.matches("without arguments, not pairs() or ipairs(), expected, got function",
        message_of(step), 1, true)
    end
    local proxy = setmetatable({}, { __index = function(_, i) return i < 3 and i or nil end })
    local _, _, err = client:post("http://127.0.0.1:1/", { json_lines = proxy })
    assert.equal("connect", err.code)
  end)
end)
