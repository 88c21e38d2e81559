local sluice = require "sluice"

local response, _, err = sluice.get "http://127.0.0.1:1/"
assert(response == nil and err.code == "connect")
