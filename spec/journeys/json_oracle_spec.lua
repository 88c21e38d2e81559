--- sluice.json beside two independent ones: python3's json and lua-cjson. Documents made from a
-- fixed seed go there and back; texts with one byte damaged are refused by both or by neither.
-- Runs once.

local server = require "spec.support.server"
local sluice = require "sluice"

local json = sluice.json

local DOCUMENTS = tonumber(os.getenv "SLUICE_SPEC_DOCUMENTS") or 300

-- ---- a generator of its own, so that the documents are the same everywhere ----

local state

local function any(count) -- 0 to count - 1
  state = (state * 6364136223846793005 + 1442695040888963407) & math.maxinteger
  return (state >> 20) % count
end

local characters = { "a", "Z", " ", "/", '"', "\\", "\n", "\0", "\x1f", "\x7f", "\u{e9}", "\u{7ff}",
  "\u{20ac}", "\u{2028}", "\u{d7ff}", "\u{e000}", "\u{fffd}", "\u{1f600}", "\u{10ffff}",
  "plain text" }

local function any_string()
  local parts = {}
  for i = 1, any(12) do parts[i] = characters[any(#characters) + 1] end
  return table.concat(parts)
end

local function any_float()
  local kind = any(4)
  if kind == 0 then return (any(2000001) - 1000000) / 100 end
  if kind == 1 then return any(1 << 40) / (1 << 40) end
  while true do
    local bits = (any(1 << 31) << 33) ~ (any(1 << 31) << 2) ~ any(4)
    local value = string.unpack("d", string.pack("i8", bits))
    if value == value and value ~= math.huge and value ~= -math.huge then return value end
  end
end

local function any_integer()
  local bits = any(63)
  local value = (any(1 << 31) << 32 ~ any(1 << 32)) >> bits
  return any(2) == 0 and value or -value
end

local any_value

local makers = {
  any_string, any_string, any_float, any_integer,
  function() return any(2) == 0 end,
  function() return json.null end,
  function() return setmetatable({}, json.array_mt) end,
  function(depth)
    local list = {}
    for i = 1, depth > 0 and 1 + any(5) or 0 do list[i] = any_value(depth - 1) end
    return list
  end,
  function(depth)
    local map = {}
    for _ = 1, depth > 0 and any(6) or 0 do map[any_string()] = any_value(depth - 1) end
    return map
  end,
}

function any_value(depth) return makers[any(#makers) + 1](depth) end

-- ---- comparing ----

--- Where two values differ, or nil. Types of numbers count unless `is_loose`.
local function difference(a, b, is_loose, path)
  path = path or "value"
  if type(a) ~= "table" or type(b) ~= "table" then
    local same = a == b and math.type(a) == math.type(b) and (a ~= 0 or 1 / a == 1 / b)
    if is_loose and math.type(a) and math.type(b) then same = a + 0.0 == b + 0.0 end
    return not same and ("%s: %s and %s"):format(path, tostring(a), tostring(b)) or nil
  end
  for key, value in pairs(a) do
    local found = difference(value, b[key], is_loose, path .. "." .. tostring(key))
    if found then return found end
  end
  for key in pairs(b) do
    if a[key] == nil then return path .. "." .. tostring(key) end
  end
  if not is_loose and (getmetatable(a) == json.array_mt) ~= (getmetatable(b) == json.array_mt) then
    return path .. ": [] and {}"
  end
end

local function to_hex(text)
  return (text:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local function from_hex(text)
  return (text:gsub("%x%x", function(digits) return string.char(tonumber(digits, 16)) end))
end

--- What python3 answers to each text: its own text of that value, or nil.
local function ask_python(texts)
  local directory = server.directory()
  finally(function() server.remove(directory) end)
  local lines = {}
  for i, text in ipairs(texts) do lines[i] = to_hex(text) end
  server.write(directory .. "/texts", table.concat(lines, "\n"), "\n")
  local pipe = assert(io.popen("/usr/bin/python3 spec/differential/json_oracle.py <" .. directory
    .. "/texts 2>&1"))
  local answers = {}
  for i = 1, #texts do
    local line = pipe:read "l"
    assert(line == "refused" or line and line:find "^%x+$", line)
    answers[i] = line ~= "refused" and from_hex(line)
  end
  assert(pipe:close())
  return answers
end

local function documents()
  local values, texts = {}, {}
  state = 2026
  for i = 1, DOCUMENTS do
    values[i] = any_value(4)
    texts[i] = assert(json.text(values[i]))
  end
  return values, texts
end

describe("sluice.json beside others", function()
  it("writes what python3 reads back unchanged, and the other way round", function()
    local values, texts = documents()
    local answers = ask_python(texts)
    for i, value in ipairs(values) do
      assert.is_truthy(answers[i], texts[i])
      local back, message = json.decode(answers[i])
      assert(back ~= nil, message)
      assert.is_nil(difference(value, back), texts[i])
      assert.is_nil(difference(value, json.decode(texts[i])), texts[i])
    end
  end)

  it("accepts and refuses what python3 does, with any one byte damaged", function()
    local _, texts = documents()
    local wrong = { '"', "\\", "[", "}", ",", ":", "0", "-", ".", "e", " ", "\0", "\x80",
      "\xc3", "u" }
    local damaged = {}
    for _, text in ipairs(texts) do
      if #text < 400 then
        for _ = 1, 8 do
          local at = any(#text) + 1
          local byte = any(4) == 0 and "" or wrong[any(#wrong) + 1]
          damaged[#damaged + 1] = text:sub(1, at - 1) .. byte .. text:sub(at + any(2))
        end
      end
    end
    local answers = ask_python(damaged)
    local accepted = 0
    for i, text in ipairs(damaged) do
      local value, message = json.decode(text)
      assert.equal(answers[i] and true or false, value ~= nil, ("%q: %s"):format(text, message))
      if answers[i] then
        accepted = accepted + 1
        assert.is_nil(difference(value, json.decode(answers[i])), text)
      end
    end
    assert.is_true(accepted > 100 and accepted < #damaged, accepted)
  end)

  it("reads what lua-cjson writes, and the other way round", function()
    local cjson = require "cjson".new()
    cjson.decode_max_depth(512)
    local values, texts = documents()
    for i, text in ipairs(texts) do
      assert.is_nil(difference(values[i], cjson.decode(text), true), text)
      assert.is_nil(difference(cjson.decode(text), json.decode(text), true), text)
      local written = cjson.encode(values[i])
      assert.is_nil(difference(cjson.decode(written), json.decode(written), true), written)
    end
  end)
end)
