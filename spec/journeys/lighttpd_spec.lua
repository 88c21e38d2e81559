-- The pages of examples/lighttpd, which come from an nginx behind TLS, under load.

local certificates = require "spec.support.certificates"
local nginx = require "spec.support.nginx"
local server = require "spec.support.server"
local support = require "spec.support"
local system = require "support.system"

local here = "examples/lighttpd"

-- The example's own limit is half a second. On a busy machine the first page of a worker, which
-- opens its connection, may take longer.
local LONG = 60

--- lighttpd with the example's configuration, for pages from that origin within so many seconds
-- (nil: the example's own limit).
local function start(upstream, root_file, seconds)
  local directory, port = server.directory(), system.free_port()
  local _, folder = server.run { "sh", "-c", "cd " .. here .. " && pwd" }
  -- It ends its workers by a signal to its whole group: that is its own.
  return server.start({ "setsid", "env", "HERE=" .. folder:match "%S+", "PORT=" .. port,
    "UPSTREAM=" .. upstream, "ROOT_FILE=" .. root_file, "TIMEOUT=" .. (seconds or ""),
    ("LUA_PATH=%s/?.lua;%s"):format(here, os.getenv "LUA_PATH"),
    "lighttpd", "-D", "-f", here .. "/lighttpd.conf" }, port, directory)
end

describe("lighttpd with pages made by mod_magnet", function()
  local web, pages, client

  setup(function()
    web = nginx.start { tls = { certificate = certificates.chain "good",
      key = certificates.key "good" } }
    web:file(100000)
    web:file(1000000)
    web:file(4000000)
    pages = start(web.tls_url .. "/", certificates.file "root.pem", LONG)
    client = support.client { base_url = ("http://127.0.0.1:%d/"):format(pages.port) }
  end)
  teardown(function()
    client:close()
    pages:stop()
    web:stop()
  end)

  it("serves what the upstream says, over TLS and decoded", function()
    local response <close> = assert(client:get "json")
    assert.equal(200, response.status)
    assert.equal("application/json", response.headers["Content-Type"])
    assert.equal("sluice", response:json().name)
    local zipped <close> = assert(client:get "gzip/100000")
    assert.equal(support.pattern(100000), zipped:text())
    local missing <close> = assert(client:get "status/404")
    assert.equal(404, missing.status)
    local seen <close> = assert(client:get "request")
    assert.equal("TLSv1.3", seen:json().tls)
  end)

  it("says why the upstream fails", function()
    local strict <close> = start(web.tls_url .. "/", certificates.file "root.pem")
    local late <close> =
      assert(client:get(("http://127.0.0.1:%d/slow/1000000"):format(strict.port)))
    assert.equal(504, late.status)
    assert.matches("^GET https://localhost:%d+/slow/1000000: .*timeout.total", late:text())
    local large <close> = assert(client:get "file/4000000")
    assert.equal(502, large.status)
    assert.matches("limits.body", large:text())
    local distrusted <close> = start(web.tls_url .. "/", "", LONG)
    local refused <close> =
      assert(client:get(("http://127.0.0.1:%d/json"):format(distrusted.port)))
    assert.equal(502, refused.status)
    assert.matches("^tls localhost:%d+: ", refused:text())
  end)

  -- The number of a new connection with the upstream, which counts all that it has had.
  local function next_serial()
    local direct <close> = support.client { pool = false }
    local response <close> = assert(direct:get(web.url .. "/request"))
    return tonumber(response:json().connection)
  end

  it("keeps its connections under load, and answers every request", function()
    local before = next_serial()
    local status, output = server.run { "wrk", "-t1", "-c8", "-d1s", "--latency",
      "--timeout", LONG .. "s", client:absolute "request" }
    assert.equal(0, status, output)
    assert.is_nil(output:find "Non%-2xx", output)
    assert.is_nil(output:find "Socket errors", output)
    local count = tonumber(output:match "(%d+) requests in")
    assert.is_true(count > 10, output)
    -- Each of the four workers has a connection of its own, at most.
    assert.is_true(next_serial() - before - 1 <= 4, output)
    print(("figure: lighttpd, pages from a TLS upstream: %d a second"):format(count))
  end)
end)
