-- Exchanges that are recorded, and replayed without a network.

local core = require "sluice.core"
local sluice = require "sluice"
local support = require "spec.support"

describe("a recorder", function()
  local folder, asked, act

  local function remove(path)
    for _, name in ipairs(core.list_folder(path) or {}) do os.remove(path .. "/" .. name) end
    os.remove(path)
  end

  support.verify_each(function(keep)
    folder = keep(os.tmpname(), remove)
    os.remove(folder)
    asked = 0
    act = function(request)
      return request:answer { status = 200, headers = { ["X-A"] = "1" }, body = "body " .. asked }
    end
  end)

  local function with(mode, f, options, of_client)
    local client <close> = support.client(of_client)
    options = options or {}
    options.path, options.mode = folder, mode
    client:use(sluice.interceptors.record(options))
    client:use { hop = function(request, forward)
      asked = asked + 1
      return act(request, forward)
    end }
    f(client)
  end

  local function text(client, method, url, options)
    local response <close> = assert(client:request(method, url, options))
    assert.equal("1", response.headers["X-A"])
    return response:text()
  end

  local function files()
    local list = core.list_folder(folder)
    table.sort(list)
    return list
  end

  it("replays what it has recorded, buffered and streamed", function()
    for _, is_stream in ipairs { false, true } do
      local options = { stream = is_stream }
      asked = 0
      with("record", function(client)
        assert.equal("body 1", text(client, "GET", "http://host.test/a?b=1", options))
        assert.equal("body 2", text(client, "POST", "http://host.test/a?b=1", options))
      end)
      with("replay", function(client)
        assert.equal("body 2", text(client, "POST", "http://host.test/a?b=1", options))
        assert.equal("body 1", text(client, "GET", "http://host.test/a?b=1", options))
      end)
      assert.equal(2, asked)
    end
    assert.equal(2, #files())
    assert.matches("^GET_host.test_a_%x+%.txt$", files()[1])
  end)

  it("replays what there is and records the rest, unless told otherwise", function()
    for _ = 1, 3 do
      with(nil, function(client)
        assert.equal("body 1", text(client, "GET", "http://host.test/a"))
        assert.equal("body 2", text(client, "GET", "http://host.test/b"))
      end)
    end
    assert.equal(2, asked)
  end)

  it("has a file for each time, and repeats the last one", function()
    with("record", function(client)
      for i = 1, 3 do assert.equal("body " .. i, text(client, "GET", "http://host.test/a")) end
    end)
    assert.equal(3, #files())
    with("replay", function(client)
      for _, number in ipairs { 1, 2, 3, 3, 3 } do
        assert.equal("body " .. number, text(client, "GET", "http://host.test/a"))
      end
    end)
  end)

  it("tells bodies apart, whatever their kind", function()
    local bytes = ("x\0y"):rep(1000)
    local path = os.tmpname()
    local file <close> = assert(io.open(path, "wb"))
    file:write(bytes)
    file:flush()
    local lease <close> = support.lease(bytes)
    local sequence <close> = lease:sequence()
    local opened <close> = assert(io.open(path, "rb"))
    local kinds = {
      function() return bytes end, function() return support.lease(bytes) end,
      function() return sequence end, function() return opened end,
      function() return { path = path } end,
      function() return { bytes:sub(1, 10), support.lease(bytes:sub(11)) } end,
    }
    with("record", function(client)
      assert.equal("body 1", text(client, "POST", "http://host.test/", { body = bytes }))
      assert.equal("body 2", text(client, "POST", "http://host.test/", { body = bytes .. "z" }))
      assert.equal("body 3", text(client, "POST", "http://host.test/", { json = { 1 } }))
    end)
    for _, make in ipairs(kinds) do
      with("replay", function(client)
        assert.equal("body 1", text(client, "POST", "http://host.test/", { body = make() }))
      end)
    end
    with("replay", function(client)
      assert.equal("body 3", text(client, "POST", "http://host.test/", { json = { 1 } }))
    end)
    assert.equal(0, opened:seek("cur", 0))
    os.remove(path)
  end)

  it("does not read a body that is given piece by piece", function()
    local function once()
      local is_given = false
      return function()
        if is_given then return nil end
        is_given = true
        return "piece"
      end
    end
    with("record", function(client)
      text(client, "POST", "http://host.test/", { body = once() })
    end)
    with("replay", function(client)
      local is_asked = false
      assert.equal("body 1", text(client, "POST", "http://host.test/",
        { body = function() is_asked = true end }))
      assert.is_false(is_asked)
    end)
  end)

  it("records each hop of a redirect", function()
    act = function(request)
      if request.url:find "/end" then
        return request:answer { status = 200, headers = { ["X-A"] = "1" }, body = "there" }
      end
      return request:answer { status = 302, headers = { Location = "/end" }, body = "no" }
    end
    for _, mode in ipairs { "record", "replay" } do
      with(mode, function(client)
        assert.equal("there", text(client, "GET", "http://host.test/"))
      end)
    end
    assert.equal(2, asked)
    assert.equal(2, #files())
  end)

  it("gives back every byte of a body", function()
    local bytes = support.pattern(100000)
    act = function(request)
      return request:answer { status = 200, headers = { ["X-A"] = "1" }, body = bytes }
    end
    for _, mode in ipairs { "record", "replay" } do
      with(mode, function(client)
        assert.is_true(bytes == text(client, "GET", "http://host.test/"))
      end)
    end
  end)

  it("writes no secrets, and finds what differs in them alone", function()
    act = function(request)
      return request:answer { status = 200, headers = { ["X-A"] = "1", ["Set-Cookie"] = "a=hidden",
        ["X-Own"] = "hidden" }, body = "body" }
    end
    local function send(client, secret)
      local url = ("http://u:SECRET@host.test/?token=SECRET&mine=SECRET"):gsub("SECRET", secret)
      text(client, "GET", url,
        { headers = { { "Authorization", "Bearer " .. secret }, { "X-Own", secret },
          { "X-Marked", secret, secret = true } } })
    end
    local options = { secret_fields = { "X-Own" }, secret_parameters = { "mine" } }
    with("record", function(client) send(client, "hidden") end, options,
      { headers = { { "X-Client", "hidden", secret = true } } })
    with("replay", function(client) send(client, "other") end, options)
    assert.equal(1, asked)
    local file <close> = assert(io.open(folder .. "/" .. files()[1]))
    local content = file:read "a"
    assert.is_nil(content:find "hidden")
    assert.matches("> Authorization: Bearer %*%*%*\n", content)
    assert.matches("> X%-Client: %*%*%*\n", content)
    assert.matches("\nGET http://host.test/%?token=%*%*%*&mine=%*%*%*\n", content)
  end)

  it("writes no secrets of where a server leads, and follows it there again", function()
    act = function(request)
      if request.url:find "/back" then
        return request:answer { status = 200, headers = { ["X-A"] = "1" }, body = "there" }
      end
      return request:answer { status = 302, headers = { Location = "/back?code=hidden&a=1" } }
    end
    for _, mode in ipairs { "record", "replay" } do
      with(mode, function(client)
        assert.equal("there", text(client, "GET", "http://host.test/login"))
      end)
    end
    assert.equal(2, asked)
    for _, name in ipairs(files()) do
      local file <close> = assert(io.open(folder .. "/" .. name))
      assert.is_nil(file:read("a"):find "hidden")
    end
  end)

  it("names what was asked and which files there are, where there is no recording", function()
    with("replay", function(client)
      local none, message, err = client:get "http://host.test/a"
      assert.is_nil(none)
      assert.equal("invalid", err.code)
      assert.matches("^GET http://host.test/a: no recording of GET http://host.test/a in '"
        .. folder:gsub("%p", "%%%0") .. "' %(it would be GET_host.test_a_%x+%.txt%): No such file",
        message)
    end)
    with("record", function(client)
      for i = 1, 12 do text(client, "GET", "http://host.test/" .. i) end
    end)
    with("replay", function(client)
      local _, message = client:post("http://host.test/a", { body = "x" })
      assert.matches("no recording of POST http://host.test/a with the body %x+ in ", message)
      assert.matches("there are GET_host.test_10_%x+.txt, .* and 2 more$", message)
    end)
  end)

  it("names a file that it cannot read", function()
    with("record", function(client) text(client, "GET", "http://host.test/a") end)
    local path = folder .. "/" .. files()[1]
    local file <close> = assert(io.open(path, "wb"))
    file:write "something else"
    file:close()
    with("replay", function(client)
      local _, message, err = client:get "http://host.test/a"
      assert.equal("recording '" .. path .. "': does not begin with 'sluice recording 1'", message)
      assert.equal("invalid", err.code)
    end)
  end)

  it("fails the request when it cannot write, and leaves nothing", function()
    with("record", function(client)
      remove(folder)
      local none, message, err = client:get "http://host.test/a"
      assert.is_nil(none)
      assert.equal("invalid", err.code)
      assert.matches("^record: " .. folder:gsub("%p", "%%%0") .. "/GET_", message)
    end)
  end)

  it("passes on failures, and values of an interceptor's own, and records neither", function()
    with("record", function(client)
      act = function() return nil, "no", { code = "connect" } end
      assert.same({ nil, "no", { code = "connect" } }, { client:get "http://host.test/a" })
      act = function() return { own = true } end
      assert.is_true(client:get("http://host.test/a").own)
    end)
    assert.same({}, files())
  end)

  it("raises for options that are none", function()
    local record = sluice.interceptors.record
    assert.error_matches(function() record() end,
      "record: option 'path': name of a folder expected")
    assert.error_matches(function() record { path = folder, mode = "play" } end,
      "'auto' or 'record'")
    assert.error_matches(function() record { path = "/proc/none/x" } end,
      "record: option 'path': '/proc/none/x': No such file")
    assert.error_matches(function() record { path = folder, secrets = {} } end, "unknown option")
  end)
end)
