--- What the page of a benchmark says: ratios to libcurl, for pictures and documents.

local figures = {}

--- The titles of the workloads by their names, as the end of the page lists them.
local function titles_in(page)
  local titles = {}
  for name, title in page:gmatch "\n%- (%w+): ([^\n]+)" do titles[name] = title end
  return titles
end

--- CPU time over libcurl's: rows for chart.draw, in the order of the names.
-- @param page the text of a page that bench/run wrote
-- @param names of workloads
-- @param modes of transport, a column for each; a row without modes is of the first
function figures.against_curl(page, names, modes)
  local titles, rows = titles_in(page), {}
  for _, name in ipairs(names) do
    local row = { name = ("%s (%s)"):format(titles[name] or "?", name) }
    for i, mode in ipairs(modes) do
      local label = "| cpu/%a+ vs curl %(" .. mode:gsub("%p", "%%%0") .. "%) |"
      local plain = i == 1 and "| cpu/%a+ vs curl |"
      row[i] = false
      for line in page:gmatch("\n| " .. name .. " (|[^\n]+)") do
        if line:find("^" .. label) or plain and line:find("^" .. plain) then
          row[i] = tonumber(line:match "%*%*([%d.]+)%*%*")
        end
      end
    end
    rows[#rows + 1] = row
  end
  return rows
end

return figures
