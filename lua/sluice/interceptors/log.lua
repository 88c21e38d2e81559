--- Writes one line for each sending: method, URL, outcome, time, bytes.
--
--     client:use(sluice.interceptors.log())
--     --> GET http://host/items?token=*** 200 1024 bytes 12.3 ms

local answer = require "sluice.answer"
local check = require "sluice.check"
local core = require "sluice.core"
local secrets = require "sluice.interceptors.secrets"
local values = require "sluice.values"
local watch = require "sluice.watch"

local function is_name(value) return type(value) == "string" and value ~= "" end

local names = check.array("array of names", 100, is_name)

local schema = { sink = check.callable, fields = names, secret_fields = names,
  secret_parameters = names }

local function write(line) io.stderr:write(line, "\n") end

-- " X-Id: 5 (request)": the fields that are asked for and there.
local function describe_fields(known, wanted, request, response)
  local shown = {}
  for _, name in ipairs(wanted) do
    local sent, received = request:get_header(name), response and response.headers[name]
    for _, value in ipairs { sent or false, received or false } do
      if value then
        value = secrets.shown_value(known, name, value, request)
        shown[#shown + 1] = (" %s: %s"):format(name, values.shown(value, 128))
      end
    end
  end
  return table.concat(shown)
end

local function describe_outcome(response, err)
  if not response then
    if type(err) ~= "table" then return "failed" end
    return ("failed: %s (%s)"):format(tostring(err.code), tostring(err.stage))
  elseif not answer.is_response(response) then
    return "answered"
  elseif not response:is_complete() then
    return ("%d streamed"):format(response.status)
  end
  return ("%d %d bytes"):format(response.status, #response)
end

-- Texts of tenths of a millisecond; those that come again and again are kept.
local milliseconds = setmetatable({}, { __index = function(self, tenths)
  local text = ("%d.%d ms"):format(tenths // 10, tenths % 10)
  if tenths < 1000 then rawset(self, tenths, text) end
  return text
end })

--- An interceptor of each sending that gives a line to `sink`: function(line), by default stderr.
-- Neither user info, nor the values of secret parameters, nor those of secret fields are in it.
-- `fields` are names of fields to add, of the request and of the response. `secret_fields` and
-- `secret_parameters` are names that are secret beside the usual ones. Misuse raises.
return function(options)
  if options == nil then options = {} end
  check.options("log", options, schema, 2)
  local known = secrets.new(options.secret_fields, options.secret_parameters)
  local sink, wanted = options.sink or write, options.fields or {}
  local function hop(request, forward)
    local from = core.now()
    local response, message, err = forward(request)
    local line = ("%s %s %s %s"):format(values.shown(request.method, 32),
      secrets.shown_url(known, request.url), describe_outcome(response, err),
      milliseconds[(core.now() - from) // 100000])
    local attempts = request.call.attempts
    if attempts > 1 then line = line .. " sending " .. attempts end
    if wanted[1] then
      line = line .. describe_fields(known, wanted, request,
        answer.is_response(response) and response)
    end
    sink(line)
    return response, message, err
  end
  if wanted[1] then return { hop = hop } end
  watch.declare(hop, {
    open = function(watched)
      return { shown = "GET " .. secrets.shown_url(known, watched.request.url) }
    end,
    done = function(state, response, err, time, status, size)
      if status and (state.status ~= status or state.size ~= size) then
        state.status, state.size = status, size
        state.line = ("%s %d %d bytes "):format(state.shown, status, size)
      end
      if status then
        sink(state.line .. milliseconds[time // 100000])
      else
        sink(("%s %s %s"):format(state.shown, describe_outcome(response, err),
          milliseconds[time // 100000]))
      end
    end,
  })
  return { hop = hop }
end
