--- The last step of the pipeline: a request becomes bytes for an origin.

local core = require "sluice.core"
local auth = require "sluice.auth"
local failure = require "sluice.failure"
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

-- Deadlines, limits and traits for the core, compiled once where they are the
-- client's own.
local function compile(client, request)
  local own = request.options
  local is_stream = own.stream or false
  local is_plain = own.timeout == nil and own.limits == nil and own.decompress == nil
    and own.redirects == nil
  local key = is_plain and table.concat({ request.method, tostring(is_stream),
    tostring(own.expect_continue or false) }, " ")
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
  flat.expects_continue = own.expect_continue and request.body and true or false
  local compiled = core.options(flat)
  if key then client.compiled[key] = compiled end
  return compiled, flat
end

-- Credentials: a field of the caller's own, the option, the URL's user info, the
-- client's option, whichever comes first. None once a redirect has left the origin.
local function add_credentials(list, client, request, url)
  if request.is_foreign or fields.find(list, "Authorization") then return true end
  local value, message, err
  if request.options.auth then
    value, message, err = auth.value(request.options.auth)
  elseif url.userinfo then
    value, message, err = auth.from_userinfo(url.userinfo)
  elseif client.settings.auth then
    value, message, err = auth.value(client.settings.auth)
  else
    return true
  end
  if not value then return nil, message, err end
  fields.set(list, "Authorization", value)
  return true
end

-- What RFC 9110 9.3.7 and 9.3.8 demand of two rare methods.
local function check_method(request, list)
  local attempt = request.method .. " request"
  if request.method == "OPTIONS" and request.body and not fields.find(list, "Content-Type") then
    return failure.new("invalid", attempt, "a body needs a Content-Type")
  elseif request.method == "TRACE" then
    if request.body then return failure.new("invalid", attempt, "takes no body") end
    for _, name in ipairs { "Authorization", "Cookie", "Proxy-Authorization" } do
      if fields.find(list, name) then
        return failure.new("invalid", attempt, "would have " .. name .. " sent back")
      end
    end
  end
  return true
end

-- Fields in the order in which they travel: the caller's, framing, defaults.
local function complete_fields(client, request, url)
  local list = table.move(request.fields, 1, #request.fields, 1, {})
  local body, own = request.body, request.options
  local ok, message, err = fields.check(list)
  if not ok then return nil, message, err end
  ok, message, err = add_credentials(list, client, request, url)
  if ok then ok, message, err = check_method(request, list) end
  if not ok then return nil, message, err end
  local function add(name, value)
    list[#list + 1] = name
    list[#list + 1] = value
  end
  if body and body.length then
    add("Content-Length", tostring(body.length))
  elseif body then
    add("Transfer-Encoding", "chunked")
  elseif wants_length[request.method] then
    add("Content-Length", "0")
  end
  if own.trailers then
    if not body or body.length then
      return failure.new("invalid", "trailers", "only after a body of unknown length")
    end
    local names = {}
    local trailers = fields.flatten("request", own.trailers, 2)
    for i = 1, #trailers, 2 do names[#names + 1] = trailers[i] end
    add("Trailer", table.concat(names, ", "))
  end
  if own.expect_continue and body then add("Expect", "100-continue") end
  if client.settings.pool == false then add("Connection", "close") end
  fields.default(list, client.defaults)
  local decodes = own.decompress
  if decodes == nil then decodes = client.settings.decompress end
  if decodes ~= false then fields.default(list, { "Accept-Encoding", core.accepted_codings() }) end
  return list
end

--- What is sent where for this request.
-- Returns { origin, head, options, info } | nil, message, err
function transmit.plan(client, request)
  if client.connections == nil then
    return failure.new("closed", request.method .. " " .. request.url, "client is closed")
  end
  local url, message, err = plan.parse(request.url)
  if not url then return nil, message, err end
  local origin
  origin, message, err = client:origin(url)
  if not origin then return nil, message, err end
  -- RFC 9112 6.1: not to a server that is known to speak 1.0 only
  if request.body and not request.body.length and origin:is_old() then
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

-- The field lines behind a chunked body. Returns them, or nothing when there are
-- none | nil, message, err (invalid)
local function trailer_lines(request)
  local trailers = request.options.trailers
  if not trailers then return nil end
  return core.field_lines(fields.flatten("request", trailers, 2))
end

-- Gives the pieces of a body to the exchange, until they end or no more are wanted.
local function push_all(response, read, lines)
  while true do
    local piece, reason = read()
    if piece == nil then
      if reason ~= nil then return response:fail("request body: " .. tostring(reason)) end
      return response:finish(lines)
    end
    if #piece > 0 and not response:push(piece) then return end
  end
end

-- The same as a task, beside whoever waits for the response: a server may answer
-- while it reads. Its result is what `read` raised, if it did.
local function push_beside(response, read, lines)
  return core.spawn(function()
    local ok, raised = pcall(push_all, response, read, lines)
    if ok then return nil end
    response:fail("request body: " .. tostring(raised))
    return { raised }
  end)
end

-- Tells `on_progress` ten times a second how far the response's exchange has come,
-- when it has moved.
local function report(response, tell, total)
  local sent_before, received_before = 0, 0
  while core.sleep(0.1) and response:is_live() do
    local sent, received = response:progress()
    if sent ~= sent_before or received ~= received_before then
      sent_before, received_before = sent, received
      tell(response:progress(total))
    end
    if response:is_complete() then return end
  end
end

-- Waits for the response of an exchange that has begun; `pushing` is the task that
-- gives it its body, if there is one.
local function await_response(response, request, pushing)
  local tell = request.options.on_progress
  local total = request.body and request.body.length
  local reporting = tell and core.spawn(report, response, tell, total)
  local beside <close> = setmetatable({}, { -- luacheck: ignore
    __close = function(self)
      if self.goes_on then return end
      if pushing then pushing:cancel() end
      if reporting then reporting:cancel() end
      if not self.answer then response:dispose() end
    end,
  })
  local answer, message, err = response:wait()
  beside.answer = answer
  if not answer and pushing and pushing:status() == "done" then
    local failed = pushing:await()
    if failed then error(failed[1], 0) end
  end
  beside.goes_on = answer and not answer:is_complete()
  if tell and answer and answer:is_complete() then tell(answer:progress(total)) end
  return answer, message, err
end

-- A request whose body is pushed, or whose progress is told.
local function send_watched(planned, request, content)
  local body = request.body
  local lines, message, err = trailer_lines(request)
  if err then return nil, message, err end
  local response
  response, message, err = planned.origin:begin(planned.head, planned.options, planned.info,
    content, request.options.stream)
  if not response then return nil, message, err end
  local pushing = body and body.kind == "pushed" and push_beside(response, body.value, lines)
  return await_response(response, request, pushing)
end

--- Sends a request once. Returns response | nil, message, err. Yields.
function transmit.send(client, request)
  local planned, message, err = transmit.plan(client, request)
  if not planned then return nil, message, err end
  local body = request.body
  local content, shown
  if body then content, shown = body:open() end
  local closing <close> = shown -- luacheck: ignore
  if body and body.kind == "pushed" or request.options.on_progress then
    return send_watched(planned, request, content)
  end
  return planned.origin:send(planned.head, planned.options, planned.info, content,
    request.options.stream)
end

--- A value for a to-be-closed variable that disposes the body.
function transmit.closing(body)
  if not body then return nil end
  return setmetatable({}, { __close = function() body:dispose() end })
end

return transmit
