--- What logs and recordings do not show: credentials in fields, in URLs and in queries.

local core = require "sluice.core"
local plan = require "sluice.plan"

local secrets = {}

local hidden = "***"

local function set_of(names, target)
  target = target or {}
  for _, name in ipairs(names) do target[name:lower()] = true end
  return target
end

local own_fields = { "Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie",
  "X-Api-Key", "X-Auth-Token", "X-Amz-Security-Token", "Authentication-Info",
  "Proxy-Authentication-Info" }

-- A parameter is secret if its name holds one of these words, or is one of the others.
local words = { "token", "secret", "passw", "signature", "credential", "api_key", "apikey",
  "api-key" }
local own_parameters = { "key", "sig", "auth", "code", "jwt", "pwd", "session", "sessionid", "sid",
  "assertion" }

--- The names of secrets: those of every program, and the ones that this one adds.
-- `fields` and `parameters` are arrays of names, or nil.
function secrets.new(fields, parameters)
  return {
    fields = set_of(fields or {}, set_of(own_fields)),
    parameters = set_of(parameters or {}, set_of(own_parameters)),
  }
end

local function is_secret_parameter(self, name)
  name = (core.url.unescape(name) or name):lower()
  if self.parameters[name] then return true end
  for _, word in ipairs(words) do
    if name:find(word, 1, true) then return true end
  end
  return false
end

-- A query, perhaps with a fragment behind it, without the values of secret parameters.
local function hide_values(self, text)
  return (text:gsub("([^&;=?#]+)=([^&;#]*)", function(name, value)
    if value ~= "" and is_secret_parameter(self, name) then return name .. "=" .. hidden end
  end))
end

--- A URL for people: without user info, with secret values of its query hidden.
function secrets.shown_url(self, url)
  local shown = plan.shown(url)
  local start = shown:find("?", 1, true)
  if not start then return (shown:gsub("#.*$", "")) end
  local query = shown:sub(start + 1):gsub("#.*$", "")
  return shown:sub(1, start) .. hide_values(self, query)
end

-- A reference that leads where it led: servers put codes and tokens into what they redirect to.
local function shown_reference(self, text)
  text = text:gsub("^([^/?#]*//)[^/?#]*@", "%1" .. hidden .. "@")
  local start = text:find "[?#]"
  return start and text:sub(1, start) .. hide_values(self, text:sub(start + 1)) or text
end

-- By name in lower case, how the value of a field that names URLs is shown.
local of_references = { ["location"] = shown_reference, ["content-location"] = shown_reference,
  ["referer"] = shown_reference }

of_references["link"] = function(self, value)
  return (value:gsub("<([^<>]*)>", function(text)
    return "<" .. shown_reference(self, text) .. ">"
  end))
end

local function has_name(names, wanted)
  for _, name in ipairs(names or {}) do
    if name:lower() == wanted then return true end
  end
  return false
end

--- The value of a field for people. `request` is the one that it belongs to, of which the names
-- count that it and its client mark, or nil.
function secrets.shown_value(self, name, value, request)
  name = name:lower()
  if self.fields[name] then
    if name == "set-cookie" then
      local cookie, rest = value:match "^([^=;]*=)[^;]*(.*)$"
      return cookie and cookie .. hidden .. rest or hidden
    end
    local scheme = name:find("authorization", 1, true) and value:match "^%a+ "
    return (scheme or "") .. hidden
  end
  if request and (has_name(request.secrets, name) or has_name(request.client.secrets, name)) then
    return hidden
  end
  local show = of_references[name]
  return show and show(self, value) or value
end

return secrets
