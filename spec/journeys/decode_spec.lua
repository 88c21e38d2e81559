-- Content codings from the wire to the text: known ones are decoded, broken ones are reported, and
-- memory is bounded whatever they decode to.

local core = require "sluice.core"
local nginx = require "spec.support.nginx"
local sluice = require "sluice"
local support = require "spec.support"

local peer, pattern = support.peer, support.pattern

local request_head = { "expect_until", "\r\n\r\n" }
local DONE = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"

local function has_coding(name)
  local known = "," .. core.accepted_codings():gsub(" ", "") .. ","
  return known:find("," .. name:lower():gsub("^x%-", "") .. ",", 1, true) ~= nil
end

local function with_length(coding, body)
  return ("HTTP/1.1 200 OK\r\nX: y\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n%s")
    :format(coding, #body, body)
end

local function in_chunks(coding, body)
  local parts = {
    ("HTTP/1.1 200 OK\r\nX: y\r\nContent-Encoding: %s\r\nTransfer-Encoding: chunked\r\n\r\n")
      :format(coding),
  }
  for at = 1, #body, 7 do
    local piece = body:sub(at, at + 6)
    parts[#parts + 1] = ("%x\r\n%s\r\n"):format(#piece, piece)
  end
  parts[#parts + 1] = "0\r\n\r\n"
  return table.concat(parts)
end

--- What a command of the system prints.
local function output_of(command)
  local pipe <close> = assert(io.popen(command, "r"))
  return pipe:read "a"
end

describe("a coded body", function()
  local client

  support.verify_each(function(keep)
    client = keep(support.client { timeout = { idle = 60, first_byte = 60 } })
  end)

  local function answer(...)
    return peer.listen {
      script = { { request_head, ... }, { request_head, { "send", DONE }, { "stall" } } },
    }
  end

  local function check_head(response)
    assert.equal("y", response.headers.X)
    assert.is_nil(response.headers["Content-Encoding"])
    assert.is_nil(response.headers["Content-Length"])
  end

  local function buffered(p, options)
    local response <close>, _, err = client:get(p.url .. "/", options)
    if not response then return nil, err end
    return response:text(), response
  end

  local function streamed(p, options)
    local copy = { stream = true }
    for key, value in pairs(options or {}) do copy[key] = value end
    local response <close>, _, err = client:get(p.url .. "/", copy)
    if not response then return nil, err end
    check_head(response)
    local parts = {}
    local piece
    repeat
      piece, _, err = response:read(11)
      parts[#parts + 1] = piece
    until not piece
    if err then return nil, err end
    return table.concat(parts)
  end

  for fixture in support.fixtures.each("codec") do
    local coding = fixture.info.bytes:match("^coding=(.*)$")
    if has_coding(coding) then
      it("decodes as its document says: " .. fixture.title, function()
        local expected = fixture.events[1] == "end" and
          table.concat(fixture.blocks.content or {}, "\n") or nil
        for _, wire in ipairs {
          with_length(coding, fixture.bytes), in_chunks(coding, fixture.bytes),
        } do
          for _, step in ipairs { { "send", wire }, { "dribble", wire, 1, 0 } } do
            for _, fetch in ipairs { buffered, streamed } do
              local p <close> = answer(step, { "stall" })
              local text, err = fetch(p)
              if expected then
                assert.equal(expected, text, err)
              else
                assert.is_nil(text)
                assert.equal("decode", err.code)
                assert.equal("body", err.stage)
                assert.is_false(err.retryable)
              end
            end
          end
        end
      end)
    else
      it("is passed on unchanged if its library is missing: " .. fixture.title, function()
        local p <close> = answer({ "send", with_length(coding, fixture.bytes) }, { "stall" })
        local response <close> = assert(client:get(p.url .. "/"))
        assert.equal(fixture.bytes, response:text())
        assert.equal(coding, response.headers["Content-Encoding"])
      end)
    end
  end

  local function gzipped(text)
    local name = os.tmpname()
    local file <close> = assert(io.open(name, "wb"))
    file:write(text)
    file:close()
    local coded = output_of("gzip -nc " .. name)
    os.remove(name)
    return coded
  end

  it("hides the decoded coding in its headers", function()
    local p <close> = answer({ "send", with_length("gzip", gzipped "text") }, { "stall" })
    local response <close> = assert(client:get(p.url .. "/"))
    check_head(response)
    local names = {}
    for name in pairs(response.headers) do names[#names + 1] = name end
    assert.same({ "X" }, names)
    assert.equal(1, #response.headers)
    assert.equal("text", response:text())
  end)

  it("is decoded from many segments into many", function()
    local text = pattern(3 << 20):gsub("%c", "%0%0")
    local p <close> = answer({ "send", with_length("gzip", gzipped(text)) }, { "stall" })
    local response <close> = assert(client:get(p.url .. "/"))
    assert.is_true(response:text() == text)
  end)

  it("lets other tasks run, however much a few bytes decode to", function()
    local p <close> = peer.listen { script = { { { "expect_until", "\r\n\r\n" },
      { "send", with_length("gzip", gzipped(("\0"):rep(20 << 20))) }, { "hold" } } } }
    local size
    sluice.spawn(function()
      local response <close> = assert(client:get(p.url .. "/"))
      local sequence <close> = response:sequence()
      size = #sequence
    end)
    local loop, steps = sluice.loop(), 0
    -- From here on all of it is there.
    repeat loop:step(0) until p:wait("holding", 1, 0)
    repeat
      loop:step(1)
      steps = steps + 1
    until size
    assert.equal(20 << 20, size)
    assert.is_true(steps >= 10, steps .. " steps")
  end)

  it("is decoded twice at most", function()
    local twice = gzipped(gzipped "text")
    local p <close> = answer({ "send", with_length("gzip, x-gzip", twice) }, { "stall" })
    assert.equal("text", (buffered(p)))
    local q <close> = answer({ "send", with_length("gzip, gzip, gzip", gzipped(twice)) },
      { "stall" })
    local text, err = buffered(q)
    assert.is_nil(text)
    assert.equal("decode", err.code)
  end)

  it("is passed on with its Content-Encoding if the coding is unknown", function()
    local p <close> = answer({ "send", with_length("zebra", "stripes") }, { "stall" })
    local response <close> = assert(client:get(p.url .. "/"))
    assert.equal("stripes", response:text())
    assert.equal("zebra", response.headers["Content-Encoding"])
    assert.equal("7", response.headers["Content-Length"])
  end)

  -- Written by the libraries, flushed behind each text and then ended.
  local texts = { ("abcdefgh"):rep(7500), "and more", "" }
  local flushed = {
    gzip = {
      "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xec\xc51\x01\x00 \x08\x00\xb0\xac\x08\x08" ..
      "\xfd\x13X\xc3c{\x16'\xab\xefl\xd8" .. ("\xb6m\xdb"):rep(28) ..
      "\xb6m\x7f\xf2\x03\x00\x00\xff\xff",
      "J\xccKQ\xc8\xcd/J\x05\x00\x00\x00\xff\xff",
      "\x03\x00\xb0\x18S\x91h\xea\x00\x00",
    },
    br = {
      "\x8b/u\xf8\xc5\x01\xc7\x80\xb8>~\x0b\x07H\x88\x03\x80r\xba\x1b",
      "8\x00\x80_\x02 \x84\x89\x9c\x86\x0a\x03",
      "\x03",
    },
    zstd = {
      "(\xb5/\xfd\x00X\x84\x00\x00@abcdefgh\x01\x00U\xea\xe9\x85\x0b",
      "@\x00\x00and more",
      "\x01\x00\x00",
    },
  }

  for coding, parts in pairs(flushed) do
    (has_coding(coding) and it or pending)("comes as it was flushed: " .. coding, function()
      local script = { request_head, { "send",
        "HTTP/1.1 200 OK\r\nContent-Encoding: " .. coding ..
        "\r\nTransfer-Encoding: chunked\r\n\r\n" } }
      for _, part in ipairs(parts) do
        script[#script + 1] = { "send", ("%x\r\n%s\r\n"):format(#part, part) }
        script[#script + 1] = { "hold" }
      end
      script[#script + 1] = { "send", "0\r\n\r\n" }
      script[#script + 1] = { "stall" }
      local p <close> = peer.listen { script = { script } }
      local response <close> = assert(client:get(p.url .. "/", { stream = true }))
      for _, text in ipairs(texts) do
        local came = ""
        while #came < #text do
          came = came .. assert(response:read(#text - #came))
        end
        assert.is_true(came == text)
        p:signal(1)
      end
      assert.is_nil((response:read(1)))
    end)
  end

  -- ---- what is asked for ----

  local function asked(options, own)
    local p <close> = answer({ "send", with_length("gzip", gzipped "text") }, { "stall" })
    local other <close> = support.client(own)
    local response <close> = assert(other:get(p.url .. "/", options))
    local codings = {}
    for value in p:received(1):gmatch "\r\nAccept%-Encoding: ([^\r]*)" do
      codings[#codings + 1] = value
    end
    return codings, response:text() == "text", response.headers["Content-Encoding"]
  end

  it("is requested by default", function()
    local codings, is_decoded = asked()
    assert.same({ core.accepted_codings() }, codings)
    assert.matches("^gzip, deflate", codings[1])
    assert.is_true(is_decoded)
  end)

  it("is passed on with decompress = false, of the request or the client", function()
    for _, options in ipairs { { { decompress = false } }, { nil, { decompress = false } } } do
      local codings, is_decoded, shown = asked(options[1], options[2])
      assert.same({}, codings)
      assert.is_false(is_decoded)
      assert.equal("gzip", shown)
    end
    assert.is_true(select(2, asked({ decompress = true }, { decompress = false })))
  end)

  it("is requested as the caller's Accept-Encoding says", function()
    local headers = { ["accept-encoding"] = "gzip;q=0.5" }
    local p <close> = answer({ "send", with_length("gzip", gzipped "text") }, { "stall" })
    local response <close> = assert(client:get(p.url .. "/", { headers = headers }))
    assert.equal("text", response:text())
    assert.matches("\r\naccept%-encoding: gzip;q=0.5\r\n", p:received(1))
    assert.is_nil(p:received(1):find("Accept-Encoding", 1, true))
    assert.same({ ["accept-encoding"] = "gzip;q=0.5" }, headers)
  end)

  -- ---- bombs ----

  local bomb -- 256 MiB of zeros

  local function bomb_wire(layers)
    bomb = bomb or output_of "head -c 268435456 /dev/zero | gzip -nc"
    if layers == 2 then return with_length("gzip, gzip", gzipped(bomb)) end
    return with_length("gzip", bomb)
  end

  --- Bytes rented at most while `f` runs, above those before.
  local function most_of(f)
    local most, base = 0, sluice.stats().bytes
    f(function() most = math.max(most, sluice.stats().bytes - base) end)
    return most
  end

  for layers = 1, 2 do
    it(("stops at the limit when it is a bomb of %d layers"):format(layers), function()
      local p <close> = answer({ "send", bomb_wire(layers) }, { "stall" })
      local rss, from = support.system.rss(), support.system.cpu()
      local text, err = buffered(p, { limits = { body = 1 << 20 } })
      assert.is_nil(text)
      assert.equal("limit", err.code)
      assert.is_true(support.system.rss() - rss < 6 << 20)
      assert.is_true(support.system.cpu() - from < 0.5)
    end)

    it(("streams in bounded memory: a bomb of %d layers"):format(layers), function()
      local p <close> = answer({ "send", bomb_wire(layers) }, { "stall" })
      local size = 0
      local most = most_of(function(look)
        local response <close> = assert(client:get(p.url .. "/", { stream = true }))
        for piece in response:chunks() do
          size = size + #piece
          look()
          piece:dispose()
        end
      end)
      assert.equal(256 << 20, size)
      assert.is_true(most < 1 << 20, most)
    end)

    it(("can be disposed early: a bomb of %d layers"):format(layers), function()
      local p <close> = answer({ "send", bomb_wire(layers) }, { "stall" })
      local response <close> = assert(client:get(p.url .. "/", { stream = true }))
      assert.equal(("\0"):rep(1000), response:read(1000))
    end)
  end

  -- ---- bodies that nobody reads ----

  it("is not decoded while it is drained", function()
    -- If it were decoded, it would fail and close its connection.
    for _, wire in ipairs {
      with_length("gzip", ("no gzip at all"):rep(1000)), in_chunks("gzip", "no gzip at all"),
    } do
      local stop = wire:find("\r\n\r\n", 1, true) + 3
      local p <close> = peer.listen {
        script = { { request_head, { "send", wire:sub(1, stop) }, { "hold" },
          { "send", wire:sub(stop + 1) }, request_head, { "send", DONE }, { "stall" } } },
      }
      local response = assert(client:get(p.url .. "/", { stream = true }))
      response:dispose()
      p:signal(1)
      local deadline = support.system.clock() + 60
      while client:stats().active > 0 and support.system.clock() < deadline do
        sluice.loop():step(0.01)
      end
      local other <close> = assert(client:get(p.url .. "/"))
      assert.equal("done", other:text())
      assert.equal(1, (p:connections()))
    end
  end)

  it("is not decoded if it belongs to a redirect", function()
    for _, options in ipairs { {}, { stream = true } } do
      local body = "no gzip at all"
      local redirect = ("HTTP/1.1 302 Found\r\nLocation: /next\r\nContent-Encoding: gzip\r\n" ..
        "Content-Length: %d\r\n\r\n%s"):format(#body, body)
      local p <close> = peer.listen {
        script = { { request_head, { "send", redirect }, request_head, { "send", DONE },
          { "stall" } } },
      }
      local response <close>, message = client:get(p.url .. "/", options)
      assert(response, message)
      assert.equal("done", response:text())
      assert.equal(1, (p:connections()))
    end
  end)
end)

describe("a body that nginx codes", function()
  local client, web

  setup(function() web = nginx.start() end)
  teardown(function() web:stop() end)

  support.verify_each(function(keep) client = keep(support.client()) end)

  it("is decoded or passed on, as requested", function()
    local content = web:file(100000)
    local response <close> = assert(client:get(web.url .. "/gzip/100000"))
    assert.is_true(response:text() == content)
    assert.is_nil(response.headers["Content-Encoding"])
    local left <close> = assert(client:get(web.url .. "/gzip/100000", {
      decompress = false, headers = { ["Accept-Encoding"] = "gzip" },
    }))
    assert.equal("gzip", left.headers["Content-Encoding"])
    assert.equal("\x1f\x8b", left:text():sub(1, 2))
    local plain <close> = assert(client:get(web.url .. "/gzip/100000", { decompress = false }))
    assert.is_true(plain:text() == content)
  end)
end)
