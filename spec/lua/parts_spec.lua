-- Parts of request bodies, read piece by piece: the way of a body with a function among them.
-- Runs once.

local parts = require "sluice.parts"
local server = require "spec.support.server"
local support = require "spec.support"

local pattern = support.pattern
local lease_of = support.lease

local function function_of(...)
  local pieces, index = { ... }, 0
  return function()
    index = index + 1
    return pieces[index]
  end
end

describe("the reader of parts", function()
  local directory

  support.verify_each(function(keep) directory = keep(server.directory(), server.remove) end)

  local function make(...)
    local list = {}
    for i, value in ipairs { ... } do list[i] = assert(parts.make("part " .. i, value)) end
    return list
  end

  --- All pieces as one text; or nil, what there was, and the reason.
  local function read_all(list)
    local read, pieces = parts.reader(list), {}
    while true do
      local piece, reason = read()
      if reason then return nil, table.concat(pieces), reason end
      if piece == nil then return table.concat(pieces) end
      pieces[#pieces + 1] = type(piece) == "string" and piece or piece:tostring()
    end
  end

  it("gives every kind in order, and nothing of empty ones", function()
    local path = server.write(directory .. "/file", "0123456789")
    local empty = server.write(directory .. "/empty", "")
    local file <close> = assert(io.open(path, "rb"))
    file:seek("set", 4)
    local lease <close> = lease_of "lease "
    local nothing <close> = lease_of ""
    local sequence <close> = lease:sequence()
    local list = make("", "text ", lease, nothing, { path = empty }, sequence,
      { path = path }, { read = function_of(" a", "", "b ") }, file, { read = function_of() })
    assert.equal("text lease lease 0123456789 ab 456789", read_all(list))
    assert.equal(4, file:seek())
    for _, part in ipairs(list) do
      if part.is_owned then part.value:close() end
    end
  end)

  it("reads a large file in pieces, whoever else moves its position", function()
    local path = server.write(directory .. "/file", pattern(300001))
    local file <close> = assert(io.open(path, "rb"))
    local read, pieces = parts.reader(make(file)), {}
    for piece in read do
      pieces[#pieces + 1] = piece
      assert.is_true(#piece <= 65536)
      file:seek("set", #pieces * 100)
    end
    assert.is_true(table.concat(pieces) == pattern(300001))
  end)

  it("ends a file that has grown where it ended, and fails for one that has shrunk", function()
    local path = server.write(directory .. "/file", "0123456789")
    local file <close> = assert(io.open(path, "rb"))
    local list = make(file)
    server.write(path, "0123456789abc")
    assert.equal("0123456789", read_all(list))
    server.write(path, "01234")
    local all, got, reason = read_all(list)
    assert.is_nil(all)
    assert.equal("", got)
    assert.equal("part 1: has shrunk since the request was made", reason)
    server.write(path, "")
    assert.matches("has shrunk", select(3, read_all(list)))
  end)

  it("reads no more of a large file that has grown", function()
    local text = pattern(200000)
    local path = server.write(directory .. "/file", text:sub(1, 100000))
    local file <close> = assert(io.open(path, "rb"))
    local list = make(file, { path = path })
    server.write(path, text)
    assert.is_true(read_all(list) == text:sub(1, 100000):rep(2))
    list[2].value:close()
  end)

  it("names the part whose function fails, or ends too early", function()
    assert.same({ nil, "a", "part 2: dry" },
      { read_all(make("a", { read = function() return nil, "dry" end })) })
    assert.same({ nil, "abc", "part 1: ended after 3 bytes instead of 4" },
      { read_all(make({ read = function_of "abc", length = 4 })) })
    assert.error_matches(function() read_all(make { read = function() return {} end }) end,
      "request body: piece: string, sequence or lease expected, got table")
  end)
end)

describe("parts", function()
  support.verify_each()

  it("are refused at the line of the caller's caller", function()
    local dead = lease_of "x"
    dead:dispose()
    for text, value in pairs { ["unknown option 'one.y'"] = { path = "x", y = 1 },
      ["one: string, lease, sequence, file or { path = } expected, got table"] = {},
      ["one: string, lease, sequence, file or { path = } expected, got nil"] = false,
      ["one: use of disposed lease"] = dead } do
      local line
      local ok, message = pcall(function()
        line = debug.getinfo(1, "l").currentline + 1
        parts.check("request", "one", value or nil, 1)
      end)
      assert.is_false(ok)
      assert.equal(("spec/lua/parts_spec.lua:%d: request: %s"):format(line, text), message)
    end
  end)

  it("are named by the end of a long path", function()
    for size, shown in pairs { [128] = "/" .. ("x"):rep(127), [129] = "..." .. ("x"):rep(125) } do
      local part, message, err = parts.make("one", { path = "/" .. ("x"):rep(size - 1) })
      assert.is_nil(part)
      assert.equal(("one '%s': No such file or directory"):format(shown), message)
      assert.equal("invalid", err.code)
    end
  end)

  it("dispose leases, alone or in an array, where a request fails before it has a body", function()
    local one, other = lease_of "one", lease_of "other"
    local kept <close> = lease_of "kept"
    local sequence <close> = kept:sequence()
    parts.refuse(one)
    parts.refuse { "text", other, sequence, { path = "x" } }
    parts.refuse "text"
    parts.refuse(sequence)
    for _, lease in ipairs { one, other } do
      assert.error_matches(function() return #lease end, "disposed")
    end
    assert.equal(4, #sequence)
  end)
end)
