--- The rules for clients of RFC 6455 and RFC 7692, and the tests that show each; see rules.lua.
-- `cases` names groups of spec/conformance/websocket.lua.

local frame = "spec/c/ws/frame_test.c"
local message = "spec/c/ws/message_test.c"
local incoming = "spec/c/ws/incoming_test.c"
local outgoing = "spec/c/ws/outgoing_test.c"
local close = "spec/c/ws/close_test.c"
local handshake = "spec/c/ws/handshake_test.c"
local extension = "spec/c/ws/extension_test.c"
local utf8 = "spec/c/codec/utf8_test.c"
local terms = "spec/binding/ws_terms_spec.lua"
local parser = "spec/binding/ws_parser_spec.lua"
local writer = "spec/binding/ws_writer_spec.lua"
local opening = "spec/websocket/handshake_spec.lua"
local proxies = "spec/websocket/proxies_spec.lua"

local each_key = "masks each frame with a key of its own, drawn in batches"
local forms = "reads sizes of each form, and refuses those that would fit a shorter one"
local first_bytes = "judges every first byte, alone and within a message"
local order = "refuses pieces that do not follow each other"
local offered = "refuses subprotocols and extensions that were not offered"

return {
  { "6455 3", "a URL is one of ws or wss, without a fragment",
    { opening, "is of a URL of ws, wss, http or https, without a fragment" } },
  { "6455 4.1", "a GET of HTTP/1.1 with Host, Upgrade, Connection and Version 13; wss after TLS",
    { opening, "sends what the protocol asks for, behind the caller's fields" },
    { proxies, "goes over TLS, which is verified" } },
  { "6455 4.1a", "Sec-WebSocket-Key is the base64 of 16 random bytes, new for each connection",
    { handshake, "makes the key and the answer of RFC 6455 1.3" },
    { opening, "makes a key of 16 random bytes for each sending" } },
  { "6455 4.1b", "subprotocols are tokens, each of them once",
    { handshake, "offers tokens, each of them once" } },
  { "6455 4.1c", "only 101 with Upgrade: websocket and Connection: Upgrade is accepted",
    { handshake, "accepts the answer that fits, in any case and among other words" },
    { handshake, "refuses another status, Upgrade or Connection" } },
  { "6455 4.1d", "Sec-WebSocket-Accept fits the key exactly",
    { handshake, "refuses an Accept of another key, in another case, twice, or none" } },
  { "6455 4.1e", "a subprotocol or extension that was not offered is refused",
    { handshake, offered } },
  { "6455 4.1f", "one handshake with a host is under way at a time",
    { opening, "waits for those to the same host that were begun before (RFC 6455 4.1)" } },
  { "6455 4.1g", "proxies make a tunnel; what they refuse fails",
    { proxies, "asks a proxy of HTTP for a tunnel, and requests beside it go as before" },
    { proxies, "that its proxy refuses shows the answer" } },
  { "6455 4.1h", "frames may arrive with the answer",
    { opening, "is the same wherever the answer is cut, with frames behind it" } },
  { "6455 5.1", "a client masks every frame, a server none; the wrong one is 1002",
    { frame, "insists on masks of clients, and on none of servers" },
    { parser, "takes masked frames as a server, and plain ones as a client" } },
  { "6455 5.2a", "reserved bits are zero unless an extension was agreed on", cases = { 3 },
    { frame, first_bytes } },
  { "6455 5.2b", "an unknown opcode fails the connection", cases = { 4 }, { frame, first_bytes } },
  { "6455 5.2c", "sizes are sent in their shortest form",
    { frame, "writes what it reads, in the shortest form" },
    { outgoing, "announces each size in its shortest form" } },
  { "6455 5.2d", "a size in a longer form, or with its highest bit set, is refused", cases = { 1 },
    { frame, forms } },
  { "6455 5.3", "the key of each frame is fresh and cannot be predicted", { outgoing, each_key },
    { writer, "each frame of a client with a new key" } },
  { "6455 5.4a", "messages may be whole or fragmented, fragments empty", cases = { 5 },
    { message, "joins fragments, of no bytes too, wherever they are cut" } },
  { "6455 5.4b", "control frames are handled between fragments", cases = { 2, 5 },
    { incoming, "gives messages whole, and control frames between their fragments" } },
  { "6455 5.4c", "a continuation of nothing, and a message within another, are refused",
    cases = { 5 }, { frame, first_bytes } },
  { "6455 5.4d", "fragments are sent in order, with the type in the first", { outgoing, order },
    { writer, "a message in fragments, control frames between them" } },
  { "6455 5.4e", "the size of messages is limited, the count of fragments is not", cases = { 8 },
    { message, "takes any number of fragments, in little more memory than they have" } },
  { "6455 5.5", "a control frame has at most 125 bytes and is not fragmented", cases = { 2, 5 },
    { frame, "lets control frames through between fragments, if they are small" } },
  { "6455 5.5.1a", "a Close frame has no payload, or a code and a reason that is UTF-8",
    cases = { 7 },
    { close, "reads a payload of none as no code, and refuses one of a byte" },
    { close, "refuses a reason that is not UTF-8, also one that is cut" } },
  { "6455 5.5.1b", "nothing is sent behind a Close frame",
    { outgoing, "sends nothing behind a Close frame" } },
  { "6455 5.5.3", "an unsolicited pong is ignored by the protocol", cases = { 2 } },
  { "6455 5.6", "text is UTF-8, over fragments and however it arrives; else 1007", cases = { 6 },
    { message, "refuses text at the first byte that is wrong, long before its end" },
    { utf8, "characters may be cut anywhere" } },
  { "6455 7.1.5", "without a code 1005 is reported, without a Close frame 1006", cases = { 7 },
    { parser, "reports an input that ends without a Close frame" } },
  { "6455 7.1.7", "after a failure, and behind a Close frame, no data is taken", cases = { 7 },
    { incoming, "ends at a Close frame, and drops what follows" } },
  { "6455 7.4", "codes that may not be sent are neither sent nor accepted", cases = { 7 },
    { close, "judges every code, both ways" },
    { writer, "Close frames with every code that may be sent, and no other" } },
  { "6455 9.1", "extensions are a list of names with parameters",
    { extension, "refuses what is no list of extensions" } },
  { "6455 10.4", "a message is limited, before its payload has arrived; 1009", cases = { 8 },
    { parser, "refuses a message that is too large before its payload has arrived" },
    { parser, "limits a message, in one frame or in many, and names the option" } },
  { "7692 5.1a", "an answer fits an offer, and accepts permessage-deflate once",
    { extension, "agrees on an answer that fits the offer" },
    { extension, "refuses an answer that nobody may give" } },
  { "7692 5.1b", "a server takes the first offer that it can accept",
    { extension, "accepts the first offer that a server can" } },
  { "7692 6.1", "RSV1 stands in the first frame of a message alone; messages may go uncompressed",
    cases = { 9 } },
  { "7692 7.1.1.1", "server_no_context_takeover is honoured", cases = { 10 },
    { extension, "holds a server to what was offered" },
    { terms, "writes what zlib inflates, for every window and context" } },
  { "7692 7.1.1.2", "client_no_context_takeover in an answer binds the client", cases = { 10 },
    { terms, "writes what zlib inflates, for every window and context" } },
  { "7692 7.1.2.1", "server_max_window_bits is 8 to 15, and at most what was offered",
    { extension, "holds a server to what was offered" } },
  { "7692 7.1.2.2a", "client_max_window_bits is answered only if it was offered",
    { extension, "asks a client for no more than it offered" } },
  { "7692 7.1.2.2b", "the own window is at most as agreed; with 8 bits messages go uncompressed",
    { terms, "writes what zlib inflates, for every window and context" },
    { terms, "sends messages as they are with a window of 2^8 bytes" } },
  { "7692 7.2.1", "the tail of a flush is not sent",
    { terms, "writes what zlib inflates, for every window and context" } },
  { "7692 7.2.2", "every kind of block, several of them, and BFINAL are inflated",
    cases = { 9 } },
  { "7692 7.2.3", "a message is limited after inflating, and its text is UTF-8", cases = { 9 } },
}
