-- So many requests a second to each origin.

local sluice = require "sluice"
local support = require "spec.support"
local clock = support.system.clock

describe("a rate limit", function()
  local client, order

  support.verify_each(function(keep)
    client = keep(support.client())
    order = {}
  end)

  local function use(options)
    client:use(sluice.interceptors.rate_limit(options))
    client:use { hop = function(request)
      order[#order + 1] = request.url:match "[^/]*$"
      return request:answer { status = 200 }
    end }
  end

  local function get(name, options)
    local response, message, err = client:get("http://host.test/" .. name, options)
    if response then response:dispose() end
    return response ~= nil, message, err
  end

  it("lets a burst through, then waits for each, in order", function()
    use { rate = 50, burst = 3 }
    local from = clock()
    sluice.run(function()
      local tasks = {}
      for i = 1, 8 do tasks[i] = sluice.spawn(get, tostring(i)) end
      for _, ok in ipairs(sluice.all(tasks)) do assert.is_true(ok) end
    end)
    assert.is_true(clock() - from >= 0.099)
    assert.equal("1 2 3 4 5 6 7 8", table.concat(order, " "))
  end)

  it("counts each origin for itself", function()
    use { rate = 0.001, burst = 1, max_wait = 0 }
    assert.is_true(get "a")
    assert.is_false((get "b"))
    assert(client:get "http://other.test/"):dispose()
  end)

  it("fails at once when the turn would come after the total time", function()
    use { rate = 0.001, burst = 1 }
    assert.is_true(get "a")
    local ok, message, err = get("b", { timeout = 10 })
    assert.is_false(ok)
    assert.same({ "timeout", "queue", true }, { err.code, err.stage, err.retryable })
    assert.matches("^GET http://host.test/b: the next of 0.001 requests a second is free in "
      .. "[%d.e+]+ s, after the request's total time$", message)
    local _, other = get("b", { timeout = 10 }) -- the refused one has taken nothing
    assert.equal(message:match "in 1e%+03", other:match "in 1e%+03")
  end)

  it("waits no longer than max_wait", function()
    use { rate = 0.01, burst = 1, max_wait = 50 }
    assert.is_true(get "a")
    local ok, message = get "b"
    assert.is_false(ok)
    assert.matches("max_wait is 50 s$", message)
  end)

  it("gives back the turn of a task that is cancelled while it waits", function()
    use { rate = 0.01, burst = 1, max_wait = 150 }
    assert.is_true(get "a")
    sluice.run(function()
      for _ = 1, 5 do
        local task = sluice.spawn(get, "b")
        sluice.sleep(0)
        task:cancel "enough"
        local _, _, err = task:await()
        assert.equal("cancelled", err.code)
      end
    end)
    assert.same({ "a" }, order)
  end)

  it("is left by a coroutine that is closed while it waits", function()
    use { rate = 0.01, burst = 1 }
    assert.is_true(get "a")
    local thread = coroutine.create(get)
    assert(coroutine.resume(thread, "b"))
    assert(coroutine.close(thread))
    assert.same({ "a" }, order)
  end)

  it("raises for options that are none", function()
    local limit = sluice.interceptors.rate_limit
    assert.error_matches(function() limit() end, "rate_limit: option 'rate': number of requests")
    assert.error_matches(function() limit { rate = 0 } end, "option 'rate': number above zero")
    assert.error_matches(function() limit { rate = 1, burst = 0 } end, "number, at least 1,")
    assert.error_matches(function() limit { rate = 1, brust = 1 } end, "unknown option 'brust'")
  end)
end)
