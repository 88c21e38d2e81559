#include "spec/c/codec/pieces.h"

#include "codec/json_text.h"

#include <string.h>

#define ROOM (2 * SL_JSON_SMALL)

struct reading {
    char bytes[ROOM];
    size_t size;
    enum sl_status status;
    size_t at; /* where the input is, or its wrong byte */
    const char *error;
};

static void read_input(struct reading *reading, struct sl_json_input *input)
{
    struct sl_view text;

    memset(reading, 0, sizeof *reading);
    CHECK_INT(sl_json_peek(input), '"');
    reading->status = sl_json_text_read(input, &text);
    reading->error = input->error;
    reading->at = input->offset;
    if (reading->status != SL_OK)
        return;
    REQUIRE(text.size < ROOM);
    reading->size = text.size;
    reading->at = sl_json_offset_of(input, input->place.at);
    if (text.data != NULL)
        memcpy(reading->bytes, text.data, text.size);
    else
        sl_json_text_copy(input, reading->bytes);
    CHECK(text.data != NULL || text.size > SL_JSON_SMALL);
}

static void compare(const struct sl_view *pieces, size_t count, void *argument)
{
    const struct reading *expected = argument;
    struct sl_sequence sequence = sequence_of(pieces, count);
    struct sl_json_input input;
    struct reading reading;

    sl_json_input_init(&input, &sequence, sl_view(NULL, 0));
    read_input(&reading, &input);
    CHECK_INT(reading.status, expected->status);
    CHECK_BYTES(reading.bytes, reading.size, expected->bytes, expected->size);
    CHECK_INT(reading.at, expected->at);
    CHECK_STR(reading.error, expected->error);
    free(sequence.slices);
}

/* Reads it in one piece, before memory that cannot be read, and in each cut. */
static struct reading read_each(struct sl_view text)
{
    char *copy = guard_copy(text.data, text.size);
    struct sl_json_input input;
    struct reading whole;

    test_note("%.60s", text.data);
    sl_json_input_init(&input, NULL, sl_view(copy, text.size));
    read_input(&whole, &input);
    test_each_cut(text, compare, &whole);
    guard_free(copy);
    return whole;
}

TEST("each escape is the character that it names")
{
    const struct {
        struct sl_view text;
        struct sl_view expected;
    } cases[] = {
        {SL_VIEW("\"\""), SL_VIEW("")},
        {SL_VIEW("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), SL_VIEW("\"\\/\b\f\n\r\t")},
        {SL_VIEW("\"a\\u0000b\""), SL_VIEW("a\0b")},
        {SL_VIEW("\"\\u0041\\u007f\\u0080\\u07ff\""),
         SL_VIEW("A\x7f\xc2\x80\xdf\xbf")},
        {SL_VIEW("\"\\u0800\\uFFFF\""), SL_VIEW("\xe0\xa0\x80\xef\xbf\xbf")},
        {SL_VIEW("\"\\ud83d\\ude00\""), SL_VIEW("\xf0\x9f\x98\x80")},
        {SL_VIEW("\"\xe2\x82\xac\\n\xc3\xa9\""),
         SL_VIEW("\xe2\x82\xac\n\xc3\xa9")},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct reading reading = read_each(cases[i].text);

        CHECK_INT(reading.status, SL_OK);
        CHECK_INT(reading.at, cases[i].text.size);
        CHECK_BYTES(reading.bytes, reading.size, cases[i].expected.data,
                    cases[i].expected.size);
    }
}

TEST("a long text is read as a short one, whatever it has and wherever it is "
     "cut")
{
    static char text[ROOM];
    static char expected[ROOM];

    for (size_t size = SL_JSON_SMALL - 3; size <= SL_JSON_SMALL + 3; size++) {
        struct reading reading;

        memset(text, 'a', sizeof text);
        memcpy(text, "\"\\n\\u00e9\xe2\x82\xac", 12);
        text[12 + size - 6] = '"';
        memset(expected, 'a', sizeof expected);
        memcpy(expected, "\n\xc3\xa9\xe2\x82\xac", 6);
        reading = read_each(sl_view(text, 12 + size - 6 + 1));
        CHECK_INT(reading.status, SL_OK);
        CHECK_BYTES(reading.bytes, reading.size, expected, size);
    }
}

TEST("a plain text is shown where it lies, and what follows is not read")
{
    static const char bytes[] = "\"plain \xc3\xa9\"\x01";
    struct sl_json_input input;
    struct sl_view text;

    sl_json_input_init(&input, NULL, sl_view(bytes, sizeof bytes - 1));
    CHECK_INT(sl_json_text_read(&input, &text), SL_OK);
    CHECK(text.data == bytes + 1);
    CHECK_VIEW(text, "plain \xc3\xa9");
    CHECK_INT(sl_json_peek(&input), '\x01');
}

TEST("fails at its first wrong byte, however it is cut")
{
    const struct {
        struct sl_view text;
        size_t offset;
        const char *error;
    } cases[] = {
        {SL_VIEW("\"ab"), 3, "a closing quote expected"},
        {SL_VIEW("\"a\nb\""), 2, "a control character within a string"},
        {SL_VIEW("\"a\\x\""), 3, "no such escape"},
        {SL_VIEW("\"\\u00g0\""), 5, "four hexadecimal digits expected"},
        {SL_VIEW("\"a\\udc00\""), 2, "half of a surrogate pair"},
        {SL_VIEW("\"a\\ud800b\""), 2, "half of a surrogate pair"},
        {SL_VIEW("\"a\\udfff\""), 2, "half of a surrogate pair"},
        {SL_VIEW("\"a\\udbff\""), 2, "half of a surrogate pair"},
        {SL_VIEW("\"a\\ud800\\udbff\""), 2, "half of a surrogate pair"},
        {SL_VIEW("\"a\\ud800\\ue000\""), 2, "half of a surrogate pair"},
        {SL_VIEW("\"a\xff\""), 2, "invalid UTF-8"},
        {SL_VIEW("\"a\xe2\x82\""), 4, "invalid UTF-8"},
        {SL_VIEW("\"a\xe2\x82\\n\""), 4, "invalid UTF-8"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct reading reading = read_each(cases[i].text);

        CHECK_INT(reading.status, SL_DECODE);
        CHECK_INT(reading.at, cases[i].offset);
        CHECK_STR(reading.error, cases[i].error);
    }
}

int main(void)
{
    return test_main();
}
