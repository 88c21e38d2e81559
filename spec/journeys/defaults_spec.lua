-- Runs once.
-- The reference is made from the types, and its defaults are those of the code.

local reference = dofile ".ci/reference.lua"
local server = require "spec.support.server"

local types = reference.types()
local options = reference.options(types)

-- Where a default stands in the code: the file, and a pattern that captures it.
local deadline = "src/conn/deadline.c"
local function seconds(name) return { deadline, "deadlines%->" .. name .. " = ([^;]+);" } end
local response = "src/http/response.c"
local function limit(name) return { response, "limits%->" .. name .. " = ([^;]+);" } end
local retry = "lua/sluice/retry.lua"
local reopening = "lua/sluice/websocket/reconnect.lua"
local stream = "lua/sluice/events.lua"
local websocket = "src/conn/websocket.c"
local function of_socket(name) return { websocket, "options%->" .. name .. " = ([^;]+);" } end
local pool = "src/conn/pool.c"
local function of_pool(name) return { pool, "options%->" .. name .. " = ([^;]+);" } end
local breaker = "lua/sluice/interceptors/circuit_breaker.lua"
local function of_breaker(name) return { breaker, "options%." .. name .. " or (%d+)" } end
local cache = "lua/sluice/interceptors/cache.lua"
local sse_line = { "src/events/sse.h", "SL_SSE_LINE_LIMIT +([^\n]+)" }
local sse_event = { "src/events/sse.h", "SL_SSE_EVENT_LIMIT +([^\n]+)" }
local redirects = { "lua/sluice/compose.lua", "redirect_limit = (%d+)" }

local of_response = { head = limit "head%.head", line = limit "head%.line",
  lines = limit "head%.lines", interim = limit "interim" }

local sources = {
  timeouts = {
    total = seconds "total", resolve = seconds "opening%.resolve", queue = seconds "queue",
    connect = seconds "opening%.connect", proxy = seconds "opening%.proxy",
    tls = seconds "opening%.tls", first_byte = seconds "first_byte", idle = seconds "idle",
  },
  limits = { head = of_response.head, line = of_response.line, lines = of_response.lines,
    interim = of_response.interim,
    body = { "lua/sluice/compose.lua", "buffered_body_limit = ([^\n]+)" } },
  parser_options = of_response,
  request_options = { redirects = redirects },
  client_options = { redirects = redirects },
  retry_options = {
    tries = { retry, "tries = option%.tries or (%d+)" },
    delay = { retry, "option%.delay or ([%d.]+)" },
    max_delay = { retry, "math%.max%((%d+), delay%)" },
    max_retry_after = { retry, "max_retry_after or (%d+)" },
    jitter = { retry, "option%.jitter or ([%d.]+)" },
    statuses = { retry, "default_statuses = { (.-) }" },
  },
  reconnect_options = {
    tries = { stream, "policy = {.-tries = (%d+)" },
    delay = { stream, "policy = {.- delay = (%d+)" },
    max_delay = { stream, "policy = {.-max_delay = (%d+)" },
    max_retry = { stream, "policy = {.-max_retry = (%d+)" },
    jitter = { stream, "policy = {.-jitter = ([%d.]+)" },
  },
  stream_limits = { max_line_size = sse_line, max_event_size = sse_event },
  events_options = { max_line_size = sse_line, max_event_size = sse_event },
  event_parser_options = { max_line_size = sse_line, max_event_size = sse_event },
  json_lines_options = { max_line_size = { "src/events/record.h", "SL_RECORD_LIMIT +([^\n]+)" } },
  download_options = { parallel = { "lua/sluice/download.lua", "own%.parallel or (%d+)" } },
  compress_options = { threshold = { websocket, "COMPRESS_FROM +([^\n]+)" } },
  websocket_options = {
    timeout = { "lua/sluice/websocket/open.lua", "handshake_time = (%d+)" },
    redirects = { "lua/sluice/websocket/open.lua", "own%.redirects = options%.redirects or (%l+)" },
    max_message_size = { websocket, "MESSAGE_MOST +([^\n]+)" },
    queue = of_socket "queue_count",
    ping_interval = of_socket "ping_interval",
    pong_timeout = of_socket "pong_timeout",
    send_timeout = of_socket "send_timeout",
    close_timeout = of_socket "close_timeout",
  },
  websocket_reconnect_options = {
    tries = { reopening, "tries = option%.tries or (%d+)" },
    delay = { reopening, "option%.delay or (%d+)" },
    max_delay = { reopening, "math%.max%((%d+), delay%)" },
    codes = { reopening, "default_codes = { (.-) }" },
  },
  ws_parser_options = { max_message_size = { "src/binding/ws_parser.c", "MAX_SIZE ([^\n]+)" } },
  pool_options = { per_origin = of_pool "per_origin", total = of_pool "total",
    idle = of_pool "idle", lifetime = of_pool "lifetime" },
  connect_options = { timeout = { "src/binding/transport.c", '"resolve", ([^)]+)%)' } },
  buffer_options = { segment_size = { "src/memory/pool.h", "SL_SEGMENT_SIZE ([^\n]+)" } },
  writer_options = { initial_size = { "src/binding/writer.c", "INITIAL_SIZE ([^\n]+)" },
    max_size = { "src/binding/writer.c", "MAX_SIZE +([^\n]+)" } },
  metrics_options = {
    origins = { "lua/sluice/interceptors/metrics.lua", "options%.origins or (%d+)" } },
  cache_options = { max_bytes = { cache, "options%.max_bytes or ([%d *]+)" },
    max_entries = { cache, "options%.max_entries or (%d+)" } },
  rate_limit_options = {
    origins = { "lua/sluice/interceptors/rate_limit.lua", "options%.origins or (%d+)" } },
  circuit_breaker_options = {
    failures = of_breaker "failures", open_for = of_breaker "open_for",
    trials = of_breaker "trials", origins = { breaker, "options%.origins or (%d+)" },
    statuses = { breaker, "options%.statuses or { (.-) }" } },
}

