--- The built-in interceptors, each in a file of its own that is loaded when it is first asked for:
-- `sluice.interceptors.cache {}` is `require "sluice.interceptors.cache" {}`.

local names = { "cache", "circuit_breaker", "default_headers", "log", "metrics", "rate_limit",
  "record" }

local known = {}
for _, name in ipairs(names) do known[name] = true end

return setmetatable({}, {
  __index = function(self, name)
    if not known[name] then
      error(("interceptors: there is no '%s': there are %s")
        :format(tostring(name), table.concat(names, ", ")), 2)
    end
    local made = require("sluice.interceptors." .. name)
    rawset(self, name, made)
    return made
  end,
})
