--- The workloads and the figures required of them, as in the table of goals.
--
-- A row with `contenders` is timed: each of them does `count` requests (`quick` with --quick; one
-- with a `share` that part of them), one after the other, round after round, and a figure is the
-- median of one over the median of another. `at` names the server, `per` the unit. A row with
-- `measure` is counted once by the function of that name in harness/counts.lua; its figures name
-- fields of what that returns, and those of others than sluice, for comparison, are its context.
-- Where a row's `modes` stand these transports run, too, unless others were asked for; a figure's
-- `by_mode` has goals of their own.

local MIB = 1024 * 1024
local GIB = 1024 * MIB

local fresh = { FRESH = "1", RESUME = "0" }
local resumed = { FRESH = "1" }
local decode = { DECODE = "1" }

local function body(name, client, workload, env)
  return { name = name, client = client, workload = workload, env = env }
end

-- Transports that have to be as good as the default.
local completion = { "completion+io_uring", "completion+epoll" }

local function with_completion(row)
  row.modes = completion
  return row
end

--- Other clients for Lua, the module without which each is left out, and the part of the requests
-- that it makes: a tenth where each takes a connection of its own.
local function for_lua(name, module, workload, share)
  return { name = (name:gsub("_", "-")), client = "lua", workload = name .. "_" .. workload,
    needs = module, share = share }
end

local function small(name, title, at, connections, count, figures)
  local workload = connections == 1 and "sequential" or "concurrent"
  local contenders = { body("sluice", "sluice", workload), body("curl", "curl", workload) }
  if at ~= "secure" then
    table.insert(contenders, body("raw", "raw", workload))
  end
  if at == "secure" and connections == 1 then
    table.insert(contenders, body("SSL_read", "floor", "sequential"))
  end
  if connections > 1 then
    table.insert(contenders, { name = "wrk", client = "wrk" })
  end
  if at == "fast" then
    table.insert(contenders, body("undici", "undici", workload))
    table.insert(contenders, for_lua("luv", "luv", workload))
    table.insert(contenders, for_lua("lua_http", "http.request", workload, 10))
    table.insert(contenders, connections == 1
      and for_lua("luasocket", "socket.http", workload, 10)
      or for_lua("copas", "copas.http", workload, 10))
  end
  return {
    name = name, title = title, at = at, path = "/1k", per = "request",
    connections = connections, count = count, quick = count // 10,
    contenders = contenders, figures = figures,
  }
end

local function large(name, title, at, path, mib, contenders, figures)
  return {
    name = name, title = title, at = at, path = path, per = "MiB", connections = 1, mib = mib,
    count = 1, quick = 1, contenders = contenders, figures = figures,
  }
end

-- A body this often, one after the other: a long round varies less than several short ones.
local function repeated(count, row)
  row.count = count
  return row
end

-- Bodies held whole get memory that has been used before: see clients/touch.c.
local function touching(mib, row)
  row.touch = mib
  return row
end

local function cpu(of, over, must, aim)
  return { field = "cpu", of = of, over = over, must = must, aim = aim }
end

local function handshakes(name, title, env, figures)
  return {
    name = name, title = title, at = "secure", path = "/1k", per = "request", connections = 1,
    count = 1000, quick = 100,
    contenders = {
      body("sluice", "sluice", "sequential", env),
      body("curl", "curl", "sequential", env),
      body("OpenSSL", "floor", "handshakes", env),
    },
    figures = figures,
  }
end

-- Messages of that size, each sent when the answer to the one before has arrived. `script` is
-- sluice's; the last argument of each client is the size.
local function messages(name, title, path, size, count, contenders, figures)
  return {
    name = name, title = title, at = "websocket", path = path, script = "websocket", size = size,
    per = size < MIB // 16 and "message" or "MiB", mib = size >= MIB // 16 and size / MIB or nil,
    count = count, quick = count // 10 > 0 and count // 10 or 1,
    contenders = contenders, figures = figures,
  }
end

local function over_websocket(workload, and_text)
  local list = {
    body("sluice", "sluice", workload), body("ws", "ws", workload),
    body("wslay", "ws_wslay", workload), body("raw", "ws_raw", workload),
  }
  if and_text then
    table.insert(list, 2, body("sluice text", "sluice", workload .. "_text"))
  end
  return list
end

