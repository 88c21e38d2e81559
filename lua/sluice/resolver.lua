--- The option `resolver`, function(host, port) -> address | array of addresses | nil,
-- message: asked for each new connection; those that begin at the same time share the
-- answer. It may wait. Another name instead of an address is asked of the system.

local core = require "sluice.core"
local values = require "sluice.values"

local resolver = {}

local function is_address(value)
  return type(value) == "string" and value ~= "" and not value:find("\0", 1, true)
end

-- -> array of addresses | nil, reason (string)
local function addresses_of(found, reason)
  if found == nil or found == false then
    return nil, type(reason) == "string" and reason or "no address"
  elseif type(found) == "string" then
    found = { found }
  elseif type(found) ~= "table" then
    return nil, "the resolver gave a " .. type(found)
  end
  local count, wrong = values.count(found)
  if not count then return nil, "the resolver gave addresses: " .. wrong end
  if count == 0 then return nil, "no address" end
  for _, address in ipairs(found) do
    if not is_address(address) then return nil, "the resolver gave no address" end
  end
  return found
end

local function find(resolve, question, host, port)
  local ok, found, reason = pcall(resolve, host, port)
  if not ok then return question:fail("the resolver raised: " .. tostring(found)) end
  local addresses, wrong = addresses_of(found, reason)
  if not addresses then return question:fail(wrong) end
  question:answer(addresses)
end

--- What the core calls for each question: a function that begins to ask.
function resolver.asker(resolve)
  return function(question, host, port)
    return core.spawn_background(find, resolve, question, host, port)
  end
end

return resolver
