#include "spec/c/codec/pieces.h"

#include "codec/json.h"
#include "memory/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- texts as events, one line ---- */

struct record {
    char text[8192];
    size_t size;
    enum sl_status status;
    const char *error;
    size_t offset;
};

static void add(struct record *record, const char *bytes, size_t size)
{
    if (record->size + size < sizeof record->text) {
        memcpy(record->text + record->size, bytes, size);
        record->size += size;
    }
    record->text[record->size] = '\0';
}

static void add_event(struct record *record, const struct sl_json *json,
                      const struct sl_json_event *event)
{
    char number[64];
    char *copy;

    switch (event->type) {
    case SL_JSON_KEY:
    case SL_JSON_STRING:
        add(record, event->type == SL_JSON_KEY ? " k:" : " s:", 3);
        if (event->text.data != NULL) {
            add(record, event->text.data, event->text.size);
            return;
        }
        copy = malloc(event->text.size + 1);
        REQUIRE(copy != NULL);
        copy[event->text.size] = '\x7f';
        sl_json_read_text(json, copy);
        CHECK_INT(copy[event->text.size], '\x7f');
        add(record, copy, event->text.size);
        free(copy);
        return;
    case SL_JSON_INTEGER:
        add(record, number,
            (size_t)snprintf(number, sizeof number, " %lld",
                             (long long)event->integer));
        return;
    case SL_JSON_DOUBLE:
        add(record, number,
            (size_t)snprintf(number, sizeof number, " %.17gd", event->number));
        return;
    default:
        add(record, " ", 1);
        add(record, &"n01....[]{}"[event->type], 1);
    }
}

static void run(struct record *record, struct sl_json *json)
{
    struct sl_json_event event;

    record->size = 0;
    record->text[0] = '\0';
    while ((record->status = sl_json_next(json, &event)) == SL_OK)
        add_event(record, json, &event);
    record->error = json->input.error;
    record->offset = json->input.offset;
    CHECK_INT(sl_json_next(json, &event), record->status);
}

static void run_pieces(struct record *record, const struct sl_view *pieces,
                       size_t count)
{
    struct sl_sequence sequence = sequence_of(pieces, count);
    struct sl_json json;

    sl_json_init(&json, &sequence);
    run(record, &json);
    free(sequence.slices);
}

static void run_view(struct record *record, struct sl_view text)
{
    struct sl_json json;

    sl_json_init_view(&json, text);
    run(record, &json);
}

static void compare(const struct sl_view *pieces, size_t count, void *argument)
{
    const struct record *expected = argument;
    static struct record record;

    run_pieces(&record, pieces, count);
    CHECK_BYTES(record.text, record.size, expected->text, expected->size);
    CHECK_INT(record.status, expected->status);
    CHECK_STR(record.error, expected->error);
    CHECK_INT(record.offset, expected->offset);
}

static const struct record *run_each(struct sl_view text)
{
    static struct record whole;
    char *copy = guard_copy(text.data, text.size);

    test_note("%.60s", text.data);
    run_view(&whole, sl_view(copy, text.size));
    test_each_cut(text, compare, &whole);
    guard_free(copy);
    return &whole;
}

/* ---- what must be accepted ---- */

