--- Waiting for tasks, and for whatever else can be awaited.

local task = {}

local function is_over(one)
  local status = one:status()
  return status == "done" or status == "failed"
end

--- Waits for every task, in order. Yields. An error of one is raised once the others
-- have been waited for.
-- Returns an array of their first results | nil, message, err (cancelled): the tasks
-- go on
function task.all(tasks)
  if type(tasks) ~= "table" then
    error("all: array of tasks expected, got " .. type(tasks), 2)
  end
  local results, failed = {}, nil
  for i, one in ipairs(tasks) do
    local ok, value, message, err = pcall(one.await, one)
    if ok and value == nil and not is_over(one) then
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
  local kind = type(awaitable)
  if kind ~= "userdata" and kind ~= "table" or type(awaitable.await) ~= "function" then
    error("await: task or completion expected, got " .. kind, 2)
  end
  return awaitable:await(...)
end

return task
