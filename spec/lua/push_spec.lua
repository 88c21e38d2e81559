-- Bodies from functions in calls that take more than one sending.

local sluice = require "sluice"
local support = require "spec.support"
local peer = support.peer

local request_head = { "expect_until", "\r\n\r\n" }
local DONE = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"

describe("a body from a function", function()
  local client

  support.verify_each(function(keep) client = keep(support.client()) end)

  it("that was already sent is not needed after a 303", function()
    local p <close> = peer.listen { script = { {
      { "expect_until", "0\r\n\r\n" },
      { "send", "HTTP/1.1 303 X\r\nLocation: /next\r\nContent-Length: 0\r\n\r\n" },
      request_head, { "send", DONE }, { "read_all" } } } }
    local pieces = { "b", "a" }
    local response <close> = assert(client:post(p.url .. "/",
      { body = function() return table.remove(pieces) end }))
    assert.equal("done", response:text())
    assert.equal(1, (p:connections()))
  end)

  it("is not called any more once a redirect has arrived", function()
    local to <close> = peer.listen { script = { {
      request_head, { "send", DONE }, { "read_all" } } } }
    local p <close> = peer.listen { script = { {
      { "expect_until", "piece" },
      { "send", ("HTTP/1.1 303 X\r\nLocation: %s/\r\nContent-Length: 0\r\n\r\n"):format(to.url) },
      { "read_all" } } } }
    local asked = 0
    local response <close> = assert(client:post(p.url .. "/", { body = function()
      asked = asked + 1
      if asked > 1 then sluice.sleep(60) end
      return "piece"
    end }))
    assert.equal("done", response:text())
    assert.is_true(asked <= 2, asked)
  end)

  it("set by a hop step is sent with that hop", function()
    local p <close> = peer.listen { script = { {
      { "expect_until", "0\r\n\r\n" },
      { "send", "HTTP/1.1 308 X\r\nLocation: /next\r\nContent-Length: 0\r\n\r\n" },
      { "expect_until", "0\r\n\r\n" }, { "send", DONE }, { "read_all" } } } }
    client:use { hop = function(request, forward)
      local pieces = { request.url:match "[^/]*$" .. "." }
      assert(request:set_body(function() return table.remove(pieces) end))
      return forward(request)
    end }
    local response <close> = assert(client:post(p.url .. "/first", { body = "whole" }))
    assert.equal("done", response:text())
    local sent = p:received(1)
    assert.truthy(sent:find("\r\n\r\n6\r\nfirst.\r\n0\r\n\r\n", 1, true))
    assert.truthy(sent:find("\r\n\r\n5\r\nnext.\r\n0\r\n\r\n", 1, true))
  end)
end)
