-- What the README says is so: its blocks run as they stand, but for ports and names of files.

local certificates = require "spec.support.certificates"
local nginx = require "spec.support.nginx"
local script = require "spec.support.script"
local server = require "spec.support.server"
local sluice = require "sluice"
local support = require "spec.support"

local text = server.read "README.md"

local blocks = {}
for block in text:gmatch "\n```lua\n(.-\n)```\n" do blocks[#blocks + 1] = block end

--- The one block that holds these words.
local function block_with(words)
  local found
  for _, block in ipairs(blocks) do
    if block:find(words, 1, true) then
      assert(not found, "two blocks with " .. words)
      found = block
    end
  end
  if not found then error("no block with " .. words) end
  return found
end

describe("the README", function()
  local web

  setup(function()
    web = nginx.start {
      tls = { certificate = certificates.chain "good", key = certificates.key "good" },
      extra = "location /api/ { return 201 'made'; }",
    }
  end)
  teardown(function() web:stop() end)

  --- Runs a block against the server. Returns what it printed.
  local function run(block, prelude)
    block = block:gsub("http://127%.0%.0%.1:8080", web.url)
      :gsub("https://127%.0%.0%.1:8443", "https://127.0.0.1:" .. web.tls_port)
      :gsub('"root%.pem"', ("%q"):format(certificates.file "root.pem"))
      :gsub('"file"', ("%q"):format(web.directory .. "/saved"))
    local source = ("sluice = require 'sluice'\nurl = %q\n%s\n%s"):format(web.url .. "/json",
      prelude or "", block)
    local status, output = script.run(source)
    assert.equal(0, status, output .. source)
    return output
  end

  it("has blocks, and each is Lua", function()
    assert.is_true(#blocks >= 5)
    for _, block in ipairs(blocks) do assert(load(block, "=README", "t")) end
  end)

  it("shows a request", function()
    assert.equal("200\tapplication/json\nsluice\n", run(block_with 'require "sluice"'))
  end)

  it("shows many tasks", function()
    local output = run(block_with "sluice.all")
    local count = 0
    for line in output:gmatch "[^\n]+" do
      count = count + 1
      assert.equal(("%d\t%d"):format(count, #server.read(web.directory .. "/root/json")), line)
    end
    assert.equal(200, count)
  end)

  it("shows a game", function()
    local output = run(block_with "draw_frame", [[
      playing = true
      local write, last = print, os.time() + 10
      function print(...)
        write(...)
        playing = false
      end
      function draw_frame() assert(os.time() < last) end
    ]])
    assert.equal("200\n", output)
  end)

  it("shows bodies", function()
    local block = block_with "response:detach()"
    local calls, streamed = block:match "^(.-\n)\n(.*)$"
    local count = 0
    for call in calls:gmatch "[^\n]+" do
      count = count + 1
      run(("assert(%s)"):format(call:match "^(.-) *%-%-"),
        "local response <close> = assert(sluice.get(url))")
    end
    assert.is_true(count >= 5)
    assert.equal(server.read(web.directory .. "/root/json"), server.read(web.directory .. "/saved"))
    assert.equal(server.read(web.directory .. "/root/json"), run(streamed))
  end)

  it("shows a parser for hosts", function()
    assert.equal("200\tContent-Length\nslu\nice\nend\ttrue\n", run(block_with "http_parser"))
  end)

  it("shows options", function()
    local output = run(block_with "base_url" .. "\nprint(response.status, response:text())")
    assert.matches("^POST\thttps://127%.0%.0%.1:%d+/api/items\t201\n201\tmade\n$", output)
  end)

  it("names the options of requests and of clients", function()
    local own, of_client = text:match "Of one request: `(.-)`.-Of a client: `(.-)`"
    local odd = coroutine.create(function() end)
    local client <close> = support.client()
    local function check(name, call)
      local _, message = pcall(call)
      assert.is_nil(tostring(message):find("unknown option", 1, true), name)
    end
    for name in own:gmatch "[%a_]+" do
      check(name, function() client:request("GET", "http:/", { [name] = odd }) end)
    end
    for name in of_client:gmatch "[%a_]+" do
      check(name, function() sluice.client { [name] = odd } end)
    end
  end)

  it("links to files that exist", function()
    for path in text:gmatch "%]%(([%w_/.]+)%)" do
      local file <close> = io.open(path)
      assert.is_truthy(file, path)
    end
  end)
end)
