--- Pages that lead to each other by links: `for response in client:pages(url, options) do`.
-- Each page is a call of its own, made of one request that is never sent itself.

local Call = require "sluice.call"
local check = require "sluice.check"
local onward = require "sluice.onward"
local pipeline = require "sluice.pipeline"
local plan = require "sluice.plan"
local Request = require "sluice.request"

local Pages = {}
Pages.__index = Pages

-- Options that say what is sent with a request: pages are fetched with GET.
local of_body = { "body", "json", "json_lines", "form", "multipart", "trailers",
  "expect_continue" }

-- Returns the options of a request, without `max`; misuse raises at the caller of its caller.
local function check_options(options)
  local level = 3
  if type(options) ~= "table" then
    error("pages: table of options expected, got " .. type(options), level)
  end
  check.options("pages", { max = options.max }, { max = check.positive }, level)
  for _, name in ipairs(of_body) do
    if options[name] ~= nil then
      error(("pages: option '%s': pages are fetched with GET, without a body"):format(name), level)
    end
  end
  if options.on_done ~= nil then
    error("pages: option 'on_done': the loop over the pages gets them", level)
  end
  local own = {}
  for name, value in pairs(options) do own[name] = value end
  own.max = nil
  return own
end

-- Notes where a page was found, and where it leads. A value of an interceptor's own leads nowhere.
local function note(self, response, sent)
  self.sent, self.next_url = sent, false
  if type(response) ~= "userdata" then return end
  self.response = response
  local next_link = response.links.next
  self.seen[response.url] = true
  self.next_url = next_link and next_link.url
end

-- The request for the page behind the last one | nil, reason
local function derive_next(self)
  local sent, url = self.sent, self.next_url
  local to, message = plan.parse(url)
  if not to then return nil, (message:gsub("^url: ", "")) end
  if to.userinfo then return nil, "user info" end
  if self.seen[to.text] then return nil, to.text .. " was fetched before" end
  local template = self.template
  template.is_foreign = sent.is_foreign
  local changes, refusal = onward.changes(template, sent.url, url, to)
  return changes and template:derive(changes), refusal
end

-- The request for the page that is wanted now, nil at the end. Raises a failure.
local function next_request(self)
  if self.count == 0 then return self.template:derive {} end
  if not self.next_url or self.count == self.max then return nil end
  local request, reason = derive_next(self)
  if request then return request end
  local _, _, err = self.sent:failure("redirect", "the next page: " .. reason, "head")
  error(err, 0)
end

-- Fetches a page. Raises a failure.
local function fetch(self, request)
  local call <close> = Call.new(self.client, request)
  local asked = plan.parse(request.url)
  if asked then self.seen[asked.text] = true end
  local response, _, err = pipeline.run(call, request)
  if not response then error(err, 0) end
  note(self, response, call.sent or request)
  return response
end

function Pages:advance()
  self:dispose()
  local request = next_request(self)
  if not request then return nil end
  self.count = self.count + 1
  return fetch(self, request)
end

--- Disposes the page that was given last.
function Pages:dispose()
  local response = self.response
  self.response = nil
  if response then response:dispose() end
end

Pages.__close = Pages.dispose

--- Iterates over the page at `url` and those behind it. Misuse raises at the caller.
return function(client, url, options)
  if options == nil then options = {} end
  local own = check_options(options)
  local template, _, err = Request.new(client, "GET", url, own, 2)
  if not template then error(err, 2) end
  local self = setmetatable({
    client = client,
    template = template,
    max = options.max,
    count = 0,
    seen = {},
    sent = false,
    next_url = false,
    response = nil,
  }, Pages)
  return function() return self:advance() end, nil, nil, self
end
