-- The option `retry` as a policy.
-- Runs once.

local core = require "sluice.core"
local date = require "sluice.date"
local retry = require "sluice.retry"

describe("a policy", function()
  it("is none for false, 0 and nil", function()
    assert.same({}, { retry.compile(false), retry.compile(0), retry.compile { tries = 0 } })
    assert.is_nil(retry.compile(nil))
  end)

  it("has defaults for what an option does not name", function()
    local policy = retry.compile(2)
    assert.same({ 2, 0.5, 30, 60, 0.5 }, { policy.tries, policy.delay, policy.max_delay,
      policy.max_retry_after, policy.jitter })
    assert.equal(3, retry.compile({}).tries)
    assert.equal(100, retry.compile({ delay = 100 }).max_delay)
  end)

  it("sends idempotent methods again, after statuses and failures that may pass", function()
    local policy = retry.compile(1)
    for status = 200, 599 do
      local passes = status == 408 or status == 429 or status >= 502 and status <= 504
      assert.equal(passes, retry.is_due(policy, "GET", status))
      assert.is_false(retry.is_due(policy, "POST", status))
    end
    for _, method in ipairs { "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE" } do
      assert.is_true(retry.is_due(policy, method, 503))
      assert.is_true(retry.is_due(policy, method, nil, { retryable = true }))
      assert.is_false(retry.is_due(policy, method, nil, { retryable = false }))
      assert.is_false(retry.is_due(policy, method, nil, "no"))
      assert.is_false(retry.is_due(policy, method))
    end
    assert.is_false(retry.is_due(policy, "POST", nil, { retryable = true }))
    assert.is_true(retry.is_due(nil, "GET", 503))
  end)

  it("takes statuses and methods, which have case unless they are defined", function()
    local policy = retry.compile { statuses = { 500 }, methods = { "post", "LINK" } }
    assert.is_true(retry.is_due(policy, "POST", 500))
    assert.is_true(retry.is_due(policy, "LINK", 500))
    assert.is_false(retry.is_due(policy, "GET", 500))
    assert.is_false(retry.is_due(policy, "POST", 503))
  end)
end)

describe("the wait before a retry", function()
  local random

  before_each(function() random = core.random end)
  after_each(function() core.random = random end)

  it("doubles up to its maximum", function()
    local policy = retry.compile { jitter = 0 }
    local waits = {}
    for count = 1, 8 do waits[count] = retry.wait(policy, count) end
    assert.same({ 0.5, 1, 2, 4, 8, 16, 30, 30 }, waits)
    assert.equal(30, retry.wait(policy, 5000))
  end)

  it("is shortened by chance, by half of it unless said otherwise", function()
    local bytes
    core.random = function() return bytes end
    for jitter, least in pairs { [0] = 8, [0.25] = 6, [0.5] = 4, [1] = 0 } do
      local policy = retry.compile { delay = 8, jitter = jitter }
      bytes = "\0\0\0\0"
      assert.equal(8, retry.wait(policy, 1))
      bytes = "\xff\xff\xff\xff"
      assert.equal(least, retry.wait(policy, 1))
    end
    core.random = random
    local policy, least, most = retry.compile { delay = 8 }, 8, 0
    for _ = 1, 1000 do
      local wait = retry.wait(policy, 1)
      least, most = math.min(least, wait), math.max(most, wait)
    end
    assert.is_true(least >= 4 and least < 4.5 and most > 7.5 and most <= 8)
  end)

  it("leaves the program's own random numbers alone", function()
    math.randomseed(7)
    local first = math.random()
    math.randomseed(7)
    retry.wait(retry.compile(1), 1)
    assert.equal(first, math.random())
  end)

  it("is what the server asks for, up to its maximum", function()
    local policy = retry.compile(3)
    assert.equal(0, retry.wait(policy, 3, 0))
    assert.equal(7, retry.wait(policy, 1, 7))
    assert.equal(60, retry.wait(policy, 1, 1e300))
    assert.equal(5, retry.wait(retry.compile { max_retry_after = 5 }, 1, 7))
    assert.equal(0.5, retry.wait(retry.compile { max_retry_after = 0.5 }, 1, 7))
    local deaf = retry.compile { max_retry_after = 0, jitter = 0 }
    assert.equal(0.5, retry.wait(deaf, 1, 7))
  end)

  -- RFC 9110 10.2.3
  it("is read from seconds and dates", function()
    local function after(value) return retry.after { headers = { ["Retry-After"] = value } } end
    assert.equal(120, after "120")
    assert.equal(0, after "0")
    assert.equal(1e30, after("1" .. ("0"):rep(30)))
    for _, value in ipairs { "", "-1", "1.5", "0x10", "soon", "1, 2", " 1" } do
      assert.is_nil(after(value), value)
    end
    local now = os.time()
    local wait = after(date.format(now + 100))
    assert.is_true(wait > 90 and wait <= 100)
    for _, text in ipairs { "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
      "Sun Nov  6 08:49:37 1994" } do
      assert.equal(0, after(text))
    end
    assert.is_nil(retry.after { headers = {} })
    assert.is_nil(retry.after {})
  end)
end)
