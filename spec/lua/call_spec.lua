-- One call with all its sendings: the deadline, the history, the request bodies.

local sluice = require "sluice"
local support = require "spec.support"
local peer, system = support.peer, support.system

local request_head = { "expect_until", "\r\n\r\n" }
local DONE = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"
local AGAIN = "HTTP/1.1 302 F\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n"

describe("a call", function()
  local client

  support.verify_each(function(keep) client = keep(support.client()) end)

  --- A peer that redirects every request after a moment.
  local function slow()
    return peer.listen { repeat_last = true,
      script = { { request_head, { "pause", 0.05 }, { "send", AGAIN }, { "loop" } } } }
  end

  -- Each of them takes 0.05 s: ten redirects would take half a second.
  local function check_timeout(p, from, message, err)
    assert.equal("timeout", err.code)
    assert.matches("^GET http://[^\n]*: not complete within 0.12 s %(timeout.total%)$", message)
    assert.is_true(system.clock() - from >= 0.1195)
    local _, count = table.concat(p:received()):gsub("GET ", "")
    assert.is_true(count <= 3, count)
  end

  for _, place in ipairs { "client", "request" } do
    it("ends within its total time, however many redirects it follows, by the " .. place, function()
      for _, options in ipairs { {}, { stream = false }, { headers = { A = "1" } } } do
        local p <close> = slow()
        local own <close> = support.client { timeout = place == "client" and 0.12 or nil }
        if place == "request" then options.timeout = 0.12 end
        local from = system.clock()
        local response, message, err = own:get(p.url .. "/", next(options) and options or nil)
        assert.is_nil(response)
        check_timeout(p, from, message, err)
      end
    end)
  end

  it("whose head is already cached ends within its total time, too", function()
    local p <close> = slow()
    local own <close> = support.client { timeout = 0.12 }
    own:get(p.url .. "/again", { timeout = 60, redirects = 0 }):dispose()
    own:post(p.url .. "/again", { timeout = 60, redirects = 0, json = {} }):dispose()
    for _, send in ipairs {
      function() return own:get(p.url .. "/again") end,
      function() return own:post(p.url .. "/again", { json = {} }) end,
    } do
      local from = system.clock()
      local response, message, err = send()
      assert.is_nil(response)
      assert.equal("timeout", err.code)
      assert.matches(": not complete within 0.12 s %(timeout.total%)$", message)
      assert.is_true(system.clock() - from >= 0.1195)
    end
    assert.is_true(select(2, table.concat(p:received()):gsub("HTTP/1.1\r\n", "")) <= 8)
  end)

  it("ends within its total time, however often an interceptor sends it", function()
    local p <close> = support.serve(DONE)
    client:use(function(request, forward)
      assert(forward(request)):dispose()
      sluice.sleep(0.8)
      return forward(request)
    end)
    local response, message, err = client:get(p.url .. "/", { timeout = 0.75 })
    assert.is_nil(response)
    assert.same({ "timeout", "queue", true }, { err.code, err.stage, err.retryable })
    assert.equal(("GET %s/: not complete within 0.75 s (timeout.total)"):format(p.url), message)
    assert.equal(1, select(2, p:received(1):gsub("GET ", "")))
  end)

  it("has no total time when it is streamed, unless one was given", function()
    local p <close> = peer.listen { repeat_last = true, script = {
      { request_head, { "pause", 0.05 }, { "send", AGAIN }, request_head, { "pause", 0.05 },
        { "send", DONE }, { "stall" } } } }
    local response <close> = assert(client:get(p.url .. "/", { stream = true }))
    assert.equal("done", response:text())
    local q <close> = slow()
    local none, _, err = client:get(q.url .. "/", { stream = true, timeout = 0.12 })
    assert.is_nil(none)
    assert.equal("timeout", err.code)
  end)

  it("lists the redirects of its final answer only", function()
    local p <close> = peer.listen { repeat_last = true,
      script = { { request_head, { "send", AGAIN }, request_head, { "send", DONE }, { "loop" } } } }
    client:use(function(request, forward)
      local first <close> = assert(forward(request))
      assert.equal(1, #first.redirects)
      return forward(request)
    end)
    local response <close> = assert(client:get(p.url .. "/"))
    assert.same({ { status = 302, url = p.url .. "/" } }, response.redirects)
    assert.equal(p.url .. "/again", response.url)
    assert.equal("GET", response.method)
  end)

  it("disposes the request bodies of all its sendings", function()
    local p <close> = peer.listen { repeat_last = true, script = { {
      { "expect_until", "\r\n\r\nfirst" }, { "send", (AGAIN:gsub("302", "307")) },
      { "expect_until", "\r\n\r\nother" }, { "send", DONE }, { "read_all" } } } }
    local function lease(text)
      local writer <close> = sluice.writer()
      return writer:write(text):detach()
    end
    local first, other = lease "first", lease "other"
    client:use { hop = function(request, forward)
      if request.url:find "again" then assert(request:set_body(other)) end
      return forward(request)
    end }
    local response <close> = assert(client:post(p.url .. "/", { body = first }))
    assert.equal("done", response:text())
    for _, one in ipairs { first, other } do
      assert.has_error(function() one:dispose() end)
    end
  end)
end)
