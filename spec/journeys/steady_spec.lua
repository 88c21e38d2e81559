-- Resident memory stands still while requests go on.

local server = require "spec.support.server"
local sluice = require "sluice"
local support = require "spec.support"

local peer, system = support.peer, support.system

local source = [[
local sluice = require "sluice"
local support = require "spec.support"
local url = arg[1]

local function resident()
  collectgarbage()
  collectgarbage()
  for line in io.lines "/proc/self/status" do
    local kilobytes = line:match "^VmRSS:%s+(%d+)"
    if kilobytes then return tonumber(kilobytes) end
  end
end

local client = support.client()
local first, last
sluice.run(function()
  -- Garbage is collected as often before the first measurement as after it.
  local function run(times)
    for i = 1, times do
      local response <close> = assert(client:get(url))
      assert(#response:text() == 1024)
      if i % 100 == 0 then collectgarbage() end
    end
    return resident()
  end
  first = run(1000)
  last = run(9000)
end)
client:close()
support.settle(sluice)
print(("grown=%d outstanding=%d"):format(last - first, sluice.stats().outstanding))
]]

describe("memory", function()
  it("after 10,000 requests is what it was after 1,000", function()
    local before = support.snapshot(sluice)
    local answer = "HTTP/1.1 200 OK\r\nContent-Length: 1024\r\n\r\n" .. ("x"):rep(1024)
    local directory = server.directory()
    local web = peer.listen { records = false,
      script = { { { "expect_until", "\r\n\r\n" }, { "send", answer }, { "loop" } } } }
    local path = server.write(directory .. "/script.lua", source)
    local command = { "env", os.getenv "LUA" or "lua5.4", path, web.url .. "/" }
    local preload = os.getenv "LD_PRELOAD"
    if preload then
      -- A sanitizer keeps freed memory in a quarantine unless that is switched off.
      table.insert(command, 2, "LD_PRELOAD=" .. preload)
      table.insert(command, 3, "ASAN_OPTIONS=detect_leaks=0:quarantine_size_mb=0:"
        .. "thread_local_quarantine_size_kb=0")
    end
    local status = system.reap(assert(system.spawn(command, directory .. "/output")), 600)
    local output = server.read(directory .. "/output")
    web:stop()
    server.remove(directory)
    assert.equal(0, status, output)
    local grown, outstanding = output:match "^grown=(%-?%d+) outstanding=(%d+)\n$"
    assert.is_truthy(grown, output)
    assert.is_true(tonumber(grown) <= 64, grown .. " KiB more")
    assert.equal("0", outstanding)
    support.verify(sluice, before)
  end)
end)
