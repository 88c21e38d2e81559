#include "codec/base64.h"

#include "spec/c/support/test.h"

#include <string.h>

static struct sl_allocator allocator;
static struct sl_pool pool;

static struct sl_view encode(struct sl_writer *writer, const char *text)
{
    CHECK_INT(sl_writer_reset(writer), SL_OK);
    CHECK_INT(sl_base64_write(writer, sl_view(text, strlen(text))), SL_OK);
    return sl_writer_view(writer);
}

TEST("encodes the vectors of RFC 4648 section 10")
{
    struct sl_writer writer;

    sl_allocator_init_system(&allocator);
    sl_pool_init(&pool, &allocator, NULL);
    CHECK_INT(sl_writer_init(&writer, &pool, 1, 1024), SL_OK);
    CHECK(sl_view_equal(encode(&writer, ""), SL_VIEW("")));
    CHECK(sl_view_equal(encode(&writer, "f"), SL_VIEW("Zg==")));
    CHECK(sl_view_equal(encode(&writer, "fo"), SL_VIEW("Zm8=")));
    CHECK(sl_view_equal(encode(&writer, "foo"), SL_VIEW("Zm9v")));
    CHECK(sl_view_equal(encode(&writer, "foob"), SL_VIEW("Zm9vYg==")));
    CHECK(sl_view_equal(encode(&writer, "fooba"), SL_VIEW("Zm9vYmE=")));
    CHECK(sl_view_equal(encode(&writer, "foobar"), SL_VIEW("Zm9vYmFy")));
    sl_writer_dispose(&writer);
    CHECK_INT(sl_pool_fini(&pool), 0);
}

TEST("has a digit for every six bits")
{
    static const char expected[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct sl_writer writer;
    char bytes[48];
    size_t i;

    for (i = 0; i < 16; i++) {
        unsigned first = (unsigned)i * 4;
        unsigned three =
            first << 18 | (first + 1) << 12 | (first + 2) << 6 | (first + 3);

        bytes[3 * i] = (char)(three >> 16);
        bytes[3 * i + 1] = (char)(three >> 8);
        bytes[3 * i + 2] = (char)three;
    }
    sl_allocator_init_system(&allocator);
    sl_pool_init(&pool, &allocator, NULL);
    CHECK_INT(sl_writer_init(&writer, &pool, 1, 64), SL_OK);
    CHECK_INT(sl_base64_write(&writer, sl_view(bytes, sizeof(bytes))), SL_OK);
    CHECK_VIEW(sl_writer_view(&writer), expected);
    sl_writer_dispose(&writer);
    CHECK_INT(sl_pool_fini(&pool), 0);
}

TEST("leaves the writer unchanged if there is no room")
{
    struct sl_writer writer;

    sl_allocator_init_system(&allocator);
    sl_pool_init(&pool, &allocator, NULL);
    CHECK_INT(sl_writer_init(&writer, &pool, 1, 8), SL_OK);
    CHECK_INT(sl_writer_write(&writer, SL_VIEW("abc")), SL_OK);
    CHECK_INT(sl_base64_write(&writer, SL_VIEW("foobar")), SL_LIMIT);
    CHECK(sl_view_equal(sl_writer_view(&writer), SL_VIEW("abc")));
    sl_writer_dispose(&writer);
    CHECK_INT(sl_pool_fini(&pool), 0);
}

int main(void)
{
    return test_main();
}
