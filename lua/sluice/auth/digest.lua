--- Digest credentials (RFC 7616): MD5 and SHA-256, with sessions or without, for the quality of
-- protection "auth", and for servers of RFC 2069 that know none.
--
--     local challenge = digest.choose(response.headers:all "WWW-Authenticate")
--     local state = {}
--     local value, message, err = digest.answer(challenge, { user, password }, "GET", "/", state)
--
-- A state belongs to one user of one server; it holds what the next answer needs to know.

local challenges = require "sluice.auth.challenges"
local core = require "sluice.core"
local failure = require "sluice.failure"

local digest = {}

-- By the name of the algorithm in lower case. A higher rank is the stronger hash.
local algorithms = {
  ["md5"] = { hash = "md5", rank = 1 },
  ["md5-sess"] = { hash = "md5", rank = 1, has_session = true },
  ["sha-256"] = { hash = "sha256", rank = 2 },
  ["sha-256-sess"] = { hash = "sha256", rank = 2, has_session = true },
}

-- What is sent back to the server must be fit for a field.
local function is_clean(text) return not text:find "%c" end

local function is_true(text) return text ~= nil and text:lower() == "true" end

-- Whether a list of options names "auth".
local function offers_auth(list)
  for option in list:gmatch "[^%s,]+" do
    if option:lower() == "auth" then return true end
  end
  return false
end

-- A challenge that can be answered | nil
local function read(challenge)
  local given = challenge.parameters
  local name = given.algorithm or "MD5"
  local algorithm = algorithms[name:lower()]
  if challenge.scheme ~= "digest" or not algorithm or not given.realm or not given.nonce
    or not is_clean(given.realm .. given.nonce .. (given.opaque or "")) then
    return nil
  end
  local has_qop = given.qop and offers_auth(given.qop) or false
  if not has_qop and (given.qop or algorithm.has_session) then return nil end
  return {
    realm = given.realm,
    nonce = given.nonce,
    opaque = given.opaque,
    algorithm = given.algorithm,
    hash = algorithm.hash,
    rank = algorithm.rank,
    has_session = algorithm.has_session or false,
    has_qop = has_qop,
    hashes_user = is_true(given.userhash),
    is_utf8 = given.charset ~= nil and given.charset:lower() == "utf-8",
    is_stale = is_true(given.stale),
  }
end

--- The challenge to answer, of those in the values of a WWW-Authenticate or
-- Proxy-Authenticate: the one of the strongest algorithm, the first of several.
-- Returns a challenge, or nil if there is none that can be answered. `is_stale`: the
-- credentials were good, their nonce was too old.
function digest.choose(values)
  local best
  for _, challenge in ipairs(challenges.read(values)) do
    local made = read(challenge)
    if made and (not best or made.rank > best.rank) then best = made end
  end
  return best
end

local function quoted(text) return '"' .. text:gsub('["\\]', "\\%0") .. '"' end

-- Joins texts with colons and hashes them.
-- Returns the hash | nil, message, err (unsupported, memory)
local function hash_of(kind, ...) return core.hash(kind, table.concat({ ... }, ":")) end

-- A nonce of the client's own. Returns the text | nil, message, err (tls)
local function make_nonce()
  local bytes, message, err = core.random(16)
  if not bytes then return nil, message, err end
  return (bytes:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

-- Begins a state anew for a nonce of the server.
local function begin(state, nonce)
  state.nonce, state.count, state.session, state.client_nonce = nonce, 0, nil, nil
end

-- H(A1) of RFC 7616 3.4.2. A session begins with the first answer to a nonce.
-- Returns the hash | nil, message, err
local function hash_credentials(challenge, credentials, state)
  local kind = challenge.hash
  if state.session then return state.session end
  local hash, message, err =
    hash_of(kind, credentials[1], challenge.realm, credentials[2] or "")
  if not hash or not challenge.has_session then return hash, message, err end
  state.session, message, err = hash_of(kind, hash, challenge.nonce, state.client_nonce)
  return state.session, message, err
end

-- The response of RFC 7616 3.4.1 | nil, message, err
local function respond(challenge, credentials, method, uri, state)
  local kind = challenge.hash
  local first, message, err = hash_credentials(challenge, credentials, state)
  if not first then return nil, message, err end
  local second
  second, message, err = hash_of(kind, method, uri)
  if not second then return nil, message, err end
  if not challenge.has_qop then return hash_of(kind, first, challenge.nonce, second) end
  return hash_of(kind, first, challenge.nonce, ("%08x"):format(state.count), state.client_nonce,
    "auth", second)
end

-- The parameters that name the user (RFC 7616 3.4.4) | nil, message, err
local function name_user(challenge, user)
  if challenge.hashes_user then
    local hash, message, err = hash_of(challenge.hash, user, challenge.realm)
    if not hash then return nil, message, err end
    return "username=" .. quoted(hash) .. ", userhash=true"
  elseif challenge.is_utf8 and user:find "[\x80-\xff]" and utf8.len(user) then
    return "username*=UTF-8''" .. user:gsub("[^%w!#$&+.^_`|~-]", function(byte)
      return ("%%%02X"):format(byte:byte())
    end)
  end
  return "username=" .. quoted(user)
end

-- Goes to the next count of a state, and to a nonce of the client's own for it, random unless
-- given.
-- Returns true | nil, message, err
local function advance(state, challenge, given)
  if state.nonce ~= challenge.nonce then begin(state, challenge.nonce) end
  if state.count >= 0xffffffff then
    return failure.new("limit", "digest credentials", "2^32 - 1 uses of one nonce")
  end
  -- Of a session all requests have the same one: some servers hash the first, others the last.
  if challenge.has_qop and not state.session then
    local message, err
    if not given then given, message, err = make_nonce() end
    if not given then return nil, message, err end
    state.client_nonce = given
  end
  state.count = state.count + 1
  return true
end

--- The value of Authorization or Proxy-Authorization that answers a challenge.
-- `credentials` are { user, password }; `uri` is the target of the request as it is sent;
-- `state` is a table, empty at first, that counts the answers to a nonce: several requests of
-- one user to one server share it. `client_nonce` is random unless given.
-- Returns the value | nil, message, err (unsupported: MD5 in FIPS mode; tls, memory, limit)
function digest.answer(challenge, credentials, method, uri, state, client_nonce)
  local ok, user, response, message, err
  ok, message, err = advance(state, challenge, client_nonce)
  if not ok then return nil, message, err end
  user, message, err = name_user(challenge, credentials[1])
  if not user then return nil, message, err end
  response, message, err = respond(challenge, credentials, method, uri, state)
  if not response then return nil, message, err end
  local parts = { user, "realm=" .. quoted(challenge.realm), "nonce=" .. quoted(challenge.nonce),
    "uri=" .. quoted(uri), "response=" .. quoted(response) }
  if challenge.algorithm then parts[#parts + 1] = "algorithm=" .. challenge.algorithm end
  if challenge.opaque then parts[#parts + 1] = "opaque=" .. quoted(challenge.opaque) end
  if challenge.has_qop then
    parts[#parts + 1] = ("qop=auth, nc=%08x, cnonce=%s")
      :format(state.count, quoted(state.client_nonce))
  end
  return "Digest " .. table.concat(parts, ", ")
end

return digest
