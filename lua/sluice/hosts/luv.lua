--- The loop among libuv's handles: `require("sluice.hosts.luv").install()`.
-- `uv.run` goes on as long as anything waits; coroutines are resumed by the loop.

local core = require "sluice.core"
local uv = require "luv"

local loop, handles = core.loop(), nil

-- Before libuv waits, and after its callbacks, which may have begun something.
local function settle()
  local timer, due = handles.timer, math.ceil((loop:timeout() or 1e6) * 1000)
  if not timer:is_active() or timer:get_due_in() > due then timer:start(due, 0, handles.step) end
  if core.is_busy() then handles.poll:ref() else handles.poll:unref() end
end

return { install = function() -- idempotent; before each uv.run that nothing else keeps going
  if handles then return handles.poll:ref() end
  handles = { poll = assert(uv.new_poll(loop:pollfd())), timer = uv.new_timer(),
    before = uv.new_prepare(), after = uv.new_check() }
  for name, handle in pairs(handles) do if name ~= "poll" then handle:unref() end end
  handles.step = function() loop:step(0, 0.002) end
  handles.poll:start("r", handles.step)
  handles.before:start(settle)
  handles.after:start(settle)
end }
