--- The page of a run: what was measured, on what and when, as Markdown with pictures beside it.

local chart = require "chart"
local shell = require "shell"
local workloads = require "workloads"

local page = {}

page.FIGURES = "| workload | figure | must | aim | measured | spread | reached |\n"
  .. "| --- | --- | --: | --: | --: | --- | --- |\n"
page.CONTEXT = "| workload | contender | per | cpu us | user us | sys us | wall us | peak KiB "
  .. "| mallocs | system calls |\n| --- | --- | --- | --: | --: | --: | --: | --: | --: | --: |\n"
page.GROWTH = "| what, how many | cpu us | over the least |\n| --- | --: | --: |\n"

local CPU = "| workload | sluice / curl |\n| --- | --: |\n"

local function machine()
  local model = (shell.try("cat /proc/cpuinfo")):match("model name%s*:%s*([^\n]+)") or "unknown CPU"
  local kernel = (shell.try("uname -sr")):match("[^\n]+")
  local cores = (shell.try("nproc")):match("%d+")
  local curl = (shell.try("curl-config --version")):match("[^\n]+") or "libcurl"
  return ("%s, %s cores, %s, %s"):format(model, cores, kernel, curl)
end

--- The ratios of CPU time to curl's alone, as a table of two columns.
local function against_curl(figures)
  local lines, seen = {}, {}
  for _, line in ipairs(figures) do
    local name, measured = line:match "^| (%S+) | cpu/%a+ vs curl[^|]* |.-%*%*([%d.]+)%*%*"
    if name and not seen[name] then
      seen[name] = true
      lines[#lines + 1] = ("| %s | %s |"):format(name, measured)
    end
  end
  return lines
end

--- A picture of a table of two columns or more, beside the page; nothing without rows.
-- @return the line of the page that shows it
local function draw(folder, name, title, heading, head, lines)
  if #lines == 0 then return "" end
  local rows = {}
  for _, row in ipairs(chart.rows(head .. table.concat(lines, "\n") .. "\n", { heading })) do
    rows[#rows + 1] = row[1] and row or nil
  end
  shell.write(("%s/%s.svg"):format(folder, name), chart.draw(title, { heading }, rows))
  return ("![%s](%s.svg)\n"):format(title, name)
end

--- Writes README.md, cpu.svg and growth.svg.
-- @param folder where; it is made
-- @param made { figures =, context =, growth = }, lines of the tables; missing =, workloads that
-- gave no figure
-- @param options rounds, and `note`, a sentence on the circumstances
-- @param inflate what the build takes gzip off with
function page.write(folder, made, options, inflate)
  shell.run("mkdir -p " .. shell.quote(folder))
  local titles = {}
  for _, row in ipairs(workloads) do
    titles[#titles + 1] = ("- %s: %s"):format(row.name, row.title)
  end
  local function section(title, head, lines)
    if #lines == 0 then return "" end
    return ("## %s\n\n%s%s\n"):format(title, head, table.concat(lines, "\n"))
  end
  local parts = {
    "# Results of the benchmarks\n",
    ("Written by `make bench` on %s: %s;\n%s; %d rounds, interleaved, medians. Ratios are what\n"
      .. "counts; the times below them hold for this machine only.\n"):format(os.date "%Y-%m-%d",
      machine(), inflate, options.rounds),
    options.note and ("**%s**\n"):format(options.note) or "",
    #made.missing > 0 and "**Not measured: " .. table.concat(made.missing, ", ") .. "**\n" or "",
    draw(folder, "cpu", "CPU time, sluice over libcurl's multi interface: less is better",
      "sluice / curl", CPU, against_curl(made.figures)),
    section("Figures", page.FIGURES, made.figures),
    section("What each contender used", page.CONTEXT, made.context),
    section("Growth", page.GROWTH, made.growth),
    draw(folder, "growth", "What one costs, over the least of its row", "over the least",
      page.GROWTH, made.growth),
    "## Workloads\n",
    table.concat(titles, "\n") .. "\n",
  }
  local kept = {}
  for _, part in ipairs(parts) do
    if part ~= "" then kept[#kept + 1] = part end
  end
  shell.write(folder .. "/README.md", table.concat(kept, "\n"))
end

return page
