--- A body whose pieces come from the program: pushed by a task beside the exchange, because
-- a server may answer while it still reads.

local core = require "sluice.core"

local push = {}

-- Gives the pieces of a body to the exchange, until they end or no more are wanted. A piece
-- is asked for only when it can be sent. `lines` follow the pieces, if given.
local function push_all(response, body, lines)
  local pieces, bytes = 0, 0
  local held <close> = body:hold() -- luacheck: ignore
  if not response:await_room() then return end
  while true do
    local piece, reason = body:read()
    if piece == nil then
      if reason ~= nil then return response:fail("request body: " .. tostring(reason)) end
      return response:finish(lines)
    end
    if #piece > 0 and not response:push(piece) then return end
    pieces, bytes = pieces + 1, bytes + #piece
    if response:must_take_turn(pieces, bytes) then
      pieces, bytes = 0, 0
      if not response:await_turn() then return end
    end
  end
end

--- Starts the task. An error of the body ends the exchange, and is the task's result, in a
-- table.
function push.beside(response, body, lines)
  return core.spawn_background(function()
    local ok, raised = pcall(push_all, response, body, lines)
    if ok then return nil end
    response:fail("request body: " .. tostring(raised))
    return { raised }
  end)
end

return push
