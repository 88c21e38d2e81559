-- What a request sends by `form` and `multipart`, its Content-Type, and whose the leases are.

local server = require "spec.support.server"
local sluice = require "sluice"
local support = require "spec.support"

local peer, pattern = support.peer, support.pattern
local lease_of, is_disposed = support.lease, support.is_disposed

local request_head = { "expect_until", "\r\n\r\n" }
local DONE = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"
local FORM = "application/x-www-form-urlencoded"

local body_of, field_of = support.body_of, support.field_of

describe("a request", function()
  local client, directory

  support.verify_each(function(keep)
    directory = keep(server.directory(), server.remove)
    client = keep(support.client())
  end)

  --- The request that a peer receives, up to and with `last`.
  local function post(options, last, own)
    local p <close> = peer.listen { script = {
      { { "expect_until", last or "\r\n\r\n" }, { "send", DONE }, { "stall" } } } }
    local response <close>, message = (own or client):post(p.url .. "/", options)
    assert(response, message)
    assert.equal("done", response:text())
    return p:received(1)
  end

  -- ---- form ----

  -- The serializer of the URL standard, https://url.spec.whatwg.org/#urlencoded-serializing
  for expected, form in pairs {
    ["a=1&b=x+y&b=%26&c=true&d=false"] = { c = true, b = { "x y", "&" }, a = 1, d = false, e = {} },
    ["b=1&a=&b=2"] = { { "b", 1 }, { "a", "" }, { "b", { 2 } } },
    ["*-._=%7E%21%27%28%29"] = { ["*-._"] = "~!'()" },
    ["a%3D%26b=%25+%2B%0D%0A%00"] = { ["a=&b"] = "% +\r\n\0" },
    ["caf%C3%A9=%E2%82%AC"] = { ["caf\u{e9}"] = "\u{20ac}" },
    ["n=0.1&n=5"] = { n = { 0.1, 5.0 } },
  } do
    it("has a form in its body: " .. expected, function()
      local request = post({ form = form }, expected)
      assert.equal(FORM, field_of(request, "Content%-Type"))
      assert.equal(tostring(#expected), field_of(request, "Content%-Length"))
      assert.equal(expected, body_of(request))
    end)
  end

  it("may have an empty form", function()
    local request = post { form = {} }
    assert.equal(FORM, field_of(request, "Content%-Type"))
    assert.equal("0", field_of(request, "Content%-Length"))
  end)

  it("has a form's type before that of its client, and after its own", function()
    local own <close> = support.client { headers = { ["Content-Type"] = "application/json" } }
    assert.equal(FORM, field_of(post({ form = { a = 1 } }, "a=1", own), "Content%-Type"))
    assert.equal("application/json",
      field_of(post({ json = { a = 1 } }, "}", own), "Content%-Type"))
    local request = post({ form = { a = 1 }, headers = { ["content-type"] = FORM .. "; x" } },
      "a=1", own)
    assert.equal(FORM .. "; x", field_of(request, "content%-type"))
    assert.is_nil(field_of(request, "Content%-Type"))
  end)

  it("does not mix up the heads of bodies of several kinds", function()
    local p <close> = peer.listen { script = { { { "expect_until", "end" }, { "send", DONE },
      { "loop" } } } }
    local kinds = { { form = { a = "end" } }, { json = { "end" } }, { body = "end" },
      { multipart = { a = "end" } } }
    for _ = 1, 2 do
      for _, options in ipairs(kinds) do
        assert(client:post(p.url .. "/", options)):dispose()
      end
    end
    local types = {}
    for head in p:received(1):gmatch "POST.-\r\n\r\n" do
      types[#types + 1] = (field_of(head, "Content%-Type") or "none"):match "^[^;]*"
    end
    for i = 1, 2 do
      assert.same({ FORM, "application/json", "none", "multipart/form-data" },
        table.move(types, 4 * i - 3, 4 * i, 1, {}))
    end
  end)

  it("has a form again after a 307, and none after a 303", function()
    for status, method in pairs { [307] = "POST", [303] = "GET" } do
      local to <close> = peer.listen { script = { { request_head,
        { "read", status == 307 and 3 or 0 }, { "send", DONE }, { "stall" } } } }
      local p <close> = peer.listen { script = { { { "expect_until", "a=1" }, { "send",
        ("HTTP/1.1 %d X\r\nLocation: %s/\r\nContent-Length: 0\r\n\r\n"):format(status, to.url) },
        { "stall" } } } }
      assert(client:post(p.url .. "/", { form = { a = 1 } })):dispose()
      local request = to:received(1)
      assert.equal(method, request:match "^%u+")
      assert.equal(status == 307 and "a=1" or "", body_of(request))
      assert.equal(status == 307 and FORM or nil, field_of(request, "Content%-Type"))
    end
  end)

  it("names what is wrong with a form, and the line", function()
    local url = "http://127.0.0.1:1/"
    for wrong, call in pairs {
      ["option 'form': table expected, got string"] =
        function() client:post(url, { form = "a=1" }) end,
      ["form: 'a': text, number or boolean expected, got a function"] =
        function() client:post(url, { form = { a = print } }) end,
      ["form: 'a'[2]: text, number or boolean expected, got a table"] =
        function() client:post(url, { form = { a = { 1, {} } } }) end,
      ["form: 'a': element 2 is missing (a hole)"] =
        function() client:post(url, { form = { a = { 1, nil, 3 } } }) end,
      ["form: 'a': text, number or boolean expected, got a file"] =
        function() client:post(url, { form = { a = io.stdout } }) end,
      ["json and form: only one of them"] =
        function() client:post(url, { form = {}, json = {} }) end,
      ["body and multipart: only one of them"] =
        function() client:post(url, { body = "", multipart = {} }) end,
      ["form and multipart: only one of them"] =
        function() client:post(url, { form = {}, multipart = {} }) end,
      ["body: table with path or read, or array of parts expected "
        .. "(fields of a form: option 'form')"] =
        function() client:post(url, { body = { a = 1 } }) end,
      ["body: a multipart is given by the option 'multipart'"] =
        function() client:post(url, { body = sluice.multipart { a = 1 } }) end,
      ["multipart: 'a': unknown option 'b'"] =
        function() client:post(url, { multipart = { a = { b = 1 } } }) end,
      ["header 'Content-Type': does not name the boundary of the multipart; "
        .. "without one of your own it is set"] = function() client:post(url,
          { multipart = {}, headers = { ["Content-Type"] = "multipart/form-data" } }) end,
    } do
      local ok, message = pcall(call)
      assert.is_false(ok)
      local info = debug.getinfo(call, "S")
      assert.equal(("%s:%d: request: %s"):format(info.short_src, info.linedefined, wrong), message)
    end
  end)

  it("can be built with a form or a multipart, and sent again", function()
    local p <close> = peer.listen { script = { { { "expect_until", "the end" }, { "send", DONE },
      { "loop" } } } }
    local path = server.write(directory .. "/file", "the end")
    for _, built in ipairs {
      client:build("POST", p.url .. "/"):multipart { file = { path = path } },
      client:build("POST", p.url .. "/"):multipart(sluice.multipart { a = "the end" }),
    } do
      for _ = 1, 2 do assert(built:send()):dispose() end
    end
    assert(client:build("PUT", p.url .. "/"):form { { "a", "the end" } }:body(nil))
    assert.error_matches(function() client:build("POST", "/"):multipart { a = print } end,
      "multipart: 'a': text, number or boolean expected, got a function")
    local lines = select(2, p:received(1):gsub("\r\n\r\nthe end\r\n", ""))
    assert.equal(4, lines)
  end)

  -- ---- multipart ----

  it("has a multipart of known length in its body", function()
    local path = server.write(directory .. "/file", pattern(100000))
    local lease = lease_of(pattern(50000))
    local form = sluice.multipart { { "text", "value" }, { "file", { path = path } } }
      :file("lease", { lease = lease }):file("large", { bytes = pattern(30000) })
    local built <close> = assert(form:build())
    local request = post({ multipart = form }, "--\r\n")
    assert.equal(form.content_type, field_of(request, "Content%-Type"))
    assert.equal(tostring(#built), field_of(request, "Content%-Length"))
    assert.is_true(built:tostring() == body_of(request))
    assert.is_true(is_disposed(lease))
  end)

  it("chunks a multipart with a function of unknown length, and not one of known length", function()
    local path = server.write(directory .. "/file", pattern(100000))
    for _, length in ipairs { 10, false } do
      local pieces = { "6789a", "12345" }
      local lease = lease_of "leased"
      local form = sluice.multipart { { "f", { read = function()
        sluice.sleep(0.001)
        return table.remove(pieces)
      end, length = length or nil } }, { "lease", { lease = lease } },
        { "file", { path = path } }, { "g", { bytes = pattern(20000) } } }
      local request = post({ multipart = form }, length and "--\r\n" or "\r\n0\r\n\r\n")
      assert.equal(not length and "chunked" or nil, field_of(request, "Transfer%-Encoding"))
      local body = body_of(request)
      if not length then
        local chunks = {}
        while true do
          local size, from = body:match "^(%x+)\r\n()"
          size = tonumber(size, 16)
          if size == 0 then break end
          chunks[#chunks + 1] = body:sub(from, from + size - 1)
          body = body:sub(from + size + 2)
        end
        body = table.concat(chunks)
      end
      assert.matches("\r\n\r\n123456789a\r\n", body)
      assert.matches("\r\n\r\nleased\r\n", body)
      assert.is_truthy(body:find("\r\n\r\n" .. pattern(100000) .. "\r\n", 1, true))
      assert.matches("%-%-\r\n$", body)
      assert.is_true(is_disposed(lease))
    end
  end)

  it("goes on with such a multipart after its response, which owns the leases till then", function()
    local lease = lease_of(pattern(5 << 20))
    local path = server.write(directory .. "/file", pattern(3 << 20))
    local p <close> = peer.listen { records = false, receive_buffer = 65536, script = { {
      request_head, { "send", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" }, { "hold" },
      { "discard", 8 << 20 }, { "expect_until", "\r\n0\r\n\r\n" }, { "send", "done" },
      { "stall" } } } }
    local called = false
    local form = sluice.multipart { { "f", { read = function()
      if called then return nil end
      called = true
      return "piece"
    end } }, { "lease", { lease = lease } }, { "file", { path = path } } }
    local response <close> = assert(client:post(p.url .. "/", { multipart = form, stream = true }))
    assert.equal(200, response.status)
    assert.is_false(is_disposed(lease))
    p:signal()
    assert.equal("done", response:text())
    local deadline = support.system.clock() + 60
    while not is_disposed(lease) do
      sluice.loop():step(0.01)
      assert.is_true(support.system.clock() < deadline)
    end
    assert.same({}, p:failures())
  end)

  it("uses a multipart with a lease or a function once, others as often as it is sent", function()
    local p <close> = peer.listen { script = { { { "expect_until", "--\r\n" }, { "send", DONE },
      { "loop" } } } }
    local url = p.url .. "/"
    local form = sluice.multipart { a = "b", c = { bytes = "d" } }
    for _ = 1, 3 do assert(client:post(url, { multipart = form })):dispose() end

    form = sluice.multipart { a = { lease = lease_of "content" } }
    assert(client:post(url, { multipart = form })):dispose()
    local function again() client:post(url, { multipart = form }) end
    assert.error_matches(again, "request: multipart 'a': its lease was used before")

    form = sluice.multipart { a = { read = function() end, length = 0 } }
    assert(client:post(url, { multipart = form })):dispose()
    assert.error_matches(again, "request: multipart 'a': its function was used before")
    form:dispose()
  end)

  it("disposes the leases of a multipart that is refused as invalid, and no others", function()
    for _, make in ipairs {
      function(lease) return { a = { lease = lease } } end,
      function(lease) return sluice.multipart():file("a", { lease = lease }) end,
    } do
      for expected, change in pairs {
        ["control"] = function(options) options.headers = { A = "\r" } end,
        ["No such file"] = function(options)
          if getmetatable(options.multipart) then
            options.multipart:file("b", { path = directory .. "/none" })
          else
            options.multipart.b = { path = directory .. "/none" }
          end
        end,
        ["trailers"] = function(options) options.trailers = { A = "b" } end,
      } do
        local lease = lease_of "content"
        local options = { multipart = make(lease) }
        change(options)
        local response, message, err = client:post("http://127.0.0.1:1/", options)
        assert.is_nil(response)
        assert.equal("invalid", err.code)
        assert.matches(expected, message)
        assert.is_true(is_disposed(lease), expected)
      end
      local lease = lease_of "content"
      local form = make(lease)
      for _, other in ipairs { "wrong", "json" } do
        local options = { multipart = form, [other] = 1 }
        assert.error(function() client:post("http://127.0.0.1:1/", options) end)
      end
      assert.is_false(is_disposed(lease))
      lease:dispose()
    end
  end)

  it("shows interceptors the parts of a multipart, and takes others for them", function()
    local p <close> = peer.listen { script = { { { "expect_until", "the end" }, { "send", DONE },
      { "loop" } } } }
    local lease = lease_of "content"
    local seen
    client:use(function(request, forward)
      seen = request.body
      assert.is_true(request:is_replayable())
      request.body = "the end"
      return forward(request)
    end)
    assert(client:post(p.url .. "/", { multipart = { { "a", 1 }, { "b", { lease = lease } } } }))
      :dispose()
    assert.equal(3, #seen)
    assert.equal(lease, seen[2])
    assert.is_true(is_disposed(lease))
  end)
end)
