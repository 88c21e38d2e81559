-- Which servers a client accepts: each bad certificate is refused with its reason, and no byte of
-- the request leaves.

local certificates = require "spec.support.certificates"
local nginx = require "spec.support.nginx"
local server = require "spec.support.server"
local sluice = require "sluice"
local support = require "spec.support"

local system = support.system

local is_gnutls = sluice.platform().tls_providers[1] == "gnutls"

-- What a message has to say; of a name it says what it is not for. Where the library words a
-- reason itself, GnuTLS's second.
local words = {
  expired = "expired on 2021", expired_intermediate = "old intermediate.* expired on 2021",
  not_yet_valid = "not valid before 2039",
  self_signed = "self%-signed", unknown_root = "other root", revoked = "revoked by CN=intermediate",
  missing_intermediate = "CN=intermediate.* is not known", forged = "no trusted root",
  broken_signature = { "signature failure", "signature in the certificate is invalid" },
  not_an_authority = { "CN=plain.*invalid CA", "issuer is not a CA" },
  authority_without_usage = { "CN=no cert sign.*invalid CA", "signer's constraints" },
  path_too_long = { "path length constraint exceeded", "signer's constraints" },
  name_constraints = { "permitted subtree violation", "signer's constraints" },
  weak_authority_key = { "weak authority.*key too weak", "insecure algorithm" },
  weak_key_512 = { "key too weak", "insecure algorithm" },
  weak_key_1024 = { "key too weak", "insecure algorithm" },
  weak_hash_sha1 = { "digest algorithm too weak", "insecure algorithm" },
  weak_hash_md5 = { "digest algorithm too weak", "insecure algorithm" },
  wrong_usage = { "unsuitable certificate purpose", "intended purpose" },
  mail_usage = { "unsuitable certificate purpose", "intended purpose" },
  no_digital_signature = { "unsuitable certificate purpose", "[Kk]ey usage violation" },
  critical_unknown = { "unhandled critical extension", "unknown critical extension" },
  oversized_chain = { "chain is too long", "too large" },
}

local function word_for(case, version)
  if case.group == "name" then return "not for " .. case.host:gsub("%p", "%%%0") end
  -- A server that would have to sign with such a key has no cipher then.
  if case.name == "no_digital_signature" and version == "1.2" then return "alert 40" end
  local word = words[case.name]
  return type(word) == "table" and word[is_gnutls and 2 or 1] or word
end

-- Every name of the set leads here.
local function here() return "127.0.0.1" end

