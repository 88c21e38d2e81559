-- Wherever a coroutine waits, and however its wait ends: nothing is left behind. The waits of plain
-- requests are in ownership_spec.lua.

local script = require "spec.support.script"
local sluice = require "sluice"
local support = require "spec.support"
local waits = require "spec.support.waits"

local system = support.system

describe("a wait for", function()
  local point

  after_each(function()
    if point then point.finish() end
    point = nil
  end)
  support.verify_each()

  local function step_until(done)
    local deadline = system.clock() + 20
    while not done() do
      sluice.loop():step(0.005)
      assert.is_true(system.clock() < deadline, "not within twenty seconds")
    end
  end

  --- Brings a coroutine to the point.
  local function reach(make, timeout)
    point = make()
    local thread = coroutine.create(point.run)
    assert(coroutine.resume(thread, timeout))
    for _ = 1, 10 do sluice.loop():step(0.002) end
    return thread
  end

  local function check_left()
    point.finish()
    support.settle(sluice)
    assert.equal(0, sluice.stats().waiting)
  end

  for name, make in pairs(waits.points) do
    it(name .. ", whose coroutine is closed", function()
      local thread = reach(make)
      assert.equal("suspended", coroutine.status(thread))
      assert.is_true(coroutine.close(thread))
      check_left()
    end)

    it(name .. ", whose coroutine is forgotten", function()
      local is_over
      point = make()
      coroutine.wrap(function()
        pcall(point.run, 0.05)
        is_over = true
      end)()
      collectgarbage()
      collectgarbage()
      step_until(function() return is_over end)
      check_left()
    end)

    it(name .. ", beside a coroutine that raises", function()
      local thread = reach(make)
      local is_over = false
      local other = coroutine.wrap(function()
        local _ <close> = setmetatable({}, { __close = function() is_over = true end })
        sluice.sleep(0)
        error "on purpose"
      end)
      other()
      step_until(function() return is_over end)
      assert.equal("suspended", coroutine.status(thread))
      assert.is_true(coroutine.close(thread))
      check_left()
    end)

    it(name .. ", with no time at all", function()
      local is_over
      point = make()
      coroutine.wrap(function()
        pcall(point.run, 0)
        is_over = true
      end)()
      step_until(function() return is_over end)
      check_left()
    end)

    it(name .. ", when what it belongs to is closed", function()
      local thread = reach(make)
      if point.close then point.close() end
      for _ = 1, 10 do sluice.loop():step(0.002) end
      -- A request goes on though its client takes no more.
      coroutine.close(thread)
      check_left()
    end)
  end

  it("all of these ends when the state closes", function()
    local status, output = script.run [[
      require "spec.support.waits".begin_all()
      local sluice = require "sluice"
      assert(sluice.stats().waiting >= 13)
    ]]
    assert.same({ 0, "" }, { status, output })
    status, output = script.run [[
      local kept = require "spec.support.waits".begin_all()
      for _, one in ipairs(kept) do coroutine.close(one[2]) end
    ]]
    assert.same({ 0, "" }, { status, output })
  end)
end)
