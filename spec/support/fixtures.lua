--- Reads the wire fixtures in spec/fixtures/.
--
-- A fixture is a small document: a title line "# ...", a paragraph with the reason, then fenced
-- blocks. In a ```bytes block \r \n \t \\ and \xHH are escapes and line breaks mean nothing; a
-- ```events block has one event on each line.

local lfs = require "lfs"

local fixtures = {}

local escapes = { r = "\r", n = "\n", t = "\t", ["\\"] = "\\" }

--- The bytes that the lines of a ```bytes block stand for.
function fixtures.decode(text)
  text = text:gsub("[\r\n]", "")
  local parts, from = {}, 1
  while from <= #text do
    local slash = text:find("\\", from, true)
    parts[#parts + 1] = text:sub(from, (slash or #text + 1) - 1)
    if not slash then break end
    local letter = text:sub(slash + 1, slash + 1)
    if letter == "x" then
      local digits = text:match("^%x%x", slash + 2)
      if not digits then error("bad escape " .. text:sub(slash, slash + 3), 2) end
      parts[#parts + 1] = string.char(tonumber(digits, 16))
      from = slash + 4
    else
      if not escapes[letter] then error("bad escape \\" .. letter, 2) end
      parts[#parts + 1] = escapes[letter]
      from = slash + 2
    end
  end
  return table.concat(parts)
end

--- Bytes as ```events blocks write them.
function fixtures.escape(bytes)
  return (bytes:gsub('[%c"\\\x7f-\xff]', function(byte)
    local named = { ["\r"] = "\\r", ["\n"] = "\\n", ["\t"] = "\\t" }
    return named[byte] or ("\\x%02x"):format(byte:byte())
  end))
end

--- One document: `title`, `reason`, `bytes`, `events` (a list), and `blocks`, the lines of every
-- block by its name; `info` is what stands behind that name.
function fixtures.parse(text, path)
  local document = { path = path, blocks = {}, info = {}, reason = "" }
  local reason, block, lines = {}, nil, nil
  for line in (text .. "\n"):gmatch("(.-)\n") do
    local fence, info = line:match("^```(%w*)%s*(.-)%s*$")
    if block and fence == "" then
      if document.blocks[block] then error(("%s: two blocks '%s'"):format(path, block), 2) end
      document.blocks[block] = lines
      block = nil
    elseif block then
      lines[#lines + 1] = line
    elseif fence then
      block, lines = fence, {}
      document.info[block] = info
    elseif not document.title then
      document.title = line:match("^# (.+)$")
      if not document.title then error(path .. ": the first line is no title", 2) end
    elseif line:match("%S") then
      reason[#reason + 1] = line
    end
  end
  if block then error(("%s: block '%s' has no end"):format(path, block), 2) end
  document.reason = table.concat(reason, " ")
  local bytes = document.blocks.bytes
  document.bytes = bytes and fixtures.decode(table.concat(bytes))
  document.events = document.blocks.events
  return document
end

--- What the context of an http document asks for: options of sluice.http_parser, and how the input
-- ends ("clean", "truncated" or nil).
function fixtures.context(document)
  local options, ending = { decompress = false }, nil
  for _, line in ipairs(document.blocks.context or {}) do
    local key, value = line:match("^(%w+_?%w*): (.*)$")
    if key == "request" and (value == "upgrade" or value == "close") then
      options[value] = true
    elseif key == "request" then
      options.method = value
    elseif key == "decode" then
      options.decompress = true
    elseif key == "lenient_lf" then
      options.lenient_lf = true
    elseif key == "limit" then
      local name, number = value:match("^(%l+) (%d+)$")
      options[name] = tonumber(number)
    elseif key == "eof" then
      ending = value
    end
  end
  return options, ending
end

--- for document in fixtures.each("http"): spec/fixtures/http/*.md, in the order of their names.
function fixtures.each(folder)
  local names = {}
  for name in lfs.dir("spec/fixtures/" .. folder) do
    if name:match("%.md$") then names[#names + 1] = name end
  end
  table.sort(names)
  local index = 0
  return function()
    index = index + 1
    local name = names[index]
    if not name then return end
    local path = ("spec/fixtures/%s/%s"):format(folder, name)
    local file <close> = assert(io.open(path, "rb"))
    return fixtures.parse(file:read("a"), path)
  end
end

return fixtures
