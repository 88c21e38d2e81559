--- An origin with a jar: what is sent there has the cookies for its URL, and what comes back fills
-- the jar. It stands in a plan in the place of the core's origin, so that a client without cookies
-- has nothing of this on its way.

local cookies = require "sluice.cookies.cookie"
local core = require "sluice.core"
local fields = require "sluice.fields"

local CookieOrigin = {}
CookieOrigin.__index = CookieOrigin

--- `origin` is the core's, for requests to a URL parsed by plan.parse, with the fields of `list`.
-- A Cookie among them is taken out: there is one line for it and the jar's. `is_relayed`: a proxy
-- sees the request.
function CookieOrigin.new(origin, jar, url, list, is_relayed)
  local position = fields.find(list, "Cookie")
  local own = position and list[position + 1]
  if own then fields.remove(list, "Cookie") end
  return setmetatable({
    origin = origin,
    jar = jar,
    place = cookies.place(url, is_relayed),
    own = own ~= "" and own or nil,
    store = jar.store,
    version = -1, -- of the jar when the line was made
    ends = nil, -- when the first of its cookies expires
    sent = nil, -- its cookies
    line = nil,
  }, CookieOrigin)
end

-- Returns true | nil, message, err (memory)
local function make_line(self)
  local list, ends = self.jar:matching(self.place)
  local text = cookies.join(self.own, list)
  local line, message, err
  if text then
    line, message, err = core.field_lines { "Cookie", text }
    if not line then return nil, message, err end
  end
  self.version, self.ends, self.sent, self.line = self.store.version, ends, list, line
  return true
end

-- The field lines of a sending, with Cookie before `lines` (nil: none).
-- Returns them, or nil: there are none | nil, message, err (memory)
local function add_line(self, lines)
  if self.version ~= self.store.version or self.ends and os.time() >= self.ends then
    local _, message, err = make_line(self)
    if err then return nil, message, err end
  end
  local line = self.line
  if not line then return lines end
  if self.sent[1] then self.store:touch(self.sent) end
  return lines and line .. lines or line
end

-- Fills the jar from what the core gave: a response, or a failure with the lines of a head that
-- had come before.
local function keep(self, response, message, err, received)
  received = response and core.set_cookies(response) or received
  if received then self.jar:receive(self.place, received) end
  return response, message, err
end

--- origin:send of the core. Yields.
function CookieOrigin:send(head, options, info, content, is_stream, size, lines, deadline, login)
  local all, message, err = add_line(self, lines)
  if err then return nil, message, err end
  return keep(self,
    self.origin:send(head, options, info, content, is_stream, size, all, deadline, login))
end

--- origin:begin of the core.
function CookieOrigin:begin(head, options, info, content, is_stream, size, lines, deadline, login)
  local all, message, err = add_line(self, lines)
  if err then return nil, message, err end
  return self.origin:begin(head, options, info, content, is_stream, size, all, deadline, login)
end

--- origin:wait of the core. Yields.
function CookieOrigin:wait(response) return keep(self, self.origin:wait(response)) end

return CookieOrigin
