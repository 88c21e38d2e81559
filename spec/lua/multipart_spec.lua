-- A multipart: what it writes, what it owns, and what it refuses.
-- Runs once.

local server = require "spec.support.server"
local sluice = require "sluice"
local support = require "spec.support"

local pattern = support.pattern
local lease_of, is_disposed = support.lease, support.is_disposed

describe("a multipart", function()
  local directory

  support.verify_each(function(keep) directory = keep(server.directory(), server.remove) end)

  local function write(name, content) return server.write(directory .. "/" .. name, content) end

  --- What it writes, with the boundary B.
  local function written(form)
    local lease <close> = assert(form:build())
    local boundary = form.content_type:match "^multipart/form%-data; boundary=(sluice%-%x+)$"
    assert.equal(7 + 32, #boundary)
    return (lease:tostring():gsub(boundary:gsub("%-", "%%-"), "B"))
  end

  it("has the bytes of RFC 7578", function()
    local path = write("a page.html", "<p>")
    local form = sluice.multipart()
      :field("text", "two\nlines")
      :field("number", 5.0)
      :file("page", { path = path, type = "text/html; charset=utf-8" })
      :file("raw", { bytes = "\0\r\n--" })
      :file("meta", { bytes = "{}", filename = false, type = "application/json" })
      :file("named", { bytes = "", filename = "" })
    assert.equal(table.concat({
      "--B", 'Content-Disposition: form-data; name="text"', "", "two\nlines",
      "--B", 'Content-Disposition: form-data; name="number"', "", "5",
      "--B", 'Content-Disposition: form-data; name="page"; filename="a page.html"',
      "Content-Type: text/html; charset=utf-8", "", "<p>",
      "--B", 'Content-Disposition: form-data; name="raw"; filename="raw"',
      "Content-Type: application/octet-stream", "", "\0\r\n--",
      "--B", 'Content-Disposition: form-data; name="meta"',
      "Content-Type: application/json", "", "{}",
      "--B", 'Content-Disposition: form-data; name="named"; filename=""',
      "Content-Type: application/octet-stream", "", "",
      "--B--", "" }, "\r\n"), written(form))
  end)

  it("escapes names and file names by the rules of HTML", function()
    local form = sluice.multipart()
      :file("a\r\n\"b\"", { bytes = "x", filename = "c\r\nContent-Type: d\"; e=\"\\\u{e9}%22" })
    local head = written(form):match "\r\n(.-)\r\nContent%-Type: application"
    assert.equal('Content-Disposition: form-data; name="a%0D%0A%22b%22"; '
      .. 'filename="c%0D%0AContent-Type: d%22; e=%22\\\u{e9}%22"', head)
    -- Many parsers take a backslash and the quote behind it for a quote within the name.
    form = sluice.multipart():file("a\\b\\\\", { bytes = "x", filename = "\\" })
    head = written(form):match "\r\n(.-)\r\nContent%-Type: application"
    assert.equal('Content-Disposition: form-data; name="a\\b%5C%5C"; filename="%5C"', head)
  end)

  it("is made of a map in the order of its names, or of pairs in their own", function()
    local path = write("file.txt", "content")
    local map = sluice.multipart { b = { 1, "two" }, a = true, c = { path = path },
      d = { { bytes = "x" }, { bytes = "y", filename = "z" } }, e = {} }
    local names = {}
    for name in written(map):gmatch "; name=([^\r]*)" do names[#names + 1] = name end
    assert.same({ '"a"', '"b"', '"b"', '"c"; filename="file.txt"', '"d"; filename="d"',
      '"d"; filename="z"' }, names)
    local pairs_of = sluice.multipart { { "b", { 1, 2 } }, { "a", { bytes = "x" } }, { "b", 3 } }
    names = {}
    for name in written(pairs_of):gmatch "; name=([^\r]*)" do names[#names + 1] = name end
    assert.same({ '"b"', '"b"', '"a"; filename="a"', '"b"' }, names)
  end)

  it("may be empty", function() assert.equal("--B--\r\n", written(sluice.multipart())) end)

  it("has a boundary of its own", function()
    local seen = {}
    for _ = 1, 1000 do
      local content_type = sluice.multipart().content_type
      assert.is_nil(seen[content_type])
      seen[content_type] = true
    end
  end)

  it("writes the same bytes each time, whatever holds them", function()
    local content = pattern(100000)
    local path = write("file", content)
    local lease = lease_of(content)
    local sequence <close> = lease:sequence()
    local file <close> = assert(io.open(path, "rb"))
    assert.equal(content:sub(1, 10), file:read(10))
    local form <close> = sluice.multipart {
      { "bytes", { bytes = content } }, { "path", { path = path } }, { "lease", { lease = lease } },
      { "sequence", { bytes = sequence } }, { "handle", { handle = file } },
    }
    local first = written(form)
    local writer <close> = sluice.writer()
    assert.equal(writer, form:write_to(writer))
    assert.is_true(first == writer:view():gsub("sluice%-%x+", "B"))
    assert.equal(10, file:seek())
    local count = 0
    for from in first:gmatch "octet%-stream\r\n\r\n()" do
      count = count + 1
      local expected = count == 5 and content:sub(11) or content
      assert.is_true(first:sub(from, from + #expected - 1) == expected)
      assert.equal("\r\n--B", first:sub(from + #expected, from + #expected + 4))
    end
    assert.equal(5, count)
  end)

  it("writes what functions give, once", function()
    local pieces = { "c", "", "ab" }
    local form = sluice.multipart():file("f",
      { read = function() return table.remove(pieces) end, length = 3, filename = "x" })
    assert.matches("\r\n\r\nabc\r\n%-%-B%-%-\r\n$", written(form))
    assert.error_matches(function() form:build() end,
      "multipart: build: multipart 'f': its function was used before")
    local wrong = sluice.multipart():file("f", { read = function() return 5 end })
    assert.error_matches(function() wrong:build() end, "piece: string, sequence or lease expected")
  end)

  it("fails to write what cannot be read, and says which part it was", function()
    local path = write("file", "content")
    local gives = { "abc" }
    local function dry() return nil, "dry" end
    for expected, file in pairs {
      ["multipart 'a\\x0A' '" .. directory .. "/none': No such file or directory"] =
        { path = directory .. "/none" },
      ["multipart 'a\\x0A' '" .. directory .. "': regular file expected, got a directory"] =
        { path = directory },
      ["multipart 'a\\x0A' '/dev/zero': regular file expected, got a device"] =
        { path = "/dev/zero" },
      ["multipart 'a\\x0A' '" .. path .. "\\x00': the name contains a zero byte"] =
        { path = path .. "\0", filename = "x" },
      ["write: multipart 'a\\x0A': dry"] = { read = dry },
      ["write: multipart 'a\\x0A': ended after 3 bytes instead of 4"] =
        { read = function() return table.remove(gives) end, length = 4 },
    } do
      local form = sluice.multipart():file("a\n", file)
      local lease, message, err = form:build()
      assert.is_nil(lease)
      assert.equal(expected, message)
      assert.equal("invalid", err.code)
    end
  end)

  it("of more than 64 MiB is not built, and a writer's limit holds", function()
    local path = directory .. "/sparse"
    assert(os.execute(("truncate -s 64M '%s'"):format(path)))
    local form = sluice.multipart():file("f", { path = path })
    local lease, message, err = form:build()
    assert.is_nil(lease)
    assert.equal("limit", err.code)
    assert.equal("string", type(message))
    local writer <close> = sluice.writer { max_size = 100 }
    local ok
    ok, message, err = sluice.multipart():field("f", ("x"):rep(100)):write_to(writer)
    assert.is_nil(ok)
    assert.equal("limit", err.code, message)
  end)

  it("owns its leases until it is disposed", function()
    local lease = lease_of "content"
    do
      local form <close> = sluice.multipart():file("f", { lease = lease })
      assert.matches("content", written(form))
      assert.is_false(is_disposed(lease))
    end
    assert.is_true(is_disposed(lease))
    local form = sluice.multipart { f = { lease = lease_of "content" } }
    form:dispose()
    form:dispose()
    assert.equal("sluice.multipart (disposed)", tostring(form))
    for _, use in ipairs {
      function() form:field("a", 1) end, function() form:file("a", { bytes = "" }) end,
      function() form:build() end, function() form:write_to(sluice.writer()) end,
      function() sluice.post("http://127.0.0.1:1/", { multipart = form }) end,
    } do
      assert.error_matches(use, "use of disposed multipart")
    end
  end)

  it("leaves a lease to the caller if it refuses it", function()
    local lease <close> = lease_of "content"
    for _, file in ipairs { { lease = lease, bytes = "x" }, { lease = lease, type = "x" },
      { lease = lease, filename = "\0" }, { bytes = lease } } do
      assert.error(function() sluice.multipart():file("a", file) end)
      assert.error(function() sluice.multipart { a = file } end)
    end
    assert.error(function() sluice.multipart { { "a", { lease = lease } }, { "b", print } } end)
    assert.is_false(is_disposed(lease))
    local form <close> = sluice.multipart():file("a", { lease = lease })
    assert.error_matches(function() form:file("b", { lease = lease }) end,
      "file 'b': lease: is part of it already")
  end)

  it("refuses what is gone", function()
    local lease = lease_of "content"
    local sequence = lease:sequence()
    local form = sluice.multipart():file("a", { bytes = sequence })
    sequence:dispose()
    assert.error_matches(function() form:build() end, "multipart 'a': use of disposed sequence")
    assert.error_matches(function() form:file("b", { bytes = sequence }) end,
      "file 'b': bytes: use of disposed sequence")
    lease:dispose()
    assert.error_matches(function() form:file("b", { lease = lease }) end,
      "file 'b': lease: use of disposed lease")
    local file = assert(io.open(write("x", "y")))
    file:close()
    assert.error_matches(function() form:file("b", { handle = file }) end,
      "handle: open file expected, got a file")
  end)

  it("names the line that would send what is gone, and says what it is", function()
    local lease <close> = lease_of "content"
    local sequence = lease:sequence()
    local shown = sluice.multipart():file("a", { bytes = sequence })
    assert.equal("sluice.multipart (1 part)", tostring(shown))
    sequence:dispose()
    local once = sluice.multipart():file("b", { read = function() end }):field("c", 1)
    assert.equal("sluice.multipart (2 parts)", tostring(once))
    once:build():dispose()
    for wrong, call in pairs {
      ["build: multipart 'a': use of disposed sequence"] = function() shown:build() end,
      ["write_to: multipart 'a': use of disposed sequence"] =
        function() shown:write_to(sluice.writer()) end,
      ["build: multipart 'b': its function was used before"] = function() once:build() end,
    } do
      local ok, message = pcall(call)
      assert.is_false(ok)
      local line = debug.getinfo(call, "S").linedefined
      assert.equal(("%s:%d: multipart: %s"):format(debug.getinfo(call, "S").short_src, line, wrong),
        message)
    end
  end)

  it("names what is wrong with a field or file, and the line", function()
    local form = sluice.multipart()
    for wrong, call in pairs {
      ["multipart: field: name: string expected, got nil"] = function() form:field() end,
      ["multipart: file: name: string expected, got nil"] =
        function() form:file(nil, { bytes = "x" }) end,
      ["multipart: field 'a': text, number or boolean expected, got nothing"] =
        function() form:field("a") end,
      ["multipart: field 'a': text, number or boolean expected, got a table: "
        .. "files are added by :file(name, {...})"] =
        function() form:field("a", { path = "x" }) end,
      ["multipart: field 'a': text, number or boolean expected, got a file"] =
        function() form:field("a", io.stdout) end,
      ["multipart: field 'a\\x00': the name contains a zero byte"] =
        function() form:field("a\0", 1) end,
      ["multipart: field '\\x00': the name contains a zero byte"] =
        function() form:field("\0", 1) end,
      ["multipart: file '\\x00b': the name contains a zero byte"] =
        function() form:file("\0b", { bytes = "x" }) end,
      ["multipart: file 'c': filename: string without zero bytes, or false, "
        .. "expected, got '\\x00'"] =
        function() form:file("c", { bytes = "x", filename = "\0" }) end,
      ["multipart: file 'a': table expected, got string: write { path = ... } or { bytes = ... }"] =
        function() form:file("a", "x.txt") end,
      ["multipart: file 'a': path, bytes, handle, lease or read expected"] =
        function() form:file("a", { filename = "x" }) end,
      ["multipart: file 'a': path and bytes: only one of them"] =
        function() form:file("a", { path = "x", bytes = "y" }) end,
      ["multipart: file 'a': unknown option 'content_type'"] =
        function() form:file("a", { path = "x", content_type = "y" }) end,
      ["multipart: file 'a': path: string that is not empty expected, got ''"] =
        function() form:file("a", { path = "" }) end,
      ["multipart: file 'a': handle: open file expected, got 'x'"] =
        function() form:file("a", { handle = "x" }) end,
      ["multipart: file 'a': lease: lease expected, got a number"] =
        function() form:file("a", { lease = 1 }) end,
      ["multipart: file 'a': length: only for read"] =
        function() form:file("a", { bytes = "x", length = 1 }) end,
      ["multipart: file 'a': filename: string without zero bytes, or false, "
        .. "expected, got 'x\\x00'"] =
        function() form:file("a", { bytes = "x", filename = "x\0" }) end,
      ["multipart: file: write multipart:file(...), with a colon"] =
        function() form.file("a", { bytes = "x" }) end,
      ["multipart: 'a'[2]: text, number or boolean expected, got a function"] =
        function() form = sluice.multipart { a = { 1, print } } end,
      ["multipart: 'a': element 2 is missing (a hole)"] =
        function() form = sluice.multipart { a = { 1, nil, 3 } } end,
      ["multipart: table of names and values expected, got string"] =
        function() form = sluice.multipart "a=b" end,
    } do
      local ok, message = pcall(call)
      assert.is_false(ok)
      local line = debug.getinfo(call, "S").linedefined
      assert.equal(("%s:%d: %s"):format(debug.getinfo(call, "S").short_src, line, wrong), message)
    end
  end)

  it("takes media types, and nothing that would break out of their line", function()
    for _, good in ipairs { "a/b", "text/plain;charset=utf-8", "text/plain ; charset=\"x y\"",
      "application/vnd.api+json" } do
      sluice.multipart():file("a", { bytes = "", type = good })
    end
    for _, bad in ipairs { "", "text", "text/", "/plain", "text/plain\r\nA: b", "text/plain\n",
      "a/b\0", "a/b c", "a/b;\u{e9}", " a/b", 5, true } do
      assert.error_matches(function() sluice.multipart():file("a", { bytes = "", type = bad }) end,
        'type: media type, as "image/png", expected, got ')
    end
  end)
end)
