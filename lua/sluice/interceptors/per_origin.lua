--- What an interceptor keeps for each origin, for a bounded number of them: the origin that was
-- asked for longest ago is forgotten.

local plan = require "sluice.plan"

local PerOrigin = {}
PerOrigin.__index = PerOrigin

-- URLs whose origin is remembered.
local url_limit = 1000

--- At most `most` states; `make(origin)` makes the state of one, a table. `spare(state)`, if
-- given, says that it must not be forgotten.
function PerOrigin.new(most, make, spare)
  return setmetatable({ most = most, make = make, spare = spare, states = {}, count = 0,
    by_url = {}, url_count = 0, uses = 0 }, PerOrigin)
end

--- The origin of a URL as text: "https://host:8443". What cannot be parsed has the origin "".
function PerOrigin.origin_of(url)
  local parsed = plan.parse(url)
  if not parsed then return "" end
  return parsed.scheme .. "://" .. (parsed.unix_path or parsed.authority)
end

--- Notes a plan that uses a state, see watch.lua.
function PerOrigin.add_flight(state, flight)
  state.flights = state.flights or setmetatable({}, { __mode = "k" })
  state.flights[flight] = true
end

--- Plans that use the state are to look for it anew.
function PerOrigin.set_stale(state)
  for flight in pairs(state.flights or {}) do flight.is_stale = true end
end

local function forget_oldest(self)
  local oldest
  for _, state in pairs(self.states) do
    if not (self.spare and self.spare(state)) and (not oldest or state.used < oldest.used) then
      oldest = state
    end
  end
  if not oldest then return end
  self.states[oldest.origin] = nil
  PerOrigin.set_stale(oldest)
  self.count = self.count - 1
  self.by_url, self.url_count = {}, 0
end

local function add(self, origin)
  if self.count >= self.most then forget_oldest(self) end
  local state = self.make(origin)
  state.origin = origin
  self.states[origin] = state
  self.count = self.count + 1
  return state
end

--- The state of a URL's origin. Its `origin` is the name of that.
function PerOrigin:find(url)
  local state = self.by_url[url]
  if not state then
    local origin = PerOrigin.origin_of(url)
    state = self.states[origin] or add(self, origin)
    if self.url_count >= url_limit then self.by_url, self.url_count = {}, 0 end
    self.by_url[url] = state
    self.url_count = self.url_count + 1
  end
  self.uses = self.uses + 1
  state.used = self.uses
  return state
end

return PerOrigin
