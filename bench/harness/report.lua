--- Figures from runs, and the page that shows them.

local report = {}

function report.median(list)
  local sorted = table.move(list, 1, #list, 1, {})
  table.sort(sorted)
  local middle = #sorted // 2
  if #sorted % 2 == 1 then
    return sorted[middle + 1]
  end
  return (sorted[middle] + sorted[middle + 1]) / 2
end

--- The values of one field over all rounds of a contender; empty when it does not tell.
local function values(rounds, name, field)
  local list = {}
  for _, round in ipairs(rounds) do
    list[#list + 1] = round[name] and round[name][field]
  end
  return list
end

local function verdict(value, must, aim)
  if aim and value <= aim then
    return "aim"
  elseif must and value <= must then
    return "must"
  end
  return must and "missed" or "-"
end

local function format(value)
  if not value then
    return "-"
  elseif value == math.floor(value) then
    return ("%d"):format(value)
  end
  return (math.abs(value) < 100 and "%.2f" or "%.0f"):format(value)
end

-- A figure of a timed row: one contender's median, or its ratio to another's.
local function timed(rounds, figure, of)
  local own = values(rounds, of, figure.field)
  if #own == 0 then
    return
  end
  if not figure.over then
    return report.median(own), math.min(table.unpack(own)), math.max(table.unpack(own))
  end
  local other = values(rounds, figure.over, figure.field)
  if #other == 0 then
    return
  end
  local ratios = {}
  for i = 1, math.min(#own, #other) do
    ratios[i] = own[i] / other[i]
  end
  return report.median(own) / report.median(other), math.min(table.unpack(ratios)),
    math.max(table.unpack(ratios))
end

--- The lines of the table for a row, one for each figure (and transport).
-- @param results rounds of a timed row, or { [mode] = numbers } of a counted one
function report.figures(row, results, modes)
  local lines = {}
  local function add(label, figure, mode, value, low, high)
    if value then
      local goal = figure.by_mode and figure.by_mode[mode] or figure
      lines[#lines + 1] = ("| %s | %s | %s | %s | **%s** | %s | %s |"):format(
        row.name, label, format(goal.must), format(goal.aim), format(value),
        low and format(low) .. " - " .. format(high) or "",
        verdict(value, goal.must, goal.aim))
    end
  end
  for _, figure in ipairs(row.figures) do
    for _, mode in ipairs(figure.is_context and { modes[1] } or modes) do
      local suffix = #modes > 1 and not figure.is_context and " (" .. mode .. ")" or ""
      if row.measure then
        local label = figure.field .. ", " .. figure.unit .. suffix
        add(label, figure, mode, results[mode] and results[mode][figure.field])
      else
        local of = mode == modes[1] and figure.of or figure.of .. " " .. mode
        local unit = figure.over and "/" .. row.per .. " vs " .. figure.over
          or ", " .. figure.unit
        local what = figure.of == "sluice" and "" or figure.of .. ": "
        add(what .. figure.field .. unit .. suffix, figure, mode, timed(results, figure, of))
      end
    end
  end
  return lines
end

local function kilo(size)
  for _, unit in ipairs { "GiB", "MiB", "KiB" } do
    local one = ({ GiB = 1 << 30, MiB = 1 << 20, KiB = 1 << 10 })[unit]
    if size >= one then return ("%d %s"):format(size // one, unit) end
  end
end

--- The lines of a growth row for each of its transports: what one costs at each count, and how
-- many times the least of those that are compared that is.
function report.growth(row, results, modes)
  local lines = {}
  for _, mode in ipairs(modes) do
    local result = results[mode]
    local points = result and result.points or {}
    local least = math.huge
    for _, point in ipairs(points) do
      if point.is_compared then least = math.min(least, point.us) end
    end
    for _, point in ipairs(points) do
      local size = result.what == "sizes" and kilo(point.size) or ("%d"):format(point.size)
      local over = point.is_compared and ("%.2f"):format(point.us / least) or "-"
      lines[#lines + 1] = ("| %s %s, %s%s | %.2f | %s |"):format(row.name, result.what, size,
        #modes > 1 and " (" .. mode .. ")" or "", point.us, over)
    end
  end
  return lines
end

--- The lines of the context: what each contender used, in microseconds per unit.
-- @param used { [name] = { mallocs =, calls = } } per unit
function report.context(row, rounds, used)
  local lines = {}
  local names = {}
  for _, contender in ipairs(row.contenders) do
    names[#names + 1] = contender.name
  end
  for _, name in ipairs(names) do
    local cells = {}
    for _, field in ipairs { "cpu", "user", "sys", "wall" } do
      local list = values(rounds, name, field)
      cells[#cells + 1] = #list > 0 and ("%.2f"):format(report.median(list) * 1e6) or "-"
    end
    local rss = values(rounds, name, "rss")
    cells[#cells + 1] = #rss > 0 and ("%d"):format(math.floor(report.median(rss))) or "-"
    for _, field in ipairs { "mallocs", "calls" } do
      local value = used[name] and used[name][field]
      cells[#cells + 1] = value and ("%.2f"):format(math.max(0, value)) or "-"
    end
    lines[#lines + 1] = ("| %s | %s | %s | %s |"):format(
      row.name, name, row.per, table.concat(cells, " | "))
  end
  return lines
end

return report
