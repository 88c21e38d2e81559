-- Requests in coroutines of copas 1.2, beside its sockets.

local core = require "sluice.core"
local sluice = require "sluice"
local support = require "spec.support"
local waits = require "spec.support.waits"

local clock = support.system.clock
local hello = {
  { "expect_until", "\r\n\r\n" }, { "pause", 0.02 },
  { "send", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello" }, { "loop" },
}

describe("the adapter for copas", function()
  local p, client, copas, socket, adapter, copas_step

  setup(function()
    local path = package.path
    package.path = path .. ";/usr/share/lua/5.2/?.lua" -- Debian's place
    socket = require "socket"
    copas = require "copas"
    package.path = path
    copas_step = copas.step
    adapter = require "sluice.hosts.copas"
    sluice.loop():pollfd()
    local warm <close> = support.client()
    warm:get "http://127.0.0.1:1/"
  end)
  teardown(function()
    copas.step = copas_step
    package.loaded.copas = nil
  end)
  support.verify_each(function(keep)
    package.loaded.copas = copas
    keep(adapter.host, core.remove_host)
    adapter.install()
    adapter.install() -- as often as one likes
    p = keep(support.peer.listen { script = { hello }, repeat_last = true })
    client = keep(support.client())
  end)

  local function get()
    local response <close> = assert(client:get(p.url .. "/"))
    return response:text()
  end

  local function step_until(done)
    local deadline = clock() + 60
    while not done() do
      copas.step(1)
      assert.is_true(clock() < deadline)
    end
  end

  it("lets threads wait", function()
    local texts = {}
    for i = 1, 20 do copas.addthread(function() texts[i] = get() .. get() end) end
    step_until(function() return #texts == 20 end)
    for _, text in ipairs(texts) do assert.equal("hellohello", text) end
  end)

  it("serves a server's connections, which copas closes as ever", function()
    local listener = assert(socket.bind("127.0.0.1", 0))
    local port = select(2, listener:getsockname())
    copas.addserver(listener, function(accepted)
      local line = copas.receive(accepted)
      copas.send(accepted, line .. get() .. "\n")
      sluice.sleep(0.001) -- its last tick is not one of its socket
    end)
    local answers, log = {}, {}
    for i = 1, 10 do
      copas.addthread(function()
        local peer = assert(socket.connect("127.0.0.1", port))
        peer:settimeout(0)
        copas.send(peer, i .. "\n")
        answers[i] = copas.receive(peer)
        table.insert(log, (select(2, copas.receive(peer))))
        peer:close()
      end)
    end
    step_until(function() return #log == 10 end)
    for i = 1, 10 do
      assert.equal(i .. "hello", answers[i])
      assert.equal("closed", log[i])
    end
    listener:close()
  end)

  it("serves a second thread on a socket meanwhile", function()
    local one = assert(socket.bind("127.0.0.1", 0))
    local peer = assert(socket.connect("127.0.0.1", (select(2, one:getsockname()))))
    local other = assert(one:accept())
    one:close()
    other:settimeout(0)
    peer:settimeout(0)
    local count, is_over = 0, false
    copas.addthread(function()
      while not is_over do
        copas.send(peer, "x\n")
        copas.receive(other)
        count = count + 1
      end
      peer:close()
      other:close()
    end)
    local text
    copas.addthread(function()
      text = get()
      is_over = true
    end)
    step_until(function() return text end)
    step_until(function() return not pcall(peer.getsockname, peer) or peer:getsockname() == nil end)
    assert.equal("hello", text)
    assert.is_true(count > 2)
  end)

  it("gives errors to copas' handler, failures and deadlines to the caller", function()
    local silent <close> = support.peer.listen { script = { { { "stall" } } } }
    local codes, reported = {}, nil
    copas.addthread(function()
      copas.setErrorHandler(function(message) reported = message end)
      codes[1] = select(3, client:get "http://127.0.0.1:1/").code
      codes[2] = select(3, client:get(silent.url .. "/", { timeout = 0.005 })).code
      error("broken", 0)
    end)
    step_until(function() return reported end)
    assert.same({ "connect", "timeout" }, codes)
    assert.equal("broken", reported)
  end)

  it("leaves other coroutines, tasks and generators to the loop", function()
    local texts, is_over = {}, false
    copas.addthread(function()
      local inner = coroutine.wrap(function() texts[1] = get() end)
      assert.is_true(sluice.is_waiting(inner()))
      texts[2] = sluice.spawn(get):await()
      texts[3] = sluice.wrap(function() coroutine.yield(get()) end)()
      while not texts[1] do sluice.sleep(0.001) end
      is_over = true
    end)
    step_until(function() return is_over end)
    assert.same({ "hello", "hello", "hello" }, texts)
  end)

  for name, make in pairs(waits.points) do
    it("resumes a wait for " .. name, function()
      local point, is_over = make(), false
      copas.addthread(function()
        point.run(0.2)
        is_over = true
      end)
      step_until(function() return is_over end)
      point.finish()
    end)
  end
end)
