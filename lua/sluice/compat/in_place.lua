--- Calls that wait where they stand, as those of blocking libraries do: also inside a coroutine
-- whose yields are for others, an iterator's for example.

local core = require "sluice.core"

local slice = 1 -- seconds that one step of the loop waits at most

local is_over = { done = true, failed = true }

--- Calls f(...), and drives the loop until it returns if nothing else does.
-- Inside a task it yields, as every call. Raises f's error. Returns what f does.
return function(f, ...)
  if core.is_stepping() or not coroutine.isyieldable() then return f(...) end
  local task = core.spawn_background(f, ...)
  local leaving <close> = setmetatable({}, { __close = function() task:cancel() end }) -- luacheck: ignore
  local loop = core.loop()
  while not is_over[task:status()] do loop:step(slice) end
  return task:await()
end
