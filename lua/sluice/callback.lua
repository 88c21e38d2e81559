--- The callback form of a request: `client:get(url, { on_done = f })`.
-- A task sends the request. `f` runs in the same task, inside a step of the loop, and may wait.

local Call = require "sluice.call"
local core = require "sluice.core"
local pipeline = require "sluice.pipeline"

local function send(client, request, message, err)
  if not request then return nil, message, err end
  local call <close> = Call.new(client, request)
  return pipeline.run(call, request)
end

-- Calls `f` with the outcome. A response is disposed if `f` raises: nobody else has it.
local function hand_on(f, response, message, err)
  local closing <close> = setmetatable({}, { __close = function(_, raised) -- luacheck: ignore
    if raised ~= nil and type(response) == "userdata" then response:dispose() end
  end })
  if response ~= nil then f(response) else f(nil, message, err) end
end

--- Sends a request in a task, then calls `f(response)` or `f(nil, message, err)`. Without a
-- request `message` and `err` say what is wrong with it. Errors are reported (`on_error`).
-- Returns the task, which may be cancelled.
return function(client, f, request, message, err)
  local task
  task = core.spawn(function()
    xpcall(function() hand_on(f, send(client, request, message, err)) end, function(raised)
      core.report_error(raised, debug.traceback(nil, 2), task)
      return raised
    end)
  end)
  return task
end
