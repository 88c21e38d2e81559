-- Proxies that close, stall, reset, talk nonsense or too much, at every byte of what they say.

local certificates = require "spec.support.certificates"
local nginx = require "spec.support.nginx"
local sluice = require "sluice"
local stunnel = require "spec.support.stunnel"
local support = require "spec.support"

local peer = support.peer

describe("a scripted proxy", function()
  local web

  setup(function()
    web = nginx.start { tls = certificates.pair "good" }
  end)

  teardown(function() web:stop() end)
  support.verify_each()

  local function root() return { ca_file = certificates.file "root.pem" } end

  -- The outcome of a POST through a proxy: what it says is cut off at `at` and ended in that way.
  local function post(scheme, steps, options)
    local p <close> = peer.listen { script = { steps } }
    local client <close> = assert(support.client {
      proxy = ("%s://me:pass@127.0.0.1:%d"):format(scheme, p.port), tls = root(),
      timeout = options,
    })
    local writer <close> = sluice.writer {}
    assert(writer:write "leased")
    local lease = writer:detach()
    local response <close>, message, err = client:post(web.tls_url .. "/upload", { body = lease })
    assert.equal("sluice.lease (disposed)", tostring(lease))
    if response then return response.status end
    return nil, err.code, err.stage, message
  end

  -- The first `count` bytes that a proxy says in turns, each behind what it waits for.
  local function speak(turns, count)
    local steps = {}
    for _, turn in ipairs(turns) do
      if count < 0 then break end
      steps[#steps + 1] = turn.wait
      steps[#steps + 1] = { "send", turn.say:sub(1, count) }
      count = count - #turn.say
    end
    return steps
  end

  local function size_of(turns)
    local size = 0
    for _, turn in ipairs(turns) do size = size + #turn.say end
    return size
  end

  local http = {
    { wait = { "expect_until", "\r\n\r\n" }, say = "HTTP/1.1 102 Wait\r\n\r\nHTTP/1.1 200 OK\r\n"
      .. "Via: x\r\n\r\n" },
  }
  local socks5 = {
    { wait = { "expect", "\5\2\0\2" }, say = "\5\2" },
    { wait = { "expect", "\1\2me\4pass" }, say = "\1\0" },
    { wait = { "read", 4 + 1 + #"localhost" + 2 }, say = "\5\0\0\1\0\0\0\0\0\0" },
  }
  local ends = {
    close = { { "close" }, "closed" },
    reset = { { "reset" }, "closed" },
    stall = { { "stall" }, "timeout" },
  }

  for scheme, turns in pairs { http = http, socks5 = socks5 } do
    for name, ending in pairs(ends) do
      it(("of %s that ends by %s, at every byte"):format(scheme, name), function()
        local options = name == "stall" and { proxy = 0.03 } or nil
        for count = 0, size_of(turns) - 1 do
          local steps = speak(turns, count)
          steps[#steps + 1] = ending[1]
          local _, code, stage, message = post(scheme, steps, options)
          assert.same({ ending[2], "proxy" }, { code, stage }, count .. ": " .. message)
        end
      end)
    end

    it("of " .. scheme .. " is understood however its words are cut", function()
      for size = 1, 3 do
        local steps = {}
        for _, turn in ipairs(turns) do
          steps[#steps + 1] = turn.wait
          steps[#steps + 1] = { "dribble", turn.say, size, 0.001 }
        end
        steps[#steps + 1] = { "relay", web.tls_port }
        assert.equal(200, post(scheme, steps))
      end
    end)
  end

  -- The address at the end of a SOCKS5 reply may be any.
  for scheme, case in pairs { http = { http, 0 }, socks5 = { socks5, 6 } } do
    it("of " .. scheme .. " that sends garbage, at every byte", function()
      for count = 0, size_of(case[1]) - case[2] - 1 do
        local steps = speak(case[1], count)
        steps[#steps + 1] = { "send", "\0\xff nonsense\r\n\r\n" }
        steps[#steps + 1] = { "read_all" }
        local _, code, stage, message = post(scheme, steps)
        assert.same({ "proxy", "proxy" }, { code, stage }, count .. ": " .. message)
        assert.not_matches("[\0\xff]", message)
      end
    end)
  end

  it("of http opens for any 2xx, and says nothing behind it", function()
    for _, status in ipairs { 200, 201, 204, 299 } do
      for _, more in ipairs { "", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n" } do
        local answer = ("HTTP/1.1 %d OK\r\n%s\r\n"):format(status, more)
        assert.equal(200, post("http", { http[1].wait, { "send", answer },
          { "relay", web.tls_port } }))
        local _, code, stage, message = post("http", { http[1].wait, { "send", answer .. "glued" },
          { "read_all" } })
        assert.same({ "proxy", "proxy" }, { code, stage }, message)
        assert.matches("bytes follow the head of its answer", message)
      end
    end
  end)

  it("of http ends interim answers some time", function()
    local _, code, stage, message = post("http", { http[1].wait,
      { "send_repeat", "HTTP/1.1 102 Wait\r\n\r\n", 1000 }, { "read_all" } })
    assert.same({ "proxy", "proxy" }, { code, stage })
    assert.matches("more than 32 interim responses", message, 1, true)
  end)

  it("of socks5 refuses with every reply", function()
    local words = { "it failed", "its rules do not allow that", "network unreachable",
      "host unreachable", "connection refused", "time to live expired",
      "it does not know the command", "it does not know that kind of address" }
    for reply = 1, 255 do
      local _, code, stage, message = post("socks5", { socks5[1].wait, { "send", "\5\0" },
        { "read", 4 + 1 + #"localhost" + 2 },
        { "send", "\5" .. string.char(reply) .. "\0\1\0\0\0\0\0\0" }, { "read_all" } })
      assert.same({ "proxy", "proxy" }, { code, stage })
      assert.matches(("no connection to localhost:%d: %s (reply %d)"):format(web.tls_port,
        words[reply] or "an unknown reply", reply), message, 1, true)
    end
  end)

  it("of socks5 that glues the host's first bytes to its reply loses none of them", function()
    local p <close> = peer.listen { script = { { socks5[1].wait, { "send", "\5\0" },
      { "read", 4 + 1 + #"www.test" + 2 }, { "expect_until", "\r\n\r\n" },
      { "send", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" } } } }
    local glued <close> = peer.listen { script = { { socks5[1].wait, { "send", "\5\0" },
      { "read", 4 + 1 + #"www.test" + 2 },
      { "send", "\5\0\0\1\0\0\0\0\0\0HTTP/1.1 408 Late\r\nContent-Length: 2\r\n\r\nno" },
      { "read_all" } } } }
    local client <close> = assert(support.client {
      proxy = ("socks5://me:pass@127.0.0.1:%d"):format(glued.port),
    })
    -- An answer that begins before the request was sent is delivered, once.
    local response <close> = assert(client:get "http://www.test/")
    assert.same({ 408, "no" }, { response.status, response:text() })
    assert.is_nil((client:get("http://www.test/", {
      proxy = ("socks5://me:pass@127.0.0.1:%d"):format(p.port),
      timeout = 0.05,
    })))
  end)

  it("of socks5 that chooses, answers or replies what nobody asked for", function()
    for _, case in ipairs {
      { { "send", "\4\0" }, "its answer is not that of a SOCKS5 proxy" },
      { { "send", "\5\1" }, "it chose a way to log in that was not offered" },
      { { "send", "\5\255" }, "it accepts neither credentials nor none" },
      { { "send", "HTTP/1.1 400 Bad\r\n\r\n" }, "its answer is not that of a SOCKS5 proxy" },
    } do
      local _, code, stage, message = post("socks5", { socks5[1].wait, case[1], { "read_all" } })
      assert.same({ "proxy", "proxy" }, { code, stage })
      assert.matches(case[2], message, 1, true)
    end
  end)

  -- The proxy speaks TLS, and everything that it sends is cut off after so many bytes.
  it("of https that ends within its TLS or that of the host behind it", function()
    local inner <close> = peer.listen {
      script = { { http[1].wait, { "send", http[1].say }, { "relay", web.tls_port } } },
      repeat_last = true,
    }
    local front <close> = stunnel.start { to = inner.port, name = "good" }
    -- A reset may be there before the connection is.
    local codes = {
      close = { closed = true, tls = true },
      reset = { closed = true, tls = true, connect = true },
      stall = { timeout = true },
    }
    local stages = { proxy = true, tls = true, send = true, head = true, body = true }
    local reached = 0
    for count = 0, 12000, 397 do
      for name, ending in pairs { close = { "close" }, reset = { "reset" }, stall = { "stall" } } do
        local cut <close> = peer.listen {
          script = { { { "relay", front.port, count }, ending } }, records = false,
        }
        local timeout = name == "stall" and { proxy = 0.3, tls = 0.3, first_byte = 0.3 } or nil
        local client <close> = assert(support.client {
          proxy = { url = "https://localhost:" .. cut.port, tls = root() }, tls = root(),
          timeout = timeout,
        })
        local response <close>, _, err = client:get(web.tls_url .. "/request")
        if response then
          reached = reached + 1
          assert.equal(200, response.status)
          assert.equal("/request", response:json().uri)
        else
          assert.is_true(codes[name][err.code], err.code)
          assert.is_true(stages[err.stage] or count == 0 and err.stage == "connect", err.stage)
        end
      end
    end
    assert.is_true(reached > 3)
  end)

  it("of https has its deadline for greeting and tunnel together", function()
    local silent <close> = peer.listen { script = { { { "stall" } } }, repeat_last = true }
    local front <close> = stunnel.start { to = silent.port, name = "good" }
    for url, reason in pairs {
      ["https://localhost:" .. silent.port] = "handshake not complete within 0.2 s (timeout.proxy)",
      ["https://localhost:" .. front.port] = "tunnel not open within 0.2 s (timeout.proxy)",
    } do
      local client <close> = assert(support.client {
        proxy = { url = url, tls = root() }, timeout = { proxy = 0.2 },
      })
      local _, message, err = client:get "https://www.test/"
      assert.same({ "timeout", "proxy" }, { err.code, err.stage })
      assert.equal(("proxy localhost:%s: %s"):format(url:match "%d+$", reason), message)
    end
  end)
end)
