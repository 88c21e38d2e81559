--- The last step of the pipeline: a request becomes bytes for an origin.

local core = require "sluice.core"
local auth = require "sluice.auth"
local failure = require "sluice.failure"
local fields = require "sluice.fields"
local plan = require "sluice.plan"

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
  merge_into(flat, client.options.timeout)
  merge_into(flat, own.timeout)
  local limits = {}
  merge_into(limits, client.options.limits)
  merge_into(limits, own.limits)
  merge_into(flat, limits)
  local decodes = own.decompress
  if decodes == nil then decodes = client.options.decompress end
  flat.decodes = decodes ~= false
  flat.is_head = request.method == "HEAD"
  flat.wants_close = client.options.pool == false
  flat.is_idempotent = idempotent[request.method] or false
  flat.expects_continue = own.expect_continue and request.body and true or false
  local compiled = core.options(flat)
  if key then client.compiled[key] = compiled end
  return compiled, flat
end

-- Credentials: a field of the caller's own, the option, the URL's user info, the
-- client's option, whichever comes first.
local function add_credentials(list, client, request, url)
  if fields.find(list, "Authorization") then return true end
  local value, message, err
  if request.options.auth then
    value = auth.value(request.options.auth)
  elseif url.userinfo then
    value, message, err = auth.from_userinfo(url.userinfo)
    if not value then return nil, message, err end
  elseif client.options.auth then
    value = auth.value(client.options.auth)
  end
  if value then fields.set(list, "Authorization", value) end
  return true
end

-- Fields in the order in which they travel: the caller's, framing, defaults.
local function complete_fields(client, request, url)
  local list = table.move(request.fields, 1, #request.fields, 1, {})
  local body, own = request.body, request.options
  local ok, message, err = fields.check(list)
  if not ok then return nil, message, err end
  ok, message, err = add_credentials(list, client, request, url)
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
  if client.options.pool == false then add("Connection", "close") end
  fields.default(list, client.defaults)
  local decodes = own.decompress
  if decodes == nil then decodes = client.options.decompress end
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

-- The pieces of a body that a function gives, until it ends or nobody wants more.
local function push_all(response, read)
  while true do
    local piece, reason = read()
    if piece == nil then
      if reason ~= nil then return failure.new("invalid", "request body", tostring(reason)) end
      return true
    end
    if #piece > 0 then
      local more, message, err = response:push(piece)
      if err then return nil, message, err end
      if not more then return true end
    end
  end
end

local function trailer_lines(request)
  local trailers = request.options.trailers
  if not trailers then return nil end
  return core.field_lines(fields.flatten("request", trailers, 2))
end

local function send_pushed(planned, request)
  local lines, message, err = trailer_lines(request)
  if err then return nil, message, err end
  local response
  response, message, err = planned.origin:begin(planned.head, planned.options, planned.info,
    request.body:open(), request.options.stream)
  if not response then return nil, message, err end
  local unfinished <close> = setmetatable({}, { -- luacheck: ignore
    __close = function(self)
      if not self.is_done then response:dispose() end
    end,
  })
  local ok
  ok, message, err = push_all(response, request.body.value)
  if ok then ok, message, err = response:finish(lines) end
  if not ok then return nil, message, err end
  local answer
  answer, message, err = response:wait()
  unfinished.is_done = true
  return answer, message, err
end

-- Tells `on_progress` how far the response's exchange has come, ten times a second
-- at most, and once at its end.
local function report(response, request)
  local tell = request.options.on_progress
  local total = request.body and request.body.length
  core.spawn(function()
    while response:is_live() and not response:is_complete() do
      tell(response:progress(total))
      core.sleep(0.1)
    end
    if response:is_live() then tell(response:progress(total)) end
  end)
end

--- Sends a request once. Returns response | nil, message, err. Yields.
function transmit.send(client, request)
  local planned, message, err = transmit.plan(client, request)
  if not planned then return nil, message, err end
  local body = request.body
  if body and body.kind == "pushed" then return send_pushed(planned, request) end
  local content, shown
  if body then content, shown = body:open() end
  local closing <close> = shown -- luacheck: ignore
  if not request.options.on_progress then
    return planned.origin:send(planned.head, planned.options, planned.info, content,
      request.options.stream)
  end
  local response
  response, message, err = planned.origin:begin(planned.head, planned.options, planned.info,
    content, request.options.stream)
  if not response then return nil, message, err end
  report(response, request)
  return response:wait()
end

--- A value for a to-be-closed variable that disposes the body.
function transmit.closing(body)
  if not body then return nil end
  return setmetatable({}, { __close = function() body:dispose() end })
end

return transmit