-- The same for defaults that are true, or a word in quotes.
local decodes = { "src/binding/options.c", '"decodes", (%l+)%)' }
local transport = { "lua/sluice/transports.lua", 'asked = asked or "(%l+)"' }
local tls_flags = "src/tls/provider.c"
local file_type = { "lua/sluice/multipart.lua", 'file%.type or "([%l/-]+)"' }

local words = {
  client_options = { pooling = { "src/binding/connections.c", '"pooling", (%l+)%)' },
    decompress = decodes, transport = transport,
    serializer = { "lua/sluice/client.lua", "options%.serializer or (%l+)" } },
  request_options = { decompress = decodes,
    method = { "lua/sluice/client.lua", 'all%.method == nil and "(%u+)"' } },
  websocket_options = { decompress = decodes },
  -- Only HEAD and CONNECT are other than GET to a parser.
  parser_options = { decompress = { "src/binding/parser.c", '"decompress", (%l+)%)' },
    method = { "src/binding/parser.c", 'method = "(%u+)"' } },
  transport_choice = { mode = { "lua/sluice/transports.lua", 'asked%.mode or "(%l+)"' } },
  connect_options = { transport = transport },
  tls_options = { verify = { tls_flags, "verifies = (%l+);" },
    resume = { tls_flags, "resumes = (%l+);" },
    own_records = { tls_flags, "has_own_records = (%l+);" },
    alpn = { tls_flags, [[alpn = SL_VIEW%("\x08(http/1%.1)"%)]] },
    min_version = { "src/tls/openssl/context.c", "min_version, TLS(1_2)_VERSION" },
    max_version = { "src/tls/openssl/context.c", "max_version, TLS(1_3)_VERSION" } },
  record_options = { mode = { "lua/sluice/interceptors/record.lua", 'options%.mode or "(%l+)"' } },
  metrics_options = {
    prefix = { "lua/sluice/interceptors/metrics.lua", 'options%.prefix or "([%l_]+)"' } },
  multipart_file = { type = file_type },
  own_cookie = { path = { "lua/sluice/cookies/jar.lua", 'given%.path or "(.)"' },
    host_only = { "lua/sluice/cookies/jar.lua", "host_only == (nil) then cookie%.host_only" } },
}

