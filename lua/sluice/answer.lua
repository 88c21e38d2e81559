--- Answers of interceptors: responses that were not sent for. They have every method of others;
-- their bodies lie in the client's pool, too.

local check = require "sluice.check"
local compose = require "sluice.compose"
local core = require "sluice.core"
local fields = require "sluice.fields"
local plan = require "sluice.plan"

local answer = {}

local function is_status(value)
  return math.type(value) == "integer" and value >= 200 and value <= 999
end

local function is_body(value)
  if type(value) == "string" then return true end
  local meta = type(value) == "userdata" and getmetatable(value)
  local name = type(meta) == "table" and meta.__name
  return name == "sluice.lease" or name == "sluice.sequence"
end

local function expect(what, test)
  return function(value)
    if not test(value) then return what end
  end
end

local schema = {
  status = expect("integer from 200 to 999", is_status),
  reason = expect("string without control characters", function(value)
    return type(value) == "string" and not value:find "%c"
  end),
  headers = check.table,
  body = expect("string, sequence or lease", is_body),
}

-- RFC 9110 15: the phrases of the statuses that interceptors answer with, as a rule.
local reasons = {
  [200] = "OK", [201] = "Created", [202] = "Accepted", [204] = "No Content",
  [206] = "Partial Content", [301] = "Moved Permanently", [302] = "Found", [303] = "See Other",
  [304] = "Not Modified", [307] = "Temporary Redirect", [308] = "Permanent Redirect",
  [400] = "Bad Request", [401] = "Unauthorized", [403] = "Forbidden", [404] = "Not Found",
  [405] = "Method Not Allowed", [409] = "Conflict", [410] = "Gone",
  [412] = "Precondition Failed", [429] = "Too Many Requests", [500] = "Internal Server Error",
  [502] = "Bad Gateway", [503] = "Service Unavailable", [504] = "Gateway Timeout",
}

--- The status line of an answer.
function answer.status_line(status, reason)
  return ("HTTP/1.1 %d %s\r\n"):format(status, reason or reasons[status] or "")
end

-- RFC 9110 6.4.1: these have none, whatever their fields say.
local function has_body(request, status)
  return request.method ~= "HEAD" and status ~= 204 and status ~= 304
end

local function dispose_lease(value)
  if type(value) == "userdata" and getmetatable(value).__name == "sluice.lease" then
    value:dispose()
  end
end

--- Answers a request: `lines` are field lines, each with its end; `body` is a string, a
-- sequence, a lease, which is disposed, or nil.
-- Returns response | nil, message, err (closed, limit, memory, protocol)
function answer.of_lines(request, status, reason, lines, body)
  local client, call = request.client, request.call
  if not has_body(request, status) then
    dispose_lease(body)
    body = nil
  end
  if client.connections == nil then
    dispose_lease(body)
    return request:failure("closed", "client is closed")
  end
  local url = plan.parse(request.url)
  local info = {
    method = request.method,
    url = url and url.text or plan.shown(request.url),
    serializer = client.serializer,
    attempts = call.attempts,
  }
  call.sent = request
  local response, message, err = client.connections:answer(
    compose.options(client, request.method, request.options, false), call:info { info = info },
    answer.status_line(status, reason) .. lines .. "\r\n", body, request.options.stream)
  if not response then return nil, message, err end
  call:note(response)
  return response
end

--- The same for { status =, reason =, headers =, body = } of a program. Misuse raises at `level`.
function answer.new(request, given, level)
  level = level + 1
  check.options("answer", given, schema, level)
  if given.status == nil then error("answer: option 'status': integer expected, got nil", level) end
  local list = fields.flatten("answer", given.headers, level)
  local lines, message, err = core.field_lines(list, "header")
  if not lines then
    dispose_lease(given.body)
    return nil, message, err
  end
  return answer.of_lines(request, given.status, given.reason, lines, given.body)
end

--- Whether a value is a response: an interceptor may return others.
function answer.is_response(value)
  local meta = type(value) == "userdata" and getmetatable(value)
  return type(meta) == "table" and meta.__name == "sluice.response"
end

return answer
