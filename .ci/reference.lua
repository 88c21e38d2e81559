--- Makes the pages of doc/reference/ from lua/sluice/types.d.lua and lua/sluice/types/: a page for
-- each public type.
--
-- The line of an option says, divided by semicolons, its default with the unit ("default 10 s"), or
-- the unit alone ("in bytes"), what it is, and the codes of failure that it can lead to
-- ("fails: timeout"). A comment above the line is part of it.

local reference = {
  sources = { "lua/sluice/types.d.lua" }, -- the module itself, then the rest by theme
}
do
  local list <close> = assert(io.popen "LC_ALL=C ls lua/sluice/types/*.d.lua")
  for path in list:lines() do table.insert(reference.sources, path) end
end

-- What stands on which page, in this order; the first one gives the page its name.
local pages = {
  { "sluice", "map_options", "results", "stats", "platform" },
  { "client", "client_stats" },
  { "client_options", "pool_options", "transport_option", "transport_choice" },
  { "request_options", "timeouts", "limits", "header_fields", "query", "query_value", "body",
    "body_part", "bytes", "form", "auth", "credentials", "user", "retry", "retry_options",
    "retry_decision", "proxy", "proxy_options" },
  { "request_builder" },
  { "request", "answer", "interceptor", "interceptor_object", "forward" },
  { "response", "headers", "timings", "links", "link", "save_options", "json_lines_options",
    "refusal" },
  { "error", "code", "stage" },
  { "tls_options", "verify", "tls_info", "certificate" },
  { "events", "event", "stream_limits", "events_options", "reconnect_options" },
  { "pages_options" },
  { "download_options", "download_report" },
  { "multipart", "multipart_table", "multipart_value", "multipart_file" },
  { "cookie_jar", "cookie_jar_options", "cookie_save_options", "cookie", "own_cookie" },
  { "websocket", "websocket_options", "compress_options", "websocket_reconnect_options" },
  { "message" },
  { "interceptors", "log_options", "metrics_options", "metrics", "cache_options", "cache",
    "rate_limit_options", "circuit_breaker_options", "circuit_breaker", "record_options" },
  { "sequence" },
  { "reader" },
  { "body_reader" },
  { "lease" },
  { "buffer", "buffer_options" },
  { "writer", "writer_options" },
  { "task", "signal" },
  { "loop", "run_options" },
  { "transport", "connect_options", "completion" },
  { "http_parser", "parser_options", "parser_event" },
  { "ws_parser", "ws_parser_options", "ws_event", "ws_control_event" },
  { "event_parser", "event_parser_options" },
  { "json", "serializer" },
  { "url", "url_parts" },
  { "date" },
}

-- ---- types ----

local closing = { ["("] = ")", ["{"] = "}", ["<"] = ">" }

local scan_union

-- The position behind what is bracketed from `i` on.
local function scan_brackets(text, i)
  local open = text:sub(i, i)
  local _, last = text:find("^%b" .. open .. closing[open], i)
  return assert(last, text) + 1
end

-- The position behind one type without alternatives.
local function scan_type(text, i)
  if text:find("^fun%(", i) then
    i = scan_brackets(text, i + 3)
    if text:find("^:", i) then
      i = scan_union(text, text:match("^: *()", i))
      while text:find("^,", i) do i = scan_union(text, text:match("^, *()", i)) end
    end
  elseif text:find("^[{(]", i) then
    i = scan_brackets(text, i)
  else
    i = text:match('^"[^"]*"()', i) or assert(text:match("^[%w_.*]+()", i), text)
    if text:find("^<", i) then i = scan_brackets(text, i) end
  end
  return text:match("^%[%]%??()", i) or text:match("^%?()", i) or i
end

--- The position behind a type and its alternatives.
function scan_union(text, i)
  i = scan_type(text, i)
  while text:find("^ *|", i) do i = scan_type(text, text:match("^ *| *()", i)) end
  return i
end

-- Returns a type, and the text behind it.
local function split_type(text)
  local i = scan_union(text, 1)
  return text:sub(1, i - 1), text:match("^%s*#?%s*(.*)$", i)
end

-- ---- reading ----

