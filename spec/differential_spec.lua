--- The wire fixtures beside parsers that were not written here.

local function output(command)
  local pipe = assert(io.popen(command .. " 2>&1"))
  local text = pipe:read("a")
  return pipe:close() == true, text
end

local function agrees_with(parser)
  local is_good, text = output("/usr/bin/python3 spec/differential/compare.py " .. parser)
  assert.is_true(is_good, text)
  assert.matches("^%d+ passed, 0 failed\n$", text)
end

describe("what the fixtures say", function()
  it("is what h11 says, or its difference is explained", function() agrees_with("h11") end)

  -- Versions before 9 have other defects to explain.
  local _, version = output("node -p process.versions.llhttp")
  if tonumber(version:match("^(%d+)%.") or 0) >= 9 then
    it("is what strict llhttp says, or its difference is explained",
      function() agrees_with("llhttp") end)
  end
end)
