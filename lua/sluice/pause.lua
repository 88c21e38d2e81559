--- A wait between two sendings of a call. It ends with its client, and leaves no timer behind.

local core = require "sluice.core"

local pause = {}

local Pause = {}
Pause.__index = Pause

function Pause:cancel()
  if self.sleeping then self.sleeping:cancel() end
end

function Pause:__close()
  self.client.pauses[self] = nil
  self:cancel()
end

--- Waits for so many seconds. Returns true | nil, why the wait was cancelled: its coroutine was,
-- or the client closed. Yields.
function pause.wait(client, seconds)
  local function sleep() return core.sleep(seconds) end
  -- Known before it begins, so that it is ended if memory runs out.
  local self <close> = setmetatable({ client = client, sleeping = false }, Pause)
  client.pauses[self] = true
  self.sleeping = core.spawn_background(sleep)
  local ok, message = self.sleeping:await()
  if ok then return true end
  return nil, (message:gsub("^[%a ]+: ", ""))
end

--- Ends the waits of a client that closes.
function pause.end_all(client)
  for waiting in pairs(client.pauses) do waiting:cancel() end
end

return pause
