-- A real TLS server behind a peer that stops relaying at any byte: no incomplete response is taken
-- for a complete one, and nothing is left behind.

local certificates = require "spec.support.certificates"
local nginx = require "spec.support.nginx"
local sluice = require "sluice"
local support = require "spec.support"

local peer = support.peer

local SIZE = 1500
local STEP = 61 -- bytes from one cut to the next: no divisor of a record or a message
local DEADLINE = 0.15

local last_step = {
  close = { { "close" } },
  reset = { { "reset" } },
  -- more than any record that was begun
  garbage = { { "send", ("\23\3\3\0\100garbage"):rep(2000) }, { "stall" } },
  stall = { { "stall" } },
}

-- The server's flights are a few bytes longer or shorter each time (signatures), so that a cut is
-- in the handshake, the head or the body; the stage of the error shows which.
local allowed = {
  close = { tls = { "tls", "closed" }, send = { "closed" }, head = { "closed" },
    body = { "closed" } },
  reset = { tls = { "tls", "closed" }, send = { "closed" }, head = { "closed" },
    body = { "closed" } },
  garbage = { tls = { "tls" }, head = { "tls" }, body = { "tls" } },
  stall = { tls = { "timeout" }, head = { "timeout" }, body = { "timeout" } },
}

local function is_allowed(fault, err)
  for _, code in ipairs(allowed[fault][err.stage] or {}) do
    if code == err.code then return true end
  end
  return false
end

for _, protocol in ipairs { "TLSv1.2", "TLSv1.3" } do
  describe("a peer that fails at any byte of " .. protocol, function()
    local web, content, total

    local function new_client(deadline)
      return support.client {
        tls = { ca_file = certificates.file "root.pem", resume = false },
        timeout = { tls = deadline, first_byte = deadline, idle = deadline },
      }
    end

    local function fetch(client, port, path)
      local response <close>, message, err =
        client:get(("https://127.0.0.1:%d%s"):format(port, path))
      if not response then return nil, err, message end
      return response:text()
    end

    setup(function()
      web = nginx.start {
        tls = {
          certificate = certificates.chain "good", key = certificates.key "good",
          protocols = protocol,
        },
        extra = "keepalive_timeout 0;",
      }
      content = web:file(SIZE)
      -- more than any exchange: the first cut at which all comes ends a row
      total = SIZE + 8192
    end)

    teardown(function() web:stop() end)

    support.verify_each()

    --- true when everything came.
    local function try(client, fault, path, port, where)
      local text, err, message = fetch(client, port, path)
      if text then
        assert.is_true(text == content, where .. ": a part was taken for the whole")
        return true
      end
      if not is_allowed(fault, err) then
        error(("%s: %s, stage %s (%s)"):format(where, err.code, err.stage, message))
      end
      return false
    end

    for _, path in ipairs { "/file/" .. SIZE, "/chunked/" .. SIZE } do
      for _, fault in ipairs { "close", "reset", "garbage" } do
        it(("%s, %s"):format(fault, path), function()
          local client <close> = new_client()
          local incomplete, is_whole = 0, false
          for offset = 0, total, STEP do
            local first = offset == 0 and { "read", 1 } or { "relay", web.tls_port, offset }
            local steps = { first, table.unpack(last_step[fault]) }
            local p <close> = peer.listen { script = { steps } }
            is_whole = try(client, fault, path, p.port, ("%s at byte %d"):format(fault, offset))
            if is_whole then break end
            incomplete = incomplete + 1
          end
          assert.is_true(is_whole)
          assert.is_true(incomplete * STEP > SIZE)
          assert.is_true(fetch(client, web.tls_port, path) == content)
        end)
      end

      it("stall, " .. path .. ", all offsets at once", function()
        local client <close> = new_client(DEADLINE)
        local peers, tasks, whole = {}, {}, 0
        sluice.run(function()
          for offset = 0, SIZE + 2500, 3 * STEP do
            local steps = { { "relay", web.tls_port, offset }, { "stall" } }
            local p = peer.listen { script = { steps } }
            peers[#peers + 1] = p
            tasks[#tasks + 1] = sluice.spawn(function()
              local where = "stall at byte " .. offset
              if try(client, "stall", path, p.port, where) then whole = whole + 1 end
            end)
          end
          for _, task in ipairs(tasks) do task:await() end
        end)
        for _, p in ipairs(peers) do p:stop() end
        assert.is_true(whole < #tasks)
      end)
    end

    it("may send its records byte by byte without a failure", function()
      local client <close> = new_client()
      local p <close> = peer.listen { script = { { { "relay", web.tls_port, total, 1 } } } }
      assert.is_true(fetch(client, p.port, "/chunked/" .. SIZE) == content)
    end)
  end)
end
