-- .ci/install on machines that cannot install: what is missing is named, nothing is tried.
-- Runs once.

local server = require "spec.support.server"

-- Links a command into a folder. A compiler cache is passed over: its links are called like the
-- compiler, which it looks for in PATH.
local link = [[
  IFS=:
  for place in $PATH; do
    [ -x "$place/%s" ] || continue
    case $(readlink -f "$place/%s") in */ccache) continue ;; esac
    exec ln -s "$place/%s" %s/
  done
  exit 1
]]

--- Runs it where only these commands are to be found. Returns its exit code and what it printed.
local function run(groups, commands)
  local directory = server.directory()
  for _, name in ipairs(commands) do
    assert(os.execute(link:format(name, name, name, directory)), name)
  end
  local pipe <close> = assert(io.popen(("env PATH=%s /bin/sh .ci/install %s 2>&1; echo $?")
    :format(directory, groups)))
  local output = pipe:read "a"
  server.remove(directory)
  local text, code = output:match "^(.-)(%d+)\n$"
  return tonumber(code), text
end

local told = "missing, install before going on (Debian's names):"

describe("the installer", function()
  it("names what is missing where there is no apt", function()
    local code, text = run("build", {})
    assert.equal(1, code)
    assert.equal(told .. " gcc libc6-dev lua5.4 liblua5.4-dev libssl-dev zlib1g-dev\n", text)
  end)

  it("does not name what is installed", function()
    local code, text = run("build", { "lua5.4" })
    assert.equal(1, code)
    assert.equal(told .. " gcc libc6-dev liblua5.4-dev libssl-dev zlib1g-dev\n", text)
  end)

  it("prints nothing if nothing is missing", function()
    local code, text = run("build", { "lua5.4", "cc", "as", "ld" })
    assert.equal(0, code)
    assert.equal("", text)
  end)
end)
