--- Downloads: a file fetched to a path, whole or not at all, from where it was left.

local Bar = require "sluice.download.bar"
local Meter = require "sluice.download.meter"
local Partial = require "sluice.download.partial"
local Request = require "sluice.request"
local Transfer = require "sluice.download.transfer"
local check = require "sluice.check"
local core = require "sluice.core"
local digests = require "sluice.download.digests"
local failure = require "sluice.failure"
local plan = require "sluice.plan"
local retry = require "sluice.retry"
local text_file = require "sluice.text_file"

-- The default of pool.per_origin.
local most_connections = 16

local function is_sha256(value)
  return type(value) == "string" and #value == 64 and not value:find "%X"
end

local own_schema = {
  resume = check.boolean,
  sync = check.boolean,
  parallel = check.positive,
  sha256 = function(value) return not is_sha256(value) and "64 hexadecimal digits" or nil end,
  progress = check.either("boolean or function", check.boolean, check.callable),
}

-- All options, so that the hint for an unknown one may name any of them.
local schema = {}
for name, checker in pairs(Request.schema) do schema[name] = checker end
for name, checker in pairs(own_schema) do schema[name] = checker end

-- Options of requests that a download answers itself.
local refused = {
  method = "it is a GET", url = "given as an argument already",
  stream = "its body is always streamed", on_progress = "give `progress`",
  on_done = "it returns when it is over",
  fail_status = "a status without a file is always a failure",
}
for _, name in ipairs { "body", "json", "json_lines", "form", "multipart", "trailers",
  "expect_continue" } do
  refused[name] = "it is a GET, without a body"
end

-- Returns the download's own options, and those of its requests. Misuse raises at the caller of its
-- caller.
local function split_options(client, options)
  if type(options) ~= "table" then
    error("download: table of options expected, got " .. type(options), 3)
  end
  local own, others = {}, {}
  for name, value in pairs(options) do
    if refused[name] then error(("download: option '%s': %s"):format(name, refused[name]), 3) end
    local target = own_schema[name] and own or others
    target[name] = value
  end
  check.options("download", options, schema, 3, client.schema)
  others.stream, others.fail_status = true, false
  return own, others
end

-- A request that is never sent itself. Bytes of a coding are not those of the file, so none is
-- asked for. Returns it | nil, message, err; misuse raises.
local function make_template(client, url, options)
  local template, message, err = Request.new(client, "GET", url, options, 3)
  if not template then return nil, message, err end
  for _, name in ipairs { "Range", "If-Range" } do
    if template:get_header(name) then
      error(("download: header '%s': a download sets it itself"):format(name), 3)
    end
  end
  if not template:get_header "Accept-Encoding" then
    template:set_header("Accept-Encoding", "identity")
  end
  return template
end

-- What identifies the file: a hash of its URL, which may hold secrets.
-- Returns it | nil, message, err
local function source_of(template)
  local url, _, err = plan.parse(template.url)
  if not url then return template:failure("invalid", (err.message:gsub("^url: ", ""))) end
  return core.hash("sha256", url.text)
end

-- Ranges beyond the limit of connections would wait in the queue.
local function parallel_of(client, own)
  local pool = client.settings.pool
  return math.min(own.parallel or 1, pool and pool.per_origin or most_connections)
end

local function policy_of(client, options)
  if options.retry ~= nil then return retry.compile(options.retry) end
  return client.retry
end

-- Fetches, checks and renames. Returns true | nil, message, err
local function bring(transfer, partial, own, attempt)
  local ok, message, err = transfer:run()
  if not ok then return nil, message, err end
  local size = partial:count()
  ok, message, err =
    digests.check(partial.file:name(), own.sha256, partial.known.digest, attempt)
  if not ok then
    if err.code == "decode" then partial:discard() end
    return nil, message, err
  end
  transfer.meter:finish(size)
  local reason
  ok, reason = partial:commit(own.sync)
  if not ok then return failure.new("invalid", attempt, reason, "body") end
  return true
end

--- Does the work of client:download. Misuse raises at the caller of that.
return function(client, url, path, options)
  if type(path) ~= "string" then
    error("download: path: string expected, got " .. type(path), 2)
  elseif path == "" then
    error("download: path: it is empty", 2)
  end
  local own, others = split_options(client, options == nil and {} or options)
  local template, message, err = make_template(client, url, others)
  if not template then return nil, message, err end
  local attempt = text_file.attempt("download", path)
  local source
  if own.resume then
    source, message, err = source_of(template)
    if not source then return nil, message, err end
  end
  local partial <close>, reason = Partial.open(path, source)
  if not partial then return failure.new("invalid", attempt, reason) end
  local bar <close> = own.progress == true and Bar.new(path, io.stderr) or nil
  local report = own.progress or nil
  if bar then report = function(...) bar:show(...) end end
  local transfer = Transfer.new(template, partial, parallel_of(client, own),
    policy_of(client, others), Meter.new(report), attempt)
  return bring(transfer, partial, own, attempt)
end
