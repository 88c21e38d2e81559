--- Counts requests, and measures how long they take, by origin, method and status.
--
--     local metrics = sluice.interceptors.metrics()
--     client:use(metrics)
--     print(metrics:text())          -- for Prometheus

local answer = require "sluice.answer"
local check = require "sluice.check"
local core = require "sluice.core"
local PerOrigin = require "sluice.interceptors.per_origin"
local watch = require "sluice.watch"

local Metrics = {}
Metrics.__index = Metrics

local default_buckets = { 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10 }

-- Series of one origin: more statuses than that are counted by their class.
local series_limit = 64

local methods = { GET = true, HEAD = true, POST = true, PUT = true, PATCH = true, DELETE = true,
  OPTIONS = true, TRACE = true }

local function check_buckets(value)
  local last = -math.huge
  if type(value) ~= "table" or #value == 0 or #value > 100 then
    return "array of at most 100 rising numbers"
  end
  for _, bound in ipairs(value) do
    if type(bound) ~= "number" or not (bound > last and bound < math.huge) then
      return "array of at most 100 rising numbers"
    end
    last = bound
  end
end

local function check_prefix(value)
  if type(value) == "string" and value:find "^[%a_:][%w_:]*$" then return nil end
  return "name of letters, digits and underscores"
end

local schema = { buckets = check_buckets, origins = check.positive, prefix = check_prefix }

local function new_series(self, origin, method, status)
  local series = { origin = origin.origin, method = method, status = status, count = 0, sum = 0,
    bytes = 0, buckets = {} }
  for i = 1, #self.buckets do series.buckets[i] = 0 end
  origin.series_count = origin.series_count + 1
  return series
end

-- The series of one outcome: a status, or the code of a failure.
local function find_series(self, origin, method, status)
  local of_method = origin.series[method]
  if not of_method then
    method = methods[method] and method or "other"
    of_method = origin.series[method] or {}
    origin.series[method] = of_method
  end
  local series = of_method[status]
  if series then return series end
  if origin.series_count >= series_limit then
    status = type(status) == "number" and status // 100 .. "xx" or "other"
    series = of_method[status]
  end
  series = series or new_series(self, origin, method, status)
  of_method[status] = series
  return series
end

-- The first bucket that holds the duration; none holds what is longer than all.
local function observe(self, series, seconds)
  series.count, series.sum = series.count + 1, series.sum + seconds
  local bounds = self.buckets
  for i = 1, #bounds do
    if seconds <= bounds[i] then
      series.buckets[i] = series.buckets[i] + 1
      return
    end
  end
end

local function outcome_of(response, err)
  if answer.is_response(response) then return response.status end
  if response then return "answered" end
  return type(err) == "table" and type(err.code) == "string" and err.code or "other"
end

-- All other origins are one, once there are enough.
local function find_origin(self, url)
  local origins = self.origins
  if origins.count >= self.most and not origins.by_url[url]
    and not origins.states[PerOrigin.origin_of(url)] then
    return self.others
  end
  return origins:find(url)
end

local function hop(self, request, forward)
  local origin = find_origin(self, request.url)
  local is_counted = false
  origin.in_flight = origin.in_flight + 1
  local flight <close> = setmetatable({}, { __close = function(_, raised) -- luacheck: ignore
    origin.in_flight = origin.in_flight - 1
    if raised ~= nil and not is_counted then
      local series = find_series(self, origin, request.method, "raised")
      series.count = series.count + 1
    end
  end })
  local from = core.now()
  local response, message, err = forward(request)
  local outcome = outcome_of(response, err)
  local series = find_series(self, origin, request.method, outcome)
  observe(self, series, (core.now() - from) / 1e9)
  if math.type(outcome) == "integer" then series.bytes = series.bytes + #response end
  is_counted = true
  return response, message, err
end

-- The series of a GET by its status is found once for each plan.
local function form_of(self)
  local bounds = self.buckets
  local last = #bounds
  return {
    open = function(watched)
      local origin = find_origin(self, watched.url)
      PerOrigin.add_flight(origin, watched.flight)
      return { origin = origin }
    end,
    done = function(state, response, err, time, status, size)
      local outcome = status or outcome_of(response, err)
      local series = state[outcome]
      if not series then
        series = find_series(self, state.origin, "GET", outcome)
        state[outcome] = series
      end
      local seconds, i = time / 1e9, 1
      series.count, series.sum = series.count + 1, series.sum + seconds
      if size then series.bytes = series.bytes + size end
      while i <= last and seconds > bounds[i] do i = i + 1 end
      if i <= last then series.buckets[i] = series.buckets[i] + 1 end
    end,
  }
end

-- What is on its way: `flights` are those of plans that are sent the short way.
local function count_in_flight(origin)
  local count = origin.in_flight
  for flight in pairs(origin.flights or {}) do count = count + flight.count end
  return count
end

local function new_origin()
  return { series = {}, series_count = 0, in_flight = 0 }
end

--- Forgets what was counted, but for requests in flight.
function Metrics:reset()
  if self.origins then
    for _, origin in pairs(self.origins.states) do PerOrigin.set_stale(origin) end
    PerOrigin.set_stale(self.others)
  end
  self.origins = PerOrigin.new(self.most, new_origin)
  self.others = new_origin()
  self.others.origin = "other"
end

