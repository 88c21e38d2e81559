--- Records exchanges in a folder, and replays them without a network.
--
--     client:use(sluice.interceptors.record { path = "spec/recordings", mode = "auto" })
--
-- Modes: "record" sends each request and writes a file; "replay" sends none; "auto" replays what
-- there is and records the rest.

local answer = require "sluice.answer"
local check = require "sluice.check"
local core = require "sluice.core"
local failure = require "sluice.failure"
local recording = require "sluice.interceptors.recording"
local secrets = require "sluice.interceptors.secrets"
local plan = require "sluice.plan"

-- A longer body takes no part in the comparison.
local body_most = 8 * 1024 * 1024

-- Files that a failure names.
local named_most = 10

local names = check.array("array of names", 100, function(value)
  return type(value) == "string" and value ~= ""
end)

local schema = {
  path = check.content,
  mode = check.one_of("auto", "record", "replay"),
  secret_fields = names,
  secret_parameters = names,
}

-- ---- what a request is known by ----

-- The bytes of a part of a body | nil: it cannot be read.
local function read_part(part)
  if part.kind == "text" then return part.value end
  if part.kind ~= "file" then return part.value:tostring() end
  local before = part.value:seek("cur", 0)
  if not before or not part.value:seek("set", part.start) then return nil end
  local bytes = part.length == 0 and "" or part.value:read(part.length)
  part.value:seek("set", before)
  return bytes
end

local function read_parts(content)
  if content.text then return content.text end
  local pieces = {}
  for i, part in ipairs(content.parts) do
    pieces[i] = read_part(part)
    if not pieces[i] then return nil end
  end
  return table.concat(pieces)
end

-- What stands for the body of a request: "" for none, a hash, or "-" if it cannot be compared: it
-- is given piece by piece, too long, or has a random boundary.
local function hash_body(request)
  local content = request.content
  if not content or content.length == 0 then return "" end
  local kind = request:get_header "Content-Type" or ""
  if content.pull or not content.length or content.length > body_most
    or kind:lower():find("^multipart/") then
    return "-"
  end
  local bytes = read_parts(content)
  local hash = bytes and core.hash("sha256", bytes)
  return hash and hash:sub(1, 32) or "-"
end

-- A file's name without its number: what it is about, and a hash of all that tells it apart.
local function stem_of(method, url, body)
  local hash = core.hash("sha256", method .. " " .. url .. "\n" .. body)
  local about = url:gsub("^%a[%w+.-]*://", ""):gsub("[?#].*$", ""):gsub("[^%w.-]+", "_"):sub(1, 60)
  return ("%s_%s_%s"):format(method:gsub("%W", "_"), about:gsub("_$", ""), hash:sub(1, 12))
end

local function describe(asked)
  local text = asked.method .. " " .. asked.url
  if asked.body == "" then return text end
  return text .. (asked.body == "-" and " with a body" or " with the body " .. asked.body)
end

local function identify(self, request)
  local asked = {
    method = request.method,
    url = secrets.shown_url(self.secrets, request.url),
    body = hash_body(request),
  }
  asked.stem = stem_of(asked.method, asked.url, asked.body)
  return asked
end

-- ---- files ----

local function path_of(self, stem, number)
  return ("%s/%s%s.txt"):format(self.path, stem, number > 1 and "." .. number or "")
end

local function read_file(path)
  local file <close> = io.open(path, "rb") -- luacheck: ignore
  return file and file:read "a"
end

-- Returns true | nil, message, err (invalid)
local function write_file(path, text)
  local temporary = path .. ".new"
  local file, reason = io.open(temporary, "wb")
  if not file then return failure.new("invalid", "record", reason) end
  local ok
  ok, reason = file:write(text)
  local closed, why = file:close()
  if ok and closed then ok, reason = os.rename(temporary, path) end
  if ok and closed then return true end
  os.remove(temporary)
  return failure.new("invalid", "record", reason or why)
end

-- ---- replaying ----

