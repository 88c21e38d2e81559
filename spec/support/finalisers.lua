--- Finalisers that dispose or finalise an object in the midst of a call of it, in an interpreter of
-- their own.

local script = require "spec.support.script"
local support = require "spec.support"

local finalisers = {}

-- Each makes an object and gives back what to call and how to be rid of the object.
local PRELUDE = [[
local url, port, mode, backend, what, way = arg[1], tonumber(arg[2]), table.unpack(arg, 3)
local sluice = require "sluice"
local transport = { mode = mode, backend = backend }
local client = sluice.client { transport = transport }
local text = ("some words\n"):rep(4000)

local function got(options) return assert(client:get(url, options)) end

-- Without a finaliser the way is to dispose.
local function gone(object)
  if way == "finalised" then
    local finalise = getmetatable(object).__gc
    if finalise then return finalise(object) end
  end
  pcall(object.dispose, object) -- a lease tells who comes second
end

local function sequence()
  return sluice.buffer { segment_size = 700 }:append(text):sequence()
end

local cases = {}

local function of_response(name, call, options)
  cases["response " .. name] = function()
    local response = got(options)
    return response, function() return call(response) end
  end
end

of_response("text", function(response) return response:text() end)
of_response("sequence", function(response) return response:sequence() end)
of_response("detach", function(response) return response:detach() end)
of_response("timings", function(response) return response.timings end)
of_response("read", function(response) while response:read(10000) do end end, { stream = true })
of_response("chunks", function(response)
  for piece in response:chunks() do piece:dispose() end
end, { stream = true })
of_response("headers", function(response)
  for name, value in pairs(response.headers) do assert(#name > 0 and value) end
end)
of_response("all", function(response)
  for i, value in ipairs(response.headers:all "X-A") do
    assert(value == (("%05d"):format(i)):rep(20), value)
  end
end)
of_response("watch", function(response) for _ = 1, 100 do response:watch() end end)
of_response("get", function(response) return response.headers:get "X-A" end)

of_response("lines", function(response)
  for line in response:lines() do assert(line) end
end, { stream = true })
of_response("reader", function(response)
  local reader = response:reader()
  for _ = 1, 100 do assert(reader:read("l", 5, "L")) end
  assert(reader:read "a")
end, { stream = true })
of_response("whole reader", function(response)
  local reader <close> = response:reader()
  for _ = 1, 100 do assert(reader:read("l", 5, "L")) end
  assert(reader:read "a")
end)

local function of_sequence(name, call)
  cases["sequence " .. name] = function()
    local made = sequence()
    return made, function() return call(made) end
  end
end

of_sequence("tostring", function(made) assert(made:tostring() == text) end)
of_sequence("sub", function(made) for i = 1, 50 do made:sub(i, -i):dispose() end end)
of_sequence("segments", function(made) for piece in made:segments() do assert(#piece > 0) end end)
of_sequence("reader", function(made)
  local reader = made:reader()
  for _ = 1, 100 do assert(reader:read("l", "n", 5)) end
  assert(reader:read "a")
end)

cases["lease tostring"] = function()
  local lease = sluice.buffer { segment_size = 700 }:append(text):detach()
  return lease, function()
    lease:sequence():dispose()
    assert(lease:tostring() == text)
  end
end

cases["buffer detach"] = function()
  local buffer = sluice.buffer():append(text)
  return buffer, function()
    for _ = 1, 50 do buffer:sequence():dispose() end
    buffer:detach():dispose()
  end
end

cases["writer write"] = function()
  local writer = sluice.writer()
  return writer, function()
    for i = 1, 2000 do writer:write(i + 0.5, "text") end
    writer:view()
    writer:detach():dispose()
  end
end

cases["parser next"] = function()
  local parser = sluice.http_parser()
  local head = { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" }
  for i = 1, 100 do head[i + 1] = ("X-%d: %s\r\n"):format(i, ("v"):rep(90)) end
  local bytes = table.concat(head) .. "\r\n5\r\nhello\r\n0\r\nX-T: y\r\n\r\n"
  return parser, function()
    parser:feed(bytes)
    repeat local event = parser:next() until not event or event.type == "end"
  end
end

cases["ws parser next"] = function()
  local parser = sluice.ws_parser { role = "client" }
  local bytes = "\x82\x7e\x10\0" .. ("x"):rep(4096) .. "\x89\x04ping"
  return parser, function()
    for _ = 1, 100 do
      parser:feed(bytes)
      parser:next():dispose()
      assert(parser:next().payload == "ping")
    end
  end
end

cases["ws parser output"] = function()
  local parser = sluice.ws_parser { role = "client" }
  return parser, function()
    for _ = 1, 100 do
      parser:text(text):ping()
      assert(#parser:output() > #text)
      parser:binary(text, false):continue(text):detach():dispose()
    end
  end
end

-- A number becomes a string.
cases["ws parser control"] = function()
  local parser = sluice.ws_parser { role = "client" }
  return parser, function()
    for i = 1, 30000 do assert(parser:ping(i + 0.5)) end
    parser:close(1000, 0.125)
  end
end

cases["socket ping"] = function()
  local core = require "sluice.core"
  core.websocket_key = function() return "dGhlIHNhbXBsZSBub25jZQ==" end
  local socket = assert(client:websocket(url))
  return socket, function() for i = 1, 30000 do socket:ping(i + 0.5) end end
end

local function of_message(name, call)
  cases["message " .. name] = function()
    local parser = sluice.ws_parser { role = "client" }
    local made = parser:feed("\x82\x7e" .. (">I2"):pack(#text) .. text):next()
    parser:dispose()
    return made, function() return call(made) end
  end
end

of_message("text", function(made) assert(made:text() == text) end)
of_message("sequence", function(made) for _ = 1, 50 do made:sequence():dispose() end end)
of_message("detach", function(made)
  made:sequence():dispose()
  made:detach():dispose()
end)

cases["transport receive"] = function()
  local made = assert(sluice.connect { host = "127.0.0.1", port = port, transport = transport })
  made:send "GET / HTTP/1.1\r\n\r\n"
  return setmetatable({ dispose = function() made:close() end }, {
    __gc = way == "finalised" and function() getmetatable(made).__gc(made) end or nil,
  }), function()
    repeat local piece = made:receive(20000, 5) until not piece
  end
end

-- A finaliser for every few allocations: it comes at a different one each time. Collections
-- begin at once and go in small steps, however large the heap is beside what a case allocates.
local hits, refused = 0, 0
for round = 1, 40 do
  local object, call = cases[what]()
  local is_armed = false
  for _ = 1, 1 + round % 3 do
    setmetatable({}, { __gc = function()
      if is_armed then
        hits = hits + 1
        gone(object)
      end
    end })
  end
  collectgarbage("incremental", 60 + round, 400, 7 + round % 5)
  is_armed = true
  local ok, message = pcall(call)
  is_armed = false
  if not ok then
    refused = refused + 1
    message = tostring(message)
    assert(message:find "disposed" or message:find "closed" or message:find "cancelled"
      or message:find "assertion failed" or message:find "attempt to", message)
  end
  gone(object)
end
client:close()
collectgarbage()
collectgarbage()
assert(sluice.stats().outstanding == 0)
print(hits, refused)
]]

--- Makes the object `what` again and again and calls it while finalisers are rid of it, both ways.
-- Raises unless the worst outcome is an error, and nothing is left. `p` is the peer that answers.
function finalisers.check(what, p, transport)
  for _, way in ipairs { "disposed", "finalised" } do
    local status, output = script.run(PRELUDE, p.url .. "/", tostring(p.port),
      transport.mode, transport.backend, what, way)
    assert(status == 0, output)
    assert(tonumber(output:match "^%d+") > 0, output)
  end
end

--- A peer that answers with that.
function finalisers.listen(answer)
  return support.peer.listen { records = false, repeat_last = true, script = {
    { { "expect_until", "\r\n\r\n" }, { "send", answer }, { "loop" } } } }
end

return finalisers
