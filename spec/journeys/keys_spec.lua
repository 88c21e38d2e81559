-- Two requests share a connection or a TLS session only if all their settings are equal. One
-- setting differs at a time.

local certificates = require "spec.support.certificates"
local nginx = require "spec.support.nginx"
local server = require "spec.support.server"
local sluice = require "sluice"
local support = require "spec.support"
local tls_settings = require "spec.support.tls_settings"

describe("nothing is shared when one differs:", function()
  local web, other, directory, pin, base

  setup(function()
    local tls = certificates.pair "good"
    web = nginx.start { tls = tls }
    other = nginx.start { tls = tls }
    directory = server.directory()
    base = { ca_file = certificates.file "root.pem" }
  end)

  teardown(function()
    web:stop()
    other:stop()
    server.remove(directory)
  end)

  local function key_log() return directory .. "/keys" end

  after_each(function() support.collect_until_closed(sluice, key_log()) end)
  support.verify_each()

  -- Each gives the settings that are added to those of TLS.
  local settings = tls_settings(function(name) return directory .. "/" .. name end,
    function() return pin end)

  local function with(more)
    local tls = {}
    for key, value in pairs(base) do tls[key] = value end
    for key, value in pairs(more or {}) do tls[key] = value end
    return tls
  end

  --- Connects, asks over it and returns the open transport and whether its session was resumed.
  local function connect(tls, port, host)
    local transport = assert(sluice.connect {
      host = host or "localhost", port = port or web.tls_port, tls = tls,
      transport = support.transport(),
    })
    assert(transport:send "HEAD /json HTTP/1.1\r\nHost: x\r\n\r\n")
    assert(transport:receive())
    return transport, transport:tls().resumed
  end

  setup(function()
    local transport <close> = connect(with())
    pin = support.from_hex(transport:tls().peer.spki_sha256)
  end)

  for name, setting in pairs(settings) do
    it(name .. ", between clients and between connections", function()
      local first <close> = connect(with())
      local same <close>, is_same_resumed = connect(with())
      assert.is_true(is_same_resumed)
      local differing <close>, is_resumed = connect(with(setting()))
      assert.is_false(is_resumed)
      local again <close>, is_again_resumed = connect(with(setting()))
      assert.is_true(is_again_resumed)
      assert.is_true(first ~= same and differing ~= again)

      local seen = {}
      for i, tls in ipairs { with(), with(setting()) } do
        local client <close> = support.client { tls = tls }
        local response <close> = assert(client:get(web.tls_url .. "/request"))
        assert.is_false(response.tls.resumed)
        seen[i] = response:json().connection
      end
      assert.is_true(seen[1] ~= seen[2])
    end)
  end

  it("host and port, between connections", function()
    local first <close> = connect(with())
    for _, where in ipairs { { web.tls_port, "127.0.0.1" }, { other.tls_port } } do
      local differing <close>, is_resumed = connect(with(), where[1], where[2])
      assert.is_false(is_resumed)
      local again <close>, is_again_resumed = connect(with(), where[1], where[2])
      assert.is_true(is_again_resumed)
      assert.is_true(first ~= differing and differing ~= again)
    end
  end)

  it("scheme, host, port and unix path, in one client", function()
    local client <close> = support.client { tls = with() }
    local seen, made = {}, 0
    for _, url in ipairs {
      web.tls_url, ("https://127.0.0.1:%d"):format(web.tls_port), other.tls_url, web.url,
      ("http://localhost:%d"):format(web.port), other.url,
      ("http+unix://%s"):format((web.path:gsub("/", "%%2F"))),
    } do
      for round = 1, 2 do
        local response <close>, message = client:get(url .. "/request")
        assert(response, message)
        if round == 1 then made = made + 1 end
        if response.tls then assert.is_false(response.tls.resumed) end
        assert.equal(made, client:stats().made, url)
        seen[#seen + 1] = response:json().connection
      end
      assert.equal(seen[#seen], seen[#seen - 1])
    end
    assert.equal(7, made)
  end)
end)
