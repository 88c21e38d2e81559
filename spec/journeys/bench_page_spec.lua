-- Runs once.
-- The page of a benchmark has every figure that was measured, and pictures of them beside it.

local server = require "spec.support.server"

describe("the page of a benchmark", function()
  local path, page, report, directory = package.path, nil, nil, nil

  setup(function()
    package.path = "bench/harness/?.lua;bench/?.lua;" .. path
    page, report = require "page", require "report"
    directory = server.directory()
  end)
  teardown(function()
    for _, name in ipairs { "chart", "figures", "page", "report", "shell", "workloads" } do
      package.loaded[name] = nil
    end
    package.path = path
    server.remove(directory)
  end)

  local row = {
    name = "W1", per = "request",
    contenders = { { name = "sluice" }, { name = "curl" } },
    figures = { { field = "cpu", of = "sluice", over = "curl", must = 0.9, aim = 0.2 } },
  }
  local rounds = {
    { sluice = { cpu = 2e-6, user = 1e-6, sys = 1e-6, wall = 3e-6, rss = 64 },
      curl = { cpu = 4e-6 } },
    { sluice = { cpu = 3e-6 }, curl = { cpu = 5e-6 } },
  }
  local grown = { stream = { what = "sizes", points = {
    { size = 1024, us = 500 }, { size = 1 << 20, us = 10, is_compared = true },
    { size = 1 << 30, us = 15, is_compared = true },
  } } }

  it("has ratios, what each contender used, growth, and the circumstances", function()
    page.write(directory .. "/results", {
      figures = report.figures(row, rounds, { "stream" }),
      context = report.context(row, rounds, { sluice = { mallocs = 2, calls = 3 } }),
      growth = report.growth({ name = "G6" }, grown, { "stream" }),
      missing = { "W7a", "W9" },
    }, { rounds = 2, note = "On a busy machine." }, "sluice inflates with zlib")
    local text = server.read(directory .. "/results/README.md")
    for _, wanted in ipairs {
      os.date "%Y-", "2 rounds", "**On a busy machine.**", "**Not measured: W7a, W9**",
      "sluice inflates with zlib",
      "| W1 | cpu/request vs curl | 0.90 | 0.20 | **0.56** | 0.50 - 0.60 | must |",
      "| W1 | sluice | request | 2.50 | 1.00 | 1.00 | 3.00 | 64 | 2.00 | 3.00 |",
      "| W1 | curl | request | 4.50 | - | - | - | - | - | - |",
      "| G6 sizes, 1 KiB | 500.00 | - |", "| G6 sizes, 1 GiB | 15.00 | 1.50 |",
      "(cpu.svg)", "(growth.svg)",
    } do
      assert.is_truthy(text:find(wanted, 1, true), wanted)
    end
    assert.is_truthy(server.read(directory .. "/results/cpu.svg"):find(">0.56<", 1, true))
    local growth = server.read(directory .. "/results/growth.svg")
    assert.is_truthy(growth:find(">1.50<", 1, true))
    assert.is_nil(growth:find("1 KiB", 1, true))
  end)

  it("has no table and no picture of what was not measured", function()
    local nothing = { figures = {}, context = {}, growth = {}, missing = {} }
    page.write(directory .. "/empty", nothing, { rounds = 1 }, "")
    local text = server.read(directory .. "/empty/README.md")
    assert.is_nil(text:find("## Growth", 1, true))
    assert.is_nil(text:find("svg", 1, true))
    assert.is_nil(text:find("Not measured", 1, true))
  end)

  it("gives the README its chart: a row for each name, a column for each transport", function()
    local figures = require "figures"
    local of_modes = { sluice = { cpu = 1e-6 }, ["sluice stream+poll"] = { cpu = 3e-6 },
      curl = { cpu = 4e-6 } }
    local other = setmetatable({ name = "W2n" }, { __index = row })
    local lines = report.figures(row, { of_modes }, { "stream", "stream+poll" })
    table.move(report.figures(other, rounds, { "stream" }), 1, 1, #lines + 1, lines)
    page.write(directory .. "/chart", { figures = lines, context = {}, growth = {}, missing = {} },
      { rounds = 1 }, "")
    assert.same({
      { name = "sequential small GET, fast origin (W1)", 0.25, 0.75 },
      { name = "small GET, 64 connections, nginx (W2n)", 0.56, false },
    }, figures.against_curl(server.read(directory .. "/chart/README.md"), { "W1", "W2n" },
      { "stream", "stream+poll" }))
  end)
end)
