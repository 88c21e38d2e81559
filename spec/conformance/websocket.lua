--- Cases of WebSocket in the manner of the Autobahn suite: what a peer sends, and what comes of it.
--
-- A case: { id, title, send = variants, events = { { type, payload } ... },
-- close = { code, reason }, fails = code }. Each variant is a list of frames { opcode, payload,
-- options of support/frames }; all of them must have the same outcome. Without `close` and `fails`
-- the connection stays open. With `compress`, permessage-deflate was agreed on: { bits, forgets },
-- for both sides alike. Payloads are the same for both roles; a client's frames are masked when
-- they are written.

local frames = require "spec.support.frames"
local zlib = require "zlib"

local MIB = 1024 * 1024

local groups, cases, group = {}, {}, nil

local function begin(number, title)
  group = { number = number, title = title, count = 0, variants = 0 }
  groups[#groups + 1] = group
end

--- Adds a case. `send` is one list of frames, or with `variants` a list of such lists, or a
-- function that makes one list when it is wanted.
local function case(title, send, events, ending)
  group.count = group.count + 1
  local made = { id = group.number .. "." .. group.count, title = title,
    send = ending and ending.variants and send or { send }, events = events }
  made.close, made.fails = ending and ending.close, ending and ending.fails
  made.compress = ending and ending.compress
  group.variants = group.variants + #made.send
  cases[#cases + 1] = made
end

local PROTOCOL, BAD_TEXT, TOO_LARGE = { fails = 1002 }, { fails = 1007 }, { fails = 1009 }

local function closes(code, reason) return { close = { code, reason or "" } } end

--- A text of that many bytes, all of them ASCII.
local function words(size)
  return ("The quick brown fox jumps over the lazy dog. "):rep(size // 45 + 1):sub(1, size)
end

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
local MORE = { more = true }
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
local GREEK = "\u{3ba}\u{1f79}\u{3c3}\u{3bc}\u{3b5}"
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
local made = {} -- many cases share one string
local function large(size)
  made[size] = made[size] or ("sixteen bytes..."):rep(size // 16)
  return made[size]
end
local function name_of(size)
  return size >= MIB and ("%d MiB"):format(size // MIB)
    or size >= 1024 and ("%d KiB"):format(size // 1024)
    or ("%d bytes"):format(size)
end
for _, kind in ipairs { "text", "binary" } do
  for _, size in ipairs { 64 * 1024, 256 * 1024, MIB, 4 * MIB, 8 * MIB, 16 * MIB } do
    local sent = { { kind, large(size) } }
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
      large_fragments(kind, 4 * MIB, piece), { { kind, large(4 * MIB) } })
  end
  case(kind .. " of 16 MiB in fragments of 64 bytes", large_fragments(kind, 16 * MIB, 64),
    { { kind, large(16 * MIB) } })
end
case("one byte more than 16 MiB, in one frame", { { "binary", "", { size = 16 * MIB + 1 } } }, {},
  TOO_LARGE)
do
  local sent = large_fragments("binary", 16 * MIB, MIB)
  sent[3] = { "continuation", large(MIB), MORE }
  sent[4] = { "continuation", "x" }
  case("one byte more than 16 MiB, in fragments", sent, {}, TOO_LARGE)
end

-- ---- 9 ----

begin(9, "compression: the examples of RFC 7692, and faults")
local WITH = { compress = { bits = 15 } }
local function with(ending) return { fails = ending.fails, compress = WITH.compress } end
local RSV1, FIRST = { rsv = 4 }, { rsv = 4, more = true }
local HELLO = "\xf2\x48\xcd\xc9\xc9\x07\x00"
local hello = { { "text", "Hello" } }
case("one block", { { "text", HELLO, RSV1 } }, hello, WITH)
case("in fragments", { { "text", HELLO:sub(1, 3), FIRST }, { "continuation", HELLO:sub(4) } },
  hello, WITH)
case("in fragments of one byte, pings between them",
  { { "text", HELLO:sub(1, 1), FIRST }, { "ping", "p" }, { "continuation", HELLO:sub(2, 2), MORE },
    { "continuation", "", MORE }, { "continuation", HELLO:sub(3) } },
  { { "ping", "p" }, { "text", "Hello" } }, WITH)
case("a second message that refers to the first",
  { { "text", HELLO, RSV1 }, { "text", "\xf2\x00\x11\x00\x00", RSV1 } },
  { hello[1], hello[1] }, WITH)
case("a stored block", { { "text", "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", RSV1 } },
  hello, WITH)
case("a block with BFINAL", { { "text", "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", RSV1 } }, hello, WITH)
case("two blocks",
  { { "text", "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", RSV1 } }, hello, WITH)
case("an empty message", { { "text", "\0", RSV1 } }, { { "text", "" } }, WITH)
case("a message without a byte", { { "binary", "", RSV1 } }, { { "binary", "" } }, WITH)
case("messages that are not compressed, between others",
  { { "text", "plain" }, { "text", HELLO, RSV1 }, { "binary", "", MORE },
    { "continuation", "plain" }, { "text", "\xf2\x00\x11\x00\x00", RSV1 } },
  { { "text", "plain" }, hello[1], { "binary", "plain" }, hello[1] }, WITH)
case("RSV1 in a continuation", { { "text", HELLO:sub(1, 3), FIRST },
  { "continuation", HELLO:sub(4), RSV1 } }, {}, with(PROTOCOL))
for _, kind in ipairs { "ping", "pong", "close" } do
  case("RSV1 in a " .. kind, { { kind, "", RSV1 } }, {}, with(PROTOCOL))
end
for _, bits in ipairs { 1, 2, 3, 5, 6, 7 } do
  case("reserved bits " .. bits, { { "text", HELLO, { rsv = bits } } }, {}, with(PROTOCOL))
end
for _, fault in ipairs {
  { "an unknown kind of block", "\x06" }, { "garbage", ("\xff"):rep(20) },
  { "a stored block with a wrong length", "\x00\x05\x00\xfa\xfeHello" },
  { "a reference to bytes before the first", "\xf2\x00\x11\x00\x00" },
  { "a message that is cut off", HELLO:sub(1, 4) },
  { "a stored block that is cut off", "\x00\x05\x00\xfa\xffHel" },
} do
  case(fault[1], { { "binary", fault[2], RSV1 } }, {}, with(BAD_TEXT))
end

--- A message as a peer with that window compresses it, without a context.
local function deflated(text, bits, level)
  return (zlib.deflate(level or 6, -(bits or 15))(text, "sync"):gsub("\0\0\xff\xff$", ""))
end
case("text that is UTF-8, cut within characters",
  { { "text", deflated(GREEK):sub(1, 5), FIRST }, { "continuation", deflated(GREEK):sub(6) } },
  { { "text", GREEK } }, WITH)
case("text that is not UTF-8", { { "text", deflated "abc\xff", RSV1 } }, {}, with(BAD_TEXT))
case("text that ends within a character", { { "text", deflated "abc\xe2\x82", RSV1 } }, {},
  with(BAD_TEXT))
case("bytes that are no text in a binary message", { { "binary", deflated "abc\xff", RSV1 } },
  { { "binary", "abc\xff" } }, WITH)
case("16 MiB, inflated", function()
  return { { "text", deflated(large(16 * MIB), 15, 1), RSV1 } }
end,
  { { "text", large(16 * MIB) } }, WITH)
case("one byte more than 16 MiB, inflated", function()
  return { { "text", deflated(large(16 * MIB) .. "x", 15, 1), RSV1 } }
end, {}, with(TOO_LARGE))
case("a bomb of 64 MiB", function()
  return { { "binary", deflated(("\0"):rep(64 * MIB), 15, 1), RSV1 } }
end, {}, with(TOO_LARGE))

-- ---- 10 ----

begin(10, "compression: each window, with context and without, sizes from 16 bytes to 128 KiB")

--- A text that repeats itself only after that many bytes.
local function rambling(size, period)
  local state, list = 1, {}
  for i = 1, period // 4 do
    state = (state * 1103515245 + 12345) & 0x7fffffff
    list[i] = ("%04x"):format(state >> 8 & 0xffff)
  end
  local text = table.concat(list)
  return text:rep(size // #text + 1):sub(1, size)
end
local texts = {}
for i, size in ipairs { 16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072, 1024, 16 } do
  texts[i] = rambling(size, 20000)
end

--- What a peer sends: all sizes, in frames of at most `piece` bytes.
local function compressed(kind, bits, forgets, piece)
  local sent, stream = {}, nil
  for _, text in ipairs(texts) do
    if forgets or not stream then stream = zlib.deflate(6, -bits) end
    local payload = stream(text, "sync"):sub(1, -5)
    for at = 1, #payload, piece do
      sent[#sent + 1] = { at == 1 and kind or "continuation", payload:sub(at, at + piece - 1),
        { rsv = at == 1 and 4 or 0, more = at + piece <= #payload } }
    end
  end
  return sent
end
for bits = 9, 15 do
  for _, forgets in ipairs { false, true } do
    for _, way in ipairs { { "text", 1000 }, { "binary", MIB } } do
      local kind, piece = way[1], way[2]
      local events = {}
      for i, text in ipairs(texts) do events[i] = { kind, text } end
      case(("%s, a window of 2^%d bytes, %s context"):format(
        kind == "text" and "text in frames of 1000 bytes" or "binary in one frame each", bits,
        forgets and "without" or "with"),
        function() return compressed(kind, bits, forgets, piece) end,
        events, { compress = { bits = bits, forgets = forgets } })
    end
  end
end
for _, forgets in ipairs { false, true } do
  case(("a window of 2^8 bytes, %s context"):format(forgets and "without" or "with"),
    { { "text", deflated(words(200), 9), RSV1 }, { "text", words(5000) } },
    { { "text", words(200) }, { "text", words(5000) } },
    { compress = { bits = 8, forgets = forgets } })
end

local websocket = {
  groups = groups,
  cases = cases,
  -- Who runs them, and how.
  runs = {
    { "spec/journeys/ws_cases_spec.lua",
      "`sluice.ws_parser` in both roles; whole, cut in two at every byte, and in pieces" },
    { "spec/websocket/cases_spec.lua",
      "`client:websocket` and a scripted server, on every transport and backend" },
  },
}

--- The variants of a case.
function websocket.variants(of)
  local made = {}
  for i, variant in ipairs(of.send) do
    made[i] = type(variant) == "function" and variant() or variant
  end
  return made
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
