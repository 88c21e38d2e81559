-- Which request a connection is lent to: the one that has waited longest, also while a connection
-- of its own is still being opened.

local certificates = require "spec.support.certificates"
local sluice = require "sluice"
local support = require "spec.support"
local tls_peer = require "spec.support.tls_peer"

describe("a client lends", function()
  support.verify_each()

  it("a freed connection to a request whose own handshake is slow", function()
    local server <close> = tls_peer.start("1.3", 1)
    local client <close> = support.client { tls = { ca_file = certificates.file "root.pem" } }
    sluice.run(function()
      local first = sluice.spawn(function()
        local response <close> = assert(client:get(server:url "/pause-100/length-1/body-a"))
        return response:text()
      end)
      -- The first handshake is answered, so the first request has the connection.
      while server:count "request" == 0 do sluice.sleep(0.005) end
      local second <close> = assert(client:get(server:url "/length-1/body-b"))
      assert.equal("b", second:text())
      assert.equal("a", first:await())
      assert.is_true(second.timings.reused)
    end)
    server:wait "silent"
    -- The connection that nobody needed any more is still being opened.
    assert.equal(1, client:stats().made)
    assert.equal(1, client:stats().dialing)
    client:close()
    assert.equal(0, server:count "failed")
  end)
end)
