/* spec/c/http/heads.h - heads, for tests of what parses and keeps them */
#ifndef SPEC_C_HTTP_HEADS_H
#define SPEC_C_HTTP_HEADS_H

#include "spec/c/support/test.h"

#include "http/head_parse.h"
#include "memory/pool.h"

/* What nginx sends, near enough. */
static const char nginx[] = "HTTP/1.1 200 OK\r\n"
                            "Server: nginx/1.22.1\r\n"
                            "Date: Fri, 20 Nov 2026 13:34:13 GMT\r\n"
                            "Content-Type: text/html; charset=utf-8\r\n"
                            "Content-Length: 1024\r\n"
                            "Last-Modified: Fri, 20 Nov 2026 10:00:00 GMT\r\n"
                            "Connection: keep-alive\r\n"
                            "ETag: \"673dae40-400\"\r\n"
                            "Cache-Control: max-age=3600\r\n"
                            "X-Content-Type-Options: nosniff\r\n"
                            "Accept-Ranges: bytes\r\n"
                            "\r\n";

static const struct sl_head_limits defaults = {65536, 16384, 256, false};

struct fixture {
    struct test_allocator allocator;
    struct sl_pool pool;
    struct sl_buffer input;
    struct sl_head head;
};

static inline void open_limited(struct fixture *fixture, size_t segment_size,
                                const struct sl_head_limits *limits)
{
    struct sl_pool_options options = {0};

    options.mode = SL_POOL_DIRECT;
    options.segment_size = segment_size;
    test_allocator_init(&fixture->allocator);
    sl_pool_init(&fixture->pool, &fixture->allocator.base, &options);
    sl_buffer_init(&fixture->input, &fixture->pool, SIZE_MAX);
    sl_head_init(&fixture->head, &fixture->pool, limits);
}

static inline void open_fixture(struct fixture *fixture, size_t segment_size)
{
    open_limited(fixture, segment_size, &defaults);
}

static inline void close_fixture(struct fixture *fixture)
{
    sl_head_fini(&fixture->head);
    sl_buffer_fini(&fixture->input);
    CHECK_INT(sl_pool_fini(&fixture->pool), 0);
    test_allocator_fini(&fixture->allocator);
}

static inline enum sl_status feed(struct fixture *fixture, struct sl_view bytes)
{
    CHECK_INT(sl_buffer_append(&fixture->input, bytes), SL_OK);
    return sl_head_parse(&fixture->head, &fixture->input);
}

#endif
