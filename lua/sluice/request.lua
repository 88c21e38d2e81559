--- A request on its way through the interceptors, and the builder of one.
-- Interceptors see `method`, `url`, `body` and the field methods; what they change
-- holds for the sendings after that.

local auth = require "sluice.auth"
local bodies = require "sluice.body"
local check = require "sluice.check"
local fields = require "sluice.fields"
local plan = require "sluice.plan"

local Request = {}
Request.__index = Request
Request.__name = "sluice.request"

local timeout_schema = {
  total = check.seconds,
  resolve = check.seconds,
  connect = check.seconds,
  tls = check.seconds,
  first_byte = check.seconds,
  idle = check.seconds,
  queue = check.seconds,
}

local limits_schema = {
  head = check.positive,
  lines = check.positive,
  line = check.positive,
  interim = check.count,
  body = check.count,
  lenient_lf = check.boolean,
}

--- Checkers of what clients and single requests both take.
Request.shared_schema = {
  timeout = check.either("number of seconds or table of them", check.seconds,
    check.fields(timeout_schema)),
  limits = check.fields(limits_schema),
  decompress = check.boolean,
  headers = check.table,
  auth = auth.check,
  redirects = check.either("false or integer", check.off, check.count),
}

local schema = {
  method = check.string,
  url = check.string,
  query = check.either("string or table", check.string, check.table),
  body = check.any,
  json = check.any,
  stream = check.boolean,
  expect_continue = check.boolean,
  trailers = check.table,
  on_progress = check.callable,
}
for name, checker in pairs(Request.shared_schema) do schema[name] = checker end

local function json_body(request, value)
  local core = require "sluice.core"
  local writer <close> = core.writer {}
  local ok, message, err = request.client.serializer.encode(value, writer)
  if not ok then return nil, message, err end
  if not fields.find(request.fields, "Content-Type") then
    fields.set(request.fields, "Content-Type", request.client.serializer.content_type)
  end
  return writer:detach()
end

--- Makes a request of checked options. Misuse raises at `level`.
-- Returns a request | nil, message, err (invalid)
function Request.new(client, method, url, options, level)
  level = level + 1
  if type(url) ~= "string" then
    error(("request: url: string expected, got %s"):format(type(url)), level)
  end
  options = options or {}
  check.options("request", options, schema, level)
  local self = setmetatable({
    client = client,
    method = options.method or method,
    url = client:absolute(options.url or url),
    options = options,
  }, Request)
  self.fields, self.secrets = fields.flatten("request", options.headers, level)
  local ok, message, err = fields.check(self.fields)
  if not ok then
    bodies.refuse(options.body)
    return nil, message, err
  end
  if options.query then self.url = plan.add_query(self.url, options.query) end
  fields.default(self.fields, client.fields)
  local content = options.body
  if options.json ~= nil then
    if content ~= nil then error("request: body and json: only one of them", level) end
    content, message, err = json_body(self, options.json)
    if content == nil then return nil, message, err end
  end
  self.body, message, err = bodies.new("request", content, level)
  if self.body == nil then return nil, message, err end
  return self
end

--- The value of a field of the request, or nil.
function Request:get_header(name)
  local position = fields.find(self.fields, name)
  return position and self.fields[position + 1]
end

--- Sets a field, replacing those of the same name; nil removes it. Chainable.
function Request:set_header(name, value)
  if value == nil then
    fields.remove(self.fields, name)
  else
    fields.set(self.fields, name, tostring(value))
  end
  return self
end

--- Whether it can be sent again from the start.
function Request:is_replayable() return not self.body or self.body:is_replayable() end

function Request:__tostring() return ("sluice.request (%s %s)"):format(self.method, self.url) end

-- ---- building one step by step ----

local Builder = {}
Builder.__index = Builder
Builder.__name = "sluice.request_builder"

--- A request to be completed by chained calls; `send` sends it, each time anew.
function Request.build(client, method, url)
  return setmetatable({ client = client, verb = method, url = url, options = {} }, Builder)
end

--- Adds a header field.
function Builder:header(name, value)
  local headers = self.options.headers or {}
  self.options.headers = headers
  headers[#headers + 1] = { name, value }
  return self
end

for _, name in ipairs { "query", "body", "json", "auth", "timeout", "stream", "limits",
  "decompress", "expect_continue", "trailers", "on_progress" } do
  Builder[name] = function(self, value)
    self.options[name] = value
    return self
  end
end

--- Returns response | nil, message, err. Yields.
function Builder:send() return self.client:request(self.verb, self.url, self.options) end

return Request
