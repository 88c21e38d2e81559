-- A wait between two sendings.

local pause = require "sluice.pause"
local sluice = require "sluice"
local support = require "spec.support"
local system = support.system

describe("a pause", function()
  local client

  support.verify_each(function(keep) client = keep(support.client()) end)

  it("takes as long as it is asked to, in a task or outside", function()
    local from = system.clock()
    assert.is_true(pause.wait(client, 0.05))
    assert.is_true(sluice.spawn(pause.wait, client, 0.05):await())
    assert.is_true(system.clock() - from >= 0.0995)
    assert.is_nil(next(client.pauses))
  end)

  it("ends when its task is cancelled or its coroutine closed", function()
    local task = sluice.spawn(pause.wait, client, 600)
    sluice.loop():step(0)
    task:cancel "enough"
    assert.same({ nil, "cancelled: enough" }, { task:await() })
    local thread = coroutine.create(pause.wait)
    assert(coroutine.resume(thread, client, 600))
    assert(coroutine.close(thread))
    assert.is_nil(next(client.pauses))
  end)

  it("ends with its client", function()
    local tasks = {}
    for i = 1, 3 do tasks[i] = sluice.spawn(pause.wait, client, 600) end
    sluice.loop():step(0)
    client:close()
    for _, task in ipairs(tasks) do assert.is_nil((task:await())) end
    assert.is_nil(next(client.pauses))
  end)
end)
