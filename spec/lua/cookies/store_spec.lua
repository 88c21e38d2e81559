-- Where cookies lie: what is replaced, what is evicted, and what that costs.
-- Runs once.

local Store = require "sluice.cookies.store"

local NOW = 1700000000

describe("a store of cookies", function()
  local store

  before_each(function() store = Store.new() end)

  local function put(name, changes, now)
    local cookie = { name = name, value = "v", domain = "site.example", host_only = true,
      path = "/", secure = false, http_only = false }
    for key, value in pairs(changes or {}) do cookie[key] = value end
    store:put(cookie, now or NOW)
  end

  --- The names of all cookies, the oldest first.
  local function names()
    local list = {}
    for i, cookie in ipairs(store:all()) do list[i] = cookie.name end
    return table.concat(list, " ")
  end

  --- Counts again what the store has counted.
  local function check()
    local count, secure = 0, 0
    for domain, list in pairs(store.domains) do
      assert.is_true(#list > 0 and #list <= 50, domain)
      count = count + #list
      for _, cookie in ipairs(list) do
        assert.equal(domain, cookie.domain)
        assert.equal(cookie.secure, (store.secure[cookie.name] or {})[cookie] == true)
        if cookie.secure then secure = secure + 1 end
      end
    end
    assert.equal(count, store.count)
    for name, set in pairs(store.secure) do
      assert.is_truthy(next(set), name)
      for _ in pairs(set) do secure = secure - 1 end
    end
    assert.equal(0, secure)
    assert.is_true(count <= 3000)
  end

  after_each(function() check() end)

  it("replaces a cookie of the same name, domain, host_only and path, which keeps its age",
    function()
      put("a")
      put("b")
      put("a", { path = "/x" })
      put("a", { host_only = false })
      put("a", { domain = "other.example" })
      put("A")
      assert.equal("a b a a a A", names())
      put("a", { value = "new", secure = true, http_only = true, expires = NOW + 9,
        same_site = "Lax" })
      assert.equal("a b a a a A", names())
      local first = store:all()[1]
      assert.same({ "new", true, true, NOW + 9, "Lax" },
        { first.value, first.secure, first.http_only, first.expires, first.same_site })
      put("a", { value = "newer" })
      assert.same({ "newer", false, false }, { first.value, first.secure, first.http_only })
      assert.is_nil(first.expires)
      assert.is_nil(first.same_site)
    end)

  it("keeps a copy: what the caller changes later changes nothing", function()
    local cookie = { name = "a", value = "v", domain = "d", host_only = true, path = "/",
      secure = false, http_only = false }
    store:put(cookie, NOW)
    cookie.value = "changed"
    assert.equal("v", store:all()[1].value)
  end)

  it("removes what has expired, when it is received and later", function()
    put("a")
    put("b", { expires = NOW + 10 })
    put("c", { expires = NOW + 20 })
    put("none", { expires = NOW })
    put("none", { expires = math.mininteger })
    assert.equal("a b c", names())
    put("a", { expires = NOW - 1 })
    assert.equal("b c", names())
    store:expire(NOW + 9)
    assert.equal("b c", names())
    store:expire(NOW + 10)
    assert.equal("c", names())
    store:expire(NOW + 20)
    assert.equal("", names())
    store:expire(NOW + 1000)
  end)

  it("expires what was replaced by one that ends later, or never, at that time", function()
    put("a", { expires = NOW + 10 })
    put("a", { expires = NOW + 30 })
    put("b", { expires = NOW + 10 })
    put("b")
    store:expire(NOW + 20)
    assert.equal("a b", names())
    store:expire(NOW + 40)
    assert.equal("b", names())
  end)

  it("changes its version exactly when requests might have other cookies", function()
    local version = store.version
    local function changes(is_change)
      assert.equal(is_change, store.version ~= version)
      version = store.version
    end
    put("a", { expires = NOW + 10 })
    changes(true)
    put("a", { expires = NOW + 10 })
    changes(false)
    put("a", { expires = NOW + 20, http_only = true, same_site = "Lax" })
    changes(false)
    put "a"
    changes(false)
    put("a", { expires = NOW + 20 })
    changes(true)
    put("a", { expires = NOW + 15 })
    changes(true)
    put("a", { expires = NOW + 15, value = "w" })
    changes(true)
    put("a", { expires = NOW + 15, value = "w", secure = true })
    changes(true)
    store:touch(store:all())
    store:expire(NOW)
    put("gone", { expires = NOW - 1 })
    changes(false)
    store:expire(NOW + 15)
    changes(true)
    store:clear()
    changes(false)
    put "a"
    store:clear()
    changes(true)
  end)

  it("clears a domain, or everything", function()
    put "a"
    put "b"
    put("c", { domain = "other.example", secure = true })
    assert.equal(0, store:clear "example")
    assert.equal(2, store:clear "site.example")
    assert.equal("c", names())
    assert.equal(1, store:clear())
    assert.equal(0, store:clear())
    assert.is_nil(next(store.domains))
  end)

  it("has 50 cookies of a domain: without room the least used one goes", function()
    for i = 1, 50 do put("n" .. i) end
    store:touch { store:all()[1] }
    put "n51"
    assert.equal(50, store.count)
    assert.is_truthy(names():find "^n1 n3 ")
    put("n3", { value = "new" })
    put "n52"
    assert.is_truthy(names():find "^n1 n3 n5 ")
  end)

  it("removes expired ones first, then those that are not secure", function()
    for i = 1, 25 do put("s" .. i, { secure = true }) end
    for i = 1, 23 do put("n" .. i) end
    put("x", { expires = NOW + 5, secure = true })
    put("y", { expires = NOW + 5 })
    put("z", nil, NOW + 5)
    assert.equal(49, store.count)
    assert.is_nil(names():find "[xy]")
    put "z2"
    put "z3"
    assert.is_truthy(names():find "^s1 .*s25 n2 n3")
    for i = 1, 60 do put("flood" .. i) end
    local all = names()
    for i = 1, 25 do assert.is_truthy(all:find("s" .. i .. " ", 1, true)) end
    assert.is_truthy(all:find "flood60$")
    for i = 1, 60 do put("t" .. i, { secure = true }) end
    assert.is_nil(names():find "flood")
    assert.is_truthy(names():find "^t11 ")
    put "late"
    assert.is_nil(names():find "late")
  end)

  it("has 3000 cookies in all: without room the least used one goes", function()
    local function domain(i) return ("h%d.example"):format((i - 1) // 40) end
    for i = 1, 3000 do put("n" .. i, { domain = domain(i) }) end
    assert.equal(3000, store.count)
    store:touch { store:all()[1], store:all()[3] }
    put("more", { domain = "other.example" })
    assert.equal(3000, store.count)
    assert.is_truthy(names():find "^n1 n3 n4 ")
    for i = 1, 10 do put("m" .. i, { domain = "other.example" }) end
    assert.is_truthy(names():find "^n1 n3 n14 ")
    -- used between two evictions
    store:touch { store:all()[3] }
    put("m11", { domain = "other.example" })
    assert.is_truthy(names():find "^n1 n3 n14 n16 ")
    -- removed while they wait to be evicted
    assert.equal(28, store:clear "h0.example")
    assert.equal(40, store:clear "h1.example")
    for i = 1, 68 do put("l" .. i, { domain = ("l%d.example"):format(i // 40) }) end
    assert.equal(3000, store.count)
    assert.is_truthy(names():find "^n81 ")
    put("l69", { domain = "l1.example" })
    assert.equal(3000, store.count)
    assert.is_truthy(names():find "^n82 ")
    for i = 1, 3100 do put("k" .. i, { domain = ("k%d.example"):format(i // 40) }) end
    assert.is_nil(names():find "n%d")
    assert.is_truthy(names():find "k3100$")
  end)

  it("takes a flood of cookies in time and memory that do not grow", function()
    local value = ("v"):rep(4000)
    local function flood(count)
      for i = 1, count do
        put("n" .. i, { domain = ("f%d.example"):format(i % 997), value = value .. i })
      end
      collectgarbage()
      return collectgarbage "count"
    end
    local began = os.clock()
    local first = flood(10000)
    local second = flood(20000)
    assert.is_true(os.clock() - began < 20)
    assert.equal(3000, store.count)
    assert.is_true(second < first * 1.1 + 100, ("%.0f after %.0f KiB"):format(second, first))
  end)
end)