-- Every origin, sorted.
local function list_origins(self)
  local list = {}
  for _, origin in pairs(self.origins.states) do list[#list + 1] = origin end
  local others = self.others
  if others.series_count > 0 or count_in_flight(others) > 0 then list[#list + 1] = others end
  table.sort(list, function(a, b) return a.origin < b.origin end)
  return list
end

-- Every series of an origin, sorted.
local function list_series(origin)
  local list = {}
  for _, of_method in pairs(origin.series) do
    for _, series in pairs(of_method) do list[#list + 1] = series end
  end
  table.sort(list, function(a, b)
    if a.method ~= b.method then return a.method < b.method end
    return tostring(a.status) < tostring(b.status)
  end)
  return list
end

--- What was counted: an array of { origin =, in_flight =, series = { { method =, status = (a
-- status, or the code of a failure), count =, sum = (seconds), bytes =,
-- buckets = { { up_to =, count = } } }, ... } }, each bucket with those below it.
function Metrics:table()
  local result = {}
  for _, origin in ipairs(list_origins(self)) do
    local shown = { origin = origin.origin, in_flight = count_in_flight(origin), series = {} }
    for i, series in ipairs(list_series(origin)) do
      local buckets, total = {}, 0
      for j, count in ipairs(series.buckets) do
        total = total + count
        buckets[j] = { up_to = self.buckets[j], count = total }
      end
      shown.series[i] = { method = series.method, status = series.status, count = series.count,
        sum = series.sum, bytes = series.bytes, buckets = buckets }
    end
    result[#result + 1] = shown
  end
  return result
end

-- ---- Prometheus' text format ----

local escapes = { ["\\"] = "\\\\", ["\""] = "\\\"", ["\n"] = "\\n" }

local function label(name, value)
  return ("%s=\"%s\""):format(name, (tostring(value):gsub("[\\\"\n]", escapes)))
end

-- A number without the locale's decimal point.
local function number(value)
  return (("%.17g"):format(value):gsub("[^%de+-]+", "."))
end

-- The shortest text that reads as the same number.
local function short(value)
  local text = ("%.15g"):format(value):gsub("[^%de+-]+", ".")
  return tonumber(text) == value and text or number(value)
end

local function labels_of(origin, series)
  local outcome = math.type(series.status) == "integer" and "status" or "error"
  if type(series.status) == "string" and series.status:find "^%dxx$" then outcome = "status" end
  return table.concat({ label("origin", origin.origin), label("method", series.method),
    label("status", outcome == "status" and series.status or ""),
    label("error", outcome == "error" and series.status or "") }, ",")
end

local function begin(lines, name, kind, help)
  lines[#lines + 1] = ("# HELP %s %s"):format(name, help)
  lines[#lines + 1] = ("# TYPE %s %s"):format(name, kind)
end

local function add_histogram(lines, name, bounds, labels, series)
  local total = 0
  for i, bound in ipairs(bounds) do
    total = total + series.buckets[i]
    lines[#lines + 1] = ("%s_bucket{%s,le=\"%s\"} %d"):format(name, labels, short(bound), total)
  end
  lines[#lines + 1] = ("%s_bucket{%s,le=\"+Inf\"} %d"):format(name, labels, series.count)
  lines[#lines + 1] = ("%s_sum{%s} %s"):format(name, labels, short(series.sum))
  lines[#lines + 1] = ("%s_count{%s} %d"):format(name, labels, series.count)
end

--- The same as text in the format of Prometheus 0.0.4.
function Metrics:text()
  local lines, prefix = {}, self.prefix
  local all = {}
  for _, origin in ipairs(list_origins(self)) do
    for _, series in ipairs(list_series(origin)) do
      all[#all + 1] = { labels_of(origin, series), series }
    end
  end
  begin(lines, prefix .. "_requests_total", "counter", "Requests that have ended.")
  for _, one in ipairs(all) do
    lines[#lines + 1] = ("%s_requests_total{%s} %d"):format(prefix, one[1], one[2].count)
  end
  begin(lines, prefix .. "_response_bytes_total", "counter", "Bytes of buffered bodies.")
  for _, one in ipairs(all) do
    lines[#lines + 1] = ("%s_response_bytes_total{%s} %d"):format(prefix, one[1], one[2].bytes)
  end
  begin(lines, prefix .. "_requests_in_flight", "gauge", "Requests that have not ended.")
  for _, origin in ipairs(list_origins(self)) do
    lines[#lines + 1] = ("%s_requests_in_flight{%s} %d")
      :format(prefix, label("origin", origin.origin), count_in_flight(origin))
  end
  local name = prefix .. "_request_duration_seconds"
  begin(lines, name, "histogram", "Seconds to the whole response, or to its head if streamed.")
  for _, one in ipairs(all) do add_histogram(lines, name, self.buckets, one[1], one[2]) end
  return table.concat(lines, "\n") .. "\n"
end

--- An interceptor of each sending that counts. `buckets` are the upper bounds of the histogram, in
-- seconds; up to `origins` (100) have figures of their own, all others count as "other"; `prefix`
-- ("sluice_client") begins the names. Misuse raises.
return function(options)
  if options == nil then options = {} end
  check.options("metrics", options, schema, 2)
  local self = setmetatable({
    buckets = table.move(options.buckets or default_buckets, 1,
      #(options.buckets or default_buckets), 1, {}),
    most = options.origins or 100,
    prefix = options.prefix or "sluice_client",
  }, Metrics)
  self:reset()
  self.hop = function(request, forward) return hop(self, request, forward) end
  watch.declare(self.hop, form_of(self))
  return self
end
