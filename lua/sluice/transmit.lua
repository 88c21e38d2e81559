--- The last step of the pipeline: a request is sent once.

local core = require "sluice.core"
local compose = require "sluice.compose"
local progress = require "sluice.progress"
local push = require "sluice.push"

local transmit = {}

-- Raises what a task beside the exchange raised: that is why there is no answer.
local function raise_from(beside)
  local failed = beside and beside:status() == "done" and beside:await()
  if failed then error(failed[1], 0) end
end

-- Waits for the response of an exchange that has begun; `pushing` is the task that
-- gives it its body, if there is one.
local function await_response(response, request, pushing)
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
  local answer, message, err = response:wait()
  if not answer then
    raise_from(pushing)
    raise_from(reporting)
    return nil, message, err
  end
  goes_on = not answer:is_complete() and not core.leads_on(answer)
  if report and not goes_on then
    raise_from(reporting) -- which may have been the first to see the end
    if reporting:status() ~= "done" then report(answer:progress(total)) end
  end
  is_answered = true
  return answer
end

-- A request whose body is pushed, or whose progress is reported.
local function send_watched(sending, request, content)
  local body, lines = request.content, nil
  if request.trailers then
    local message, err
    lines, message, err = core.field_lines(request.trailers)
    if not lines then return nil, message, err end
  end
  local response, message, err = sending.origin:begin(sending.head, sending.options, sending.info,
    content, request.options.stream, body and body.length, body and body.name, sending.lines,
    sending.deadline)
  if not response then return nil, message, err end
  local pushing = body and body.kind == "pushed" and push.beside(response, body, lines)
  return await_response(response, request, pushing)
end

-- All that the core is given of a request beside its body: { origin, head, options, info,
-- lines, deadline } | nil, message, err
local function prepare(call, request)
  if request.refusal then return nil, request.refusal.message, request.refusal end
  if call.client.connections == nil then
    return request:failure("closed", "client is closed")
  end
  local planned, message, err = compose.plan(call.client, request)
  if not planned then return nil, message, err end
  local lines
  lines, message, err = compose.lines(request, planned)
  if err then return nil, message, err end
  return {
    origin = planned.origin,
    head = planned.head,
    options = compose.options(call.client, request.method, request.options,
      request:expects_continue()),
    info = call:info(planned),
    lines = lines,
    deadline = call.deadline,
  }
end

--- Sends a request of a call. Returns response | nil, message, err. Yields.
function transmit.send(call, request)
  local sending, message, err = prepare(call, request)
  if not sending then return nil, message, err end
  call.sent = request
  local body = request.content
  local content, shown, refusal
  if body then
    content, shown, refusal = body:open()
    if content == nil then return nil, shown, refusal end
  end
  local closing <close> = shown -- luacheck: ignore
  if body and body.kind == "pushed" or request.options.on_progress then
    return send_watched(sending, request, content)
  end
  local response
  response, message, err = sending.origin:send(sending.head, sending.options, sending.info, content,
    request.options.stream, body and body.length, body and body.name, sending.lines,
    sending.deadline)
  if not response then return nil, message, err end
  return response
end

return transmit
