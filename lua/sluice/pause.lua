--- A wait between two sendings of a call. It ends with its client, and leaves no timer behind.

local core = require "sluice.core"

local pause = {}

local Pause = {}

function Pause:__close()
  self.client.pauses[self.sleeping] = nil
  self.sleeping:cancel()
end

--- Waits for so many seconds. Returns true | nil, why the wait was cancelled: its coroutine was,
-- or the client closed. Yields.
function pause.wait(client, seconds)
  local sleeping = core.spawn_background(function() return core.sleep(seconds) end)
  client.pauses[sleeping] = true
  local closing <close> = setmetatable({ client = client, sleeping = sleeping }, Pause) -- luacheck: ignore
  local ok, message = sleeping:await()
  if ok then return true end
  return nil, (message:gsub("^[%a ]+: ", ""))
end

--- Ends the waits of a client that closes.
function pause.end_all(client)
  for sleeping in pairs(client.pauses) do sleeping:cancel() end
end

return pause
