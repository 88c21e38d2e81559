-- examples/chat.lua and examples/streams.lua as users run them, against examples/chat_server.
-- Runs once.

local server = require "spec.support.server"
local system = require "support.system"

describe("an example of events", function()
  local chat, directory

  setup(function()
    local port = system.free_port()
    directory = server.directory()
    chat = server.start({ "/usr/bin/python3", "examples/chat_server", tostring(port) }, port,
      directory)
    chat.url = ("http://127.0.0.1:%d/v1"):format(port)
  end)
  teardown(function()
    chat:stop()
    server.remove(directory)
  end)

  -- Runs a command of the shell.
  local function run(command)
    return server.run { "sh", "-c", ([[
      export LUA_PATH="./lua/?.lua;./lua/?/init.lua;;" LUA_CPATH="${BUILD:-build}/?.so;;"
      %s
    ]]):format(command), "sh", chat.url, directory }
  end

  it("streams an answer, after the server was busy twice", function()
    local status, output = run '${LUA:-lua5.4} examples/chat.lua "$1" "what is copied?"'
    assert.equal(0, status, output)
    assert.matches("Segments are lent, never copied \u{2014} na\u{ef}ve clients \u{1f600} copy%.",
      output)
    assert.matches("\nfirst token after %d+ ms\n", output)
    assert.matches("\n5 %+ 10 tokens\n", output)
  end)

  it("ends an answer that stalls", function()
    local status, output = run 'CHAT_STALL=1 ${LUA:-lua5.4} examples/chat.lua "$1" "stall"'
    assert.equal(1, status, output)
    assert.matches("^Segments are lent, \nPOST .*: no data in either direction for 1 s", output)
    assert.matches("first token after", output)
  end)

  it("ends an answer at Ctrl-C", function()
    local status, output = run [[
      ${LUA:-lua5.4} examples/chat.lua "$1" "stall" >"$2/answer" 2>&1 &
      i=0
      while ! grep -qs "lent, " "$2/answer" && [ $((i += 1)) -lt 400 ]; do sleep 0.05; done
      kill -INT $!
      wait $!
      status=$?
      cat "$2/answer"
      exit $status
    ]]
    assert.equal(1, status, output)
    assert.matches("^Segments are lent, \ncancelled\nfirst token after", output)
  end)

  it("says what is wrong", function()
    local status, output = run '${LUA:-lua5.4} examples/chat.lua "$1" 2>&1'
    assert.equal(2, status)
    assert.matches("usage: ", output)
    status, output = run '${LUA:-lua5.4} examples/streams.lua "$1/ticks" x 2>&1'
    assert.equal(2, status)
    assert.matches("usage: ", output)
  end)

  it("reads 50 streams at once", function()
    local status, output = run '${LUA:-lua5.4} examples/streams.lua "$1/ticks"'
    assert.equal(0, status, output)
    assert.equal("50 streams at once: 500 events, 3000 bytes of data\n", output)
  end)
end)
