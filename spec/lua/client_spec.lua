-- Clients: what they send, which connections they use for it, and when they give up.

local script = require "spec.support.script"
local sluice = require "sluice"
local support = require "spec.support"

local peer, system = support.peer, support.system
local clock = system.clock

local GOOD = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"
local request_head = { "expect_until", "\r\n\r\n" }
local good = { "send", GOOD }

local function serve(...)
  return peer.listen { script = { { request_head, ... } }, repeat_last = true }
end

local function step_until(done, seconds)
  local deadline = clock() + (seconds or 5)
  while not done() do
    sluice.loop():step(0.002)
    assert.is_true(clock() < deadline, "not in time")
  end
end

--- The text of a response, which is disposed; raises if there is no response.
local function text(response, message)
  local closing <close> = assert(response, message)
  return closing:text()
end

describe("a client", function()
  local client

  support.verify_each(function(keep) client = keep(support.client()) end)

  describe("sends", function()
    local server

    before_each(function() server = serve(good, { "loop" }) end)
    after_each(function() server:stop() end)

    --- The head of the only request so far.
    local function sent() return (server:received(1):match "^(.-\r\n)\r\n") end

    local function fields_of(head)
      local list = {}
      for line in head:gmatch "([^\r]*)\r\n" do list[#list + 1] = line end
      return list
    end

    it("each verb by its name", function()
      for _, verb in ipairs { "get", "head", "post", "put", "patch", "delete", "options" } do
        local p <close> = peer.listen { script = { { request_head,
          { "send", "HTTP/1.1 204 No Content\r\n\r\n" }, { "loop" } } } }
        client[verb](client, p.url .. "/a"):dispose()
        client:request(verb:upper(), p.url .. "/b"):dispose()
        client:build(verb:upper(), p.url .. "/c"):send():dispose()
        local seen = {}
        for line in p:received(1):gmatch "([^\r\n]* HTTP/1%.1)\r\n" do seen[#seen + 1] = line end
        local upper = verb:upper()
        assert.same({ upper .. " /a HTTP/1.1", upper .. " /b HTTP/1.1", upper .. " /c HTTP/1.1" },
          seen)
        local _, lengths = p:received(1):gsub("Content%-Length: 0\r\n", "")
        assert.equal(({ post = 3, put = 3, patch = 3 })[verb] or 0, lengths, verb)
      end
    end)

    it("Host first, the caller's fields, framing, then defaults", function()
      text(client:post(server.url .. "/p", { headers = { { "X-B", "1" }, { "X-A", "2" } },
        body = "body" }))
      local list = fields_of(sent())
      assert.equal("POST /p HTTP/1.1", list[1])
      assert.equal("Host: 127.0.0.1:" .. server.port, list[2])
      assert.same({ "X-B: 1", "X-A: 2", "Content-Length: 4" }, { list[3], list[4], list[5] })
      assert.matches("^User%-Agent: sluice/", list[6])
      assert.same({ "Accept: */*", "Accept-Encoding: gzip, deflate" }, { list[7],
        list[8]:sub(1, 30) })
    end)

    it("fields of a map in the order of their names, repeated ones line by line", function()
      local headers = { b = "2", c = { "3", "4" }, a = 1, d = "" }
      text(client:get(server.url .. "/", { headers = headers }))
      assert.is_truthy(sent():find("\r\na: 1\r\nb: 2\r\nc: 3\r\nc: 4\r\nd: \r\n", 1, true), sent())
    end)

    it("the client's own fields where the request has none of that name", function()
      local own <close> = support.client { headers = { { "X-One", "client" }, { "X-Two", "client" },
        { "accept", "text/html" } } }
      text(own:get(server.url .. "/", { headers = { ["x-one"] = "request" } }))
      local head = sent()
      assert.is_truthy(head:find("\r\nx-one: request\r\nX-Two: client\r\naccept: text/html\r\n", 1,
        true), head)
      assert.is_nil(head:find("X-One: client", 1, true))
      assert.is_nil(head:find("Accept: */*", 1, true))
    end)

    it("no default that the caller set himself", function()
      text(client:get(server.url .. "/", { headers = { ["USER-AGENT"] = "own",
        ["accept-encoding"] = "identity" }, decompress = true }))
      local _, agents = sent():lower():gsub("user%-agent", "")
      local _, codings = sent():lower():gsub("accept%-encoding", "")
      assert.same({ 1, 1 }, { agents, codings })
      local own <close> = support.client { decompress = false }
      text(own:get(server.url .. "/"))
      assert.is_nil(server:received(2):find "Accept%-Encoding")
    end)

    it("a query as text or as a table, added to what the URL has", function()
      local cases = {
        { "/p", "a=1&b", "/p?a=1&b" },
        { "/p?x=y", "a=1", "/p?x=y&a=1" },
        { "/p", "", "/p" },
        { "/p", {}, "/p" },
        { "/p", { b = 2, a = "x y", c = { 1, true, "&=" } },
          "/p?a=x%20y&b=2&c=1&c=true&c=%26%3D" },
        { "/p?x#fragment", { ["k\u{e9}y"] = "v" }, "/p?x&k%C3%A9y=v" },
        { "/p#fragment", "q", "/p?q" },
        { "?already", nil, "/?already" },
        { "", { q = "1" }, "/?q=1" },
      }
      for _, case in ipairs(cases) do
        text(client:get(server.url .. case[1], { query = case[2] }))
      end
      local targets = {}
      for target in server:received(1):gmatch "GET (%S+) HTTP" do targets[#targets + 1] = target end
      for i, case in ipairs(cases) do assert.equal(case[3], targets[i]) end
    end)

    it("to what a reference means against base_url", function()
      local own <close> = support.client { base_url = server.url .. "/a/b?q#f" }
      for _, reference in ipairs { "", "c", "/c", "../c", "?r", "./c/", server.url .. "/z",
        "//127.0.0.1:" .. server.port .. "/y" } do
        text(own:get(reference))
      end
      local targets = {}
      for target in server:received(1):gmatch "GET (%S+) HTTP" do targets[#targets + 1] = target end
      assert.same({ "/a/b/", "/a/b/c", "/c", "/a/c", "/a/b/?r", "/a/b/c/", "/z", "/y" }, targets)
    end)

    it("below base_url, which is a directory with or without its last slash", function()
      for _, base in ipairs { "/api/v1", "/api/v1/", "/api/v1?a=/b", "/api/v1/#c" } do
        local own <close> = support.client { base_url = server.url .. base }
        text(own:get "echo")
        text(own:get "/echo")
        text(own:get("echo?b=c", { query = { d = 1 } }))
      end
      local bare <close> = support.client { base_url = server.url }
      text(bare:get "echo")
      text(bare:get "")
      local targets = {}
      for _, bytes in ipairs(server:received()) do
        for target in bytes:gmatch "GET (%S+) HTTP" do targets[#targets + 1] = target end
      end
      local expected = {}
      for i = 0, 3 do
        table.move({ "/api/v1/echo", "/echo", "/api/v1/echo?b=c&d=1" }, 1, 3, 3 * i + 1, expected)
      end
      table.move({ "/echo", "/" }, 1, 2, #expected + 1, expected)
      assert.same(expected, targets)
    end)

    it("nothing to what is no URL, which it names without user info", function()
      for url, message in pairs {
        ["example.test/x"] =
          "GET example.test/x: the URL has no scheme: a URL begins with http:// or https://",
        ["localhost:80/x"] =
          "GET localhost:80/x: the scheme is not supported: a URL begins with http:// or https://",
        ["user:secret@a/x"] =
          "GET a/x: the scheme is not supported: a URL begins with http:// or https://",
        ["ftp://a/x"] = "GET ftp://a/x: the scheme is not supported",
        ["http://user:secret@a:99999/x"] = "GET http://a:99999/x: the port is larger than 65535",
      } do
        local own <close> = support.client()
        local shown
        own:use(function(request, forward)
          shown = tostring(request)
          return forward(request)
        end)
        local response, reason, err = own:get(url)
        assert.is_nil(response)
        assert.equal("invalid", err.code)
        assert.equal(message, reason)
        assert.is_nil(shown:find("secret", 1, true))
      end
    end)

    it("nothing without a client, and says how to call it", function()
      for name in pairs { get = true, post = true, delete = true, request = true } do
        for _, value in ipairs { false, server.url } do
          assert.error_matches(function() client[name](value or nil) end,
            ("%s: called without a client: write client:%s(...), with a colon"):format(name, name),
            1, true)
        end
      end
    end)

    it("by a standard method in lower case, too", function()
      for _, method in ipairs { "get", "Post", "hEAD", "PATCH", "custom", "Custom" } do
        local response <close> = assert(client:request(method, server.url .. "/"))
        assert.equal(method:lower() == "custom" and method or method:upper(), response.method)
        response:dispose()
      end
      assert(client:build("put", server.url .. "/"):body("x"):send()):dispose()
      local methods = {}
      for _, bytes in ipairs(server:received()) do
        for method in bytes:gmatch "(%a+) / HTTP" do methods[#methods + 1] = method end
      end
      assert.same({ "GET", "POST", "HEAD", "PATCH", "custom", "Custom", "PUT" }, methods)
      local own <close> = support.client()
      own:use(function(request, forward)
        assert.equal("GET", request.method)
        assert.error_matches(function() request.method = 5 end, "request: method: string expected")
        request.method = "delete"
        return forward(request)
      end)
      local response <close> = assert(own:get(server.url .. "/"))
      assert.equal("DELETE", response.method)
    end)

    it("to paths and queries octet by octet, whichever way they came", function()
      local own <close> = support.client { base_url = server.url .. "/{b}/" }
      local odd = "/[p]|^`{}?f[]=1|2&g={%7B}^`"
      text(client:get(server.url .. odd))
      text(own:get(server.url .. odd))
      text(own:get(odd:sub(2)))
      local targets = {}
      for target in server:received(1):gmatch "GET (%S+) HTTP" do targets[#targets + 1] = target end
      for target in (server:received(2) or ""):gmatch "GET (%S+) HTTP" do
        targets[#targets + 1] = target
      end
      assert.same({ odd, odd, "/{b}" .. odd }, targets)
    end)

    it("to nothing that must be percent-encoded, whichever way it came", function()
      local own <close> = support.client { base_url = server.url .. "/b/" }
      local cases = {
        ["x y"] = "a space in the path must be percent-encoded",
        ["x\u{e9}"] = "a byte outside ASCII in the path must be percent-encoded",
        ["?<"] = "'<' in the query must be percent-encoded",
        ["?%x"] = "'%' without two hexadecimal digits in the query",
        ["x\\y"] = "'\\' in the path must be percent-encoded",
      }
      for reference, reason in pairs(cases) do
        for _, answers in ipairs {
          { client:get(server.url .. "/b/" .. reference) }, { own:get(reference) },
        } do
          assert.is_nil(answers[1])
          assert.truthy(answers[2]:find(reason, 1, true), answers[2])
          assert.equal("invalid", answers[3].code)
        end
      end
      local _, message, err = client:get "http://127.0.0.1:99999/"
      assert.truthy(message:find("the port is larger than 65535", 1, true), message)
      assert.equal("invalid", err.code)
      assert.equal(0, (server:connections()))
    end)

    it("bodies of every kind, with their length where it is known", function()
      local directory = system.temporary_directory()
      local path = directory .. "/body"
      do
        local file <close> = assert(io.open(path, "wb"))
        file:write "file body"
      end
      local function pieces(list)
        local index = 0
        return function()
          index = index + 1
          return list[index]
        end
      end
      local buffer <close> = sluice.buffer { segment_size = 3 }
      assert(buffer:append "sequence body")
      local sequence <close> = buffer:sequence()
      local writer <close> = sluice.writer()
      assert(writer:write "lease body")
      local file <close> = assert(io.open(path, "rb"))
      file:seek("set", 5)
      local cases = {
        { "string body", "string body" },
        { "", "" },
        { sequence, "sequence body" },
        { writer:detach(), "lease body" },
        { { path = path }, "file body" },
        { file, "body" },
        { { read = pieces { "read ", "", "body" }, length = 9 }, "read body" },
        { pieces { "one", sequence, "two" }, "onesequence bodytwo", true },
        { pieces {}, "", true },
      }
      for _, case in ipairs(cases) do
        local size = #case[2]
        local steps = { request_head, { "read", size }, good }
        if case[3] then steps[2] = { "expect_until", "0\r\n\r\n" } end
        local p <close> = peer.listen { script = { steps } }
        assert.equal("good", text(client:post(p.url .. "/", { body = case[1] })), case[2])
        local head, body = p:received(1):match "^(.-\r\n\r\n)(.*)$"
        if case[3] then
          assert.is_truthy(head:find("Transfer-Encoding: chunked\r\n", 1, true), head)
          body = body:gsub("(%x+)\r\n(.-)\r\n", function(count, bytes)
            assert.equal(tonumber(count, 16), #bytes)
            return bytes
          end)
          assert.equal(case[2], body)
        else
          assert.is_truthy(head:find(("Content-Length: %d\r\n"):format(size), 1, true), head)
          assert.equal(case[2], body)
        end
      end
      os.remove(path)
      os.remove(directory)
    end)

    it("requests built step by step, as often as send is called", function()
      local request = client:build("POST", server.url .. "/built"):header("A", "1")
        :header("A", "2"):query { q = "x" }:timeout(5):decompress(false):auth { bearer = "token" }
        :limits { body = 4 }:body ""
      assert.equal("good", text(request:send()))
      assert.equal("good", text(request:send()))
      local one = "POST /built?q=x HTTP/1.1\r\nHost: 127.0.0.1:" .. server.port
        .. "\r\nA: 1\r\nA: 2\r\nAuthorization: Bearer token\r\nContent-Length: 0\r\n"
      local all = server:received(1)
      assert.equal(one, all:sub(1, #one))
      assert.equal(all, all:sub(1, #all // 2):rep(2))
    end)
  end)

  describe("answers", function()
    for name, call in support.each_style(sluice) do
      it("requests " .. name, function()
        local p <close> = serve({ "pause", 0.002 }, { "cut", GOOD, 25, 0.002 }, { "loop" })
        call(function()
          for _ = 1, 3 do assert.equal("good", text(client:get(p.url .. "/"))) end
          local response <close> = assert(client:post(p.url .. "/", { stream = true, body = "x" }))
          assert.equal("go", response:read(2))
          assert.equal("od", response:read(2))
          assert.is_nil(response:read(2))
          local failed, message, err = client:get "http://127.0.0.1:1/"
          assert.is_nil(failed)
          assert.equal("connect 127.0.0.1:1: connection refused", message:lower())
          assert.equal("connect", err.code)
        end)
        assert.equal(1, (p:connections()))
      end)
    end

    -- The default client lives as long as its state.
    it("requests of the module's own functions", function()
      local p <close> = serve(good, { "loop" })
      local status, output = script.run([[
        local sluice = require "sluice"
        for _, verb in ipairs { "get", "post", "put", "patch", "delete", "options" } do
          print(sluice[verb](..., { headers = { A = verb } }):text())
        end
        print(sluice.request("REPORT", ...):text())
      ]], p.url .. "/")
      assert.equal(0, status, output)
      assert.equal(("good\n"):rep(7), output)
      assert.equal(1, (p:connections()))
    end)

    it("many requests at once", function()
      local p <close> = serve(good, { "loop" })
      local count = 0
      sluice.run(function()
        local tasks = {}
        for i = 1, 100 do
          tasks[i] = sluice.spawn(function()
            if text(client:get(p.url .. "/" .. i)) == "good" then count = count + 1 end
          end)
        end
        sluice.all(tasks)
      end)
      assert.equal(100, count)
      assert.is_true(p:connections() <= 16)
      local stats = client:stats()
      assert.same({ 100, 0, 0 }, { stats.requests, stats.active, stats.resends })
    end)
  end)

  describe("keeps connections", function()
    it("and uses the same again", function()
      local p <close> = serve(good, { "loop" })
      for i = 1, 20 do
        assert.equal("good", text(client:get(p.url .. "/")))
        local stats = client:stats()
        assert.same({ 1, 0, 1, i }, { stats.idle, stats.active, stats.made, stats.requests })
      end
      assert.equal(1, (p:connections()))
    end)

    it("not those whose server spoke unasked, and returns what it said", function()
      local p <close> = peer.listen { script = {
        { { "send", "HTTP/1.1 408 Late\r\nContent-Length: 4\r\n\r\nlate" }, request_head, good },
        { request_head, good, { "loop" } },
      } }
      local first <close> = assert(client:get(p.url .. "/"))
      -- Where the request was quicker than the server, this was its answer all the same.
      assert.same({ 408, "late" }, { first.status, first:text() })
      for _ = 1, 3 do assert.equal("good", text(client:get(p.url .. "/"))) end
      assert.equal(2, client:stats().made)
    end)

    it("for a second less than the server allows, and no longer than its option", function()
      for seconds, idle in pairs { [0] = 0, [1] = 0, [5] = 1, [1000] = 1 } do
        local own <close> = support.client()
        local p <close> = serve({ "send", "HTTP/1.1 200 OK\r\nKeep-Alive: max=5, timeout="
          .. seconds .. "\r\nContent-Length: 4\r\n\r\ngood" }, { "loop" })
        assert.equal("good", text(own:get(p.url .. "/")))
        assert.equal(idle, own:stats().idle)
      end
    end)

    it("for one origin each, whatever the case of its name", function()
      local a <close> = serve(good, { "loop" })
      local b <close> = serve(good, { "loop" })
      for _, url in ipairs { a.url, b.url, a.url, b.url,
        ("HTTP://LOCALHOST:%d"):format(a.port), ("http://localhost:%d"):format(a.port) } do
        text(client:get(url .. "/"))
      end
      assert.equal(2, (a:connections()))
      assert.equal(1, (b:connections()))
    end)

    it("for a rooted name as for another origin", function()
      local p <close> = serve(good, { "loop" })
      for _ = 1, 2 do
        for _, host in ipairs { "localhost", "localhost.", "127.0.0.1." } do
          text(client:get(("http://%s:%d/"):format(host, p.port)))
        end
      end
      assert.equal(3, (p:connections()))
      local hosts = {}
      for i, bytes in ipairs(p:received()) do hosts[i] = bytes:match "\r\nHost: ([^:]*)" end
      assert.same({ "localhost", "localhost.", "127.0.0.1" }, hosts)
    end)

    it("not those that the server closes or that said so", function()
      for _, bytes in ipairs {
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\ngood",
        "HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\ngood",
        "HTTP/1.1 200 OK\r\nConnection: x, CLOSE\r\nContent-Length: 4\r\n\r\ngood",
      } do
        local own <close> = support.client()
        local p <close> = serve({ "send", bytes }, { "stall" })
        assert.equal("good", text(own:get(p.url .. "/")))
        assert.equal("good", text(own:get(p.url .. "/")))
        assert.equal(0, own:stats().idle)
        assert.equal(2, (p:connections()))
      end
    end)

    it("not those that sent more than they were asked", function()
      local p <close> = peer.listen { script = { { request_head, { "send", GOOD .. "surplus" },
        { "stall" } }, { request_head, good, { "stall" } } } }
      assert.equal("good", text(client:get(p.url .. "/")))
      assert.equal("good", text(client:get(p.url .. "/")))
      assert.equal(2, (p:connections()))
    end)

    it("not those whose rest is long on the wire, however little of it is content", function()
      local p <close> = peer.listen { script = { { request_head,
        { "send", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n" }, { "hold" },
        { "send_repeat", "1;" .. ("x"):rep(200) .. "\r\ny\r\n", 1000 }, { "send", "0\r\n\r\n" },
        { "stall" } }, { request_head, good, { "stall" } } } }
      local response = assert(client:get(p.url .. "/", { stream = true }))
      assert.equal("x", response:read(1))
      p:signal(1)
      response:dispose()
      step_until(function() return sluice.stats().operations == 0 end)
      assert.equal("good", text(client:get(p.url .. "/")))
      assert.equal(2, (p:connections()))
    end)

    it("not those that received something while idle", function()
      local p <close> = peer.listen { script = { { request_head, good, { "hold" },
        { "send", "HTTP/1.1 408 Too Late\r\nContent-Length: 0\r\n\r\n" }, { "hold" } },
        { request_head, good, { "stall" } } } }
      assert.equal("good", text(client:get(p.url .. "/")))
      p:signal(1)
      -- The connection may be closed as soon as these are seen, and then no script holds.
      step_until(function() return p:wait("holding", 1, 0) or p:wait("idle", 1, 0) end)
      sluice.sleep(0.005)
      local response <close> = assert(client:get(p.url .. "/"))
      assert.equal(200, response.status)
      assert.equal("good", response:text())
      assert.equal(2, (p:connections()))
    end)

    it("no longer than idle ones may live", function()
      local own <close> = support.client { pool = { idle = 0.03 } }
      local p <close> = serve(good, { "loop" })
      text(own:get(p.url .. "/"))
      text(own:get(p.url .. "/"))
      assert.equal(1, own:stats().idle)
      step_until(function() return own:stats().idle == 0 end, 1)
      text(own:get(p.url .. "/"))
      assert.equal(2, (p:connections()))
    end)

    it("no longer than their life", function()
      local own <close> = support.client { pool = { lifetime = 0.3 } }
      local p <close> = serve(good, { "loop" })
      for _ = 1, 3 do text(own:get(p.url .. "/")) end
      assert.equal(1, own:stats().made)
      sluice.sleep(0.31)
      text(own:get(p.url .. "/"))
      assert.equal(2, own:stats().made)
    end)

    it("not at all with pool = false", function()
      local own <close> = support.client { pool = false }
      local p <close> = serve(good, { "stall" })
      for i = 1, 3 do
        assert.equal("good", text(own:get(p.url .. "/")))
        assert.same({ 0, 0, i },
          { own:stats().idle, own:stats().active, own:stats().made })
      end
      assert.equal(3, (p:connections()))
      assert.is_truthy(p:received(1):find("\r\nConnection: close\r\n", 1, true))
    end)

    for _, pooling in ipairs { true, false } do
      for _, pool in ipairs { {}, false } do
        it(("alike with pooling = %s and pool = %s"):format(pooling, pool and "{}" or "false"),
          function()
            local own <close> = support.client { pooling = pooling, pool = pool }
            local body = support.pattern(200000)
            local p <close> = serve({ "read", #body }, { "send",
              ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"):format(#body) },
              { "send", body }, { "loop" })
            for _ = 1, 3 do
              local response <close> = assert(own:post(p.url .. "/", { body = body }))
              assert.is_true(sluice.stats().outstanding > 0)
              local lease <close> = response:detach()
              assert.is_true(lease:tostring() == body)
            end
            assert.equal(pool and 1 or 3, own:stats().made)
          end)
      end
    end

    it("from the allocator when pooling is off: nothing is kept", function()
      local own <close> = support.client { pooling = false }
      local body = support.pattern(100000)
      local p <close> = serve({ "send",
        ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"):format(#body) }, { "send", body },
        { "stall" })
      local spare = sluice.stats().spare
      local response <close> = assert(own:get(p.url .. "/"))
      assert.is_true(response:text() == body)
      assert.is_true(sluice.stats().spare <= spare)
    end)
  end)

  describe("limits connections", function()
    it("to one origin, and serves waiting requests in order", function()
      local own <close> = support.client { pool = { per_origin = 2 } }
      local p <close> = serve({ "pause", 0.002 }, good, { "loop" })
      local order = {}
      sluice.run(function()
        local tasks = {}
        for i = 1, 20 do
          tasks[i] = sluice.spawn(function()
            text(own:get(p.url .. "/" .. i))
            order[#order + 1] = i
            assert.is_true(own:stats().active <= 2)
          end)
        end
        sluice.all(tasks)
      end)
      assert.equal(2, (p:connections()))
      local sum = 0
      for place, i in ipairs(order) do
        assert.is_true(math.abs(place - i) <= 1, table.concat(order, " "))
        sum = sum + i
      end
      assert.equal(210, sum)
    end)

    it("in all, and closes the oldest idle one for a new one", function()
      local own <close> = support.client { pool = { total = 3, per_origin = 2 } }
      local servers = {}
      for i = 1, 5 do
        servers[i] = serve(good, { "loop" })
        assert.equal("good", text(own:get(servers[i].url .. "/")))
        assert.is_true(own:stats().idle <= 3)
      end
      assert.equal(3, own:stats().idle)
      -- The last three are still there.
      for i = 3, 5 do text(own:get(servers[i].url .. "/")) end
      for i = 3, 5 do assert.equal(1, (servers[i]:connections())) end
      text(own:get(servers[1].url .. "/"))
      assert.equal(2, (servers[1]:connections()))
      own:close()
      for i = 1, 5 do servers[i]:stop() end
    end)

    it("in all, and gives a waiting request the place that another origin frees", function()
      local own <close> = support.client { pool = { total = 1 } }
      local a <close> = serve({ "hold" }, good, { "loop" })
      local b <close> = serve(good, { "loop" })
      local first = sluice.spawn(function() return text(own:get(a.url .. "/")) end)
      step_until(function() return a:wait("holding", 1, 0) end)
      local others, order = {}, {}
      for i = 1, 3 do
        others[i] = sluice.spawn(function()
          local got = text(own:get((i == 2 and a or b).url .. "/" .. i))
          order[#order + 1] = got .. i
        end)
      end
      for _ = 1, 10 do sluice.loop():step(0.001) end
      assert.equal("waiting", others[1]:status())
      assert.equal(0, (b:connections()))
      a:signal(2)
      assert.equal("good", first:await())
      sluice.all(others)
      assert.same({ "good1", "good2", "good3" }, order)
    end)

    it("and goes on with the next when a waiting request gives up", function()
      local own <close> = support.client { pool = { per_origin = 1 } }
      local p <close> = serve({ "hold" }, good, { "loop" })
      local tasks = {}
      for i = 1, 4 do
        tasks[i] = sluice.spawn(function()
          local response <close>, _, err = own:get(p.url .. "/" .. i)
          return response and response:text() or err.code
        end)
      end
      step_until(function() return p:wait("holding", 1, 0) end)
      tasks[2]:cancel()
      assert.equal("cancelled", tasks[2]:await())
      for _ = 1, 3 do
        p:signal(1)
        for _ = 1, 10 do sluice.loop():step(0.002) end
      end
      for _, i in ipairs { 1, 3, 4 } do assert.equal("good", tasks[i]:await()) end
      assert.is_nil(p:received(1):find("GET /2 ", 1, true))
    end)
  end)

  describe("sends again", function()
    --- A server whose first connection ends when the second request has come, with nothing sent.
    local function stale(...)
      return peer.listen { script = { { request_head, good, request_head, { "close" } }, ... } }
    end

    for _, method in ipairs { "GET", "HEAD", "PUT", "DELETE", "OPTIONS" } do
      it(method .. ", once, when a used connection ended under it", function()
        local last = method == "HEAD" and { "send", "HTTP/1.1 200 OK\r\n\r\n" } or good
        local p <close> = stale { request_head, last, { "stall" } }
        text(client:get(p.url .. "/first"))
        local response <close>, message = client:request(method, p.url .. "/second")
        assert(response, message)
        assert.equal(200, response.status)
        local stats = client:stats()
        assert.same({ 1, 2, 2 }, { stats.resends, stats.made, stats.requests })
        assert.is_truthy(p:received(2):find("^" .. method .. " /second "))
      end)
    end

    it("no POST that had begun", function()
      local p <close> = stale { request_head, good, { "stall" } }
      text(client:get(p.url .. "/"))
      local response, _, err = client:post(p.url .. "/", { body = "" })
      assert.is_nil(response)
      assert.same({ "closed", false }, { err.code, err.retryable })
      assert.equal(1, (p:connections()))
      assert.equal(0, client:stats().resends)
    end)

    it("nothing twice", function()
      local p <close> = stale({ request_head, { "close" } }, { request_head, good, { "stall" } })
      text(client:get(p.url .. "/"))
      local response, _, err = client:get(p.url .. "/")
      assert.is_nil(response)
      assert.same({ "closed", true }, { err.code, err.retryable })
      assert.equal(2, (p:connections()))
      assert.equal(1, client:stats().resends)
    end)

    it("nothing that failed on a new connection", function()
      local p <close> = peer.listen { script = { { request_head, { "close" } },
        { request_head, good, { "stall" } } } }
      local response, _, err = client:get(p.url .. "/")
      assert.is_nil(response)
      assert.same({ "closed", "head", true }, { err.code, err.stage, err.retryable })
      assert.equal(1, (p:connections()))
    end)

    it("nothing once a byte of the answer has arrived", function()
      local p <close> = peer.listen { script = { { request_head, good, request_head,
        { "send", "H" }, { "close" } }, { request_head, good, { "stall" } } } }
      text(client:get(p.url .. "/"))
      local response, _, err = client:get(p.url .. "/")
      assert.is_nil(response)
      assert.is_false(err.retryable)
      assert.equal(1, (p:connections()))
    end)

    it("no body that cannot be read again", function()
      local p <close> = stale { request_head, good, { "stall" } }
      text(client:get(p.url .. "/"))
      local given = false
      local response, _, err = client:put(p.url .. "/", { body = function()
        if given then return nil end
        given = true
        return "once"
      end })
      assert.is_nil(response)
      assert.equal("closed", err.code)
      assert.equal(1, (p:connections()))
    end)
  end)

  describe("gives up in time", function()
    --- Runs `attempt` up to thirty times: each may not end before `seconds`, one of them has to end
    -- within 20 ms after it. Other programs on this machine delay some.
    local function in_time(seconds, attempt, prepare)
      local best = math.huge
      for _ = 1, 30 do
        local prepared <close> = prepare and prepare()
        local from = clock()
        local err = attempt(prepared)
        local took = clock() - from
        assert.is_true(took >= seconds - 0.0005, took)
        assert.equal("timeout", err.code)
        best = math.min(best, took - seconds)
        if best <= 0.02 then return end
      end
      error(("%.3f s too late"):format(best))
    end

    local function failure(url, options, method)
      local response, message, err = client:request(method or "GET", url, options)
      if response then response:dispose() end
      assert.is_nil(response)
      assert.equal(message, tostring(err))
      return err
    end

    it("in the queue behind responses that nobody reads, and says how many", function()
      local own <close> = support.client { pool = { per_origin = 3 } }
      local p <close> = serve({ "send", "HTTP/1.1 200 OK\r\nContent-Length: 400000\r\n\r\n" },
        { "hold" })
      local held = {}
      for i = 1, 3 do held[i] = assert(own:get(p.url .. "/", { stream = true })) end
      local _, message, err = own:get(p.url .. "/", { timeout = { queue = 0.05 } })
      assert.same({ "timeout", "queue" }, { err.code, err.stage })
      assert.matches("3 of 3 are held by streamed responses", message)
      for i = 1, 3 do held[i]:dispose() end
      p:signal(3)
    end)

    it("in the queue", function()
      local own <close> = support.client { pool = { per_origin = 1 } }
      local p <close> = serve({ "hold" }, good, { "loop" })
      local blocking = sluice.spawn(function() return text(own:get(p.url .. "/")) end)
      step_until(function() return p:wait("holding", 1, 0) end)
      in_time(0.05, function()
        local _, message, err = own:get(p.url .. "/", { timeout = { queue = 0.05 } })
        assert.equal("queue", err.stage)
        assert.is_true(err.retryable)
        assert.matches("became free within 0.05 s %(timeout.queue%): 1 are in use", message)
        return err
      end)
      p:signal(1)
      assert.equal("good", blocking:await())
    end)

    it("while connecting", function()
      local p <close> = peer.listen { accept = false }
      in_time(0.05, function()
        local err = failure(p.url .. "/", { timeout = { connect = 0.05 } })
        assert.same({ "connect", true }, { err.stage, err.retryable })
        return err
      end)
      in_time(0.05, function()
        local err = failure(p.url .. "/", { timeout = 0.05 })
        assert.equal("connect", err.stage)
        return err
      end)
    end)

    it("before the first byte", function()
      local p <close> = serve { "stall" }
      in_time(0.05, function()
        local err = failure(p.url .. "/", { timeout = { first_byte = 0.05 } })
        assert.same({ "head", true }, { err.stage, err.retryable })
        return err
      end)
      in_time(0.05, function()
        local err = failure(p.url .. "/", { timeout = { first_byte = 0.05 } }, "POST")
        assert.same({ "head", false }, { err.stage, err.retryable })
        return err
      end)
    end)

    it("in the head and in the body, when nothing moves", function()
      for stage, bytes in pairs { head = "HTTP/1.1 200 OK\r\nX", body = GOOD:sub(1, -2) } do
        local p <close> = serve({ "send", bytes }, { "stall" })
        in_time(0.05, function()
          local err = failure(p.url .. "/", { timeout = { idle = 0.05 } })
          assert.equal(stage, err.stage)
          return err
        end)
      end
    end)

    it("while sending, when nothing moves", function()
      local p <close> = peer.listen { script = { { { "hold" } } }, repeat_last = true,
        receive_buffer = 4096 }
      local body = ("x"):rep(16 << 20)
      local from = clock()
      local err = failure(p.url .. "/", { timeout = { idle = 0.05 }, body = body }, "POST")
      assert.same({ "timeout", "send", false }, { err.code, err.stage, err.retryable })
      assert.is_true(clock() - from < 5)
    end)

    it("in all, however busy it is", function()
      local p <close> = serve({ "send", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" },
        { "dribble", ("x"):rep(1000), 1, 0.002 }, { "stall" })
      in_time(0.08, function()
        local err = failure(p.url .. "/", { timeout = { total = 0.08, idle = 1 } })
        assert.equal("body", err.stage)
        return err
      end)
    end)

    it("by the client's own deadlines, the request's before them", function()
      local own <close> = support.client { timeout = { first_byte = 0.03 } }
      local p <close> = serve { "stall" }
      in_time(0.03, function() return select(3, own:get(p.url .. "/")) end)
      in_time(0.06, function()
        return select(3, own:get(p.url .. "/", { timeout = { first_byte = 0.06 } }))
      end)
    end)

    local function be_busy(seconds)
      local from = clock()
      repeat until clock() - from > seconds
    end

    it("not for bytes that arrived while the program did something else", function()
      local p <close> = peer.listen {
        script = { { { "expect_until", "\r\n\r\n" }, { "hold" }, { "send", GOOD } } },
      }
      local loop, outcome = sluice.loop(), nil
      sluice.spawn(function()
        local response <close>, message =
          client:get(p.url .. "/", { timeout = { first_byte = 1, total = 60 } })
        outcome = response and response:text() or message
      end)
      repeat loop:step(0) until p:wait("holding", 1, 0)
      p:signal(1)
      assert.is_true(p:wait("idle", 1, 10))
      be_busy(1.05)
      repeat loop:step(1) until outcome
      assert.equal("good", outcome)
    end)

    it("counting from the read of a stream, however late that is", function()
      local p <close> = serve({ "send", "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\ngood" },
        { "hold" }, { "send", "more" }, { "stall" })
      local response <close> = assert(client:get(p.url .. "/", { stream = true,
        timeout = { idle = 0.5, total = 60 } }))
      assert.equal("good", response:read(4))
      be_busy(0.6)
      local task = sluice.spawn(function() return response:read(4) end)
      sluice.spawn(function()
        sluice.sleep(0.001)
        p:signal(1)
      end)
      assert.equal("more", task:await())
    end)

    it("in reading a stream, and not while nobody reads", function()
      local p <close> = serve({ "send", "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\ngood" },
        { "hold" }, { "send", "more" }, { "stall" })
      in_time(0.05, function(response)
        local piece, _, err = response:read(4)
        assert.is_nil(piece)
        if err.stage ~= "body" then error(err.stage) end
        return err
      end, function()
        local response = assert(client:get(p.url .. "/", { stream = true,
          timeout = { idle = 0.05 } }))
        assert.equal("good", response:read(4))
        sluice.sleep(0.08)
        return response
      end)
    end)

    it("never uses a connection again after it", function()
      local p <close> = peer.listen { script = { { request_head, { "hold" }, good, { "stall" } },
        { request_head, { "send", (GOOD:gsub("good", "next")) }, { "stall" } } } }
      failure(p.url .. "/", { timeout = 0.03 })
      p:signal(1)
      assert.equal("next", text(client:get(p.url .. "/")))
      assert.equal(0, client:stats().active)
    end)

    --- How late a timer is at most while sixteen requests run into their deadline.
    local function timer_beside(url)
      local late = 0
      sluice.run(function()
        local ticking = sluice.spawn(function()
          for _ = 1, 10 do
            local from = clock()
            sluice.sleep(0.01)
            late = math.max(late, clock() - from - 0.01)
          end
        end)
        local tasks = {}
        for i = 1, 16 do
          tasks[i] = sluice.spawn(function() failure(url, { timeout = 0.05 }) end)
        end
        sluice.all(tasks)
        ticking:await()
      end)
      return late
    end

    it("while another's timer is on time", function()
      local p <close> = serve { "stall" }
      local best = math.huge
      for _ = 1, 3 do best = math.min(best, timer_beside(p.url .. "/")) end
      assert.is_true(best < 0.05, best)
    end)
  end)

  describe("passes requests through interceptors", function()
    it("in their order, the first outermost", function()
      local p <close> = serve(good, { "loop" })
      local order = {}
      for _, name in ipairs { "a", "b", "c" } do
        assert.equal(client, client:use(function(request, forward)
          order[#order + 1] = name .. " in"
          request:set_header("X-Path", (request:get_header "x-path" or "") .. name)
          local response, message, err = forward(request)
          order[#order + 1] = name .. " out"
          return response, message, err
        end))
      end
      assert.equal("good", text(client:get(p.url .. "/")))
      assert.same({ "a in", "b in", "c in", "c out", "b out", "a out" }, order)
      assert.is_truthy(p:received(1):find("\r\nX-Path: abc\r\n", 1, true))
      assert.equal("good", text(client:get(p.url .. "/")))
      local _, count = p:received(1):gsub("X%-Path: abc\r\n", "")
      assert.equal(2, count)
    end)

    it("which see and change method, URL and fields", function()
      local p <close> = serve(good, { "loop" })
      client:use(function(request, forward)
        assert.equal("GET", request.method)
        assert.equal(p.url .. "/asked?q=1", request.url)
        assert.equal("sluice.request (GET " .. request.url .. ")", tostring(request))
        assert.is_true(request:is_replayable())
        assert.equal("1", request:get_header "A")
        request:set_header("a", nil):set_header("B", 2)
        request.method = "DELETE"
        request.url = p.url .. "/other"
        return forward()
      end)
      assert.equal("good", text(client:get(p.url .. "/asked", { query = "q=1",
        headers = { A = "1" } })))
      local head = p:received(1)
      assert.matches("^DELETE /other HTTP/1.1\r\n", head)
      assert.is_nil(head:find("\r\nA: ", 1, true))
      assert.is_truthy(head:find("\r\nB: 2\r\n", 1, true))
    end)

    it("which may wait, answer themselves, fail or raise", function()
      local p <close> = serve(good, { "loop" })
      local act
      client:use(function(request, forward) return act(request, forward) end)
      act = function(request, forward)
        sluice.sleep(0.002)
        return forward(request)
      end
      for _, call in support.each_style(sluice) do
        call(function() assert.equal("good", text(client:get(p.url .. "/"))) end)
      end
      act = function() return { own = true } end
      assert.is_true(client:get(p.url .. "/").own)
      act = function() return nil, "no", { code = "invalid" } end
      assert.same({ nil, "no", { code = "invalid" } }, { client:get(p.url .. "/") })
      act = function() error "interceptor broke" end
      assert.error_matches(function() client:get(p.url .. "/") end, "interceptor broke")
      act = function(request) return request:is_replayable() and nil, "x", {} end
      assert.same({ nil, "x", {} }, { client:get(p.url .. "/") })
    end)

    it("which may send other requests with the same client", function()
      local p <close> = serve(good, { "loop" })
      client:use(function(request, forward)
        if not request.url:find "/inner" then
          request:set_header("Inner", text(client:get(p.url .. "/inner")))
        end
        return forward(request)
      end)
      assert.equal("good", text(client:get(p.url .. "/outer")))
      assert.is_truthy(p:received(1):find("GET /outer HTTP/1.1\r\n.-\r\nInner: good\r\n"))
    end)

    it("that cannot break the message by what they set", function()
      for _, name in ipairs { "Content-Length", "Transfer-Encoding", "Connection", "A B" } do
        local own <close> = support.client()
        own:use(function(request, forward) return forward(request:set_header(name, "1")) end)
        local response, _, err = own:get "http://127.0.0.1:1/"
        assert.is_nil(response)
        assert.equal("invalid", err.code, name)
      end
    end)

    it("and refuses what is none", function()
      for _, value in ipairs { 5, "x", {}, true, { hop = 5 }, { hop = print, other = print } } do
        assert.error_matches(function() client:use(value) end,
          "use: function or { hop = function } expected, got")
      end
      assert.error_matches(function() client:use(sluice.interceptors.log) end,
        "use: 'log' is made by a call: sluice.interceptors.log {}", 1, true)
    end)
  end)

  describe("closes", function()
    it("at once, again and again, with what is idle", function()
      local p <close> = serve(good, { "expect_end" })
      text(client:get(p.url .. "/"))
      assert.equal(1, sluice.stats().connections)
      local from = clock()
      client:close()
      client:close()
      assert.is_true(clock() - from < 20)
      assert.equal(0, sluice.stats().connections)
      sluice.loop():step(0)
      p:wait("idle", 1, 2)
      assert.same({}, p:failures())
    end)

    it("and refuses every use after that", function()
      client:close()
      assert.equal("sluice.client (closed)", tostring(client))
      for _, use in ipairs {
        function() client:get "http://127.0.0.1:1/" end,
        function() client:get("http://127.0.0.1:1/", {}) end,
        function() client:post "http://127.0.0.1:1/" end,
        function() client:request("GET", "http://127.0.0.1:1/") end,
        function() client:build("GET", "http://127.0.0.1:1/"):send() end,
        function() client:stats() end,
      } do
        assert.error_matches(use, "use of closed client")
      end
    end)

    it("and refuses what it has sent before", function()
      local p <close> = serve(good, { "loop" })
      local url = p.url .. "/"
      for _ = 1, 2 do text(client:get(url)) end
      client:close()
      assert.error_matches(function() client:get(url) end, "use of closed client")
    end)

    it("while its responses stay good", function()
      local p <close> = serve(good, { "stall" })
      local response <close> = assert(client:get(p.url .. "/"))
      client:close()
      assert.equal("good", response:text())
      assert.equal("4", response.headers["Content-Length"])
    end)

    it("by a to-be-closed variable", function()
      local p <close> = serve(good, { "loop" })
      do
        local own <close> = support.client()
        text(own:get(p.url .. "/"))
        assert.equal(1, sluice.stats().connections)
      end
      assert.equal(0, sluice.stats().connections)
    end)

    it("at once, with the descriptors of idle connections and of requests", function()
      local p <close> = serve(good, { "stall" })
      local own = support.client()
      local count = function()
        local n = 0
        for _ in pairs(support.peer.descriptors()) do n = n + 1 end
        return n
      end
      local open = count()
      text(own:get(p.url .. "/"))
      local task = sluice.spawn(function() return select(3, own:get(p.url .. "/")) end)
      repeat sluice.loop():step(0.01) until p:wait("bytes", 40, 0)
      assert.is_true(count() > open)
      task:cancel()
      own:close()
      assert.equal(open, count())
      assert.equal("cancelled", task:await().code)
    end)

    it("by the collector when it is forgotten", function()
      local p <close> = serve(good, { "loop" })
      do
        local own = support.client()
        text(own:get(p.url .. "/"))
      end
      collectgarbage()
      collectgarbage()
      assert.equal(0, sluice.stats().connections)
    end)
  end)

  it("says what it is", function()
    assert.matches("^sluice.client %(%l+%)$", tostring(client))
    local open <close> = support.client { tls = { verify = false } }
    assert.matches("certificates not verified", tostring(open))
    local stats = client:stats()
    for _, name in ipairs { "idle", "active", "made", "requests", "resends" } do
      assert.equal(0, stats[name], name)
    end
    assert.is_string(stats.transport)
  end)

  it("shares nothing with another", function()
    local p <close> = serve(good, { "loop" })
    local other <close> = support.client()
    client:use(function(request, forward) return forward(request:set_header("First", "1")) end)
    text(client:get(p.url .. "/"))
    text(other:get(p.url .. "/"))
    assert.equal(2, (p:connections()))
    assert.is_nil(p:received(2):find "First")
    assert.same({ 1, 1 }, { client:stats().requests, other:stats().requests })
  end)

  it("takes no more memory the more it has done #slabs", function()
    local p <close> = peer.listen { script = { { request_head, good, { "loop" } } },
      records = false }
    -- Where no other spec has left spare memory.
    local status, output = script.run([[
      local sluice = require "sluice"
      local support = require "spec.support"
      local client <close> = support.client()
      local function round()
        for _ = 1, 500 do
          local response <close> = assert(client:get(arg[1]))
          assert(response:text() == "good")
        end
        collectgarbage()
        collectgarbage()
        return collectgarbage "count", sluice.stats().allocations
      end
      round()
      local heap, allocations = round()
      local later, more = round()
      print(later - heap < 8, more - allocations)
    ]], p.url .. "/")
    assert.equal(0, status)
    assert.equal("true\t0\n", output)
  end)
end)
