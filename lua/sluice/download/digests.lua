--- Whether a file has the content that it should have: by the option `sha256`, and by a field
-- Repr-Digest (RFC 9530).

local core = require "sluice.core"
local failure = require "sluice.failure"

local digests = {}

local block_size = 65536

-- Blocks after which others get their turn.
local turn = 16

-- Names of RFC 9530, by those of the core.
local names = { sha256 = "sha-256", sha512 = "sha-512" }

local function from_hexadecimal(text)
  return (text:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

-- The base64 of one algorithm in a field like `sha-256=:...:, sha-512=:...:`, or nil.
local function find(field, name)
  return ("," .. field):match("[, \t]" .. name:gsub("%-", "%%-") .. "=:([%w+/=]+):")
end

-- What is to be checked: { { kind, expected hash in hexadecimal or base64, what asks for it } }
local function list(sha256, field)
  local checks = {}
  if sha256 then checks[1] = { kind = "sha256", hexadecimal = sha256:lower(), by = "sha256" } end
  for kind, name in pairs(names) do
    local base64 = field and find(field, name)
    if base64 then checks[#checks + 1] = { kind = kind, base64 = base64, by = "Repr-Digest" } end
  end
  return checks
end

-- The hashes of a file by kind | nil, message, err. Yields.
local function hash_file(path, hashers, attempt)
  local file <close>, reason = core.open_file(path)
  if not file then return failure.new("invalid", attempt, reason, "body") end
  for count = 1, math.huge do
    local block, wrong = file:read(block_size)
    if wrong then return failure.new("invalid", attempt, wrong, "body") end
    if not block then break end
    for _, hasher in pairs(hashers) do
      local ok, message, err = hasher:update(block)
      if not ok then return nil, message, err end
    end
    if count % turn == 0 then
      local ok, message, err = core.sleep(0)
      if not ok then return nil, message, err end
    end
  end
  local hashes = {}
  for kind, hasher in pairs(hashers) do
    local hash, message, err = hasher:finish()
    if not hash then return nil, message, err end
    hashes[kind] = hash
  end
  return hashes
end

-- Returns a hasher for each kind | nil, message, err. A build that cannot check what a server
-- offers goes without; what the caller asks for is a failure then.
local function make_hashers(checks)
  local hashers = {}
  for _, one in ipairs(checks) do
    local hasher, message, err = core.hasher(one.kind)
    if not hasher and (one.by == "sha256" or err.code ~= "unsupported") then
      return nil, message, err
    end
    hashers[one.kind] = hasher or nil
  end
  return hashers
end

-- Returns whether a hash is the expected one, and that in words.
local function compare(one, hash)
  if one.hexadecimal then return hash == one.hexadecimal, one.hexadecimal end
  local found = core.base64(from_hexadecimal(hash))
  return found == one.base64, "base64 " .. one.base64
end

--- Checks the file at `path`. `sha256` is in hexadecimal, `field` a value of Repr-Digest; both may
-- be nil. Returns true | nil, message, err (decode: it is another content). Yields.
function digests.check(path, sha256, field, attempt)
  local checks = list(sha256, field)
  if not checks[1] then return true end
  local hashers, message, err = make_hashers(checks)
  if not hashers then return nil, message, err end
  local hashes
  hashes, message, err = hash_file(path, hashers, attempt)
  if not hashes then return nil, message, err end
  for _, one in ipairs(checks) do
    local hash = hashes[one.kind]
    local is_right, expected = not hash, nil
    if hash then is_right, expected = compare(one, hash) end
    if not is_right then
      return failure.new("decode", attempt,
        ("%s is %s, expected %s (%s)"):format(names[one.kind], hash, expected, one.by), "body")
    end
  end
  return true
end

return digests
