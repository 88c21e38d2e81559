--- sluice: an HTTP/1.1 client whose bytes stay outside the Lua heap until asked for.
--
--     local sluice = require "sluice"
--     local response, message, err = sluice.get("http://127.0.0.1:8080/")
--
-- Called outside a coroutine a request drives the loop until its answer is there;
-- inside one it yields and the loop resumes it.

local core = require "sluice.core"
local Client = require "sluice.client"
local later = require "sluice.later"
local multipart = later "sluice.multipart"
local task = require "sluice.task"
require "sluice.refusal" -- fills the core's type

local sluice = {
  run = core.run,
  spawn = core.spawn,
  sleep = core.sleep,
  wrap = core.wrap,
  on_error = core.on_error,
  all = task.all,
  map = task.map,
  race = task.race,
  is_waiting = task.is_waiting,
  await = task.await,
  loop = core.loop,
  stats = core.stats,
  platform = core.platform,
  _VERSION = "sluice " .. require "sluice.version",
  buffer = core.buffer,
  writer = core.writer,
  http_parser = core.http_parser,
  ws_parser = core.ws_parser,
  ws_accept = core.ws_accept,
  event_parser = core.event_parser,
  connect = require "sluice.connect",
  url = core.url,
  cookie_jar = require("sluice.cookies.option").new_jar,
  json = require "sluice.json",
  date = require "sluice.date",
  interceptors = require "sluice.interceptors",
  serializers = require "sluice.serializers",
}

local response = require "sluice.response"
for name, method in pairs(response.methods) do core.response_methods[name] = method end
for name, property in pairs(response.properties) do core.response_properties[name] = property end

--- A client of your own. Returns client | nil, message, err; misuse raises.
function sluice.client(options) return Client.new(options) end

--- A multipart of names with values, to be sent by the option `multipart` or built into a
-- lease; see multipart.lua. Returns a multipart | nil, message, err (tls: no random bytes).
function sluice.multipart(given)
  local made, message, err = multipart.new(given, "multipart", 2)
  return made, message, err
end

-- An error about where the caller stands names a line of the program's own.
core.own_files((debug.getinfo(1, "S").source:gsub("[^/]*$", "")))

local default, configured_at

-- The client behind the module's own functions, made at the first call.
local function default_client()
  default = default or assert(Client.new())
  return default
end

--- Sets the options of the client behind the module's own functions, as sluice.client takes them.
-- It is called once, before the first request: raises where that client is in use, or where it was
-- called before, by a library perhaps.
-- Returns that client | nil, message, err; misuse raises.
function sluice.configure(options)
  if configured_at then
    error(("configure: called before, at %s: make a client of your own (sluice.client)")
      :format(configured_at), 2)
  elseif default then
    error("configure: called after the first request of the module's own client: call it before, "
      .. "or make a client of your own (sluice.client)", 2)
  end
  local client, message, err = Client.new(options, 3, "configure")
  if not client then return nil, message, err end
  local caller = debug.getinfo(2, "Sl")
  if client.host then
    core.add_host(client.host) -- of whatever waits, not of this client's requests alone
    client.host = nil
    client:forget_plans()
  end
  configured_at = caller and ("%s:%d"):format(caller.short_src, caller.currentline) or "?"
  default = client
  return client
end

--- Sends a request with the default client.
-- Returns response | nil, message, err. Yields.
function sluice.request(method, url, options)
  return default_client():request(method, url, options)
end

-- With the default client, as the methods of a client: a request, loops, a file, a WebSocket.
local of_the_default_client = {
  "get", "head", "post", "put", "patch", "delete", "options",
  "pages", "events", "download", "websocket",
}
for _, name in ipairs(of_the_default_client) do
  sluice[name] = function(url, ...)
    if url == sluice then
      error(("%s: write sluice.%s(url), with a dot"):format(name, name), 2)
    end
    local client = default_client()
    return client[name](client, url, ...)
  end
end

return sluice
