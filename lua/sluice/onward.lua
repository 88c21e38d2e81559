--- Where a server leads a request: by Location, or by a link.

local plan = require "sluice.plan"

local onward = {}

-- The reason not to go from one URL to the other, or nil.
local function refusal_of(from, to)
  if (from.unix_path or to.unix_path) and from.unix_path ~= to.unix_path then
    return from.unix_path and "a unix socket leads elsewhere" or "to a unix socket"
  elseif from.scheme == "https" and to.scheme == "http" then
    return "from https to http"
  end
end

--- The changes to `request` that lead it on from the URL `base`, to which it was sent, to `url`;
-- `to` is the same parsed. Credentials in the URL stay with their origin, all others are left
-- behind for good where the way leaves it.
-- Returns changes for `derive` | nil, reason
function onward.changes(request, base, url, to)
  local from = plan.parse(base)
  local refusal = not from and "from what is no URL" or refusal_of(from, to)
  if refusal then return nil, refusal end
  if from.userinfo and not to.userinfo and plan.same_origin(from, to) then
    url = url:gsub("//", "//" .. from.userinfo:gsub("%%", "%%%%") .. "@", 1)
  end
  local asked = plan.parse(request.url)
  return {
    url = url,
    is_foreign = request.is_foreign or not (asked and plan.same_origin(asked, to)),
  }
end

return onward