local function list_files(self)
  local list, reason = core.list_folder(self.path)
  if not list then return reason end
  local found = {}
  for _, name in ipairs(list) do
    if name:find "%.txt$" then found[#found + 1] = name end
  end
  if not found[1] then return "there are no files" end
  table.sort(found)
  local more = #found > named_most and (" and %d more"):format(#found - named_most) or ""
  return "there are " .. table.concat(found, ", ", 1, math.min(#found, named_most)) .. more
end

local function refuse(self, request, asked)
  return request:failure("invalid", ("no recording of %s in '%s' (it would be %s.txt): %s")
    :format(describe(asked), self.path, asked.stem, list_files(self)), "queue")
end

-- The recording for this time that the request is made, or the last one. nil: there is none.
local function find(self, asked)
  local number = (self.replayed[asked.stem] or 0) + 1
  local path = path_of(self, asked.stem, number)
  local text = read_file(path)
  if not text and number > 1 then
    number = number - 1
    path = path_of(self, asked.stem, number)
    text = read_file(path)
  end
  if text then self.replayed[asked.stem] = number end
  return text, path
end

local function replay(request, path, text)
  local exchange, message, err = recording.read(path, text)
  if not exchange then return nil, message, err end
  return request:answer { status = exchange.status, reason = exchange.reason,
    headers = exchange.headers, body = exchange.response }
end

-- ---- recording ----

local function each_field(request)
  local i = -1
  return function()
    i = i + 2
    return request.fields[i], request.fields[i + 1]
  end
end

local function shown_fields(self, request)
  local shown = {}
  for name, value in each_field(request) do
    shown[#shown + 1] = { name, secrets.shown_value(self.secrets, name, value, request) }
  end
  return shown
end

-- Writes a file of the response, whose whole body is taken: a streamed one is answered with it.
local function record(self, asked, request, response)
  local sequence, message, err = response:sequence()
  if not sequence then return nil, message, err end
  local body <close> = sequence
  local number = (self.recorded[asked.stem] or 0) + 1
  local headers = {}
  for name, value in pairs(response.headers) do
    headers[#headers + 1] = { name, secrets.shown_value(self.secrets, name, value) }
  end
  local ok
  ok, message, err = write_file(path_of(self, asked.stem, number), recording.write {
    method = asked.method, url = asked.url, body = asked.body,
    size = request.content and request.content.length or nil,
    fields = shown_fields(self, request),
    status = response.status, reason = response.reason, headers = headers,
    response = body:tostring(),
  })
  if not ok then return nil, message, err end
  self.recorded[asked.stem] = number
  self.replayed[asked.stem] = number
  if not request.options.stream then return response end
  local list = {}
  for name, value in pairs(response.headers) do list[#list + 1] = { name, value } end
  return request:answer { status = response.status, reason = response.reason, headers = list,
    body = body }
end

local function hop(self, request, forward)
  if not plan.parse(request.url) then return forward(request) end
  -- A WebSocket cannot be recorded, so that none is replayed.
  if request.upgrade and self.mode ~= "replay" then return forward(request) end
  local asked = identify(self, request)
  if self.mode ~= "record" then
    local text, path = find(self, asked)
    if text then return replay(request, path, text) end
    if self.mode == "replay" then return refuse(self, request, asked) end
  end
  local response, message, err = forward(request)
  if not answer.is_response(response) then return response, message, err end
  return record(self, asked, request, response)
end

--- An interceptor of each sending. `path` is a folder, made if it is not there; `mode` is "auto"
-- unless given. A request is known by its method, its URL and a hash of its body; the same again
-- has a file for each time. Secret values of queries and fields are written as "***", by the rules
-- of the log; `secret_fields` and `secret_parameters` add names. A request without a recording
-- fails with `invalid`, and names the files that there are. Misuse raises.
return function(options)
  if options == nil then options = {} end
  check.options("record", options, schema, 2)
  if not options.path then error("record: option 'path': name of a folder expected, got nil", 2) end
  local mode = options.mode or "auto"
  if mode ~= "replay" then
    local ok, reason = core.make_folder(options.path)
    if not ok then error(("record: option 'path': '%s': %s"):format(options.path, reason), 2) end
  end
  local self = {
    path = options.path,
    mode = mode,
    secrets = secrets.new(options.secret_fields, options.secret_parameters),
    replayed = {}, -- how often, by stem
    recorded = {},
  }
  return { hop = function(request, forward) return hop(self, request, forward) end }
end
