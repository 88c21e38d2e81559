--- A socket that is opened again when its connection is lost, by the option `reconnect`.
--
--     open --lost--> waiting <--> connecting --> open
--       |                \____________/
--       |                       | no tries left, refused, closed by the program
--       |--its end--> closed <--'
--       `--> closing ----^
--
-- The loss is noticed where the program receives or sends. A task of its own then waits and
-- connects; all who receive meanwhile wait for that.

local check = require "sluice.check"
local core = require "sluice.core"
local failure = require "sluice.failure"
local pause = require "sluice.pause"
local retry = require "sluice.retry"
local sockets = require "sluice.websocket.socket"

local reconnect = {}

local function is_code(value)
  return math.type(value) == "integer" and value >= 1000 and value <= 4999
end

local queue_schema = { messages = check.positive, bytes = check.positive }

local schema = {
  tries = check.positive,
  delay = check.seconds,
  max_delay = check.seconds,
  codes = check.array("array of close codes from 1000 to 4999", 100, is_code),
  queue = check.either("boolean or table", check.boolean, check.fields(queue_schema)),
  on_open = check.callable,
  on_state = check.callable,
}

--- Checker of the option.
reconnect.check = check.either("boolean or table", check.boolean, check.fields(schema))

-- Going away, no Close frame, an error inside the server.
local default_codes = { 1001, 1006, 1011 }

-- The limits of what waits while the connection is down; nil: nothing does.
local function limits_of(option)
  if not option then return nil end
  local limits = option == true and {} or option
  return { messages = limits.messages or 100, bytes = limits.bytes or 16 * 1024 * 1024 }
end

-- A policy of a checked option, also for retry.wait.
local function compile(option)
  if option == true then option = {} end
  local delay, codes = option.delay or 1, {}
  for _, code in ipairs(option.codes or default_codes) do codes[code] = true end
  return {
    tries = option.tries or 5,
    delay = delay,
    max_delay = option.max_delay or math.max(30, delay),
    max_retry_after = 60,
    jitter = 0.5, -- RFC 6455 7.2.3: not all clients at the same time
    codes = codes,
    limits = limits_of(option.queue),
    on_open = option.on_open,
    on_state = option.on_state,
  }
end

local Socket = { __name = "sluice.websocket" }

-- Properties that are those of the connection, also of one that was lost.
local of_connection = { close_code = true, close_reason = true, subprotocol = true,
  extensions = true, url = true, headers = true }

function Socket:__index(key)
  if of_connection[key] then return rawget(self, "socket")[key] end
  if key == "state" then
    local is_closing = self.phase == "open" and self.socket.state == "closing"
    return is_closing and "closing" or self.phase
  end
  return Socket[key]
end

for name, method in pairs(sockets.methods) do Socket[name] = method end

-- ---- state ----

local function set_state(self, state, err)
  if self.phase == state then return end
  self.phase = state
  if self.policy.on_state and not self.is_silent then self.policy.on_state(state, err) end
end

-- For good; `message` and `err` are given to all who ask.
local function end_with(self, message, err)
  if self.ending then return end
  self.ending = { message = message, err = err }
  self.waiting, self.waiting_bytes = {}, 0
  set_state(self, "closed", err)
end

local function fail(self) return nil, self.ending.message, self.ending.err end

-- A failure about this socket.
local function failure_of(self, code, reason)
  return failure.new(code, "websocket " .. self.url, reason, "websocket")
end

-- Ends with the last connection; `cause` is the failure that kept another one from being made.
local function end_lost(self, reason, cause)
  local _, message, err = failure_of(self, "closed", reason)
  err.close_code, err.close_reason = self.socket.close_code or 1006, self.socket.close_reason
  err.cause = cause
  end_with(self, message, err)
end

-- ---- a connection that is new ----

-- Sends what was to be sent meanwhile, in order. Returns whether all of it was; one that fails
-- stays the first.
local function send_waiting(self, socket)
  while self.waiting[1] do
    local first = self.waiting[1]
    local ok = socket:send(first.bytes, first.kind)
    if not ok then return false end
    if self.waiting[1] ~= first then return true end -- closed meanwhile
    table.remove(self.waiting, 1)
    self.waiting_bytes = self.waiting_bytes - #first.bytes
  end
  return true
end

-- Lets the program subscribe. What its hook raises is raised, unless the connection has ended
-- meanwhile. Returns whether it goes on.
local function subscribe(self, socket)
  if self.ending or not self.policy.on_open then return true end
  local kept <close> = setmetatable({ socket = socket }, { __close = function(owner)
    if owner.socket then owner.socket:dispose() end
  end })
  local ok, raised = pcall(self.policy.on_open, socket)
  if not ok and socket.state == "open" then error(raised, 0) end
  kept.socket = nil
  return ok
end

-- A new connection is there: the program subscribes, what waits is sent, then all go on.
-- Returns true | false: it was lost again | nil: it has ended for good
local function welcome(self, socket)
  self.socket, self.has_received, self.opened_at = socket, false, core.now()
  local is_ready = subscribe(self, socket) and send_waiting(self, socket)
  if self.ending then -- closed by the program meanwhile
    socket:dispose()
    return nil
  elseif is_ready then
    self.opening = nil
    set_state(self, "open")
    return true
  end
  local code = socket.close_code
  if code then
    table.insert(self.older, socket)
  else
    socket:dispose()
  end
  if not code or self.policy.codes[code] then return false end
end

-- ---- opening again ----

-- Failures that may be over at the next try.
local passing = { timeout = true, resolve = true, connect = true, proxy = true, tls = true,
  closed = true, memory = true }

local function may_try_again(self, err)
  if not self.client.connections or not failure.is(err) then return false end
  if err.code == "status" then return retry.is_due(nil, "GET", err.status) end
  return passing[err.code] or false
end

-- Tries once. Returns whether the connection is there | nil: there is no use in going on; and err
local function try(self)
  set_state(self, "waiting", self.lost)
  if not pause.wait(self.client, retry.wait(self.policy, self.tries)) then return nil, self.lost end
  set_state(self, "connecting")
  local socket, _, err = self.connect()
  if not socket then
    local is_passing = may_try_again(self, err)
    if failure.is(err) then err:dispose() end
    if is_passing then return false, err end
    return nil, err
  end
  return welcome(self, socket), nil
end

local function open_again(self)
  local is_open, err = false, self.lost
  local _ <close> = setmetatable({}, { __close = function()
    self.opening = nil
    if is_open then return end
    end_lost(self, ("the connection was lost (close code %d), and not opened again in %d of %d "
      .. "tries (reconnect.tries): %s"):format(self.socket.close_code or 1006, self.tries,
      self.policy.tries, err and err.message or "it was lost again"), err)
  end })
  while is_open == false and self.tries < self.policy.tries and not self.ending do
    self.tries = self.tries + 1
    is_open, err = try(self)
  end
end

local function open_later(self) self.opening = core.spawn_background(open_again, self) end

-- A message that arrived before a loss, or nil. Yields.
local function receive_older(self)
  while self.older[1] do
    local message = self.older[1]:receive(0)
    if message then
      self.tries = 0
      return message
    end
    table.remove(self.older, 1):dispose()
  end
end

-- Whether the connection of `socket` has ended in a way that another one makes good; it is being
-- opened then.
local function is_lost(self, socket, err)
  if self.opening or self.ending then return self.opening ~= nil end
  if socket ~= self.socket then return true end -- another coroutine has noticed it before
  local code = socket.close_code
  if self.is_closing or not code or not self.policy.codes[code] then return false end
  if self.has_received or core.now() - self.opened_at > self.policy.max_delay * 1e9 then
    self.tries = 0
  end
  table.insert(self.older, socket)
  self.lost = err
  open_later(self)
  return true
end

-- ---- what a program calls ----

-- Raises where the program calls a method of a socket that it has disposed.
local function check_live(self)
  if self.is_silent then error("use of disposed websocket", 3) end
end

-- Waits until there is a connection again, or none will be, or until the deadline.
-- Returns true | nil, message, err (timeout, cancelled). Yields.
local function await_opening(self, deadline)
  local opening = self.opening
  local seconds = deadline and math.max((deadline - core.now()) / 1e9, 0) or nil
  local _, message, err = opening:await(seconds)
  if self.opening == opening and err then return nil, message, err end
  return true
end

-- A time-out while there is no connection reads as one of a message that did not come.
-- Returns nil, message, err
local function fail_waiting(self, timeout, message, err)
  if err.code ~= "timeout" then return nil, message, err end
  local _, _, late = failure.new("timeout", "receive from " .. self.url,
    ("no message within %g s"):format(timeout), "websocket")
  return nil, "timeout", late
end

--- receive of the core, over all connections. Yields.
function Socket:receive(timeout)
  check_live(self)
  if timeout ~= nil and check.seconds(timeout) then
    error(("receive: timeout: %s expected, got %s"):format(check.seconds(timeout),
      math.type(timeout) and tostring(timeout) or type(timeout)), 2)
  end
  local deadline = timeout and core.deadline(timeout) or nil
  while true do
    local older = receive_older(self)
    if older then return older end
    if self.ending then return fail(self) end
    if self.opening then
      local ok, message, err = await_opening(self, deadline)
      if not ok then return fail_waiting(self, timeout, message, err) end
    else
      local left = deadline and math.max((deadline - core.now()) / 1e9, 0) or timeout
      local socket = self.socket
      local message, text, err = socket:receive(left)
      if message then
        self.has_received = true
        return message
      elseif not is_lost(self, socket, err) then
        if socket.close_code then end_with(self, text, err) end
        return nil, text, err
      end
    end
  end
end

-- The bytes of a message as a string, a lease is disposed | nil: it is none that can wait.
local function take_bytes(bytes)
  if type(bytes) == "string" then return bytes end
  if not sockets.is_whole(bytes) then return nil end
  local text = bytes:tostring()
  if getmetatable(bytes).__name == "sluice.lease" then bytes:dispose() end
  return text
end

-- Keeps a message until there is a connection again.
-- Returns true | nil, message, err (closed: nothing is kept; limit, invalid)
local function keep_back(self, bytes, kind)
  local limits, text = self.policy.limits, take_bytes(bytes)
  if not limits then
    local _, message, err = failure_of(self, "closed",
      "the connection is being opened again (reconnect.queue keeps what is sent meanwhile)")
    err.retryable = true
    return nil, message, err
  end
  if not text then
    return failure_of(self, "invalid", "a function or reader cannot wait for a connection")
  end
  if kind ~= "binary" and not utf8.len(text) then
    return failure_of(self, "invalid", "the text is not UTF-8")
  end
  if #self.waiting >= limits.messages or self.waiting_bytes + #text > limits.bytes then
    return failure_of(self, "limit", ("%d messages of %d bytes wait for a connection "
      .. "(reconnect.queue)"):format(#self.waiting, self.waiting_bytes))
  end
  self.waiting[#self.waiting + 1] = { bytes = text, kind = kind }
  self.waiting_bytes = self.waiting_bytes + #text
  return true
end

--- send of the core. While the connection is down a message waits, or is refused. Yields.
function Socket:send(bytes, kind)
  check_live(self)
  sockets.check_message(bytes, kind, 2) -- the core would name a line of this file
  if self.ending then return fail(self) end
  local socket = self.socket
  if self.opening or socket.state ~= "open" and is_lost(self, socket) then
    return keep_back(self, bytes, kind)
  end
  local ok, message, err = socket:send(bytes, kind)
  if not ok then is_lost(self, socket, err) end
  return ok, message, err
end

--- ping of the core.
function Socket:ping(payload)
  check_live(self)
  sockets.check_ping(payload, 2)
  if self.ending then return fail(self) end
  if self.opening then
    return failure_of(self, "closed", "the connection is being opened again")
  end
  return self.socket:ping(payload)
end

-- Ends the opening of another connection.
local function stop(self)
  local opening = self.opening
  self.is_closing, self.opening = true, nil
  if not opening then return false end
  end_lost(self, "closed by this side")
  opening:cancel()
  return true
end

--- close of the core; it ends the opening of another connection at once. Yields.
function Socket:close(code, reason)
  check_live(self)
  sockets.check_closing(code, reason, 2)
  if self.ending or stop(self) then return true end
  local ok, message, err = self.socket:close(code, reason)
  if self.socket.state == "closed" then set_state(self, "closed", err) end
  return ok, message, err
end

--- dispose of the core, the same without a report to `on_state`, which might wait.
function Socket:dispose()
  self.is_silent = true
  if not stop(self) then self.socket:dispose() end
  set_state(self, "closed")
  for _, socket in ipairs(self.older) do socket:dispose() end
end

Socket.__close = Socket.dispose

function Socket:__tostring() return ("sluice.websocket (%s)"):format(self.state) end

--- The socket of a new connection, and of those that `connect` opens when this one is lost.
-- `option` is the checked option `reconnect`. What a hook raises is raised.
function reconnect.new(client, option, socket, connect)
  local self = setmetatable({
    client = client,
    policy = compile(option),
    connect = connect, -- function() -> socket | nil, message, err
    socket = socket, -- the last one
    phase = false, -- the state, but for "closing", which is that of the connection
    opening = nil, -- the task that opens another one
    ending = nil, -- { message =, err = } once it is closed for good
    is_closing = false, -- by the program
    is_silent = false, -- disposed
    lost = nil, -- err of the last connection
    tries = 0,
    opened_at = 0,
    has_received = false,
    older = {}, -- sockets that were lost, and may hold messages that arrived before
    waiting = {}, -- messages to be sent, as { bytes =, type = }
    waiting_bytes = 0,
  }, Socket)
  local is_open = welcome(self, socket)
  if is_open == false then
    open_later(self)
  elseif is_open == nil then
    end_lost(self, ("the connection has ended (close code %d)"):format(socket.close_code))
  end
  return self
end

return reconnect