--- What the line of an option says: { default =, unit =, text =, fails = }.
function reference.read_option(text)
  local option, rest = { fails = "" }, {}
  for part in (text:gsub("%.%f[%z;]", "") .. "; "):gmatch "(.-); +" do
    local lower = part:gsub("^%u%l", string.lower)
    local default = lower:match "^default (.*)$"
    local number, unit = (default or ""):match "^(%-?[%d.]+) (%l[%a ]*)$"
    if not number and default then number, unit = default:match "^(.-), in (.+)$" end
    if default then
      option.default, option.unit = number or default, unit
    elseif lower:find "^in %l" and not option.default and #rest == 0 then
      option.unit = lower:sub(4)
    elseif lower:find "^fails: " then
      option.fails = lower:sub(8)
    elseif part ~= "" then
      rest[#rest + 1] = part
    end
  end
  option.text = table.concat(rest, "; ")
  return option
end

local function read(text)
  local found, comment, class, variables = {}, {}, nil, {}
  local pending = { params = {}, returns = {} }
  local alias

  local function take_comment(mark)
    local taken = table.concat(comment, mark)
    comment = {}
    return taken
  end

  local function add(name, entry)
    assert(not found[name], name)
    entry.name = name
    found[name] = entry
    return entry
  end

  for line in (text .. "\n"):gmatch "(.-)\n" do
    local word, rest = line:match "^%-%-%-@(%a+) ?(.*)$"
    if line:find "^%-%-%-|" then
      local kind, said = split_type(line:match "^%-%-%-| *(.*)$")
      alias.kinds[#alias.kinds + 1] = { kind = kind, text = said }
    elseif word == "class" then
      local name, parent = rest:match "^sluice%.?([%w_]*):? ?(.*)$"
      class = add(name == "" and "sluice" or name, { text = take_comment "\n", fields = {},
        methods = {}, parent = parent ~= "" and parent or nil })
    elseif word == "alias" then
      local name, kind = rest:match "^sluice%.([%w_]+) ?(.*)$"
      alias = add(name, { text = take_comment "\n", kinds = {}, is_alias = true })
      if kind ~= "" then
        local first, said = split_type(kind)
        alias.kinds[1] = { kind = first, text = said }
      end
    elseif word == "field" then
      local name, mark, kind = rest:match "^([%w_]+)(%??) (.*)$"
      if not name then name, kind = rest:match "^(%[[^%]]*%]) (.*)$" end
      local first, said = split_type(kind)
      local above = take_comment " "
      class.fields[#class.fields + 1] = { name = name, is_optional = mark == "?", kind = first,
        text = above ~= "" and said ~= "" and above .. "; " .. said or above .. said }
    elseif word == "param" then
      local name, mark, kind = rest:match "^([%w_.]+)(%??) (.*)$"
      local first, said = split_type(kind)
      pending.params[#pending.params + 1] = { name = name, is_optional = mark == "?", kind = first,
        text = said }
    elseif word == "return" then
      local list = pending.returns
      repeat
        local kind, behind = split_type(rest)
        rest = behind:match "^, *(.*)$"
        list[#list + 1] = { kind = kind, text = rest and "" or behind }
      until not rest
    elseif line:find "^%-%-%-" and not word then
      comment[#comment + 1] = line:match "^%-%-%- ?(.*)$"
    elseif line:find "^local [%w_]+ = {}$" then
      variables[line:match "^local ([%w_]+)"] = class
    elseif line:find "^function " then
      local of, mark, name = line:match "^function ([%w_]+)([.:])([%w_]+)"
      pending.name, pending.text = of .. mark .. name, take_comment "\n"
      table.insert(variables[of].methods, pending)
      pending = { params = {}, returns = {} }
    elseif line == "" then
      comment = {}
    end
  end
  return found
end

-- ---- writing ----

local function page_of(placed, name) return placed[name] and placed[name].page end

-- A type with links to the pages of its parts, for a cell of a table.
local function shown(kind, placed, page)
  kind = kind:gsub("[<>*|]", "\\%0")
  return (kind:gsub("sluice%.([%w_]+)", function(name)
    local there = assert(page_of(placed, name), "no page has " .. name)
    local heading = placed[name].is_first and "" or "#" .. name
    if there == page and heading == "" then return name end
    return ("[%s](%s%s)"):format(name, there == page and "" or there .. ".md", heading)
  end))
end

local function cell(text) return (text:gsub("|", "\\|"):gsub("\n", " ")) end

local function sentence(text)
  if text == "" then return "" end
  return (text:gsub("^%l", string.upper):gsub("([^.`])$", "%1."))
end

local function is_option_class(entry)
  return entry.name:find "options$" or entry.name:find "^limits$" or entry.name:find "^timeouts$"
    or entry.name:find "^multipart_file$" or entry.name:find "^stream_limits$"
    or entry.name:find "^transport_choice$" or entry.name:find "^own_cookie$"
    or entry.name:find "^answer$"
end

-- The text of a cell, which begins with a capital unless that would change a word of the program.
local function said(text)
  return cell(text:find "^%l+:" and text or text:gsub("^%l+%f[%s,;\0]", function(word)
    return word:sub(1, 1):upper() .. word:sub(2)
  end))
end

-- 16777216 is read more easily with its size behind it.
local function with_size(option)
  local number = option.unit == "bytes" and math.tointeger(tonumber(option.default))
  if number and number >= 1 << 20 then
    return ("%d (%d MiB)"):format(number, number >> 20)
  elseif number and number >= 1024 then
    return ("%d (%d KiB)"):format(number, number >> 10)
  end
  return option.default or "none"
end

local function write_options(add, entry, placed, page)
  add "| option | type | unit | default | is | fails with |"
  add "| --- | --- | --- | --- | --- | --- |"
  for _, field in ipairs(entry.fields) do
    local option = reference.read_option(field.text)
    add(("| `%s` | %s | %s | %s | %s | %s |"):format(field.name, shown(field.kind, placed, page),
      option.unit or "", field.is_optional and cell(with_size(option)) or "has to be given",
      said(option.text), option.fails))
  end
  add ""
end

local function write_fields(add, entry, placed, page)
  add "| field | type | is |"
  add "| --- | --- | --- |"
  for _, field in ipairs(entry.fields) do
    add(("| `%s`%s | %s | %s |"):format(field.name, field.is_optional and "?" or "",
      shown(field.kind, placed, page), said(field.text)))
  end
  add ""
end

local function signature(method)
  local list = {}
  for i, param in ipairs(method.params) do
    local comma = i > 1 and ", " or ""
    list[i] = param.is_optional and ("%s[%s%s]"):format(i > 1 and " " or "", comma, param.name)
      or comma .. param.name
  end
  return ("%s(%s)"):format(method.name, table.concat(list))
end

local function write_returns(add, method, placed, page)
  local list, notes = {}, {}
  for i, one in ipairs(method.returns) do
    list[i] = shown(one.kind, placed, page)
    -- A word alone is a name for the result.
    if one.text:find " " then notes[#notes + 1] = one.text end
  end
  if #list == 0 then return end
  local text = table.concat(list, ", ")
  if text:find "%?, string%?, %[?error" or text:find "string%?, %[error" then
    text = text:gsub(", string%?, .*$", ""):gsub("%?$", "") .. "; or nil, message, "
      .. shown("sluice.error", placed, page)
  end
  add(("Returns %s%s."):format(text, #notes > 0 and " (" .. table.concat(notes, "; ") .. ")" or ""))
  add ""
end

local function write_method(add, method, placed, page)
  add("### " .. signature(method))
  add ""
  if method.text ~= "" then
    add(method.text)
    add ""
  end
  if #method.params > 0 then
    add "| argument | type | unit | default | is |"
    add "| --- | --- | --- | --- | --- |"
    for _, param in ipairs(method.params) do
      local option = reference.read_option(param.text)
      add(("| `%s`%s | %s | %s | %s | %s |"):format(param.name, param.is_optional and "?" or "",
        shown(param.kind, placed, page), option.unit or "", cell(option.default or ""),
        said(option.text)))
    end
    add ""
  end
  write_returns(add, method, placed, page)
end

local function write_alias(add, entry, placed, page)
  add "| one of | is |"
  add "| --- | --- |"
  for _, one in ipairs(entry.kinds) do
    add(("| %s | %s |"):format(shown(one.kind, placed, page), said(one.text)))
  end
  add ""
end

local function write_entry(add, entry, placed, page, heading)
  add(heading .. " " .. entry.name)
  add ""
  if entry.text ~= "" then
    add(entry.text)
    add ""
  end
  if entry.parent then
    add("It is also a " .. shown(entry.parent, placed, page) .. ".")
    add ""
  end
  if entry.is_alias then return write_alias(add, entry, placed, page) end
  if #entry.fields > 0 then
    local write = is_option_class(entry) and write_options or write_fields
    write(add, entry, placed, page)
  end
  for _, method in ipairs(entry.methods) do write_method(add, method, placed, page) end
end

local function write_index(found)
  local lines = {
    "# Reference",
    "",
    "Every public type, option and function. The [guide](../../README.md#where-next) shows their",
    "use. `make doc` writes these pages from [types.d.lua](../../lua/sluice/types.d.lua) and",
    "`lua/sluice/types/`, which language servers read, too.",
    "",
    "- **Options** are checked: one that is unknown or of a wrong type raises. *Fails with*",
    "  names the codes of later failures ([errors](../guide/errors.md)).",
    "- **Yields** means: in a coroutine it yields, outside of one it drives the loop until the",
    "  result is there. What does not yield returns at once.",
    "- A `?` marks what may be nil, or left out. Durations are in seconds, sizes in bytes.",
    "",
    "| page | has |",
    "| --- | --- |",
  }
  for _, page in ipairs(pages) do
    local names = {}
    for i = 2, #page do names[#names + 1] = page[i] end
    local about = found[page[1]].text:gsub("\n```.*$", ""):gsub("\n", " ")
    local text = about:match "^(.-%.)%f[%s%z]" or about
    local also = #names > 0 and " With " .. table.concat(names, ", ") .. "." or ""
    lines[#lines + 1] = ("| [%s](%s.md) | %s |"):format(page[1], page[1],
      cell(sentence(text) .. also))
  end
  return table.concat(lines, "\n") .. "\n"
end

--- The defaults of options: { class = { option = { default =, unit =, fails =, text = } } }.
function reference.options(text)
  local options = {}
  for name, entry in pairs(read(text)) do
    options[name] = {}
    for _, field in ipairs(entry.fields or {}) do
      if is_option_class(entry) then
        options[name][field.name] = reference.read_option(field.text)
      end
    end
  end
  return options
end

--- The text of all files of types, one after the other.
function reference.types()
  local texts = {}
  for i, path in ipairs(reference.sources) do
    local file <close> = assert(io.open(path, "rb"))
    texts[i] = file:read "a"
  end
  return table.concat(texts, "\n")
end

--- { path = text } of all pages, of the text of all types. Raises where a type has no page, or a
-- function does not say what it does and with what it fails.
function reference.make(text)
  local found, placed = read(text), {}
  for _, page in ipairs(pages) do
    for i, name in ipairs(page) do
      assert(found[name] and not placed[name], name)
      placed[name] = { page = page[1], is_first = i == 1 }
    end
  end
  local missing = {}
  for name, entry in pairs(found) do
    if not placed[name] then missing[#missing + 1] = name .. ": on no page" end
    if entry.text == "" and placed[name] and placed[name].is_first then
      missing[#missing + 1] = name .. ": without a description"
    end
    for _, method in ipairs(entry.methods or {}) do
      if method.text == "" then missing[#missing + 1] = method.name .. ": without a description" end
      local last = method.returns[#method.returns]
      if last and last.kind:find "sluice.error" and not method.text:find "[Ff]ails%s" then
        missing[#missing + 1] = method.name .. ": does not say with what it fails"
      end
    end
  end
  table.sort(missing)
  if missing[1] then error("lua/sluice/types:\n" .. table.concat(missing, "\n"), 0) end

  local made = { ["doc/reference/README.md"] = write_index(found) }
  for _, page in ipairs(pages) do
    local lines = {}
    local function add(line) lines[#lines + 1] = line end
    for i, name in ipairs(page) do
      write_entry(add, found[name], placed, page[1], i == 1 and "#" or "##")
    end
    add "[All types](README.md)"
    made[("doc/reference/%s.md"):format(page[1])] = table.concat(lines, "\n") .. "\n"
  end
  return made
end

return reference