--- The value of what a file has: a number, or the text of a list.
local function value_of(text)
  text = text:gsub("%(%(?size_t%)", "("):gsub("%(%(?uint64_t%)", "(")
    :gsub("SL_SECOND", "1"):gsub("^false$", "0"):gsub("^%(([^()]*)$", "%1")
  if text:find "," then return text end
  return assert(load("return " .. text), text)()
end

--- What the code has for an option; nil if it is not where the list of sources says.
local function default_in_code(class, name)
  local source = sources[class] and sources[class][name]
  local found = source and server.read(source[1]):match(source[2])
  return found and value_of(found)
end

describe("the reference", function()
  it("has the defaults of the code", function()
    local count = 0
    for class, fields in pairs(options) do
      for name, option in pairs(fields) do
        local default = option.default
        local is_number = default and (tonumber(default) or default:find "^%d[%d, ]+$")
        if is_number then
          count = count + 1
          local there = default_in_code(class, name)
          assert.equal(tonumber(default) or default, there, class .. "." .. name)
        end
      end
    end
    assert.is_true(count >= 60)
  end)

  it("has the words of the code", function()
    local count = 0
    for class, fields in pairs(options) do
      for name, option in pairs(fields) do
        local default = option.default or ""
        local word = default == "true" and default or default:match '^"(.*)"$'
        if word then
          count = count + 1
          local source = assert(words[class] and words[class][name], class .. "." .. name)
          local there = server.read(source[1]):match(source[2])
          if name == "host_only" then word = "nil" end
          assert.equal(word, ((there or ""):gsub("(%d)_(%d)", "%1.%2")), class .. "." .. name)
        end
      end
    end
    assert.is_true(count >= 20)
  end)

  it("names no source of a default that it does not have", function()
    for class, fields in pairs(sources) do
      for name in pairs(fields) do
        local option = options[class] and options[class][name]
        assert.is_truthy(option and option.default and option.default:find "^%d", name)
      end
    end
  end)

  it("names codes of failures that there are", function()
    local codes = types:match "@alias sluice.code\n(.-)\n\n"
    for class, fields in pairs(options) do
      for name, option in pairs(fields) do
        for code in option.fails:gmatch "[^, ]+" do
          assert.is_truthy(codes:find('"' .. code .. '"', 1, true), class .. "." .. name)
        end
      end
    end
  end)

  it("is what `make doc` writes", function()
    for path, text in pairs(reference.make(types)) do
      assert.equal(text, server.read(path), path)
    end
  end)

  it("has no page that `make doc` does not write", function()
    local made = reference.make(types)
    local _, listing = server.run { "sh", "-c", "ls doc/reference/*" }
    for path in listing:gmatch "%S+" do assert.is_truthy(made[path], path) end
  end)

  it("is not made of a type without a page, or of a function without a description", function()
    local parsers = types:find("---@class sluice.http_parser\n", 1, true)
    local feed = "--- Feeds received bytes: [^\n]*\n"
    for reason, broken in pairs {
      ["other: on no page"] = types .. "---@class sluice.other\n",
      ["http_parser:feed: without a description"] = types:sub(1, parsers)
        .. types:sub(parsers + 1):gsub(feed, "", 1),
      ["feed: does not say with what it fails"] = types:gsub("Fails with memory", "May fail"),
    } do
      assert.error_matches(function() reference.make(broken) end, reason, 1, true)
    end
  end)

  it("reads units and codes out of the line of an option", function()
    assert.same({ default = "10", unit = "s", fails = "timeout", text = "the handshake" },
      reference.read_option "default 10 s; the handshake; fails: timeout")
    assert.same({ default = "none", unit = "bytes", fails = "", text = "A size" },
      reference.read_option "A size; default none, in bytes")
    assert.same({ default = '"GET"', fails = "", text = "" },
      reference.read_option 'default "GET"')
  end)
end)
