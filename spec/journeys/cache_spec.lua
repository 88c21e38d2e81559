-- The cache beside a real nginx: freshness, tags, dates, conditions.

local nginx = require "spec.support.nginx"
local sluice = require "sluice"
local support = require "spec.support"

describe("a cache before nginx", function()
  local server, client, cache, now, statuses

  setup(function()
    server = nginx.start { extra = [[
      location /fresh/ { rewrite ^ /file/5000 break; add_header Cache-Control "max-age=60"; }
      location /never/ { rewrite ^ /file/5000 break; add_header Cache-Control "no-store"; }
      location /always/ { rewrite ^ /file/5000 break; add_header Cache-Control "no-cache"; }
      location /expires/ { rewrite ^ /file/5000 break; expires 60s; }
      location /past/ { rewrite ^ /file/5000 break; expires epoch; }
      location /untagged/ {
        rewrite ^ /file/5000 break; etag off; add_header Cache-Control "max-age=60";
      }
      location /gzip-fresh/ {
        rewrite ^ /file/5000 break; gzip on; gzip_types *; gzip_min_length 0; gzip_vary on;
        add_header Cache-Control "max-age=60";
      }
    ]] }
    server:file(5000)
  end)

  teardown(function() server:stop() end)

  support.verify_each(function(keep)
    now, statuses = os.time(), {}
    cache = keep(sluice.interceptors.cache { clock = function() return now end })
    client = keep(support.client())
    client:use(cache)
    client:use { hop = function(request, forward)
      local response, message, err = forward(request)
      statuses[#statuses + 1] = response and response.status or err.code
      return response, message, err
    end }
  end)

  local function get(path, options)
    local response <close> = assert(client:get(server.url .. path, options))
    assert.equal(200, response.status)
    assert.is_true(response:text() == support.pattern(5000))
    return response.headers.Age
  end

  it("asks once while a response is fresh, then validates it", function()
    for _, name in ipairs { "fresh", "expires", "untagged", "gzip-fresh" } do
      local path = "/" .. name .. "/5000"
      statuses, now = {}, os.time()
      assert.is_nil(get(path))
      now = now + 30
      local age = tonumber(get(path)) -- nginx may be late by a second
      assert.is_true(age >= 30 and age <= 40, age)
      assert.same({ 200 }, statuses)
      now = now + 60
      get(path)
      get(path)
      get(path, { stream = true })
      assert.equal(304, statuses[2], path)
    end
  end)

  it("asks each time for what must be validated", function()
    get "/always/5000"
    get "/always/5000"
    get "/past/5000"
    get "/past/5000"
    assert.same({ 200, 304, 200, 304 }, statuses)
  end)

  it("keeps nothing that must not be stored", function()
    get "/never/5000"
    get "/never/5000"
    assert.same({ 200, 200 }, statuses)
    assert.equal(0, cache:stats().entries)
  end)

  it("leaves conditions and ranges of the program to nginx", function()
    get "/fresh/5000"
    local part <close> = assert(client:get(server.url .. "/fresh/5000",
      { headers = { Range = "bytes=0-9" } }))
    assert.equal(206, part.status)
    assert.equal(support.pattern(10), part:text())
    get "/fresh/5000"
    assert.same({ 200, 206 }, statuses)
  end)

  it("forgets a file that a PUT has changed", function()
    local url = server.url .. "/put/changing"
    local function text()
      local response <close> = assert(client:get(url))
      return response:text()
    end
    for i = 1, 3 do
      assert(client:put(url, { body = "body " .. i })):dispose()
      assert.equal("body " .. i, text())
    end
  end)
end)
