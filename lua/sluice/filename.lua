--- The file name that Content-Disposition proposes (RFC 6266), made safe to be used as a name in
-- any folder: one name and no path, in UTF-8, of at most 255 bytes. Nil where there is none, and
-- where nothing is left of it.

local parameters = require "sluice.parameters"

local longest = 255

-- An extension that is kept when a name is cut.
local longest_extension = 16

-- Names of devices on some systems, whatever follows a dot.
local reserved = { con = true, prn = true, aux = true, nul = true }
for i = 0, 9 do
  reserved["com" .. i], reserved["lpt" .. i] = true, true
end

-- Controls, and marks that make a text read backwards: "exe.txt" for "txt.exe".
local unseen = { "[\0-\x1F\x7F]", "\xC2[\x80-\x9F]", "\xE2\x80[\x8B-\x8F\xAA-\xAE]",
  "\xE2\x81[\xA0-\xAF]", "\xEF\xBB\xBF" }

-- The first bytes, cut where a character begins.
local function first_bytes(text, size)
  while size > 0 and (text:byte(size + 1) or 0) & 0xC0 == 0x80 do size = size - 1 end
  return text:sub(1, size)
end

local function shorten(name)
  if #name <= longest then return name end
  local extension = name:match "%.[^. ]+$" or ""
  if #extension > longest_extension then extension = "" end
  return first_bytes(name, longest - #extension) .. extension
end

local function clean(name)
  name = parameters.to_utf8(name)
  name = name:match "^.*[/\\](.*)$" or name
  for _, pattern in ipairs(unseen) do name = name:gsub(pattern, "") end
  name = shorten(name:gsub('[<>:"|?*]', "_"):match "^[. ]*(.*)$"):match "^(.*[^. ])"
  local stem = name and name:match "^([^. ]*) *%f[.\0]"
  if stem and reserved[stem:lower()] then return "_" .. name end
  return name
end

return function(response)
  local text = response.headers["Content-Disposition"]
  local behind = text and text:match "^[^;]*()"
  local name = text and parameters.extended(parameters.read(text, behind, ";"), "filename")
  return name and clean(name)
end
