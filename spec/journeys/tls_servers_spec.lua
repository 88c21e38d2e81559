-- Real servers that speak TLS in their own ways: OpenSSL's with one option each.

local certificates = require "spec.support.certificates"
local sluice = require "sluice"
local support = require "spec.support"

local is_gnutls = sluice.platform().tls_providers[1] == "gnutls"

describe("a server", function()
  local server

  after_each(function()
    if server then server:stop() end
    server = nil
  end)
  support.verify_each()

  --- What `count` requests brought, one connection each, and the last answer.
  local function ask(arguments, count, tls)
    server = certificates.serve("good", arguments)
    tls = tls or {}
    tls.ca_file = certificates.file "root.pem"
    local client <close> = support.client { tls = tls }
    local seen = {}
    for i = 1, count or 1 do
      local response <close>, message, err =
        client:get(("https://localhost:%d/"):format(server.port))
      if not response then return nil, message, err end
      assert.equal(200, response.status)
      assert.is_truthy(response:text():find "s_server")
      seen[i] = response.tls
    end
    return seen
  end

  it("may choose the newest version and any of its ciphers", function()
    for _, cipher in ipairs { "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
      "TLS_CHACHA20_POLY1305_SHA256" } do
      local seen, message = ask({ "-ciphersuites", cipher }, 2)
      assert(seen, message)
      assert.equal("TLSv1.3", seen[1].version)
      if not is_gnutls then assert.equal(cipher, seen[2].cipher) end
      server:stop()
    end
  end)

  it("may choose TLS 1.2 and any of its ciphers", function()
    for _, cipher in ipairs { "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
      "ECDHE-ECDSA-CHACHA20-POLY1305" } do
      local seen, message = ask({ "-tls1_2", "-cipher", cipher }, 2)
      assert(seen, message)
      assert.equal("TLSv1.2", seen[1].version)
      if not is_gnutls then assert.equal(cipher, seen[2].cipher) end
      server:stop()
    end
  end)

  it("is refused if its version is too old", function()
    for _, version in ipairs { "-tls1_1", "-tls1" } do
      local seen, message, err = ask { version }
      assert.is_nil(seen)
      assert.equal("tls", err.code)
      assert.equal("tls", err.stage)
      if not is_gnutls then assert.is_truthy(message:find "version") end
      server:stop()
    end
  end)

  it("is refused if its ciphers have no forward secrecy or no authentication", function()
    for _, cipher in ipairs { "AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA" } do
      local seen, message, err = ask { "-tls1_2", "-cipher", cipher }
      assert.is_nil(seen)
      assert.equal("tls", err.code)
      assert.is_truthy(message:find "alert 40")
      server:stop()
    end
  end)

  it("may first ask for another key share", function()
    for _, group in ipairs { "P-521", "P-384", "P-256", "X25519" } do
      local seen, message = ask({ "-groups", group }, 2)
      assert(seen, message)
      assert.equal("TLSv1.3", seen[1].version)
      server:stop()
    end
  end)

  it("may give tickets, or none, or keep no sessions", function()
    for _, row in ipairs {
      { {}, true }, { { "-num_tickets", "1" }, true }, { { "-num_tickets", "0" }, false },
      { { "-tls1_2" }, true }, { { "-tls1_2", "-no_ticket" }, not is_gnutls },
      { { "-tls1_2", "-no_ticket", "-no_cache" }, false },
    } do
      local seen, message = ask(row[1], 3)
      assert(seen, message)
      assert.is_false(seen[1].resumed)
      assert.equal(row[2], seen[2].resumed, table.concat(row[1], " "))
      assert.equal(row[2], seen[3].resumed, table.concat(row[1], " "))
      server:stop()
    end
  end)

  it("may send small records, or padded ones", function()
    for _, arguments in ipairs {
      { "-max_send_frag", "512" }, { "-tls1_2", "-max_send_frag", "512" },
      { "-record_padding", "1000" }, { "-record_padding", "16384" },
    } do
      local seen, message = ask(arguments, 3)
      assert(seen, message)
      server:stop()
    end
  end)

  it("fails the request if it insists on a client certificate", function()
    for _, version in ipairs { "-tls1_2", "-tls1_3" } do
      local seen, message, err = ask { version, "-Verify", "1", "-verify_return_error",
        "-CAfile", certificates.file "root.pem" }
      assert.is_nil(seen)
      assert.equal("tls", err.code)
      assert.is_truthy(message:find(version == "-tls1_3" and "alert 116" or "alert 40"), message)
      if version == "-tls1_3" and not is_gnutls then
        assert.is_truthy(message:find("certificate required", 1, true), message)
      end
      server:stop()
    end
  end)

  it("fails the request if it does not know the host's name", function()
    local seen, message, err = ask { "-servername", "other.test", "-servername_fatal",
      "-cert2", certificates.chain "good", "-key2", certificates.key "good" }
    assert.is_nil(seen)
    assert.equal("tls", err.code)
    assert.is_truthy(message:find "alert 112")
  end)

  it("fails the request if it supports none of the protocols", function()
    local seen, message, err = ask { "-alpn", "h2" }
    assert.is_nil(seen)
    assert.equal("tls", err.code)
    assert.is_truthy(message:find "alert 120")
  end)

  it("may choose any protocol that a bare connection offers", function()
    server = certificates.serve("good", { "-alpn", "h2" })
    local transport <close> = assert(sluice.connect { -- luacheck: ignore
      host = "localhost", port = server.port, transport = support.transport(),
      tls = { ca_file = certificates.file "root.pem", alpn = { "x", "h2" } } })
    assert.equal("h2", transport:tls().alpn)
  end)
end)
