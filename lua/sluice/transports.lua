--- The choice of a transport, and TLS contexts, for clients and connections alike.

local check = require "sluice.check"
local core = require "sluice.core"
local failure = require "sluice.failure"
local values = require "sluice.values"

local transports = {}

--- Checker of the option `transport`.
transports.check = check.either("name or table", check.string,
  check.fields { mode = check.text, backend = check.text })

local version = check.one_of("1.2", "1.3")
local most_pins = 16
-- The wire counts the list in 16 bits, each name in 8.
local most_names = 0xffff // 256

local tls_schema = {
  verify = check.either("boolean or function", check.boolean, check.callable),
  ca_file = check.text,
  ca_path = check.text,
  ca = check.content,
  crl_file = check.text,
  cert_file = check.text,
  key_file = check.text,
  key_password = function(value)
    if type(value) == "string" then return check.text(value) end
    if type(value) ~= "function" then return "string or function" end
  end,
  pkcs12_file = check.text,
  min_version = version,
  max_version = version,
  ciphers = check.text,
  alpn = check.array("array of protocol names of 1 to 255 bytes", most_names, function(name)
    return type(name) == "string" and #name >= 1 and #name <= 255
  end),
  -- An empty array would pin nothing and so refuse nothing.
  pins = check.array(("array of 1 to %d SHA-256 digests of 32 bytes"):format(most_pins),
    most_pins, function(pin) return type(pin) == "string" and #pin == 32 end, 1),
  resume = check.boolean,
  own_records = check.boolean,
  key_log = check.text,
  provider = check.text,
}

local check_tls_fields = check.fields(tls_schema)

--- Checker of the option `tls` of a bare connection, which may offer any protocol.
function transports.check_tls(options)
  local what, key = check_tls_fields(options)
  if what or key then return what, key end
  if options.key_file and not options.cert_file then return "cert_file beside it", "key_file" end
  if options.pkcs12_file and options.cert_file then
    return "no cert_file beside it", "pkcs12_file"
  end
  local least, most = options.min_version, options.max_version
  if least and most and least > most then return "version not below min_version", "max_version" end
  return nil
end

-- The protocols that a client speaks, by their registered names (RFC 7301 6).
local spoken = { ["http/1.1"] = true, ["http/1.0"] = true }

--- Checker of the option `tls` of a client: a server must not choose what it cannot speak.
function transports.check_client_tls(options)
  local what, key = transports.check_tls(options)
  if what or key then return what, key end
  for _, name in ipairs(options.alpn or {}) do
    if not spoken[name] then
      return "'http/1.1' or 'http/1.0' (a client speaks no other protocol)", "alpn",
        ("'%s'"):format(values.shown(name, 64))
    end
  end
  return nil
end

local modes = { stream = true, completion = true }

-- The backends of a stream transport, which waits for readiness.
local readiness = { epoll = true, kqueue = true, poll = true }

-- All backends; a build and a machine have some of them.
local backends = { io_uring = true, epoll = true, kqueue = true, threads = true, poll = true }

-- Completions that do not come from the kernel: they work, and gain less.
local reduced = { threads = true }

-- Without a logger there is only one warning in a Lua state.
local has_warned = false

local function warn_once(logger, text)
  if logger then
    logger("warning", text)
  elseif not has_warned then
    has_warned = true
    if warn then warn("sluice: " .. text) end -- a host may have taken it away
  end
end

local function is_listed(list, name)
  for _, present in ipairs(list) do
    if present == name then return true end
  end
  return false
end

-- Why a backend is not available, and what to do.
local function lack_of(backend)
  if not core.is_built(backend) then
    return ("backend '%s' is not in this build; leave backend out for the best of these: %s")
      :format(backend, table.concat(core.platform().backends, ", "))
  elseif backend == "io_uring" then
    return "the kernel refuses io_uring: see the sysctl kernel.io_uring_disabled and the seccomp "
      .. "profile of the container, or leave backend out for the next best"
  end
  return ("backend '%s' is not available on this machine"):format(backend)
end

--- Chooses the transport: the one asked for if this machine has it, else the stream transport
-- and one warning. A backend that was named is never replaced.
-- Misuse raises at `level`.
-- Returns its mode and backend (nil: the best) | nil, message, err (unsupported)
function transports.choose(asked, where, logger, level)
  asked = asked or "stream"
  local mode = type(asked) == "table" and (asked.mode or "stream") or asked
  local backend = type(asked) == "table" and asked.backend or nil
  if not modes[mode] then
    error(("%s: option 'transport': 'stream' or 'completion' expected, got '%s'")
      :format(where, mode), level + 1)
  end
  if backend and not backends[backend] then
    error(("%s: option 'transport': no backend '%s'"):format(where, backend), level + 1)
  end
  if mode == "stream" and not backend then return mode, nil end
  if mode == "stream" and not readiness[backend] then
    return failure.new("unsupported", where .. ": stream transport",
      ("backend '%s' has completions only"):format(backend))
  end
  local platform = core.platform()
  if backend and not is_listed(platform.backends, backend) then
    return failure.new("unsupported", ("%s: %s transport"):format(where, mode), lack_of(backend))
  end
  if mode == "completion" and not platform.supported then
    warn_once(logger, "completion transport is not available here; using stream")
    return "stream", nil
  end
  if logger and mode == "completion" then
    local name = backend or platform.completion_model
    logger("info", "completion transport over " .. name ..
      (reduced[name] and ", which works without the kernel's completions and gains less" or ""))
  end
  return mode, backend
end

-- The wire's list of protocol names (RFC 7301 3.1).
local function alpn_list(names)
  local list = {}
  for i, name in ipairs(names) do list[i] = string.pack("s1", name) end
  return table.concat(list)
end

--- Whether this build has the provider that checked options name.
-- Returns true | nil, message, err (unsupported)
function transports.has_provider(options, where)
  local name = options and options.provider
  if not name or is_listed(core.platform().tls_providers, name) then return true end
  return failure.new("unsupported", where .. ": tls",
    ("provider '%s' is not in this build"):format(name))
end

-- The key's password: a function as `key_password` is called once, and only for a key.
-- Returns string or nil | nil, message, err
local function ask_password(options)
  local password = options.key_password
  if type(password) ~= "function" then return password end
  if not options.cert_file and not options.pkcs12_file then return nil end
  local ok, answer, reason = pcall(password)
  if ok and type(answer) == "string" and not answer:find("\0", 1, true) then return answer end
  if not ok then
    reason = tostring(answer)
  elseif answer ~= nil or not reason then
    reason = "string without zero bytes expected, got " .. type(answer)
  end
  return failure.new("tls", "tls: key_password", tostring(reason), "tls")
end

--- A TLS context of checked options; `alpn` are the protocols if the options name none.
-- Returns context | nil, message, err (tls, invalid, memory, unsupported: there is no TLS here)
function transports.tls_context(options, alpn)
  if not core.platform().tls_providers[1] then
    return failure.new("unsupported", "tls", "this build has no TLS library; build sluice where "
      .. "the headers of OpenSSL or GnuTLS are installed", "tls")
  end
  local copy = {}
  for key, value in pairs(options) do copy[key] = value end
  copy.alpn = alpn_list(copy.alpn or alpn)
  local message, err
  copy.key_password, message, err = ask_password(options)
  if err then return nil, message, err end
  if type(copy.verify) == "function" then
    copy.verify, copy.verifier = true, copy.verify
  end
  return core.tls_context(copy)
end

-- ---- contexts of bare connections ----

-- Contexts by a copy of their options, as long as a transport or user holds them. A weak value
-- goes before it is finalised, a weak key after that.
local kept = setmetatable({}, { __mode = "v" })
-- By the transports that use them.
local used = setmetatable({}, { __mode = "k" })

local function copy_of(options)
  local copied = {}
  for key, value in pairs(options) do
    copied[key] = type(value) == "table" and table.move(value, 1, #value, 1, {}) or value
  end
  return copied
end

local function is_same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  for key, value in pairs(a) do
    if not is_same(value, b[key]) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

--- The context of earlier connections with the same checked options, their sessions and roots
-- with it, else a new one.
-- Returns context | nil, message, err
function transports.shared_context(options)
  for known, context in pairs(kept) do
    if is_same(known, options) then return context end
  end
  local context, message, err = transports.tls_context(options, {})
  if not context then return nil, message, err end
  kept[copy_of(options)] = context
  return context
end

-- Numbers of contexts; one is given once.
local numbers, last_number = setmetatable({}, { __mode = "k" }), 0

--- The context for proxies with these checked options, as shared_context.
-- Returns context, a number that no other context has | nil, message, err
function transports.proxy_context(options)
  local copied = {}
  for key, value in pairs(options) do copied[key] = value end
  copied.alpn = copied.alpn or { "http/1.1" }
  local context, message, err = transports.shared_context(copied)
  if not context then return nil, message, err end
  if not numbers[context] then
    last_number = last_number + 1
    numbers[context] = last_number
  end
  return context, numbers[context]
end

--- Keeps a context while the transport that uses it lives, so that it is found again.
function transports.hold(transport, context) used[transport] = context end

return transports
