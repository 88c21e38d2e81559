-- Written by `make rockspec`; `make lint` compares it with the tree.
rockspec_format = "3.0"
package = "sluice"
version = "scm-1"
source = {
  url = ".",
}
description = {
  summary = "An HTTP/1.1 and WebSocket client whose bytes live in pooled segments",
  detailed = "sluice keeps payload bytes outside the Lua heap, counted and bounded, from the "
    .. "socket to the moment a script asks for a string. It never blocks its host.",
  license = "MIT",
  labels = { "http", "websocket", "network", "async" },
}
dependencies = {
  "lua >= 5.4, < 5.6",
  "lua-cjson",
}
external_dependencies = {
  OPENSSL = { header = "openssl/ssl.h", library = "ssl" },
  ZLIB = { header = "zlib.h", library = "z" },
}
build = {
  type = "builtin",
  modules = {
    ["sluice.core"] = {
      sources = {
        "src/base/allocator.c",
        "src/base/clock.c",
        "src/base/debug.c",
        "src/base/status.c",
      },
      defines = { "_GNU_SOURCE=" },
      libraries = { "ssl", "crypto", "z", "pthread" },
      incdirs = { "src", "$(OPENSSL_INCDIR)", "$(ZLIB_INCDIR)" },
      libdirs = { "$(OPENSSL_LIBDIR)", "$(ZLIB_LIBDIR)" },
    },
  },
  platforms = {
  },
}
