-- Whether a file is the one that it should be.
-- Runs once.

local core = require "sluice.core"
local digests = require "sluice.download.digests"
local server = require "spec.support.server"
local sluice = require "sluice"
local support = require "spec.support"

describe("the digest of a file", function()
  local directory, path
  local content = support.pattern(3 << 20)

  setup(function()
    directory = server.directory()
    path = server.write(directory .. "/file", content)
  end)
  teardown(function() server.remove(directory) end)

  local function base64(kind, text)
    local raw = support.from_hex(core.hash(kind, text))
    return core.base64(raw)
  end

  local function check(sha256, field) return digests.check(path, sha256, field, "try") end

  it("is checked where one is given, in every style", function()
    for _, call in support.each_style(sluice) do
      call(function()
        assert.is_true(check(nil, nil))
        assert.is_true(check(core.hash("sha256", content), nil))
        assert.is_true(check(core.hash("sha256", content):upper(), nil))
        local ok, message, err = check(("0"):rep(64), nil)
        assert.is_nil(ok)
        assert.equal(("try: sha-256 is %s, expected %s (sha256)"):format(
          core.hash("sha256", content), ("0"):rep(64)), message)
        assert.same({ "decode", "body", false }, { err.code, err.stage, err.retryable })
      end)
    end
  end)

  it("is read from a field of several, and what is unknown is passed over", function()
    local right, wrong = base64("sha512", content), base64("sha512", "x")
    for field, is_right in pairs {
      ["sha-512=:" .. right .. ":"] = true,
      ["sha-512=:" .. wrong .. ":"] = false,
      ["md5=:x:, sha-512=:" .. right .. ":"] = true,
      ["md5=:x:,\tsha-512=:" .. wrong .. ":"] = false,
      ["xsha-512=:" .. wrong .. ":"] = true,
      ["sha-512=" .. wrong] = true,
      ["sha-256=:" .. base64("sha256", content) .. ":,sha-512=:" .. wrong .. ":"] = false,
      [""] = true, [","] = true, ["sha-512=::"] = true,
    } do
      assert.equal(is_right or nil, (check(nil, field)), field)
    end
  end)

  it("lets others run while it is made", function()
    local turns = 0
    local other = sluice.spawn(function()
      while sluice.sleep(0) do turns = turns + 1 end
    end)
    assert.is_true(sluice.spawn(check, core.hash("sha256", content)):await())
    other:cancel()
    other:await()
    assert.is_true(turns >= 3, turns)
  end)

  describe("by a library that fails", function()
    local hasher = core.hasher
    after_each(function() core.hasher = hasher end)

    it("is passed over if a server alone names it, and cannot be made here", function()
      core.hasher = function(kind)
        if kind == "sha256" then return hasher(kind) end
        return nil, "no " .. kind, { code = "unsupported" }
      end
      local wrong = "sha-512=:" .. base64("sha512", "x") .. ":"
      assert.is_true(check(nil, wrong))
      assert.is_true(check(core.hash("sha256", content), wrong))
      core.hasher = function(kind) return nil, "no " .. kind, { code = "unsupported" } end
      assert.same({ nil, "no sha256", { code = "unsupported" } }, { check(("0"):rep(64), wrong) })
      core.hasher = function(kind) return nil, "no " .. kind, { code = "memory" } end
      assert.same({ nil, "no sha512", { code = "memory" } }, { check(nil, wrong) })
    end)

    it("is none", function()
      for _, method in ipairs { "update", "finish" } do
        core.hasher = function(kind)
          local one = hasher(kind)
          return {
            update = function(_, block) return one:update(block) end,
            finish = function() return one:finish() end,
            [method] = function() return nil, "broken", { code = "memory" } end,
          }
        end
        assert.same({ nil, "broken", { code = "memory" } },
          { check(core.hash("sha256", content)) })
      end
    end)
  end)

  it("fails if the file cannot be read", function()
    local _, message, err = digests.check(directory .. "/none", ("0"):rep(64), nil, "try")
    assert.equal("invalid", err.code)
    assert.matches("try: ", message, 1, true)
  end)
end)
