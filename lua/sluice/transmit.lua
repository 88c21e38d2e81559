--- The last step of the pipeline: a request becomes bytes for an origin.

local core = require "sluice.core"
local auth = require "sluice.auth"
local failure = require "sluice.failure"
local finish = require "sluice.finish"
local fields = require "sluice.fields"
local plan = require "sluice.plan"
local redirects = require "sluice.redirects"

local transmit = {}

local idempotent = { GET = true, HEAD = true, PUT = true, DELETE = true, OPTIONS = true,
  TRACE = true }
local wants_length = { POST = true, PUT = true, PATCH = true }

local buffered_body_limit = 64 * 1024 * 1024

local function merge_into(target, from)
  if type(from) == "table" then
    for key, value in pairs(from) do target[key] = value end
  elseif from ~= nil then
    target.total = from
  end
end

-- RFC 9110 10.1.1: not of a request without content
local function expects_continue(request)
  local content = request.content
  return request.options.expect_continue and content and content.length ~= 0 or false
end

-- Deadlines, limits and traits for the core, compiled once where they are the
-- client's own.
local function compile(client, request)
  local own = request.options
  local is_stream = own.stream or false
  local is_plain = own.timeout == nil and own.limits == nil and own.decompress == nil
    and own.redirects == nil
  local expects = expects_continue(request)
  local key = is_plain and table.concat({ request.method, tostring(is_stream),
    tostring(expects) }, " ")
  if key and client.compiled[key] then return client.compiled[key] end

  local flat = {}
  if is_stream then
    flat.total = math.huge
    flat.body = math.maxinteger
  else
    flat.body = buffered_body_limit
  end
  merge_into(flat, client.settings.timeout)
  merge_into(flat, own.timeout)
  local limits = {}
  merge_into(limits, client.settings.limits)
  merge_into(limits, own.limits)
  merge_into(flat, limits)
  local decodes = own.decompress
  if decodes == nil then decodes = client.settings.decompress end
  flat.decodes = decodes ~= false
  flat.is_head = request.method == "HEAD"
  flat.follows_redirects = redirects.limit(client, request) > 0
  flat.wants_close = client.settings.pool == false
  flat.is_idempotent = idempotent[request.method] or false
  flat.expects_continue = expects
  local compiled = core.options(flat)
  if key then client.compiled[key] = compiled end
  return compiled, flat
end

-- Credentials: a field of the caller's own, the option, the URL's user info, the
-- client's option, whichever comes first. None once a redirect has left the origin;
-- the client's own stay with the origin of its base_url.
local function add_credentials(list, client, request, url)
  if request.is_foreign or fields.find(list, "Authorization") then return true end
  local value, message, err
  if request.options.auth then
    value, message, err = auth.value(request.options.auth)
  elseif url.userinfo and url.userinfo ~= "" then
    value, message, err = auth.from_userinfo(url.userinfo)
  elseif client.settings.auth and client:is_home(url) then
    value, message, err = auth.value(client.settings.auth)
  else
    return true
  end
  if not value then return nil, message, err end
  fields.set(list, "Authorization", value)
  return true
end

-- What RFC 9110 9.3.6 to 9.3.8 demand of three rare methods.
local function check_method(request, list)
  local attempt = request.method .. " request"
  if request.method == "CONNECT" then
    return failure.new("invalid", attempt, "tunnels are not offered")
  elseif request.method == "OPTIONS" and request.content
    and not fields.find(list, "Content-Type") then
    return failure.new("invalid", attempt, "a body needs a Content-Type")
  elseif request.method == "TRACE" then
    if request.content then return failure.new("invalid", attempt, "takes no body") end
    for _, name in ipairs { "Authorization", "Cookie", "Proxy-Authorization" } do
      if fields.find(list, name) then
        return failure.new("invalid", attempt, "would have " .. name .. " sent back")
      end
    end
  end
  return true
end

