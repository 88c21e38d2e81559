-- Requests beside libuv's handles.

local script = require "spec.support.script"
local support = require "spec.support"

local hello = {
  { "expect_until", "\r\n\r\n" }, { "pause", 0.02 },
  { "send", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello" }, { "loop" },
}

-- Handles live as long as libuv's loop: each test has a state of its own.
describe("the adapter for luv", function()
  local p

  setup(function() p = support.peer.listen { script = { hello }, repeat_last = true } end)
  teardown(function() p:stop() end)

  local function run(source)
    local transport = support.transport()
    local status, output = script.run([[
      local url, mode, backend = ...
      local uv, sluice = require "luv", require "sluice"
      local adapter = require "sluice.hosts.luv"
      adapter.install()
      adapter.install()
      local client = sluice.client { transport = mode and { mode = mode, backend = backend } }
      local function get()
        local response <close> = assert(client:get(url))
        return response:text()
      end
    ]] .. source .. [[
      client:close()
      local stats = sluice.stats()
      assert(stats.waiting == 0 and stats.operations == 0)
    ]], p.url .. "/", transport and transport.mode, transport and transport.backend)
    assert.equal(0, status, output)
    return output
  end

  it("serves requests in callbacks and coroutines beside timers, then lets uv.run end", function()
    assert.equal("hello\tin a timer\nhello\tin a coroutine\ntrue\n", run [[
      local ticks, texts = 0, {}
      local timer = uv.new_timer()
      timer:start(1, 1, function() ticks = ticks + 1 end)
      local once = uv.new_timer()
      once:start(5, 0, function()
        coroutine.wrap(function()
          print(get(), "in a timer")
          coroutine.wrap(function()
            print(get(), "in a coroutine")
            timer:close()
          end)()
        end)()
        once:close()
      end)
      uv.run()
      print(ticks > 5)
    ]])
  end)

  it("goes on for tasks, callbacks and what they begin, and ends without any", function()
    assert.equal("hello\nhello\nhello\n", run [[
      uv.run()
      sluice.spawn(function() print(get()) end)
      adapter.install()
      uv.run()
      adapter.install()
      client:get(url, { on_done = function(response)
        print(response:text())
        response:dispose()
        client:get(url, { on_done = function(other)
          print(other:text())
          other:dispose()
        end })
      end })
      uv.run()
    ]])
  end)

  it("gives failures and deadlines", function()
    local silent <close> = support.peer.listen { script = { { { "stall" } } } }
    assert.equal("connect\ntimeout\n", run(([[
      coroutine.wrap(function()
        print(select(3, client:get "http://127.0.0.1:1/").code)
        print(select(3, client:get(%q, { timeout = 0.005 })).code)
      end)()
      uv.run()
    ]]):format(silent.url .. "/")))
  end)

  it("serves a hundred requests at once", function()
    assert.equal("100\n", run [[
      local count = 0
      for _ = 1, 100 do
        coroutine.wrap(function()
          assert(get() == "hello")
          count = count + 1
        end)()
      end
      uv.run()
      print(count)
    ]])
  end)
end)
