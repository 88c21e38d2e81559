-- An origin that fails is not asked for a while.

local sluice = require "sluice"
local support = require "spec.support"

describe("a circuit breaker", function()
  local client, breaker, act, asked, changes

  support.verify_each(function(keep)
    client = keep(support.client())
    asked, changes = 0, {}
  end)

  local function fail() return nil, "no", { code = "connect", stage = "connect" } end
  local function succeed(request) return request:answer { status = 200 } end

  local function use(options)
    options.on_change = function(origin, state) changes[#changes + 1] = origin .. " " .. state end
    breaker = sluice.interceptors.circuit_breaker(options)
    client:use(breaker)
    client:use { hop = function(request, forward)
      asked = asked + 1
      return act(request, forward)
    end }
  end

  local function get(url)
    local response, message, err = client:get(url or "http://host.test/")
    if response then response:dispose() end
    return response and "answered" or err.code, message, err
  end

  it("opens after failures in a row, and then names itself and its time", function()
    use { failures = 3, open_for = 1000 }
    act = fail
    assert.same({ "connect", "connect" }, { (get()), (get()) })
    act = succeed
    assert.equal("answered", (get()))
    act = fail
    for _ = 1, 3 do assert.equal("connect", (get())) end
    assert.equal(6, asked)
    local code, message, err = get()
    assert.equal("limit", code)
    assert.equal("queue", err.stage)
    assert.is_true(err.retryable)
    assert.is_true(err.retry_after > 900 and err.retry_after <= 1000)
    assert.matches("^GET http://host.test/: circuit breaker of http://host.test is open after 3 "
      .. "failures in a row %(last: connect, connect%): tries again in %d+%.%d s$", message)
    assert.equal(6, asked)
    assert.equal("open", breaker:state "http://host.test/x")
    assert.equal("connect", (get "http://other.test/"))
    assert.same({ "http://host.test open" }, changes)
  end)

  it("lets a trial through when its time is over, and closes after enough of them", function()
    use { failures = 1, open_for = 0, trials = 2 }
    act = fail
    get()
    assert.equal("connect", (get())) -- a trial that fails
    act = succeed
    assert.equal("answered", (get()))
    assert.equal("half-open", breaker:state "http://host.test/")
    assert.equal("answered", (get()))
    assert.equal("closed", breaker:state "http://host.test/")
    for i, state in ipairs { "open", "half-open", "open", "half-open", "closed" } do
      assert.equal("http://host.test " .. state, changes[i])
    end
  end)

  it("lets one trial through at a time, however that ends", function()
    use { failures = 1, open_for = 0 }
    act = fail
    get()
    act = function(request)
      if asked == 2 then sluice.sleep(1000) end
      return succeed(request)
    end
    local trial = sluice.spawn(get)
    sluice.loop():step(0)
    while asked < 2 do sluice.loop():step(0.1) end
    local code, message = get()
    assert.equal("limit", code)
    assert.matches("half%-open .*: a trial is under way$", message)
    trial:cancel()
    trial:await()
    assert.equal("answered", (get()))
    breaker = nil
    changes = {}
    act = fail
    get()
    act = function() error "broken" end
    assert.error_matches(get, "broken")
    act = succeed
    assert.equal("answered", (get()))
  end)

  it("counts the statuses it is given, and failures of the server alone", function()
    use { failures = 1, open_for = 1000, statuses = { 418 } }
    for _, case in ipairs { { status = 500 }, { status = 503 } } do
      act = function(request) return request:answer(case) end
      assert.equal("answered", (get()))
    end
    for _, code in ipairs { "cancelled", "invalid", "limit", "redirect", "memory", "decode" } do
      act = function() return nil, "no", { code = code } end
      assert.equal(code, (get()))
    end
    act = function() return { own = true, dispose = function() end } end
    assert.equal("answered", (get()))
    act = function(request) return request:answer { status = 418 } end
    assert.equal("answered", (get()))
    assert.equal("limit", (get()))
  end)

  it("raises for options that are none", function()
    local make = sluice.interceptors.circuit_breaker
    assert.error_matches(function() make { failure = 1 } end, "did you mean 'failures'")
    assert.error_matches(function() make { failures = 0 } end, "integer above zero")
    assert.error_matches(function() make { statuses = { "500" } } end, "array of statuses")
  end)
end)
