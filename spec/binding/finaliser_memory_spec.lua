-- Finalisers run wherever Lua allocates, also inside this module's functions, and may dispose or
-- finalise the objects in use there: the worst outcome is an error. Objects of no connection.
-- Runs once.

local finalisers = require "spec.support.finalisers"

describe("a finaliser that disposes", function()
  for _, what in ipairs { "sequence tostring", "sequence sub", "sequence segments",
    "sequence reader", "lease tostring", "buffer detach", "writer write", "parser next",
    "ws parser next", "ws parser output", "ws parser control", "message text",
    "message sequence", "message detach" } do
    it(what .. " does no harm", function()
      local p <close> = finalisers.listen ""
      finalisers.check(what, p, { mode = "stream", backend = "epoll" })
    end)
  end
end)
