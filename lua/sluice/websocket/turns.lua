--- Turns: one at a time for each key, in the order of asking.
--
--     queue of a key    [turn] <- [waiting] <- [waiting]    the first one is at work
--
-- A turn is closed when its work is done, and a wait for one may be cut short at any time; then
-- the others move up.

local core = require "sluice.core"
local failure = require "sluice.failure"

local turns = {}

local Turn = { __name = "sluice.turn" }
Turn.__index = Turn

-- Ends the wait of a turn.
function Turn:cancel()
  if self.sleeping then self.sleeping:cancel() end
end

-- The one behind moves up.
function Turn:__close()
  local before, behind, queues = self.before, self.behind, self.queues
  self:cancel()
  self.client.pauses[self] = nil
  if queues[self.key] == self then queues[self.key] = before end
  if before then before.behind = behind end
  if not behind then return end
  behind.before = before
  if not before then behind:cancel() end
end

-- Sleeps until the turn has come, or the deadline, or a cancellation. Yields.
local function sleep(self, deadline)
  local seconds = deadline and math.max((deadline - core.now()) / 1e9, 0) or math.huge
  self.sleeping = core.spawn_background(core.sleep, seconds)
  return self.sleeping:await()
end

--- Waits for the turn of that key in a client, at most until `deadline` (of core.deadline; nil:
-- none). Behind that it is given, too: what is done then fails by its deadline; so it is when the
-- client closes. The caller closes it.
-- Returns a turn | nil, message, err (cancelled). Yields.
function turns.take(client, key, deadline)
  local queues = client.turns
  local before = queues[key]
  local self = setmetatable({ client = client, queues = queues, key = key, before = before,
    behind = nil, sleeping = nil }, Turn)
  queues[key] = self
  if not before then return self end
  before.behind = self
  local waiting <close> = setmetatable({ turn = self }, { -- luacheck: ignore
    __close = function(owner)
      if owner.turn then Turn.__close(owner.turn) end
    end,
  })
  client.pauses[self] = true
  local has_slept, message = sleep(self, deadline)
  if self.before and not has_slept and client.connections then
    return failure.new("cancelled", "websocket", (message:gsub("^[%a ]+: ", "")))
  end
  waiting.turn = nil
  return self
end

return turns
