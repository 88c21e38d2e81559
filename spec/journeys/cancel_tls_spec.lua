-- A request over TLS that is given up while its server is silent, at any byte of the handshake and
-- of the response: the waiter gets the error, and nothing is left behind.

local certificates = require "spec.support.certificates"
local nginx = require "spec.support.nginx"
local sluice = require "sluice"
local support = require "spec.support"

local peer, system = support.peer, support.system

local SIZE = 1500
local STEP = 97

-- The ways in which a request is given up; each returns the error that its caller got.
local ways = {}

ways["its task is cancelled"] = function(get, until_silent)
  local task = sluice.spawn(get)
  until_silent()
  task:cancel()
  return task:await()
end

ways["its coroutine is closed"] = function(get, until_silent)
  local coroutine_of = coroutine.create(get)
  assert(coroutine.resume(coroutine_of))
  until_silent()
  if coroutine.status(coroutine_of) == "dead" then return true end
  assert(coroutine.close(coroutine_of))
  return nil, "closed", { code = "cancelled" }
end

ways["its coroutine is forgotten"] = function(get, until_silent)
  local has_ended = false
  do
    local coroutine_of = coroutine.create(function()
      get()
      has_ended = true
    end)
    assert(coroutine.resume(coroutine_of))
    until_silent()
  end
  collectgarbage()
  collectgarbage()
  if has_ended then return true end
  return nil, "forgotten", { code = "cancelled" }
end

ways["its time is over"] = function(get)
  local whole, message, err = get { timeout = 0.02 }
  return whole, message, err, "timeout"
end

for _, protocol in ipairs { "TLSv1.2", "TLSv1.3" } do
  describe("a request over " .. protocol, function()
    local web, content

    setup(function()
      web = nginx.start {
        tls = {
          certificate = certificates.chain "good", key = certificates.key "good",
          protocols = protocol,
        },
      }
      content = web:file(SIZE)
    end)

    teardown(function() web:stop() end)

    support.verify_each()

    --- Whether all of it came before the silence.
    local function try(way, offset)
      local steps = { { "relay", web.tls_port, offset }, { "hold" } }
      local p <close> = peer.listen { script = { steps } }
      local client <close> = support.client {
        tls = { ca_file = certificates.file "root.pem", resume = false },
      }
      local url = ("https://127.0.0.1:%d/file/%d"):format(p.port, SIZE)
      local is_over = false
      local function get(options)
        local response <close>, message, err = client:get(url, options)
        is_over = true
        if not response then return nil, message, err end
        assert.is_true(response:text() == content)
        return true
      end
      local function until_silent()
        local deadline = system.clock() + 10
        while not is_over and not p:wait("holding", 1, 0) and system.clock() < deadline do
          sluice.sleep(0.001)
        end
      end
      local whole
      sluice.run(function()
        local message, err, code
        whole, message, err, code = way(get, until_silent)
        if not whole then assert.equal(code or "cancelled", err.code, message) end
      end)
      return whole
    end

    for name, way in pairs(ways) do
      it("leaves nothing when " .. name, function()
        local given_up = 0
        for offset = 0, SIZE + 3000, STEP do
          if try(way, offset) then break end
          given_up = given_up + 1
        end
        assert.is_true(given_up > 20, given_up)
      end)
    end
  end)
end
