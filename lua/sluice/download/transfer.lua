--- Brings the bytes of a download: asks for them, and writes them to a partial.
--
--     nothing is there   the whole file; with several ranges at a time its first piece, which says
--                        how long it is
--     a part is there    the rest, in one range or in several
--
-- Parts are put together only where a strong validator says that they are of the same version
-- (RFC 9110 13.1.5, 15.3.7). Everything else is fetched from its start.

local Call = require "sluice.call"
local core = require "sluice.core"
local failure = require "sluice.failure"
local pause = require "sluice.pause"
local pipeline = require "sluice.pipeline"
local ranges = require "sluice.download.ranges"
local retry = require "sluice.retry"
local task = require "sluice.task"
local version = require "sluice.download.version"

local Transfer = {}
Transfer.__index = Transfer

-- The least that is worth a request of its own.
local least_piece = 1 << 20

-- Pieces for each of the ranges that are fetched at a time, so that none is waited for at the end.
local pieces_each = 4

--- A transfer of what `template`, a request, asks for. `policy`: see retry.lua, or nil; `meter`:
-- gets the counts, see meter.lua; `attempt` names the file in messages.
function Transfer.new(template, partial, parallel, policy, meter, attempt)
  return setmetatable({
    client = template.client,
    template = template,
    partial = partial,
    parallel = parallel,
    policy = policy,
    meter = meter,
    attempt = attempt,
    is_stopped = false, -- one of several ranges has failed
  }, Transfer)
end

-- nil, message, err
local function fail(self, code, reason) return self.template:failure(code, reason, "body") end

-- A failure of the file.
local function fail_file(self, reason)
  return failure.new("invalid", self.attempt, reason, "body")
end

-- ---- one request ----

-- Asks for the bytes from `from` to `to`, excluded (nil: to the end); without `from` for all.
-- Returns response | nil, message, err
local function ask(self, from, to)
  local request = self.template:derive {}
  if from then
    local validator = version.validator(self.partial.known)
    request:set_header("Range", ("bytes=%d-%s"):format(from, to and ("%d"):format(to - 1) or ""))
    if validator then request:set_header("If-Range", validator) end
  end
  local call <close> = Call.new(self.client, request)
  call.deadline = self.deadline
  local response, message, err = pipeline.run(call, request)
  if response ~= nil and type(response) ~= "userdata" then
    return fail(self, "invalid", "an interceptor answered with no response")
  end
  return response, message, err
end

-- The failure of an answer that has no file: nil, message, err. The response is disposed.
local function refuse(response)
  local _, message, err =
    failure.of_status(response, retry.is_due(nil, response.method, response.status))
  err.response = nil
  response:dispose()
  return nil, message, err
end

-- Writes the body to the bytes from `at` on, `to` at most; nil: any number.
-- Returns the position behind the last one | nil, message, err
local function receive(self, response, at, to)
  while not self.is_stopped do
    local piece <close>, message, err = response:next_chunk()
    if err then return nil, message, err end
    if not piece then return at end
    if to and at + #piece > to then
      return fail(self, "protocol", "more bytes than the range of the response has")
    end
    local ok, reason = self.partial:write(piece, at)
    if not ok then return fail_file(self, reason) end
    at = at + #piece
    self.meter:report(self.partial:count(), self.partial.known.total)
  end
  return nil, "another range has failed"
end

-- ---- the whole file ----

-- Returns true | nil, message, err
local function take_whole(self, response)
  local partial, known = self.partial, version.of(response)
  local ok, reason = partial:begin(known)
  if not ok then return fail_file(self, reason) end
  local size, message, err = receive(self, response, 0)
  if not size then return nil, message, err end
  known.total = size
  known.digest = known.digest or not core.is_decoded(response)
    and response.trailers["Repr-Digest"] or nil
  return true
end

local function is_whole(response) return response.status == 200 or response.status == 203 end

-- Returns true | nil, message, err
local function fetch_whole(self)
  local response <close>, message, err = ask(self)
  if not response then return nil, message, err end
  if not is_whole(response) then return refuse(response) end
  return take_whole(self, response)
end

-- ---- a part of it ----

-- Answers of a server that has another version, or no ranges: the file is fetched from its start.
local starts_over = { [200] = true, [203] = true, [206] = true, [412] = true, [416] = true }

-- Writes the range of a 206. Returns the position behind it | nil, message, err
local function take_part(self, response, from, ends, total)
  local known = self.partial.known
  known.total = total
  known.digest = known.digest or response.headers["Repr-Digest"]
  local at, message, err = receive(self, response, from, ends)
  if not at then return nil, message, err end
  if at == ends then return at end
  self.partial:forget()
  return fail(self, "protocol", "fewer bytes than the range of the response has")
end

