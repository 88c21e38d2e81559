-- Runs once.

local core = require "sluice.core"
local sluice = require "sluice"
local support = require "spec.support"
local turns = require "sluice.websocket.turns"

describe("turns", function()
  local client, order

  before_each(function()
    client = { turns = {}, pauses = {}, connections = {} }
    order = {}
  end)

  after_each(function()
    assert.is_nil(next(client.turns))
    assert.is_nil(next(client.pauses))
  end)

  support.verify_each()

  -- A task that takes a turn, and keeps it until it is told to go on.
  local function worker(name, key, deadline)
    local gate = sluice.spawn(sluice.sleep, 60)
    local task = sluice.spawn(function()
      local turn <close>, message, err = turns.take(client, key or "a", deadline)
      if not turn then return nil, message, err end
      order[#order + 1] = name
      gate:await()
      return true
    end)
    sluice.sleep(0)
    return { task = task, go_on = function()
      gate:cancel()
      return task:await()
    end, cancel = function()
      task:cancel()
      gate:cancel()
      return task:await()
    end }
  end

  -- Waits until so many have had their turn.
  local function wait_for(count)
    local deadline = support.system.clock() + 20
    repeat sluice.sleep(0.001) until #order >= count or support.system.clock() > deadline
  end

  it("are taken one after the other, in the order of asking", function()
    local workers = {}
    for i = 1, 4 do workers[i] = worker(i) end
    for i = 1, 4 do
      assert.same(i, #order)
      workers[i].go_on()
      wait_for(math.min(i + 1, 4))
    end
    assert.same({ 1, 2, 3, 4 }, order)
  end)

  it("of other keys do not wait", function()
    local one, other = worker(1, "a"), worker(2, "b")
    assert.same({ 1, 2 }, order)
    one.go_on()
    other.go_on()
  end)

  it("move up when one in the middle is cancelled", function()
    local first, second, third = worker(1), worker(2), worker(3)
    local _, _, err = second.cancel()
    assert.equal("cancelled", err.code)
    assert.same({ 1 }, order)
    first.go_on()
    wait_for(2)
    assert.same({ 1, 3 }, order)
    third.go_on()
  end)

  it("move up when the last one is cancelled, and another one asks", function()
    local first, second = worker(1), worker(2)
    second.cancel()
    local third = worker(3)
    assert.same({ 1 }, order)
    first.go_on()
    wait_for(2)
    assert.same({ 1, 3 }, order)
    third.go_on()
  end)

  it("are given at the deadline, too", function()
    local first, second = worker(1), worker(2, "a", core.deadline(0.01))
    wait_for(2)
    assert.same({ 1, 2 }, order)
    second.go_on()
    first.go_on()
  end)
end)
