-- What a cache holds, and what it lets go.
-- Runs once.

local Store = require "sluice.interceptors.cache_store"

describe("the store of a cache", function()
  local disposed

  before_each(function() disposed = {} end)

  local function entry(key, size, name)
    name = name or key
    return { key = key, size = size, sequence = { dispose = function()
      assert.is_nil(disposed[name])
      disposed[name] = true
    end } }
  end

  it("keeps so many entries, and lets go what was used longest ago", function()
    local store = Store.new(1000, 3)
    local a = entry("a", 1)
    store:add(a)
    store:add(entry("b", 1))
    store:add(entry("c", 1))
    store:touch(a)
    store:add(entry("d", 1))
    assert.same({ b = true }, disposed)
    assert.same({ 3, 3, 1 }, { store.count, store.bytes, store.evictions })
    assert.equal(a, store:list("a")[1])
    assert.is_nil(store:list "b")
  end)

  it("keeps so many bytes", function()
    local store = Store.new(10, 100)
    for i = 1, 5 do store:add(entry(tostring(i), 4)) end
    assert.equal(8, store.bytes)
    store:add(entry("large", 10))
    assert.same({ 1, 10 }, { store.count, store.bytes })
    store:add(entry("too large", 11))
    assert.same({ 0, 0 }, { store.count, store.bytes })
    assert.is_nil(next(store.lists))
  end)

  it("keeps a few variants of one key", function()
    local store = Store.new(1000, 100)
    for i = 1, 20 do store:add(entry("a", 1, "a" .. i)) end
    assert.equal(16, #store:list "a")
    assert.is_true(disposed.a4)
    assert.is_nil(disposed.a5)
  end)

  it("removes one, those of a key, or all, each once", function()
    local store = Store.new(1000, 100)
    local one = entry("a", 1, "a1")
    store:add(one)
    store:add(entry("a", 1, "a2"))
    store:add(entry("b", 1))
    store:add(entry("c", 1))
    store:remove(one)
    store:remove(one)
    store:remove_all "a"
    store:remove_all "none"
    assert.same({ a1 = true, a2 = true }, disposed)
    store:clear()
    store:clear()
    assert.same({ 0, 0, 0 }, { store.count, store.bytes, store.evictions })
    assert.is_nil(store.newest)
    store:add(entry("d", 1))
    assert.equal(1, store.count)
  end)
end)
