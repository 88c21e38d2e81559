--- lua5.4 examples/cookies.lua BASE FILE - logs in below a base URL, keeps the cookies in a file,
-- and goes on with them as another run of the program would.

local sluice = require "sluice"

local base, path = arg[1], arg[2]
if not path then
  io.stderr:write("usage: lua5.4 examples/cookies.lua BASE FILE\n")
  os.exit(2)
end

--- A client whose jar has what the file has, if there is one.
local function open_client()
  local jar = assert(sluice.cookie_jar())
  local file <close> = io.open(path)
  if file then print(("  %d cookies loaded"):format(assert(jar:load(path)))) end
  return assert(sluice.client { base_url = base, cookies = jar })
end

--- Prints which cookies a request was sent with, as the server saw them.
local function show(client, title)
  local response <close> = assert(client:get "cookies")
  print(("  %s: %s"):format(title, response:text():match "%C+" or "none"))
end

print("\ncookies")
local first <close> = open_client()
show(first, "before the login")
assert(first:get "login"):dispose()
show(first, "after it")
-- The session's own cookie has no end: it is saved only if that is asked for.
print(("  %d cookies saved"):format(assert(first.cookies:save(path, { session = true }))))

local second <close> = open_client()
show(second, "in the next run")
for cookie in second.cookies:cookies() do
  print(("  %s of %s%s%s"):format(cookie.name, cookie.domain, cookie.path,
    cookie.http_only and ", for HTTP only" or ""))
end
