-- Runs once.
-- What doc/security.md promises is held by the tests that it names, and its table has every fuzz
-- target.

local server = require "spec.support.server"

local page = server.read "doc/security.md"

--- The cells behind the promises: "`file`: title; `file`: title".
local function shown_by(line)
  local list = {}
  for path, title in (line .. "; "):gmatch "`(spec/[%w_/]+%.%l+)`: (.-)%f[;|]" do
    list[#list + 1] = { path = path, title = title:gsub("%s+$", "") }
  end
  return list
end

describe("the security page", function()
  local count = 0

  for line in page:gmatch "\n(| [^\n]*`spec/[^\n]*) |%f[\n]" do
    for _, test in ipairs(shown_by(line)) do
      count = count + 1
      it(("names a test that is there: %s: %s"):format(test.path, test.title), function()
        local text = server.read(test.path)
        assert.is_truthy(text:find('"' .. test.title .. '"', 1, true), test.title)
      end)
    end
  end

  it("has a test for each promise", function()
    local promises = page:match "\n## Promises\n(.-)\n## "
    for line in promises:gmatch "\n(| %u[^\n]*)" do
      assert.is_true(#shown_by(line) > 0, line)
    end
    assert.is_true(count > 50)
  end)

  it("has every fuzz target in its table", function()
    local _, listing = server.run { "sh", "-c", "ls spec/c/fuzz/*_fuzz.c" }
    local named = page:match "\n| target in `spec/c/fuzz/` .-\n\n"
    for name in listing:gmatch "([%l_]+)_fuzz%.c" do
      assert.is_truthy(named:find("`" .. name .. "`", 1, true), name)
    end
  end)
end)
