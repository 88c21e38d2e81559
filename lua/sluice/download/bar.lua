--- Shows how far a download is: in one line of a terminal, or in a line every few seconds.

local core = require "sluice.core"
local values = require "sluice.values"

local Bar = {}
Bar.__index = Bar

local interval = 5000000000 -- nanoseconds between two plain lines
local cells = 20
local most_name = 24

--- A bar for a file of that path, written to `out`.
function Bar.new(path, out)
  local name = values.shown(path:match "[^/]*$", most_name)
  return setmetatable({ name = name, out = out, is_drawn = core.is_terminal(out), shown_at = nil,
    width = 0 }, Bar)
end

-- "1.5 MiB"
local function size_text(bytes)
  local unit
  for _, name in ipairs { "KiB", "MiB", "GiB", "TiB" } do
    if bytes < 1024 then break end
    bytes, unit = bytes / 1024, name
  end
  return unit and ("%.1f %s"):format(bytes, unit) or ("%d B"):format(bytes)
end

-- "0:07", "1:02:03"
local function time_text(seconds)
  seconds = seconds < 1e9 and math.ceil(seconds) or math.tointeger(1e9)
  local minutes = seconds // 60
  if minutes < 60 then return ("%d:%02d"):format(minutes, seconds % 60) end
  return ("%d:%02d:%02d"):format(minutes // 60, minutes % 60, seconds % 60)
end

--- The text for a report: "file  45% [#########           ] 4.5 MiB of 10.0 MiB, 1.0 MiB/s, 0:06".
function Bar:text(done, total, rate, remaining)
  local parts = {}
  if total then
    local share = total > 0 and done / total or 1
    local filled = math.floor(share * cells)
    parts[1] = ("%s %3d%% [%s%s] %s of %s"):format(self.name, math.floor(share * 100),
      ("#"):rep(filled), (" "):rep(cells - filled), size_text(done), size_text(total))
  else
    parts[1] = ("%s %s"):format(self.name, size_text(done))
  end
  if rate then parts[#parts + 1] = size_text(math.floor(rate)) .. "/s" end
  if remaining and remaining > 0 then parts[#parts + 1] = time_text(remaining) end
  return table.concat(parts, ", ")
end

-- Draws over what was drawn before.
local function draw(self, text)
  local blank = (" "):rep(self.width - #text)
  self.width = #text
  self.out:write("\r", text, blank)
  self.out:flush()
end

--- Shows a report, as a meter makes them.
function Bar:show(done, total, rate, remaining)
  local now = core.now()
  local is_last = done == total
  if self.is_drawn then
    draw(self, self:text(done, total, rate, remaining))
  elseif is_last and not self.is_ended or not self.shown_at or now - self.shown_at >= interval then
    self.out:write(self:text(done, total, rate, remaining), "\n")
  else
    return
  end
  self.shown_at = now
  self.is_ended = is_last
end

--- Ends the line.
function Bar:__close()
  if self.is_drawn and self.width > 0 then self.out:write "\n" end
end

return Bar