-- Fetches one piece of what is missing. Returns true | false: it has to start over
-- | nil, message, err
local function fetch_piece(self, from, to)
  while not to or from < to do
    local response <close>, message, err = ask(self, from, to)
    if not response then return nil, message, err end
    local ends, total
    if response.status == 206 then
      ends, total = version.fit(response, self.partial.known, from, to)
    end
    if not ends then
      if not starts_over[response.status] then return refuse(response) end
      -- Nobody else writes: what has come instead can be taken at once.
      if self.is_alone and is_whole(response) then return take_whole(self, response) end
      return false
    end
    from, message, err = take_part(self, response, from, ends, total)
    if not from then return nil, message, err end
    to = to or total
  end
  return true
end

-- The pieces to be fetched. Of a file that is all there, the last byte is asked for again: is it
-- still that of the server?
local function plan_pieces(self)
  local partial = self.partial
  local total = partial.known.total
  local missing = ranges.missing(partial.done, total)
  if not missing[1] then return { { total - 1, total } } end
  if self.parallel == 1 or not total then return missing end
  local left = total - partial:count()
  local most = math.max(least_piece, left // (self.parallel * pieces_each) + 1)
  return ranges.split(missing, most)
end

-- Fetches several pieces at a time. Returns as fetch_piece
local function fetch_side_by_side(self, pieces)
  local ok, reason = self.partial:scatter()
  if not ok then return fail_file(self, reason) end
  local outcome, message, err = true, nil, nil
  local leaving <close> = setmetatable({}, { -- luacheck: ignore
    __close = function() self.is_stopped = true end,
  })
  local function fetch(piece)
    if self.is_stopped then return true end
    local stopping <close> = setmetatable({}, { __close = function(_, raised) -- luacheck: ignore
      if raised ~= nil then self.is_stopped = true end
    end })
    local result, why, raised = fetch_piece(self, piece[1], piece[2])
    if not result and not self.is_stopped then
      self.is_stopped = true
      outcome, message, err = result, why, raised
    end
    return true
  end
  local results, why, cancelled = task.map(pieces, fetch, { limit = self.parallel })
  if not results then return nil, why, cancelled end
  return outcome, message, err
end

-- Returns as fetch_piece
local function fetch_missing(self)
  local pieces = plan_pieces(self)
  self.is_alone = #pieces == 1
  if not self.is_alone and self.parallel > 1 then return fetch_side_by_side(self, pieces) end
  for _, piece in ipairs(pieces) do
    local outcome, message, err = fetch_piece(self, piece[1], piece[2])
    if not outcome then return outcome, message, err end
  end
  return true
end

-- The first piece, by which a server shows that it has ranges. Returns as fetch_piece
local function fetch_first(self)
  local response <close>, message, err = ask(self, 0, least_piece)
  if not response then return nil, message, err end
  if is_whole(response) then return take_whole(self, response) end
  if response.status ~= 206 then return false end
  local ends, total = version.fit(response, {}, 0, least_piece)
  local known = version.of(response)
  if not ends or not version.validator(known) and ends < total then return false end
  known.total = total
  local ok, reason = self.partial:begin(known)
  if not ok then return fail_file(self, reason) end
  ends, message, err = take_part(self, response, 0, ends, total)
  if not ends then return nil, message, err end
  if ends == total then return true end
  return fetch_missing(self)
end

-- ---- all of it ----

-- Returns true | nil, message, err
local function attempt(self)
  local outcome, message, err = false, nil, nil
  self.is_stopped = false
  if self.partial:can_go_on() then
    outcome, message, err = fetch_missing(self)
  elseif self.parallel > 1 then
    outcome, message, err = fetch_first(self)
  end
  if outcome ~= false then return outcome, message, err end
  self.is_stopped = false
  return fetch_whole(self)
end

-- Failures in the middle of a body that a second request may do without.
local passing = { closed = true, timeout = true, tls = true, protocol = true }

-- The seconds before the next try, or nil. What failed before a body began was tried again already.
local function next_wait(self, count, err)
  local policy = self.policy
  if not policy or count > policy.tries or self.client.connections == nil then return nil end
  if type(err) ~= "table" or err.stage ~= "body" or not passing[err.code] then return nil end
  local seconds = retry.wait(policy, count)
  local ends = core.deadline(seconds)
  return (not self.deadline or ends and ends < self.deadline) and seconds or nil
end

--- Fetches what is missing. Returns true | nil, message, err. Yields.
function Transfer:run()
  self.meter:begin(self.partial:count())
  self.deadline = Call.deadline_of(self.client, self.template.options) -- of all requests
  for count = 1, math.huge do
    local ok, message, err = attempt(self)
    if ok then return true end
    local seconds = next_wait(self, count, err)
    if not seconds then return nil, message, err end
    local has_waited, reason = pause.wait(self.client, seconds)
    if not has_waited then
      if self.client.connections == nil then return fail(self, "closed", "client is closed") end
      return fail(self, "cancelled", reason)
    end
  end
end

return Transfer
