-- What is reported of calls that take more than one sending.

local support = require "spec.support"
local peer = support.peer

local request_head = { "expect_until", "\r\n\r\n" }
local DONE = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"

describe("progress", function()
  local client

  support.verify_each(function(keep) client = keep(support.client()) end)

  local function lead(status)
    return ("HTTP/1.1 %d X\r\nLocation: /next\r\nContent-Length: 0\r\n\r\n"):format(status)
  end

  it("starts again after a redirect and ends with the final response", function()
    for _, status in ipairs { 303, 307 } do
      local p <close> = peer.listen { script = { {
        { "expect_until", "\r\n\r\nbody" }, { "send", lead(status) },
        status == 307 and { "expect_until", "\r\n\r\nbody" } or request_head,
        { "send", DONE }, { "read_all" },
      } } }
      local last
      local response <close> = assert(client:post(p.url .. "/", { body = "body",
        on_progress = function(...) last = { ... } end }))
      assert.equal("done", response:text())
      local to_send = status == 307 and 4 or nil
      assert.same({ to_send or 0, 4, to_send, 4 }, { last[1], last[2], last[3], last[4] })
    end
  end)

  it("that raises ends the call with that error, in any of its sendings", function()
    local p <close> = peer.listen { script = { {
      request_head, { "send", lead(302) }, request_head, { "send", DONE }, { "read_all" } } } }
    local count = 0
    assert.error_matches(function()
      client:get(p.url .. "/", { on_progress = function()
        count = count + 1
        if count == 2 then error "told enough" end
      end })
    end, "told enough")
  end)
end)
