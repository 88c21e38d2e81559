--- A request on its way through the interceptors, and the builder of one.
-- Interceptors see `method`, `url`, `body` and the field methods; what they change
-- holds for the sendings after that. `body` is the value that was given; another one
-- is assigned, or given to `set_body`, by the rules of the option. A `url` of another
-- origin takes no secrets there: those that are meant for it are set afterwards.

local answer = require "sluice.answer"
local auth = require "sluice.auth.option"
local bodies = require "sluice.body"
local check = require "sluice.check"
local content = require "sluice.content"
local cookie_option = require "sluice.cookies.option"
local failure = require "sluice.failure"
local fields = require "sluice.fields"
local json_lines = require "sluice.json_lines"
local later = require "sluice.later"
local methods = require "sluice.methods"
local multipart = later "sluice.multipart"
local plan = require "sluice.plan"
local proxy = require "sluice.proxy"
local query = require "sluice.query"
local retry = require "sluice.retry"
local timeout = require "sluice.timeout"
local values = require "sluice.values"

local Request = {}
Request.__name = "sluice.request"

function Request:__index(key)
  if key == "body" then return self.content and self.content.given or nil end
  if key == "url" then return rawget(self, "current_url") end
  if key == "method" then return rawget(self, "current_method") end
  return Request[key]
end

-- Misuse raises at `level`.
local function check_method(method, level)
  if type(method) ~= "string" then
    error("request: method: string expected, got " .. type(method), level + 1)
  end
  return methods.named(method)
end

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
  timeout = timeout.check,
  limits = check.fields(limits_schema),
  decompress = check.boolean,
  headers = check.table,
  auth = auth.check,
  redirects = check.either("false or integer", check.off, check.count),
  retry = retry.check,
  fail_status = check.boolean,
  proxy = proxy.check,
}

local schema = {
  method = check.string,
  url = check.string,
  query = check.either("string or table", check.string, check.table),
  body = check.any,
  json = check.any,
  json_lines = json_lines.check,
  form = check.table,
  multipart = check.table,
  stream = check.boolean,
  expect_continue = check.boolean,
  trailers = check.table,
  on_progress = check.callable,
  on_done = check.callable,
  cookies = cookie_option.of_request,
}
for name, checker in pairs(Request.shared_schema) do schema[name] = checker end

--- Checkers of the options of a request.
Request.schema = schema

-- Options that say nothing about the head beside the URL and the body: with these alone it
-- is the same each time, and kept (see compose.lua).
local beside_head = { query = true, body = true, json = true, form = true, auth = true,
  timeout = true, stream = true, redirects = true, limits = true, on_progress = true,
  on_done = true, retry = true, fail_status = true }

local function is_plain(options)
  for name in pairs(options) do
    if not beside_head[name] then return false end
  end
  return true
end

-- The options of `request { url = }` beside arguments would say the same thing twice.
local function check_options(client, url, options, level)
  level = level + 1
  if type(url) ~= "string" then
    error(("request: url: string expected, got %s"):format(type(url)), level)
  end
  check.options("request", options, schema, level, client.schema)
  for _, name in ipairs { "method", "url" } do
    if options[name] ~= nil then
      error(("request: option '%s': given as an argument already"):format(name), level)
    end
  end
  content.check(options, level)
end

