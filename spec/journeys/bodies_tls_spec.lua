-- Request bodies of every kind over TLS, both directions at once: a server that answers while it
-- reads, one that answers early, and one that sends 100 first.

local certificates = require "spec.support.certificates"
local server = require "spec.support.server"
local sluice = require "sluice"
local support = require "spec.support"

local pattern = support.pattern

local SIZE = 4 << 20
local PIECE = 1 << 16

local ECHO = [[
def serve(connection):
    rest = b""
    while b"\r\n\r\n" not in rest:
        piece = connection.recv(65536)
        if not piece:
            return
        rest += piece
    head, rest = rest.split(b"\r\n\r\n", 1)
    path = head.split()[1]
    size = int(head.lower().split(b"content-length: ")[1].split()[0])
    if path == b"/early":
        connection.sendall(b"HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno")
        while connection.recv(65536):
            pass
        return
    if path == b"/expect":
        assert not rest and b"100-continue" in head
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
    while size > 0:
        connection.sendall(rest)
        size -= len(rest)
        rest = connection.recv(16384) if size > 0 else b""
    connection.unwrap()
]]

for _, version in ipairs { "TLSv1_2", "TLSv1_3" } do
  describe("a request body over " .. version, function()
    local client, directory, echo, path, rest

    setup(function()
      echo = certificates.python(ECHO, version)
      directory = server.directory()
      path = server.write(directory .. "/body", pattern(SIZE))
      rest = server.write(directory .. "/rest", pattern(SIZE):sub(101))
    end)

    teardown(function()
      echo:stop()
      server.remove(directory)
    end)

    support.verify_each(function(keep)
      client = keep(support.client { tls = { ca_file = certificates.file "root.pem" } })
    end)

    local function url(suffix) return ("https://localhost:%d%s"):format(echo.port, suffix) end

    local bodies = {
      ["a string"] = function() return pattern(SIZE) end,
      ["a file"] = function() return { path = path } end,
      ["parts"] = function()
        return { pattern(SIZE):sub(1, 100), { path = rest } }
      end,
      ["a lease"] = function()
        local writer <close> = sluice.writer { max_size = SIZE }
        assert(writer:write(pattern(SIZE)))
        return writer:detach()
      end,
      ["a function with a length"] = function()
        local sent = 0
        return { length = SIZE, read = function()
          if sent == SIZE then return nil end
          sent = sent + PIECE
          return pattern(SIZE):sub(sent - PIECE + 1, sent)
        end }
      end,
    }

    for name, body in pairs(bodies) do
      for _, is_streamed in ipairs { false, true } do
        it(("that is %s comes back unchanged%s"):format(name, is_streamed and ", streamed" or ""),
          function()
            local response <close>, message =
              client:post(url "/echo", { body = body(), stream = is_streamed or nil })
            assert(response, message)
            local text
            text, message = response:text()
            assert(text, message)
            assert.is_true(text == pattern(SIZE))
          end)
      end

      it(("that is %s ends with an early answer"):format(name), function()
        local response <close>, message = client:post(url "/early", { body = body() })
        assert(response, message)
        assert.equal(413, response.status)
        assert.equal("no", response:text())
      end)

      it(("that is %s is sent only after 100"):format(name), function()
        local response <close>, message =
          client:post(url "/expect", { body = body(), expect_continue = true })
        assert(response, message)
        assert.is_true(response:text() == pattern(SIZE))
      end)
    end
  end)
end
