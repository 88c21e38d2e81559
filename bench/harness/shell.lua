--- Running programs and reading what they print.

local shell = {}

function shell.quote(text)
  return "'" .. tostring(text):gsub("'", "'\\''") .. "'"
end

--- Runs a command line; returns its output and whether it succeeded.
function shell.try(command)
  local pipe = assert(io.popen(command .. " 2>&1"))
  local output = pipe:read("a")
  return output, pipe:close() == true
end

--- The same for what must succeed: raises with the output otherwise.
function shell.run(command)
  local output, is_ok = shell.try(command)
  if not is_ok then
    error(("%s\n%s"):format(command, output), 0)
  end
  return output
end

function shell.exists(path)
  local file = io.open(path)
  if file then
    file:close()
  end
  return file ~= nil
end

function shell.write(path, text)
  local file = assert(io.open(path, "w"))
  assert(file:write(text))
  assert(file:close())
end

function shell.read(path)
  local file = assert(io.open(path))
  local text = file:read("a")
  file:close()
  return text
end

return shell
