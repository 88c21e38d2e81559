--- Makes the table of cases of WebSocket; what a case is, and its bytes.
--
-- A case, as `websocket.whole` returns it: { id, title, send = variants,
-- events = { { type, payload } ... }, close = { code, reason }, fails = code }. Each variant is a
-- list of frames { opcode, payload, options of support/frames }; all of them must have the same
-- outcome. Without `close` and `fails` the connection stays open. With `compress`,
-- permessage-deflate was agreed on: { bits, forgets }, for both sides alike. Payloads are the same
-- for both roles; a client's frames are masked when they are written.

local frames = require "spec.support.frames"

local MIB = 1024 * 1024

local websocket = {
  groups = {},
  cases = {},
  -- Who runs them, and how.
  runs = {
    { "spec/journeys/ws_cases_spec.lua",
      "`sluice.ws_parser` in both roles; whole, cut in two at every byte, and in pieces" },
    { "spec/websocket/cases_spec.lua",
      "`client:websocket` and a scripted server, on every transport and backend" },
    { "spec/journeys/ws_oracle_spec.lua",
      "wsproto has the same outcomes, but for four that the spec explains" },
  },
  PROTOCOL = { fails = 1002 }, BAD_TEXT = { fails = 1007 }, TOO_LARGE = { fails = 1009 },
  MORE = { more = true }, MIB = MIB,
  GREEK = "\u{3ba}\u{1f79}\u{3c3}\u{3bc}\u{3b5}",
}

local group

function websocket.begin(number, title)
  group = { number = number, title = title, count = 0, variants = 0 }
  table.insert(websocket.groups, group)
end

--- Adds a case. `send` is one list of frames, or with `variants` a list of such lists. `send` and
-- `events` may be functions that make one list when it is wanted: whoever reads the table alone
-- holds no large messages.
function websocket.case(title, send, events, ending)
  group.count = group.count + 1
  local made = { id = group.number .. "." .. group.count, title = title,
    send = ending and ending.variants and send or { send }, events = events }
  made.close, made.fails = ending and ending.close, ending and ending.fails
  made.compress = ending and ending.compress
  group.variants = group.variants + #made.send
  table.insert(websocket.cases, made)
end

--- A text of that many bytes, all of them ASCII.
function websocket.words(size)
  return ("The quick brown fox jumps over the lazy dog. "):rep(size // 45 + 1):sub(1, size)
end

function websocket.large(size) return ("sixteen bytes..."):rep(size // 16) end

local function made(list) return type(list) == "function" and list() or list end

--- A case with all of its variants and events.
function websocket.whole(case)
  local variants = {}
  for i, variant in ipairs(case.send) do variants[i] = made(variant) end
  return setmetatable({ send = variants, events = made(case.events) }, { __index = case })
end

--- The terms of a case's compression, as Sec-WebSocket-Extensions.
function websocket.terms(of)
  local bits = of.compress.bits
  return ("permessage-deflate; server_max_window_bits=%d; client_max_window_bits=%d%s"):format(
    bits, bits,
    of.compress.forgets and "; server_no_context_takeover; client_no_context_takeover" or "")
end

--- The bytes of a variant; with a key they are a client's, masked.
function websocket.wire(variant, key)
  local parts = {}
  for i, frame in ipairs(variant) do
    local times, opcode, payload, given = 1, frame[1], frame[2], frame[3]
    if opcode == "repeat" then
      times, opcode, payload, given = frame.times, table.unpack(frame, 2)
    end
    local options = { key = key }
    for name, value in pairs(given or {}) do options[name] = value end
    parts[i] = frames.frame(opcode, payload, options):rep(times)
  end
  return table.concat(parts)
end

return websocket
