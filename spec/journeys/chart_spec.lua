-- Runs once.
-- bench/chart.lua draws what a table says, and the README names a figure of it.

local chart = dofile "bench/chart.lua"
local server = require "spec.support.server"

local page = [[
| other | table |
| --- | --- |
| x | 5 |

| workload | sluice | theirs |
| --- | --: | --: |
| small (W1) | 0.50 - 0.75 | 2 |
| large & <long> (W2) | 0.25 (0.2 - 0.3) | - |

| workload | sluice | theirs |
| --- | --: | --: |
| of another table | 9 | 9 |
]]

describe("a chart", function()
  it("has the rows of the first table with its headings, and the greater of two numbers", function()
    assert.same({ { name = "small (W1)", 0.75, 2 }, { name = "large & <long> (W2)", 0.25, false } },
      chart.rows(page, { "sluice", "theirs" }))
    assert.same({ { name = "x", 5 } }, chart.rows(page, { "table" }))
  end)

  it("has the rows in whose names a word stands", function()
    local rows = chart.rows(page, { "theirs", "sluice" }, "W2,W3")
    assert.same({ { name = "large & <long> (W2)", false, 0.25 } }, rows)
    assert.same(1, #chart.rows(page, { "sluice" }, "W1"))
  end)

  it("is not drawn of a table that is not there, or of no row", function()
    assert.error_matches(function() chart.rows(page, { "sluice", "nothing" }) end,
      "no table has the headings: sluice, nothing", 1, true)
    assert.has_error(function() chart.rows(page, { "sluice" }, "W7") end)
  end)

  it("has bars as long as the numbers, a line at 1, and text that is escaped", function()
    local rows = chart.rows(page, { "sluice", "theirs" })
    local picture = chart.draw("A & B", { "sluice", "theirs" }, rows)
    local lengths = {}
    for width in picture:gmatch '<rect x="300" y="[%d.]+" width="([%d.]+)"' do
      lengths[#lengths + 1] = tonumber(width)
    end
    -- The first one stands beside a heading, above the bars.
    assert.same({ 10, 135, 360, 45 }, lengths)
    assert.matches('<path d="M480.0 ', picture, 1, true)
    assert.matches("<title>A &amp; B</title>", picture, 1, true)
    assert.matches(">large &amp; &lt;long&gt; (W2)<", picture, 1, true)
  end)

  it("of the README shows the figure that the README names", function()
    local figure = server.read "README.md":match "connections cost ([%d.]+) of the CPU time"
    assert.matches(">" .. figure .. "<", server.read "doc/cpu.svg", 1, true)
  end)
end)
