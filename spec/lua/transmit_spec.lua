-- From a request to the bytes of its head, and what is reported on the way.

local support = require "spec.support"

local peer = support.peer

local EMPTY = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

describe("a request that is sent", function()
  local client, server

  support.verify_each(function(keep)
    server = keep(peer.listen { script = { { { "expect_until", "\r\n\r\n" }, { "send", EMPTY },
      { "loop" } } }, repeat_last = true })
    client = keep(support.client { headers = { { "X-Client", "1" }, { "X-Both", "client" } } })
  end)

  local function names()
    local list = {}
    for name in server:received(1):gmatch "\r\n([^\r\n:]+): " do list[#list + 1] = name end
    return list
  end

  local function is_before(list, one, other)
    local at = {}
    for i, name in ipairs(list) do at[name] = i end
    assert.is_truthy(at[one] and at[other], table.concat(list, ", "))
    assert.is_true(at[one] < at[other], table.concat(list, ", "))
  end

  it("has its own fields before the client's", function()
    assert(client:post(server.url .. "/", { body = "", headers = { { "X-Own", "1" } } })):dispose()
    local list = names()
    is_before(list, "Host", "X-Own")
    is_before(list, "X-Own", "X-Client")
    is_before(list, "X-Client", "User-Agent")
  end)

  it("has its own field instead of the client's of that name", function()
    assert(client:get(server.url .. "/", { headers = { { "x-both", "own" } } })):dispose()
    local _, count = server:received(1):lower():gsub("\r\nx%-both: ", "")
    assert.equal(1, count)
    assert.is_truthy(server:received(1):find("x-both: own\r\n", 1, true))
  end)

  it("asks for codings only if the answer can be decoded", function()
    for _, options in ipairs { { decompress = false }, { headers = { Range = "bytes=0-1" } } } do
      assert(client:get(server.url .. "/", options)):dispose()
    end
    assert.is_nil(server:received(1):find("Accept-Encoding", 1, true))
    assert(client:get(server.url .. "/")):dispose()
    assert.is_truthy(server:received(1):find("Accept-Encoding", 1, true))
  end)

  it("declares an empty body only for methods that expect a body", function()
    for _, verb in ipairs { "post", "put", "patch" } do
      assert(client[verb](client, server.url .. "/")):dispose()
    end
    local _, count = server:received(1):gsub("\r\nContent%-Length: 0\r\n", "")
    assert.equal(3, count)
    for _, verb in ipairs { "get", "delete", "options" } do
      assert(client[verb](client, server.url .. "/")):dispose()
    end
    _, count = server:received(1):gsub("\r\nContent%-Length: ", "")
    assert.equal(3, count)
  end)

  it("reports its end to on_progress", function()
    local told = {}
    assert(client:get(server.url .. "/", {
      on_progress = function(...) told[#told + 1] = table.pack(...) end,
    })):dispose()
    assert.is_true(#told >= 1)
    assert.same({ 0, 0 }, { told[#told][1], told[#told][2] })
  end)
end)
