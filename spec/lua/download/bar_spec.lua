-- What a person sees of a download.
-- Runs once.

local Bar = require "sluice.download.bar"

describe("a bar", function()
  local path, out

  before_each(function()
    path = os.tmpname()
    out = assert(io.open(path, "w+b"))
  end)
  after_each(function()
    out:close()
    os.remove(path)
  end)

  local function shown()
    out:flush()
    out:seek "set"
    return out:read "a"
  end

  it("says how far it is, how fast, and how long it will take", function()
    local bar = Bar.new("/tmp/some file", out)
    for expected, report in pairs {
      ["some file   0% [                    ] 0 B of 1000 B"] = { 0, 1000 },
      ["some file  50% [##########          ] 512 B of 1.0 KiB, 100 B/s, 0:06"] =
        { 512, 1024, 100.7, 5.12 },
      ["some file  99% [################### ] 10.0 GiB of 10.0 GiB, 1.5 MiB/s, 1:00:01"] =
        { (10 << 30) - 1, 10 << 30, 1.5 * (1 << 20), 3601 },
      ["some file 100% [####################] 0 B of 0 B"] = { 0, 0 },
      ["some file 100% [####################] 2.0 TiB of 2.0 TiB, 7 B/s"] =
        { 2 << 40, 2 << 40, 7, 0 },
      ["some file 1.0 MiB, 1.0 KiB/s"] = { 1 << 20, nil, 1024 },
    } do
      assert.equal(expected, bar:text(table.unpack(report, 1, 4)))
    end
  end)

  it("shows a name as plain text, and not all of a long one", function()
    assert.equal("a\\x1B[2Jb 0 B", Bar.new("a\27[2Jb", out):text(0))
    assert.is_true(#Bar.new(("x"):rep(300), out):text(0) < 40)
  end)

  it("writes a line now and then, and one at the end, where there is no terminal", function()
    do
      local bar <close> = Bar.new("file", out)
      for done = 0, 100 do bar:show(done, 100) end
      bar:show(100, 100)
    end
    assert.equal("file   0% [                    ] 0 B of 100 B\n"
      .. "file 100% [####################] 100 B of 100 B\n", shown())
  end)

  it("draws over its own line on a terminal, and ends it", function()
    do
      local bar <close> = Bar.new("file", out)
      bar.is_drawn = true
      bar:show(1000)
      bar:show(9)
    end
    assert.equal("\rfile 1000 B\rfile 9 B   \n", shown())
  end)
end)
