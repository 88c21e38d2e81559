-- Downloads from a real server: ranges side by side, codings, a bar, and processes that are killed.

local core = require "sluice.core"
local nginx = require "spec.support.nginx"
local script = require "spec.support.script"
local server = require "spec.support.server"
local sluice = require "sluice"
local support = require "spec.support"

local pattern = support.pattern

local body = pattern(3000)

describe("a download", function()
  local client, directory, path, n

  setup(function() n = nginx.start() end)
  teardown(function() n:stop() end)

  support.verify_each(function(keep)
    directory = keep(server.directory(), server.remove)
    path = directory .. "/file"
    client = keep(support.client { timeout = { idle = 30, first_byte = 30 } })
  end)

  local function names() return server.names(directory) end

  it("decodes what is coded all the same, or leaves it as it is", function()
    n:file(30000)
    local coded = { ["Accept-Encoding"] = "gzip" }
    assert.is_true(client:download(n.url .. "/gzip/30000", path, { headers = coded }))
    assert.is_true(server.read(path) == pattern(30000))
    assert.is_true(client:download(n.url .. "/gzip/30000", path, { headers = coded,
      decompress = false, resume = true }))
    assert.is_true(#server.read(path) < 30000)
    assert.same({ "file" }, names())
  end)

  it("fetches several ranges at a time from nginx, and puts them together", function()
    local size = (6 << 20) + 12345
    n:file(size)
    local requests = 0
    client:use { hop = function(request, forward)
      requests = requests + 1
      return forward(request)
    end }
    local expected = assert(core.hash("sha256", server.read(n.directory .. "/root/file/" .. size)))
    for _, call in support.each_style(sluice) do
      requests = 0
      call(function()
        assert.is_true(client:download(n.url .. "/file/" .. size, path, {
          parallel = 3, resume = true, sha256 = expected }))
      end)
      assert.is_true(requests >= 6, requests)
      assert.same({ "file" }, names())
    end
    assert.is_true(client:download(n.url .. "/file/" .. size, path, { sha256 = expected }))
    local narrow <close> = support.client { pool = { per_origin = 1 }, timeout = { queue = 0 } }
    assert.is_true(narrow:download(n.url .. "/file/" .. size, path, {
      parallel = 4, sha256 = expected }))
    n:file(3000)
    requests = 0
    assert.is_true(client:download(n.url .. "/file/3000", path, { parallel = 3 }))
    assert.equal(1, requests)
    assert.equal(body, server.read(path))
    n:file(0)
    assert.is_true(client:download(n.url .. "/file/0", path, { parallel = 3 }))
    assert.equal("", server.read(path))
    assert.is_true(client:download(n.url .. "/chunked/3000", path, { parallel = 3 }))
    assert.equal(body, server.read(path))
  end)

  it("goes on with several ranges after a failure, alone or side by side", function()
    local size = 4 << 20
    n:file(size)
    local expected = assert(core.hash("sha256", server.read(n.directory .. "/root/file/" .. size)))
    for _, parallel in ipairs { 1, 4 } do
      local count = 0
      local broken <close> = support.client()
      broken:use { hop = function(request, forward)
        count = count + 1
        if count == 4 then return request:failure("closed", "broken", "body") end
        return forward(request)
      end }
      local _, message, err = broken:download(n.url .. "/file/" .. size, path, {
        parallel = 2, resume = true })
      assert.matches("broken", message, 1, true)
      assert.equal("closed", err.code)
      assert.same({ "file.sluice-note", "file.sluice-part" }, names())
      assert.matches("range 0 %d+", server.read(path .. ".sluice-note"))
      assert.is_true(client:download(n.url .. "/file/" .. size, path, {
        parallel = parallel, resume = true, sha256 = expected }))
      assert.same({ "file" }, names())
      os.remove(path)
      count = 0
      assert(broken:download(n.url .. "/file/" .. size, path, {
        parallel = 2, sha256 = expected, retry = { tries = 1, delay = 0 } }))
      os.remove(path)
    end
  end)

  it("starts over if the file changes between two ranges", function()
    local size = 4 << 20
    n:file(size)
    local count = 0
    client:use { hop = function(request, forward)
      count = count + 1
      if count == 3 then server.write(n.directory .. "/root/file/" .. size, "changed") end
      return forward(request)
    end }
    assert.is_true(client:download(n.url .. "/file/" .. size, path, {
      parallel = 2, resume = true }))
    assert.equal("changed", server.read(path))
    assert.same({ "file" }, names())
  end)

  it("draws a bar on a terminal, and writes lines elsewhere", function()
    n:file(3000)
    local url = n.url .. "/file/3000"
    local source = [[
      local client = require("sluice").client()
      assert(client:download(arg[1], arg[2], { progress = true }))
      client:close()
    ]]
    local _, lines = script.run(source, url, path)
    assert.matches("^file 100%% %[#+%] 2.9 KiB of 2.9 KiB, [^\n\r]+/s\n$", lines)
    local _, drawn = server.run { "/usr/bin/python3", "-c",
      "import pty, sys; pty.spawn(sys.argv[1:])", "env",
      "LD_PRELOAD=" .. (os.getenv "LD_PRELOAD" or ""), os.getenv "LUA" or "lua5.4",
      server.write(directory .. "/program.lua", source), url, path }
    assert.matches("\rfile 100%% %[#+%] 2.9 KiB of 2.9 KiB, [^\n\r]+/s *\r?\n$", drawn)
  end)

  -- Ends itself once so many bytes were written, before the final name, or around a call of
  -- os.remove, which stands at the beginning of a version and behind the final name.
  local killed = [[
    local sluice = require "sluice"
    local Partial = require "sluice.download.partial"
    local url, path, parallel = arg[1], arg[2], tonumber(arg[3])
    local moment, at = arg[4], tonumber(arg[5])
    local pid = io.open("/proc/self/stat"):read "n"
    local function die() os.execute("kill -9 " .. pid) end
    local write, commit, remove, count = Partial.write, Partial.commit, os.remove, 0
    function Partial:write(...)
      local ok, reason = write(self, ...)
      if moment == "write" and self:count() >= at then die() end
      return ok, reason
    end
    function Partial:commit(...)
      if moment == "commit" then die() end
      return commit(self, ...)
    end
    function os.remove(...)
      count = count + 1
      if moment == "named" then die() end
      remove(...)
      if moment == "remove" and count == at then die() end
    end
    print(sluice.client():download(url, path, { resume = true, parallel = parallel }))
    os.exit(1)
  ]]

  for _, parallel in ipairs { 1, 3 } do
    it("ends with the right file if it is killed anywhere, by ranges: " .. parallel, function()
        local size = 5 << 20
      n:file(size)
      local url = ("%s/file/%d"):format(n.url, size)
      local expected =
        assert(core.hash("sha256", server.read(n.directory .. "/root/file/" .. size)))
      server.write(path, "old")
      for _, moment in ipairs { { "remove", 1 }, { "write", 1 }, { "write", 2 << 20 },
        { "write", 3 << 20 }, { "write", size }, { "commit", 0 }, { "named", 0 } } do
        local status, output =
          script.run(killed, url, path, tostring(parallel), moment[1], tostring(moment[2]))
        assert.equal("", output)
        assert.not_equal(1, status)
        local content = server.read(path)
        assert.equal(moment[1] == "named" and expected or "old",
          #content > 3 and core.hash("sha256", content) or content)
      end
      local first
      assert.is_true(client:download(url, path, { resume = true, parallel = parallel,
        sha256 = expected, progress = function(done) first = first or done end }))
      assert.same({ "file" }, names())
      -- Killed in the middle, it goes on with what was there.
      script.run(killed, url, path, tostring(parallel), "write", tostring(3 << 20))
      first = nil
      assert.is_true(client:download(url, path, { resume = true, parallel = parallel,
        sha256 = expected, progress = function(done) first = first or done end }))
      assert.is_true(first > 1 << 20, first)
      assert.same({ "file" }, names())
    end)
  end
end)
