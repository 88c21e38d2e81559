#include "spec/c/support/test.h"

#include "codec/json.h"
#include "codec/json_write.h"

#include <math.h>
#include <string.h>

static struct test_allocator allocator;
static struct sl_pool pool;
static struct sl_writer writer;
static struct sl_json_output output;

static void open_writer(size_t initial_size, size_t max_size)
{
    test_allocator_init(&allocator);
    sl_pool_init(&pool, &allocator.base, NULL);
    REQUIRE(sl_writer_init(&writer, &pool, initial_size, max_size) == SL_OK);
    memset(&output, 0x55, sizeof output);
    sl_json_begin(&output, &writer);
}

static void close_writer(void)
{
    sl_writer_dispose(&writer);
    CHECK_INT(sl_pool_fini(&pool), 0);
    test_allocator_fini(&allocator);
}

/* Room that grows under the text, and room for any. */
static const size_t initial_sizes[] = {1, 4096};

static void check_text(struct sl_view text, struct sl_view expected)
{
    size_t i;

    for (i = 0; i < 2; i++) {
        struct sl_view view;

        open_writer(initial_sizes[i], SIZE_MAX);
        CHECK_INT(sl_json_put_text(&output, text), SL_OK);
        sl_json_finish(&output);
        view = sl_writer_view(&writer);
        CHECK_BYTES(view.data, view.size, expected.data, expected.size);
        close_writer();
    }
}

