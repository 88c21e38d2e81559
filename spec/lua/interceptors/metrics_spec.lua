-- Counts and histograms, as a table and as text that another program reads.

local sluice = require "sluice"
local support = require "spec.support"

describe("metrics", function()
  local client, metrics, act

  support.verify_each(function(keep)
    client = keep(support.client())
    act = function(request) return request:answer { status = 200, body = "four" } end
  end)

  local function use(options)
    metrics = sluice.interceptors.metrics(options)
    client:use(metrics)
    client:use { hop = function(request, forward) return act(request, forward) end }
  end

  local function send(method, url)
    local response = client:request(method, url)
    if response then response:dispose() end
  end

  it("count by origin, method and status, or by the code of a failure", function()
    use { buckets = { 1000, 2000 } }
    send("GET", "http://a.test/1")
    send("GET", "http://a.test/2")
    send("POST", "http://a.test/3")
    act = function(request) return request:answer { status = 404 } end
    send("GET", "http://a.test/1")
    act = function() return nil, "no", { code = "timeout" } end
    send("GET", "http://b.test/1")
    act = function() error "broken" end
    assert.error_matches(function() send("GET", "http://b.test/1") end, "broken")
    local all = metrics:table()
    assert.equal(2, #all)
    local a, b = all[1], all[2]
    assert.same({ "http://a.test", 0, 3 }, { a.origin, a.in_flight, #a.series })
    local first = a.series[1]
    assert.same({ "GET", 200, 2, 8 }, { first.method, first.status, first.count, first.bytes })
    assert.same({ { up_to = 1000, count = 2 }, { up_to = 2000, count = 2 } }, first.buckets)
    assert.is_true(first.sum > 0 and first.sum < 1000)
    assert.same({ "GET", 404, 1 }, { a.series[2].method, a.series[2].status, a.series[2].count })
    assert.same({ "POST", 200, 1 }, { a.series[3].method, a.series[3].status, a.series[3].count })
    assert.same({ "raised", 1 }, { b.series[1].status, b.series[1].count })
    assert.same({ "timeout", 1 }, { b.series[2].status, b.series[2].count })
    metrics:reset()
    assert.same({}, metrics:table())
  end)

  it("know what is in flight, also if its task is cancelled", function()
    use()
    act = function() return sluice.sleep(1000) end
    local task = sluice.spawn(send, "GET", "http://a.test/")
    sluice.loop():step(0)
    assert.equal(1, metrics:table()[1].in_flight)
    task:cancel()
    task:await()
    assert.equal(0, metrics:table()[1].in_flight)
  end)

  it("tell a bounded number of origins, methods and statuses apart", function()
    use { origins = 3 }
    for i = 1, 50 do send("GET", "http://" .. i .. ".test/") end
    local all = metrics:table()
    assert.equal(4, #all)
    assert.equal("other", all[4].origin)
    assert.equal(47, all[4].series[1].count)
    for i = 1, 300 do
      act = function(request) return request:answer { status = 200 + i } end
      send("M" .. i, "http://1.test/")
    end
    local count = 0
    for _, series in ipairs(metrics:table()[1].series) do count = count + series.count end
    assert.equal(301, count)
    assert.is_true(#metrics:table()[1].series <= 64 + 2 * 5)
  end)

  -- What Prometheus' own client for Python reads: "name label=value ... number" of each sample.
  local function parse(text)
    local path = os.tmpname()
    local file <close> = assert(io.open(path, "wb"))
    file:write(text)
    file:close()
    local pipe = assert(io.popen("/usr/bin/python3 spec/differential/prometheus.py < " .. path))
    local samples = {}
    for line in pipe:lines() do samples[#samples + 1] = line end
    pipe:close()
    os.remove(path)
    return samples
  end

  it("are text that Prometheus reads", function()
    use { buckets = { 0.5, 1000 }, prefix = "shop" }
    send("GET", "http://a.test/")
    send("GET", "http://a.test/")
    send("GET", "http://b.test:1/")
    local samples = parse(metrics:text())
    local labels = "error= method=GET origin=http://a.test status=200"
    local found = {}
    for _, sample in ipairs(samples) do found[sample] = true end
    for _, sample in ipairs {
      "counter shop_requests_total " .. labels .. " 2.0",
      "counter shop_response_bytes_total " .. labels .. " 8.0",
      "gauge shop_requests_in_flight origin=http://a.test 0.0",
      "histogram shop_request_duration_seconds_bucket error= le=1000 method=GET "
        .. "origin=http://a.test status=200 2.0",
      "histogram shop_request_duration_seconds_bucket error= le=+Inf method=GET "
        .. "origin=http://a.test status=200 2.0",
      "histogram shop_request_duration_seconds_count " .. labels .. " 2.0",
    } do
      assert.is_true(found[sample], sample .. "\n" .. table.concat(samples, "\n"))
    end
  end)

  it("escape what a label may not hold", function()
    use()
    local name = "a\"b\\c\nd"
    metrics.others.in_flight, metrics.others.origin = 1, name
    local samples = parse(metrics:text())
    assert.same({ ("gauge sluice_client_requests_in_flight origin=%s 1.0")
      :format((name:gsub("\n", "<LF>"))) }, samples)
  end)

  it("raise for options that are none", function()
    local make = sluice.interceptors.metrics
    assert.error_matches(function() make { buckets = { 2, 1 } } end, "rising numbers")
    assert.error_matches(function() make { prefix = "a-b" } end, "name of letters")
    assert.error_matches(function() make { bucket = {} } end, "did you mean 'buckets'")
  end)
end)
