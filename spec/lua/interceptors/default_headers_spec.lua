-- Fields that a request has unless it says otherwise.

local sluice = require "sluice"
local support = require "spec.support"

describe("default headers", function()
  local client, sent

  support.verify_each(function(keep) client = keep(support.client()) end)

  --- The fields of one sending, after the step.
  local function get(headers, options)
    client:use(sluice.interceptors.default_headers(headers))
    client:use { hop = function(request)
      sent = table.move(request.fields, 1, #request.fields, 1, {})
      return request:answer { status = 200 }
    end }
    assert(client:get("http://host.test/", options)):dispose()
    return table.concat(sent, "|")
  end

  it("are added where the request has none of that name", function()
    assert.equal("a|own|B|2", get({ A = "1", B = 2 }, { headers = { a = "own" } }))
  end)

  it("may have several lines of one name, which belong together", function()
    assert.equal("A|1|A|2|B|3", get { { "A", "1" }, { "A", "2" }, { "B", "3" } })
  end)

  it("may be asked of a function, once for each call", function()
    local count = 0
    local function number(request)
      assert.equal("GET", request.method)
      count = count + 1
      return count
    end
    assert.equal("A|1", get { A = number, B = function() end })
    assert(client:get "http://host.test/"):dispose()
    assert.same({ "A", "2" }, sent)
    assert(client:get("http://host.test/", { headers = { A = "own" } })):dispose()
    assert.same({ "A", "own" }, sent)
    assert.equal(2, count)
  end)

  it("that are secret stay behind when a redirect leads elsewhere", function()
    client:use(sluice.interceptors.default_headers {
      { "X-Key", "hidden", secret = true }, { "X-Other", "kept" } })
    local seen = {}
    client:use { hop = function(request)
      seen[#seen + 1] = table.concat(request.fields, "|")
      if request.url:find "other" then return request:answer { status = 200 } end
      return request:answer { status = 302, headers = { Location = "http://other.test/" } }
    end }
    assert(client:get "http://host.test/"):dispose()
    assert.same({ "X-Key|hidden|X-Other|kept", "X-Other|kept" }, seen)
  end)

  it("raise for what is no field", function()
    local make = sluice.interceptors.default_headers
    assert.error_matches(function() make() end, "^default_headers: table expected, got nil")
    assert.error_matches(function() make { A = {} , B = true } end,
      "default_headers: header 'B': string expected, got a boolean")
    assert.error_matches(function() make { { "A" } } end,
      "default_headers: header 'A': string expected, got nothing")
    assert.has_no.errors(function() make {} end)
  end)
end)
