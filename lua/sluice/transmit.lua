--- The last step of the pipeline: a request is sent once.

local core = require "sluice.core"
local compose = require "sluice.compose"
local finish = require "sluice.finish"
local progress = require "sluice.progress"
local proxy_login = require "sluice.proxy_login"
local push = require "sluice.push"

local transmit = {}

-- Raises the error of a task beside the exchange: that is why there is no answer.
local function raise_from(beside)
  local failed = beside and beside:status() == "done" and beside:await()
  if failed then error(failed[1], 0) end
end

-- Waits for the response of an exchange that has begun at that origin; `pushing` is the task that
-- gives it its body, if there is one.
local function await_response(origin, response, request, pushing)
  local report = request.options.on_progress
  local total = request.content and request.content.length or nil
  local reporting
  local is_answered, goes_on = false, false
  local beside <close> = setmetatable({}, { -- luacheck: ignore
    __close = function()
      if goes_on then return end
      if pushing then pushing:cancel() end
      if reporting then reporting:cancel() end
      if not is_answered then response:dispose() end
    end,
  })
  if report then reporting = progress.beside(response, report, total) end
  local answer, message, err = origin:wait(response)
  if not answer then
    raise_from(pushing)
    raise_from(reporting)
    return nil, message, err
  end
  goes_on = not answer:is_complete() and not core.leads_on(answer)
  if report then
    local function report_end()
      raise_from(reporting) -- which may have been the first to see the end
      if reporting:status() == "done" then return end
      reporting:cancel()
      report(answer:progress(total))
    end
    if goes_on then finish.set(answer, report_end) else report_end() end
  end
  is_answered = true
  return answer
end

-- Waits for the response of a request whose body is pushed, or whose progress is reported.
-- `trailers` are lines to send behind the body, or nil.
local function attend(origin, response, request, trailers)
  local body = request.content
  local pushing = body and body.pull and push.beside(response, body, trailers)
  return await_response(origin, response, request, pushing)
end

-- The plan of a request, and the lines of this sending alone, or nil.
-- Returns both | nil, message, err
local function plan_sending(call, request)
  if request.refusal then return nil, request.refusal.message, request.refusal end
  if call.client.connections == nil then
    return request:failure("closed", "client is closed")
  end
  local planned, message, err = compose.plan(call.client, request)
  if not planned then return nil, message, err end
  local lines
  lines, message, err = compose.lines(call, request, planned)
  if err then return nil, message, err end
  return planned, lines
end

-- Returns the lines behind a body, or nil for a body without trailers | nil, message, err
local function write_trailers(request)
  if not request.trailers then return nil end
  return core.field_lines(request.trailers)
end

-- Digest credentials for the proxy of this sending, and notes who may ask for them.
-- Returns the value of Proxy-Authorization, or nil for a sending without | nil, message, err
local function log_in(call, request, asked)
  local client, via = call.client, asked.via
  call.asked = { via = via, is_tunnel = asked.is_tunnel, nonce = proxy_login.nonce(client, via) }
  return proxy_login.answer(client, via, asked.is_tunnel and "CONNECT" or request.method, asked.uri)
end

-- The same where it is needed: as further lines of a request to the proxy itself, or as what the
-- core sends for a tunnel.
-- Returns the lines, and the value for a tunnel or nil | nil, message, err
local function add_login(call, request, planned, lines)
  if not planned.login then return lines end
  local value, message, err = log_in(call, request, planned.login)
  if err then return nil, message, err end
  if not value or planned.login.is_tunnel then return lines, value end
  local line
  line, message, err = core.field_lines { "Proxy-Authorization", value }
  if err then return nil, message, err end
  return (lines or "") .. line
end

--- Sends a request of a call. Returns response | nil, message, err. Yields.
function transmit.send(call, request)
  local planned, lines, err = plan_sending(call, request)
  if not planned then return nil, lines, err end
  local for_tunnel, trailers, message
  lines, for_tunnel, err = add_login(call, request, planned, lines)
  if err then return nil, for_tunnel, err end
  trailers, message, err = write_trailers(request)
  if err then return nil, message, err end
  call.sent = request
  local own, body, content, shown = request.options, request.content, nil, nil
  if body then
    content, shown, err = body:open()
    if content == nil then return nil, shown, err end
  end
  local closing <close> = shown -- luacheck: ignore
  local origin = planned.origin
  local is_attended = body and body.pull or own.on_progress
  local start = is_attended and origin.begin or origin.send
  call.attempts = call.attempts + 1
  local response
  response, message, err = start(origin, planned.head,
    compose.options(call.client, request.method, own, request:expects_continue()),
    call:info(planned), content, own.stream, body and body.length, lines,
    call.deadline, for_tunnel)
  if response and is_attended then
    response, message, err = attend(origin, response, request, trailers)
  end
  if not response then return call:count(nil, message, err) end
  return call:count(response)
end

return transmit