local function add(list, name, value)
  list[#list + 1] = name
  list[#list + 1] = value
end

-- How long the body is, and which fields come behind it.
-- Returns true | nil, message, err (invalid)
local function add_framing(list, request)
  local content, trailers = request.content, request.trailers
  if content and content.length then
    add(list, "Content-Length", tostring(content.length))
  elseif content then
    add(list, "Transfer-Encoding", "chunked")
  elseif wants_length[request.method] then
    add(list, "Content-Length", "0")
  end
  if not trailers or not trailers[1] then return true end
  if not content or content.length then
    return failure.new("invalid", "trailers", "only after a body of unknown length")
  end
  local names = {}
  for i = 1, #trailers, 2 do names[#names + 1] = trailers[i] end
  add(list, "Trailer", table.concat(names, ", "))
  return true
end

-- Fields in the order in which they travel: the caller's, framing, defaults.
local function complete_fields(client, request, url)
  local list = table.move(request.fields, 1, #request.fields, 1, {})
  local ok, message, err = fields.check(list)
  if ok then ok, message, err = add_credentials(list, client, request, url) end
  if ok then ok, message, err = check_method(request, list) end
  if ok then ok, message, err = add_framing(list, request) end
  if not ok then return nil, message, err end
  if expects_continue(request) then add(list, "Expect", "100-continue") end
  if client.settings.pool == false then add(list, "Connection", "close") end
  fields.default(list, client.defaults)
  local decodes = request.options.decompress
  if decodes == nil then decodes = client.settings.decompress end
  -- Part of a coded body could not be decoded.
  if decodes ~= false and not fields.find(list, "Range") then
    fields.default(list, { "Accept-Encoding", core.accepted_codings() })
  end
  return list
end

--- What is sent where for this request.
-- Returns { origin, head, options, info } | nil, message, err
function transmit.plan(client, request)
  if client.connections == nil then
    return failure.new("closed", request.method .. " " .. plan.shown(request.url),
      "client is closed")
  end
  local url, message, err = plan.parse(request.url)
  if not url then return nil, message, err end
  local origin
  origin, message, err = client:origin(url)
  if not origin then return nil, message, err end
  -- RFC 9112 6.1: not to a server that is known to speak 1.0 only
  if request.content and not request.content.length and origin:is_old() then
    return failure.new("unsupported", request.method .. " " .. url.text,
      "the server speaks HTTP/1.0: a body needs a length")
  end
  local list
  list, message, err = complete_fields(client, request, url)
  if not list then return nil, message, err end
  local head
  head, message, err = core.request_head(request.method, url.target, url.authority, list)
  if not head then return nil, message, err end
  return {
    origin = origin,
    head = head,
    options = compile(client, request),
    info = { method = request.method, url = url.text, serializer = client.serializer },
  }
end

-- Pieces and bytes of a body after which others get their turn.
local turn_pieces, turn_bytes = 64, 64 * 1024

-- Gives the pieces of a body to the exchange, until they end or no more are wanted.
-- Asked for are they when they can be sent. `lines` come behind them, if any.
local function push_all(response, content, lines)
  local pieces, bytes = 0, 0
  if not response:await_room() then return end
  while true do
    local piece, reason = content:read()
    if piece == nil then
      if reason ~= nil then return response:fail("request body: " .. tostring(reason)) end
      return response:finish(lines)
    end
    if #piece > 0 and not response:push(piece) then return end
    pieces, bytes = pieces + 1, bytes + #piece
    if pieces >= turn_pieces or bytes >= turn_bytes then
      pieces, bytes = 0, 0
      coroutine.yield()
      if not response:await_room() then return end
    end
  end
end

-- The same as a task, beside whoever waits for the response: a server may answer
-- while it reads. Its result is what was raised, if anything was.
local function push_beside(response, content, lines)
  return core.spawn(function()
    local ok, raised = pcall(push_all, response, content, lines)
    if ok then return nil end
    response:fail("request body: " .. tostring(raised))
    return { raised }
  end)
end

-- Tells `on_progress` ten times a second how far the exchange has come, when it has
-- moved, and once at its end. `progress` outlives the response.
local function report_all(progress, tell, total)
  local sent_before, received_before = 0, 0
  while core.sleep(0.1) do
    local is_over, is_complete = progress:is_over()
    local sent, received, to_send, to_receive = progress:counts(total)
    if is_over and not is_complete then return end
    if is_over or sent ~= sent_before or received ~= received_before then
      sent_before, received_before = sent, received
      tell(sent, received, to_send, to_receive)
    end
    if is_over then return end
  end
end

-- The same as a task, whose result is what `tell` raised, if it did. That ends the
-- exchange.
local function report_beside(progress, tell, total)
  return core.spawn(function()
    local watched <close> = progress
    local ok, raised = pcall(report_all, watched, tell, total)
    if ok then return nil end
    watched:fail("on_progress: " .. tostring(raised))
    return { raised }
  end)
end

-- Raises what a task beside the exchange raised: that is why there is no answer.
local function raise_from(beside)
  local failed = beside and beside:status() == "done" and beside:await()
  if failed then error(failed[1], 0) end
end

-- Waits for the response of an exchange that has begun; `pushing` is the task that
-- gives it its body, if there is one.
local function await_response(response, request, pushing)
  local tell = request.options.on_progress
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
  if tell then reporting = report_beside(response:watch(), tell, total) end
  local answer, message, err = response:wait()
  if not answer then
    raise_from(pushing)
    raise_from(reporting)
    return nil, message, err
  end
  goes_on = not answer:is_complete()
  if tell then
    local function report_end()
      raise_from(reporting) -- which may have been the first to see the end
      if reporting:status() == "done" then return end
      reporting:cancel()
      tell(answer:progress(total))
    end
    if goes_on then finish.set(answer, report_end) else report_end() end
  end
  is_answered = true
  return answer, message, err
end

-- A request whose body is pushed, or whose progress is told.
local function send_watched(planned, request, content)
  local body, lines = request.content, nil
  if request.trailers then
    local message, err
    lines, message, err = core.field_lines(request.trailers)
    if not lines then return nil, message, err end
  end
  local response, message, err = planned.origin:begin(planned.head, planned.options, planned.info,
    content, request.options.stream)
  if not response then return nil, message, err end
  local pushing = body and body.pull and push_beside(response, body, lines)
  return await_response(response, request, pushing)
end

--- Sends a request once. Returns response | nil, message, err. Yields.
function transmit.send(client, request)
  if request.refusal then return nil, request.refusal.message, request.refusal end
  local planned, message, err = transmit.plan(client, request)
  if not planned then return nil, message, err end
  local body = request.content
  local content, shown, refusal
  if body then
    content, shown, refusal = body:open()
    if content == nil then return nil, shown, refusal end
  end
  local closing <close> = shown -- luacheck: ignore
  if body and body.pull or request.options.on_progress then
    return send_watched(planned, request, content)
  end
  return planned.origin:send(planned.head, planned.options, planned.info, content,
    request.options.stream)
end

return transmit
