-- client:download: what is fetched again, what is gone on with, and what never stands under the
-- final name.

local core = require "sluice.core"
local lfs = require "lfs"
local server = require "spec.support.server"
local sluice = require "sluice"
local support = require "spec.support"

local peer, pattern = support.peer, support.pattern

local request_head = { "expect_until", "\r\n\r\n" }
local body = pattern(3000)

-- An answer with these lines; `from` and `to` as in Content-Range.
local function whole(lines, content)
  content = content or body
  return ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n%s"):format(#content, lines, content)
end

local function part(lines, from, to, content)
  content = content or body
  return ("HTTP/1.1 206 Partial Content\r\nContent-Length: %d\r\n"
    .. "Content-Range: bytes %d-%d/%d\r\n%s\r\n%s"):format(to - from + 1, from, to, #content, lines,
    content:sub(from + 1, to + 1))
end

local TAG = 'ETag: "one"\r\n'

describe("client:download", function()
  local client, directory, path

  support.verify_each(function(keep)
    directory = keep(server.directory(), server.remove)
    path = directory .. "/file"
    client = keep(support.client { timeout = { idle = 30, first_byte = 30 } })
  end)

  -- A server with a connection for each answer: bytes, or steps.
  local function serve(...)
    local scripts = {}
    for i, answer in ipairs { ... } do
      local steps = type(answer) == "table" and answer or { { "send", answer } }
      scripts[i] = { request_head, table.unpack(steps) }
      table.insert(scripts[i], { "close" })
    end
    return peer.listen { script = scripts }
  end

  -- The first `size` bytes of an answer, and then the end.
  local function cut(answer, size)
    local _, head = answer:find "\r\n\r\n"
    return answer:sub(1, head + size)
  end

  local function names() return server.names(directory) end

  -- Requests that a server got, one by one.
  local function header(p, number, name)
    return p:received(number):match("\r\n" .. name .. ": ([^\r]*)\r\n")
  end

  for style, call in support.each_style(sluice) do
    it("brings a file, whole, " .. style, function()
      local p <close> = serve(whole(TAG), whole("", ""))
      call(function()
        assert.is_true(client:download(p.url .. "/a", path))
        assert.equal(body, server.read(path))
        assert.is_true(client:download(p.url .. "/a", path, { resume = true, sync = true }))
        assert.equal("", server.read(path))
      end)
      assert.same({ "file" }, names())
      assert.equal("identity", header(p, 1, "Accept%-Encoding"))
    end)
  end

  it("goes on where an earlier call has ended, and says from where", function()
    local p <close> = serve(cut(whole(TAG), 1000), part(TAG, 1000, 2999))
    local ok, message, err = client:download(p.url .. "/a", path, { resume = true })
    assert.is_nil(ok)
    assert.equal("closed", err.code)
    assert.matches("GET " .. p.url .. "/a: ", message, 1, true)
    assert.same({ "file.sluice-note", "file.sluice-part" }, names())
    assert.is_true(client:download(p.url .. "/a", path, { resume = true }))
    assert.equal(body, server.read(path))
    assert.same({ "file" }, names())
    assert.equal("bytes=1000-2999", header(p, 2, "Range"))
    assert.equal('"one"', header(p, 2, "If%-Range"))
  end)

  it("keeps nothing without resume", function()
    local p <close> = serve(cut(whole(TAG), 1000), whole(TAG))
    server.write(path, "old")
    assert.is_nil(client:download(p.url .. "/a", path))
    assert.same({ "file" }, names())
    assert.equal("old", server.read(path))
    assert.is_true(client:download(p.url .. "/a", path))
    assert.is_nil(header(p, 2, "Range"))
  end)

  it("goes on with retries within one call, kept or not", function()
    for _, resume in ipairs { true, false } do
      local p <close> = serve(cut(whole(TAG), 1000), cut(part(TAG, 1000, 2999), 500),
        part(TAG, 1500, 2999))
      assert.is_true(client:download(p.url .. "/a", path, {
        resume = resume, retry = { tries = 2, delay = 0 } }))
      assert.equal(body, server.read(path))
      assert.equal("bytes=1500-2999", header(p, 3, "Range"))
      assert.same({ "file" }, names())
    end
  end)

  it("begins again with each retry if there is no strong validator", function()
    local p <close> = serve(cut(whole "", 1000), cut(whole 'ETag: W/"one"\r\n', 1000), whole "")
    assert.is_true(client:download(p.url .. "/a", path, {
      resume = true, retry = { tries = 2, delay = 0 } }))
    assert.equal(body, server.read(path))
    assert.is_nil(header(p, 3, "Range"))
    assert.same({ "file" }, names())
  end)

  it("takes a date for a strong validator only if it is old enough", function()
    local changed = 'Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n'
    for date, range in pairs {
      ["Date: Sun, 06 Nov 1994 08:50:37 GMT\r\n"] = "bytes=1000-2999",
      ["Date: Sun, 06 Nov 1994 08:50:36 GMT\r\n"] = false, [""] = false,
    } do
      local p <close> = serve(cut(whole(changed .. date), 1000),
        range and part("", 1000, 2999) or whole "")
      assert.is_nil(client:download(p.url .. "/a", path, { resume = true }))
      assert.is_true(client:download(p.url .. "/a", path, { resume = true }))
      assert.equal(range or nil, header(p, 2, "Range"))
      if range then
        assert.equal("Sun, 06 Nov 1994 08:49:37 GMT", header(p, 2, "If%-Range"))
      end
      assert.equal(body, server.read(path))
    end
  end)

  local other = pattern(3100):reverse()
  local unfit = {
    ["a new version"] = { whole('ETag: "two"\r\n', other) },
    ["412"] = { "HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\n\r\n", whole("", other) },
    ["416"] = { "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n",
      whole("", other) },
    ["another tag"] = { part('ETag: "two"\r\n', 1000, 2999), whole("", other) },
    ["no tag"] = { part("", 1000, 2999), whole("", other) },
    ["a weak tag"] = { part('ETag: W/"one"\r\n', 1000, 2999), whole("", other) },
    ["another length"] = { part(TAG, 1000, 3099, other), whole("", other) },
    ["an earlier range"] = { part(TAG, 999, 2999), whole("", other) },
    ["a later range"] = { part(TAG, 1001, 2999), whole("", other) },
    ["several ranges"] = { part(TAG .. "Content-Type: multipart/byteranges; boundary=x\r\n", 1000,
      2999), whole("", other) },
    ["a coding"] = { part(TAG .. "Content-Encoding: gzip\r\n", 1000, 2999), whole("", other) },
    ["no range"] = { "HTTP/1.1 206 Partial Content\r\n" .. TAG .. "Content-Length: 2000\r\n\r\n"
      .. body:sub(1001), whole("", other) },
    ["a range without a length"] = { "HTTP/1.1 206 Partial Content\r\n" .. TAG
      .. "Content-Range: bytes 1000-2999/*\r\nContent-Length: 2000\r\n\r\n" .. body:sub(1001),
      whole("", other) },
    ["a range of another size"] = { "HTTP/1.1 206 Partial Content\r\n" .. TAG
      .. "Content-Range: bytes 1000-2999/3000\r\nContent-Length: 1999\r\n\r\n" .. body:sub(1002),
      whole("", other) },
    ["two ranges"] = { part(TAG .. "Content-Range: bytes 1000-2999/3000\r\n", 1000, 2999),
      whole("", other) },
  }
  for name, answers in pairs(unfit) do
    it("starts over after " .. name, function()
      local p <close> = serve(cut(whole(TAG), 1000), table.unpack(answers))
      assert.is_nil(client:download(p.url .. "/a", path, { resume = true }))
      assert.is_true(client:download(p.url .. "/a", path, { resume = true }))
      assert.is_true(server.read(path) == other)
      assert.same({ "file" }, names())
      if answers[2] then assert.is_nil(header(p, 3, "Range")) end
    end)
  end

  it("goes on with ranges that are shorter than asked for", function()
    local p <close> = serve(cut(whole(TAG), 1000), part(TAG, 1000, 1099), part(TAG, 1100, 2999))
    assert.is_nil(client:download(p.url .. "/a", path, { resume = true }))
    assert.is_true(client:download(p.url .. "/a", path, { resume = true }))
    assert.equal(body, server.read(path))
    assert.equal("bytes=1100-2999", header(p, 3, "Range"))
  end)

  it("goes on with a body whose length was unknown", function()
    local chunked = ("HTTP/1.1 200 OK\r\n%sTransfer-Encoding: chunked\r\n\r\n3e8\r\n%s\r\n"):format(
      TAG, body:sub(1, 1000))
    local p <close> = serve(chunked, part(TAG, 1000, 2999))
    local _, _, err = client:download(p.url .. "/a", path, { resume = true })
    assert.equal("body", err.stage)
    assert.is_true(client:download(p.url .. "/a", path, { resume = true }))
    assert.equal("bytes=1000-", header(p, 2, "Range"))
    assert.equal(body, server.read(path))
  end)

  it("asks for the last byte again if only the name was missing", function()
    local p <close> = serve(whole(TAG), part(TAG, 2999, 2999))
    assert.is_nil(client:download(p.url .. "/a", path, {
      resume = true, sha256 = assert(core.hash("sha256", "x")) }))
    assert.same({}, names())
    server.write(path .. ".sluice-part", body)
    server.write(path .. ".sluice-note", "sluice download 1\nsource ",
      core.hash("sha256", p.url .. "/a"), '\netag "one"\ntotal 3000\n')
    server.write(path .. ".sluice-note.sluice-part", "of a process that was killed")
    assert.is_true(client:download(p.url .. "/a", path, { resume = true }))
    assert.equal("bytes=2999-2999", header(p, 2, "Range"))
    assert.equal(body, server.read(path))
    assert.same({ "file" }, names())
  end)

  it("never goes on with bytes of which it does not know what they are", function()
    local source = "source %s\n"
    local notes = "sluice download 1\n" .. source .. 'etag "one"\ntotal 3000\n'
    for name, text in pairs {
      ["no notes"] = false, ["another kind"] = "sluice download 2\n" .. source .. 'etag "one"\n',
      ["another URL"] = 'sluice download 1\nsource 5\netag "one"\ntotal 3000\n',
      ["cut notes"] = "sluice download 1\n" .. source .. "eta",
      ["no validator"] = "sluice download 1\n" .. source .. "total 3000\n",
      ["too many bytes"] = "sluice download 1\n" .. source .. 'etag "one"\ntotal 999\n',
      ["a range that is not there"] = notes .. "ranges 1\nrange 0 1001\n",
      ["no range"] = notes .. "ranges 1\nrange 7 5\n", ["no number"] = notes .. "total 1e3\n",
      ["empty notes"] = "",
    } do
      local p <close> = serve(whole(TAG))
      server.write(path .. ".sluice-part", ("?"):rep(1000))
      if text then
        server.write(path .. ".sluice-note", (text:gsub("%%s", core.hash("sha256", p.url .. "/a"))))
      end
      assert.is_true(client:download(p.url .. "/a", path, { resume = true }), name)
      assert.is_nil(header(p, 1, "Range"), name)
      assert.equal(body, server.read(path), name)
      assert.same({ "file" }, names(), name)
    end
  end)

  it("fails with the status of an answer that has no file, and keeps what it has", function()
    for _, status in ipairs { 404, 503, 204, 304 } do
      local p <close> = serve(cut(whole(TAG), 1000),
        ("HTTP/1.1 %d X\r\nContent-Length: 4\r\n\r\noops"):format(status), part(TAG, 1000, 2999))
      assert.is_nil(client:download(p.url .. "/a", path, { resume = true }))
      local ok, message, err = client:download(p.url .. "/a", path, { resume = true })
      assert.is_nil(ok)
      assert.same({ "status", status }, { err.code, err.status })
      assert.matches("status " .. status, message, 1, true)
      assert.is_true(client:download(p.url .. "/a", path, { resume = true }))
      assert.equal(body, server.read(path))
    end
  end)

  -- A member of Repr-Digest.
  local function field(kind, text)
    local raw = support.from_hex(core.hash(kind, text))
    return ("sha-%s=:%s:"):format(kind:match "%d+", core.base64(raw))
  end

  it("checks sha256 and Repr-Digest, and leaves nothing wrong behind", function()
    local right, wrong = core.hash("sha256", body), core.hash("sha256", "x")
    local digest = "Repr-Digest: "
    for _, case in ipairs {
      { "", right:upper(), true }, { "", wrong, false },
      { digest .. field("sha256", body) .. "\r\n", nil, true },
      { digest .. field("sha512", body) .. ", " .. field("sha256", body) .. "\r\n", right, true },
      { digest .. field("sha512", "x") .. "\r\n", nil, false },
      { digest .. field("sha256", body) .. ",\t" .. field("sha512", "x") .. "\r\n", nil, false },
      { digest .. field("sha256", "x") .. "\r\n", right, false },
      { digest .. "unixsum=:AAA=:, sha-256=5\r\n", nil, true },
    } do
      for _, resume in ipairs { true, false } do
        local p <close> = serve(whole(TAG .. case[1]))
        server.write(path, "old")
        local ok, message, err = client:download(p.url .. "/a", path, {
          resume = resume, sha256 = case[2] })
        assert.equal(case[3] or nil, ok, message)
        assert.equal(case[3] and body or "old", server.read(path))
        assert.same({ "file" }, names())
        if not ok then
          assert.equal("decode", err.code)
          assert.matches("^download '[^']+': sha%-%d+ is %x+, expected", message)
        end
      end
    end
  end)

  it("remembers the digest of a file that it goes on with", function()
    local digest = TAG .. "Repr-Digest: " .. field("sha256", body) .. "\r\n"
    local lie = body:sub(1, 2999) .. "?"
    local p <close> = serve(cut(whole(digest), 1000), part(TAG, 1000, 2999, lie), whole(digest))
    assert.is_nil(client:download(p.url .. "/a", path, { resume = true }))
    local _, _, err = client:download(p.url .. "/a", path, { resume = true })
    assert.equal("decode", err.code)
    assert.same({}, names())
    assert.is_true(client:download(p.url .. "/a", path, { resume = true }))
    assert.is_nil(header(p, 3, "Range"))
  end)

  it("does not go on with what was decoded", function()
    local text = body:sub(1, 2000)
    local gzip = "\x1f\x8b\8\0\0\0\0\0\0\3\0" .. ("<I2I2"):pack(#text, ~#text & 0xffff) .. text
    local p <close> = serve("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9999\r\n"
      .. TAG .. "\r\n" .. gzip, whole(TAG))
    local _, _, err = client:download(p.url .. "/a", path, { resume = true })
    assert.equal("body", err.stage)
    assert.is_true(client:download(p.url .. "/a", path, { resume = true }))
    assert.is_nil(header(p, 2, "Range"))
    assert.same({ "file" }, names())
  end)

  it("reports its progress, rate and remaining time, and raises what a report raises", function()
    for _, resume in ipairs { true, false } do
      local p <close> = serve({ { "send", cut(whole(TAG), 1000) }, { "pause", 0.12 },
        { "send", body:sub(1001, 2000) }, { "pause", 0.12 }, { "send", body:sub(2001) } },
        whole(TAG))
      local reports = {}
      assert.is_true(client:download(p.url .. "/a", path, { resume = resume,
        progress = function(...) reports[#reports + 1] = table.pack(...) end }))
      local last = reports[#reports]
      assert.same({ 3000, 3000 }, { last[1], last[2] })
      assert.is_true(last[3] > 0)
      assert.equal(0, last[4])
      assert.is_true(#reports >= 3)
      local thrown = {}
      local ok, raised = pcall(client.download, client, p.url .. "/a", path, { resume = resume,
        progress = function() error(thrown) end })
      assert.is_false(ok)
      assert.equal(thrown, raised)
      assert.equal(body, server.read(path))
      os.remove(path .. ".sluice-part")
      os.remove(path .. ".sluice-note")
    end
  end)

  it("is ended by its total time, its rate, a closed client and a cancelled task", function()
    local slow = { { "send", cut(whole(TAG), 1000) }, { "stall" } }
    local function code(options)
      local p <close> = serve(slow)
      local _, _, err = client:download(p.url .. "/a", path, options)
      return err.code, err.stage
    end
    assert.same({ "timeout", "body" }, { code { timeout = 0.1 } })
    assert.same({ "timeout", "body" }, { code { timeout = { rate = { 100, 0.1 } } } })
    for _, options in ipairs { { resume = true }, {} } do
      local p <close> = serve(slow)
      local loading = sluice.spawn(client.download, client, p.url .. "/a", path, options)
      while #names() < (options.resume and 2 or 1) do sluice.loop():step(0.01) end
      loading:cancel()
      local _, _, err = loading:await()
      assert.equal("cancelled", err.code)
      assert.equal(options.resume and 2 or 0, #names())
      os.remove(path .. ".sluice-part")
      os.remove(path .. ".sluice-note")
    end
  end)

  it("asks again if a server stalls, from where it stalled", function()
    local p <close> = serve({ { "send", cut(whole(TAG), 1000) }, { "stall" } },
      part(TAG, 1000, 2999))
    assert.is_true(client:download(p.url .. "/a", path, { resume = true,
      timeout = { rate = { 100, 0.1 } }, retry = { tries = 1, delay = 0 } }))
    assert.equal(body, server.read(path))
    assert.equal("bytes=1000-2999", header(p, 2, "Range"))
  end)

  it("is for one at a time: a second one into the same file fails, and harms nothing", function()
    local p <close> = serve { { "send", cut(whole(TAG), 1000) }, { "hold" },
      { "send", body:sub(1001) } }
    local loading = sluice.spawn(client.download, client, p.url .. "/a", path, { resume = true })
    while #names() < 2 do sluice.loop():step(0.01) end
    local _, message, err = client:download(p.url .. "/a", path, { resume = true })
    assert.equal("invalid", err.code)
    assert.equal(("download '%s': it is being written already"):format(path), message)
    p:signal(1)
    assert.is_true(loading:await())
    assert.equal(body, server.read(path))
  end)

  it("refuses what is no regular file, and names that are none", function()
    os.execute(("mkfifo '%s'"):format(path))
    for name, reason in pairs { [path] = "only a regular file can be written in parts",
      ["/dev/null"] = "only a regular file", [directory] = "is a directory",
      [directory .. "/none/file"] = "no such file", [path .. "\0"] = "zero byte" } do
      for _, resume in ipairs { true, false } do
        local ok, message, err = client:download("http://127.0.0.1:1/", name, { resume = resume })
        assert.is_nil(ok)
        assert.equal("invalid", err.code)
        assert.matches(reason, message:lower(), 1, true)
      end
    end
    assert.equal("named pipe", lfs.attributes(path, "mode"))
    os.remove(path)
    assert.same({}, names())
  end)

  it("checks its options where they are given", function()
    local url = "http://127.0.0.1:1/"
    local function raises(message, ...)
      local arguments = table.pack(...)
      local ok, raised = pcall(function()
        client:download(table.unpack(arguments, 1, arguments.n))
        return nil
      end)
      assert.is_false(ok)
      assert.matches("download_spec.lua:%d+: ", raised)
      assert.matches(message, raised, 1, true)
    end
    raises("download: path: string expected, got nil", url)
    raises("download: path: it is empty", url, "")
    raises("download: table of options expected, got string", url, path, "x")
    raises("download: option 'resume': boolean expected, got number", url, path, { resume = 1 })
    raises("download: option 'parallel': integer above zero expected", url, path, { parallel = 0 })
    raises("download: option 'sha256': 64 hexadecimal digits expected", url, path,
      { sha256 = "abc" })
    raises("download: option 'progress': boolean or function expected", url, path,
      { progress = 5 })
    raises("download: option 'body': it is a GET, without a body", url, path, { body = "x" })
    raises("download: option 'stream': its body is always streamed", url, path, { stream = true })
    raises("download: option 'on_progress': give `progress`", url, path, { on_progress = print })
    raises("download: unknown option 'resum': did you mean 'resume'?", url, path, { resum = true })
    raises("download: unknown option 'Timeout': did you mean 'timeout'?", url, path,
      { Timeout = 1 })
    raises("download: option 'timeout.rate': { bytes, seconds }", url, path,
      { timeout = { rate = 5 } })
    raises("download: option 'method': it is a GET", url, path, { method = "PUT" })
    raises("download: header 'Range': a download sets it itself", url, path,
      { headers = { Range = "bytes=0-" } })
    raises("url: string expected", nil, path)
    assert.same({}, names())
    local _, _, err = client:download("nothing", path, { resume = true })
    assert.equal("invalid", err.code)
    _, _, err = client:download(url, path, { resume = true })
    assert.equal("connect", err.code)
    assert.same({}, names())
  end)
end)
