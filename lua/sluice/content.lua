--- What a request sends: `body`, `json`, `json_lines`, `form` or `multipart`, and its Content-Type.

local bodies = require "sluice.body"
local core = require "sluice.core"
local entries = require "sluice.entries"
local failure = require "sluice.failure"
local fields = require "sluice.fields"
local json_lines = require "sluice.json_lines"
local later = require "sluice.later"
local multipart = later "sluice.multipart"

local content = {}

local names = { "body", "json", "json_lines", "form", "multipart" }

-- The name of the option that is given, or nil; another one, if there are two.
local function find_given(options)
  local given
  for _, name in ipairs(names) do
    if options[name] ~= nil then
      if given then return given, name end
      given = name
    end
  end
  return given
end

--- Raises at `level` if more than one of them is given.
function content.check(options, level)
  local given, other = find_given(options)
  if other then
    error(("request: %s and %s: only one of them"):format(given, other), level + 1)
  end
end

--- Disposes the leases of a request that fails before its body was made.
function content.refuse(options)
  bodies.refuse(options.body)
  if options.multipart then multipart.refuse(options.multipart) end
end

-- ---- makers: a body | nil, message, err. They stand in place of content.make ----

local makers = {}

function makers.body(_, value, _, level) return bodies.new("request", value, level) end

-- A serializer that forgets to return would fail without a word.
local function raise_nothing(encode)
  local from = debug.getinfo(encode, "S")
  error(("the encode of a serializer, %s:%d, returned nothing: return the writer, or nil and why")
    :format(from.short_src, from.linedefined), 0)
end

function makers.json(request, value, _, level)
  local writer <close> = core.writer {}
  local serializer = request.client.serializer
  local encode = serializer.encode
  local ok, message, err = encode(value, writer)
  if not ok then
    if message == nil then raise_nothing(encode) end
    if err == nil then return failure.new("invalid", "encode", tostring(message)) end
    return nil, message, err
  end
  fields.default(request.fields,
    { "Content-Type", serializer.content_type or "application/json" })
  return bodies.new("request", writer:detach(), level)
end

function makers.json_lines(request, value, own_type, level)
  local body, message, err = json_lines.body_of(value, own_type)
  if not body then return nil, message, err end
  fields.default(request.fields, { "Content-Type", json_lines.content_type })
  return bodies.new("request", body, level)
end

function makers.form(request, value, own_type, level)
  local text, wrong, err = entries.join(value, core.escape_form)
  if err then return nil, wrong, err end
  if not text then error("request: form: " .. wrong, level + 1) end
  if not own_type then
    fields.set(request.fields, "Content-Type", "application/x-www-form-urlencoded")
  end
  return bodies.new("request", text, level)
end

function makers.multipart(request, value, own_type, level)
  local made, message, err = multipart.new(value, "request: multipart", level + 1)
  if not made then return nil, message, err end
  if own_type and not own_type:find(made.boundary, 1, true) then
    error("request: header 'Content-Type': does not name the boundary of the multipart; "
      .. "without one of your own it is set", level + 1)
  end
  if not own_type then fields.set(request.fields, "Content-Type", made.content_type) end
  return made:take_body("request", level)
end

--- Makes the body of a request from its options, and sets its Content-Type unless
-- `own_type` is one. Misuse raises at `level`.
-- Returns a body, or false for none | nil, message, err (invalid, or of the serializer)
function content.make(request, options, own_type, level)
  local name = find_given(options)
  if not name then return false end
  return makers[name](request, options[name], own_type, level)
end

return content
