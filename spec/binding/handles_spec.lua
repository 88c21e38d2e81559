-- Handles after their end: finalised by hand, by a state that closes in any order, or by another
-- object's finaliser. They refuse every use with an error, and nothing else happens.

local script = require "spec.support.script"
local support = require "spec.support"

local ORDERS = 24

-- makers: what makes one of each type. uses: what can be done with one; inert: what never raises.
-- waits: coroutines that wait for something when the state ends.
local PRELUDE = [[
local seed, url, port, mode, backend = tonumber(arg[1]), arg[2], tonumber(arg[3]), arg[4], arg[5]
local transport = mode and { mode = mode, backend = backend }
local core, sluice, loop -- opened when the script wants

local function open()
  sluice = require "sluice"
  core = require "sluice.core"
  loop = sluice.loop()
end

local function client() return sluice.client { transport = transport } end

local function got()
  local made = client()
  local response = assert(made:get(url))
  return response, made
end

local function connected()
  return assert(sluice.connect { host = "127.0.0.1", port = port, transport = transport })
end

-- The server's answer knows this key (RFC 6455 1.3).
local function websocket()
  core.websocket_key = function() return "dGhlIHNhbXBsZSBub25jZQ==" end
  return assert(client():websocket(url .. "socket", { close_timeout = 0.01 }))
end

local function sequence() return sluice.buffer():append(("x\n"):rep(5000)):sequence() end

local function ticket()
  for _, value in pairs(debug.getregistry()) do
    if type(value) == "userdata" and tostring(value):find "^sluice.ticket" then return value end
  end
end

local function client_with_origin()
  local response, made = got()
  response:dispose()
  return made
end

local makers = {
  buffer = function() return sluice.buffer { segment_size = 33 }:append "some bytes" end,
  writer = function() return sluice.writer():write "some bytes" end,
  lease = function() return sluice.buffer():append("some bytes"):detach() end,
  sequence = sequence,
  reader = function() local s = sequence() return s:reader(), s end,
  http_parser = function()
    return sluice.http_parser():feed "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nA: b\r\n\r\ngo"
  end,
  ws_parser = function()
    return sluice.ws_parser { role = "client" }:feed "\x82\x04good\x81":text "sent"
  end,
  message = function()
    return sluice.ws_parser { role = "client" }:feed "\x82\x04good":next()
  end,
  ["task ready"] = function() return sluice.spawn(function() return 1 end) end,
  ["task waiting"] = function()
    local task = sluice.spawn(function() return sluice.sleep(seed > 0 and 60 or 0.02) end)
    loop:step(0)
    return task
  end,
  ["task done"] = function()
    local task = sluice.spawn(function() return 1 end)
    task:await()
    return task
  end,
  ["task running"] = function()
    local task
    task = sluice.spawn(function()
      if seed == 0 then getmetatable(task).__gc(task) end
      coroutine.yield()
      sluice.sleep(seed > 0 and 60 or 0.02)
    end)
    loop:step(0)
    return task
  end,
  response = got,
  ["response streamed"] = function()
    local made = client()
    return assert(made:get(url, { stream = true })), made
  end,
  ["response awaited"] = function()
    local made = client()
    local response = assert(made:get(url .. "stall", { stream = true }))
    coroutine.wrap(function() pcall(response.read, response) end)()
    return response, made
  end,
  ["body reader"] = function()
    local response, made = got()
    return response:reader(), response, made
  end,
  ["body reader streamed"] = function()
    local made = client()
    local response = assert(made:get(url, { stream = true }))
    return response:reader(), response, made
  end,
  ["body reader awaited"] = function()
    local made = client()
    local response = assert(made:get(url .. "stall", { stream = true }))
    local reader = response:reader()
    coroutine.wrap(function() pcall(reader.read, reader) end)()
    return reader, response, made
  end,
  ["body splitter"] = function()
    local response, made = got()
    return core.body_events(response, response:sequence()), response, made
  end,
  ["body splitter streamed"] = function()
    local made = client()
    local response = assert(made:get(url, { stream = true }))
    return core.body_records(response), response, made
  end,
  ["body splitter awaited"] = function()
    local made = client()
    local response = assert(made:get(url .. "stall", { stream = true }))
    local splitter = core.body_events(response)
    coroutine.wrap(function() pcall(splitter) end)()
    return splitter, response, made
  end,
  event_parser = function() return sluice.event_parser():feed "id: 1\ndata: x\n\ndata: y" end,
  replacement = function() return assert(core.replace_file "/dev/null") end,
  hasher = function() return assert(core.hasher "sha256") end,
  headers = function() local response, made = got() return response.headers, response, made end,
  connections = function() local response, made = got() return made.connections, made, response end,
  origin = function()
    local made = client_with_origin()
    return select(2, next(made.origins.handles)), made
  end,
  options = function()
    local made = client_with_origin()
    return select(2, next(made.compiled)), made
  end,
  head = function() return require "sluice.core".head("GET", "/", "a", {}, {}, true) end,
  transport = connected,
  ["transport awaited"] = function()
    local made = connected()
    coroutine.wrap(function() pcall(made.receive, made) end)()
    return made
  end,
  websocket = websocket,
  ["websocket awaited"] = function()
    local made = websocket()
    coroutine.wrap(function() pcall(made.receive, made) end)()
    coroutine.wrap(function() pcall(made.close, made) end)()
    return made
  end,
  ["websocket_sender"] = function()
    local made = websocket()
    local sender = made:fragments()
    if seed > 0 then sender:push "a fragment" end
    return sender, made
  end,
  completion = function()
    local made = connected()
    return (made:begin_receive(10)), made
  end,
  ["tls context"] = function() return assert(core.tls_context { alpn = "", verifier = print }) end,
  loop = function() return loop end,
  ticket = function()
    sluice.sleep(0)
    return assert(ticket())
  end,
}

-- Whatever a type has: methods from its metatable, with arguments that suit one or the other.
local arguments = {
  append = { "x" }, feed = { "x" }, write = { "x" }, send = { "x", 0.01 }, sub = { 1, 2 },
  begin_send = { "x" }, all = { "A" }, get = { "A" }, push = { "x" }, fail = { "x" },
  info = { {} }, await = { 0.01 }, step = { 0 }, spin = { 0 }, seek = { "set", 0 }, read = { 3 },
  receive = { 5, 0.01 }, begin_receive = { 5 }, cancel = { "why" },
}

local function methods_of(object)
  local meta = getmetatable(object)
  local index = meta.methods or meta.__index
  if type(index) == "table" then return index end
  local found = {}
  for _, name in ipairs { "get", "all", "await", "cancel" } do
    local ok, value = pcall(function() return object[name] end)
    if ok and type(value) == "function" then found[name] = value end
  end
  return found
end

-- Calls everything. Returns the names of what did not raise, sorted.
local function use(object)
  local quiet = {}
  for name, method in pairs(methods_of(object)) do
    local f = function() return method(object, table.unpack(arguments[name] or {})) end
    if name == "origin" then
      f = function() return method(object, { host = "127.0.0.1", port = port }) end
    elseif name == "run" then
      f = function() end -- of the loop: has no end while somebody waits
    end
    if pcall(f) then quiet[#quiet + 1] = name end
  end
  for _, name in ipairs { "status", "headers", "tls", "timings", "body", "state", "version",
    "last_id", "unfinished" } do
    pcall(function() return object[name] end)
  end
  pcall(function() return #object end)
  pcall(function() return object == object, object ~= sequence() end)
  pcall(function() for _ in pairs(object) do break end end)
  assert(type(tostring(object)) == "string")
  for _, name in ipairs { "__close", "__gc" } do
    local f = getmetatable(object)[name]
    if f then f(object) end
  end
  table.sort(quiet)
  return table.concat(quiet, " ")
end

local function names()
  local list = {}
  for name in pairs(makers) do list[#list + 1] = name end
  table.sort(list)
  math.randomseed(seed)
  for i = #list, 2, -1 do
    local other = math.random(i)
    list[i], list[other] = list[other], list[i]
  end
  return list
end
]]

-- What need not raise after the end, by type: giving up what is gone already, and a body that
-- nobody takes any more.
local RESPONSE = "await_room await_turn dispose fail finish is_live must_take_turn push"
local QUIET = {
  ["body splitter"] = "close", ["body splitter streamed"] = "close",
  ["body splitter awaited"] = "close", event_parser = "dispose",
  buffer = "dispose", ["http_parser"] = "dispose", sequence = "dispose", writer = "dispose",
  ws_parser = "dispose", message = "dispose", replacement = "discard",
  websocket = "dispose messages", ["websocket awaited"] = "dispose messages",
  websocket_sender = "close",
  connections = "close", transport = "close", ["transport awaited"] = "close",
  response = RESPONSE, ["response streamed"] = RESPONSE, ["response awaited"] = RESPONSE,
}

describe("a handle", function()
  local function run(source, seed)
    local GOOD = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nA: b\r\n\r\ngood"
    local p <close> = support.peer.listen { records = false, repeat_last = true, script = {
      { { "expect_until", " " }, { "expect_until", " " }, { "expect_until", "\r\n\r\n" },
        { "send", GOOD }, { "loop" } } } }
    local stalling <close> = support.peer.listen { records = false, repeat_last = true, script = {
      { { "expect_until", "\r\n\r\n" },
        { "send", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" }, { "stall" } } } }
    local SWITCH = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
      .. "Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    local switching <close> = support.peer.listen { records = false, repeat_last = true, script = {
      { { "expect_until", "\r\n\r\n" }, { "send", SWITCH },
        { "send_repeat", "\x81\x02hi", 50 }, { "stall" } } } }
    local transport = support.transport() or { mode = "stream", backend = "epoll" }
    local program = PRELUDE:gsub('url .. "(%l+)"', {
      stall = ("%q"):format(stalling.url), socket = ("%q"):format(switching.url),
    }) .. source
    local status, output = script.run(program, tostring(seed), p.url .. "/", tostring(p.port),
      transport.mode, transport.backend)
    assert.equal(0, status, ("order %d: %s"):format(seed, output))
    return output
  end

  it("that was finalised by hand refuses every use", function()
    local output = run([[
      open()
      for _, name in ipairs(names()) do
        local object, other, third = makers[name]()
        local finalise = getmetatable(object).__gc
        if finalise then
          finalise(object)
          finalise(object)
          print(name .. ":" .. use(object))
        end
        for _ = 1, 20 do loop:step(0.002) end
        object, other, third = nil, nil, nil -- luacheck: ignore
        collectgarbage()
      end
      for _ = 1, 20 do loop:step(0.002) end
      os.exit(true, true)
    ]], 0)
    local seen = 0
    for name, quiet in output:gmatch "([^\n]-):([^\n]*)\n" do
      seen = seen + 1
      assert.equal(QUIET[name] or "", quiet, name)
    end
    assert.is_true(seen >= 18, output)
  end)

  it("can be used by no finaliser after its own, and harms none before it", function()
    for seed = 1, ORDERS do
      run([[
        local objects, kept = {}, {}
        local function guard()
          return setmetatable({}, { __gc = function()
            for _, object in pairs(objects) do use(object) end
            for i = 1, #kept do
              if type(kept[i]) == "thread" then
                pcall(coroutine.resume, kept[i])
                pcall(coroutine.close, kept[i])
              end
            end
            if sluice then
              pcall(sluice.get, url)
              pcall(sluice.sleep, 0)
              pcall(sluice.run, function() sluice.sleep(0) end)
              pcall(loop.step, loop, 0)
            end
          end })
        end
        kept[1] = guard()
        open()
        for i, name in ipairs(names()) do
          if i % 6 == seed % 6 then kept[#kept + 1] = guard() end
          local made = table.pack(makers[name]())
          objects[name] = made[1]
          kept[#kept + 1] = made
          kept[#kept + 1] = coroutine.create(function()
            if seed % 2 == 0 then sluice.sleep(60) end
            return client():get(url, { stream = true })
          end)
          coroutine.resume(kept[#kept])
        end
        if seed % 3 == 0 then
          for _, object in pairs(objects) do
            local finalise = getmetatable(object).__gc
            if finalise then finalise(object) end
          end
        end
        os.exit(true, true)
      ]], seed)
    end
  end)
end)
