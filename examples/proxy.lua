--- lua5.4 examples/proxy.lua PROXY URL TUNNEL - gets a URL through a proxy, and another one by a
-- tunnel; shows what the proxy answers if it refuses that.

local sluice = require "sluice"

local proxy, url, tunneled = table.unpack(arg)
if not tunneled then
  io.stderr:write("usage: lua5.4 examples/proxy.lua PROXY URL TUNNEL\n")
  os.exit(2)
end

-- The proxy for each URL; the client asks for each sending, redirects among them.
local asked = {}
local function choose(target)
  asked[#asked + 1] = target
  return { url = proxy, no_proxy = { "internal.example", "10.0.0.0/8" } }
end

local client <close> = assert(sluice.client { proxy = choose, timeout = 10 })

local response <close>, message = client:get(url)
if not response then
  io.stderr:write(message, "\n")
  os.exit(false, true)
end
print(("\n%s through %s: %d, %d bytes"):format(url, proxy, response.status, #response:text()))

local other <close>, refused, err = client:get(tunneled)
if other then
  print(("%s: %d, %s"):format(tunneled, other.status, other.tls and other.tls.version or "plain"))
else
  print(refused)
  -- What the proxy says is no response of the host: it is a part of the failure.
  if err.response then
    print(("  its answer: %d %s, %s, %d bytes"):format(err.response.status, err.response.reason,
      err.response.headers["Content-Type"] or "no type", #err.response.body))
  end
end
print(("asked for a proxy for %s"):format(table.concat(asked, ", ")))