describe("a certificate", function()
  local servers, ports

  setup(function()
    local names = { "good", "good_rsa", "good_wildcard", "good_idn" }
    for _, case in ipairs(certificates.refused) do
      names[#names + 1] = case.name
    end
    servers, ports = certificates.serve_all(names)
  end)

  teardown(function() servers:stop() end)

  support.verify_each()

  --- How many request bytes each connection to that certificate brought, once there are `count`.
  local function received(name, count)
    local deadline = system.clock() + 60
    local counts
    repeat
      sluice.loop():step(0) -- closes what the client gave up
      counts = {}
      for line_name, bytes in servers:output():gmatch "(%S+) (%d+)\n" do
        if line_name == name then counts[#counts + 1] = tonumber(bytes) end
      end
    until #counts >= count or system.clock() > deadline
    return counts
  end

  it("that is good is accepted", function()
    local client <close> = support.client { tls = { ca_file = certificates.file "root.pem" } }
    for _, host in ipairs { "localhost", "127.0.0.1" } do
      local response <close>, message =
        client:get(("https://%s:%d/"):format(host, ports.good))
      assert(response, message)
      assert.equal("good", response:text())
    end
    local counts = received("good", 2)
    assert.is_true(#counts == 2 and counts[1] > 0 and counts[2] > 0)
  end)

  it("that is good for a name is accepted under that name", function()
    for _, case in ipairs(certificates.accepted) do
      local client <close> = support.client {
        tls = { ca_file = certificates.file "root.pem" }, resolver = here,
      }
      local response <close>, message =
        client:get(("https://%s:%d/"):format(case.host, ports[case.name]))
      assert(response, message)
      assert.equal("good", response:text())
    end
  end)

  -- Of a certificate and a version of TLS.
  local asked = {}

  local function refuse(case, version)
    local client <close> = support.client {
      tls = {
        ca_file = certificates.file "root.pem", max_version = version,
        crl_file = case.needs == "crl" and certificates.file "crl.pem" or nil,
      },
      resolver = here,
    }
    local url = ("https://%s:%d/"):format(case.host, ports[case.name])
    local response, message, err = client:get(url)
    assert.is_nil(response)
    assert.equal("tls", err.code)
    assert.equal("tls", err.stage)
    assert.is_truthy(message:find(("%s:%d"):format(case.host, ports[case.name]), 1, true))
    assert.matches(word_for(case, version), message)
    asked[case.name] = (asked[case.name] or 0) + 1
    local nothing = {}
    for i = 1, asked[case.name] do nothing[i] = 0 end
    assert.same(nothing, received(case.name, asked[case.name]))
  end

  for _, case in ipairs(certificates.refused) do
    it(("is refused when %s (%s)"):format(case.why, case.name), function()
      refuse(case, "1.3")
      refuse(case, "1.2")
    end)
  end

  it("from an unknown root is refused by default", function()
    local client <close> = support.client()
    local response, _, err = client:get(("https://localhost:%d/"):format(ports.good))
    assert.is_nil(response)
    assert.equal("tls", err.code)
  end)

  it("is not verified with verify = false, and the client reports it", function()
    local client <close> = support.client { tls = { verify = false } }
    assert.matches("not verified", tostring(client))
    local response <close>, message =
      client:get(("https://localhost:%d/"):format(ports.self_signed))
    assert(response, message)
    assert.equal("good", response:text())
  end)
end)

describe("a server that asks for a certificate", function()
  local web

  setup(function()
    web = nginx.start {
      tls = {
        certificate = certificates.chain "good", key = certificates.key "good",
        client_ca = certificates.file "client_authorities.pem",
      },
    }
  end)
  teardown(function() web:stop() end)

  support.verify_each()

  local function client_name(tls)
    tls.ca_file = certificates.file "root.pem"
    local client <close> = support.client { tls = tls }
    local response <close>, message = client:get(web.tls_url .. "/request")
    assert(response, message)
    return response.status == 200 and response:json().client or response.status
  end

  it("gets one from PEM files", function()
    local name = client_name {
      cert_file = certificates.chain "client", key_file = certificates.key "client",
    }
    assert.equal("CN=client,O=sluice specs", name)
  end)

  it("gets one whose key is encrypted", function()
    local name = client_name {
      cert_file = certificates.chain "client", key_password = "secret",
      key_file = certificates.file "client_encrypted.key",
    }
    assert.equal("CN=client,O=sluice specs", name)
  end)

  it("gets one whose password a function returns, called once per client", function()
    local asked = 0
    local function password()
      asked = asked + 1
      return "secret"
    end
    local client <close> = support.client {
      pool = false,
      tls = {
        ca_file = certificates.file "root.pem", cert_file = certificates.chain "client",
        key_file = certificates.file "client_encrypted.key", key_password = password,
      },
    }
    assert.equal(0, asked)
    for _ = 1, 2 do
      local response <close>, message = client:get(web.tls_url .. "/request")
      assert(response, message)
      assert.equal("CN=client,O=sluice specs", response:json().client)
    end
    assert.equal(1, asked)
    assert.equal("CN=client,O=sluice specs", client_name {
      pkcs12_file = certificates.file "client.p12", key_password = password,
    })
    assert.equal(400, client_name { key_password = error })
  end)

  it("gets none if its key cannot be decrypted, and the error says why", function()
    local function fail(tls, reason)
      local client <close> = support.client { tls = tls }
      local response, message, err = client:get(web.tls_url .. "/request")
      assert.is_nil(response)
      assert.equal("tls", err.code)
      assert.equal("tls", err.stage)
      assert.is_truthy(message:find(reason, 1, true), message)
    end
    local chain, locked = certificates.chain "client", certificates.file "client_encrypted.key"
    for _, row in ipairs {
      { function() error("no keyring", 0) end, "key_password: no keyring" },
      { function() return nil, "not today" end, "key_password: not today" },
      { function() end, "key_password: string without zero bytes expected, got nil" },
      { function() return 5 end, "key_password: string without zero bytes expected" },
      { function() return "a\0b" end, "key_password: string without zero bytes expected" },
      { function() return "wrong" end, "client_encrypted.key: key_password does not open it" },
      { "wrong", "client_encrypted.key: key_password does not open it" },
      { nil, "client_encrypted.key: is encrypted; give key_password" },
    } do
      fail({ cert_file = chain, key_file = locked, key_password = row[1] }, row[2])
    end
    local bundle = certificates.file "client.p12"
    fail({ pkcs12_file = bundle }, "client.p12: is encrypted; give key_password")
    fail({ pkcs12_file = bundle, key_password = "wrong" },
      "client.p12: key_password does not open it")
    fail({ cert_file = chain }, "client.pem: holds no key; give key_file")
  end)

  it("gets one from a PKCS#12 file", function()
    local name = client_name {
      pkcs12_file = certificates.file "client.p12", key_password = "secret",
    }
    assert.equal("CN=client,O=sluice specs", name)
  end)

  it("answers 400 to a client without one, or with one of another authority", function()
    assert.equal(400, client_name {})
    local status = client_name {
      cert_file = certificates.chain "other_client", key_file = certificates.key "other_client",
    }
    assert.equal(400, status)
  end)

  -- Asks for a certificate with an interim answer, and says in the final one whose it got.
  local ASKS_LATER = [[
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
context.load_verify_locations(sys.argv[4])
context.verify_mode = ssl.CERT_REQUIRED
context.post_handshake_auth = True
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    connection, _ = listener.accept()
    try:
        peer = context.wrap_socket(connection, server_side=True)
        peer.recv(65536)
        answer = None
        try:
            peer.verify_client_post_handshake()
        except ssl.SSLError as refused:
            answer = refused.reason
        peer.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        peer.settimeout(0.01)
        while not answer and not peer.getpeercert():
            try:
                if not peer.recv(1): answer = "closed"
            except TimeoutError:
                pass
        peer.settimeout(None)
        answer = (answer or str(peer.getpeercert())).encode()
        head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
        peer.sendall(head % len(answer) + answer)
        peer.close()
    except OSError:
        connection.close()
]]

  it("gets one behind the handshake from a client without own records", function()
    local peer <close> = server.python(ASKS_LATER, certificates.chain "good",
      certificates.key "good", certificates.file "root.pem")
    local function answer(own_records)
      local client <close> = support.client {
        tls = {
          ca_file = certificates.file "root.pem", own_records = own_records,
          cert_file = certificates.chain "client", key_file = certificates.key "client",
        },
      }
      return assert(client:get(("https://localhost:%d/"):format(peer.port))):text()
    end
    local found = answer(false)
    if is_gnutls then return assert.equal("EXTENSION_NOT_RECEIVED", found) end
    assert.matches("('commonName', 'client')", found, 1, true)
    assert.equal("EXTENSION_NOT_RECEIVED", answer(true))
  end)
end)
