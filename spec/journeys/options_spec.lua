-- The options of clients and requests: each is checked by name and type where it is given.

local sluice = require "sluice"
local support = require "spec.support"

local GOOD = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"

describe("options", function()
  local server

  support.verify_each(function(keep) server = keep(support.serve(GOOD)) end)

  local not_strings = { 5, true, {}, print }
  local not_tables = { 5, true, "x", print }
  local not_booleans = { 5, "true", {}, print }
  local not_functions = { 5, true, "x", {} }
  local not_positive = { 0, -1, 1.5, "1", true, {}, 0 / 0, math.huge }
  local not_counts = { -1, 1.5, "1", true, {}, 0 / 0, math.huge }
  local not_seconds = { -1, -math.huge, 0 / 0, "1", true, {} }

  --- Wrong values by the option's name, those of inner tables as "outer.inner".
  local shared = {
    timeout = { -1, 0 / 0, "1", true, print },
    ["timeout.total"] = not_seconds, ["timeout.resolve"] = not_seconds,
    ["timeout.connect"] = not_seconds, ["timeout.tls"] = not_seconds,
    ["timeout.first_byte"] = not_seconds, ["timeout.idle"] = not_seconds,
    ["timeout.queue"] = not_seconds,
    ["timeout.rate"] = { -1, 5, true, "1", {}, { 1 }, { 0, 1 }, { 1, 0 }, { 1.5, 1 }, { 1, 0 / 0 },
      { "1", 1 }, { 1, 1, 1 }, { 1, 1, x = 1 }, { bytes = 1, seconds = 1 } },
    limits = not_tables,
    ["limits.head"] = not_positive, ["limits.lines"] = not_positive,
    ["limits.line"] = not_positive, ["limits.interim"] = not_counts, ["limits.body"] = not_counts,
    ["limits.lenient_lf"] = not_booleans,
    decompress = not_booleans,
    headers = not_tables,
    auth = { 5, true, "user", {}, { digest = {} }, { digest = "x" }, { netrc = 5 },
      { "a", {} }, { "a", 5 }, { "a", "b", "c" }, { 5 },
      { "a", "b", typo = 1 }, { bearer = 5 }, { bearer = "x", typo = 1 }, { bearer = "x", "a" },
      { user = "a" } },
    redirects = { true, -1, 1.5, "1", {} },
    fail_status = not_booleans,
    retry = { true, -1, 1.5, "1", print }, ["retry.tries"] = not_counts,
    ["retry.delay"] = not_seconds, ["retry.max_delay"] = not_seconds,
    ["retry.max_retry_after"] = not_seconds,
    ["retry.jitter"] = { -0.1, 1.1, 0 / 0, "1", true, {} },
    ["retry.statuses"] = { 503, "503", { "503" }, { 99 }, { 600 }, { x = 503 }, print },
    ["retry.methods"] = { "POST", 5, { 5 }, { x = "POST" }, print },
    ["retry.when"] = not_functions,
  }

  local of_client = {
    base_url = { 5, true, {}, print, "", "/x", "x", "not a url", "ftp://a/", "http://", "http:/x" },
    pool = { true, 5, "x", print },
    ["pool.per_origin"] = not_positive, ["pool.total"] = not_positive,
    ["pool.idle"] = not_seconds, ["pool.lifetime"] = not_seconds,
    pooling = not_booleans,
    transport = { 5, true, print },
    ["transport.mode"] = not_strings, ["transport.backend"] = not_strings,
    tls = not_tables,
    ["tls.ca_file"] = not_strings, ["tls.ca_path"] = not_strings,
    ["tls.ca"] = { 5, true, {}, print, "" },
    ["tls.crl_file"] = not_strings, ["tls.cert_file"] = not_strings,
    ["tls.key_file"] = not_strings,
    ["tls.key_password"] = { 5, true, {}, "a\0b" },
    ["tls.pkcs12_file"] = not_strings, ["tls.key_log"] = not_strings,
    ["tls.provider"] = not_strings,
    ["tls.min_version"] = { 5, true, {}, "1.1", "1.4", "", "TLSv1.2" },
    ["tls.max_version"] = { 5, true, {}, "1.1", "1.4", "", "TLSv1.2" },
    ["tls.ciphers"] = not_strings,
    ["tls.alpn"] = { 5, true, "x", print, { 5 }, { "" }, { ("x"):rep(256) }, { a = "b" },
      { "http/1.1", b = "c" }, { "h2" }, { "http/1.1", "h2" }, { "HTTP/1.1" }, { "x\0" } },
    ["tls.pins"] = { 5, true, "x", print, { 5 }, { "short" }, { ("x"):rep(33) }, { a = "b" },
      {}, { a = ("x"):rep(32) }, { nil, ("x"):rep(32) }, { ("x"):rep(32), "short" } },
    ["tls.resume"] = not_booleans, ["tls.own_records"] = not_booleans,
    ["tls.verify"] = { 5, "true", {} },
    cookies = { 5, "x", print, {} },
    serializer = { 5, true, "x", print, {}, { encode = print } },
    resolver = not_functions,
    logger = not_functions,
    suspend = not_functions, resume = not_functions,
  }

  local of_request = {
    method = not_strings,
    url = not_strings,
    query = { 5, true, print, { print }, { a = print }, { a = { {} } }, { { "a" } }, "a#b" },
    body = { 5, true, {}, { path = 5 }, { read = 5 } },
    ["body.len"] = { 10 }, ["body.typo"] = { 1 }, ["body.length"] = { -1, 1.5, "1" },
    stream = not_booleans,
    cookies = { 5, true, "x", print, {} },
    expect_continue = not_booleans,
    trailers = not_tables,
    on_progress = not_functions,
    on_done = not_functions,
  }

  --- { outer = { inner = value } } for "outer.inner".
  local function set(name, value)
    local outer, inner = name:match "^(.-)%.(.*)$"
    if outer == "body" then return { body = { read = print, [inner] = value } } end
    if outer then return { [outer] = { [inner] = value } } end
    return { [name] = value }
  end

  local function refuses(make, name, values)
    local last = name:match "[%w_]+$"
    for _, value in ipairs(values) do
      local ok, message = pcall(make, set(name, value))
      assert.is_false(ok, ("%s = %s was taken"):format(name, value))
      assert.is_truthy(message:find(last, 1, true), message)
    end
  end

  for name, values in pairs(shared) do
    it("of a client are checked: " .. name, function() refuses(sluice.client, name, values) end)
  end

  for name, values in pairs(of_client) do
    it("of a client are checked: " .. name, function() refuses(sluice.client, name, values) end)
  end

  for _, of in ipairs { shared, of_request } do
    for name, values in pairs(of) do
      it("of a request are checked: " .. name, function()
        local client <close> = support.client()
        refuses(function(options) client:get(server.url .. "/", options) end, name, values)
        refuses(function(options) client:request("POST", server.url .. "/", options) end, name,
          values)
        refuses(function(options) sluice.get(server.url .. "/", options) end, name, values)
        assert.equal(0, (server:connections()))
      end)
    end
  end

  it("that are out of range are named with what they were", function()
    for message, options in pairs {
      ["'timeout': number of seconds, not negative, or table of them expected, got -1"] =
        { timeout = -1 },
      ["'timeout.total': number of seconds, not negative, or false expected, got -0.5"] =
        { timeout = { total = -0.5 } },
      ["'limits.body': integer, not negative expected, got -2"] = { limits = { body = -2 } },
      ["'limits.line': integer above zero expected, got 0"] = { limits = { line = 0 } },
      ["'tls.alpn': 'http/1.1' or 'http/1.0' (a client speaks no other protocol) expected, " ..
        "got 'h2'"] = { tls = { alpn = { "http/1.1", "h2", "x" } } },
      ["'tls.alpn': 'http/1.1' or 'http/1.0' (a client speaks no other protocol) expected, " ..
        "got '\\x00" .. ("x"):rep(63) .. "...'"] = { tls = { alpn = { "\0" .. ("x"):rep(254) } } },
    } do
      assert.error_matches(function() sluice.client(options) end, "client: option " .. message,
        1, true)
    end
    assert.error_matches(function() sluice.sleep(-1) end, "not negative, got -1", 1, true)
  end)

  it("that are unknown are named, with the place where they were given", function()
    local client <close> = support.client()
    for _, key in ipairs { "tiemout", "Timeout", "", "base-url", "time out" } do
      assert.error_matches(function() sluice.client { [key] = 1 } end,
        "client: unknown option '" .. key .. "'", 1, true)
      assert.error_matches(function() client:get(server.url, { [key] = 1 }) end,
        "request: unknown option '" .. key .. "'", 1, true)
    end
    for _, key in ipairs { 1, 2.5, true } do
      assert.error_matches(function() sluice.client { [key] = 1 } end,
        "client: unknown option '" .. tostring(key) .. "'", 1, true)
      assert.error_matches(function() client:get(server.url, { [key] = 1 }) end,
        "request: unknown option '" .. tostring(key) .. "'", 1, true)
    end
    for outer, options in pairs { timeout = "client", limits = "client", pool = "client",
      tls = "client", transport = "client" } do
      assert.error_matches(function() sluice.client { [outer] = { wrong = 1 } } end,
        ("%s: unknown option '%s.wrong'"):format(options, outer), 1, true)
    end
    assert.error_matches(function() client:get(server.url, { base_url = "x" }) end,
      "request: unknown option 'base_url'", 1, true)
  end)

  it("are refused if a zero byte would cut them short", function()
    for _, name in ipairs { "ca_file", "ca_path", "crl_file", "cert_file", "key_file",
      "key_password", "pkcs12_file", "ciphers", "key_log", "provider" } do
      assert.error_matches(function() sluice.client { tls = { [name] = "a\0b" } } end,
        "client: option 'tls." .. name .. "': string without zero bytes expected", 1, true)
    end
    for name, value in pairs { host = "127.0.0.1\0.test", unix_path = "/tmp/a\0b" } do
      assert.error_matches(function() sluice.connect { port = 1, host = "x", [name] = value } end,
        "connect: option '" .. name .. "': string without zero bytes expected", 1, true)
    end
    local client <close> = support.client()
    for _, url in ipairs { "http+unix://%2Ftmp%2Fa%00b/", "http+unix://user:word@%2Ftmp%2Fa/" } do
      local response, message, err = client:get(url)
      assert.is_nil(response)
      assert.equal("invalid", err.code)
      assert.is_nil(message:find("word", 1, true))
    end
  end)

  it("of sluice.connect are checked", function()
    for name, values in pairs {
      host = not_strings, unix_path = not_strings,
      port = { 0, -1, 65536, 1 << 32, 80.5, "80", true, {} },
      timeout = { -1, 0 / 0, "1", { resolve = "1" } }, tls = { 5, "x", { wrong = 1 } },
      transport = { 5, "x", { mode = "x" } }, typo = { 1 },
    } do
      for _, value in ipairs(values) do
        local options = { host = server.host, port = server.port }
        options[name] = value
        local ok, message = pcall(function() sluice.connect(options) end)
        assert.is_false(ok, ("%s = %s was taken"):format(name, value))
        assert.matches("^[^\n]*options_spec.lua:%d+: connect: [^\n]*" .. name, message)
      end
    end
    for _, options in ipairs { {}, { host = "x" }, { port = 1 }, { host = "", port = 1 },
      { host = ".", port = 1 } } do
      assert.error_matches(function() sluice.connect(options) end, "connect: .*host")
    end
  end)

  it("are refused if the path of a socket is too long", function()
    local client <close> = support.client()
    local long = ("a"):rep(200)
    for attempt, reason in pairs {
      [function() return client:get("http+unix://%2F" .. long .. "/") end] = "exceeds",
      [function() return sluice.connect { unix_path = "/" .. long } end] = "exceeds",
      [function() return sluice.connect { unix_path = "" } end] = "is empty",
    } do
      local made, message, err = attempt()
      assert.is_nil(made)
      if reason == "exceeds" then reason = "exceeds %d+ bytes %(fixed%)" end
      assert.matches("^connect unix socket: its path " .. reason .. "$", message)
      assert.equal("invalid", err.code)
    end
  end)

  it("of sluice.connect may name a host with a trailing dot", function()
    local connected, message = sluice.connect { host = "localhost.", port = server.port,
      transport = support.transport() }
    local transport <close> = assert(connected, message)
    assert.is_truthy(transport:send "GET / HTTP/1.1\r\n\r\n")
    local refused, reason = sluice.connect { host = "127.0.0.1.", port = 1,
      transport = support.transport() }
    assert.is_nil(refused)
    assert.matches("127.0.0.1:1: ", reason, 1, true)
  end)

  it("of headers are refused rather than partly ignored", function()
    for _, headers in ipairs { { { "A", "1" }, B = "2" }, { { "A", "1", "2" } },
      { { "A", "1", value = "2" } }, { A = { "1", b = "2" } }, { { "A", { "1", "2", n = 2 } } } } do
      assert.error_matches(function() sluice.client { headers = headers } end,
        "client: header.*: .* has no key")
      local client <close> = support.client()
      assert.error_matches(function() client:get(server.url, { headers = headers }) end,
        "request: header.*: .* has no key")
    end
  end)

  it("of headers mark secrets with a boolean", function()
    assert.error_matches(function() sluice.client { headers = { { "A", "1", secret = 1 } } } end,
      "client: headers: secret: boolean expected, got number", 1, true)
  end)

  it("of tls are refused if they contradict each other", function()
    assert.error_matches(function()
      sluice.client { tls = { min_version = "1.3", max_version = "1.2" } }
    end, "client: option 'tls.max_version': version not below min_version", 1, true)
    sluice.client({ tls = { min_version = "1.2", max_version = "1.2", alpn = {} } }):close()
    -- A certificate comes from one place, and a key needs a certificate.
    assert.error_matches(function() sluice.client { tls = { key_file = "a" } } end,
      "client: option 'tls.key_file': cert_file beside it expected", 1, true)
    for _, options in ipairs { { cert_file = "a" }, { cert_file = "a", key_file = "b" } } do
      options.pkcs12_file = "c"
      assert.error_matches(function() sluice.client { tls = options } end,
        "client: option 'tls.pkcs12_file': no cert_file beside it expected", 1, true)
    end
    for _, make in ipairs { sluice.client, function(options)
      return sluice.connect { host = server.host, port = server.port, tls = options.tls }
    end } do
      local made, message, err = make { tls = { provider = "none such" } }
      assert.is_nil(made)
      assert.equal("unsupported", err.code)
      assert.matches("provider 'none such' is not in this build", message, 1, true)
    end
    for _, provider in ipairs(sluice.platform().tls_providers) do
      sluice.client({ tls = { provider = provider } }):close()
    end
  end)

  it("of transport are refused if a stream is asked of a completion backend", function()
    for _, backend in ipairs { "io_uring", "threads" } do
      for _, transport in ipairs { { backend = backend },
        { mode = "stream", backend = backend } } do
        local client, message, err = sluice.client { transport = transport }
        assert.is_nil(client)
        assert.equal("unsupported", err.code)
        assert.equal(("client: stream transport: backend '%s' has completions only")
          :format(backend), message)
        local connected, _, why = sluice.connect { host = server.host, port = server.port,
          transport = transport }
        assert.is_nil(connected)
        assert.equal("unsupported", why.code)
      end
    end
  end)

  it("that are not tables are refused at the caller's line", function()
    local client <close> = support.client()
    for _, value in ipairs { 5, "x", true, print } do
      local ok, message = pcall(function() sluice.client(value) end)
      assert.is_false(ok)
      assert.matches("options_spec.lua:%d+: client: table of options expected", message)
      ok, message = pcall(function() client:post(server.url, value) end)
      assert.is_false(ok)
      assert.matches("options_spec.lua:%d+: request: table of options expected", message)
    end
    local ok, message = pcall(function() client:get(server.url, { wrong = 1 }) end)
    assert.is_false(ok)
    assert.matches("^[^\n]*options_spec.lua:%d+: request: unknown option", message)
  end)

  --- Each function with options, called with a value in their place; by the name that an error
  -- begins with.
  local function with_options(client)
    local url, socket_url = server.url, "ws" .. server.url:sub(5)
    local calls = {
      { "client", sluice.client }, { "connect", sluice.connect },
      { "cookie_jar", sluice.cookie_jar },
      { "map", function(value) sluice.map({}, print, value) end },
      { "save", function(value) sluice.cookie_jar():save("/nowhere/cookies", value) end },
      { "request", function(value) client:request("GET", url, value) end },
      { "download", function(value) client:download(url, "/nowhere/file", value) end },
      { "events", function(value) client:events(url, value) end },
      { "pages", function(value) client:pages(url, value) end },
      { "websocket", function(value) client:websocket(socket_url, value) end },
    }
    for _, name in ipairs { "get", "head", "post", "put", "patch", "delete", "options" } do
      calls[#calls + 1] = { name, function(value) client[name](client, url, value) end,
        of = "request" }
    end
    for _, name in ipairs { "cache", "circuit_breaker", "log", "metrics", "rate_limit",
      "record" } do
      calls[#calls + 1] = { name, sluice.interceptors[name] }
    end
    for _, name in ipairs { "save", "events", "json_lines" } do
      calls[#calls + 1] = { name, function(value)
        local response <close> = assert(client:get(url))
        return response[name](response, table.unpack(name == "save" and { "/nowhere/file", value }
          or { value }))
      end }
    end
    return calls
  end

  it("that are neither a table nor nil are refused by each function that takes them", function()
    local client <close> = support.client()
    assert(client:get(server.url)):dispose() -- so that the next one goes the short way
    for _, call in ipairs(with_options(client)) do
      for _, value in ipairs { false, 5, "x" } do
        local ok, message = pcall(call[2], value)
        assert.is_false(ok, call[1])
        assert.matches(("%s: table of options expected, got %s"):format(call.of or call[1],
          type(value)), tostring(message))
      end
    end
  end)

  it("that are neither a table nor nil are refused by parsers, buffers and writers", function()
    for _, name in ipairs { "http_parser", "ws_parser", "event_parser", "buffer", "writer" } do
      for _, value in ipairs { false, 5, "x" } do
        assert.error_matches(function() sluice[name](value) end,
          ("bad argument #1 .*%%(table expected, got %s%%)"):format(type(value)))
      end
    end
  end)

  it("of transport are refused if the name is unknown", function()
    assert.error_matches(function() sluice.client { transport = "carrier pigeon" } end,
      "'stream' or 'completion' expected, got 'carrier pigeon'", 1, true)
    assert.error_matches(function() sluice.client { transport = { mode = "x" } } end, "transport")
    assert.error_matches(function() sluice.client { transport = { backend = "select" } } end,
      "no backend 'select'", 1, true)
  end)

  it("of a client are copied: later changes of the table have no effect", function()
    local options = {
      base_url = server.url, headers = { X = "before", Y = { "1", "2" } },
      pool = { per_origin = 1 }, timeout = { total = 5 }, limits = { body = 100 },
      transport = support.transport(),
    }
    local client <close> = sluice.client(options)
    options.base_url = "http://127.0.0.1:1"
    options.headers.X = "after"
    options.headers.Y[1] = "after"
    options.headers.Z = "after"
    options.timeout.total = 0
    options.limits.body = 0
    options.pool.per_origin = 0
    for _ = 1, 2 do
      local response <close>, message = client:get "/path"
      assert(response, message)
      assert.equal("good", response:text())
    end
    local sent = server:received(1)
    assert.is_truthy(sent:find("\r\nX: before\r\nY: 1\r\nY: 2\r\n", 1, true), sent)
    assert.is_nil(sent:find "after")
  end)

  it("of a request are not modified", function()
    local client <close> = support.client { headers = { B = "client's" } }
    local options = { headers = { { "A", "1" } }, query = { q = "x" }, timeout = 5,
      body = "text" }
    for _ = 1, 2 do
      local response <close> = assert(client:post(server.url .. "/", options))
      assert.equal("good", response:text())
    end
    assert.same({ headers = { { "A", "1" } }, query = { q = "x" }, timeout = 5, body = "text" },
      options)
  end)

  it("may be left out", function()
    sluice.client():close()
    local client <close> = support.client()
    local response <close> = assert(client:get(server.url .. "/"))
    assert.equal(200, response.status)
    local again <close> = assert(client:get(server.url .. "/", {}))
    assert.equal(200, again.status)
  end)
end)
