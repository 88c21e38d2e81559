-- Names: many connections to one at the same time, and the error when descriptors run out.

local script = require "spec.support.script"
local sluice = require "sluice"
local support = require "spec.support"

local GOOD = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"

describe("a name", function()
  local server

  support.verify_each(function(keep) server = keep(support.serve(GOOD)) end)

  it("is resolved once for connections that begin at the same time", function()
    local count = 400
    local client <close> = support.client { pool = { per_origin = count, total = count } }
    local tasks = {}
    for i = 1, count do
      tasks[i] = sluice.spawn(function()
        local response <close> = assert(client:get(("http://localhost:%d/"):format(server.port)))
        return response:text()
      end)
    end
    for _, text in ipairs(sluice.all(tasks)) do assert.equal("good", text) end
  end)

  it("is not reported as unknown if only descriptors are missing", function()
    local status, output = script.run_with_descriptors(64, [[
      local sluice = require "sluice"
      local client = sluice.client { pool = false }
      local function get(host)
        local response, message, err = client:get(("http://%s:%s/"):format(host, arg[1]))
        if response then return print(response:text()) end
        print(err.code, err.errno, (message:gsub(":" .. arg[1], "")))
      end
      get "localhost"
      local held = { io.tmpfile() } -- too large to leave with its head
      held[1]:write(("x"):rep(100000))
      held[1]:seek "set"
      local file = io.open "/dev/null"
      while file do
        held[#held + 1] = file
        file = io.open "/dev/null"
      end
      get "localhost"
      get "127.0.0.1"
      local _, message, err = sluice.loop():pollfd()
      print(err.code, err.errno, message)
      for _, body in ipairs { { path = "/etc/hostname" }, held[1] } do
        _, message, err = client:post("http://localhost/", { body = body })
        print(err.code, err.errno, message)
      end
      for _, file in ipairs(held) do file:close() end
      get "localhost"
    ]], tostring(server.port))
    assert.equal(0, status)
    assert.equal(table.concat({
      "good",
      "connect\t24\tresolve localhost: too many open files (ulimit -n: 64)",
      "connect\t24\tconnect 127.0.0.1: too many open files (ulimit -n: 64)",
      "limit\t24\topen the loop's descriptor: Too many open files (ulimit -n: 64)",
      "limit\t24\trequest body '/etc/hostname': Too many open files (ulimit -n: 64)",
      "limit\t24\trequest body: Too many open files (ulimit -n: 64)",
      "good", "",
    }, "\n"), output)
  end)
end)
