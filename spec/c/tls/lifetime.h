/* spec/c/tls/lifetime.h - a test's client and server, from the first byte on
 *
 * begin, require_open, whatever the test is about, end.
 */
#ifndef SPEC_C_TLS_LIFETIME_H
#define SPEC_C_TLS_LIFETIME_H

#include "spec/c/tls/wire.h"

#include <string.h>

static inline void begin(struct scene *scene, struct wire *wire,
                         size_t segment_size)
{
    scene_init(scene);
    REQUIRE(wire_init(wire, &scene->server, &scene->options, segment_size) ==
            SL_OK);
}

static inline void begin_as(struct scene *scene, struct wire *wire,
                            enum sl_tls_version version)
{
    scene_init(scene);
    scene->options.min_version = version;
    scene->options.max_version = version;
    REQUIRE(wire_init(wire, &scene->server, &scene->options, 0) == SL_OK);
}

static inline void end(struct scene *scene, struct wire *wire)
{
    wire_fini(wire);
    scene_fini(scene);
}

static inline void require_open(struct wire *wire, const char *identity)
{
    enum sl_status status = wire_open(wire, "a.test", identity);

    test_note("%s", wire->failure.reason);
    REQUIRE(status == SL_OK);
    test_note("%s", "");
}

/* Compares the whole of `plain` and empties it. */
static inline bool holds(struct sl_buffer *plain, const char *expected,
                         size_t size)
{
    bool is_equal = plain->length == size;

    while (is_equal && plain->length > 0) {
        struct sl_view view = sl_buffer_peek(plain);

        is_equal = memcmp(view.data, expected, view.size) == 0;
        expected += view.size;
        sl_buffer_consume(plain, view.size);
    }
    sl_buffer_reset(plain);
    return is_equal;
}

#endif
