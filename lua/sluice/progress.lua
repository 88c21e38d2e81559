--- Reports to `on_progress`, by a task beside the exchange.

local core = require "sluice.core"

local progress = {}

-- Calls `report` with the exchange's progress, ten times a second when it has moved, and
-- once at its end. `watched` outlives the response.
local function report_all(watched, report, total)
  local sent_before, received_before = 0, 0
  while core.sleep(0.1) do
    local is_over, is_complete = watched:is_over()
    local sent, received, to_send, to_receive = watched:counts(total)
    if is_over and not is_complete then return end
    if is_over or sent ~= sent_before or received ~= received_before then
      sent_before, received_before = sent, received
      report(sent, received, to_send, to_receive)
    end
    if is_over then return end
  end
end

--- Starts the task for a response; `total` is the length of the body that is sent, if
-- known. An error of `report` ends the exchange, and is the task's result, in a table.
function progress.beside(response, report, total)
  local watching = response:watch()
  return core.spawn_background(function()
    local watched <close> = watching
    local ok, raised = pcall(report_all, watched, report, total)
    if ok then return nil end
    watched:fail("on_progress: " .. tostring(raised))
    return { raised }
  end)
end

return progress
