-- https against a real nginx, and a peer where nginx will not misbehave.

local certificates = require "spec.support.certificates"
local nginx = require "spec.support.nginx"
local server = require "spec.support.server"
local sluice = require "sluice"
local support = require "spec.support"

local peer = support.peer

local root = certificates.file "root.pem"

local function with_root(tls)
  tls = tls or {}
  if not tls.ca and not tls.ca_path then tls.ca_file = root end
  return tls
end

describe("https", function()
  local web, old

  setup(function()
    local own = { certificate = certificates.chain "good", key = certificates.key "good" }
    web = nginx.start { tls = own }
    old = nginx.start {
      tls = { certificate = own.certificate, key = own.key, protocols = "TLSv1.2" },
    }
    web:file(300000)
  end)

  teardown(function()
    web:stop()
    old:stop()
  end)

  support.verify_each()

  local function ask(tls, url, options)
    options = options or {}
    options.tls = with_root(tls)
    local client <close> = support.client(options)
    local response <close>, message, err = client:get(url or (web.tls_url .. "/request"))
    if not response then return nil, message, err end
    return response:json(), response.tls
  end

  it("reports what was negotiated, and the peer's certificate", function()
    local seen, tls = ask()
    assert.equal("TLSv1.3", seen.tls)
    assert.equal("TLSv1.3", tls.version)
    assert.equal("TLS_AES_128_GCM_SHA256", tls.cipher)
    assert.equal(seen.cipher, tls.cipher)
    assert.equal("http/1.1", tls.alpn)
    assert.equal("http/1.1", seen.alpn)
    assert.equal("localhost", seen.server_name)
    assert.is_true(tls.verified)
    assert.is_false(tls.resumed)
    assert.matches("CN=good", tls.peer.subject)
    assert.matches("CN=intermediate", tls.peer.issuer)
    assert.matches("DNS:localhost", tls.peer.names)
    assert.matches("^%d%d%d%d%-%d%d%-%d%dT", tls.peer.not_before)
    assert.matches("^%d%d%d%d%-%d%d%-%d%dT", tls.peer.not_after)
    assert.equal(64, #tls.peer.sha256)
    assert.is_nil(tls.peer.sha256:find "[^%x]")
  end)

  it("sends no server name for an address", function()
    local seen = ask(nil, ("https://127.0.0.1:%d/request"):format(web.tls_port))
    assert.equal("", seen.server_name)
  end)

  it("verifies one name without its trailing dot", function()
    local seen = ask(nil, ("https://localhost.:%d/request"):format(web.tls_port), {
      resolver = function() return "127.0.0.1" end,
    })
    assert.equal("localhost", seen.server_name)
  end)

  it("has no details for a plain response", function()
    local client <close> = support.client()
    local response <close> = assert(client:get(web.url .. "/json"))
    assert.is_nil(response.tls)
  end)

  for _, version in ipairs { "1.2", "1.3" } do
    it("resumes sessions of TLS " .. version, function()
      local client <close> = support.client {
        pool = false,
        tls = with_root { max_version = version, min_version = version },
      }
      local resumed = {}
      for i = 1, 3 do
        local response <close> = assert(client:get(web.tls_url .. "/request"))
        resumed[i] = response.tls.resumed
        assert.equal(response.tls.resumed and "r" or ".", response:json().resumed)
        assert.is_true(response.tls.verified)
      end
      assert.same({ false, true, true }, resumed)
    end)
  end

  it("uses OpenSSL's records if own_records is false", function()
    for _, own_records in ipairs { false, true } do
      local client <close> = support.client { tls = with_root { own_records = own_records } }
      local body = support.pattern(100000)
      for _ = 1, 4 do
        local response <close> = assert(client:post(web.tls_url .. "/upload", { body = body }))
        assert.equal(#body, response:json().length)
        local file <close> = assert(client:get(web.tls_url .. "/file/300000"))
        assert.is_true(file:text() == support.pattern(300000))
      end
      assert.equal(1, client:stats().made)
    end
  end)

  -- The fewest allocations of a request on a connection of its own. Own records are made for
  -- the content behind its first 64 KiB.
  local function allocations_of(own_records, stream)
    local client <close> = support.client {
      pool = false, tls = with_root { own_records = own_records },
    }
    local url, least = web.tls_url .. "/file/300000", math.huge
    for _ = 1, 8 do
      local before = sluice.stats().allocations
      local response <close> = assert(client:get(url, { stream = stream }))
      assert.is_true(response:text() == support.pattern(300000))
      least = math.min(least, sluice.stats().allocations - before)
    end
    return least
  end

  it("leaves a connection for one request with OpenSSL, unless its response is streamed",
    function()
    assert.equal(allocations_of(false, false), allocations_of(true, false))
    local has_more = allocations_of(true, true) > allocations_of(false, true)
    assert.equal(sluice.platform().tls_providers[1] == "openssl", has_more)
  end)

  it("resumes no session if that is disabled, nor across clients", function()
    local client <close> = support.client { pool = false, tls = with_root { resume = false } }
    for _ = 1, 3 do
      local response <close> = assert(client:get(web.tls_url .. "/request"))
      assert.is_false(response.tls.resumed)
    end
    local _, tls = ask()
    assert.is_false(tls.resumed)
  end)

  it("uses only the given versions", function()
    local _, tls = ask({ max_version = "1.2" })
    assert.equal("TLSv1.2", tls.version)
    local seen, message, err = ask({ min_version = "1.3" }, old.tls_url .. "/request")
    assert.is_nil(seen)
    assert.equal("tls", err.code)
    assert.is_truthy(message:find "version")
    assert.has_error(function() ask { min_version = "1.1" } end)
  end)

  it("uses only the given ciphers", function()
    -- A list of OpenSSL's, or a priority string of GnuTLS's.
    local ciphers, name = "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"
    if sluice.platform().tls_providers[1] == "gnutls" then
      ciphers, name = "NORMAL:-CIPHER-ALL:+AES-256-GCM", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
    end
    local _, tls = ask { max_version = "1.2", ciphers = ciphers }
    assert.equal(name, tls.cipher)
    local seen, _, err = ask { ciphers = "no such cipher" }
    assert.is_nil(seen)
    assert.is_true(err.code == "tls" or err.code == "invalid")
  end)

  it("accepts roots as a string", function()
    local file <close> = assert(io.open(root))
    assert.is_true(select(2, ask { ca = file:read "a" }).verified)
    local seen, _, err = ask { ca = "no PEM" }
    assert.is_nil(seen)
    assert.is_true(err.code == "tls" or err.code == "invalid")
  end)

  it("names files that do not exist", function()
    for _, tls in ipairs {
      { ca_file = "/no/such/file" }, { cert_file = "/no/such/file" },
      { crl_file = "/no/such/file" }, { pkcs12_file = "/no/such/file" },
    } do
      local client <close> = support.client { tls = tls }
      local response, message, err = client:get(web.tls_url .. "/json")
      assert.is_nil(response)
      assert.is_truthy(message:find("/no/such/file", 1, true))
      assert.is_true(err.code == "tls" or err.code == "invalid")
    end
  end)

  -- RFC 7469 2.4: SHA-256 of the SubjectPublicKeyInfo
  it("accepts a pinned key and refuses every other", function()
    local _, tls = ask()
    local pin = support.from_hex(tls.peer.spki_sha256)
    assert.truthy(ask { pins = { ("\0"):rep(32), pin } })
    local seen, message, err = ask { pins = { ("\0"):rep(32) } }
    assert.is_nil(seen)
    assert.equal("tls", err.code)
    assert.matches("pin", message)
  end)

  it("asks the verify callback, which can only refuse", function()
    local met
    assert.truthy(ask { verify = function(certificate)
      met = certificate
      return true
    end })
    assert.matches("CN=good", met.subject)
    local seen, message, err = ask { verify = function() return false, "not today" end }
    assert.is_nil(seen)
    assert.equal("tls", err.code)
    assert.is_truthy(message:find("not today", 1, true))
    seen, message = ask { verify = function() return false, "\27[2J\r\n" .. ("x"):rep(500) end }
    assert.is_nil(seen)
    assert.is_nil(message:find "%c")
    assert.is_truthy(message:find("callback: \\x1B[2J\\x0D\\x0A" .. ("x"):rep(50), 1, true))
    assert.is_true(#message < 250)
    seen, message = ask { verify = function() error "went wrong" end }
    assert.is_nil(seen)
    assert.is_truthy(message:find("went wrong", 1, true))
    -- What was refused before it is not shown to it.
    local client <close> = support.client { tls = { verify = function() return true end } }
    local response, _, refusal = client:get(web.tls_url .. "/json")
    assert.is_nil(response)
    assert.equal("tls", refusal.code)
  end)

  it("may be cancelled by its own verify callback", function()
    local task
    local client <close> = support.client { tls = with_root { verify = function()
      task:cancel "seen enough"
      return true
    end } }
    task = sluice.spawn(client.get, client, web.tls_url .. "/json")
    local response, message, err = task:await()
    assert.is_nil(response)
    assert.equal("cancelled", err.code)
    assert.equal("tls", err.stage)
    assert.is_truthy(message:find("seen enough", 1, true))
    assert.equal(0, client:stats().active)
  end)

  it("may have its coroutine closed by its own verify callback", function()
    local waiting, closed
    local tls = with_root { verify = function()
      closed = coroutine.close(waiting)
      waiting = nil
      collectgarbage()
      collectgarbage()
      return true
    end }
    local client <close> = support.client { tls = tls }
    local port = tonumber(web.tls_url:match "%d+$")
    for _, wait in ipairs {
      function() client:get(web.tls_url .. "/json") end,
      function()
        sluice.connect { host = "localhost", port = port, tls = tls,
          transport = support.transport() }
      end,
    } do
      waiting, closed = coroutine.create(wait), nil
      assert(coroutine.resume(waiting))
      local deadline = support.system.clock() + 10
      while closed == nil and support.system.clock() < deadline do sluice.loop():step(0.05) end
      assert.is_true(closed)
    end
  end)

  it("allows no waiting and no step in its verify callback", function()
    local outcomes = {}
    local client <close> = support.client { tls = with_root() }
    assert.truthy(ask { verify = function()
      outcomes = { pcall(sluice.sleep, 0), pcall(client.get, client, web.tls_url .. "/json") }
      outcomes[#outcomes + 1] = pcall(sluice.loop().step, sluice.loop(), 0)
      return true
    end })
    assert.same({ false, false }, { outcomes[1], outcomes[#outcomes] })
  end)

  it("keeps nothing of a collected context", function()
    local function count()
      collectgarbage()
      collectgarbage()
      local entries = 0
      for _ in pairs(debug.getregistry()) do entries = entries + 1 end
      return entries
    end
    local function fail()
      local client <close> = support.client {
        tls = { ca_file = "/no/such/file", verify = function() return true end },
      }
      assert.is_nil((client:get "https://127.0.0.1:1/"))
    end
    local entries
    for i = 1, 10 do
      for _ = 1, 4 do fail() end
      local now = count()
      if i == 2 then entries = now end
      if entries then assert.is_true(now < entries + 10, now) end
    end
  end)

  it("offers the given protocols", function()
    local seen, tls = ask { alpn = { "http/1.1", "http/1.0" } }
    assert.equal("http/1.1", tls.alpn)
    assert.equal("http/1.1", seen.alpn)
    seen, tls = ask { alpn = {} }
    assert.is_nil(tls.alpn)
    assert.equal("", seen.alpn)
  end)

  it("writes secrets to a file only if key_log names one", function()
    local directory = server.directory()
    local path = directory .. "/keys"
    assert.truthy(ask { key_log = path })
    local file <close> = assert(io.open(path))
    local log = file:read "a"
    file:close()
    support.collect_until_closed(sluice, path)
    server.remove(directory)
    assert.matches("CLIENT_TRAFFIC_SECRET_0 %x+ %x+", log)
  end)

  it("delivers bodies of every size, buffered and streamed", function()
    local client <close> = support.client { tls = with_root() }
    local expected = support.pattern(300000)
    for _, path in ipairs { "/file/300000", "/chunked/300000" } do
      local response <close> = assert(client:get(web.tls_url .. path))
      assert.is_true(response:text() == expected)
      local streamed <close> = assert(client:get(web.tls_url .. path, { stream = true }))
      local pieces = {}
      for piece in streamed:chunks() do
        pieces[#pieces + 1] = piece:tostring()
        piece:dispose()
      end
      assert.is_true(table.concat(pieces) == expected)
    end
    local body = ("x"):rep(1 << 20)
    local response <close> = assert(client:post(web.tls_url .. "/upload", { body = body }))
    assert.equal(#body, response:json().length)
  end)

  it("gives up a handshake after its timeout", function()
    local silent <close> = peer.listen { script = { { { "stall" } } }, repeat_last = true }
    local client <close> = support.client { tls = with_root(), timeout = { tls = 0.05 } }
    local response, _, err = client:get(("https://127.0.0.1:%d/"):format(silent.port))
    assert.is_nil(response)
    assert.equal("timeout", err.code)
    assert.equal("tls", err.stage)
    assert.is_true(err.retryable)
  end)

  it("can be cancelled in the handshake", function()
    local silent <close> = peer.listen { script = { { { "stall" } } }, repeat_last = true }
    local client <close> = support.client { tls = with_root() }
    sluice.run(function()
      local task = sluice.spawn(client.get, client, ("https://127.0.0.1:%d/"):format(silent.port))
      repeat sluice.sleep(0.02) until silent:connections() > 0
      task:cancel()
      local response, _, err = task:await()
      assert.is_nil(response)
      assert.equal("cancelled", err.code)
    end)
  end)

  it("reports an answer that is not TLS", function()
    local plain <close> = peer.listen {
      script = { { { "read", 1 }, { "send", "HTTP/1.1 200 OK\r\n\r\n" }, { "close" } } },
    }
    local client <close> = support.client { tls = with_root() }
    local response, _, err = client:get(("https://127.0.0.1:%d/"):format(plain.port))
    assert.is_nil(response)
    assert.equal("tls", err.code)
  end)

  -- Answers the first request of a connection, and the second by bytes that are no record.
  local breaking = [[
import socket

def serve(connection):
    for number in (1, 2):
        head = b""
        while b"\r\n\r\n" not in head:
            piece = connection.recv(65536)
            if not piece:
                return
            head += piece
        if number == 1:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    with socket.socket(fileno=connection.detach()) as plain:
        plain.sendall(b"\x17\x03\x03\x00\x20" + b"g" * 32)
        plain.recv(100)
]]

  for _, version in ipairs { "TLSv1_2", "TLSv1_3" } do
    it("resends what failed on a reused connection before any answer, " .. version, function()
      local broken <close> = certificates.python(breaking, version)
      local client <close> = support.client { tls = with_root() }
      local url = ("https://localhost:%d/"):format(broken.port)
      for i = 1, 3 do
        local response <close>, message = client:get(url)
        assert(response, message)
        assert.equal("ok", response:text())
        assert.equal(i - 1, client:stats().resends)
      end
      local response, message, err = client:post(url, { body = "once" })
      assert.is_nil(response)
      assert.equal("tls", err.code)
      assert.is_false(err.retryable)
      assert.matches("corrupt", message)
      assert.equal(2, client:stats().resends)
    end)
  end
end)
