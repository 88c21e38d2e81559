--- Digest credentials for proxies: what a client knows of each proxy that has asked for them, and
-- the value that is sent for one request. Basic credentials are in the head, or the core's own.

local later = require "sluice.later"
local digest = later "sluice.auth.digest"

local login = {}

-- What is known of so many proxies; beyond that it starts over.
local most_known = 100

--- What a client knows of its proxies: empty at first.
function login.new() return { count = 0, by_key = {} } end

-- The challenge and the state of a proxy, or nil.
local function known_of(client, via) return client.logins.by_key[via.key] end

--- Whether a proxy gets its user and password in Basic, at the first request already: not if it is
-- to get digest credentials alone, or has asked for these.
function login.is_basic(client, via)
  return via.user ~= nil and not via.is_digest and not known_of(client, via)
end

--- The value of Proxy-Authorization for one request to a proxy that has asked for digest
-- credentials. Each is sent once.
-- Returns it, or nil if nothing is known of the proxy | nil, message, err
function login.answer(client, via, method, uri)
  local known = known_of(client, via)
  if not known then return nil end
  return digest.answer(known.challenge, { via.user, via.password }, method, uri, known.state)
end

local function keep(client, via, challenge)
  local logins = client.logins
  local known = logins.by_key[via.key]
  if not known then
    if logins.count >= most_known then logins.count, logins.by_key = 0, {} end
    known = { state = {} }
    logins.count = logins.count + 1
    logins.by_key[via.key] = known
    client:forget_plans() -- their heads hold Basic, perhaps
  end
  known.challenge = challenge
end

--- Learns from the values of Proxy-Authenticate of a 407; `used` is the nonce that the request was
-- sent with, if there was one.
-- Returns whether another request may be accepted
function login.learn(client, via, values, used)
  local challenge = digest.choose(values)
  if not challenge then return false end
  -- With this nonce the credentials themselves were refused.
  if challenge.nonce == used and not challenge.is_stale then return false end
  keep(client, via, challenge)
  return true
end

--- The nonce of the next request to a proxy, or nil.
function login.nonce(client, via)
  local known = known_of(client, via)
  return known and known.challenge.nonce
end

return login