TEST("every valid text is read correctly, wherever it is cut")
{
    static const struct {
        const char *text;
        const char *events;
    } cases[] = {
        {"null", " n"},
        {"true", " 1"},
        {"false", " 0"},
        {" \t\r\n[ ] \n", " [ ]"},
        {"{}", " { }"},
        {" { \"a\" : 1 , \"b\" : [ true , null ] } ", " { k:a 1 k:b [ 1 n ] }"},
        {"[[],{},[[]],[{\"\":\"\"}]]", " [ [ ] { } [ [ ] ] [ { k: s: } ] ]"},
        {"{\"a\":1,\"a\":2}", " { k:a 1 k:a 2 }"},
        {"[1,2,3]", " [ 1 2 3 ]"},
        {"0", " 0"},
        {"-0", " -0d"},
        {"-1", " -1"},
        {"9223372036854775807", " 9223372036854775807"},
        {"-9223372036854775808", " -9223372036854775808"},
        {"1.0", " 1d"},
        {"0e1", " 0d"},
        {"0E+0", " 0d"},
        {"1e2", " 100d"},
        {"1E-2", " 0.01d"},
        {"-0.5", " -0.5d"},
        {"1.5e+3", " 1500d"},
        {"123456789012345678901234567890.0", " 1.2345678901234568e+29d"},
        {"1e308", " 1e+308d"},
        {"5e-324", " 4.9406564584124654e-324d"},
        {"0.30000000000000004", " 0.30000000000000004d"},
        {"\"\"", " s:"},
        {"\"plain and rather long text, more than eight\"",
         " s:plain and rather long text, more than eight"},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", " s:\"\\/\b\f\n\r\t"},
        {"\"\\u0041\\u00e9\\u20AC\\ud83d\\uDE00\"",
         " s:A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\x7f\"",
         " s:\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\x7f"},
        {"\"\\uDBFF\\uDFFF\\uFFFF\\uD7FF\\uE000\"",
         " s:\xf4\x8f\xbf\xbf\xef\xbf\xbf\xed\x9f\xbf\xee\x80\x80"},
        {"{\"k\\u0065y\":\"a\\nb\"}", " { k:key s:a\nb }"},
        {"\"/\xc2\xa0\xe2\x80\xa8\"", " s:/\xc2\xa0\xe2\x80\xa8"}};
    size_t i;

    for (i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sl_view text = sl_view(cases[i].text, strlen(cases[i].text));
        const struct record *record = run_each(text);

        CHECK_INT(record->status, SL_END);
        CHECK_STR(record->text, cases[i].events);
    }
}

/* ---- what must be refused ---- */

#define VALUE   "a value expected"
#define DIGIT   "a digit expected"
#define END     "the end of the text expected behind its value"
#define ITEM    "',' or ']' expected"
#define PAIR    "',' or '}' expected"
#define KEY     "a key in quotes expected"
#define QUOTE   "a closing quote expected"
#define CONTROL "a control character within a string"
#define ESCAPE  "no such escape"
#define HEX     "four hexadecimal digits expected"
#define HALF    "half of a surrogate pair"
#define UTF8    "invalid UTF-8"
#define ZERO    "a number with a leading zero"
#define INTEGER "an integer beyond 64 bits"
#define DOUBLE  "a number beyond the range of doubles"

