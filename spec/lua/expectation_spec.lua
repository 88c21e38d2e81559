-- 417 as the answer to an Expect that the client has sent.

local sluice = require "sluice"
local support = require "spec.support"
local peer = support.peer

local request_head = { "expect_until", "\r\n\r\n" }
local DONE = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"
local REFUSED = "HTTP/1.1 417 No\r\nContent-Length: 2\r\n\r\nno"

describe("a request that expects 100 and gets 417", function()
  local client

  support.verify_each(function(keep) client = keep(support.client()) end)

  for _, way in ipairs { "buffered", "streamed" } do
    it("is sent once more without the expectation, " .. way, function()
      for _, kind in ipairs { "text", "function" } do
        local p <close> = peer.listen { script = {
          { request_head, { "send", REFUSED }, { "expect_end" } },
          { request_head, { "expect_until", kind == "text" and "body" or "0\r\n\r\n" },
            { "send", DONE }, { "read_all" } },
        } }
        local pieces = { "body" }
        local response <close>, message = client:post(p.url .. "/", {
          body = kind == "text" and "body" or function() return table.remove(pieces) end,
          expect_continue = true, stream = way == "streamed",
        })
        assert(response, message)
        assert.equal("done", response:text())
        assert.is_nil(response.redirects)
        assert.truthy(p:received(1):find("\r\nExpect: 100-continue\r\n", 1, true))
        assert.equal("", p:received(1):match "\r\n\r\n(.*)$")
        assert.is_nil(p:received(2):find("Expect", 1, true))
        assert.truthy(p:received(2):find("body", 1, true))
      end
    end)
  end

  it("is not sent a third time", function()
    local p <close> = peer.listen { script = {
      { request_head, { "send", REFUSED }, { "expect_end" } },
      { request_head, { "read", 4 }, { "send", REFUSED }, { "read_all" } },
    } }
    local response <close> = assert(client:post(p.url .. "/",
      { body = "body", expect_continue = true }))
    assert.equal(417, response.status)
    assert.equal(2, (p:connections()))
  end)

  it("returns the 417 if a piece of its body was already taken", function()
    local p <close> = peer.listen { script = {
      { request_head, { "send", "HTTP/1.1 100 Go on\r\n\r\n" }, { "expect_until", "piece" },
        { "send", REFUSED }, { "read_all" } },
    } }
    local asked = 0
    local response <close> = assert(client:post(p.url .. "/", { expect_continue = true,
      body = function()
        asked = asked + 1
        if asked == 1 then return "piece" end
        sluice.sleep(60)
      end }))
    assert.equal(417, response.status)
    assert.equal(1, (p:connections()))
  end)

  it("that it did not cause is returned as the answer", function()
    local p <close> = peer.listen { script = { { request_head, { "read", 4 }, { "send", REFUSED },
      { "read_all" } } } }
    local response <close> = assert(client:post(p.url .. "/", { body = "body" }))
    assert.equal(417, response.status)
  end)
end)
