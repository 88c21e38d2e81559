-- The examples that need nothing but a server, each as `make demo` runs it.
-- Runs once.

local nginx = require "spec.support.nginx"
local server = require "spec.support.server"
local system = require "support.system"

-- What they are given, with URL for the server, and what they print.
local examples = {
  get = { { "URL/json" }, { "/json: 200 OK\n", "0 outstanding" } },
  post_json = { { "URL/upload" }, { "/upload: 200 OK\n" } },
  form = { { "URL/put/form" }, { "PUT http", "age=42&name=Ann+Lee&subscribed=true" } },
  multipart = { { "URL/put/multipart", "README.md", "Makefile" }, { "201 Created" } },
  upload = { { "README.md", "URL/put/readme" }, { "bytes sent\n", "201 Created\n" } },
  download = { { "URL/file/100000", "FOLDER/downloaded" }, { "FOLDER/downloaded" } },
  stream_lines = { { "URL/file/100000", "1" }, { "/file/100000: 200 OK\n" } },
  concurrent = { { "URL/json", "50" }, { "50 of 50 requests arrived", "outstanding 0, leaked 0" } },
  interceptor = { { "URL/json" }, { "/json: 200\n", "requests_total" } },
  interceptors = { { "URL/json", "FOLDER/exchanges" },
    { "3 requests sent, then 0; outstanding 0" } },
  record_replay = { { "URL/json", "FOLDER/recordings" }, { "1 request sent", "0 requests sent" } },
  websocket_echo = { { "ECHO", "one", "two" }, { "text of 3 bytes: two\n", "closed with 1000\n" } },
  frames = { { "URL/json", "20" }, { "20 frames, 2 answers, 0 failures\n" } },
}

describe("an example", function()
  local web, echo, folder

  setup(function()
    local port = system.free_port()
    web, folder = nginx.start(), server.directory()
    web:file(100000)
    echo = server.start({ os.getenv "LUA" or "lua5.4", "examples/websocket_server.lua",
      tostring(port) }, port, server.directory())
  end)
  teardown(function()
    web:stop()
    echo:stop()
    server.remove(folder)
  end)

  local function fill(text)
    return (text:gsub("URL", web.url):gsub("FOLDER", folder)
      :gsub("ECHO", ("ws://127.0.0.1:%d/"):format(echo.port)))
  end

  local function run(name, ...)
    return server.run { os.getenv "LUA" or "lua5.4", ("examples/%s.lua"):format(name), ... }
  end

  for name, case in pairs(examples) do
    it("prints what it is for: " .. name, function()
      local arguments = {}
      for i, argument in ipairs(case[1]) do arguments[i] = fill(argument) end
      local status, printed = run(name, table.unpack(arguments))
      for _, words in ipairs(case[2]) do assert.match(fill(words), printed, 1, true) end
      assert.equal(0, status, printed)
    end)

    it("says how it is used, and has at most 40 lines: " .. name, function()
      local status, printed = run(name)
      assert.equal(2, status)
      assert.match("^usage: lua5.4 examples/" .. name .. ".lua ", printed)
      local _, count = server.read(("examples/%s.lua"):format(name)):gsub("\n", "")
      assert.is_true(count <= 40, count)
    end)
  end
end)
