--- What specs share: `local support = require "spec.support"`.

local peer = require "support.peer"
local system = require "support.system"

local support = {
  peer = peer,
  system = system,
  pattern = require "spec.support.pattern",
  fixtures = require "spec.support.fixtures",
}

--- The part after "+" of SLUICE_SPEC_MODE is the backend; "stream+epoll", "completion+threads", ...
-- What runs in the mode "once" must not depend on it.
function support.transport()
  local name = os.getenv "SLUICE_SPEC_MODE"
  if not name or name == "" then return nil end
  if name == "once" then error("a spec that runs once has no transport under test", 2) end
  local mode, backend = name:match("^(%l+)%+([%l_]+)$")
  if not mode then error("SLUICE_SPEC_MODE: expected mode+backend, got " .. name, 2) end
  return { mode = mode, backend = backend }
end

--- A client for the transport the specs are run with.
function support.client(options)
  local copy = { transport = support.transport() }
  for key, value in pairs(options or {}) do copy[key] = value end
  return require("sluice").client(copy)
end

-- ---- nothing left behind ----

-- What is rented, in flight or waited for, as text; nil where there is nothing.
local function left_behind(sluice)
  local stats = sluice.stats()
  local left = {}
  for _, name in ipairs { "outstanding", "operations", "timers" } do
    if stats[name] ~= 0 then left[#left + 1] = ("%d %s"):format(stats[name], name) end
  end
  return left[1] and table.concat(left, ", ") .. " left behind"
end

-- Lets the loop finish what was closed or cancelled, without collecting garbage: what was not
-- disposed counts as left behind. Returns what is still there after 20 seconds, in words.
local function finish(sluice)
  local loop, deadline = sluice.loop(), system.clock() + 20
  local left
  repeat
    left = left_behind(sluice)
    if left then loop:step(0.001) end
  until not left or system.clock() > deadline
  return left
end

--- Lets the loop finish what was closed or cancelled. Raises unless everything was given back
-- within 20 seconds.
function support.settle(sluice)
  local left = finish(sluice)
  if left then error(left, 2) end
end

local is_warm = false

-- The loop's own descriptors (backend, resolver) are opened when they are first needed and live as
-- long as the state: part of what is there before.
local function warm_up(sluice)
  if is_warm then return end
  is_warm = true
  local answer = { { "read", 1 }, { "send", "HTTP/1.1 204 No Content\r\n\r\n" }, { "stall" } }
  local p <close> = peer.listen { script = { answer } }
  local is_once = os.getenv "SLUICE_SPEC_MODE" == "once"
  local client = is_once and sluice.client() or support.client()
  sluice.loop():pollfd()
  local response <close> = assert(client:get(("http://localhost:%d/"):format(p.port)))
  response:dispose()
  client:close()
  support.settle(sluice)
end

--- What is open now, to be compared by `support.verify`.
function support.snapshot(sluice)
  warm_up(sluice)
  return { descriptors = peer.descriptors(), leaked = sluice.stats().leaked }
end

-- What is open now and was not, or the other way round, in words; nil: nothing.
local function compare(before)
  local now = peer.descriptors()
  for number, link in pairs(now) do
    if not before[number] then return ("descriptor %d (%s) left open"):format(number, link) end
  end
  for number, link in pairs(before) do
    if not now[number] then return ("descriptor %d (%s) was closed"):format(number, link) end
  end
end

-- How the state differs from the snapshot, in words; nil: it does not.
local function difference(sluice, before)
  local left = finish(sluice)
  if left then return left end
  local stats = sluice.stats()
  local leaked = stats.leaked - before.leaked
  if leaked ~= 0 then return leaked .. " objects collected that were not disposed" end
  if stats.late_writes ~= 0 then
    return stats.late_writes .. " operations met memory that was given back"
  end
  if stats.waiting ~= 0 then return stats.waiting .. " coroutines still waiting" end
  -- What worker threads have open when their task is cancelled they close a moment later.
  local deadline = system.clock() + 20
  local changed
  repeat
    sluice.loop():step(0)
    changed = compare(before.descriptors)
  until not changed or system.clock() > deadline
  return changed
end

--- Raises unless everything is as it was at the snapshot: for `after_each`.
function support.verify(sluice, before)
  local message = difference(sluice, before)
  if message then error(message, 2) end
end

local function close_now(value)
  local _ <close> = value
end

--- Verifies after each test of a `describe` block that it left nothing behind, and reports the test
-- by its title. `set_up(keep)`, if given, runs before each test. `keep(value, close)` returns the
-- value and closes it after the test, the one kept last first: by `close(value)`, or by `__close`.
-- An `after_each` that stands above the call runs before the kept are closed.
function support.verify_each(set_up)
  local busted = require "busted"
  local sluice = require "sluice"
  local before, kept, title

  local function keep(value, close)
    kept[#kept + 1] = { value = value, close = close or close_now }
    return value
  end

  busted.subscribe({ "test", "start" }, function(test)
    title = test.name
    return nil, true -- for those that subscribed after this
  end)
  busted.before_each(function()
    kept = {}
    before = support.snapshot(sluice)
    if set_up then set_up(keep) end
  end)
  -- A tail call: errors are reported at the line that called this function.
  return busted.after_each(function()
    for i = #kept, 1, -1 do kept[i].close(kept[i].value) end
    local message = difference(sluice, before)
    if message then error(("%s: %s"):format(title, message), 0) end
  end)
end

--- Collects garbage until this process has no file of that path open: what a context writes to is
-- open as long as the context, which goes with the last of its handles.
function support.collect_until_closed(sluice, path)
  local deadline = system.clock() + 20
  local is_open
  repeat
    sluice.loop():step(0)
    collectgarbage()
    is_open = false
    for _, link in pairs(peer.descriptors()) do is_open = is_open or link == path end
    if is_open and system.clock() > deadline then error(path .. ": still open", 2) end
  until not is_open
end

-- ---- inputs ----

--- for offset, head, tail in support.each_cut(bytes): every cut in two, both ends included.
function support.each_cut(bytes)
  local offset = -1
  return function()
    offset = offset + 1
    if offset <= #bytes then return offset, bytes:sub(1, offset), bytes:sub(offset + 1) end
  end
end

--- A peer that answers the requests of each connection one after the other with these bytes, and
-- then from the start.
function support.serve(...)
  local script = {}
  for _, bytes in ipairs { ... } do
    script[#script + 1] = { "expect_until", "\r\n\r\n" }
    script[#script + 1] = { "send", bytes }
  end
  script[#script + 1] = { "loop" }
  return peer.listen { script = { script }, repeat_last = true }
end

--- A lease over that text.
function support.lease(text)
  local writer <close> = require("sluice").writer { max_size = 1 << 30 }
  assert(writer:write(text))
  return writer:detach()
end

--- The bytes that are written in hexadecimal.
function support.from_hex(text)
  return (text:gsub("%x%x", function(digits) return string.char(tonumber(digits, 16)) end))
end

--- Whether a lease, sequence or other handle was disposed.
function support.is_disposed(handle) return tostring(handle):find "disposed" ~= nil end

--- A function that gives the pieces, then nil.
function support.pieces_of(...)
  local pieces, index = { ... }, 0
  return function()
    index = index + 1
    return pieces[index]
  end
end

--- The bytes behind the head of a request.
function support.body_of(request) return request:match("\r\n\r\n(.*)$") end

--- The value of a field in the head of a request; nil: it has none of that name.
function support.field_of(request, name)
  return request:match("\r\n" .. name .. ": ([^\r]*)\r\n")
end

--- The heads of all requests that a peer got, over all its connections.
function support.heads_of(p)
  local heads = {}
  for _, bytes in ipairs(p:received()) do
    for head in bytes:gmatch "%u+ %S+ HTTP/1.1\r\n.-\r\n\r\n" do heads[#heads + 1] = head end
  end
  return heads
end

-- ---- the three ways of calling ----

local function plain_script(_, f, ...)
  return f(...)
end

-- Not by sluice.run, which also waits for the tasks that a spec keeps beside the call.
local function in_task(sluice, f, ...) return sluice.spawn(f, ...):await() end

local function in_frame_loop(sluice, f, ...)
  local results
  local advance = coroutine.wrap(function(...) results = table.pack(f(...)) end)
  local loop, deadline = sluice.loop(), system.clock() + 300
  advance(...)
  while not results do
    loop:step(0)
    if system.clock() > deadline then error("no result after 300 seconds of frames", 2) end
  end
  return table.unpack(results, 1, results.n)
end

support.styles = {
  { name = "in a plain script", call = plain_script },
  { name = "in a task", call = in_task },
  { name = "in a coroutine with a frame loop", call = in_frame_loop },
}

--- for name, call in support.each_style(sluice): `call(f, ...)` runs f that way and returns its
-- results.
function support.each_style(sluice)
  local index = 0
  return function()
    index = index + 1
    local style = support.styles[index]
    if style then return style.name, function(...) return style.call(sluice, ...) end end
  end
end

return support
