-- The types name what there is, all of it and nothing else.

local Client = require "sluice.client"
local CookieJar = require "sluice.cookies.jar"
local Request = require "sluice.request"
local core = require "sluice.core"
local open_websocket = require "sluice.websocket.open"
local reference = dofile ".ci/reference.lua"
local server = require "spec.support.server"
local sluice = require "sluice"
local support = require "spec.support"
local transports = require "sluice.transports"

--- { class = { fields = { name = true }, methods = { name = true } } }
local function read_types()
  local classes, class, variables = {}, nil, {}
  for line in (reference.types() .. "\n"):gmatch "(.-)\n" do
    local name = line:match "^%-%-%-@class ([%w_.]+)"
    local field = line:match "^%-%-%-@field ([%w_]+)%??"
    local variable = line:match "^local ([%w_]+) = {}$"
    local of, method = line:match "^function ([%w_]+)[.:]([%w_]+)%("
    if name then
      class = { fields = {}, methods = {} }
      assert(not classes[name], "two classes " .. name)
      classes[name] = class
    elseif field and not line:find "@field %[" then
      class.fields[field] = true
    elseif variable then
      variables[variable] = class
    elseif method then
      assert(variables[of], line).methods[method] = true
    end
  end
  return classes
end

local types = read_types()

local function names_of(set)
  local names = {}
  for name in pairs(set) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function set_of(map, ...)
  local hidden, set = {}, {}
  for _, name in ipairs { ... } do hidden[name] = true end
  for name in pairs(map) do
    if type(name) == "string" and not name:find "^__" and not hidden[name] then set[name] = true end
  end
  return set
end

local function check_methods(class, there)
  assert.same(names_of(there), names_of(types[class].methods), class)
end

local function check_fields(class, there)
  assert.same(names_of(there), names_of(types[class].fields), class)
end

--- The variable of that name that a function sees.
local function upvalue(f, name)
  for i = 1, math.huge do
    local found, value = debug.getupvalue(f, i)
    assert(found, "no upvalue " .. name)
    if found == name then return value end
  end
end

local function methods_of(class) return set_of(debug.getregistry()[class].__index) end

