--- Draws a table of a Markdown page as bars, on standard output as SVG.
--
--     lua5.4 bench/chart.lua PAGE TITLE [--rows=W1,W2n] COLUMN...
--     lua5.4 bench/chart.lua bench/README.md "CPU time, sluice / other" "vs ws" "vs wslay"
--
-- PAGE is a Markdown file, TITLE stands above the picture, and each COLUMN is the heading of a
-- column to draw, one to four of them. The first table of the page with all of these headings is
-- taken: a group of bars for each row, named by its first cell. --rows keeps the rows in whose
-- name one of these words stands.
--
-- The length of a bar is the first number of its cell, and the greater one of a cell like
-- "0.80 - 0.89". A cell without a number has no bar. A line marks 1, where both cost the same. The
-- same page always gives the same bytes.

local chart = {}

local colors = { "#2563a8", "#d9822b", "#4d8a4d", "#8a5a9e" }
local left, bar, gap, width = 300, 14, 12, 720
local scale_width = width - left - 60

local function cells_of(line)
  local cells = {}
  for cell in line:gmatch "|%s*([^|]-)%s*%f[|]" do cells[#cells + 1] = cell end
  return cells
end

--- The indexes of these headings among the cells; nil if one is missing.
local function columns_of(cells, headings)
  local place, columns = {}, {}
  for i, cell in ipairs(cells) do place[cell] = i end
  for i, heading in ipairs(headings) do
    if not place[heading] then return nil end
    columns[i] = place[heading]
  end
  return columns
end

local function number_in(cell)
  return tonumber(cell:match "^%s*[%d.]+ %- (%d+%.?%d*)" or cell:match "%d+%.?%d*") or false
end

--- Whether one of the words stands in a name; true without words.
local function is_wanted(name, words)
  for word in (words or ""):gmatch "%w+" do
    if name:find("%f[%w]" .. word .. "%f[%W]") then return true end
  end
  return words == nil
end

--- The rows of the first table of a text with these headings: { name =, [1] =, ... }, a number, or
-- false without one, for each heading. Raises if there is no such table.
function chart.rows(text, headings, words)
  local columns, rows = nil, {}
  for line in (text .. "\n"):gmatch "(.-)\n" do
    local cells = line:find "^|" and cells_of(line)
    if not columns then
      columns = cells and columns_of(cells, headings)
    elseif not cells then
      break
    elseif not line:find "^|[%s:|-]*$" and is_wanted(cells[1], words) then
      local row = { name = cells[1] }
      for i, column in ipairs(columns) do row[i] = number_in(cells[column] or "") end
      rows[#rows + 1] = row
    end
  end
  if not columns or #rows == 0 then
    error("no table has the headings: " .. table.concat(headings, ", "), 2)
  end
  return rows
end

local function escape(text)
  return (text:gsub("[&<>]", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;" }))
end

local function text_at(x, y, attributes, text)
  return ('  <text x="%g" y="%g"%s>%s</text>'):format(x, y, attributes, escape(text))
end

--- The picture of such rows.
function chart.draw(title, headings, rows)
  local most = 1
  for _, row in ipairs(rows) do
    for i = 1, #headings do most = math.max(most, row[i] or 0) end
  end
  local scale = scale_width / most
  local group = #headings * bar + gap
  local top = 58
  local height = top + #rows * group + 10

  local lines = {
    ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d"'):format(
      width, height, width, height),
    '     font-family="sans-serif" font-size="12">',
    "  <title>" .. escape(title) .. "</title>",
    ('  <rect width="%d" height="%d" fill="#ffffff"/>'):format(width, height),
    text_at(10, 20, ' font-size="14" font-weight="bold"', title),
  }
  local function add(line) lines[#lines + 1] = line end

  for i, heading in ipairs(headings) do
    local x = left + (i - 1) * 110
    add(('  <rect x="%g" y="32" width="10" height="10" fill="%s"/>'):format(x, colors[i]))
    add(text_at(x + 15, 41, "", heading))
  end
  for r, row in ipairs(rows) do
    local y = top + (r - 1) * group
    add(text_at(left - 8, y + #headings * bar / 2 + 4, ' text-anchor="end"', row.name))
    for i = 1, #headings do
      if row[i] then
        local from = y + (i - 1) * bar
        add(('  <rect x="%d" y="%g" width="%.1f" height="%d" fill="%s"/>'):format(left, from,
          row[i] * scale, bar - 2, colors[i]))
        add(text_at(left + row[i] * scale + 4, from + bar - 4, "", ("%.2f"):format(row[i])))
      end
    end
  end
  add(('  <path d="M%.1f %d V%d" stroke="#888888" stroke-dasharray="3 3"/>'):format(left + scale,
    top - 6, height - 10))
  add "</svg>"
  return table.concat(lines, "\n") .. "\n"
end

--- The picture of a table of that file; `words` as in --rows, nil for all.
function chart.of(path, title, headings, words)
  assert(#headings >= 1 and #headings <= #colors, "one to four columns")
  local file <close> = assert(io.open(path))
  return chart.draw(title, headings, chart.rows(file:read "a", headings, words))
end

if arg and arg[0] and arg[0]:find "chart%.lua$" then
  local words = (arg[3] or ""):match "^%-%-rows=(.*)"
  local headings = { table.unpack(arg, words and 4 or 3) }
  if #headings == 0 then
    io.stderr:write "bench/chart.lua PAGE TITLE [--rows=WORD,WORD] COLUMN...\n"
    os.exit(2)
  end
  io.write(chart.of(arg[1], arg[2], headings, words))
end

return chart
