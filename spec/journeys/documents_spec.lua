-- Runs once.
-- What the documents say is so. Each block of Lua in README.md and doc/ runs as a reader pastes
-- it, in an interpreter of its own against examples/serve, and prints what its comments show. A
-- block of C compiles, a block of commands names targets and files that are there.
-- Runs once.

local script = require "spec.support.script"
local server = require "spec.support.server"
local system = require "support.system"

local _, listing = server.run { "sh", "-c",
  "find README.md CHANGELOG.md bench doc -name '*.md' | sort" }

--- Runs of blanks are one blank, so that a comment need not hold tabs.
local function plain(line) return (line:gsub("%s+", " "):gsub("^ ", ""):gsub(" $", "")) end

--- What a block shows of its output: the rest of each line behind an arrow.
local function shown_by(block)
  local lines = {}
  for line in (block .. "\n"):gmatch "%-%->([^\n]*)" do lines[#lines + 1] = plain(line) end
  return table.concat(lines, "\n")
end

--- Runs a block. Raises unless it ends well and prints what it shows, and nothing else.
local function check(block)
  local status, output = script.run(block)
  local lines = {}
  for line in output:gmatch "[^\n]+" do lines[#lines + 1] = plain(line) end
  assert.equal(0, status, output .. block)
  assert.equal(shown_by(block), table.concat(lines, "\n"), block)
end

--- Compiles a block of C as a program has it: what it includes, the rest in a function with a
--- state L. Raises unless it is accepted without a warning.
local function check_c(block)
  local directory = server.directory()
  local head, body = block:match "^(.-)\n\n(.*)$"
  local path = server.write(directory .. "/block.c", ([[
#include <stdio.h>
%s

void block(lua_State *L);
void block(lua_State *L)
{
%s
}
]]):format(head, body))
  local status, output = server.run { "sh", "-c", ("%s -std=c11 -Wall -Werror -Isrc %s %s"):format(
    os.getenv "CC" or "cc", "$(pkg-config --cflags lua5.4 || echo -I/usr/include/lua5.4)",
    "-fsyntax-only " .. path) }
  server.remove(directory)
  assert.equal(0, status, output .. block)
end

--- What `make` can be asked for.
local is_target = {}
for rule in server.read "Makefile":gmatch "%.PHONY: ([^\n]+)" do
  for name in rule:gmatch "%S+" do is_target[name] = true end
end
for path in select(2, server.run { "sh", "-c", "ls mk/*.mk" }):gmatch "%S+" do
  for rule in server.read(path):gmatch "%.PHONY: ([^\n]+)" do
    for name in rule:gmatch "%S+" do is_target[name] = true end
  end
end

--- Raises unless a line of commands asks for targets of `make` and for files that are there.
local function check_command(line)
  line = line:gsub("%s+#.*", ""):gsub("  +.*", "")
  for targets in (line .. "\n"):gmatch "%f[%w]make%f[%s]([^\n;&|)]*)" do
    for word in targets:gsub("%b''", "x"):gmatch "%S+" do
      if word:find "^%l[%l-]*$" then assert.is_true(is_target[word], "make " .. word) end
    end
  end
  for path in line:gmatch "%f[%w./]([%w_.]+/[%w_./-]+)" do
    if path:find "^examples/" or path:find "^bench/" or path:find "^rockspec/" then
      local file = io.open(path)
      assert.is_truthy(file, path)
      file:close()
    end
  end
end

--- The functions and methods of the types, which types_spec compares with what there is, and
-- what they belong to.
local is_typed = {}
for line in dofile ".ci/reference.lua".types():gmatch "[^\n]+" do
  local name, receiver = line:match "^function (([%a_]+)[.:][%a_]+)%("
  if name then is_typed[name], is_typed[receiver] = true, true end
end

describe("a document", function()
  local web

  setup(function()
    local directory, port, tls_port = server.directory(), system.free_port(), system.free_port()
    local echo_port = system.free_port()
    web = server.start({ "sh", "examples/serve", tostring(port), tostring(tls_port), directory,
      tostring(echo_port) }, port, directory)
    assert(system.wait_for_port(echo_port, web.pid))
    web.tls_port = tls_port
  end)
  teardown(function() web:stop() end)

  --- A block that talks to this server instead of the one that a reader starts.
  local function moved(block)
    return (block:gsub("8080", tostring(web.port)):gsub("8443", tostring(web.tls_port))
      :gsub("build/serve", web.directory))
  end

  for name in listing:gmatch "[^\n]+" do
    local text = server.read(name)

    for block in text:gmatch "\n```lua\n(.-)\n```%f[\n\0]" do
      local count = select(2, text:sub(1, (text:find(block, 1, true))):gsub("\n", "\n")) + 1
      it(("runs as it stands: %s:%d"):format(name, count), function() check(moved(block)) end)
    end

    for block in text:gmatch "\n```c\n(.-)\n```%f[\n\0]" do
      it("compiles as it stands: " .. name, function() check_c(block) end)
    end

    it("names commands that are there: " .. name, function()
      for block in text:gmatch "\n```sh\n(.-)\n```%f[\n\0]" do
        assert.equal(0, (server.run { "sh", "-n", "-c", block }), block)
        for line in block:gmatch "[^\n]+" do check_command(line) end
      end
      for line in text:gmatch "%f[^\n]    (%l[%w./]* [^\n]*)" do check_command(line) end
    end)

    it("has blocks in languages that are tried: " .. name, function()
      for language in text:gmatch "\n```(%a+)\n" do
        assert.is_truthy(("lua c sh"):find("%f[%a]" .. language .. "%f[%A]"), language)
      end
    end)

    it("names functions and methods that are there: " .. name, function()
      -- The page about a parser calls it so; a message may be a string.
      local code = text:gsub("%f[%a_]parser:",
        name:find "ws_parser" and "ws_parser:" or "http_parser:")
      for receiver, mark, method, behind in code:gmatch "([%a_]+)([:.])([%a_]+)(.)" do
        if is_typed[receiver] and (mark == ":" or behind == "(") then
          local is_there = is_typed[receiver .. mark .. method]
            or receiver == "message" and string[method] ~= nil
          assert.is_true(is_there, receiver .. mark .. method)
        end
      end
    end)

    it("leads to files and headings that are there: " .. name, function()
      local folder = name:match "^.*/" or ""
      for path, heading in text:gmatch "%]%(([%w_/.]*)#?([^)%s]*)%)" do
        local target = path == "" and name or folder .. path
        local file = io.open(target)
        assert.is_truthy(file, name .. ": " .. target)
        file:close()
        local is_there = heading == ""
        for title in server.read(target):gmatch "\n#+ ([^\n]+)" do
          title = title:lower():gsub("[^%w_ -]", ""):gsub(" ", "-")
          is_there = is_there or title == heading
        end
        assert.is_true(is_there, name .. ": " .. heading)
      end
    end)
  end

  it("has a block for each kind of user in the README, which names the module itself", function()
    local count = 0
    for block in server.read "README.md":gmatch "\n```lua\n(.-)\n```\n" do
      count = count + 1
      assert.equal('local sluice = require "sluice"', block:match "^[^\n]*")
      assert.is_true(select(2, block:gsub("\n", "")) < 15, block)
    end
    assert.equal(6, count)
  end)

  it("is noticed where a block fails, or prints something else or something more", function()
    check "print(1, 2) --> 1 2"
    for _, block in ipairs {
      "error()", "print(1) --> 2", "print(1)", "print(1) print(2) --> 1", "-- --> 1",
      "print(undefined.field)", "local sluice = require 'sluice' x = #sluice.spawn",
    } do
      assert.is_false((pcall(check, block)), block)
    end
    check_c '#include "sluice.h"\n\nsluice_open(L);'
    for _, block in ipairs { "return 1;", "sluice_shut(L);", "int unused;" } do
      assert.is_false((pcall(check_c, '#include "sluice.h"\n\n' .. block)), block)
    end
    check_command "make test SAN=address  # and `make nothing`"
    for _, line in ipairs { "make nothing", "cd x && make nothing", "examples/nothing 8080" } do
      assert.is_false((pcall(check_command, line)), line)
    end
  end)

  it("names the options of requests and of clients", function()
    local own, of_client = server.read "doc/guide/scripts.md"
      :match "Of one request: `(.-)`.-Of a client: `(.-)`"
    local odd = coroutine.create(function() end)
    local client <close> = assert(require "sluice".client())
    local function is_known(option, call)
      local _, message = pcall(call)
      assert.is_nil(tostring(message):find("unknown option", 1, true), option)
    end
    for option in own:gmatch "[%a_]+" do
      is_known(option, function() client:request("GET", "http:/", { [option] = odd }) end)
    end
    for option in of_client:gmatch "[%a_]+" do
      is_known(option, function() require("sluice").client { [option] = odd } end)
    end
  end)
end)
