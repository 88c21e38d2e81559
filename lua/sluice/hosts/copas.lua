--- Waits in coroutines of copas 1.2: `require("sluice.hosts.copas").install()`.
local copas, core = require "copas", require "sluice.core"
local loop, copas_step, sockets = core.loop(), copas.step, setmetatable({}, { __mode = "k" })
-- Receives coroutines that yield to it, and the socket that copas closes with their last tick.
local queue = { insert = function() end, push = function(_, _, thread)
  sockets[thread] = select(2, debug.getlocal(2, 2)) or sockets[thread] -- _doTick(co, skt)
end }
local host = core.host(function()
  if core.scheduler() ~= "copas" then return false end
  coroutine.yield(true, queue)
end, function(thread)
  copas.addthread(thread)
  local socket = coroutine.status(thread) == "dead" and copas.autoclose and sockets[thread]
  if socket then socket:close() end
end)
-- copas selects on the loop's descriptor, for no longer than until the loop's next timer.
local selected = { getfd = function() return loop:pollfd() end,
  receive = function() return nil, "timeout" end }
local function step(timeout)
  local most = loop:timeout() or 1e9
  local has_handled = copas_step(timeout and timeout >= 0 and math.min(timeout, most) or most)
  loop:step(0, 0.002)
  return has_handled
end
return { host = host, install = function()
  core.add_host(host)
  if copas.step ~= step then copas.addthread(function() copas.receive(selected) end) end
  copas.step = step
end }
