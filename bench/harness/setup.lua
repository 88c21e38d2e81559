--- What every run needs to know: where things are, and which core is whose.

local shell = require "shell"

local setup = {}

local function pin(core)
  return function(command)
    return "taskset -c " .. core .. " " .. command
  end
end

local function no_pin(command)
  return command
end

--- Builds the programs. Returns a table: here, build, out, absolute_out, lua, pin_client and
-- pin_server, which put a command on a core.
-- @param here the folder bench/
function setup.prepare(here)
  local build = os.getenv("BUILD") or here .. "/../build"
  local out = build .. "/bench"
  local has_two_cores = tonumber((shell.run("nproc"))) > 1
  shell.run(("make -s -f %s/Makefile OUT=%s"):format(here, shell.quote(out)))
  return {
    here = here, build = build, out = out,
    absolute_out = shell.run("realpath " .. shell.quote(out)):match("[^\n]+"),
    lua = os.getenv("LUA") or "lua5.4",
    pin_client = has_two_cores and pin(0) or no_pin,
    pin_server = has_two_cores and pin(1) or no_pin,
  }
end

return setup
