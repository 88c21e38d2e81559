-- The client of page.lua: made once for each worker, with the connections that it keeps.

local sluice = require "sluice"

local root_file = os.getenv "ROOT_FILE"

return assert(sluice.client {
  base_url = assert(os.getenv "UPSTREAM", "UPSTREAM: the origin of the pages, missing"),
  -- Of a page: no other is served by this worker meanwhile.
  timeout = { total = tonumber(os.getenv "TIMEOUT") or 0.5 },
  limits = { body = 1 << 20 },
  tls = root_file ~= "" and { ca_file = root_file } or nil,
})
