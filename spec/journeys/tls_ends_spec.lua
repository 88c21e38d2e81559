-- How a TLS connection goes on and ends, against a scripted peer: every end of a body, records
-- without content between content, and what the peer sees when the client ends.

local certificates = require "spec.support.certificates"
local sluice = require "sluice"
local support = require "spec.support"
local tls_peer = require "spec.support.tls_peer"

-- GnuTLS takes eight key updates a second and no more.
local rounds = sluice.platform().tls_providers[1] == "gnutls" and 1 or 3

-- How far the client has come: OpenSSL's records, its own, or OpenSSL's for good.
local states = {
  { name = "TLS 1.2", version = "1.2", requests = 0 },
  { name = "TLS 1.3, first request", version = "1.3", requests = 0 },
  { name = "TLS 1.3, own records", version = "1.3", requests = 2 },
  { name = "TLS 1.3, OpenSSL's records", version = "1.3", requests = 2, own_records = false },
}

for _, state in ipairs(states) do
  describe("a TLS peer (" .. state.name .. ")", function()
    local server, client

    setup(function() server = tls_peer.start(state.version) end)
    teardown(function() server:stop() end)

    local function new_client(options)
      options = options or {}
      options.tls = { ca_file = certificates.file "root.pem", own_records = state.own_records }
      local made = support.client(options)
      for _ = 1, state.requests do
        local response <close>, message = made:get(server:url "/length-5/body-begin")
        assert(response, message)
        assert.equal("begin", response:text())
      end
      return made
    end

    support.verify_each(function(keep) client = keep(new_client()) end)

    --- The body, or nil and how its end failed; streamed in small pieces or as a whole.
    local function fetch(path, is_streamed)
      local response <close>, message, err =
        client:get(server:url(path), { stream = is_streamed or nil })
      if not response then return nil, err, "", message end
      if not is_streamed then
        local text
        text, message, err = response:text()
        return text, err, "", message
      end
      local pieces = {}
      local piece
      repeat
        piece, message, err = response:read(3)
        pieces[#pieces + 1] = piece
      until not piece
      local text = table.concat(pieces)
      if err then return nil, err, text, message end
      return text
    end

    local ends = {
      { "close_notify and FIN", "/notify/fin", is_whole = true },
      { "close_notify alone", "/notify", is_whole = true },
      { "FIN alone", "/fin", codes = { closed = true } },
      { "a reset", "/reset", codes = { closed = true } },
      { "a reset behind close_notify", "/notify/reset", may_be_whole = true,
        codes = { closed = true } },
      { "bytes that are no record", "/garbage", codes = { tls = true } },
    }

    for _, row in ipairs(ends) do
      for _, is_streamed in ipairs { false, true } do
        local how = is_streamed and ", streamed" or ""
        it(("ends a body without a length by %s%s"):format(row[1], how), function()
          local text, err, part = fetch("/close/body-whole/flush" .. row[2], is_streamed)
          if row.is_whole or row.may_be_whole and text then
            assert.equal("whole", text)
          else
            assert.is_nil(text)
            assert.is_true(row.codes[err.code], err.message)
            assert.equal(err.code == "tls" and "tls" or "body", err.stage)
            assert.is_true(part == "" or part == "whole")
          end
          assert.equal("begin", (fetch "/length-5/body-begin"))
        end)

        it(("ends behind a body of known length by %s%s"):format(row[1], how), function()
          local text, err = fetch("/length-5/body-whole" .. row[2], is_streamed)
          -- A reset takes with it what was not read yet.
          if not text and row[2]:find "reset" then
            assert.equal("closed", err.code)
          else
            assert.equal("whole", text, err and err.message)
          end
          assert.equal("begin", (fetch "/length-5/body-begin"))
        end)

        it(("cuts a body of known length by %s%s"):format(row[1], how), function()
          local text, err, part = fetch("/length-9/body-whole/flush" .. row[2], is_streamed)
          assert.is_nil(text)
          assert.is_true(err.code == "closed" or err.code == "tls")
          assert.equal(err.code == "tls" and "tls" or "body", err.stage)
          assert.is_true(part == "" or part == "whole")
          assert.equal("begin", (fetch "/length-5/body-begin"))
        end)
      end
    end

    it("gets a leased body, disposed once however the peer answers", function()
      local function post(one, url)
        local writer <close> = sluice.writer()
        assert(writer:write(support.pattern(20000)))
        local lease = writer:detach()
        local response <close>, message, err = one:post(url, { body = lease })
        assert.equal("sluice.lease (disposed)", tostring(lease))
        return response and response:text(), message, err
      end
      for _, row in ipairs(ends) do
        post(client, server:url("/length-9/body-whole/flush" .. row[2]))
        post(client, server:url("/close/body-whole/flush" .. row[2]))
      end
      assert.equal("whole", (post(client, server:url "/length-5/body-whole")))
      local stranger <close> = new_client { resolver = function() return "127.0.0.1" end }
      local text, _, err = post(stranger, ("https://other.test:%d/"):format(server.port))
      assert.is_nil(text)
      assert.equal("tls", err.code)
    end)

    local beyond = {
      { "another answer", "/length-3/body-bad" }, { "a byte", "/body-x" },
      { "close_notify", "/notify" }, { "a ticket and close_notify", "/ticket/notify" },
      { "surplus in the same record", "surplus", is_never_later = true },
    }

    for _, row in ipairs(beyond) do
      for _, is_streamed in ipairs { false, true } do
        it(("gets no second request after %s behind an answer%s"):format(row[1],
          is_streamed and ", streamed" or ""), function()
          assert.equal("whole", (fetch("/length-5/body-whole" .. row[2], is_streamed)))
          assert.equal(0, client:stats().idle)
          local response <close>, message =
            client:post(server:url "/length-5/body-thank", { body = "x" })
          assert(response, message)
          assert.equal("thank", response:text())
          assert.equal(2, client:stats().made)
          assert.equal(0, client:stats().resends)
        end)
      end
    end

    -- The same a moment later: the idle connection is closed without a request.
    for _, row in ipairs(beyond) do
      it(row.is_never_later and "keeps an idle connection that says nothing"
        or ("is let go when it says %s later"):format(row[1]), function()
        local more = row.is_never_later and "" or row[2]
        assert.equal("whole", (fetch("/length-5/body-whole/flush/pause-20" .. more)))
        local deadline = support.system.clock() + (row.is_never_later and 0.05 or 10)
        while client:stats().idle > 0 and support.system.clock() < deadline do
          sluice.loop():step(0.01)
        end
        assert.equal(row.is_never_later and 1 or 0, client:stats().idle)
        local response <close>, message =
          client:post(server:url "/length-5/body-thank", { body = "x" })
        assert(response, message)
        assert.equal(row.is_never_later and 1 or 2, client:stats().made)
      end)
    end

    it("gives a record of 16 KiB in pieces of 16 bytes", function()
      for _ = 1, 2 do
        local response <close> =
          assert(client:get(server:url "/length-16384/flush/fill-16384", { stream = true }))
        local count = 0
        for piece in function() return response:read(16) end do
          assert.equal(("r"):rep(16), piece)
          count = count + 1
        end
        assert.equal(1024, count)
      end
      assert.equal(1, client:stats().made)
    end)

    it("gives records of any size", function()
      for _, size in ipairs { 1, 16384, 16385, 100000, 1000000 } do
        local text = fetch(("/length-%d/fill-%d"):format(size, size))
        assert.is_true(text == ("r"):rep(size))
      end
      assert.equal(10000, #fetch "/fragment-512/length-10000/fill-10000")
      assert.equal(1, client:stats().made)
    end)

    local between = { "/update-0", "/update-1", "/ticket", "/update-1/update-1/ticket",
      "/fragment-512/ticket" }

    for _, steps in ipairs(state.version == "1.3" and between or {}) do
      it(("says %s in the middle of a body"):format(steps), function()
        local path = ("/length-15/body-begin%s/body-middl%s/flush/body-whole"):format(steps, steps)
        for _ = 1, rounds do
          assert.equal("beginmiddlwhole", (fetch(path)))
          assert.equal("beginmiddlwhole", (fetch(path, true)))
          local response <close> =
            assert(client:post(server:url "/length-5/body-thank", { body = ("x"):rep(20000) }))
          assert.equal("thank", response:text())
        end
        assert.equal(1, client:stats().made)
      end)
    end

    -- OpenSSL's server breaks with a client that does not renegotiate: at its next request, which
    -- is sent again.
    if state.version == "1.2" then
      it("asks to renegotiate in the middle of a body, and is refused", function()
        local path = "/length-15/body-begin/hello/body-middl/hello/flush/body-whole"
        for _ = 1, 3 do
          assert.equal("beginmiddlwhole", (fetch(path)))
          assert.equal("beginmiddlwhole", (fetch(path, true)))
        end
      end)
    end

    if state.version == "1.3" then
      -- The rest comes only a moment later; the next request has to wait for it.
      for _, count in ipairs { 1, 2 } do
        it(("leaves a message unfinished after %d records"):format(count), function()
          local path = "/length-5/body-whole/flush/fragment-512/ticket" .. ("/record"):rep(count)
            .. "/pause-50"
          for _ = 1, 3 do
            assert.equal("whole", (fetch(path)))
            local response <close> =
              assert(client:post(server:url "/length-5/body-thank", { body = "x" }))
            assert.equal("thank", response:text())
          end
          assert.equal(0, client:stats().resends)
        end)
      end
    end

    -- ---- what the peer sees ----

    local function step() sluice.loop():step(0.01) end

    -- The alert is sent if that needs no waiting. It is not sent while a worker has not yet
    -- reported the end of the last send.
    local function until_sent()
      local deadline = support.system.clock() + 10
      while sluice.stats().operations > 0 and support.system.clock() < deadline do step() end
    end

    --- Calls f(server, client, response) with a server that has met nobody else.
    local function meet(path, options, request_options, f)
      local lonely <close> = tls_peer.start(state.version)
      options.tls = { ca_file = certificates.file "root.pem", own_records = state.own_records }
      local one <close> = support.client(options)
      for _ = 1, state.requests do
        local response <close> = assert(one:get(lonely:url "/length-5/body-begin"))
        assert.equal("begin", response:text())
      end
      local response <close> = assert(one:get(lonely:url(path), request_options))
      f(lonely, one, response)
    end

    it("gets close_notify when an idle connection expires", function()
      meet("/length-5/body-whole", { pool = { idle = 0.05 } }, nil, function(lonely)
        lonely:wait("close_notify", 1, step)
      end)
    end)

    it("gets close_notify when the client is closed", function()
      meet("/length-5/body-whole", {}, nil, function(lonely, one)
        assert.equal(0, lonely:count "close_notify")
        until_sent()
        one:close()
        lonely:wait("close_notify", 1, step)
      end)
    end)

    it("gets close_notify after its own", function()
      meet("/close/body-whole/notify", {}, { stream = true }, function(lonely, _, response)
        until_sent()
        assert.equal("whole", response:text())
        lonely:wait("close_notify", 1, step)
      end)
    end)

    it("gets no close_notify when a response is disposed early", function()
      meet("/length-900000/body-part/await", {}, { stream = true }, function(lonely, _, response)
        assert.equal("part", response:read(4))
        response:dispose()
        lonely:wait("eof", 1, step)
        assert.equal(0, lonely:count "close_notify")
      end)
    end)
  end)
end
