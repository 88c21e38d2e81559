--- The generated doc/conformance.md is up to date with the tests and fixtures.
-- Runs once.

describe("the table of conformance", function()
  local conformance = dofile("spec/conformance/table.lua")

  it("names only tests that exist, and all rules that fixtures show", function()
    local _, _, problems = conformance.build()
    assert.same({}, problems)
  end)

  it("is up to date with the tests", function()
    local file <close> = assert(io.open("doc/conformance.md", "rb"))
    assert.is_true(conformance.build() == file:read("a"),
      "run: lua5.4 spec/conformance/table.lua >doc/conformance.md")
  end)
end)
