-- Statuses that are failures, by the option `fail_status`.

local pause = require "sluice.pause"
local support = require "spec.support"

local function answer(status, reason)
  return ("HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n"
    .. '{"why":"no"}'):format(status, reason or "Some Reason")
end

local serve = support.serve

describe("with fail_status", function()
  local client

  support.verify_each(function(keep) client = keep(support.client { fail_status = true }) end)

  for _, way in ipairs { "buffered", "streamed" } do
    local is_streamed = way == "streamed"

    it("a status of 400 and more is a failure with a response, " .. way, function()
      for _, status in ipairs { 400, 404, 451, 500, 503, 599, 600, 999 } do
        local p <close> = serve(answer(status))
        local response, message, err <close> = client:get(p.url .. "/x?y=1",
          { stream = is_streamed })
        assert.is_nil(response)
        assert.equal(("GET %s/x?y=1: status %d Some Reason"):format(p.url, status), message)
        assert.same({ message, message, "status", status, "head" },
          { tostring(err), err.message, err.code, err.status, err.stage })
        assert.equal(status, err.response.status)
        assert.equal("no", err.response:json().why)
        assert.equal("application/json", err.response.headers["Content-Type"])
        assert.is_nil(err.attempts)
      end
    end)

    it("other statuses are responses, " .. way, function()
      for _, status in ipairs { 200, 204, 304, 399 } do
        local p <close> = serve((answer(status):gsub(
          (status == 204 or status == 304) and "Content%-Length.*$" or "^$", "\r\n")))
        local response <close> = assert(client:get(p.url .. "/", { stream = is_streamed }))
        assert.equal(status, response.status)
      end
    end)

    it("the response is disposed with the error, " .. way, function()
      local p <close> = serve(answer(404))
      local kept
      do
        local _, _, err <close> = client:get(p.url .. "/", { stream = is_streamed })
        kept = err.response
      end
      assert.error_matches(function() kept:text() end, "use of disposed response")
      local _, _, err = client:get(p.url .. "/", { stream = is_streamed })
      kept = err.response
      err:dispose()
      err:dispose()
      assert.error_matches(function() kept:text() end, "use of disposed response")
      assert.equal(404, err.status)
      for _ = 1, 10 do client:get(p.url .. "/", { stream = is_streamed }) end
      kept, err = nil, nil -- luacheck: ignore
      collectgarbage()
      collectgarbage() -- nothing has leaked: after_each
    end)
  end

  it("the client's option can be turned off and on for a request", function()
    local p <close> = serve(answer(404))
    local response <close> = assert(client:get(p.url .. "/", { fail_status = false }))
    assert.equal(404, response.status)
    local built <close> = assert(client:build("GET", p.url .. "/"):fail_status(false):send())
    assert.equal(404, built.status)
    local plain <close> = support.client()
    for _ = 1, 2 do -- planned, and from the plan
      local given <close> = assert(plain:get(p.url .. "/"))
      assert.equal(404, given.status)
      local _, _, err <close> = plain:get(p.url .. "/", { fail_status = true })
      assert.equal("status", err.code)
    end
  end)

  it("every way of asking fails alike, from the first request on", function()
    local p <close> = serve(answer(404))
    for _ = 1, 2 do
      for _, ask in ipairs {
        function() return client:get(p.url .. "/") end,
        function() return client:post(p.url .. "/", { json = {} }) end,
        function() return client:delete(p.url .. "/") end,
        function() return client:request { url = p.url .. "/" } end,
        function() return client:build("PUT", p.url .. "/"):send() end,
      } do
        local response, _, err <close> = ask()
        assert.is_nil(response)
        assert.equal("status", err.code)
      end
    end
  end)

  it("sending again is safe for what is idempotent, after statuses that may pass", function()
    for _, case in ipairs { { "GET", 503, true }, { "PUT", 429, true }, { "GET", 500, false },
      { "GET", 404, false }, { "POST", 503, false } } do
      local p <close> = serve(answer(case[2]))
      local _, _, err <close> = client:request(case[1], p.url .. "/")
      assert.equal(case[3], err.retryable)
    end
  end)

  it("retries see the status first, and redirects are followed", function()
    local wait = pause.wait
    finally(function() pause.wait = wait end)
    pause.wait = function() return true end
    local p <close> = serve(answer(503), answer(503),
      "HTTP/1.1 302 X\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n", answer(404))
    local seen = {}
    client:use(function(request, forward)
      local response, message, err = forward(request)
      seen[#seen + 1] = response.status
      return response, message, err
    end)
    local response, message, err <close> = client:get(p.url .. "/a", { retry = 3 })
    assert.is_nil(response)
    assert.equal(("GET %s/b: status 404 Some Reason"):format(p.url), message)
    assert.same({ 404, 4, { 404 } }, { err.status, err.attempts, seen })
    local q <close> = serve(answer(503))
    local _, _, last <close> = client:get(q.url .. "/", { retry = 2 })
    assert.same({ 503, 3, true }, { last.status, last.attempts, last.retryable })
  end)

  it("the reason is shown as it came, escaped and cut, or not at all", function()
    for reason, shown in pairs { [""] = "", ["a\t\xffb"] = " a\\x09\\xFFb",
      [("x"):rep(100)] = " " .. ("x"):rep(64) .. "..." } do
      local p <close> = serve(answer(404, reason))
      local _, message, err <close> = client:get(p.url .. "/") -- luacheck: ignore
      assert.equal(("GET %s/: status 404%s"):format(p.url, shown), message)
    end
  end)

  it("user info and secrets of the request stay out of the message", function()
    local p <close> = serve(answer(401))
    local _, message, err <close> = client:get( -- luacheck: ignore
      ("http://user:hidden@127.0.0.1:%d/"):format(p.port), { headers = { Cookie = "hidden" } })
    assert.is_nil(message:find "hidden")
  end)

  it("answers of interceptors fail, too; values of their own are passed on", function()
    local own
    client:use(function(request) return own == nil and request:answer { status = 418 } or own end)
    local response, _, err <close> = client:get "http://a.test/"
    assert.is_nil(response)
    assert.equal(418, err.status)
    for _, value in ipairs { { status = 500 }, "text", 5, io.stdout } do
      own = value
      assert.equal(value, client:get "http://a.test/")
    end
  end)

  it("failures of other kinds are as they were", function()
    local response, _, err <close> = client:get "http://127.0.0.1:1/"
    assert.is_nil(response)
    assert.same({ "connect", nil, nil }, { err.code, err.status, err.response })
    err:dispose()
    local _, _, invalid <close> = client:get "nonsense"
    assert.equal("invalid", invalid.code)
    invalid:dispose()
  end)
end)
