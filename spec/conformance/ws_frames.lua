--- Cases of WebSocket without compression: groups 1 to 8.

local websocket = require "spec.conformance.ws_table"

local begin, case, words, large = websocket.begin, websocket.case, websocket.words, websocket.large
local PROTOCOL, BAD_TEXT, TOO_LARGE = websocket.PROTOCOL, websocket.BAD_TEXT, websocket.TOO_LARGE
local MORE, MIB, GREEK = websocket.MORE, websocket.MIB, websocket.GREEK

local function closes(code, reason) return { close = { code, reason or "" } } end

--- The payload in fragments of that size.
local function fragments(kind, payload, size)
  local list = {}
  for at = 1, math.max(#payload, 1), size do
    list[#list + 1] = { at == 1 and kind or "continuation", payload:sub(at, at + size - 1),
      { more = at + size <= #payload } }
  end
  return list
end

-- ---- 1 ----

begin(1, "frames of every form of size")
for _, kind in ipairs { "text", "binary" } do
  for _, size in ipairs { 0, 1, 125, 126, 127, 128, 65535, 65536 } do
    local sent = { { kind, words(size) } }
    case(("%s of %d bytes"):format(kind, size), sent, sent)
  end
end
local every = {}
for byte = 0, 255 do every[byte + 1] = string.char(byte) end
every = table.concat(every)
case("bytes of every value", { { "binary", every } }, { { "binary", every } })
for _, wrong in ipairs {
  { 0, 16 }, { 125, 16 }, { 0, 64 }, { 125, 64 }, { 126, 64 }, { 65535, 64 },
} do
  case(("a size of %d in %d bits is not the shortest form"):format(wrong[1], wrong[2]),
    { { "binary", words(wrong[1]), { form = wrong[2] } } }, {}, PROTOCOL)
end
case("a ping's size in 16 bits", { { "ping", "x", { form = 16 } } }, {}, PROTOCOL)
case("a size of 2^63", { { "binary", "", { form = 64, size = math.mininteger } } }, {}, PROTOCOL)
case("a size of 2^64 - 1", { { "binary", "", { form = 64, size = -1 } } }, {}, PROTOCOL)
case("a size of 2^63 - 1 exceeds every limit",
  { { "binary", "", { form = 64, size = math.maxinteger } } }, {}, TOO_LARGE)

-- ---- 2 ----

begin(2, "pings and pongs")
case("a ping without payload", { { "ping", "" } }, { { "ping", "" } })
case("a ping with text", { { "ping", "Hello, world!" } }, { { "ping", "Hello, world!" } })
case("a ping with bytes that are no text", { { "ping", "\0\xff\xfe\xfd\xfc\xfb\0\xff" } },
  { { "ping", "\0\xff\xfe\xfd\xfc\xfb\0\xff" } })
case("a ping of 125 bytes", { { "ping", ("\xfe"):rep(125) } }, { { "ping", ("\xfe"):rep(125) } })
case("a ping of 126 bytes", { { "ping", ("\xfe"):rep(126) } }, {}, PROTOCOL)
case("a pong of 126 bytes", { { "pong", ("\xfe"):rep(126) } }, {}, PROTOCOL)
case("an unsolicited pong without payload", { { "pong", "" } }, { { "pong", "" } })
case("an unsolicited pong with payload", { { "pong", "unasked" } }, { { "pong", "unasked" } })
case("an unsolicited pong, then a ping", { { "pong", "unasked" }, { "ping", "asked" } },
  { { "pong", "unasked" }, { "ping", "asked" } })
do
  local sent = {}
  for i = 1, 10 do sent[i] = { "ping", "payload " .. i } end
  case("ten pings", sent, sent)
  local between, events = { { "text", "be", { more = true } } }, {}
  for i = 1, 10 do between[i + 1], events[i] = sent[i], sent[i] end
  between[12], events[11] = { "continuation", "tween" }, { "text", "between" }
  case("ten pings between two fragments", between, events)
end

-- ---- 3 ----

begin(3, "reserved bits")
for _, bits in ipairs { 1, 2, 3, 4, 5, 6, 7 } do
  local what = ("reserved bits %d "):format(bits)
  local set = { rsv = bits }
  case(what .. "in a text", { { "text", "x", set } }, {}, PROTOCOL)
  case(what .. "in a binary message behind a good one, then a ping",
    { { "binary", "good" }, { "binary", "x", set }, { "ping", "" } }, { { "binary", "good" } },
    PROTOCOL)
  case(what .. "in a continuation",
    { { "text", "x", { more = true } }, { "continuation", "y", set } }, {}, PROTOCOL)
  for _, kind in ipairs { "ping", "pong", "close" } do
    case(what .. "in a " .. kind, { { kind, "", set } }, {}, PROTOCOL)
  end
end

-- ---- 4 ----

begin(4, "opcodes that are not defined")
for _, opcode in ipairs { 3, 4, 5, 6, 7, 11, 12, 13, 14, 15 } do
  case(("opcode %d without payload"):format(opcode), { { opcode, "" } }, {}, PROTOCOL)
  case(("opcode %d with payload"):format(opcode), { { opcode, "payload" } }, {}, PROTOCOL)
  case(("opcode %d behind a message, then a ping"):format(opcode),
    { { "text", "good" }, { opcode, "x" }, { "ping", "" } }, { { "text", "good" } }, PROTOCOL)
  case(("opcode %d between fragments"):format(opcode),
    { { "text", "x", { more = true } }, { opcode, "" }, { "continuation", "y" } }, {}, PROTOCOL)
end

-- ---- 5 ----

begin(5, "fragments")
case("a ping in two fragments", { { "ping", "x", MORE }, { "continuation", "y" } }, {}, PROTOCOL)
case("a pong in two fragments", { { "pong", "x", MORE }, { "continuation", "y" } }, {}, PROTOCOL)
case("a close in two fragments", { { "close", "\3\xe8", MORE }, { "continuation", "y" } }, {},
  PROTOCOL)
for _, kind in ipairs { "text", "binary" } do
  case(kind .. " in two fragments", fragments(kind, "fragments", 5), { { kind, "fragments" } })
  case(kind .. " in fragments of one byte", fragments(kind, "fragments", 1),
    { { kind, "fragments" } })
  case(kind .. " in two fragments, a ping between them",
    { { kind, "frag", MORE }, { "ping", "p" }, { "continuation", "ments" } },
    { { "ping", "p" }, { kind, "fragments" } })
  case(kind .. " in five fragments, pings and pongs between them",
    { { kind, "f", MORE }, { "ping", "1" }, { "continuation", "r", MORE }, { "pong", "2" },
      { "continuation", "", MORE }, { "ping", "3" }, { "continuation", "ag", MORE }, { "ping", "" },
      { "continuation", "s" } },
    { { "ping", "1" }, { "pong", "2" }, { "ping", "3" }, { "ping", "" }, { kind, "frags" } })
  case(kind .. " in empty fragments",
    { { kind, "", MORE }, { "continuation", "", MORE }, { "continuation", "" } }, { { kind, "" } })
  case(kind .. " in fragments, the middle one with payload",
    { { kind, "", MORE }, { "continuation", "middle", MORE }, { "continuation", "" } },
    { { kind, "middle" } })
  case(kind .. " behind a first fragment", { { kind, "x", MORE }, { kind, "y" } }, {}, PROTOCOL)
  case(kind .. " behind a first fragment, its own first one",
    { { kind, "x", MORE }, { kind, "y", MORE } }, {}, PROTOCOL)
  case("two messages of " .. kind .. " in fragments, one behind the other",
    { { kind, "o", MORE }, { "continuation", "ne" },
      { kind, "t", MORE }, { "continuation", "wo" } },
    { { kind, "one" }, { kind, "two" } })
end
for _, way in ipairs { { "the last one" }, { "with more to come", MORE } } do
  local name, options = way[1], way[2]
  case("a continuation of nothing, " .. name, { { "continuation", "x", options } }, {}, PROTOCOL)
  case("a continuation of nothing, " .. name .. ", behind a message",
    { { "text", "good" }, { "continuation", "x", options } }, { { "text", "good" } }, PROTOCOL)
  case("a continuation of nothing, " .. name .. ", behind fragments",
    { { "text", "go", MORE }, { "continuation", "od" }, { "continuation", "x", options } },
    { { "text", "good" } }, PROTOCOL)
end
case("a close between fragments: the message is given up",
  { { "text", "x", MORE }, { "close", "\3\xe8" } }, {}, closes(1000))

-- ---- 6 ----

begin(6, "UTF-8, each sequence cut everywhere")

--- The text whole, in two fragments cut at each byte, and in fragments of one byte.
local function cut_everywhere(text)
  local variants = { { { "text", text } }, fragments("text", text, 1) }
  for at = 0, #text do
    variants[#variants + 1] =
      { { "text", text:sub(1, at), MORE }, { "continuation", text:sub(at + 1) } }
  end
  return variants
end

local function utf8_case(title, text, is_valid)
  case(title, cut_everywhere(text), is_valid and { { "text", text } } or {},
    { variants = true, fails = not is_valid and 1007 or nil })
end

local function hex(text)
  return (text:gsub(".", function(c) return ("%02x "):format(c:byte()) end))
end

for _, text in ipairs {
  "", "Hello-\u{b5}@\u{df}\u{f6}\u{e4}\u{fc}\u{e0}\u{e1}-UTF-8!!",
  "\u{3ba}\u{1f79}\u{3c3}\u{3bc}\u{3b5}",
  "\0", "\x7f", "\u{80}", "\u{7ff}", "\u{800}", "\u{d7ff}", "\u{e000}", "\u{fffd}", "\u{fffe}",
  "\u{ffff}", "\u{10000}", "\u{1fffe}", "\u{fffff}", "\u{10fffe}", "\u{10ffff}", "\u{feff}",
  "a\u{10000}b\u{800}c\u{80}d",
} do
  utf8_case("valid: " .. (text == "" and "nothing" or hex(text)), text, true)
end
for _, text in ipairs {
  -- no character begins so
  "\x80", "\xbf", "\x80\xbf", "\x80\xbf\x80", "\xc0", "\xc1", "\xf5", "\xf8", "\xfc", "\xfe",
  "\xff", "\xfe\xfe\xff\xff",
  -- the character is not over
  "\xc3", "\xe0\xa0", "\xe0", "\xef\xbf", "\xf0", "\xf0\x90", "\xf0\x90\x80", "\xf4\x8f\xbf",
  "\xc3 ", "\xe2\x82 ", "\xf0\x9f\x98 ", "\xc3\xc3\xa9", "\xe2\x82\xe2\x82\xac", "\xf0\x9f\x98\xf0",
  -- longer than the shortest form
  "\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf",
  "\xc0\x80", "\xe0\x80\x80", "\xf0\x80\x80\x80", "\xf8\x80\x80\x80\x80",
  "\xfc\x80\x80\x80\x80\x80",
  -- above U+10FFFF, surrogates
  "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf7\xbf\xbf\xbf", "\xf8\x88\x80\x80\x80",
  "\xfb\xbf\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf\xbf",
  "\xed\xa0\x80", "\xed\xad\xbf", "\xed\xae\x80", "\xed\xaf\xbf", "\xed\xb0\x80", "\xed\xbe\x80",
  "\xed\xbf\xbf", "\xed\xa0\x80\xed\xb0\x80", "\xed\xaf\xbf\xed\xbf\xbf",
  -- within good text
  GREEK .. "\xed\xa0\x80edited", GREEK .. "\xf4\x90\x80\x80edited", GREEK .. "\xc0\xafedited",
  words(70) .. "\xff" .. words(70),
} do
  utf8_case("invalid: " .. hex(text):sub(1, 60), text, false)
end
case("bytes that are no text in a binary message", { { "binary", "\xff\xfe\xc0" } },
  { { "binary", "\xff\xfe\xc0" } })
case("a ping between the bytes of a character",
  { { "text", "\xe2", MORE }, { "ping", "\xff" }, { "continuation", "\x82\xac" } },
  { { "ping", "\xff" }, { "text", "\u{20ac}" } })
case("a character that goes on in the next message",
  { { "text", "\xe2\x82" }, { "text", "\xac" } }, {}, BAD_TEXT)

-- ---- 7 ----

begin(7, "closing")
case("without a payload", { { "close", "" } }, {}, closes(1005))
for what, late in ipairs {
  { "text", "late" }, { "ping", "late" }, { "close", "\3\xe9" }, { 15, "", { rsv = 7 } },
} do
  local name = ({ "a message", "a ping", "a second one", "garbage" })[what]
  case(name .. " behind it is dropped", { { "close", "\3\xe8" }, late }, {}, closes(1000))
end
case("a payload of one byte", { { "close", "\3" } }, {}, PROTOCOL)
case("a code alone", { { "close", "\3\xe8" } }, {}, closes(1000))
case("a code and a reason", { { "close", "\3\xe8bye" } }, {}, closes(1000, "bye"))
case("a reason of 123 bytes", { { "close", "\3\xe8" .. words(123) } }, {},
  closes(1000, words(123)))
case("a reason of 124 bytes", { { "close", "\3\xe8" .. words(124) } }, {}, PROTOCOL)
case("a reason that is text", { { "close", "\3\xe8" .. GREEK } }, {}, closes(1000, GREEK))
for _, reason in ipairs { "\xff", GREEK .. "\xed\xa0\x80", "\xe2\x82", "\xc0\xaf" } do
  case("a reason that is not UTF-8: " .. hex(reason), { { "close", "\3\xe8" .. reason } }, {},
    BAD_TEXT)
end
for _, code in ipairs { 1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014,
  3000, 3999, 4000, 4999 } do
  case(("code %d"):format(code), { { "close", (">I2"):pack(code) } }, {}, closes(code))
  case(("code %d with a reason"):format(code), { { "close", (">I2"):pack(code) .. "why" } }, {},
    closes(code, "why"))
end
for _, code in ipairs { 0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535 } do
  case(("code %d"):format(code), { { "close", (">I2"):pack(code) } }, {}, PROTOCOL)
  case(("code %d with a reason"):format(code), { { "close", (">I2"):pack(code) .. "why" } }, {},
    PROTOCOL)
end

-- ---- 8 ----

begin(8, "sizes")
local function name_of(size)
  return size >= MIB and ("%d MiB"):format(size // MIB)
    or size >= 1024 and ("%d KiB"):format(size // 1024)
    or ("%d bytes"):format(size)
end
for _, kind in ipairs { "text", "binary" } do
  for _, size in ipairs { 64 * 1024, 256 * 1024, MIB, 4 * MIB, 8 * MIB, 16 * MIB } do
    local function sent() return { { kind, large(size) } } end
    case(("%s of %s"):format(kind, name_of(size)), sent, sent)
  end
end

--- The fragments of a large message, all but the first and last alike: { "repeat", opcode, payload,
-- times } stands for as many frames.
local function large_fragments(kind, size, piece)
  local block, count = large(piece), size // piece
  return { { kind, block, MORE }, { "repeat", "continuation", block, MORE, times = count - 2 },
    { "continuation", block } }
end
for _, kind in ipairs { "text", "binary" } do
  for _, piece in ipairs { 64, 256, 1024, 4096, 16 * 1024, 64 * 1024, 256 * 1024, MIB } do
    case(("%s of 4 MiB in fragments of %s"):format(kind, name_of(piece)),
      function() return large_fragments(kind, 4 * MIB, piece) end,
      function() return { { kind, large(4 * MIB) } } end)
  end
  case(kind .. " of 16 MiB in fragments of 64 bytes",
    function() return large_fragments(kind, 16 * MIB, 64) end,
    function() return { { kind, large(16 * MIB) } } end)
end
case("one byte more than 16 MiB, in one frame", { { "binary", "", { size = 16 * MIB + 1 } } }, {},
  TOO_LARGE)
case("one byte more than 16 MiB, in fragments", function()
  local sent = large_fragments("binary", 16 * MIB, MIB)
  sent[3] = { "continuation", large(MIB), MORE }
  sent[4] = { "continuation", "x" }
  return sent
end, {}, TOO_LARGE)
