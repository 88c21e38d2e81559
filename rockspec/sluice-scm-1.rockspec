-- What a checkout builds: `luarocks --lua-version 5.4 make rockspec/sluice-scm-1.rockspec`.
-- `make rockspec SOURCE=address` makes that of a release from it.
rockspec_format = "3.0"
package = "sluice"
version = "scm-1"
source = {
  url = ".",
}
description = {
  summary = "An HTTP/1.1 and WebSocket client that never blocks its host",
  detailed = "Plain scripts, coroutines, game frames and hosts with a loop of their own use the "
    .. "same calls. The bytes of bodies and messages stay outside the Lua heap, counted and "
    .. "bounded, until a script asks for a string. TLS by OpenSSL or GnuTLS; gzip and deflate, and "
    .. "br and zstd if their libraries are there; io_uring, epoll, kqueue, threads or poll.",
  license = "MIT",
  labels = { "http", "websocket", "network", "async" },
}
dependencies = {
  "lua >= 5.4, < 5.6",
}
external_dependencies = {
  ZLIB = { header = "zlib.h", library = "z" },
}
-- The Makefile finds out what the machine has (io_uring, OpenSSL or GnuTLS, brotli, zstd, ISA-L,
-- libpsl) and builds with it. A builtin build would have one list of libraries for all machines.
build = {
  type = "make",
  variables = {
    BUILD = "build/luarocks",
    CC = "$(CC)",
    CFLAGS = "$(CFLAGS)",
    CPPFLAGS = "-I$(ZLIB_INCDIR)",
    LDFLAGS = "-L$(ZLIB_LIBDIR)",
    LUA = "$(LUA)",
    LUA_INCLUDE = "$(LUA_INCDIR)",
  },
  install_variables = {
    PREFIX = "$(PREFIX)",
    LUA_DIR = "$(LUADIR)",
    LUA_LIBDIR = "$(LIBDIR)",
    PKGCONFIG_DIR = "$(PREFIX)/share/pkgconfig",
    DOC_DIR = "$(PREFIX)/doc",
  },
}
