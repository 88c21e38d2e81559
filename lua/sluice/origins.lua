--- Where the requests of a client lead: one origin for each scheme, host, port and proxy. The
-- core remembers them, and forgets the oldest that nothing uses; here are the handles that
-- somebody holds.

local proxy = require "sluice.proxy"
local transports = require "sluice.transports"

local Origins = {}
Origins.__index = Origins

local weak = { __mode = "v" }

-- Contexts for proxies that a client holds, so that their sessions and connections are found
-- again; beyond that it forgets the first.
local most_held = 16

--- The origins of these connections. `tls` is the option of the client.
function Origins.new(connections, tls)
  return setmetatable({ connections = connections, tls = tls or {}, held = {},
    handles = setmetatable({}, weak) }, Origins)
end

-- The TLS context of all of them, made when it is first needed.
local function find_context(self)
  if self.context then return self.context end
  local context, message, err = transports.tls_context(self.tls, { "http/1.1" })
  if not context then return nil, message, err end
  self.context = context
  return context
end

local function hold(self, context)
  for _, held in ipairs(self.held) do
    if held == context then return end
  end
  table.insert(self.held, context)
  if #self.held > most_held then table.remove(self.held, 1) end
end

-- The context for a proxy that speaks TLS itself, and its number.
-- Returns both, or nil for another one | nil, message, err
local function find_proxy_context(self, via)
  if not via or not via.tls then return nil end
  local context, number, err = transports.proxy_context(via.tls)
  if not context then return nil, number, err end
  hold(self, context)
  return context, number
end

-- The key holds the proxy, its settings of TLS and its credentials, too; `number` is that of
-- the context for the proxy.
local function key_of(url, via, number)
  local key = url.scheme .. "://" .. (url.unix_path or url.host) .. ":" .. url.port
  if not via then return key end
  local is_tunnel = url.scheme == "http" and not proxy.is_asked(via, url)
  return ("%s %s %s%s"):format(key, is_tunnel and "tunneled through" or "through",
    number and "tls " .. number .. " " or "", via.key)
end

-- Adds the core's options about a proxy.
local function add_proxy(options, url, via, context)
  options.proxy_host, options.proxy_port = via.host, via.port
  options.proxy_tls, options.proxy_identity = context, context and via.key
  if proxy.is_asked(via, url) then return end
  options.tunnel = via.kind
  if not via.is_digest then
    options.proxy_user, options.proxy_password = via.user, via.password
  end
end

--- The origin a parsed URL leads to, through the proxy `via` if there is one.
-- Returns origin | nil, message, err
function Origins:find(url, via)
  local tls, message
  local context, number, err = find_proxy_context(self, via)
  if err then return nil, number, err end
  local key = key_of(url, via, number)
  local origin = self.handles[key]
  if origin then return origin end
  if url.scheme == "https" then
    tls, message, err = find_context(self)
    if not tls then return nil, message, err end
  end
  local options = {
    host = url.host, port = url.port, unix_path = url.unix_path,
    tls = tls, identity = key,
  }
  if via then add_proxy(options, url, via, context) end
  origin, message, err = self.connections:origin(options)
  if not origin then return nil, message, err end
  self.handles[key] = origin
  return origin
end

--- Releases the connections and the TLS contexts; nothing is found afterwards.
function Origins:close() self.connections, self.context, self.held = nil, nil, {} end

return Origins
