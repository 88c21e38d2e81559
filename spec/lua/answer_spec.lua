-- Responses made by interceptors instead of the network.

local sluice = require "sluice"
local support = require "spec.support"

describe("request:answer", function()
  local client, answer

  support.verify_each(function(keep)
    client = keep(support.client())
    client:use { hop = function(request)
      local response, message, err = request:answer(answer)
      return response, message, err
    end }
  end)

  -- Makers of the same body.
  local makers = {
    string = function(text) return text end,
    lease = support.lease,
    sequence = function(text)
      local lease <close> = support.lease(text)
      return lease:sequence()
    end,
  }

  -- Ways to take a whole body.
  local readers = {
    function(response)
      local pieces = {}
      for piece in response:chunks() do
        pieces[#pieces + 1] = piece:tostring()
        piece:dispose()
      end
      return table.concat(pieces)
    end,
    function(response)
      local lease <close> = response:detach()
      return lease:tostring()
    end,
    function(response)
      local sequence <close> = response:sequence()
      return sequence:tostring()
    end,
    function(response)
      local reader <close> = response:reader()
      return reader:read "a"
    end,
    function(response)
      local path <close> = setmetatable({ name = os.tmpname() }, -- luacheck: ignore
        { __close = function(self) os.remove(self.name) end })
      assert(response:save(path.name))
      local file <close> = assert(io.open(path.name, "rb"))
      return file:read "a"
    end,
  }

  local long = ("0123456789abcde\n"):rep(8190)

  for kind, make in pairs(makers) do
    for _, is_stream in ipairs { false, true } do
      it(("makes a response like any other of a %s, %s"):format(kind,
        is_stream and "streamed" or "buffered"), function()
        local body <close> = setmetatable({}, { __close = function(self) -- luacheck: ignore
          if kind == "sequence" then self.value:dispose() end
        end })
        local function get(text)
          if kind == "sequence" and body.value then body.value:dispose() end
          body.value = make(text)
          answer = { status = 203, reason = "Own", headers = { { "A", "1" }, { "A", "2" } },
            body = body.value }
          return assert(client:get("http://host.test/x?y#z", { stream = is_stream }))
        end
        for _, text in ipairs { "", "a\nb", long } do
          local response <close> = get(text)
          assert.equal(203, response.status)
          assert.equal("Own", response.reason)
          assert.equal("1.1", response.version)
          assert.is_true(response.ok)
          assert.equal("http://host.test/x?y", response.url)
          assert.equal("GET", response.method)
          assert.same({ "1", "2" }, response.headers:all "a")
          assert.equal(2, #response.headers)
          assert.equal(#text, #response)
          assert.equal(text, response:text())
          assert.equal(text, response.body)
          for _, read in ipairs(readers) do
            local other <close> = get(text)
            assert.equal(text, read(other))
          end
          local lines <close> = get(text)
          local count = 0
          for _ in lines:lines() do count = count + 1 end
          assert.equal(select(2, text:gsub("\n", "")) + (text:find "[^\n]$" and 1 or 0), count)
        end
        answer.body = make "[5]"
        if kind == "sequence" then
          body.value:dispose()
          body.value = answer.body
        end
        local response <close> = assert(client:get "http://host.test/")
        assert.same({ 5 }, response:json())
      end)
    end
  end

  it("shows a sequence without copying it, and leaves it to its owner", function()
    local lease <close> = support.lease(long)
    local sequence <close> = lease:sequence()
    answer = { status = 200, body = sequence }
    local bytes = sluice.stats().bytes
    local response <close> = assert(client:get "http://host.test/")
    assert.is_true(sluice.stats().bytes - bytes < #long // 2)
    assert.equal(long, response:text())
    assert.equal(#long, #sequence)
  end)

  it("disposes a lease, also of an answer without a body", function()
    for _, case in ipairs { { "GET", 200 }, { "HEAD", 200 }, { "GET", 204 }, { "GET", 304 } } do
      local lease = support.lease "four"
      answer = { status = case[2], body = lease }
      local response <close> = assert(client:request(case[1], "http://host.test/"))
      assert.equal(case[1] == "GET" and case[2] == 200 and "four" or "", response:text())
      assert.error_matches(function() return #lease end, "disposed")
    end
  end)

  it("has the usual reason, or none", function()
    for status, reason in pairs { [200] = "OK", [201] = "Created", [202] = "Accepted",
      [203] = "", [204] = "No Content", [205] = "", [206] = "Partial Content", [300] = "",
      [301] = "Moved Permanently", [302] = "Found", [303] = "See Other", [304] = "Not Modified",
      [305] = "", [307] = "Temporary Redirect", [308] = "Permanent Redirect",
      [400] = "Bad Request", [401] = "Unauthorized", [403] = "Forbidden", [404] = "Not Found",
      [405] = "Method Not Allowed", [409] = "Conflict", [410] = "Gone",
      [412] = "Precondition Failed", [429] = "Too Many Requests",
      [500] = "Internal Server Error", [502] = "Bad Gateway", [503] = "Service Unavailable",
      [504] = "Gateway Timeout", [799] = "", [999] = "" } do
      answer = { status = status }
      local response <close> = assert(client:get "http://host.test/")
      assert.equal(status, response.status)
      assert.equal(reason, response.reason)
    end
  end)

  it("is disposed if its interceptor gives something else, or raises", function()
    local made
    for _, lead_away in ipairs {
      function(request) return request:answer { status = 204 } end,
      function() return nil, "no", { code = "invalid" } end,
      function() error "no" end,
    } do
      local own <close> = support.client()
      own:use { hop = function(request)
        made = assert(request:answer { status = 200, body = long })
        return lead_away(request)
      end }
      local _, response = pcall(own.get, own, "http://host.test/")
      assert.error_matches(function() made:text() end, "disposed")
      if type(response) == "userdata" then response:dispose() end
    end
  end)

  it("is followed where it redirects, and redirects are counted", function()
    local own <close> = support.client()
    own:use { hop = function(request)
      if request.url:find "/end" then return request:answer { status = 200, body = "there" } end
      return request:answer { status = 302, headers = { Location = "/end?1" }, body = "no" }
    end }
    for _, is_stream in ipairs { false, true } do
      local response <close> = assert(own:get("http://host.test/", { stream = is_stream }))
      assert.equal("there", response:text())
      assert.equal("http://host.test/end?1", response.url)
      assert.same({ { status = 302, url = "http://host.test/" } }, response.redirects)
    end
    local stopped <close> = assert(own:get("http://host.test/", { redirects = false }))
    assert.equal(302, stopped.status)
    assert.equal("no", stopped:text())
  end)

  it("gives a failure for what is no field, and the lease is disposed", function()
    for _, headers in ipairs { { ["A B"] = "1" }, { A = "1\r\nB: 2" } } do
      local lease = support.lease "four"
      answer = { status = 200, headers = headers, body = lease }
      local response, message, err = client:get "http://host.test/"
      assert.is_nil(response)
      assert.equal("invalid", err.code)
      assert.matches("^header '", message)
      assert.error_matches(function() return #lease end, "disposed")
    end
  end)

  it("refuses what it does not take, by name", function()
    for text, given in pairs {
      ["option 'status': integer expected, got nil"] = {},
      ["option 'status': integer from 200 to 999 expected, got 199"] = { status = 199 },
      ["option 'status': integer from 200 to 999 expected, got 1000"] = { status = 1000 },
      ["unknown option 'code'"] = { code = 200 },
      ["option 'body': string, sequence or lease expected, got table"] =
        { status = 200, body = {} },
      ["option 'reason': string without control characters"] = { status = 200, reason = "a\r\n" },
      ["header 'A': string expected, got a boolean"] = { status = 200, headers = { A = true } },
    } do
      answer = given
      local _, message = pcall(client.get, client, "http://host.test/")
      assert.matches("answer_spec.lua:%d+: answer: " .. text:gsub("%p", "%%%0"), message)
    end
    answer = 5
    assert.error_matches(function() client:get "http://host.test/" end,
      "^answer: table of options expected, got number$")
  end)

  it("fails once its client is closed", function()
    local own = support.client()
    own:use(function(request)
      own:close()
      return request:answer { status = 200, body = support.lease "four" }
    end)
    local response, message, err = own:get "http://host.test/"
    assert.is_nil(response)
    assert.equal("closed", err.code)
    assert.equal("GET http://host.test/: client is closed", message)
  end)
end)
