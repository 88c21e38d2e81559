--- Following redirects (RFC 9110 15.4), with what behaviour demands on top: no way
-- from https to http, no loops, no secrets across origins, bodies only where they
-- can be sent again.

local core = require "sluice.core"
local failure = require "sluice.failure"
local fields = require "sluice.fields"
local plan = require "sluice.plan"

local redirects = {}

local limit = 10

-- What described a body that is no longer sent.
local of_content = { "Content-Type", "Content-Encoding", "Content-Language", "Content-Location" }

--- How many redirects to follow at most; 0: none.
function redirects.limit(client, request)
  local option = request.options.redirects
  if option == nil then option = client.settings.redirects end
  if option == nil then return limit end
  return option or 0
end

-- The method of the next request: 303 asks with GET, and so do 301 and 302 after POST.
local function next_method(status, method)
  if status == 303 and method ~= "HEAD" then return "GET" end
  if (status == 301 or status == 302) and method == "POST" then return "GET" end
  return method
end

-- Where the response leads; a fragment is inherited.
local function target_of(request, location)
  local url, message, err = core.url.follow(request.url, location)
  if not url then return nil, message, err end
  local fragment = request.url:match("#.*$")
  if fragment and not url:find("#", 1, true) then url = url .. fragment end
  return url
end

local function refuse(request, reason)
  return failure.new("redirect", request.method .. " " .. request.shown, reason, "head")
end

-- The request that the response asks for.
local function derive(request, status, url, from, to)
  local method = next_method(status, request.method)
  local next_request = setmetatable({
    client = request.client,
    method = method,
    url = url,
    shown = to.text,
    options = request.options,
    fields = table.move(request.fields, 1, #request.fields, 1, {}),
    secrets = request.secrets,
    content = request.content,
    trailers = request.trailers,
    is_foreign = request.is_foreign or not plan.same_origin(from, to),
  }, getmetatable(request))
  if method ~= request.method then
    next_request.content, next_request.trailers = false, nil
    for _, name in ipairs(of_content) do fields.remove(next_request.fields, name) end
  end
  if next_request.is_foreign then
    fields.remove_secrets(next_request.fields, request.secrets)
    fields.remove_secrets(next_request.fields, request.client.secrets)
  end
  return next_request
end

-- The next request | nil, message, err (redirect)
local function step(request, response, seen)
  local url, message, err = target_of(request, response.headers["Location"])
  if not url then return nil, message, err end
  local from = plan.parse(request.url)
  request.shown = from.text
  local to
  to, message = plan.parse(url)
  if not to then return refuse(request, message) end
  if to.scheme == "http+unix" and from.scheme ~= to.scheme then
    return refuse(request, "from " .. from.scheme .. " to a unix socket")
  elseif from.scheme == "https" and to.scheme == "http" then
    return refuse(request, "from https to http")
  end
  if from.userinfo and not to.userinfo and plan.same_origin(from, to) then
    url = url:gsub("//", "//" .. from.userinfo:gsub("%%", "%%%%") .. "@", 1)
  end
  local next_request = derive(request, response.status, url, from, to)
  local key = next_request.method .. " " .. to.text
  if seen[key] then return refuse(request, "loop at " .. to.text) end
  seen[key] = true
  if not next_request:is_replayable() then
    return refuse(request, "the body cannot be sent again")
  end
  return next_request
end

--- Goes on from a response that asks to go elsewhere, by `send`(client, request),
-- which answers "redirect" behind one that asks again. Returns the last response
-- | nil, message, err (redirect, and what sending gives). Yields.
function redirects.follow(client, request, response, send)
  local left = redirects.limit(client, request)
  local seen, history = {}, {}
  local message, err = "redirect", nil
  while response and message do
    history[#history + 1] = { status = response.status, url = response.url }
    local next_request
    if left == 0 then
      request.shown = response.url
      next_request, message, err = refuse(request, "more redirects than allowed")
    else
      next_request, message, err = step(request, response, seen)
    end
    response:dispose()
    if not next_request then return nil, message, err end
    left, request = left - 1, next_request
    response, message, err = send(client, request)
  end
  if not response then return nil, message, err end
  response:info {
    method = request.method, url = response.url, serializer = client.serializer,
    redirects = history,
  }
  return response
end

return redirects
