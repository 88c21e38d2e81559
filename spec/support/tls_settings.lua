--- Every setting of TLS by name, each as a function that gives it, as some make a file. Two clients
-- that differ in one of them share nothing.

local certificates = require "spec.support.certificates"
local server = require "spec.support.server"
local sluice = require "sluice"

local function accept() return true end

local function password() return "secret" end

--- The settings; `path` makes the path of a file for a name, `pin` gives the pin of the server.
return function(path, pin)
  local function root() return server.read(certificates.file "root.pem") end

  return {
    verify = function() return { verify = false } end,
    ["verify, a function"] = function() return { verify = accept } end,
    ca_file = function() return { ca_file = server.write(path "copy.pem", root()) } end,
    ca = function() return { ca = root() } end,
    crl_file = function() return { crl_file = certificates.file "crl.pem" } end,
    ["cert_file and key_file"] = function()
      return { cert_file = certificates.chain "client", key_file = certificates.key "client" }
    end,
    ["the client's own certificate"] = function()
      return { cert_file = certificates.chain "other_client",
        key_file = certificates.key "other_client" }
    end,
    key_password = function() return { key_password = "nothing is locked" } end,
    ["key_password, a function"] = function() return { key_password = password } end,
    pkcs12_file = function()
      return { pkcs12_file = certificates.file "client.p12", key_password = "secret" }
    end,
    min_version = function() return { min_version = "1.2" } end,
    max_version = function() return { max_version = "1.3" } end,
    ciphers = function() return { ciphers = "TLS_AES_128_GCM_SHA256" } end,
    alpn = function() return { alpn = { "http/1.1", "http/1.0" } } end,
    pins = function() return { pins = { pin() } } end,
    own_records = function() return { own_records = false } end,
    key_log = function() return { key_log = path "keys" } end,
    provider = function() return { provider = sluice.platform().tls_providers[1] } end,
  }
end
