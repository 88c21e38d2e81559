--- Programs in Lua states whose memory runs out on demand: at every allocation in turn.

local system = require "support.system"
local torture = require "support.torture"

local programs = {}

-- Common to all programs: what must be over when a program has ended, whatever happened to it.
local BEGIN = [[
local sluice = require "sluice"
local url, mode, backend, tls_url, root, socket_url, path = ...
local transport = mode and { mode = mode, backend = backend }
local function over()
  local loop, stats = sluice.loop(), nil
  for _ = 1, 1000 do
    loop:step(0.001)
    stats = sluice.stats()
    if stats.operations == 0 and stats.timers == 0 and stats.waiting == 0 then
      -- The program's garbage was collected before.
      if stats.outstanding == 0 then break end
      collectgarbage()
    end
  end
  for _, name in ipairs { "operations", "timers", "waiting", "outstanding" } do
    if stats[name] ~= 0 then error(("%d %s left"):format(stats[name], name)) end
  end
end
local function program()
]]

local END = [[
end
return program, over
]]

--- A state with that program in the directory, which gets the arguments.
function programs.start(directory, source, ...)
  local path = directory .. "/program.lua"
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(BEGIN, source, END))
  assert(file:close())
  return torture.new(path, ...)
end

-- Raises unless the program runs, and leaves nothing, when there is memory.
local function expect_clean(state, where)
  local message, left = state:call()
  assert(message == nil, ("%s: %s"):format(where, message))
  assert(left == nil, ("%s: %s"):format(where, left))
end

--- Runs the program until no allocation fails any more: "pair" two fail in its course, "from" every
-- one from some point. Raises unless nothing is left each time and the state goes on.
function programs.fail_each(state, mode, name)
  expect_clean(state, "before")
  local n, raised = 0, 0
  local message, left, has_failed
  repeat
    n = n + 1
    local where = ("%s, %s at %d"):format(name, mode, n)
    local from = system.clock()
    message, left, has_failed = state:call(mode, n)
    assert(system.clock() - from < 30, where .. ": hung")
    assert(left == nil, ("%s: %s"):format(where, left))
    if has_failed and message then raised = raised + 1 end
    assert(has_failed or message == nil, ("%s: %s"):format(where, message))
    expect_clean(state, where)
  until not has_failed
  assert(raised > 10, ("%d of %d raised"):format(raised, n))
end

--- for name, title, mode, source in programs.each(list): every program in both modes.
function programs.each(list)
  return coroutine.wrap(function()
    for name, source in pairs(list) do
      coroutine.yield(name, "two allocations fail in the course of " .. name, "pair", source)
      coroutine.yield(name, "every allocation fails from some point of " .. name, "from", source)
    end
  end)
end

return programs
