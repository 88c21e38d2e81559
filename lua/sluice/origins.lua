--- Where the requests of a client lead: one origin object for each scheme, host and port,
-- so that its limit is one.

local proxy = require "sluice.proxy"
local transports = require "sluice.transports"

local Origins = {}
Origins.__index = Origins

-- Beyond that one that nothing uses makes room for the next.
local limit = 1000

--- The origins of these connections. `tls` is the option of the client; `forgotten` is
-- called with each origin that makes room.
function Origins.new(connections, tls, forgotten)
  return setmetatable({ connections = connections, tls = tls or {}, forgotten = forgotten,
    known = {}, count = 0 }, Origins)
end

-- The TLS context of all of them, made when it is first needed.
local function find_context(self)
  if self.context then return self.context end
  local context, message, err = transports.tls_context(self.tls, { "http/1.1" })
  if not context then return nil, message, err end
  self.context = context
  return context
end

-- Forgets one origin that has neither connections nor requests. If all are busy none
-- goes. `hand` is a key behind which the search goes on.
local function evict(self)
  for _ = 1, self.count + 1 do
    local key, origin = next(self.known, self.hand)
    if key and not origin:is_busy() then
      self.known[key] = nil
      self.count = self.count - 1
      self.forgotten(origin)
      return
    end
    self.hand = key
  end
end

-- The proxy is part of it, and as whom that is asked.
local function key_of(url, via)
  local key = url.scheme .. "://" .. (url.unix_path or url.host) .. ":" .. url.port
  return via and key .. " through " .. via.key or key
end

-- What the core is told of a proxy.
local function add_proxy(options, url, via)
  options.proxy_host, options.proxy_port = via.host, via.port
  if proxy.is_asked(via, url) then return end
  options.tunnel = via.kind
  options.proxy_user, options.proxy_password = via.user, via.password
end

--- The origin a parsed URL leads to, through the proxy `via` if there is one.
-- Returns origin | nil, message, err
function Origins:find(url, via)
  local key = key_of(url, via)
  local origin = self.known[key]
  if origin then return origin end
  local tls, message, err
  if url.scheme == "https" then
    tls, message, err = find_context(self)
    if not tls then return nil, message, err end
  end
  local options = {
    host = url.host, port = url.port, unix_path = url.unix_path,
    tls = tls, identity = key,
  }
  if via then add_proxy(options, url, via) end
  local made
  made, message, err = self.connections:origin(options)
  if not made then return nil, message, err end
  if self.count >= limit then evict(self) end
  self.known[key] = made
  self.count = self.count + 1
  return made
end

--- Forgets all of them, for good.
function Origins:close()
  self.connections, self.known = nil, {}
end

return Origins
