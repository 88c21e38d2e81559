--- Forms with files: multipart/form-data (RFC 7578).
-- A multipart is an array of entries { label =, head =, value =, is_once = }. As a request
-- body it is a list of values, which body.lua takes: nothing is copied but texts that are
-- short. It owns the leases that it was given, until a request takes them or it is
-- disposed.

local bodies = require "sluice.body"
local check = require "sluice.check"
local core = require "sluice.core"
local entries = require "sluice.entries"
local failure = require "sluice.failure"
local parts = require "sluice.parts"
local values = require "sluice.values"

local Multipart = {}
Multipart.__index = Multipart
Multipart.__name = "sluice.multipart"

-- Texts below that size are copied together; others are sent from where they are.
local copied_size = 16 * 1024

-- ---- what parts begin with ----

local escapes = { ["\r"] = "%0D", ["\n"] = "%0A", ['"'] = "%22" }

-- Returns a name as the HTML standard writes it into a head | nil, what is wrong. Backslashes
-- at its end are escaped, too: many parsers would take the last one and the quote behind it
-- for a quote within the name.
local function quote(name)
  if name:find("\0", 1, true) then return nil, "the name contains a zero byte" end
  local escaped = name:gsub('[\r\n"]', escapes):gsub("\\+$", function(last)
    return ("%5C"):rep(#last)
  end)
  return '"' .. escaped .. '"'
end

local function shown(name) return "'" .. values.shown(name, 64) .. "'" end

local token = "[%w!#$%%&'*+.^_`|~-]+"
local media_type = "^" .. token .. "/" .. token .. "[ \t]*"

-- RFC 9110 8.3.1; parameters are not looked into.
local function check_type(value)
  local rest = type(value) == "string" and value:match(media_type .. "()")
  if rest and value:find("^%f[;\0]", rest) and not value:find "[^\t -~]" then return nil end
  return 'media type, as "image/png",'
end

local function check_filename(value)
  if value == false or type(value) == "string" and not value:find("\0", 1, true) then
    return nil
  end
  return "string without zero bytes, or false,"
end

local function check_bytes(value)
  local kind = type(value) ~= "table" and parts.kind_of(value)
  return not (kind == "text" or kind == "sequence") and "string or sequence" or nil
end

local function check_handle(value) return io.type(value) ~= "file" and "open file" or nil end

local function check_lease(value) return parts.kind_of(value) ~= "lease" and "lease" or nil end

local file_schema = {
  path = check.content,
  bytes = check_bytes,
  handle = check_handle,
  lease = check_lease,
  read = check.callable,
  length = check.count,
  filename = check_filename,
  type = check_type,
}

local contents = { "path", "bytes", "handle", "lease", "read" }

-- Which of its contents a file has. Returns the name | nil, what is wrong
local function content_of(file)
  local found
  for _, name in ipairs(contents) do
    if file[name] ~= nil then
      if found then return nil, ("%s and %s: only one of them"):format(found, name) end
      found = name
    end
  end
  if not found then return nil, "path, bytes, handle, lease or read expected" end
  if file.length and found ~= "read" then return nil, "length: only for read" end
  return found
end

local function describe(value)
  local _, kind = values.text(value)
  return kind or "a " .. type(value)
end

-- Returns the content's name | nil, what is wrong
local function check_file(file)
  for key, value in pairs(file) do
    local checker = file_schema[key]
    if not checker then return nil, "unknown option " .. shown(tostring(key)) end
    local what = checker(value)
    if what then
      return nil, ("%s: %s expected, got %s"):format(key, what,
        type(value) == "string" and shown(value) or describe(value))
    end
  end
  local name, wrong = content_of(file)
  if not name then return nil, wrong end
  local kind = parts.kind_of(file[name])
  if kind == "lease" or kind == "sequence" then
    local ok, raised = pcall(getmetatable(file[name]).__len, file[name])
    if not ok then return nil, ("%s: %s"):format(name, raised) end
  end
  return name
end

-- ---- entries ----

local disposition = "Content-Disposition: form-data; name="

-- Returns nothing | what is wrong
local function add_text(self, name, value)
  if type(value) == "table" and not values.has_text(value) then
    return "text, number or boolean expected, got a table: files are added by :file(name, {...})"
  end
  local text, wrong = entries.text(value)
  if not text then return wrong end
  local quoted
  quoted, wrong = quote(name)
  if not quoted then return wrong end
  self[#self + 1] = { label = "multipart " .. shown(name),
    head = disposition .. quoted .. "\r\n\r\n", value = text }
end

-- The parameter for a file's name, and none where it is false.
local function filename_of(name, file)
  local filename = file.filename
  if filename == false then return "" end
  filename = filename or file.path and file.path:match "[^/]*$" or name
  local quoted, wrong = quote(filename)
  if not quoted then return nil, wrong end
  return "; filename=" .. quoted
end

-- Returns nothing | what is wrong
local function add_file(self, name, file)
  local content, wrong = check_file(file)
  if not content then return wrong end
  local quoted, filename
  quoted, wrong = quote(name)
  if not quoted then return wrong end
  filename, wrong = filename_of(name, file)
  if not filename then return "filename: " .. wrong end
  local value = file[content]
  if content == "path" then value = { path = value } end
  if content == "read" then value = { read = value, length = file.length } end
  if content == "lease" then
    if self.leases[value] then return "lease: is part of it already" end
    self.leases[value] = true
  end
  self[#self + 1] = { label = "multipart " .. shown(name), value = value,
    head = ("%s%s%s\r\nContent-Type: %s\r\n\r\n"):format(disposition, quoted, filename,
      file.type or "application/octet-stream"),
    is_once = content == "lease" and "lease" or content == "read" and "function" or nil }
end

-- A table that is no array is a file.
local function is_one(value)
  return values.has_text(value) or next(value) ~= nil and math.type(next(value)) ~= "integer"
end

-- Adds names with values. Returns nothing | what is wrong
local function add_all(self, given)
  return entries.visit(given, is_one, function(name, value)
    if type(value) == "table" and not values.has_text(value) then
      return add_file(self, name, value)
    end
    return add_text(self, name, value)
  end)
end

-- Marks what can be sent once, or only entries of one kind; `visit` gets their values.
local function mark_gone(self, kind, visit)
  for _, entry in ipairs(self) do
    if entry.is_once and not entry.is_gone and (not kind or entry.is_once == kind) then
      entry.is_gone = true
      if visit then visit(entry.value) end
    end
  end
end

-- ---- making ----

-- Raises for what is no multipart, or one that was disposed.
local function check_live(self, method, level)
  if getmetatable(self) ~= Multipart then
    error(("multipart: %s: write multipart:%s(...), with a colon"):format(method, method),
      level + 1)
  end
  if self.is_disposed then error("use of disposed multipart", level + 1) end
end

local function check_name(name, method, level)
  if type(name) ~= "string" then
    error(("multipart: %s: name: string expected, got %s"):format(method, type(name)), level + 1)
  end
end

local function hex(byte) return ("%02x"):format(byte:byte()) end

-- Returns a boundary, which no data contains: nobody can guess it | nil, message, err (tls)
local function make_boundary()
  local bytes, message, err = core.random(16)
  if not bytes then return nil, message, err end
  return "sluice-" .. bytes:gsub(".", hex)
end

local multipart = {}

--- A multipart of names with values: a map, or an array of { name, value }. A value is
-- text, a number, a boolean, a file, or an array of these. Misuse raises at `level`.
-- Returns a multipart | nil, message, err (tls: no random bytes)
function multipart.new(given, where, level)
  level = level + 1
  if getmetatable(given) == Multipart then return given end
  if given ~= nil and type(given) ~= "table" then
    error(("%s: table of names and values expected, got %s"):format(where, type(given)), level)
  end
  local boundary, message, err = make_boundary()
  if not boundary then return nil, message, err end
  local self = setmetatable({ boundary = boundary, leases = {}, is_disposed = false,
    content_type = "multipart/form-data; boundary=" .. boundary }, Multipart)
  local wrong = given and add_all(self, given)
  if wrong then error(where .. ": " .. wrong, level) end
  return self
end

--- Disposes the leases of what was given as a multipart, for a request that fails before
-- its body was made.
function multipart.refuse(given)
  if getmetatable(given) == Multipart then
    mark_gone(given, "lease", parts.refuse)
    return
  end
  entries.visit(given, is_one, function(_, value)
    if type(value) == "table" then parts.refuse(value.lease) end
  end)
end

--- Adds a field: text, a number, a boolean or a value with `__tostring`. Chainable; misuse
-- raises.
function Multipart:field(name, value)
  check_live(self, "field", 2)
  check_name(name, "field", 2)
  local wrong = add_text(self, name, value)
  if wrong then error(("multipart: field %s: %s"):format(shown(name), wrong), 2) end
  return self
end

--- Adds a file: { path = | bytes = | handle = | lease = | read =, length =, filename =,
-- type = }. `path` is opened for each request; `handle` is a regular file, sent from its
-- position. `bytes` is a string or a sequence; a lease belongs to the multipart from now on.
-- `read` is a function that returns the next piece, nil at the end, and may wait;
-- without a `length` the request is chunked. `filename` is by default the base name of the
-- path, else the name of the part; false: none, as a field has none. `type` is
-- "application/octet-stream" by default. Chainable; misuse raises.
function Multipart:file(name, file)
  check_live(self, "file", 2)
  check_name(name, "file", 2)
  if type(file) ~= "table" then
    error(("multipart: file %s: table expected, got %s%s"):format(shown(name), type(file),
      type(file) == "string" and ": write { path = ... } or { bytes = ... }" or ""), 2)
  end
  local wrong = add_file(self, name, file)
  if wrong then error(("multipart: file %s: %s"):format(shown(name), wrong), 2) end
  return self
end

-- ---- sending ----

-- The values in the order of the wire, for body.lua, and how messages call them.
local function list_values(self)
  local list, labels, texts = {}, {}, {}
  local function flush()
    if texts[1] then list[#list + 1], texts = table.concat(texts), {} end
  end
  local delimiter = "--" .. self.boundary
  for _, entry in ipairs(self) do
    texts[#texts + 1] = delimiter .. "\r\n"
    texts[#texts + 1] = entry.head
    if type(entry.value) == "string" and #entry.value < copied_size then
      texts[#texts + 1] = entry.value
    else
      flush()
      list[#list + 1] = entry.value
      labels[#list] = entry.label
    end
    texts[#texts + 1] = "\r\n"
  end
  texts[#texts + 1] = delimiter .. "--\r\n"
  flush()
  return list, labels
end

-- Raises unless every entry can still be sent.
local function check_entries(self, where, level)
  for _, entry in ipairs(self) do
    if entry.is_gone then
      error(("%s: %s: its %s was used before"):format(where, entry.label, entry.is_once),
        level + 1)
    end
    local kind = parts.kind_of(entry.value)
    if kind == "lease" or kind == "sequence" then
      parts.check_alive(where, entry.label, entry.value, level + 1)
    end
  end
end

--- A body for one request, which takes over the leases. Misuse raises at `level`.
-- Returns a body | nil, message, err (invalid); the leases are gone then, too
function Multipart:take_body(where, level)
  if self.is_disposed then error(where .. ": use of disposed multipart", level + 1) end
  check_entries(self, where, level + 1)
  local made, message, err = bodies.of_list(list_values(self))
  mark_gone(self)
  return made, message, err
end

-- Writes what a reader of parts gives. Returns the writer | nil, message, err
local function write_all(reader, writer)
  while true do
    local piece, reason = reader()
    if reason then return failure.new("invalid", "write", reason) end
    if piece == nil then return writer end
    local ok, message, err = writer:write(piece)
    if not ok then return nil, message, err end
  end
end

-- Closes the files that were opened; the leases stay.
local closes_files = { __close = function(made)
  for _, part in ipairs(made) do
    if part.is_owned then part.value:close() end
  end
end }

local function write_parts(self, writer)
  local made <close> = setmetatable({}, closes_files)
  local list, labels = list_values(self)
  for i, value in ipairs(list) do
    local part, message, err = parts.make(labels[i], value)
    if not part then return nil, message, err end
    made[i] = part
  end
  mark_gone(self, "function")
  return write_all(parts.reader(made), writer)
end

--- Writes the bytes that a request would send. It keeps its leases. Yields where functions
-- among its files do.
-- Returns the writer | nil, message, err (invalid, limit, memory): part of it was written
function Multipart:write_to(writer)
  check_live(self, "write_to", 2)
  check_entries(self, "multipart: write_to", 2)
  return write_parts(self, writer)
end

--- The same in a lease of its own, of at most 64 MiB; `content_type` says what it holds.
-- Returns a lease | nil, message, err (invalid, limit, memory)
function Multipart:build()
  check_live(self, "build", 2)
  check_entries(self, "multipart: build", 2)
  local writer <close> = core.writer {}
  local ok, message, err = write_parts(self, writer)
  if not ok then return nil, message, err end
  return writer:detach()
end

--- Disposes the leases that no request has taken; idempotent.
function Multipart:dispose()
  if self.is_disposed then return end
  self.is_disposed = true
  mark_gone(self, "lease", parts.refuse)
end

Multipart.__close = Multipart.dispose

function Multipart:__tostring()
  if self.is_disposed then return "sluice.multipart (disposed)" end
  return ("sluice.multipart (%d %s)"):format(#self, #self == 1 and "part" or "parts")
end

return multipart
