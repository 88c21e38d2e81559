-- What the upstream says to the same path, for each request. mod_magnet runs the whole file each
-- time, in one Lua state for each worker: what is required stays.
-- luacheck: globals lighty

local upstream = require "upstream"

local response <close>, message, err = upstream:get(lighty.r.req_attr["uri.path-raw"]:sub(2))
if not response then
  lighty.r.resp_header["Content-Type"] = "text/plain"
  lighty.r.resp_body.set(message .. "\n")
  return err.code == "timeout" and 504 or 502
end
lighty.r.resp_header["Content-Type"] = response.headers["Content-Type"]
lighty.r.resp_body.set(response:text())
return response.status
