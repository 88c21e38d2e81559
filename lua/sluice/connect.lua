--- Connected byte streams for a program with a protocol of its own.

local check = require "sluice.check"
local core = require "sluice.core"
local transports = require "sluice.transports"

local schema = {
  host = check.text,
  port = check.port,
  unix_path = check.text,
  tls = check.either("boolean or table", check.boolean, transports.check_tls),
  transport = transports.check,
  timeout = check.either("number of seconds, not negative, or table of them", check.seconds,
    check.fields { resolve = check.seconds, connect = check.seconds, tls = check.seconds }),
}

-- What resolvers take for IPv4 addresses, "0x7f.1" and "017700000001" among them, is refused
-- as it is in URLs: what one part of a program takes for a name must not be an address here.
local function check_numeric(host)
  if not host:find "^[%x.xX]+$" then return end
  local _, _, err = core.url.target("http://" .. host .. "/")
  if err then error(("connect: option 'host': '%s': %s"):format(host, err.message), 3) end
end

--- Connects to host and port, or to a unix socket; with `tls` the handshake is done
-- and verified before this returns. Misuse raises. Yields.
-- Returns a transport | nil, message, err
return function(options)
  check.options("connect", options, schema, 2)
  if not options.unix_path and not (options.host and options.port) then
    error("connect: host and port, or unix_path expected", 2)
  end
  -- The dot of a rooted name is for the resolver; that of an IPv4 address has no use.
  local host = options.host and options.host:gsub("^([%d.]*%d)%.$", "%1")
  if host == "" or host == "." then error("connect: option 'host': name or address expected", 2) end
  if host then check_numeric(host) end
  local mode, backend, refusal = transports.choose(options.transport, "connect", nil, 2)
  if not mode then return nil, backend, refusal end
  local timeout = options.timeout
  if type(timeout) == "number" then
    timeout = { connect = timeout, resolve = timeout, tls = timeout }
  end
  timeout = timeout or {}
  local tls, identity, message, err
  if options.tls then
    local settings = options.tls == true and {} or options.tls
    local ok
    ok, message, err = transports.has_provider(settings, "connect")
    if not ok then return nil, message, err end
    tls, message, err = transports.shared_context(settings)
    if not tls then return nil, message, err end
    identity = ("%s:%s"):format(host or options.unix_path, options.port)
  end
  local transport
  transport, message, err = core.connect {
    host = host or options.unix_path, port = options.port, unix_path = options.unix_path,
    completion = mode == "completion", backend = backend, tls = tls,
    identity = identity, resolve = timeout.resolve, connect = timeout.connect,
    tls_timeout = timeout.tls,
  }
  if not transport then return nil, message, err end
  if tls then transports.hold(transport, tls) end
  return transport
end
