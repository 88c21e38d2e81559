--- Credentials that are made for each sending: those of a request's own, and of a client whose
-- option `auth` asks a function or a file, or answers digest challenges.

local auth = require "sluice.auth.option"
local later = require "sluice.later"
local challenges = later "sluice.auth.challenges"
local digest = later "sluice.auth.digest"
local failure = require "sluice.failure"
local netrc = later "sluice.auth.netrc"
local plan = require "sluice.plan"

local credentials = {}

-- What is known of so many users of servers; beyond that it starts over.
local most_known = 1000

--- What a client knows: of the users that servers asked for, and of files; empty at first.
function credentials.new() return { sessions = {}, session_count = 0, files = {} } end

-- ---- asking ----

-- A function that answers with something else would silently send no credentials.
local function raise_answer(asked, wrong)
  local from = debug.getinfo(asked, "S")
  error(("the function `auth` of %s:%d returned something else: %s expected")
    :format(from.short_src, from.linedefined, wrong), 0)
end

-- Asks a function. Returns a string, a checked table, nil: none | nil, message, err
local function ask_function(asked, origin, request)
  local answer, message, err = asked(origin, request)
  if type(answer) == "string" then return answer end
  if answer then
    local wrong = auth.check_answer(answer)
    if wrong then raise_answer(asked, "string, nil or " .. wrong) end
    return answer
  end
  if message == nil then return nil end
  if failure.is(err) then return nil, message, err end
  return request:failure("invalid", "auth: " .. tostring(message))
end

-- Asks a file. Returns { user, password } or nil | nil, message, err
local function ask_file(option, url, request)
  local files = request.client.known.files
  local file = files[option.netrc]
  if not file then
    local message, err
    file, message, err = netrc.load(option.netrc)
    if not file then return nil, message, err end
    files[option.netrc] = file
  end
  if url.unix_path then return nil end
  -- Where a server led to, only what names the host counts.
  return netrc.find(file, url.host, not request.is_foreign and not request.has_moved)
end

-- "https://host:port" of a parsed URL.
local function origin_of(url) return url.text:sub(1, #url.text - #url.target) end

-- The option for this sending, as it is after asking: a string, a table, or nil: none
-- | nil, message, err
local function find(request, url)
  local client = request.client
  local option = request:own_auth()
  if not option then
    option = client.late_auth
    local is_ours = not request.is_foreign and client:is_home(url)
    if not option or not is_ours and not auth.asks(option) then return nil end
  end
  if type(option) == "function" then return ask_function(option, origin_of(url), request) end
  if option.netrc then return ask_file(option, url, request) end
  return option
end

-- ---- digest ----

local function key_of(url, user)
  return table.concat({ origin_of(url), user[1], user[2] or "" }, "\0")
end

-- Answers what is known of the server. Returns the value, or nil: nothing is known
-- | nil, message, err
local function answer(call, request, url, user)
  local key = key_of(url, user)
  local session = request.client.known.sessions[key]
  call.login = { key = key, nonce = session and session.challenge.nonce }
  if not session then return nil end
  local value, message, err =
    digest.answer(session.challenge, user, request.method, url.target, session.state)
  if value then return value end
  return request:failure(err.code, "digest credentials: " .. message)
end

local function keep(known, key, challenge)
  local session = known.sessions[key]
  if not session then
    if known.session_count >= most_known then known.sessions, known.session_count = {}, 0 end
    session = { state = {} }
    known.sessions[key] = session
    known.session_count = known.session_count + 1
  end
  session.challenge = challenge
end

local function forget(known, key)
  if known.sessions[key] then
    known.sessions[key] = nil
    known.session_count = known.session_count - 1
  end
end

--- Learns from a 401 to a sending with that login: the challenge that the next one answers.
-- `is_answer`: it was sent for this, by an answer to the 401 before.
-- Returns whether another answer may be accepted
function credentials.learn(client, login, response, is_answer)
  local challenge = digest.choose(response.headers:all "WWW-Authenticate")
  -- Unless their nonce was too old, the credentials themselves were refused.
  local is_refused = is_answer or challenge and challenge.nonce == login.nonce
  if not challenge or is_refused and not challenge.is_stale then
    forget(client.known, login.key)
    return false
  end
  keep(client.known, login.key, challenge)
  return true
end

--- Learns the next nonce from an answer that has one (RFC 7616 3.5).
function credentials.follow(client, login, response)
  local session = client.known.sessions[login.key]
  local value = response.headers["Authentication-Info"]
  if not session or not value then return end
  local read = challenges.read { "Digest " .. value }[1] -- the same syntax
  local nonce = read and read.parameters.nextnonce
  if not nonce or nonce == "" or nonce:find "%c" then return end
  local challenge = {}
  for name, given in pairs(session.challenge) do challenge[name] = given end
  challenge.nonce = nonce
  session.challenge = challenge
end

-- ---- the value ----

--- The value of Authorization for a sending. Notes in the call whether a server may ask for digest
-- credentials.
-- Returns the value, or nil: none | nil, message, err. A function that is asked may yield.
function credentials.value(call, request)
  local url, message, err = plan.parse(request.url)
  if not url then return nil, message, err end
  local found
  found, message, err = find(request, url)
  if found == nil or type(found) == "string" then return found, message, err end
  if found.digest then return answer(call, request, url, found.digest) end
  return auth.value(found)
end

return credentials
