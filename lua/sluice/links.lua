--- The links in the Link fields of a response (RFC 8288), as an array in their order; the first
-- one of each relation is also found by that, in lower case: links.next.url.
-- A link has `url`, absolute, `rel` in lower case, and its parameters by name, of which "title*"
-- is `title`. Links without a relation, links of another page than this (`anchor`), and those
-- whose URL makes no sense are left out.

local core = require "sluice.core"
local parameters = require "sluice.parameters"

-- The parameters of a link as text: an extended one stands for the plain one.
local function texts_of(found)
  local texts = {}
  for name in pairs(found) do
    local plain = name:match "^(.-)%*?$"
    texts[plain] = parameters.extended(found, plain)
  end
  return texts
end

-- Whether a link is about the response itself.
local function is_own(base, anchor)
  return anchor == nil or core.url.follow(base, anchor) == base
end

local function add(links, base, target, found)
  local rel, url = found.rel and found.rel:lower(), core.url.follow(base, target)
  if not rel or not url or not is_own(base, found.anchor) then return end
  local link = texts_of(found)
  link.url, link.rel = url, rel
  links[#links + 1] = link
  for relation in rel:gmatch "%S+" do links[relation] = links[relation] or link end
end

-- RFC 8288 B.2: what is malformed ends the list; behind a link it is passed over.
local function read_field(links, base, text)
  local position = 1
  while position do
    local target, behind = text:match("^[%s,]*<([^>]*)>()", position)
    if not target then return end
    local found
    found, behind = parameters.read(text, behind, ";,")
    add(links, base, target, found)
    position = text:find(",", behind, true)
  end
end

return function(response)
  local links, base = {}, response.url
  for _, text in ipairs(response.headers:all "Link") do read_field(links, base, text) end
  return links
end
