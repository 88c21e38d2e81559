--- Waiting for tasks, and for whatever else can be awaited.

local check = require "sluice.check"
local core = require "sluice.core"

local task = {}

local map_schema = { limit = check.positive }

-- Whether it is a task that goes on, whose nil is no result of its own.
local function goes_on(one)
  if type(one.status) ~= "function" then return false end
  local status = one:status()
  return status ~= "done" and status ~= "failed"
end

local function can_await(one)
  local kind = type(one)
  return (kind == "userdata" or kind == "table") and type(one.await) == "function"
end

local function check_tasks(name, tasks)
  if type(tasks) ~= "table" then
    local got = can_await(tasks) and "a task: write {task, ...} around them" or type(tasks)
    error(("%s: array of tasks expected, got %s"):format(name, got), 3)
  end
  for i, one in ipairs(tasks) do
    if not can_await(one) then
      error(("%s: [%d]: task or completion expected, got %s"):format(name, i, type(one)), 3)
    end
  end
end

-- Hands on an error that cannot be raised, because another one is.
local function report(one, raised)
  core.report_error(raised, type(one.traceback) == "function" and one:traceback() or nil, one)
end

-- Adds what one of several gave to the results.
local function keep(results, i, value, message, err)
  results[i] = value
  if value == nil then results.errors[i] = err or message end
end

--- Waits for every task, or whatever else `await` takes, in order. Yields. An error of
-- one is raised once the others have been waited for; those of further ones are
-- reported, see `on_error`.
-- Returns an array of their first results, whose `n` is how many there were, and whose
-- `errors[i]` is the err of one that returned nil, message, err
-- | nil, message, err (cancelled): the tasks go on
function task.all(tasks)
  check_tasks("all", tasks)
  local results, failed, has_failed = { n = #tasks, errors = {} }, nil, false
  for i, one in ipairs(tasks) do
    local ok, value, message, err = pcall(one.await, one)
    if ok and value == nil and goes_on(one) then
      if not has_failed then return nil, message, err end
      break
    elseif ok then
      keep(results, i, value, message, err)
    elseif has_failed then
      report(one, value)
    else
      failed, has_failed = value, true
    end
  end
  if has_failed then error(failed, 0) end
  return results
end

local function cancel_all(tasks)
  for _, one in ipairs(tasks) do
    if type(one.cancel) == "function" then one:cancel() end
  end
end

-- Cancels the tasks in it when it is closed.
local Leaving = { __close = cancel_all }

--- Calls f(item, i) for each item of a list, each in a task of its own; with `limit`, for
-- so many at a time. Yields.
-- Returns what `all` returns. Once an f has raised no more are begun, and the error is
-- raised when those under way have ended. What was started is cancelled when the caller
-- leaves before: when it is cancelled, or closed.
function task.map(list, f, options)
  if type(list) ~= "table" then error("map: array expected, got " .. type(list), 2) end
  if type(f) ~= "function" then error("map: function expected, got " .. type(f), 2) end
  if options == nil then options = {} end
  check.options("map", options, map_schema, 2)
  local count = #list
  local limit = options.limit or count
  local results, position, has_failed = { n = count, errors = {} }, 0, false
  local function work()
    while position < count and not has_failed do
      position = position + 1
      local i = position
      local _ <close> = setmetatable({}, { __close = function(_, raised)
        if raised ~= nil then has_failed = true end
      end })
      keep(results, i, f(list[i], i))
    end
  end
  local workers <close> = setmetatable({}, Leaving)
  for i = 1, math.min(limit, count) do workers[i] = core.spawn(work) end
  local done, message, err = task.all(workers)
  if not done then return nil, message, err end
  return results
end

--- Waits for the first of several tasks, or whatever else `await` takes, to end. Yields.
-- Returns its results; raises its error. The others are cancelled, and all are when the
-- caller leaves before.
function task.race(tasks)
  check_tasks("race", tasks)
  if not tasks[1] then error("race: at least one task expected", 2) end
  local given <close> = setmetatable({ table.unpack(tasks) }, Leaving)
  local watchers <close> = setmetatable({}, Leaving)
  local first
  local gate = core.spawn_background(core.sleep, math.huge)
  watchers[1] = gate
  for _, one in ipairs(given) do
    watchers[#watchers + 1] = core.spawn_background(function()
      local ended = table.pack(pcall(one.await, one))
      if ended[1] and ended[2] == nil and goes_on(one) then return end -- no longer watched
      if not first then
        first = ended
        gate:cancel()
      elseif not ended[1] then
        report(one, ended[2])
      end
    end)
  end
  local _, message, err = gate:await()
  if not first then return nil, message, err end
  if not first[1] then error(first[2], 0) end
  return table.unpack(first, 2, first.n)
end

--- Whether a value is what a coroutine yields that waits: who resumes coroutines by hand
-- tells it from values.
function task.is_waiting(value) return value == core.waiting end

--- Waits for a task, a completion, or anything else with a method `await`.
function task.await(awaitable, ...)
  if not can_await(awaitable) then
    error("await: task or completion expected, got " .. type(awaitable), 2)
  end
  return awaitable:await(...)
end

return task
