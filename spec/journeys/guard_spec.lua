-- Pages that become unreadable when a block is returned: any late write is caught, the kernel's
-- too. Waits are abandoned, clients and states closed, while operations are in flight.

local server = require "spec.support.server"
local support = require "spec.support"

local peer, system = support.peer, support.system

local LUA = os.getenv "LUA" or "lua5.4"
local MODE = os.getenv "SLUICE_SPEC_MODE"
if not MODE or MODE == "" then MODE = "completion+epoll" end

--- Runs a command with the guarding pool. Returns its exit status, what it printed, and when it
-- had ended.
local function run_guarded(arguments)
  local directory = server.directory()
  local command = { "env", "SLUICE_POOL=guard", "SLUICE_SPEC_MODE=" .. MODE }
  -- Programs are started without a preloaded sanitizer, but this one loads the module.
  local preload = os.getenv "LD_PRELOAD"
  if preload then command[#command + 1] = "LD_PRELOAD=" .. preload end
  table.move(arguments, 1, #arguments, #command + 1, command)
  local status = system.reap(assert(system.spawn(command, directory .. "/output")), 600)
  local ended = system.clock()
  local output = server.read(directory .. "/output")
  server.remove(directory)
  return status, output, ended
end

local function run_script(source, ...)
  local directory = server.directory()
  local path = server.write(directory .. "/script.lua", source)
  local status, output, ended = run_guarded { LUA, "-W", path, ... }
  server.remove(directory)
  return status, output, ended
end

-- What every script begins with: requests and streams in all their phases, each with an operation
-- in flight. The peers answer with more bytes at the moment when these are abandoned.
local prelude = [[
  local support = require "spec.support"
  local sluice = require "sluice"
  local ports = {}
  for port in arg[1]:gmatch "%d+" do ports[#ports + 1] = tonumber(port) end
  local client = support.client { pool = { per_origin = 100, total = 400 } }
  local threads = {}
  local function begin(f)
    local thread = coroutine.create(f)
    assert(coroutine.resume(thread))
    assert(coroutine.status(thread) == "suspended")
    threads[#threads + 1] = thread
  end
  for _, port in ipairs(ports) do
    local url = ("http://127.0.0.1:%d/"):format(port)
    for _ = 1, 2 do
      begin(function() client:get(url) end)
      begin(function() client:post(url, { body = ("x"):rep(4 << 20) }) end)
      begin(function()
        local response = client:get(url, { stream = true })
        while response and response:read(100000) do end
      end)
      begin(function()
        local transport = sluice.connect {
          host = "127.0.0.1", port = port, transport = support.transport() }
        if not transport then return end -- the end came before it was connected
        transport:begin_send(("y"):rep(4 << 20))
        transport:receive(100000)
      end)
    end
  end
  local function step(count)
    for _ = 1, count do sluice.loop():step(0.002) end
  end
  step(10)
  -- Nothing may be left of what was in flight.
  local function check()
    collectgarbage()
    collectgarbage()
    local deadline = support.system.clock() + 20
    repeat
      sluice.loop():step(0.002)
      local stats = sluice.stats()
      local left = stats.outstanding + stats.operations + stats.late_writes
    until left == 0 or support.system.clock() > deadline
    local stats = sluice.stats()
    assert(stats.outstanding == 0, stats.outstanding .. " outstanding")
    assert(stats.operations == 0, stats.operations .. " operations")
    assert(stats.late_writes == 0, stats.late_writes .. " late writes")
  end
  -- After this only the state is closed.
  local is_over
  local function over()
    is_over = true
    print(support.system.clock())
  end
]]

local endings = {
  ["a state that closes"] = "",
  ["os.exit that closes the state"] = "over() os.exit(0, true)",
  ["coroutines that are closed"] = [[
    for _, thread in ipairs(threads) do assert(coroutine.close(thread)) end
    step(30)
    client:close()
    check()
  ]],
  ["coroutines that are forgotten, with all they hold"] = [[
    threads = nil
    client = nil
    collectgarbage()
    collectgarbage()
    step(30)
  ]],
  ["a client that is closed"] = [[
    client:close()
    step(30)
    collectgarbage()
    step(30)
    for _, thread in ipairs(threads) do coroutine.close(thread) end
    check()
  ]],
  ["coroutines that are closed, then at once the state"] = [[
    for _, thread in ipairs(threads) do assert(coroutine.close(thread)) end
    client:close()
  ]],
  ["an error that ends the script"] = "over() if is_over then error 'on purpose' end",
}

describe("with guarded pages and operations in flight,", function()
  support.verify_each()

  local head = { "expect_until", "\r\n\r\n" }
  local answer = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
  -- A peer that never accepts; one that is silent; one that sends part of a head; one whose body
  -- never ends; one that reads nothing; and one that sends all the time.
  local peers = {
    { accept = false, script = { { { "stall" } } } },
    { script = { { head, { "stall" } } } },
    { script = { { head, { "send", answer:sub(1, 20) }, { "stall" } } } },
    { script = { { head, { "dribble", answer .. ("b"):rep(900000), 3000, 0.0005 },
      { "stall" } } } },
    { script = { { { "hold" } } } },
    { script = { { { "dribble", ("c"):rep(1000000), 5000, 0.0002 }, { "stall" } } } },
  }

  for name, ending in pairs(endings) do
    it(name, function()
      local ports, listening = {}, {}
      for i, options in ipairs(peers) do
        options.records, options.repeat_last = false, true
        listening[i] = peer.listen(options)
        ports[i] = listening[i].port
      end
      local status, output, ended = run_script(
        prelude .. ending .. " if not is_over then over() end", table.concat(ports, " "))
      for _, one in ipairs(listening) do one:stop() end
      local from, rest = output:match "^([%d.]+)\n(.*)"
      assert(from, output)
      local is_error = name:match "error"
      assert.equal(is_error and 1 or 0, status)
      if not is_error then assert.equal("", rest) end
      local seconds = ended - from
      assert.is_true(seconds < 20, ("closing took %.2f s"):format(seconds))
    end)
  end
end)

-- Closes the pages of a receive that is in flight, as a return too early would.
local early = [[
  local sluice = require "sluice"
  local support = require "spec.support"
  -- Where closed pages begin, and whether that is where open ones end that hold a block of 8 KiB.
  -- What malloc keeps for a thread ends so, too, but closes megabytes; the stack of a thread has a
  -- closed page that may lie behind anything smaller.
  local function closed()
    local list, open_to, open_size = {}, nil, 0
    for line in io.lines "/proc/self/maps" do
      local from, to, access = line:match "^(%x+)%-(%x+) (%S+)"
      from, to = tonumber(from, 16), tonumber(to, 16)
      if access == "---p" then
        list[from] = from == open_to and open_size >= 8192 and to - from < 1 << 20
      end
      open_to, open_size = access == "rw-p" and to or nil, to - from
    end
    return list
  end
  local p = support.peer.listen { script = {
    { { "stall" } }, { { "hold" }, { "send", "late" }, { "stall" } } } }
  local function connect()
    return assert(sluice.connect {
      host = p.host, port = p.port, transport = support.transport() })
  end
  connect():close() -- threads have stacks with closed pages, too
  support.settle(sluice)
  local before = closed()
  local transport = connect()
  local completion = transport:begin_receive()
  for _ = 1, 10 do sluice.loop():step(0.002) end
  local count = 0
  for stop, is_end in pairs(closed()) do
    if is_end and before[stop] == nil then
      count = count + 1
      assert(support.system.close_pages(stop - 8192, stop))
    end
  end
  assert(count == 2, count .. " blocks")
  assert(sluice.stats().late_writes == 0)
  p:signal(1)
  local got, _, err = completion:await()
  print(got, err.errno, sluice.stats().late_writes)
  transport:close()
]]

describe("with guarded pages", function()
  -- The stream transport lends nothing.
  if MODE:match "^completion" then
    it("a late write is detected and counted", function()
      local status, output = run_script(early)
      if os.getenv "LD_PRELOAD" then -- a debug build ends there
        assert.not_equal(0, status)
        assert.matches("memory was given back before", output)
      else
        assert.same({ 0, "nil\t14\t1\n" }, { status, output })
      end
    end)
  end

  it("the specs of requests, faults, streams, ownership and transports pass", function()
    local status, output = run_guarded { LUA, arg[0], "--lpath=", "--cpath=",
      "--output=plainTerminal", "spec/journeys/get_spec.lua", "spec/journeys/faults_spec.lua",
      "spec/journeys/stream_spec.lua", "spec/journeys/ownership_spec.lua",
      "spec/binding/transport_spec.lua", "spec/journeys/transport_ends_spec.lua" }
    assert(status == 0, output)
    local passed = tonumber(output:match "(%d+) successes / 0 failures / 0 errors / 0 pending")
    assert.is_true(passed ~= nil and passed > 200, output)
  end)
end)
