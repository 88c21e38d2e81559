-- The bytes of a download until they are complete.
-- Runs once.

local Partial = require "sluice.download.partial"
local lfs = require "lfs"
local server = require "spec.support.server"
local sluice = require "sluice"
local support = require "spec.support"

describe("the partial file of a download", function()
  local directory, path

  support.verify_each(function(keep)
    directory = keep(server.directory(), server.remove)
    path = directory .. "/file"
  end)

  local function write(partial, text, at)
    local buffer <close> = sluice.buffer()
    assert(buffer:append(text))
    local piece <close> = buffer:sequence()
    return partial:write(piece, at)
  end

  local function names() return server.names(directory) end

  local known = { etag = '"a"', total = 10 }

  it("is found again, with its version and as many bytes as there are", function()
    do
      local partial <close> = assert(Partial.open(path, "here"))
      assert.is_false(partial:can_go_on())
      assert.is_true(partial:begin(known))
      assert.is_false(partial:can_go_on())
      assert.is_true(write(partial, "0123", 0))
    end
    local partial <close> = assert(Partial.open(path, "here"))
    assert.is_true(partial:can_go_on())
    assert.same({ { { 0, 4 } }, known, true, 4 },
      { partial.done, partial.known, partial.is_ordered, partial:count() })
    assert.is_true(write(partial, "456789", 4))
    assert.is_true(partial:commit())
    assert.equal("0123456789", server.read(path))
    assert.same({ "file" }, names())
  end)

  it("takes a piece of many segments to its place", function()
    local text = support.pattern(2000000)
    local partial <close> = assert(Partial.open(path, "here"))
    assert(partial:begin { etag = '"a"', total = #text + 5 })
    assert(partial:scatter())
    assert.is_true(write(partial, text, 5))
    assert.same({ { 5, #text + 5 } }, partial.done)
    assert.is_true(write(partial, "01234", 0))
    assert.is_true(partial:commit())
    assert.is_true(server.read(path) == "01234" .. text)
  end)

  it("knows its ranges if they came in no order", function()
    do
      local partial <close> = assert(Partial.open(path, "here"))
      assert(partial:begin(known))
      assert(write(partial, "01", 0))
      assert.is_true(partial:scatter())
      assert(write(partial, "89", 8))
    end
    local partial <close> = assert(Partial.open(path, "here"))
    assert.same({ { 0, 2 }, { 8, 10 } }, partial.done)
    assert.is_false(partial.is_ordered)
    assert(write(partial, "234567", 2))
    assert.same({ { 0, 10 } }, partial.done)
    assert(partial:commit(true))
    assert.equal("0123456789", server.read(path))
  end)

  it("is found again if it could not be given its name", function()
    for _, is_ordered in ipairs { true, false } do
      do
        local partial <close> = assert(Partial.open(path, "here"))
        assert(partial:begin(known))
        assert(write(partial, "0123456789", 0))
        if not is_ordered then assert(partial:scatter()) end
        assert(lfs.mkdir(path))
        local ok, reason = partial:commit()
        assert.is_nil(ok)
        assert.equal("Is a directory", reason)
      end
      assert(lfs.rmdir(path))
      local partial <close> = assert(Partial.open(path, "here"))
      assert.same({ { { 0, 10 } }, known, is_ordered },
        { partial.done, partial.known, partial.is_ordered })
      assert.is_true(partial:commit())
      assert.equal("0123456789", server.read(path))
      assert.same({ "file" }, names())
      assert(os.remove(path))
    end
  end)

  it("notes its ranges at times", function()
    local partial <close> = assert(Partial.open(path, "here"))
    assert(partial:begin(known))
    assert(partial:scatter())
    local function noted() return server.read(path .. ".sluice-note"):match "ranges.*" end
    assert(write(partial, "89", 8))
    assert.equal("ranges 0\n", noted())
    partial.noted_at = partial.noted_at - 250000001
    assert(write(partial, "0", 0))
    assert.equal("ranges 2\nrange 0 1\nrange 8 10\n", noted())
    assert(write(partial, "1", 1))
    assert.equal("ranges 2\nrange 0 1\nrange 8 10\n", noted())
  end)

  it("leaves nothing behind that could not be gone on with", function()
    for _, version in ipairs { {}, { total = 10 } } do
      local partial <close> = assert(Partial.open(path, "here"))
      assert(partial:begin(version))
      assert(write(partial, "0123", 0))
    end
    do local partial <close> = assert(Partial.open(path, "here")) end -- luacheck: ignore
    assert.same({}, names())
    do
      local partial <close> = assert(Partial.open(path))
      assert(partial:begin(known))
      assert(write(partial, "0123", 0))
      assert.equal(1, #names())
    end
    assert.same({}, names())
  end)

  it("forgets one version before another begins", function()
    local partial <close> = assert(Partial.open(path, "here"))
    assert(partial:begin(known))
    assert(write(partial, "0123", 0))
    assert(partial:forget())
    assert.same({ "file.sluice-part" }, names())
    assert.equal(0, lfs.attributes(path .. ".sluice-part", "size"))
    assert(partial:begin { etag = '"b"' })
    assert(write(partial, "x", 0))
    assert.matches('etag "b"', server.read(path .. ".sluice-note"), 1, true)
    partial:discard()
    assert.same({}, names())
  end)
end)
