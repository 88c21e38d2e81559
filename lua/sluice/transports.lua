--- Which transport to use, and TLS contexts, for clients and connections alike.

local check = require "sluice.check"
local core = require "sluice.core"
local failure = require "sluice.failure"

local transports = {}

--- Checker of the option `transport`.
transports.check = check.either("name or table", check.string,
  check.fields { mode = check.string, backend = check.string })

local tls_schema = {
  verify = check.either("boolean or function", check.boolean, check.callable),
  ca_file = check.string,
  ca_path = check.string,
  ca = check.string,
  crl_file = check.string,
  cert_file = check.string,
  key_file = check.string,
  key_password = check.string,
  pkcs12_file = check.string,
  min_version = check.string,
  max_version = check.string,
  ciphers = check.string,
  alpn = check.table,
  pins = check.table,
  resume = check.boolean,
  key_log = check.string,
  provider = check.string,
}

--- Checker of the option `tls`.
transports.check_tls = check.fields(tls_schema)

local modes = { stream = true, completion = true }

-- Those there are anywhere; a build and a machine have some of them.
local backends = {
  io_uring = true, epoll = true, kqueue = true, iocp = true, threads = true, poll = true,
}

local function log(logger, level, text)
  if logger then
    logger(level, text)
  else
    warn("sluice: " .. text)
  end
end

local function has_backend(platform, name)
  for _, present in ipairs(platform.backends) do
    if present == name then return true end
  end
  return false
end

--- The transport to use: what was asked for where this machine has it, else the
-- stream transport and one warning. A backend that was named is never replaced.
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
  local platform = core.platform()
  if backend and not has_backend(platform, backend) then
    return failure.new("unsupported", ("%s: %s transport"):format(where, mode),
      ("backend '%s' is not available on this machine"):format(backend))
  end
  if mode == "completion" and not platform.supported then
    log(logger, "warning", "completion transport is not available here; using stream")
    return "stream", nil
  end
  if logger and mode == "completion" then
    logger("info", "completion transport over " .. (backend or platform.completion_model))
  end
  return mode, backend
end

-- The wire's list of protocol names (RFC 7301 3.1).
local function alpn_list(names)
  local list = {}
  for i, name in ipairs(names) do list[i] = string.pack("s1", name) end
  return table.concat(list)
end

--- A TLS context of checked options; `alpn` are the protocols when they name none.
-- Returns context | nil, message, err (tls, invalid, memory)
function transports.tls_context(options, alpn)
  local copy = {}
  for key, value in pairs(options) do copy[key] = value end
  copy.alpn = alpn_list(copy.alpn or alpn)
  if type(copy.verify) == "function" then
    copy.verify, copy.verifier = true, copy.verify
  end
  return core.tls_context(copy)
end

return transports