TEST("strings are quoted, and escaped where necessary")
{
    check_text(SL_VIEW(""), SL_VIEW("\"\""));
    check_text(SL_VIEW("plain"), SL_VIEW("\"plain\""));
    check_text(SL_VIEW("\"\\/"), SL_VIEW("\"\\\"\\\\/\""));
    check_text(SL_VIEW("\b\t\n\f\r\v\x1b\x1f\x7f"),
               SL_VIEW("\"\\b\\t\\n\\f\\r\\u000b\\u001b\\u001f\x7f\""));
    check_text(SL_VIEW("a\0b"), SL_VIEW("\"a\\u0000b\""));
    check_text(SL_VIEW("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
               SL_VIEW("\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""));
}

/* Twenty characters with that one at `place`, written and read. */
static void check_round(char byte, size_t place, size_t initial_size)
{
    char *text = guard_copy("aaaaaaaaaaaaaaaaaaaa", 20);
    char copy[20] = "";
    struct sl_json json;
    struct sl_json_event event;

    text[place] = byte;
    open_writer(initial_size, SIZE_MAX);
    CHECK_INT(sl_json_put(&output, ' '), SL_OK);
    CHECK_INT(sl_json_put_text(&output, sl_view(text, 20)), SL_OK);
    sl_json_finish(&output);
    sl_json_init_view(&json, sl_writer_view(&writer));
    CHECK_INT(sl_json_next(&json, &event), SL_OK);
    REQUIRE(event.text.size == 20 && event.text.data != NULL);
    memcpy(copy, event.text.data, sizeof copy);
    CHECK_BYTES(copy, sizeof copy, text, 20);
    CHECK_INT(sl_json_next(&json, &event), SL_END);
    close_writer();
    guard_free(text);
}

TEST("every byte at every place of a string is read back unchanged")
{
    unsigned byte;
    size_t place, i;

    for (byte = 0; byte < 0x80; byte++) {
        for (place = 0; place < 20; place++) {
            for (i = 0; i < 2; i++)
                check_round((char)byte, place, initial_sizes[i]);
        }
    }
}

TEST("text that is not UTF-8 is refused, wherever the error is")
{
    static const char *const wrong[] = {
        "\xff", "\x80", "\xc3", "\xed\xa0\x80", "\xc0\xaf", "\xf4\x90\x80\x80"};
    size_t i, place;

    for (i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        for (place = 0; place < 20; place++) {
            char text[32];

            memset(text, 'a', sizeof text);
            memcpy(text + place, wrong[i], strlen(wrong[i]));
            open_writer(initial_sizes[place % 2], SIZE_MAX);
            CHECK_INT(sl_writer_write(&writer, SL_VIEW("before")), SL_OK);
            sl_json_begin(&output, &writer);
            CHECK_INT(sl_json_put_text(&output, sl_view(text, sizeof text)),
                      SL_INVALID);
            sl_json_undo(&output);
            CHECK_VIEW(sl_writer_view(&writer), "before");
            CHECK_INT(sl_json_put_text(&output, SL_VIEW("x")), SL_OK);
            sl_json_finish(&output);
            CHECK_VIEW(sl_writer_view(&writer), "before\"x\"");
            close_writer();
        }
    }
}

TEST("numbers are read back unchanged")
{
    open_writer(1, SIZE_MAX);
    CHECK_INT(sl_json_put(&output, '['), SL_OK);
    CHECK_INT(sl_json_put_integer(&output, INT64_MIN), SL_OK);
    CHECK_INT(sl_json_put(&output, ','), SL_OK);
    CHECK_INT(sl_json_put_double(&output, 5), SL_OK);
    CHECK_INT(sl_json_put(&output, ','), SL_OK);
    CHECK_INT(sl_json_put_double(&output, -0.1), SL_OK);
    CHECK_INT(sl_json_put(&output, ','), SL_OK);
    CHECK_INT(sl_json_put_word(&output, SL_VIEW("null")), SL_OK);
    CHECK_INT(sl_json_put(&output, ']'), SL_OK);
    sl_json_finish(&output);
    CHECK_VIEW(sl_writer_view(&writer), "[-9223372036854775808,5.0,-0.1,null]");
    CHECK_INT(sl_json_put_double(&output, INFINITY), SL_INVALID);
    CHECK_INT(sl_json_put_double(&output, -INFINITY), SL_INVALID);
    CHECK_INT(sl_json_put_double(&output, NAN), SL_INVALID);
    close_writer();
}

static enum sl_status put_all(void)
{
    static const struct sl_view text = {"a\n\"longer\" text \xc3\xa9", 18};
    enum sl_status status = sl_json_put(&output, '[');

    if (status == SL_OK)
        status = sl_json_put_text(&output, text);
    if (status == SL_OK)
        status = sl_json_put(&output, ',');
    if (status == SL_OK)
        status = sl_json_put_double(&output, 0.25);
    if (status == SL_OK)
        status = sl_json_put_integer(&output, -7);
    if (status == SL_OK)
        status = sl_json_put_word(&output, SL_VIEW("true]"));
    return status;
}

TEST(
    "the writer's maximum fits exactly; one byte fewer, and nothing is written")
{
    static const char whole[] =
        "[\"a\\n\\\"longer\\\" text \xc3\xa9\",0.25-7true]";
    size_t max_size;

    for (max_size = 4; max_size < sizeof whole + 3 + 10; max_size++) {
        bool fits = max_size >= sizeof whole - 1 + 4;

        open_writer(1, max_size);
        CHECK_INT(sl_writer_write(&writer, SL_VIEW("kept")), SL_OK);
        sl_json_begin(&output, &writer);
        CHECK_INT(put_all(), fits ? SL_OK : SL_LIMIT);
        if (fits) {
            sl_json_finish(&output);
            CHECK_INT(sl_writer_view(&writer).size, sizeof whole - 1 + 4);
            CHECK(memcmp(sl_writer_view(&writer).data + 4, whole,
                         sizeof whole - 1) == 0);
        } else {
            sl_json_undo(&output);
            CHECK_VIEW(sl_writer_view(&writer), "kept");
        }
        close_writer();
    }
}

static void write_and_fail(struct sl_allocator *base, void *argument)
{
    struct sl_pool failing;
    struct sl_writer small;
    struct sl_json_output into;
    enum sl_status status = SL_OK;
    int i;

    (void)argument;
    sl_pool_init(&failing, base, NULL);
    REQUIRE(sl_writer_init(&small, &failing, 1, SIZE_MAX) == SL_OK);
    sl_json_begin(&into, &small);
    for (i = 0; i < 2000 && status == SL_OK; i++)
        status = sl_json_put_text(&into, SL_VIEW("text\n"));
    if (status == SL_OK) {
        sl_json_finish(&into);
        CHECK_INT(sl_writer_view(&small).size, 2000 * 8);
    } else {
        CHECK_INT(status, SL_MEMORY);
        CHECK(test_allocator_has_failed(base));
        sl_json_undo(&into);
        CHECK_INT(sl_writer_view(&small).size, 0);
    }
    sl_writer_dispose(&small);
    CHECK_INT(sl_pool_fini(&failing), 0);
}

TEST("a failing allocation leaves nothing of the text")
{
    test_each_failure(write_and_fail, NULL);
}

int main(void)
{
    return test_main();
}
