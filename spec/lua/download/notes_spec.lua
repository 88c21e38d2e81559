-- What is noted beside the bytes of a download.
-- Runs once.

local lfs = require "lfs"
local notes = require "sluice.download.notes"
local server = require "spec.support.server"

describe("the notes of a download", function()
  local directory, path

  before_each(function()
    directory = server.directory()
    path = directory .. "/note"
  end)
  after_each(function() server.remove(directory) end)

  it("come back as they were written, for their own source alone", function()
    for _, case in ipairs {
      { { etag = '"a"', total = 5 } },
      { { modified = "Sun, 06 Nov 1994 08:49:37 GMT", digest = "sha-256=:x:", total = 1 << 62 } },
      { { etag = '"\xE4 b"' }, { { 0, 5 }, { 7, 8 } } },
      { { etag = '"a"', total = 0 }, {} },
    } do
      assert.is_true(notes.write(path, "here", case[1], case[2]))
      assert.same({ case[1], case[2] }, { notes.read(path, "here") })
      assert.is_nil(notes.read(path, "there"))
    end
  end)

  it("are the owner's alone, and replaced as a whole", function()
    assert.is_true(notes.write(path, "here", { etag = '"a"' }))
    assert.equal("rw-------", lfs.attributes(path, "permissions"))
    assert.is_true(notes.write(path, "here", { etag = '"b"' }))
    assert.equal('sluice download 1\nsource here\netag "b"\n', server.read(path))
    -- A process was killed while it wrote them.
    server.write(path .. ".sluice-part", ("x"):rep(1000))
    assert.is_true(notes.write(path, "here", { etag = '"c"' }))
    assert.equal('sluice download 1\nsource here\netag "c"\n', server.read(path))
    assert.equal("rw-------", lfs.attributes(path, "permissions"))
    assert.is_nil(lfs.attributes(path .. ".sluice-part"))
    server.write(path .. ".sluice-part", "x")
    notes.remove(path)
    assert.is_nil(lfs.attributes(path))
    assert.is_nil(lfs.attributes(path .. ".sluice-part"))
    local ok, reason = notes.write(directory .. "/none/note", "here", {})
    assert.is_nil(ok)
    assert.matches("No such file", reason)
  end)

  it("are none if they are of another kind", function()
    for _, text in ipairs { "", "\n", "sluice download 2\nsource here\n", "source here\n",
      "sluice download 1\nsource here\nother x\n", "sluice download 1\nsource here\ntotal -1\n",
      "sluice download 1\nsource here\nrange 0 5\n", "\0", ("x"):rep(100000),
      "sluice download 1\nsource here\nranges 1\nrange 0 5x\n",
      "sluice download 1\nsource here\nranges 1\nrange 5 5\n",
      "sluice download 1\nsource here\nranges 1\nrange 0 99999999999999999999\n" } do
      server.write(path, text)
      assert.is_nil(notes.read(path, "here"), text:sub(1, 100))
    end
    os.remove(path)
    assert.is_nil(notes.read(path, "here"))
    assert.is_nil(notes.read(directory, "here"))
  end)
end)
