-- Digest credentials: which challenge is answered, and how.
-- Runs once.

local challenges = require "sluice.auth.challenges"
local core = require "sluice.core"
local digest = require "sluice.auth.digest"

--- The parameters of an answer.
local function read(value)
  local list = challenges.read { value }
  assert.equal(1, #list)
  assert.equal("digest", list[1].scheme)
  return list[1].parameters
end

local function answer(challenge, credentials, method, uri, state, client_nonce)
  if type(challenge) == "string" then challenge = assert(digest.choose { challenge }) end
  return assert(digest.answer(challenge, credentials, method or "GET", uri or "/", state or {},
    client_nonce))
end

describe("a digest challenge", function()
  it("of the strongest algorithm is chosen, from several fields and among other schemes", function()
    local md5 = 'Digest realm="a", nonce="1", qop="auth", algorithm=MD5'
    local sha = 'Digest realm="b", nonce="2", qop="auth", algorithm="SHA-256"'
    for _, values in ipairs {
      { md5, sha }, { sha, md5 }, { md5 .. ", " .. sha }, { 'Basic realm="x"', sha .. ", " .. md5 },
      { 'Digest realm="c", nonce="3", qop="auth", algorithm=SHA-512-256', md5, sha },
    } do
      assert.equal("b", digest.choose(values).realm)
    end
  end)

  it("of several equally strong ones is the first, with a session or without", function()
    for _, pair in ipairs { { "MD5", "MD5-sess" }, { "SHA-256", "SHA-256-sess" } } do
      local plain = 'Digest realm="plain", nonce="1", qop="auth", algorithm=' .. pair[1]
      local session = 'Digest realm="session", nonce="2", qop="auth", algorithm=' .. pair[2]
      assert.equal("plain", digest.choose { plain, session }.realm)
      assert.equal("session", digest.choose { session, plain }.realm)
    end
  end)

  it("that cannot be answered is none", function()
    for _, text in ipairs {
      "", 'Basic realm="x"', "Digest", 'Digest realm="a"', 'Digest nonce="1"',
      'Digest realm="a", nonce="1", algorithm=SHA-512-256',
      'Digest realm="a", nonce="1", qop="auth-int"', 'Digest realm="a", nonce="1", qop=""',
      'Digest realm="a", nonce="1", algorithm=MD5-sess',
      'Digest realm="a\1", nonce="1"', 'Digest realm="a", nonce="1\127"',
      'Digest realm="a", nonce="1", opaque="\t"', 'Digest realm="a", nonce="1',
    } do
      assert.is_nil(digest.choose { text }, text)
    end
    assert.is_nil(digest.choose {})
  end)

  it("says whether the nonce was too old", function()
    local text = 'Digest realm="a", nonce="1", stale='
    assert.is_true(digest.choose { text .. "TRUE" }.is_stale)
    assert.is_true(digest.choose { text .. '"true"' }.is_stale)
    assert.is_false(digest.choose { text .. "false" }.is_stale)
  end)
end)

describe("a digest answer", function()
  -- RFC 7616 3.9.1
  local mufasa = { "Mufasa", "Circle of Life" }
  local parameters = ', realm="http-auth@example.org", qop="auth, auth-int", '
    .. 'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
    .. 'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
  local client_nonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"

  it("is that of the examples of RFC 7616", function()
    for algorithm, response in pairs {
      MD5 = "8ca523f5e9506fed4657c9700eebdbec",
      ["SHA-256"] = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
    } do
      local value = answer("Digest algorithm=" .. algorithm .. parameters, mufasa, "GET",
        "/dir/index.html", {}, client_nonce)
      assert.same({
        username = "Mufasa", realm = "http-auth@example.org", uri = "/dir/index.html",
        algorithm = algorithm, nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        nc = "00000001", cnonce = client_nonce, qop = "auth", response = response,
        opaque = "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS",
      }, read(value))
      -- RFC 7616 3.4: these are no quoted strings, and those are.
      assert.truthy(value:find(", algorithm=" .. algorithm .. ",", 1, true))
      assert.truthy(value:find(", qop=auth, nc=00000001, cnonce=\"", 1, true))
    end
  end)

  -- RFC 2617 3.5, and the same without qop (RFC 2069)
  it("is that of older servers, too", function()
    local user = { "Mufasa", "Circle Of Life" }
    local text = 'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'
    local given = read(answer(text .. ', qop="auth,auth-int"', user, "GET", "/dir/index.html", {},
      "0a4f113b"))
    assert.equal("6629fae49393a05397450978507c4ef1", given.response)
    assert.is_nil(given.algorithm)
    given = read(answer(text, user, "GET", "/dir/index.html"))
    assert.equal("670fd8c2df070c60b045671b8b24ff02", given.response)
    assert.same({}, { given.qop, given.nc, given.cnonce, given.opaque })
  end)

  it("counts the uses of a nonce, each with a nonce of its own", function()
    local state, seen = {}, {}
    local text = "Digest algorithm=MD5" .. parameters
    for i = 1, 3 do
      local given = read(answer(text, mufasa, "GET", "/", state))
      assert.equal(("%08x"):format(i), given.nc)
      assert.matches("^%x+$", given.cnonce)
      assert.equal(32, #given.cnonce)
      assert.is_nil(seen[given.cnonce])
      seen[given.cnonce] = true
    end
    local other = text:gsub("7ypf", "other")
    assert.equal("00000001", read(answer(other, mufasa, "GET", "/", state)).nc)
    assert.equal("00000002", read(answer(other, mufasa, "GET", "/", state)).nc)
  end)

  local function hashes_sessions(name, kind)
    local function hash(...) return core.hash(kind, table.concat({ ... }, ":")) end
    local text = 'Digest realm="r", nonce="n", qop="auth", algorithm=' .. name
    local state, first = {}, nil
    for i = 1, 3 do
      local given = read(answer(text, { "u", "p" }, "PUT", "/x", state))
      first = first or given.cnonce
      assert.equal(first, given.cnonce)
      local session = hash(hash("u", "r", "p"), "n", first)
      assert.equal(hash(session, "n", ("%08x"):format(i), first, "auth", hash("PUT", "/x")),
        given.response)
    end
    local later = read(answer(text:gsub('"n"', '"m"'), { "u", "p" }, "PUT", "/x", state))
    assert.not_equal(first, later.cnonce)
    local session = hash(hash("u", "r", "p"), "m", later.cnonce)
    assert.equal(hash(session, "m", "00000001", later.cnonce, "auth", hash("PUT", "/x")),
      later.response)
  end

  it("hashes a session once for a nonce", function()
    hashes_sessions("SHA-256-sess", "sha256")
    hashes_sessions("MD5-sess", "md5")
  end)

  it("hashes the user where the server wants it", function()
    local given = read(answer('Digest realm="r", nonce="n", userhash=true', { "u", "p" }))
    assert.equal("true", given.userhash)
    assert.equal(core.hash("md5", "u:r"), given.username)
    assert.is_nil(read(answer('Digest realm="r", nonce="n"', { "u", "p" })).userhash)
  end)

  it("quotes what needs it, and hashes it as it is", function()
    local given = read(answer('Digest realm="a \\"b\\\\", nonce="n"', { 'u"\\', 'p"' }, "GET", "/"))
    assert.equal('u"\\', given.username)
    assert.equal('a "b\\', given.realm)
    local function md5(...) return core.hash("md5", table.concat({ ... }, ":")) end
    assert.equal(md5(md5('u"\\', 'a "b\\', 'p"'), "n", md5("GET", "/")), given.response)
  end)

  it("names a user beyond ASCII as the server can read it", function()
    local text = 'Digest realm="r", nonce="n"'
    -- RFC 7616 3.4, RFC 8187
    assert.truthy(answer(text .. ", charset=UTF-8", { "J\u{e4}s\u{f8}n Doe", "p" })
      :find("Digest username*=UTF-8''J%C3%A4s%C3%B8n%20Doe, realm", 1, true))
    assert.truthy(answer(text .. ", charset=UTF-8", { "a+b*\u{e4}", "p" })
      :find("Digest username*=UTF-8''a+b%2A%C3%A4, realm", 1, true))
    assert.truthy(answer(text, { "J\u{e4}", "p" }):find('username="J\u{e4}"', 1, true))
    assert.truthy(answer(text .. ", charset=UTF-8", { "J\xe4", "p" })
      :find('username="J\xe4"', 1, true))
    assert.truthy(answer(text .. ", charset=UTF-8", { "Ja", "p" }):find('username="Ja"', 1, true))
  end)

  it("needs no password, and never shows one", function()
    assert.equal(answer('Digest realm="r", nonce="n"', { "u", "" }),
      answer('Digest realm="r", nonce="n"', { "u" }))
    assert.is_nil(answer('Digest realm="r", nonce="n"', { "u", "hidden" }):find "hidden")
  end)

  it("fails with a clear reason if the library refuses a hash, whichever it is", function()
    local hash = core.hash
    finally(function() core.hash = hash end)
    local challenge = digest.choose {
      'Digest realm="r", nonce="n", qop=auth, userhash=true, algorithm=MD5-sess' }
    for refused = 1, 5 do
      local count = 0
      core.hash = function(name, text)
        count = count + 1
        if count ~= refused then return hash(name, text) end
        return nil, name .. ": refused", { code = "unsupported" }
      end
      local value, message, err = digest.answer(challenge, { "u", "p" }, "GET", "/", {})
      assert.is_nil(value)
      assert.same({ "md5: refused", "unsupported", refused }, { message, err.code, count })
    end
  end)

  it("fails with a clear reason without random bytes", function()
    local random = core.random
    finally(function() core.random = random end)
    core.random = function() return nil, "random bytes: refused", { code = "tls" } end
    local challenge = digest.choose { 'Digest realm="r", nonce="n", qop=auth' }
    local state = {}
    local value, message, err = digest.answer(challenge, { "u", "p" }, "GET", "/", state)
    assert.is_nil(value)
    assert.same({ "random bytes: refused", "tls", 0 }, { message, err.code, state.count })
  end)

  it("ends after 2^32 - 1 uses of a nonce", function()
    local challenge = digest.choose { 'Digest realm="r", nonce="n", qop=auth' }
    local state = { nonce = "n", count = 0xfffffffe }
    assert.equal("ffffffff", read(answer(challenge, { "u", "p" }, "GET", "/", state)).nc)
    local value, _, err = digest.answer(challenge, { "u", "p" }, "GET", "/", state)
    assert.is_nil(value)
    assert.equal("limit", err.code)
  end)
end)

describe("a hash", function()
  it("is that of the standards", function()
    assert.equal("d41d8cd98f00b204e9800998ecf8427e", core.hash("md5", ""))
    assert.equal("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      core.hash("sha256", ""))
    assert.equal("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
      core.hash("sha256", ("a"):rep(1000000)))
    assert.error_matches(function() core.hash("sha1", "") end, "invalid option 'sha1'")
    assert.error_matches(function() core.hash("md5", {}) end, "string expected, got table")
  end)
end)
