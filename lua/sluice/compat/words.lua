--- Failures in the words of clients over LuaSocket and OpenResty, which programs compare with.

local words = { timeout = "timeout", closed = "closed" }

--- The word for a failure, or its message. `unresolved` is what is said of names.
return function(message, err, unresolved)
  if err.code == "resolve" then return unresolved or message end
  if err.code == "connect" and message:find "connection refused" then
    return "connection refused"
  end
  return words[err.code] or message
end
