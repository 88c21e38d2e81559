--- Cases of WebSocket with compression: groups 9 and 10. zlib is the other side.

local websocket = require "spec.conformance.ws_table"
local zlib = require "zlib"

local begin, case, words, large = websocket.begin, websocket.case, websocket.words, websocket.large
local PROTOCOL, BAD_TEXT, TOO_LARGE = websocket.PROTOCOL, websocket.BAD_TEXT, websocket.TOO_LARGE
local MORE, MIB, GREEK = websocket.MORE, websocket.MIB, websocket.GREEK

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
  function() return { { "text", large(16 * MIB) } } end, WITH)
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