return {
  with_completion(small("W1", "sequential small GET, fast origin", "fast", 1, 20000, {
    cpu("sluice", "curl", 0.90, 0.78),
    { field = "wall", of = "sluice", over = "curl" },
  })),
  {
    name = "W1s", title = "W1, polling before it sleeps: loop:spin(0.0001)", at = "fast",
    path = "/1k", per = "request", connections = 1, count = 20000, quick = 2000,
    contenders = {
      body("sluice", "sluice", "sequential", { SPIN = "0.0001" }),
      body("curl", "curl", "sequential"),
    },
    figures = {
      cpu("sluice", "curl", 0.90, 0.78),
      { field = "wall", of = "sluice", over = "curl", must = 0.95, aim = 0.65 },
    },
  },
  small("W1n", "sequential small GET, nginx", "nginx", 1, 20000, {
    cpu("sluice", "curl", 0.90, 0.78),
  }),
  small("W2", "small GET, 64 connections, fast origin", "fast", 64, 200000, {
    cpu("sluice", "curl", 0.45, 0.26),
    cpu("sluice", "wrk", 1.80, 1.00),
  }),
  with_completion(small("W2n", "small GET, 64 connections, nginx", "nginx", 64, 200000, {
    cpu("sluice", "curl", 0.60, 0.40),
  })),
  repeated(4, large("W3", "1 GiB streamed, four times", "fast", "/length/" .. GIB, 1024, {
    body("sluice", "sluice", "discard"),
    body("sluice left", "sluice", "left"),
    body("sluice strings", "sluice", "strings"),
    body("curl", "curl", "discard"),
    body("raw", "raw", "discard"),
  }, {
    cpu("sluice", "curl", 1.00, 0.80),
    cpu("sluice left", "curl", 1.00, 0.80),
    cpu("sluice strings", "curl", 1.25, 1.15),
    { field = "rss", of = "sluice", must = 1024, aim = 512, unit = "KiB" },
    -- As much garbage beside it as Lua's collector lets gather: about the size of its heap.
    { field = "rss", of = "sluice left", unit = "KiB" },
    { field = "rss", of = "sluice strings", unit = "KiB" },
  })),
  repeated(4, large("W3n", "1 GiB streamed from nginx, four times", "nginx", "/1g", 1024, {
    body("sluice", "sluice", "discard"),
    body("sluice left", "sluice", "left"),
    body("sluice strings", "sluice", "strings"),
    body("curl", "curl", "discard"),
    body("raw", "raw", "discard"),
  }, {
    cpu("sluice", "curl", 1.00, 0.95),
    cpu("sluice left", "curl", 1.00, 0.95),
    cpu("sluice strings", "curl", 1.25, 1.15),
  })),
  large("W3l", "256 MiB streamed, in lines of 70 bytes", "fast", "/file/lines", 256, {
    body("sluice", "sluice", "lines"),
    body("sluice whole", "sluice", "whole_lines"),
    body("io.lines", "sluice", "file_lines"),
  }, {
    cpu("sluice", "io.lines", 1.50, 1.20),
    cpu("sluice whole", "io.lines", 1.50, 1.20),
  }),
  large("W12", "256 MiB of a language model's tokens, as events of 206 bytes", "fast",
    "/file/events", 256, {
      body("sluice", "sluice", "events"),
      body("undici", "undici", "events"),
      body("undici in stages", "undici", "stages"),
      body("lines", "sluice", "lines"),
    }, {
      cpu("sluice", "undici", 0.60, 0.45),
      cpu("sluice", "undici in stages", 0.60, 0.45),
    }),
  {
    name = "W12p", title = "delay of events, 50 streams of 100 a second", measure = "event_delays",
    figures = {
      { field = "median", must = 1.0, aim = 0.8, unit = "p50 over undici's" },
      { field = "late", must = 0.5, aim = 0.1, unit = "p99 over undici's" },
      { field = "p50", unit = "us" },
      { field = "p99", unit = "us" },
    },
  },
  large("W3d", "16 MiB streamed, as numbers", "fast", "/file/numbers", 16, {
    body("sluice", "sluice", "numbers"),
    body("sluice whole", "sluice", "whole_numbers"),
    body("io.read", "sluice", "file_numbers"),
  }, {
    cpu("sluice", "io.read", 1.50, 1.20),
    cpu("sluice whole", "io.read", 1.50, 1.20),
  }),
  touching(3072, large("W3b", "1 GiB held whole", "fast", "/length/" .. GIB, 1024, {
    body("sluice", "sluice", "hold"),
    body("sluice text", "sluice", "text"),
    body("curl", "curl", "hold"),
    body("raw", "raw", "hold"),
  }, {
    cpu("sluice", "curl", 0.60, 0.35),
    { field = "held", of = "sluice", must = 1.05, aim = 1.01, unit = "bytes per byte" },
    { field = "held", of = "sluice text", must = 2.05, aim = 2.02, unit = "bytes per byte" },
  })),
  large("W4", "256 MiB chunked in 4 KiB", "fast", ("/chunked/%d/4096"):format(256 * MIB), 256, {
    body("sluice", "sluice", "discard"),
    body("curl", "curl", "discard"),
    body("raw", "raw", "discard"),
  }, {
    cpu("sluice", "curl", 1.00, 0.85),
  }),
  large("W4b", "32 MiB chunked in 16 bytes", "fast", ("/chunked/%d/16"):format(32 * MIB), 32, {
    body("sluice", "sluice", "discard"),
    body("curl", "curl", "discard"),
    body("raw", "raw", "discard"),
  }, {
    cpu("sluice", "curl", 0.30, 0.15),
  }),
  large("W5", "gzip 256 MiB, 5.3:1", "fast", "/gzip/text.gz", 256, {
    body("sluice", "sluice", "discard", decode),
    body("curl", "curl", "discard", decode),
    body("inflate", "floor", "inflate"), body("ISA-L", "floor", "isal"),
  }, {
    cpu("sluice", "curl", 0.95, 0.30),
  }),
  large("W5b", "gzip 256 MiB, 280:1", "fast", "/gzip/flat.gz", 256, {
    body("sluice", "sluice", "discard", decode),
    body("curl", "curl", "discard", decode),
    body("inflate", "floor", "inflate"), body("ISA-L", "floor", "isal"),
  }, {
    cpu("sluice", "curl", 0.70, 0.30),
  }),
  small("W6a", "W1 over TLS 1.3", "secure", 1, 20000, {
    cpu("sluice", "curl", 0.92, 0.80),
  }),
  small("W6b", "W2n over TLS 1.3", "secure", 64, 100000, {
    cpu("sluice", "curl", 0.55, 0.45),
    cpu("sluice", "wrk", 0.95, 0.80),
  }),
  large("W6c", "1 GiB streamed over TLS 1.3", "secure", "/1g", 1024, {
    body("sluice", "sluice", "discard"),
    body("curl", "curl", "discard"),
    body("SSL_read", "floor", "discard"),
  }, {
    cpu("sluice", "curl", 0.97, 0.88),
  }),
  handshakes("W6d", "full TLS 1.3 handshake and one GET", fresh, {
    cpu("sluice", "curl", 0.80, 0.68),
  }),
  handshakes("W6e", "resumed TLS 1.3 handshake and one GET", resumed, {
    cpu("sluice", "curl", 0.60, 0.45),
  }),
  messages("W7a", "WebSocket, echo of 125 bytes", "/echo", 125, 20000, over_websocket("echo"), {
    cpu("sluice", "ws", 0.80, 0.72),
    cpu("sluice", "wslay", 1.15, 1.05),
  }),
  messages("W7b", "WebSocket, echo of 64 KiB", "/echo", MIB // 16, 4000,
    over_websocket("echo", true), {
    cpu("sluice", "ws", 0.50, 0.38),
    cpu("sluice text", "ws"),
  }),
  messages("W7c", "WebSocket, echo of 4 MiB", "/echo", 4 * MIB, 64, over_websocket("echo", true), {
    cpu("sluice", "ws", 0.50, 0.38),
    cpu("sluice text", "ws"),
  }),
  messages("W7d", "WebSocket, 64 MiB of checked text in fragments of 16 KiB",
    ("/text/%d/16384"):format(64 * MIB), 64 * MIB, 5, over_websocket("text"), {
    cpu("sluice", "ws", 0.30, 0.18),
    { field = "held", of = "sluice", must = 1.05, aim = 1.01, unit = "bytes per byte" },
  }),
  messages("W7t", "the same, one message as a string",
    ("/text/%d/16384"):format(64 * MIB), 64 * MIB, 1, over_websocket("text", true), {
    cpu("sluice text", "ws"),
    { field = "held", of = "sluice text", must = 2.1, aim = 2.02, unit = "bytes per byte" },
  }),
  {
    name = "W8a", title = "JSON POST", at = "fast", path = "/sink", per = "request",
    connections = 1, count = 20000, quick = 2000,
    contenders = { body("sluice", "sluice", "post"), body("curl", "curl", "post") },
    figures = { cpu("sluice", "curl", 1.15, 1.00) },
  },
  large("W8", "256 MiB file as a body", "fast", "/sink", 256, {
    body("sluice", "sluice", "upload"),
    body("curl", "curl", "upload"),
    body("raw", "raw", "upload"),
  }, {
    cpu("sluice", "curl", 0.90, 0.60),
  }),
  large("W8b", "256 MiB file as a part of a multipart", "fast", "/sink", 256, {
    body("sluice", "sluice", "multipart"),
    body("curl", "curl", "multipart"),
  }, {
    cpu("sluice", "curl", 0.90, 0.60),
  }),
  {
    name = "W9", title = "1000 idle connections", measure = "idle",
    figures = {
      { field = "together", must = 1024, aim = 400, unit = "bytes allocated each" },
      { field = "apart", unit = "resident bytes each, with an origin of its own" },
    },
  },
  {
    name = "W9b", title = "idle connections 150 ms after 9000 requests at once", measure = "burst",
    figures = {
      { field = "each", must = 1024, aim = 400, unit = "resident bytes each, above 8 MiB" },
      { field = "whole", unit = "KiB resident" },
    },
  },
  {
    name = "W9w", title = "10,000 idle WebSockets", measure = "idle_sockets",
    figures = {
      { field = "socket", must = 1536, aim = 1024, unit = "bytes allocated each, Lua's too" },
    },
  },
  {
    name = "W12i", title = "10,000 idle event streams", measure = "idle_streams",
    figures = {
      { field = "streams", must = 1536, aim = 1280,
        unit = "bytes allocated each, Lua's too: response:events()" },
      { field = "subscribed", unit = "the same of client:events()" },
      { field = "waiting", unit = "the same with the coroutine that waits" },
    },
  },
  {
    name = "W9t", title = "1000 idle connections over TLS", measure = "idle_secure",
    figures = {
      { field = "together", must = 16384, aim = 10240, unit = "bytes allocated each" },
    },
  },
  {
    name = "W10", title = "allocations of a sequential GET, 1 KiB body taken",
    measure = "allocations",
    figures = {
      { field = "allocations", must = 0, aim = 0, unit = "calls by the module's own count" },
      { field = "mallocs", must = 0, aim = 0, unit = "calls outside Lua's heap, interposed" },
      { field = "heap", must = 1600, aim = 1250, unit = "bytes of Lua heap" },
      { field = "curl", unit = "mallocs of curl", is_context = true },
    },
  },
  {
    name = "W11", title = "system calls per request", measure = "system_calls",
    modes = completion,
    figures = {
      { field = "sequential", must = 3.1, aim = 2.0, unit = "one connection" },
      { field = "concurrent", must = 2.1, aim = 2.02, unit = "64 connections",
        by_mode = { ["completion+io_uring"] = { must = 0.1, aim = 0.07 } } },
      { field = "curl_sequential", unit = "curl, one connection", is_context = true },
      { field = "curl_concurrent", unit = "curl, 64 connections", is_context = true },
    },
  },
  {
    name = "G1", title = "1 to 40,000 tasks on 16 connections, compared from 1,000 on",
    measure = "growth_tasks",
    figures = {
      { field = "growth", must = 1.5, aim = 1.2, unit = "dearest over cheapest" },
      { field = "most", unit = "us a task" },
    },
  },
  {
    name = "G2", title = "GET to an idle origin while 30,000 wait for another",
    measure = "growth_elsewhere",
    figures = {
      { field = "growth", must = 1.5, aim = 1.1, unit = "with over without them" },
      { field = "most", unit = "us" },
    },
  },
  {
    name = "G3", title = "longest step, 1 to 10,000 origins at once, compared from 100 on",
    measure = "growth_origins",
    figures = {
      { field = "growth", must = 2.0, aim = 1.5, unit = "dearest over cheapest" },
      { field = "most", unit = "us" },
    },
  },
  {
    name = "G4", title = "GET through every built-in interceptor but the recorder",
    measure = "interceptors",
    figures = {
      { field = "growth", must = 1.25, unit = "with over without them" },
      { field = "most", unit = "us" },
    },
  },
  {
    name = "G5", title = "GET, 1 to 10,000 connections in use, compared from 100 on",
    measure = "growth_connections",
    figures = {
      { field = "growth", unit = "dearest over cheapest" },
      { field = "most", unit = "us" },
    },
  },
  {
    name = "G6", title = "a MiB of bodies of 1 KiB to 1 GiB, compared from 4 MiB on",
    measure = "growth_sizes",
    figures = {
      { field = "growth", unit = "dearest over cheapest" },
      { field = "most", unit = "us a MiB" },
    },
  },
  {
    name = "RSS", title = "10,000 sequential GETs", measure = "steady",
    figures = {
      { field = "grown", must = 64, aim = 0,
        unit = "KiB, the last 4,500's peak above the 4,500's before" },
      { field = "outstanding", must = 0, aim = 0, unit = "segments and blocks at the end" },
    },
  },
}
