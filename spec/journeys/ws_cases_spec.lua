--- Every case of spec/conformance/websocket.lua through sluice.ws_parser, in both roles: whole, cut
-- in two at every byte, and byte by byte.
-- Runs once.

local sluice = require "sluice"
local support = require "spec.support"
local websocket = require "spec.conformance.websocket"

local SHORT, MIDDLE = 300, 70000
local KEYS = { client = false, server = "\x01\x82\x03\xf4" }

-- ---- outcomes ----

--- Adds the events that there are. Returns the failure, or nil.
local function take(parser, outcome)
  while true do
    local event, _, err = parser:next()
    if err then
      outcome.fails = err.close_code
      return err
    elseif not event then
      return nil
    elseif event.type == "close" then
      outcome.close = { event.code, event.reason }
    elseif event.payload then
      outcome[#outcome + 1] = { event.type, event.payload }
    else
      outcome[#outcome + 1] = { event.type, event:text() }
      event:dispose()
    end
  end
end

--- A parser that has agreed on what the case says.
local function parser_for(case, role)
  local compress = case.compress
  if not compress then return sluice.ws_parser { role = role } end
  local parser = sluice.ws_parser { role = role, compress = {
    server_max_window_bits = compress.bits, client_max_window_bits = compress.bits,
    server_no_context_takeover = compress.forgets, client_no_context_takeover = compress.forgets,
  } }
  assert(parser:agree(websocket.terms(case)))
  return parser
end

local function run(case, role, pieces)
  local parser <close> = parser_for(case, role)
  local outcome = {}
  for _, piece in ipairs(pieces) do
    parser:feed(piece)
    if take(parser, outcome) then break end
  end
  return outcome
end

local function same(outcome, case)
  local expected = case.events
  if #outcome ~= #expected or outcome.fails ~= case.fails then return false end
  for i, event in ipairs(expected) do
    if outcome[i][1] ~= event[1] or outcome[i][2] ~= event[2] then return false end
  end
  local close, wanted = outcome.close or {}, case.close or {}
  return close[1] == wanted[1] and close[2] == wanted[2]
end

local function describe_outcome(outcome)
  local words = {}
  for i, event in ipairs(outcome) do
    words[i] = ("%s (%d bytes)"):format(event[1], #event[2])
  end
  if outcome.close then words[#words + 1] = ("close %d %q"):format(table.unpack(outcome.close)) end
  if outcome.fails then words[#words + 1] = ("fails %d"):format(outcome.fails) end
  return table.concat(words, ", ")
end

local function group_of(case) return tonumber(case.id:match "^%d+") end

-- ---- ways to cut ----

local function in_pieces(wire, size)
  local pieces = {}
  for at = 1, #wire, size do pieces[#pieces + 1] = wire:sub(at, at + size - 1) end
  return pieces
end

local function check(case, role, pieces, how)
  local outcome = run(case, role, pieces)
  if same(outcome, case) then return end
  local what = describe_outcome(outcome)
  error(("%s %s, as %s, %s: %s"):format(case.id, case.title, role, how, what), 0)
end

local function check_case(case, role)
  for i, variant in ipairs(case.send) do
    -- A key of zeros leaves large payloads as they are, which saves the time to mask them.
    local key = KEYS[role]
    if key and (group_of(case) == 8 or group_of(case) == 10) then key = "\0\0\0\0" end
    local wire = websocket.wire(variant, key or nil)
    local is_large = #wire > MIDDLE
    -- Large ones, for the time they take, whole as one role, and in pieces as the other.
    if not is_large or role == "client" then check(case, role, { wire }, "whole") end
    if #wire <= SHORT and i == 1 then -- other variants are the same text in fragments
      for at, head, tail in support.each_cut(wire) do
        check(case, role, { head, tail }, "cut at " .. at)
      end
    end
    if not is_large then
      check(case, role, in_pieces(wire, #wire <= SHORT and 1 or 97), "in pieces")
    elseif role == "server" then
      check(case, role, in_pieces(wire, 65531), "in large pieces")
    end
  end
end

describe("ws_parser passes cases of WebSocket:", function()
  support.verify_each()

  for _, group in ipairs(websocket.groups) do
    it(group.title, function()
      local count = 0
      for _, case in ipairs(websocket.cases) do
        if group_of(case) == group.number then
          local whole = websocket.whole(case)
          for role in pairs(KEYS) do check_case(whole, role) end
          count = count + 1
        end
      end
      assert.equal(group.count, count)
    end)
  end
end)

describe("ws_parser and text that is not UTF-8", function()
  support.verify_each()

  -- The first `good` bytes may stand in UTF-8, the next one must not.
  local wrong = {
    { "\u{3ba}\u{1f79}\u{3c3}\u{3bc}\u{3b5}\xf4\x90\x80\x80edited", 12 },
    { "\u{3ba}\u{1f79}\u{3c3}\u{3bc}\u{3b5}\xed\xa0\x80edited", 12 },
    { "\x80", 0 }, { "\xc0\xaf", 0 }, { "a\xe0\x9f\xbf", 2 }, { "a\xf0\x8f\xbf\xbf", 2 },
    { "\xe2\x82 ", 2 }, { "\xf0\x9f\x98\xf0", 3 },
    { ("x"):rep(100) .. "\xff" .. ("y"):rep(100), 100 },
  }

  it("fails at the first byte that is wrong, before the message is complete", function()
    for _, case in ipairs(wrong) do
      local payload, good = case[1], case[2]
      for fragment = 1, math.min(#payload, 5) do
        local parser <close> = sluice.ws_parser { role = "client" }
        local fed, at = 0, 1
        while at <= #payload do
          local piece = payload:sub(at, at + fragment - 1)
          parser:feed(string.char(at == 1 and 1 or 0, #piece))
          for i = 1, #piece do
            assert.is_false(parser:next())
            parser:feed(piece:sub(i, i))
            fed = fed + 1
            if fed > good then break end
          end
          if fed > good then break end
          at = at + fragment
        end
        local event, _, err = parser:next()
        assert.is_nil(event)
        assert.equal(1007, err.close_code)
      end
    end
  end)
end)
