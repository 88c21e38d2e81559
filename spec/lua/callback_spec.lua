-- The callback form of requests.

local sluice = require "sluice"
local support = require "spec.support"

local clock = support.system.clock
local GOOD = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"

describe("on_done", function()
  local server, client

  setup(function() sluice.get "http://127.0.0.1:1/" end) -- of the module's own client, in any mode
  support.verify_each(function(keep)
    server = keep(support.serve(GOOD))
    client = keep(support.client())
  end)

  local function step_until(done)
    local deadline = clock() + 60
    while not done() do
      sluice.loop():step(0.01)
      assert.is_true(clock() < deadline)
    end
  end

  --- What the function of a request got, which `send(options)` makes.
  local function outcome_of(send)
    local got
    local task = send { on_done = function(...) got = table.pack(...) end }
    assert.is_nil(got) -- not before a step
    step_until(function() return got end)
    return got, task
  end

  it("gets the response, inside a step, and owns it", function()
    local url = server.url .. "/"
    local got, task = outcome_of(function(options) return client:get(url, options) end)
    assert.equal(1, got.n)
    local response <close> = got[1]
    assert.equal("good", response:text())
    step_until(function() return task:status() == "done" end)
    assert.same({ n = 0 }, table.pack(task:await()))
  end)

  it("is an option of every verb, of built requests, and of the module", function()
    local url = server.url .. "/"
    local ways = {
      function(options) return client:build("GET", url):on_done(options.on_done):send() end,
      function(options) return client:request("GET", url, options) end,
      function(options)
        options.url = url
        return client:request(options)
      end,
    }
    for _, verb in ipairs { "get", "post", "put", "patch", "delete", "options" } do
      table.insert(ways, function(options) return client[verb](client, url, options) end)
    end
    for _, send in ipairs(ways) do
      local response <close> = outcome_of(send)[1]
      assert.equal("good", response:text())
    end
    local got = outcome_of(function(options) return sluice.get("http://127.0.0.1:1/", options) end)
    assert.equal("connect", got[3].code)
  end)

  it("gets what goes wrong: with the request, on the way, and by a cancellation", function()
    local got = outcome_of(function(options) return client:get("http:/", options) end)
    assert.equal("invalid", got[3].code)
    assert.equal(got[2], got[3].message)
    got = outcome_of(function(options) return client:get("http://127.0.0.1:1/", options) end)
    assert.is_nil(got[1])
    assert.equal("connect", got[3].code)
    got = outcome_of(function(options)
      local task = client:get(server.url .. "/", options)
      task:cancel "enough"
      return task
    end)
    assert.equal("cancelled", got[3].code)
    assert.matches("enough", got[2])
  end)

  it("may wait: reads a stream, and sends another request", function()
    local url, texts = server.url .. "/", {}
    client:get(url, { stream = true, on_done = function(response)
      local first <close> = response
      texts[1] = first:text()
      local second <close> = assert(client:get(url))
      texts[2] = second:text()
    end })
    step_until(function() return texts[2] end)
    assert.same({ "good", "good" }, texts)
  end)

  it("that raises is reported, and its response is disposed", function()
    local reports = {}
    sluice.on_error(function(...) table.insert(reports, table.pack(...)) end)
    local response
    local task = client:get(server.url .. "/", { on_done = function(got)
      response = got
      error "broken"
    end })
    step_until(function() return reports[1] end)
    client:use(function() error("interceptor", 0) end)
    client:get(server.url .. "/", { on_done = function() error "never" end })
    step_until(function() return reports[2] end)
    sluice.on_error(nil)
    assert.matches("callback_spec.lua:%d+: broken$", reports[1][1])
    assert.matches("callback_spec.lua", reports[1][2])
    assert.equal(task, reports[1][3])
    assert.equal("interceptor", reports[2][1])
    assert.is_true(support.is_disposed(response))
    assert.equal(2, #reports)
  end)

  it("is waited for by sluice.run", function()
    local text
    sluice.run(function()
      client:get(server.url .. "/", { on_done = function(response)
        local closing <close> = response
        text = closing:text()
      end })
    end)
    assert.equal("good", text)
  end)

  it("of misuse raises where the request is made", function()
    local function refuses(expected, f)
      local ok, message = pcall(f)
      assert.is_false(ok)
      assert.matches("callback_spec.lua:%d+: " .. expected, message)
    end
    local url = server.url .. "/"
    refuses("request: option 'on_done': function expected, got number",
      function() client:get(url, { on_done = 5 }) end)
    refuses("request: unknown option 'typo'",
      function() client:get(url, { on_done = print, typo = 1 }) end)
    refuses("pages: option 'on_done'", function() client:pages(url, { on_done = print }) end)
  end)

  it("leaves nothing behind when the state closes first", function()
    local script = require "spec.support.script"
    local status, output = script.run([[
      local sluice = require "sluice"
      for _ = 1, 10 do sluice.get(..., { on_done = print }) end
      sluice.loop():step(0)
    ]], server.url .. "/")
    assert.equal("", output)
    assert.equal(0, status)
  end)
end)