TEST("every invalid text is refused at its first wrong byte, however cut")
{
    static const struct {
        struct sl_view text;
        const char *error;
        size_t offset;
    } cases[] = {
        {{"", 0}, VALUE, 0},
        {{" ", 1}, VALUE, 1},
        {{"nul", 3}, VALUE, 0},
        {{"nulL", 4}, VALUE, 0},
        {{"True", 4}, VALUE, 0},
        {{"NaN", 3}, VALUE, 0},
        {{"Infinity", 8}, VALUE, 0},
        {{"-Infinity", 9}, DIGIT, 1},
        {{"'a'", 3}, VALUE, 0},
        {{"\xef\xbb\xbf{}", 5}, "a value expected, no byte order mark", 0},
        {{"[\xef\xbb\xbf]", 5}, VALUE, 1},
        {{"\xff\xfe[\0]\0", 6}, VALUE, 0},
        {{"nullx", 5}, END, 4},
        {{"1 2", 3}, END, 2},
        {{"{}}", 3}, END, 2},
        {{"1\0", 2}, END, 1},
        {{"[]\0", 3}, END, 2},
        {{"[1]x", 4}, END, 3},
        {{"[1}", 3}, ITEM, 2},
        {{"[1 2]", 5}, ITEM, 3},
        {{"[1", 2}, ITEM, 2},
        {{"[1,", 3}, VALUE, 3},
        {{"[1,]", 4}, VALUE, 3},
        {{"[,1]", 4}, VALUE, 1},
        {{"[", 1}, VALUE, 1},
        {{"]", 1}, VALUE, 0},
        {{"[/**/1]", 7}, VALUE, 1},
        {{"{", 1}, KEY, 1},
        {{"{1:2}", 5}, KEY, 1},
        {{"{a:1}", 5}, KEY, 1},
        {{"{\"a\"}", 5}, "':' expected", 4},
        {{"{\"a\" 1}", 7}, "':' expected", 5},
        {{"{\"a\":}", 6}, VALUE, 5},
        {{"{\"a\":1,}", 8}, KEY, 7},
        {{"{\"a\":1]", 7}, PAIR, 6},
        {{"{\"a\":1 \"b\":2}", 13}, PAIR, 7},
        {{"-", 1}, DIGIT, 1},
        {{"+1", 2}, VALUE, 0},
        {{".5", 2}, VALUE, 0},
        {{"1.", 2}, DIGIT, 2},
        {{"1.e1", 4}, DIGIT, 2},
        {{"1e", 2}, DIGIT, 2},
        {{"1e+", 3}, DIGIT, 3},
        {{"[1e-]", 5}, DIGIT, 4},
        {{"01", 2}, ZERO, 0},
        {{"-012", 4}, ZERO, 0},
        {{"00", 2}, ZERO, 0},
        {{"0x10", 4}, END, 1},
        {{"[1_000]", 7}, ITEM, 2},
        {{" 9223372036854775808", 20}, INTEGER, 1},
        {{"-9223372036854775809", 20}, INTEGER, 0},
        {{"18446744073709551616", 20}, INTEGER, 0},
        {{"100000000000000000000000", 24}, INTEGER, 0},
        {{"[1e999]", 7}, DOUBLE, 1},
        {{"-1e309", 6}, DOUBLE, 0},
        {{"1e-400", 6}, DOUBLE, 0},
        {{"\"open", 5}, QUOTE, 5},
        {{"\"", 1}, QUOTE, 1},
        {{"\"a\\", 3}, ESCAPE, 3},
        {{"\"a\nb\"", 5}, CONTROL, 2},
        {{"\"a\0b\"", 5}, CONTROL, 2},
        {{"\"\\n\x1f\"", 5}, CONTROL, 3},
        {{"\"\\x41\"", 6}, ESCAPE, 2},
        {{"\"\\U0041\"", 8}, ESCAPE, 2},
        {{"\"\\\0\"", 4}, ESCAPE, 2},
        {{"\"\\u12g4\"", 8}, HEX, 5},
        {{"\"\\u123\"", 7}, HEX, 6},
        {{"\"\\u12", 5}, HEX, 5},
        {{"\"\\ud800\"", 8}, HALF, 1},
        {{"\"a\\udc00\"", 9}, HALF, 2},
        {{"\"\\ud800\\n\"", 10}, HALF, 1},
        {{"\"\\ud800\\u0041\"", 14}, HALF, 1},
        {{"\"\\ud83d\\ud83d\"", 14}, HALF, 1},
        {{"\"\\ud83dx\"", 9}, HALF, 1},
        {{"\"a\xff\"", 4}, UTF8, 2},
        {{"\"\xc0\xaf\"", 4}, UTF8, 1},
        {{"\"\xed\xa0\x80\"", 5}, UTF8, 2},
        {{"\"\xe2\x82\"", 4}, UTF8, 3},
        {{"\"\xe2\x82\\n\"", 6}, UTF8, 3},
        {{"\"\xf4\x90\x80\x80\"", 6}, UTF8, 2},
        {{"{\"\x80\":1}", 7}, UTF8, 2}};
    size_t i;

    for (i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct record *record = run_each(cases[i].text);

        CHECK_INT(record->status, SL_DECODE);
        CHECK_STR(record->error, cases[i].error);
        CHECK_INT(record->offset, cases[i].offset);
    }
}

/* ---- bounds ---- */

static struct record record_of_levels(size_t levels, const char *open,
                                      const char *inner, const char *close)
{
    static char text[SL_JSON_DEPTH * 16];
    static struct record record;
    size_t size = 0;
    size_t i;

    for (i = 0; i < levels; i++)
        size += (size_t)sprintf(text + size, "%s", open);
    size += (size_t)sprintf(text + size, "%s", inner);
    for (i = 0; i < levels; i++)
        size += (size_t)sprintf(text + size, "%s", close);
    run_view(&record, sl_view(text, size));
    return record;
}

