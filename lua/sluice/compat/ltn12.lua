--- Sources and sinks as LuaSocket's module ltn12 has them.
--
-- A source returns a string, nil at the end, or nil and an error. A sink takes that, and returns 1,
-- or nil and an error.

local ltn12 = {}

--- Moves one chunk. Returns 1 | nil at the end | nil, error
function ltn12.step(source, sink)
  local chunk, source_err = source()
  local taken, sink_err = sink(chunk, source_err)
  if chunk and taken then return 1 end
  return nil, source_err or sink_err
end

--- Moves all chunks by `step`. Returns 1 | nil, error
function ltn12.pump(source, sink, step)
  while true do
    local goes_on, err = step(source, sink)
    if err then return nil, err end
    if not goes_on then return 1 end
  end
end

--- A source as a function for the body of a request: it gives the chunks that `step` moves.
function ltn12.pull(source, step)
  if step == ltn12.step then return source end
  local moved
  local function keep(chunk)
    moved = chunk
    return 1
  end
  return function()
    moved = nil
    local _, err = step(source, keep)
    if err then return nil, err end
    return moved
  end
end

return ltn12