-- The client's fields: its secrets not for another origin than that of its base_url.
local function add_client_fields(self, client)
  local given = client.fields
  local url = client.home and plan.parse(self.url)
  if url and not client:is_home(url) then
    given = table.move(given, 1, #given, 1, {})
    fields.remove_secrets(given, client.secrets)
  end
  fields.default(self.fields, given)
end

-- The fields and trailers of the options, and the names of secrets of both.
local function flatten_fields(self, options, level)
  local secrets, behind
  self.fields, secrets = fields.flatten("request", options.headers, level)
  if options.trailers then
    self.trailers, behind = fields.flatten("request", options.trailers, level)
  end
  if secrets and behind then table.move(behind, 1, #behind, #secrets + 1, secrets) end
  self.secrets = secrets or behind or false
end

-- Removes the secrets of a request and of its client, but for fields in `spared` (nil: none).
local function remove_secrets(self, spared)
  for _, list in ipairs { self.fields, self.trailers or nil } do
    fields.remove_secrets(list, self.secrets, spared)
    fields.remove_secrets(list, self.client.secrets, spared)
  end
end

--- Makes a request of checked options. Misuse raises at `level`.
-- Returns a request | nil, message, err (invalid)
function Request.new(client, method, url, options, level)
  level = level + 1
  if options == nil then options = {} end
  check_options(client, url, options, level)
  local self = setmetatable({
    client = client,
    current_method = check_method(method, level),
    current_url = client:absolute(url),
    key = is_plain(options) and url, -- under which its plan is kept; false: it is not
    options = options,
    content = false,
    trailers = false,
    fields = false,
    secrets = false,
    is_foreign = false, -- a redirect has left the origin
    has_moved = false, -- an interceptor has
    refuses_expect = false, -- the server does
    is_derived = false, -- the body is another request's
    refusal = false, -- of a body that was assigned
    call = false, -- the call that it belongs to
    variant = false, -- what steps have added that never changes, as a part of the plan's kind
  }, Request)
  flatten_fields(self, options, level + 1)
  local ok, message, err = fields.check(self.fields)
  if ok and self.trailers then ok, message, err = fields.check_trailers(self.trailers) end
  if not ok then
    content.refuse(options)
    return nil, message, err
  end
  if options.query then
    local wrong
    self.current_url, wrong, err = query.add(self.url, options.query)
    if err then
      content.refuse(options)
      return nil, wrong, err
    end
    if wrong then error("request: query: " .. wrong, level) end
    self.key = self.key and self.url
  end
  local own_type = self:get_header "Content-Type"
  add_client_fields(self, client)
  self.content, message, err = content.make(self, options, own_type, level)
  if self.content == nil then return nil, message, err end
  return self
end

-- Another body instead of the one it has, which has come to its end.
local function replace_body(self, value, where, level)
  if self.content and value == self.content.given then return true end
  local made, message, err = bodies.new(where, value, level + 1)
  if made == nil then return nil, message, err end
  if self.content and not self.is_derived then self.content:dispose() end
  self.content, self.refusal, self.key, self.is_derived = made, false, false, false
  return true
end

-- Another URL. Secrets and credentials stay with the origin that they were given for;
-- what the client has for every origin goes along.
local function replace_url(self, url, level)
  if type(url) ~= "string" then
    error(("request: url: string expected, got %s"):format(type(url)), level + 1)
  end
  if self.upgrade then url = plan.of_socket(url) end
  local from, to = plan.parse(self.url), plan.parse(url)
  self.current_url, self.key = url, false
  if from and to and plan.same_origin(from, to) then return end
  local client = self.client
  local spared = to and not self.is_foreign and client:is_home(to) and client.fields or nil
  self.has_moved = true
  remove_secrets(self, spared)
end

--- Sets the body, by the rules of the option `body`; nil removes it. A lease that was
-- the body before is disposed.
-- Returns the request | nil, message, err (invalid)
function Request:set_body(value)
  local ok, message, err = replace_body(self, value, "set_body", 2)
  if not ok then return nil, message, err end
  return self
end

-- Assigning `body` is the same; what is refused fails the next sending.
function Request:__newindex(key, value)
  if key == "url" then
    replace_url(self, value, 2)
  elseif key == "method" then
    self.current_method, self.key = check_method(value, 2), false
  elseif key == "body" then
    local ok, _, err = replace_body(self, value, "request", 2)
    if not ok then self.refusal = err end
  else
    rawset(self, key, value)
  end
end

-- Fields that described a body which is no longer sent.
local of_content = { "Content-Type", "Content-Encoding", "Content-Language", "Content-Location" }

--- Makes it the request for an upgrade, which is no option of a program's: a handshake (see
-- handshake.lua), which interceptors see as `upgrade`.
function Request:set_upgrade(handshake)
  self.upgrade, self.options.upgrade = handshake, handshake
  self.key = false -- each sending has a head of its own
end

--- The same request for another sending, but for what `changes` names: `url`, `method`
-- (another one has no body), `is_foreign` (a redirect left the origin: secrets and
-- credentials stay behind for good), `refuses_expect`. Its body is the one of this request, which
-- goes on owning it.
function Request:derive(changes)
  local derived = {}
  for key, value in pairs(self) do derived[key] = value end
  derived.fields = table.move(self.fields, 1, #self.fields, 1, {})
  derived.is_derived = true
  derived.current_url = changes.url or self.url
  derived.is_foreign = changes.is_foreign or self.is_foreign
  derived.refuses_expect = changes.refuses_expect or self.refuses_expect
  if next(changes) then derived.key = false end
  if changes.method and changes.method ~= self.method then
    derived.current_method, derived.content, derived.trailers = changes.method, false, false
    for _, name in ipairs(of_content) do fields.remove(derived.fields, name) end
  end
  if derived.trailers then
    derived.trailers = table.move(derived.trailers, 1, #derived.trailers, 1, {})
  end
  if derived.is_foreign then remove_secrets(derived) end
  return setmetatable(derived, Request)
end

--- The request has come to its end, and its body with it.
function Request:close()
  if self.content and not self.is_derived then self.content:dispose() end
end

Request.__close = Request.close

--- The value of a field of the request, or nil.
function Request:get_header(name)
  local position = fields.find(self.fields, name)
  return position and self.fields[position + 1]
end

--- Sets a field, replacing those of the same name; nil removes it. Chainable.
function Request:set_header(name, value)
  if type(name) ~= "string" then
    error("set_header: name: string expected, got " .. type(name), 2)
  end
  self.key = false
  if value == nil then
    fields.remove(self.fields, name)
    return self
  end
  local text, wrong = values.text(value)
  if not text then
    error(("set_header: '%s': string expected, got %s"):format(values.shown(name, 64), wrong), 2)
  end
  fields.set(self.fields, name, text)
  return self
end

--- Adds a field behind those of the same name. Chainable.
function Request:add_header(name, value)
  local text, wrong = values.text(value)
  if type(name) ~= "string" or not text then
    error(("add_header: '%s': string expected, got %s"):format(values.shown(tostring(name), 64),
      type(name) == "string" and wrong or "a name that is none"), 2)
  end
  self.key = false
  table.move({ name, text }, 1, 2, #self.fields + 1, self.fields)
  return self
end

--- Answers the request without sending it, for an interceptor that returns the result:
-- { status = (200 to 999), reason =, headers =, body = (string, sequence or lease) }. A lease
-- is disposed. HEAD, 204 and 304 have no body. Misuse raises.
-- Returns response | nil, message, err (invalid, limit, memory, closed)
function Request:answer(given) return answer.new(self, given, 1) end

--- Whether it can be sent again from the start.
function Request:is_replayable() return not self.content or self.content:is_replayable() end

--- Whether it can be sent now, though it may have been sent before.
function Request:is_whole() return not self.content or self.content:is_whole() end

--- Whether 100 is waited for: RFC 9110 10.1.1, not by a request without content.
function Request:expects_continue()
  local body = self.content
  return not self.refuses_expect and self.options.expect_continue and body
    and body.length ~= 0 or false
end

--- The option `auth` of its own: credentials stay with the origin that they were given for; a
-- function or a file is asked for each.
function Request:own_auth()
  local own = self.options.auth
  if not own or auth.asks(own) then return own end
  return not self.is_foreign and not self.has_moved and own or nil
end

--- A failure that names this request: nil, message, err.
function Request:failure(code, reason, stage)
  local url = plan.parse(self.url)
  if url and self.upgrade then self.upgrade:read_url(url) end
  local shown = url and url.text or plan.shown(self.url)
  return failure.new(code, self.method .. " " .. shown, reason, stage)
end

function Request:__tostring()
  return ("sluice.request (%s %s)"):format(self.method, plan.shown(self.url))
end

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

for _, name in ipairs { "query", "body", "json", "json_lines", "form", "auth", "timeout", "stream",
  "limits", "decompress", "redirects", "retry", "fail_status", "proxy", "cookies",
  "expect_continue", "trailers", "on_progress", "on_done" } do
  Builder[name] = function(self, value)
    self.options[name] = value
    return self
  end
end

--- The same for a multipart. Misuse raises here.
function Builder:multipart(value)
  local made, message = multipart.new(value, "request: multipart", 2)
  if not made then error(message, 2) end
  self.options.multipart = made
  return self
end

--- Sends what was built; again, unless its body is a function, which gives its pieces
-- once.
-- Returns response | nil, message, err. Yields.
function Builder:send()
  local given = self.options.body
  if bodies.is_pulled(given) then self.options.body = bodies.new("request", given, 2) end
  return self.client:request(self.verb, self.url, self.options)
end

return Request