TEST("512 levels are read, one more is refused where it begins")
{
    static const char too_deep[] =
        "more than 512 levels of arrays and objects (fixed)";
    struct record record = record_of_levels(SL_JSON_DEPTH, "[", "1", "]");

    CHECK_INT(record.status, SL_END);
    record = record_of_levels(SL_JSON_DEPTH, "{\"a\":", "1", "}");
    CHECK_INT(record.status, SL_END);
    record = record_of_levels(SL_JSON_DEPTH + 1, "[", "1", "]");
    CHECK_INT(record.status, SL_DECODE);
    CHECK_STR(record.error, too_deep);
    CHECK_INT(record.offset, SL_JSON_DEPTH);
    record = record_of_levels(SL_JSON_DEPTH / 2, "[{\"a\":", "1", "}]");
    CHECK_INT(record.status, SL_END);
    record = record_of_levels(SL_JSON_DEPTH / 2, "[{\"a\":", "[]", "}]");
    CHECK_INT(record.status, SL_DECODE);
    CHECK_STR(record.error, too_deep);
}

TEST("levels are closed by their own bracket, at every depth")
{
    char text[200];
    size_t levels;

    for (levels = 1; levels < 80; levels++) {
        struct record record;
        size_t i;

        for (i = 0; i < levels; i++)
            text[i] = '[';
        text[levels] = '}';
        run_view(&record, sl_view(text, levels + 1));
        CHECK_INT(record.status, SL_DECODE);
        CHECK_INT(record.offset, levels);
    }
}

TEST("long strings and numbers of real segments are read across them")
{
    static const struct sl_pool_options options = {.segment_size = 16};
    struct test_allocator allocator;
    struct sl_sequence sequence;
    struct sl_buffer buffer;
    struct sl_pool pool;
    struct sl_json json;
    static struct record flat;
    static struct record record;
    static const char text[] =
        "{\"a long key, \\u00e9scaped at least once\": [0.12345678901234567890"
        "1234567890, \"a value of more than one segment, \xe2\x82\xac\"], "
        "\"n\":   -1234567890123456789}";

    test_allocator_init(&allocator);
    sl_pool_init(&pool, &allocator.base, &options);
    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    sl_sequence_init(&sequence, &allocator.base);
    REQUIRE(sl_buffer_append(&buffer, sl_view(text, sizeof text - 1)) == SL_OK);
    REQUIRE(sl_sequence_take(&sequence, &buffer) == SL_OK);
    CHECK(sequence.count > 5);
    sl_json_init(&json, &sequence);
    run(&record, &json);
    run_view(&flat, sl_view(text, sizeof text - 1));
    CHECK_INT(record.status, SL_END);
    CHECK_STR(record.text, flat.text);
    CHECK_STR(record.text,
              " { k:a long key, \xc3\xa9scaped at least once [ "
              "0.12345678901234568d s:a value of more than one segment, "
              "\xe2\x82\xac ] k:n -1234567890123456789 }");
    sl_sequence_fini(&sequence);
    sl_buffer_fini(&buffer);
    CHECK_INT(sl_pool_fini(&pool), 0);
    test_allocator_fini(&allocator);
}

TEST("a damaged byte has the same outcome wherever the text is cut")
{
    static const char text[] =
        "{\"k\\u00e9\":[1,-2.5e3,\"\xc3\xa9\\ud83d\\ude00\",true,{}]}";
    static const char damage[] = {'"', '\\', '\0', '9', ' ', '\x80', ']'};
    size_t at, i;

    for (at = 0; at < sizeof text - 1; at++) {
        for (i = 0; i < sizeof damage; i++) {
            char damaged[sizeof text];

            memcpy(damaged, text, sizeof text);
            damaged[at] = damage[i];
            run_each(sl_view(damaged, sizeof text - 1));
        }
    }
}

int main(void)
{
    return test_main();
}
