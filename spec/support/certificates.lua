--- Certificates for specs, made by the script beside this file and kept for a day. Two processes
-- may ask for them at the same time: the script never changes a set that it has handed out.
--
--   local certificates = require "spec.support.certificates"
--   certificates.chain("good")  certificates.key("good")  certificates.file("root.pem")
--   for _, case in ipairs(certificates.refused) do ... case.name, case.host, case.why ... end

local server = require "spec.support.server"
local system = require "support.system"

local certificates = {}

local directory

--- The directory of the certificates.
function certificates.directory()
  if not directory then
    local status, output = server.run { "sh", "spec/support/certificates" }
    if status ~= 0 then error("certificates: " .. output) end
    directory = output:match("(%S+)%s*$")
  end
  return directory
end

function certificates.file(name)
  return certificates.directory() .. "/" .. name
end

function certificates.chain(name)
  return certificates.file(name .. ".pem")
end

function certificates.key(name)
  return certificates.file(name .. ".key")
end

--- A chain with its key, as a server takes them.
function certificates.pair(name)
  return { certificate = certificates.chain(name), key = certificates.key(name) }
end

--- Server certificates that a client trusting root.pem accepts under that host.
certificates.accepted = {
  { name = "good", host = "localhost" },
  { name = "good", host = "127.0.0.1" },
  { name = "good", host = "good.test" },
  { name = "good_rsa", host = "localhost" },
  { name = "good_wildcard", host = "any.wild.test" },
  { name = "good_idn", host = "xn--bcher-kva.test" },
}

--- A chain with its key, as a server takes them.
function certificates.pair(name)
  return { certificate = certificates.chain(name), key = certificates.key(name) }
end

--- Server certificates that a client trusting root.pem must refuse, and why: a list of
-- { name =, host = the name it is tried with, group = what the failure is about, why =, needs = }.
-- `needs` is "crl" where the client has to check crl.pem, and "weak" where a server offers it only
-- at OpenSSL's security level 0 and with TLS 1.2.
certificates.refused = {}

local is_weak = {}

local function refuse(group, cases)
  for _, case in ipairs(cases) do
    local name, host, why, needs = table.unpack(case)
    table.insert(certificates.refused,
      { name = name, host = host, group = group, why = why, needs = needs })
    is_weak[name] = needs == "weak"
  end
end

refuse("time", {
  { "expired", "localhost", "its time is over" },
  { "expired_intermediate", "localhost", "the time of its issuer is over" },
  { "not_yet_valid", "localhost", "its time has not come" },
})

refuse("name", {
  { "wrong_name", "localhost", "it is for other.test" },
  { "common_name_only", "localhost", "the common name is no alternative name" },
  { "wildcard_top", "good.test", "*.test spans a top-level domain" },
  { "wildcard_com", "example.com", "*.com spans a top-level domain" },
  { "wildcard_bare", "localhost", "* alone names nothing" },
  { "wildcard_deep", "a.b.good.test", "a wildcard is one label" },
  { "wildcard_parent", "good.test", "a wildcard is not no label" },
  { "wildcard_partial", "gx.good.test", "a wildcard is a whole label" },
  { "wildcard_middle", "a.b.good.test", "a wildcard is the first label" },
  { "wildcard_idn", "xn--bcher-kva.good.test", "no wildcard within an A-label" },
  { "address_wrong", "127.0.0.1", "it is for 127.0.0.2" },
  { "address_as_name", "127.0.0.1", "an address as a DNS name is no address" },
  { "address_missing", "127.0.0.1", "the common name is no address" },
  { "name_empty", "localhost", "it names nothing" },
  { "name_in_mail", "localhost", "it names a mailbox" },
  { "name_in_uri", "localhost", "it names a URI" },
  { "trailing_dot", "localhost", "a name in a certificate has no dot at its end" },
  { "nul_in_name", "localhost", "a NUL does not end a name" },
  { "idn_raw", "xn--bcher-kva.test", "names are ASCII" },
})

refuse("trust", {
  { "self_signed", "localhost", "nobody vouches for it" },
  { "unknown_root", "localhost", "its root is not known" },
  { "missing_intermediate", "localhost", "its issuer was not sent" },
  { "revoked", "localhost", "it was revoked", "crl" },
  { "forged", "localhost", "another key signed in the issuer's name" },
  { "broken_signature", "localhost", "its signature is broken" },
})

refuse("authority", {
  { "not_an_authority", "localhost", "its issuer is no authority" },
  { "authority_without_usage", "localhost", "its issuer may not sign" },
  { "path_too_long", "localhost", "the path is longer than allowed" },
  { "name_constraints", "localhost", "its issuer may vouch for allowed.test only" },
})

refuse("strength", {
  { "weak_authority_key", "localhost", "the key of its issuer is weak", "weak" },
  { "weak_key_512", "localhost", "RSA of 512 bits", "weak" },
  { "weak_key_1024", "localhost", "RSA of 1024 bits", "weak" },
  { "weak_hash_sha1", "localhost", "signed with SHA-1", "weak" },
  { "weak_hash_md5", "localhost", "signed with MD5", "weak" },
})

refuse("usage", {
  { "wrong_usage", "localhost", "it is for clients" },
  { "mail_usage", "localhost", "it is for mail" },
  { "no_digital_signature", "localhost", "its key may not sign a handshake" },
  { "critical_unknown", "localhost", "a critical extension is unknown" },
})

refuse("size", {
  { "oversized_chain", "localhost", "its chain has more than 100 KiB" },
})

--- A TLS server that offers a certificate of the set: `openssl s_server`, weak ones included.
-- `arguments` are further ones for openssl.
function certificates.serve(name, arguments)
  local command = {
    "-cert", certificates.chain(name), "-key", certificates.key(name),
    "-cipher", "DEFAULT@SECLEVEL=0",
  }
  if is_weak[name] then command[#command + 1] = "-tls1_2" end
  local issuers = certificates.file(name .. ".issuers")
  if server.read(issuers) ~= "" then
    table.move({ "-cert_chain", issuers }, 1, 2, #command + 1, command)
  end
  table.move(arguments or {}, 1, #(arguments or {}), #command + 1, command)
  return server.openssl(command)
end

local PYTHON_SERVER = [[

import socket, ssl, sys, threading

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
if len(sys.argv) > 4:
    context.maximum_version = getattr(ssl.TLSVersion, sys.argv[4])

def run(raw):
    try:
        with context.wrap_socket(raw, server_side=True) as connection:
            serve(connection)
    except OSError:
        pass

listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    threading.Thread(target=run, args=(listener.accept()[0],), daemon=True).start()
]]

--- A TLS server in Python that offers the certificate "good", up to that version ("TLSv1_2") if
-- there is one. `source` defines serve(connection), which has a thread for each connection.
function certificates.python(source, version)
  return server.python(source .. PYTHON_SERVER, certificates.chain "good", certificates.key "good",
    version)
end

--- One TLS server for each of those names, all in one process that counts request bytes.
-- Returns the server and a table of ports; its output has a line "name bytes" per connection.
function certificates.serve_all(names)
  local ports, arguments = {}, {}
  for _, name in ipairs(names) do
    if not ports[name] then
      ports[name] = system.free_port()
      arguments[#arguments + 1] = ("%s:%d"):format(name, ports[name])
    end
  end
  local last = system.free_port()
  arguments[#arguments + 1] = ":" .. last
  local command = { "/usr/bin/python3", "spec/support/tls_server.py", certificates.directory() }
  table.move(arguments, 1, #arguments, #command + 1, command)
  return server.start(command, last, server.directory()), ports
end

return certificates
