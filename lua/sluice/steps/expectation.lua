--- Sends a request once more, without Expect, if the server refuses to say 100 (417, RFC 9110
-- 15.5.18) and the body can be sent again.

--- Returns response | nil, message, err. Yields.
return function(call, request, forward)
  local response, message, err = forward(call, request)
  if not request:expects_continue() or type(response) ~= "userdata" or response.status ~= 417
    or not request:is_whole() then
    return response, message, err
  end
  response:dispose()
  return forward(call, call:derive(request, { refuses_expect = true }))
end
