-- Forms and multipart bodies as others read them: python3's parsers, busboy, and nginx, which
-- stores what arrives. Large files, files that change, hostile names and values.

local forms = require "spec.support.multipart"
local nginx = require "spec.support.nginx"
local script = require "spec.support.script"
local server = require "spec.support.server"
local sluice = require "sluice"
local support = require "spec.support"

local peer, system, pattern = support.peer, support.system, support.pattern
local lease_of, is_disposed = support.lease, support.is_disposed

local request_head = { "expect_until", "\r\n\r\n" }
local DONE = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"

--- Parts by name; those of one name in their order.
local function by_name(found)
  local names = {}
  for _, part in ipairs(found) do
    names[part.name] = names[part.name] or {}
    table.insert(names[part.name], part)
  end
  return names
end

describe("a multipart body", function()
  local client, directory, web

  setup(function() web = nginx.start() end)
  teardown(function() web:stop() end)

  support.verify_each(function(keep)
    directory = keep(server.directory(), server.remove)
    client = keep(support.client())
  end)

  local function write(name, content) return server.write(directory .. "/" .. name, content) end

  --- What nginx stores of it; the request is made of `options` and the multipart.
  local function store(form, options)
    local copy = { multipart = form }
    for key, value in pairs(options or {}) do copy[key] = value end
    local response <close>, message = client:put(web.url .. "/put/form", copy)
    assert(response, message)
    assert.is_true(response.ok)
    return server.read(web.directory .. "/root/put/form")
  end

  --- Content that a parser may stumble on, or a copy on the way.
  local contents = {
    ["nothing"] = "",
    ["a byte"] = "x",
    ["line ends"] = "\r\n",
    ["many line ends"] = "\n\r\n\r\r\n\n\r",
    ["dashes"] = "--",
    ["a delimiter of another"] = "\r\n--sluice-00000000000000000000000000000000--\r\n",
    ["the beginning of a delimiter"] = "\r\n--sluice-",
    ["what ends like a part"] = "text\r\n",
    ["zero bytes"] = ("\0"):rep(1000),
    ["every byte"] = (function()
      local bytes = {}
      for i = 0, 65535 do bytes[#bytes + 1] = string.char(i & 255, i >> 8) end
      return table.concat(bytes)
    end)(),
    ["text of 16 KiB"] = pattern(16384),
    ["one byte less"] = pattern(16383),
    ["much"] = pattern(1 << 20),
  }

  local kinds = { "bytes", "path", "lease", "sequence", "handle" }

  --- Pairs of a name and a file: each content from each kind of source, by "kind content".
  -- Calls `keep` with what has to be closed afterwards.
  local function every_part(keep)
    local list, number = {}, 0
    for name, content in pairs(contents) do
      number = number + 1
      local path = write("file" .. number, content)
      local lease = keep(lease_of(content))
      local handle = keep(assert(io.open(write("skipped" .. number, "skip" .. content), "rb")))
      handle:seek("set", 4)
      local files = { bytes = { bytes = content }, path = { path = path },
        lease = { lease = lease_of(content) }, sequence = { bytes = keep(lease:sequence()) },
        handle = { handle = handle } }
      for _, kind in ipairs(kinds) do list[#list + 1] = { kind .. " " .. name, files[kind] } end
    end
    return list
  end

  for _, has_function in ipairs { false, true } do
    it("is read by others, sent from every kind of source"
      .. (has_function and ", with a function among them" or ""), function()
        local kept <close> = setmetatable({}, { __close = function(kept)
          for _, one in ipairs(kept) do
            if io.type(one) then one:close() else one:dispose() end
          end
        end })
        local list = every_part(function(one)
          kept[#kept + 1] = one
          return one
        end)
        local pieces = { "", "b", "a" }
        if has_function then
          table.insert(list, #list // 2,
            { "function", { read = function() return table.remove(pieces) end } })
        end
        local form = sluice.multipart(list)
        local stored = store(form)
        for _, parser in ipairs(forms.parsers) do
          local found = forms.parse(parser, form.content_type, stored)
          assert.equal(#list, #found, parser)
          for i, part in ipairs(found) do
            local kind, name = list[i][1]:match "^(%l+) ?(.*)$"
            assert.equal(list[i][1], part.name)
            assert.is_true(part.data == (contents[name] or "ab"), parser .. " " .. part.name)
            assert.equal("application/octet-stream", part.type)
            assert.equal(kind == "path" and list[i][2].path:match "[^/]*$" or part.name,
              part.filename)
          end
        end
      end)
  end

  it("has fields that are read by others, with the same bytes", function()
    local values = { "", "x", "a b\r\n c", "\r\n--", "\u{20ac} caf\u{e9}", "%22&=+;\"'\\",
      ("long "):rep(10000) }
    local given = {}
    for i, value in ipairs(values) do given[i] = { "field" .. i, value } end
    given[#given + 1] = { "number", { 1, 2.5 } }
    local form = sluice.multipart(given)
    local stored = store(form)
    for _, parser in ipairs(forms.parsers) do
      local found = by_name(forms.parse(parser, form.content_type, stored))
      for i, value in ipairs(values) do
        local part = found["field" .. i][1]
        assert.is_true(part.data == value, parser .. i)
        assert.is_nil(part.filename)
        assert.is_nil(part.type)
      end
      assert.same({ "1", "2.5" }, { found.number[1].data, found.number[2].data })
    end
  end)

  local names = { "a b", "semi;colon", "comma,", "caf\u{e9} \u{1f600}", "per%cent", "new\r\nline",
    'quo"te', "Content-Type: x", ("long "):rep(100), "back\\slash", "'", "=", "\t tab", "a=\"b",
    "end\\", "\\", "two\\\\", "\\; filename=other", "a\\\"b" }

  it("has names and file names that are read by others, and break out of nothing", function()
    local given = {}
    for _, name in ipairs(names) do
      given[#given + 1] = { name, { bytes = name, filename = name } }
    end
    local form = sluice.multipart(given)
    local stored = store(form)
    for _, parser in ipairs { "busboy", "cgi" } do -- `email` is for ASCII
      local found = forms.parse(parser, form.content_type, stored)
      assert.equal(#names, #found)
      for i, name in ipairs(names) do
        local shown = name:gsub('[\r\n"]', { ["\r"] = "%0D", ["\n"] = "%0A", ['"'] = "%22" })
        -- They all take a backslash and a quote as a quote within the name.
        shown = shown:gsub("\\+$", function(last) return ("%5C"):rep(#last) end)
        assert.equal(shown, found[i].name, parser)
        assert.equal(shown, found[i].filename, parser)
        assert.equal(name, found[i].data)
      end
    end
  end)

  it("of random names and contents is read by others", function()
    local alphabet = { "a", "B", " ", ";", "=", "\\", '"', "\r", "\n", "%", "\u{e9}", "\u{1f600}",
      "name", "filename", "\r\n--sluice-", "--", ",", "'", "\t", "*" }
    local function random_text(count, letters)
      local pieces = {}
      for i = 1, count do pieces[i] = letters[math.random(#letters)] end
      return table.concat(pieces)
    end
    local bytes = {}
    for byte = 0, 255 do bytes[#bytes + 1] = string.char(byte) end
    table.move({ "\r\n", "--", "\r\n--" }, 1, 3, #bytes + 1, bytes)
    local given = {}
    for i = 1, 500 do
      given[i] = { i .. random_text(math.random(12), alphabet),
        { bytes = random_text(math.random(0, 300), bytes),
          filename = i .. random_text(math.random(12), alphabet) } }
    end
    local form = sluice.multipart(given)
    local stored = store(form)
    for _, parser in ipairs { "busboy", "cgi" } do
      local found = forms.parse(parser, form.content_type, stored)
      assert.equal(#given, #found)
      for i, part in ipairs(found) do
        assert.is_true(part.data == given[i][2].bytes, parser .. i)
        -- They take two backslashes for one.
        assert.equal(given[i][1]:match "^%d+", part.name:match "^%d+")
        assert.equal(given[i][2].filename:match "^%d+", part.filename:match "^%d+")
      end
    end
  end)

  it("is the same again after a 307, whatever it is made of", function()
    local path = write("file", pattern(100000))
    local handle <close> = assert(io.open(path, "rb"))
    handle:read(1000)
    local to <close> = peer.listen { script = { { { "expect_until", "--\r\n" }, { "send", DONE },
      { "stall" } } } }
    local p <close> = peer.listen { script = { { { "expect_until", "--\r\n" }, { "send",
      ("HTTP/1.1 307 X\r\nLocation: %s/\r\nContent-Length: 0\r\n\r\n"):format(to.url) },
      { "stall" } } } }
    local lease = lease_of(pattern(50000))
    local form = sluice.multipart { { "text", "x" }, { "lease", { lease = lease } },
      { "path", { path = path } }, { "handle", { handle = handle } } }
    local built <close> = assert(form:build())
    local response <close> = assert(client:post(p.url .. "/", { multipart = form }))
    assert.equal("done", response:text())
    for _, sent in ipairs { p:received(1), to:received(1) } do
      assert.is_true(sent:match "\r\n\r\n(.*)$" == built:tostring())
      assert.equal(form.content_type, sent:match "Content%-Type: ([^\r]*)")
    end
    assert.is_true(is_disposed(lease))
    assert.equal(1000, handle:seek())
  end)

  it("with a function is refused after a 307 that came after its first piece", function()
    local p <close> = peer.listen { script = { { { "expect_until", "0\r\n\r\n" }, { "send",
      "HTTP/1.1 307 X\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n" }, { "stall" } } } }
    local lease, pieces = lease_of "leased", { "piece" }
    local response, message, err = client:post(p.url .. "/", { multipart = {
      a = { read = function() return table.remove(pieces) end }, b = { lease = lease } } })
    assert.is_nil(response)
    assert.equal("redirect", err.code)
    assert.matches("the body cannot be sent again", message)
    assert.is_true(is_disposed(lease))
  end)

  it("waits for 100, reports its progress, and leaves over TLS the same", function()
    local path = write("file", pattern(300000))
    local calls = {}
    local form = sluice.multipart { file = { path = path } }
    local stored = store(form, { expect_continue = true,
      on_progress = function(...) calls[#calls + 1] = { ... } end })
    local built <close> = assert(form:build())
    assert.is_true(stored == built:tostring())
    assert.equal(#built, calls[#calls][1])
    assert.equal(#built, calls[#calls][3])
  end)

  -- ---- files that change ----

  it("fails if a file shrinks or vanishes before it is sent, and ends with its old end if it grows",
    function()
      for _, has_function in ipairs { false, true } do
        for expected, change in pairs {
          ["multipart 'f' '[^']*': No such file or directory$"] = function(path)
            os.remove(path)
          end,
          ["multipart 'f' '[^']*': regular file expected, got a directory$"] = function(path)
            os.remove(path)
            assert(system.make_directory(path))
          end,
          ["multipart 'f' '[^']*': regular file expected, got a FIFO$"] = function(path)
            os.remove(path)
            assert(os.execute(("mkfifo '%s'"):format(path)))
          end,
        } do
          local path = write("file", pattern(1000))
          local lease = lease_of "leased"
          local form = sluice.multipart { f = { path = path }, a = { lease = lease } }
          if has_function then form:file("g", { read = function() end }) end
          change(path)
          local response, message, err = client:post("http://127.0.0.1:1/", { multipart = form })
          assert.is_nil(response)
          assert.equal("invalid", err.code)
          assert.matches(expected, message)
          assert.is_true(is_disposed(lease))
          os.execute(("rm -rf '%s'"):format(path))
        end
      end
      local path = write("file", pattern(1000))
      local own <close> = support.client()
      local change
      own:use(function(request, forward)
        change()
        return forward(request)
      end)
      change = function() write("file", pattern(10)) end
      local lease = lease_of "leased"
      local form = { f = { path = path }, a = { lease = lease } }
      local response, message, err = own:post("http://127.0.0.1:1/", { multipart = form })
      assert.is_nil(response)
      assert.equal("invalid", err.code)
      assert.matches("multipart 'f' '[^']*': has shrunk since the request was made$", message)
      assert.is_true(is_disposed(lease))

      write("file", pattern(1000))
      change = function() write("file", pattern(2000)) end
      form = sluice.multipart { f = { path = path } }
      local stored <close> = assert(own:put(web.url .. "/put/grown", { multipart = form }))
      assert.is_true(stored.ok)
      local found = forms.parse("busboy", form.content_type,
        server.read(web.directory .. "/root/put/grown"))
      assert.is_true(found[1].data == pattern(1000))
    end)

  it("fails if a file shrinks while it is sent, also between the pieces of a function", function()
    for _, has_function in ipairs { false, true } do
      local path = write("file", pattern(16 << 20))
      local p <close> = peer.listen { records = false, receive_buffer = 16384,
        script = { { request_head, { "read", 65536 }, { "hold" }, { "discard" } } } }
      local lease = lease_of(pattern(1000))
      local form = sluice.multipart { { "a", { lease = lease } }, { "f", { path = path } } }
      if has_function then form:file("g", { read = function() end }) end
      local result
      local posting = sluice.spawn(function()
        result = table.pack(client:post(p.url .. "/", { multipart = form }))
      end)
      while not p:wait("holding", 1, 0) do sluice.loop():step(0.01) end
      assert(os.execute(("truncate -s 0 '%s'"):format(path)))
      p:signal()
      posting:await()
      assert.is_nil(result[1])
      assert.equal("invalid", result[3].code)
      assert.matches("multipart 'f' '[^']*':? has shrunk since the request was made$", result[2])
      assert.is_true(is_disposed(lease))
    end
  end)

  it("refuses pipes, and says what they are", function()
    local pipe = assert(io.popen("echo x"))
    local response, message, err = client:post("http://127.0.0.1:1/",
      { multipart = { a = { handle = pipe } } })
    pipe:close()
    assert.is_nil(response)
    assert.equal("invalid", err.code)
    assert.equal("multipart 'a': regular file expected, got a FIFO", message)
  end)

  -- ---- hostile sizes ----

  it("may have 100,000 fields", function()
    local given = {}
    for i = 1, 100000 do given[i] = { "n" .. i % 1000, i } end
    local form = sluice.multipart(given)
    local found = by_name(forms.parse("busboy", form.content_type, store(form)))
    local count = 0
    for i = 0, 999 do
      for j, part in ipairs(found["n" .. i]) do
        count = count + 1
        local expected = tostring(i == 0 and j * 1000 or i + (j - 1) * 1000)
        if expected ~= part.data then error(expected .. " ~= " .. part.data) end
      end
    end
    assert.equal(100000, count)
  end)

  it("may have a thousand files, leases and functions", function()
    local given, content = {}, pattern(20000)
    local path = write("file", content)
    for i = 1, 400 do
      local piece = content
      given[#given + 1] = { "l" .. i, { lease = lease_of(content) } }
      given[#given + 1] = { "p" .. i, { path = path } }
      given[#given + 1] = { "f" .. i, { read = function()
        local given_piece = piece
        piece = nil
        return given_piece
      end } }
    end
    local form = sluice.multipart(given)
    local found = forms.parse("busboy", form.content_type, store(form))
    assert.equal(1200, #found)
    for _, part in ipairs(found) do assert.is_true(part.data == content) end
  end)

  it("may have a field of 16 MiB and names of 64 KiB", function()
    local value, name = ("text of a field "):rep(1 << 20), ("n"):rep(64 << 10)
    local form = sluice.multipart { { "value", value }, { name, "x" } }
    local found = by_name(forms.parse("cgi", form.content_type, store(form)))
    assert.is_true(found.value[1].data == value)
    assert.equal("x", found[name][1].data)
    local ok, message = pcall(form.field, form, name, print)
    assert.is_false(ok)
    assert.is_true(#message < 300, #message)
  end)

  -- ---- memory ----

  -- Posts a multipart with a large file in its own interpreter; prints the growth of its peak
  -- memory and the most segments that were rented at once.
  local source = [[
local support = require "spec.support"
local url, path = arg[1], arg[2]

local function highest()
  for line in io.lines "/proc/self/status" do
    local kilobytes = line:match "^VmHWM:%s+(%d+)"
    if kilobytes then return tonumber(kilobytes) * 1024 end
  end
end

local client <close> = support.client { timeout = { idle = 300, first_byte = 300 } }
assert(client:post(url, { multipart = { small = { bytes = "x" } } })):dispose()
collectgarbage()
local before = highest()
local response <close> = assert(client:post(url,
  { multipart = { text = "x", file = { path = path }, more = { path = path, type = "a/b" } } }))
assert(response.status == 200)
print(("%d %d"):format(highest() - before, require "sluice".stats().high_water))
]]

  it("with 480 MiB of files takes less than 8 MiB of memory #slabs", function()
    local path = directory .. "/sparse"
    assert(os.execute(("truncate -s 240M '%s'"):format(path)))
    local form = sluice.multipart { text = "x", file = { path = write("x", "") },
      more = { path = directory .. "/x", type = "a/b" } }
    local frame <close> = assert(form:build())
    local small <close> = assert(sluice.multipart({ small = { bytes = "x" } }):build())
    -- The names of the two files differ by five bytes.
    local size = (480 << 20) + #frame + 2 * (#"sparse" - #"x")
    local p <close> = peer.listen { records = false, script = { {
      request_head, { "discard", #small }, { "send", DONE },
      request_head, { "discard", size }, { "send", DONE }, { "stall" } } } }
    local status, output = script.run(source, p.url .. "/", path)
    assert.equal(0, status, output)
    local grown, segments = output:match "^(%d+) (%d+)\n$"
    assert.is_true(tonumber(grown) < 8 << 20, output)
    assert.is_true(tonumber(segments) * 16384 < 8 << 20, output)
    assert.same({}, p:failures())
  end)
end)

describe("a form", function()
  local client, web

  setup(function()
    web = server.python [[
import http.server, json, sys, urllib.parse

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        text = self.rfile.read(int(self.headers["Content-Length"])).decode("ascii")
        found = urllib.parse.parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text),
                                       encoding="latin-1", max_num_fields=10**6)
        answer = json.dumps([self.headers["Content-Type"], found]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
    def log_message(self, *arguments):
        pass

http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
]]
  end)
  teardown(function() web:stop() end)

  support.verify_each(function(keep) client = keep(support.client()) end)

  --- The pairs that python3 finds. It shows each byte as a character of latin-1.
  local function post(form)
    local response <close> = assert(client:post(("http://127.0.0.1:%d/"):format(web.port),
      { form = form }))
    local answer = assert(response:json())
    assert.equal("application/x-www-form-urlencoded", answer[1])
    for _, pair in ipairs(answer[2]) do
      for i = 1, 2 do
        if pair[i]:find "[\x80-\xff]" then
          pair[i] = pair[i]:gsub(utf8.charpattern, function(character)
            return string.char(utf8.codepoint(character))
          end)
        end
      end
    end
    return answer[2]
  end

  it("is read by python3, every byte of it", function()
    local all = {}
    for byte = 0, 255 do all[#all + 1] = string.char(byte) end
    local bytes = table.concat(all)
    assert.same({ { bytes, bytes }, { "a b", "" }, { "", "x" }, { "n", "1" }, { "n", "2.5" } },
      post { { bytes, bytes }, { "a b", "" }, { "", "x" }, { "n", { 1, 2.5 } } })
    assert.same({}, post {})
  end)

  it("may have 100,000 fields, one of 16 MiB, and names of 64 KiB", function()
    local given = {}
    for i = 1, 100000 do given[i] = { "n" .. i, i } end
    local found = post(given)
    assert.equal(100000, #found)
    for i, pair in ipairs(found) do
      if pair[1] ~= "n" .. i or pair[2] ~= tostring(i) then error(i) end
    end
    local value, name = ("x"):rep(16 << 20), ("n "):rep(32 << 10)
    found = post { [name] = value }
    assert.equal(name, found[1][1])
    assert.is_true(found[1][2] == value)
  end)
end)