describe("the types", function()
  local client

  before_each(function() client = support.client() end)
  after_each(function() client:close() end)

  it("are valid Lua", function()
    assert.is_true(#reference.sources > 1)
    for _, path in ipairs(reference.sources) do assert(loadfile(path)) end
  end)

  it("are in one file that returns the module, and others that nothing can require", function()
    for i, path in ipairs(reference.sources) do
      local first = server.read(path):match "^[^\n]*"
      assert.equal(i == 1 and "---@meta sluice" or "---@meta _", first, path)
    end
  end)

  it("name the functions of the module", function()
    local functions, values = {}, {}
    for name, value in pairs(sluice) do
      local set = type(value) == "function" and functions or values
      set[name] = true
    end
    check_methods("sluice", functions)
    check_fields("sluice", values)
    check_methods("sluice.url", set_of(sluice.url))
    check_methods("sluice.date", set_of(sluice.date))
    check_methods("sluice.json", set_of(sluice.json, "content_type",
      "null", "array_mt", "empty_array"))
  end)

  it("name the methods of the core's objects", function()
    for _, class in ipairs { "sluice.sequence", "sluice.reader", "sluice.body_reader",
      "sluice.lease", "sluice.writer", "sluice.buffer", "sluice.task", "sluice.signal",
      "sluice.loop", "sluice.transport", "sluice.http_parser", "sluice.ws_parser" } do
      check_methods(class, methods_of(class))
    end
    for _, class in ipairs { "sluice.events", "sluice.event_parser" } do
      check_methods(class, set_of(debug.getregistry()[class].methods))
    end
    check_methods("sluice.event", set_of(core.event_type.__index))
    local completion = upvalue(debug.getregistry()["sluice.completion"].__index, "")
    check_methods("sluice.completion", set_of(completion))
    local message = upvalue(debug.getregistry()["sluice.message"].__index, "")
    check_methods("sluice.message", set_of(message))
    check_methods("sluice.websocket", set_of(core.websocket_methods, "fragments"))
    assert.same({ get = true, all = true }, types["sluice.headers"].methods)
  end)

  it("name the methods of the objects made in Lua", function()
    check_methods("sluice.client", set_of(Client, "absolute", "forget_plans", "is_home", "new",
      "schema"))
    check_methods("sluice.cookie_jar", set_of(CookieJar, "new", "receive", "matching",
      "attach"))
    check_methods("sluice.request", set_of(Request, "new", "build", "shared_schema", "close",
      "derive", "expects_continue", "failure", "is_whole", "own_auth", "schema", "set_upgrade"))
    check_methods("sluice.refusal", set_of(core.refusal_types.refusal.__index, "ok", "method"))
    local form = getmetatable(sluice.multipart())
    check_methods("sluice.multipart", set_of(form, "take_body"))
    check_methods("sluice.request_builder", set_of(getmetatable(client:build("GET", "x"))))
    -- What a request body is pushed by, and what makes a response, is nobody else's.
    check_methods("sluice.response", set_of(core.response_methods, "deadline", "is_live",
      "push", "finish", "fail", "progress", "await_room", "await_turn", "must_take_turn",
      "watch"))
  end)

  it("name the options", function()
    check_fields("sluice.client_options", set_of(upvalue(Client.new, "schema")))
    local of_request = upvalue(Request.new, "check_options")
    check_fields("sluice.request_options", set_of(upvalue(of_request, "schema")))
    check_fields("sluice.websocket_options", set_of(upvalue(open_websocket, "schema")))
    check_fields("sluice.connect_options", set_of(upvalue(sluice.connect, "schema")))
    local of_tls = upvalue(transports.check_tls, "check_tls_fields")
    check_fields("sluice.tls_options", set_of(upvalue(of_tls, "schema")))
  end)

  it("name the options that the guide names", function()
    local of_request, of_client = server.read "doc/guide/scripts.md"
      :match "Of one request: `(.-)`.-Of a client: `(.-)`"
    local function set(text)
      local names = {}
      for name in text:gmatch "[%w_]+" do names[name] = true end
      return names
    end
    check_fields("sluice.request_options", set(of_request))
    check_fields("sluice.client_options", set(of_client))
  end)

  it("name options within options", function()
    local function is_taken(class, outer)
      for name in pairs(types[class].fields) do
        local _, message = pcall(sluice.client, { [outer] = { [name] = print } })
        assert.is_nil(tostring(message):find("unknown option", 1, true), name)
      end
    end
    is_taken("sluice.timeouts", "timeout")
    is_taken("sluice.limits", "limits")
    is_taken("sluice.pool_options", "pool")
    is_taken("sluice.retry_options", "retry")
    for _, class in ipairs { "sluice.reconnect_options", "sluice.stream_limits" } do
      for name in pairs(types[class].fields) do
        local options = { [name] = print }
        if class == "sluice.reconnect_options" then options = { reconnect = options } end
        local _, message = pcall(client.events, client, "http://127.0.0.1:1/", options)
        assert.matches(name .. "': ", message, 1, true)
      end
    end
    is_taken("sluice.transport_choice", "transport")
    for name in pairs(types["sluice.parser_options"].fields) do
      local _, message = pcall(sluice.http_parser, { [name] = {} })
      assert.matches(name .. ": ", message, 1, true)
    end
    for name in pairs(types["sluice.ws_parser_options"].fields) do
      local _, message = pcall(sluice.ws_parser, { role = "client", [name] = print })
      assert.matches(name .. ": ", message, 1, true)
    end
  end)

  it("name the counters and the platform's fields", function()
    check_fields("sluice.stats", set_of(sluice.stats()))
    check_fields("sluice.platform", set_of(sluice.platform()))
    local stats = client:stats()
    stats.backend = "any"
    check_fields("sluice.client_stats", set_of(stats))
  end)

  it("name the fields of a response, and each exists", function()
    local answer = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"
    local p <close> = support.peer.listen {
      script = { { { "expect_until", "\r\n\r\n" }, { "send", answer }, { "stall" } } } }
    local response <close> = assert(client:get(p.url .. "/"))
    for name in pairs(types["sluice.response"].fields) do
      local value = response[name]
      assert.is_true(value ~= nil or name == "redirects" or name == "tls" or name == "filename",
        name)
    end
  end)

  it("name the parts of a URL", function()
    local parts = assert(sluice.url.parse "http://user@[::1]:80/path?query#fragment")
    check_fields("sluice.url_parts", set_of(parts))
  end)

  it("name the codes and the stages", function()
    local text = reference.types()
    local page = server.read "doc/guide/errors.md"
    local codes = text:match "@alias sluice.code\n(.-)\n\n"
    for code in page:match "`err.code` is one of ([%a%s]+);":gmatch "%a+" do
      assert.is_truthy(codes:find('"' .. code .. '"', 1, true), code)
    end
    for code in codes:gmatch '"(%a+)"' do
      assert.is_truthy(page:find("%f[%a]" .. code .. "%f[%A]"), code)
    end
  end)
end)
