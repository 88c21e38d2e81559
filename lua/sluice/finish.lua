--- A function to call once when a streamed body has ended, wherever that is noticed first:
-- the last report to `on_progress`.

local finish = {}

-- By response; forgotten with it.
local functions = setmetatable({}, { __mode = "k" })

function finish.set(response, f) functions[response] = f end

--- Calls the function, once. Its error is raised.
function finish.call(response)
  local f = functions[response]
  functions[response] = nil
  if f then f() end
end

return finish
