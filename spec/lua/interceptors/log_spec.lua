-- One line for each sending.

local sluice = require "sluice"
local support = require "spec.support"
local peer = support.peer

local request_head = { "expect_until", "\r\n\r\n" }

describe("the log", function()
  local client, lines

  support.verify_each(function(keep)
    client = keep(support.client())
    lines = {}
  end)

  local function sink(line) lines[#lines + 1] = line:gsub("%d+%.%d ms", "T ms") end

  local function use(options)
    options = options or {}
    options.sink = sink
    client:use(sluice.interceptors.log(options))
  end

  it("has a line for each hop, with its number", function()
    use()
    local lead = "HTTP/1.1 302 F\r\nLocation: /b?token=x\r\nContent-Length: 0\r\n\r\n"
    local last = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfour"
    local p <close> = peer.listen { script = { { request_head, { "send", lead }, request_head,
      { "send", last }, { "loop" } } } }
    for _ = 1, 3 do -- the last one by the short way
      lines = {}
      assert(client:get(p.url .. "/a?key=x&c=1#part")):dispose()
      assert.same({
        "GET " .. p.url .. "/a?key=***&c=1 302 0 bytes T ms",
        "GET " .. p.url .. "/b?token=*** 200 4 bytes T ms sending 2",
      }, lines)
    end
  end)

  it("says that a body is still to come", function()
    local p <close> = peer.listen { script = { { request_head,
      { "send", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" }, { "hold" },
      { "send", "body" }, { "stall" } } } }
    use()
    local response <close> = assert(client:get(p.url .. "/", { stream = true }))
    assert.same({ "GET " .. p.url .. "/ 200 streamed T ms" }, lines)
    p:signal(1)
    assert.equal("body", response:text())
  end)

  it("names a failure by its code and stage, and no more of it", function()
    use()
    client:get "http://127.0.0.1:1/?token=secret"
    assert.same({ "GET http://127.0.0.1:1/?token=*** failed: connect (connect) T ms" }, lines)
  end)

  it("shows fields that are asked for, but no secrets", function()
    use { fields = { "X-Id", "Authorization", "X-Own", "Set-Cookie", "X-None" },
      secret_fields = { "X-Own" } }
    client:use { hop = function(request)
      return request:answer { status = 200,
        headers = { ["X-Id"] = "b\t5", ["Set-Cookie"] = "a=secret" } }
    end }
    assert(client:get("http://host.test/", { headers = { ["X-Id"] = "a", ["X-Own"] = "secret",
      Authorization = "Bearer secret" } })):dispose()
    assert.same({ "GET http://host.test/ 200 0 bytes T ms X-Id: a X-Id: b\\x095 "
      .. "Authorization: Bearer *** X-Own: *** Set-Cookie: a=***" }, lines)
  end)

  it("is one line whatever was asked for", function()
    use()
    client:request("GET\r\nX", "http://host.test/\r\nHost: x")
    assert.equal(1, #lines)
    assert.is_nil(lines[1]:find "%c")
  end)

  it("goes on with values of an interceptor's own", function()
    use()
    client:use { hop = function() return { own = true } end }
    assert.is_true(client:get("http://host.test/").own)
    assert.same({ "GET http://host.test/ answered T ms" }, lines)
  end)

  it("that raises fails the request, and nothing is left", function()
    client:use(sluice.interceptors.log { sink = function() error "disk is full" end })
    client:use { hop = function(request) return request:answer { status = 200, body = "four" } end }
    assert.error_matches(function() client:get "http://host.test/" end, "disk is full")
  end)

  it("raises for options that are none", function()
    local log = sluice.interceptors.log
    assert.error_matches(function() log { sinc = print } end,
      "log: unknown option 'sinc': did you mean")
    assert.error_matches(function() log { sink = 5 } end, "log: option 'sink': function expected")
    assert.error_matches(function() log { fields = { 5 } } end, "array of names expected")
  end)
end)
