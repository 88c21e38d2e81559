-- What a transfer makes of answers that say one thing and send another, and of its client's end.

local server = require "spec.support.server"
local sluice = require "sluice"
local support = require "spec.support"

local peer = support.peer

local body = support.pattern(3000)
local WHOLE = 'HTTP/1.1 200 OK\r\nETag: "a"\r\nContent-Length: 3000\r\n\r\n'

describe("a transfer", function()
  local client, directory, path

  support.verify_each(function(keep)
    directory = keep(server.directory(), server.remove)
    path = directory .. "/file"
    client = keep(support.client())
  end)

  -- A server with a connection for each of these answers.
  local function serve(...)
    local scripts = {}
    for i, answer in ipairs { ... } do
      scripts[i] = { { "expect_until", "\r\n\r\n" }, { "send", answer }, { "close" } }
    end
    return peer.listen { script = scripts }
  end

  local function download(p, options)
    local ok, message, err = client:download(p.url .. "/", path, options)
    return ok, err and err.code, message
  end

  -- A part from byte 1000 on, in one chunk of that content.
  local function chunked(content)
    return ('HTTP/1.1 206 Partial Content\r\nETag: "a"\r\nContent-Range: bytes 1000-2999/3000\r\n'
      .. "Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"):format(#content, content)
  end

  it("takes a part in chunks, if it has as many bytes as its range", function()
    for content, reason in pairs {
      [body:sub(1001)] = false,
      [body:sub(1002)] = "fewer bytes than the range of the response has",
      [body:sub(1001) .. "?"] = "more bytes than the range of the response has",
    } do
      local p <close> = serve(WHOLE .. body:sub(1, 1000), chunked(content), WHOLE .. body)
      local options = { resume = true }
      assert.is_nil((download(p, options)))
      local ok, code, message = download(p, options)
      if reason then
        assert.equal("protocol", code)
        assert.matches(reason, message, 1, true)
        assert.is_true((download(p, options)))
      else
        assert.is_true(ok)
      end
      assert.is_true(server.read(path) == body)
      assert.same({ "file" }, server.names(directory))
    end
  end)

  it("fails with the answer of an interceptor that is no response", function()
    local p = { url = "http://127.0.0.1:1" }
    client:use(function() return { status = 200 } end)
    for parallel = 1, 2 do
      local _, code, message = download(p, { parallel = parallel })
      assert.equal("invalid", code)
      assert.matches("no response", message)
    end
    assert.same({}, server.names(directory))
  end)

  it("takes the answer of an interceptor that is a response", function()
    local p = { url = "http://127.0.0.1:1" }
    client:use(function(request) return request:answer { status = 200, body = body } end)
    for parallel = 1, 2 do
      assert.is_true((download(p, { parallel = parallel, resume = true })))
      assert.is_true(server.read(path) == body)
    end
  end)

  it("ends with its client, while it waits to try again", function()
    local p <close> = serve(WHOLE .. body:sub(1, 1000))
    local loading = sluice.spawn(function()
      return download(p, { resume = true, retry = { tries = 5, delay = 60, jitter = 0 } })
    end)
    while not next(client.pauses) do sluice.loop():step(0.01) end
    client:close()
    local ok, code, message = loading:await()
    assert.is_nil(ok)
    assert.equal("closed", code)
    assert.matches("client is closed", message)
  end)

  it("does not begin a wait that ends behind its total time", function()
    local p <close> = serve(WHOLE .. body:sub(1, 1000))
    local _, code = download(p, { timeout = 30, retry = { tries = 5, delay = 60, jitter = 0 } })
    assert.equal("closed", code)
  end)
end)
