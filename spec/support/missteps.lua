--- What interceptors may do with a request that has a body, well or badly: a table of
--
--   [what it does] = { code of the failure, interceptor, pushed =, is_replaced =, is_removed = }
--
-- for spec/support/endings.lua; no code: a response. The codes "raised" and "answered" say what
-- the call does instead.

local sluice = require "sluice"
local support = require "spec.support"

local last = "the end of the body"

return {
  ["raises before it sends"] = { "raised", function() error "interceptor" end },
  ["raises with the response"] = { "raised", function(request, forward)
    assert(forward(request))
    error "interceptor"
  end },
  ["fails by itself"] = { "unsupported", function()
    return nil, "no", { code = "unsupported" }
  end },
  ["answers by itself"] = { "answered", function() return "an answer" end },
  ["sends twice"] = { nil, function(request, forward)
    local first = forward(request)
    if first then first:dispose() end
    return forward(request)
  end, pushed = "invalid" },
  ["sends several requests"] = { nil, function(request, forward)
    for _ = 1, 2 do
      local response = forward(request)
      if response then response:dispose() end
    end
    return forward(request)
  end, pushed = "invalid" },
  ["drops the response"] = { "unsupported", function(request, forward)
    assert(forward(request))
    return nil, "dropped", { code = "unsupported" }
  end },
  ["waits before and after"] = { nil, function(request, forward)
    sluice.sleep(0.001)
    local response, message, err = forward(request)
    sluice.sleep(0.001)
    return response, message, err
  end },
  ["takes another body"] = { nil, function(request, forward)
    request.body = last
    return forward(request)
  end, is_replaced = true },
  ["takes another lease"] = { nil, function(request, forward)
    request.body = support.lease(last)
    return forward(request)
  end, is_replaced = true },
  ["takes the body away"] = { nil, function(request, forward)
    request.body = nil
    return forward(request)
  end, is_removed = true },
}
