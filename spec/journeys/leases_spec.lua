-- Bodies that own leases, in every way that a request can end (spec/support/endings.lua): a lease
-- is disposed once, memory that was given back is never sent, and the pool is left as it was.

local Run = require "spec.support.run"
local endings = require "spec.support.endings"
local sluice = require "sluice"
local support = require "spec.support"

local peer, system, pattern = support.peer, support.system, support.pattern
local lease_of, is_disposed = support.lease, support.is_disposed

local head = { "expect_until", "\r\n\r\n" }
local whole = { "expect_until", endings.last }
local done = { "send", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood" }

local function step_until(is_over)
  local deadline = system.clock() + 20
  while not is_over() do
    sluice.loop():step(0.005)
    if system.clock() > deadline then error("not within twenty seconds", 2) end
  end
end

-- ---- kinds of bodies: options of the request, and the bytes of its body ----

local kinds = {
  ["a lease"] = function(lease) return { body = lease }, lease:tostring() end,
  ["an array of parts"] = function(lease)
    return { body = { "before ", lease, " behind" } }, "before " .. lease:tostring() .. " behind"
  end,
  ["a multipart"] = function(lease)
    local form = sluice.multipart { { "text", "x" }, { "lease", { lease = lease } } }
    local built <close> = assert(form:build())
    return { multipart = form }, built:tostring()
  end,
  -- It is pushed, and cannot be sent again.
  ["a multipart with a function"] = function(lease)
    local function make()
      local pieces = { "def", "abc" }
      return { read = function() return table.remove(pieces) end, length = 6 }
    end
    local content = lease:tostring()
    local form = sluice.multipart { { "read", make() }, { "lease", { lease = lease } } }
    local same <close> = sluice.multipart { { "read", make() }, { "lease", { bytes = content } } }
    local built <close> = assert(same:build())
    return { multipart = form },
      (built:tostring():gsub(same.boundary:gsub("%-", "%%-"), form.boundary))
  end,
}

describe("a lease that is sent", function()
  support.verify_each()

  local function play(one, make, is_stream, is_pushed)
    local content = pattern(one.size or 3000) .. endings.last
    local lease = lease_of(content)
    local options, sent = make(lease)
    local run = Run.new(options, sent, is_stream, one.window)
    local status, message, err = one.run(run)
    if run.results then status, message, err = table.unpack(run.results, 1, run.results.n) end
    local code = run.code or one.code
    if is_pushed and one.pushed ~= nil then code = one.pushed or nil end
    if code == "left" then
      assert.is_nil(status)
    else
      assert.equal(code, err and err.code, message)
      assert.equal(code == nil, status ~= nil)
    end
    run:close()
    step_until(function() return is_disposed(lease) end)
    assert.error_matches(function() lease:dispose() end, "use of disposed lease")
    if not one.is_unlike then run:check_received() end
    support.settle(sluice)
    local stats = sluice.stats()
    assert.equal(stats.rented, stats.returned)
  end

  for _, one in ipairs(endings.all) do
    it("is disposed once after: " .. one.name, function()
      for name, make in pairs(kinds) do
        for _, is_stream in ipairs { false, true } do
          local ok, raised = pcall(play, one, make, is_stream, name:find "function" ~= nil)
          if not ok then
            error(("%s, %s: %s"):format(name, is_stream and "streamed" or "buffered",
              type(raised) == "table" and raised.message or tostring(raised)), 0)
          end
        end
      end
    end)
  end

  it("is sent as it was, though the program disposes it meanwhile", function()
    local content = pattern(3 << 20) .. endings.last
    for _, make in ipairs { kinds["a lease"], kinds["an array of parts"], kinds["a multipart"] } do
      local p <close> = peer.listen { receive_buffer = 4096,
        script = { { head, { "hold" }, whole, done, { "stall" } } } }
      local client <close> = support.client()
      local lease = lease_of(content)
      local options, sent = make(lease)
      local task = sluice.spawn(function() return client:post(p.url .. "/", options) end)
      step_until(function() return p:wait("holding", 1, 0) end)
      lease:dispose()
      -- What was given back is soon used again, and filled with something else.
      local others = {}
      for i = 1, 300 do others[i] = lease_of(("!"):rep(16000)) end
      for _, other in ipairs(others) do other:dispose() end
      p:signal()
      assert(task:await()):dispose()
      local body = p:received(1):match "\r\n\r\n(.*)$"
      assert.is_true(body == sent:sub(1, #body) and #body >= #content)
    end
  end)

  it("ten thousand times without success leaves the pool where it was", function()
    local refused = ("http://127.0.0.1:%d/"):format(system.free_port())
    local p <close> = peer.listen { records = false, repeat_last = true,
      script = { { head, { "reset" } } } }
    local client <close> = support.client()
    local failing <close> = support.client()
    failing:use(function() return nil, "no", { code = "unsupported" } end)
    local ways = {
      function(options) return client:post(refused, options) end,
      function(options) return client:post(p.url .. "/", options) end,
      function(options) return failing:post(refused, options) end,
      function(options)
        options.headers = { A = "\r" }
        return client:post(refused, options)
      end,
    }
    local made = { kinds["a lease"], kinds["a multipart"] }
    local content, bytes = pattern(3000), nil
    for i = 1, 2500 do
      for _, way in ipairs(ways) do
        local lease = lease_of(content)
        local response, _, err = way((made[i % 2 + 1](lease)))
        assert(response == nil and err.code, "no failure")
        if not is_disposed(lease) then error "a lease lives" end
      end
      if i % 500 == 0 then
        support.settle(sluice)
        local stats = sluice.stats()
        assert.equal(0, stats.outstanding)
        bytes = bytes or stats.bytes + stats.spare
        assert.is_true(stats.bytes + stats.spare <= bytes + (1 << 20), i)
      end
    end
  end)
end)
