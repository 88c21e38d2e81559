--- Waiting for tasks, and for whatever else can be awaited.

local task = {}

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

--- Waits for every task, or whatever else `await` takes, in order. Yields. An error of
-- one is raised once the others have been waited for.
-- Returns an array of their first results | nil, message, err (cancelled): the tasks
-- go on
function task.all(tasks)
  if type(tasks) ~= "table" then
    error("all: array of tasks expected, got " .. type(tasks), 2)
  end
  for i, one in ipairs(tasks) do
    if not can_await(one) then
      error(("all: [%d]: task or completion expected, got %s"):format(i, type(one)), 2)
    end
  end
  local results, failed = {}, nil
  for i, one in ipairs(tasks) do
    local ok, value, message, err = pcall(one.await, one)
    if ok and value == nil and goes_on(one) then
      if failed == nil then return nil, message, err end
      break
    elseif ok then
      results[i] = value
    elseif failed == nil then
      failed = value
    end
  end
  if failed ~= nil then error(failed, 0) end
  return results
end

--- Waits for a task, a completion, or anything else with a method `await`.
function task.await(awaitable, ...)
  if not can_await(awaitable) then
    error("await: task or completion expected, got " .. type(awaitable), 2)
  end
  return awaitable:await(...)
end

return task
