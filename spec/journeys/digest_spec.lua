-- Digest credentials for a real server, lighttpd.

local server = require "spec.support.server"
local sluice = require "sluice"
local support = require "spec.support"

local password = 'pass"wo\\rd:\u{e4}'

local function configuration(directory, port)
  return ([[
server.modules = ("mod_auth", "mod_authn_file")
server.document-root = "DIRECTORY/root"
server.bind = "127.0.0.1"
server.port = PORT
auth.backend = "plain"
auth.backend.plain.userfile = "DIRECTORY/users"
auth.require = (
  "/md5" => ("method" => "digest", "realm" => "a realm", "require" => "valid-user",
    "algorithm" => "MD5"),
  "/sha" => ("method" => "digest", "realm" => "another", "require" => "valid-user",
    "algorithm" => "SHA-256"),
  "/both" => ("method" => "digest", "realm" => "a, third", "require" => "user=me",
    "algorithm" => "MD5|SHA-256"),
  "/basic" => ("method" => "basic", "realm" => "b", "require" => "valid-user"),
)
]]):gsub("DIRECTORY", directory):gsub("PORT", port)
end

describe("a real server", function()
  local web, url

  setup(function()
    local directory, port = server.directory(), support.system.free_port()
    local status = server.run { "mkdir", "-p", directory .. "/root/md5", directory .. "/root/sha",
      directory .. "/root/both", directory .. "/root/basic" }
    assert.equal(0, status)
    for _, name in ipairs { "md5", "sha", "both", "basic" } do
      server.write(("%s/root/%s/file"):format(directory, name), "done")
    end
    server.write(directory .. "/users", "me:", password, "\nyou:other\n")
    local file = server.write(directory .. "/conf", (configuration(directory, port)))
    web = server.start({ "lighttpd", "-D", "-f", file }, port, directory)
    url = ("http://127.0.0.1:%d/"):format(port)
  end)
  teardown(function() web:stop() end)

  support.verify_each()

  it("takes digest credentials of every algorithm, at once from the second request on", function()
    local client <close> = support.client { auth = { digest = { "me", password } } }
    for _, name in ipairs { "md5", "sha", "both" } do
      for i = 1, 3 do
        local response <close> = assert(client:get(url .. name .. "/file?a=b%20c&d=%22"))
        assert.same({ 200, i == 1 and 2 or 1, "done" },
          { response.status, response.attempts, response:text() }, name)
      end
    end
  end)

  it("refuses another password or user, after one answer", function()
    for _, user in ipairs { { "me", "wrong" }, { "you", password }, { "nobody" } } do
      local client <close> = support.client { auth = { digest = user } }
      local response <close> = assert(client:get(url .. "sha/file"))
      assert.same({ 401, 2 }, { response.status, response.attempts })
    end
    local client <close> = support.client { auth = { digest = { "you", "other" } } }
    local response <close> = assert(client:get(url .. "both/file")) -- of "me" alone
    assert.equal(401, response.status)
  end)

  it("takes what many tasks send at the same time", function()
    local client <close> = support.client { auth = { digest = { "me", password } } }
    local statuses = sluice.run(function()
      local tasks = {}
      for i = 1, 40 do
        tasks[i] = sluice.spawn(function()
          local response <close> = assert(client:get(url .. "both/file?" .. i))
          return response.status
        end)
      end
      return sluice.all(tasks)
    end)
    for i = 1, 40 do assert.equal(200, statuses[i]) end
  end)

  it("takes basic credentials of a function and of a file", function()
    local path = server.write(web.directory .. "/netrc",
      ('machine 127.0.0.1 login me password "%s"'):format((password:gsub('["\\]', "\\%0"))))
    for _, auth in ipairs { { netrc = path }, function() return { "me", password } end } do
      local client <close> = support.client { auth = auth }
      local response <close> = assert(client:get(url .. "basic/file"))
      assert.equal(200, response.status)
    end
    local client <close> = support.client {
      auth = function() return { digest = { "me", password } } end,
    }
    local response <close> = assert(client:get(url .. "md5/file"))
    assert.equal(200, response.status)
  end)
end)
