-- response:save: a file whole or not at all, and what else may have its name.

local lfs = require "lfs"
local server = require "spec.support.server"
local sluice = require "sluice"
local support = require "spec.support"

local peer, pattern = support.peer, support.pattern

local request_head = { "expect_until", "\r\n\r\n" }

describe("saving a response", function()
  local client, directory, path

  support.verify_each(function(keep)
    directory = keep(server.directory(), server.remove)
    path = directory .. "/file"
    client = keep(support.client { timeout = { idle = 30, first_byte = 30 } })
  end)

  local function answer(body)
    return peer.listen { records = false, repeat_last = true, script = { {
      request_head,
      { "send", ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body) },
      { "loop" },
    } } }
  end

  local function names() return server.names(directory) end

  local function run(command)
    local pipe = assert(io.popen(command))
    local output = pipe:read "a"
    assert(pipe:close())
    return output
  end

  local function mode_of(name) return (run("stat -c %a '" .. name .. "'"):gsub("%s", "")) end

  --- A response each way, streamed and whole.
  local function each_way(p, use)
    for _, is_stream in ipairs { true, false } do
      local response <close> = assert(client:get(p.url .. "/", { stream = is_stream }))
      use(response)
    end
  end

  it("keeps the mode of the file that it replaces", function()
    local body = pattern(300000)
    local p <close> = answer(body)
    for _, mode in ipairs { "600", "644", "755", "444", "640" } do
      server.write(path, "old")
      run(("chmod %s '%s'"):format(mode, path))
      each_way(p, function(response)
        assert.equal(#body, response:save(path, { sync = mode == "644" }))
        assert.equal(mode, mode_of(path))
        assert.is_true(server.read(path) == body)
      end)
      assert.same({ "file" }, names())
      os.remove(path)
    end
  end)

  it("refuses a name with a zero byte, and touches no file", function()
    local p <close> = answer "new"
    server.write(path, "old")
    each_way(p, function(response)
      for _, name in ipairs { path .. "\0", path .. "\0.txt", "\0", directory .. "\0/file" } do
        local size, message, err = response:save(name)
        assert.is_nil(size)
        assert.equal("invalid", err.code)
        assert.matches("zero byte", message)
        assert.matches("\\x00", message, 1, true)
      end
      assert.equal("new", response:text())
    end)
    assert.equal("old", server.read(path))
    assert.same({ "file" }, names())
  end)

  it("replaces the target of a link and keeps the link", function()
    local p <close> = answer "new"
    local target = directory .. "/target"
    assert(lfs.link("target", path, true))
    each_way(p, function(response)
      assert.equal(3, response:save(path))
      assert.equal("link", lfs.symlinkattributes(path, "mode"))
      assert.equal("file", lfs.symlinkattributes(target, "mode"))
      assert.equal("new", server.read(target))
      assert.same({ "file", "target" }, names())
    end)
  end)

  it("says why a device takes no more", function()
    if not lfs.attributes "/dev/full" then return end
    local p <close> = answer "new"
    each_way(p, function(response)
      local size, message, err = response:save "/dev/full"
      assert.is_nil(size)
      assert.equal("save '/dev/full': No space left on device", message)
      assert.same({ "invalid", "body" }, { err.code, err.stage })
    end)
  end)

  it("writes into a device", function()
    local p <close> = answer(pattern(100000))
    each_way(p, function(response)
      assert.equal(100000, response:save("/dev/null", { sync = true }))
      assert.equal("char device", lfs.attributes("/dev/null", "mode"))
    end)
  end)

  for style, call in support.each_style(sluice) do
    it("writes into a FIFO at the speed of its reader " .. style, function()
      local body = pattern(400000)
      local p <close> = answer(body)
      run(("mkfifo '%s'"):format(path))
      call(function()
        each_way(p, function(response)
          local copy = directory .. "/copy"
          -- Opened for reading and writing, it opens at once.
          local holding <close> = assert(io.open(path, "r+"))
          local reading = assert(io.popen(
            ("head -c %d '%s' > '%s'"):format(#body, path, copy), "w"))
          assert.equal(#body, response:save(path))
          assert(reading:close())
          assert.is_true(server.read(copy) == body)
          assert.equal("named pipe", lfs.attributes(path, "mode"))
          assert.is_truthy(holding)
          os.remove(copy)
        end)
      end)
      assert.same({ "file" }, names())
    end)
  end

  it("reports a FIFO without a reader, and keeps the body", function()
    local p <close> = answer "new"
    run(("mkfifo '%s'"):format(path))
    each_way(p, function(response)
      local size, message, err = response:save(path)
      assert.is_nil(size)
      assert.equal("invalid", err.code)
      assert.matches("no process reads from this FIFO", message)
      assert.matches(path, message, 1, true)
      assert.equal("new", response:text())
    end)
    assert.equal("named pipe", lfs.attributes(path, "mode"))
  end)

  it("stops if it is cancelled while a FIFO is full", function()
    local p <close> = answer(pattern(1 << 20))
    run(("mkfifo '%s'"):format(path))
    local holding <close> = assert(io.open(path, "r+")) -- luacheck: ignore
    local saving = sluice.spawn(function()
      local response <close> = assert(client:get(p.url .. "/", { stream = true }))
      local _, _, err = response:save(path)
      return err.code
    end)
    for _ = 1, 50 do sluice.loop():step(0.005) end
    assert.equal("waiting", saving:status())
    saving:cancel()
    assert.equal("cancelled", (saving:await()))
  end)

  it("raises if part of the body was already read", function()
    local p <close> = answer(("line\n"):rep(100))
    for name, take in pairs {
      read = function(response) response:read(1) end,
      next_chunk = function(response) response:next_chunk():dispose() end,
      reader = function(response)
        local reader <close> = response:reader()
        reader:read()
      end,
      ["a loop"] = function(response)
        for _ in response:lines() do response:is_complete() end
      end,
      ["text of the rest"] = function(response)
        response:read(1)
        response:text()
      end,
    } do
      local response <close> = assert(client:get(p.url .. "/", { stream = true }))
      take(response)
      assert.error_matches(function() response:save(path) end,
        "save: part of the body was taken already", 1, false, name)
    end
    local whole <close> = assert(client:get(p.url .. "/"))
    for _ in whole:lines() do whole:is_complete() end
    assert.equal(500, whole:save(path))
    assert.equal(500, #whole:text())
    assert.equal(500, whole:save(path))
    local detached <close> = assert(client:get(p.url .. "/"))
    local lease <close> = detached:detach() -- luacheck: ignore
    assert.error_matches(function() detached:save(path) end, "use of detached body")
    assert.same({ "file" }, names())
  end)

  it("checks its options", function()
    local p <close> = answer "new"
    local response <close> = assert(client:get(p.url .. "/"))
    assert.error_matches(function() response:save(path, { sync = 1 }) end, "save: option 'sync'")
    assert.error_matches(function() response:save(path, { mode = 1 }) end, "unknown option 'mode'")
    assert.same({}, names())
  end)

  it("reports the full size to on_progress before it returns", function()
    local size = 3 << 20
    local p <close> = answer(pattern(size))
    for _, call in support.each_style(sluice) do
      call(function()
        local last
        local response <close> = assert(client:get(p.url .. "/", {
          stream = true,
          on_progress = function(...) last = { ... } end,
        }))
        assert.equal(size, response:save(path))
        assert.same({ 0, size, 0, size }, { last[1], last[2], last[3] or 0, last[4] })
      end)
    end
  end)

  it("keeps the old file if the last report raises", function()
    local size = 3 << 20
    local p <close> = answer(pattern(size))
    server.write(path, "old")
    local thrown = { "a table" }
    local response <close> = assert(client:get(p.url .. "/", {
      stream = true, on_progress = function(_, received)
        if received == size then error(thrown) end
      end,
    }))
    local ok, raised = pcall(response.save, response, path)
    assert.is_false(ok)
    assert.equal(thrown, raised)
    assert.equal("old", server.read(path))
    assert.same({ "file" }, names())
  end)

  it("does not leave its file open in programs that are started meanwhile", function()
    local p <close> = peer.listen { records = false, script = { {
      request_head, { "send", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc" }, { "hold" },
      { "send", "def" }, { "stall" },
    } } }
    local saving = sluice.spawn(function()
      local response <close> = assert(client:get(p.url .. "/", { stream = true }))
      return response:save(path)
    end)
    while #names() == 0 do sluice.loop():step(0.01) end
    assert.is_nil(run("ls -l /proc/self/fd"):find(directory, 1, true))
    p:signal(1)
    assert.equal(6, (saving:await()))
    assert.equal("abcdef", server.read(path))
  end)
end)
