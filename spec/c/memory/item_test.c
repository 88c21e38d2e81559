#include "memory/item.h"

#include "spec/c/support/test.h"

#include <stdlib.h>

/* ---- what an item has to be, found in the text as a whole ---- */

struct expected {
    bool is_there;
    size_t size;
    size_t used;
    char numeral[SL_NUMERAL_MAX + 1];
};

/* liolib's l_getn and its helpers, over text that ends with a zero byte. */
struct numeral {
    const char *at;
    size_t size;
    char text[SL_NUMERAL_MAX + 1];
};

static bool next(struct numeral *numeral)
{
    if (numeral->size >= SL_NUMERAL_MAX) {
        numeral->text[0] = '\0';
        return false;
    }
    numeral->text[numeral->size++] = *numeral->at++;
    return true;
}

static bool next_of(struct numeral *numeral, const char *set)
{
    return *numeral->at != '\0' && strchr(set, *numeral->at) != NULL &&
           next(numeral);
}

static int next_digits(struct numeral *numeral, bool is_hexadecimal)
{
    int count = 0;

    while (next_of(numeral,
                   is_hexadecimal ? "0123456789abcdefABCDEF" : "0123456789"))
        count++;
    return count;
}

static void expect_number(struct expected *expected, const char *text)
{
    struct numeral numeral = {.at = text + strspn(text, " \f\n\r\t\v")};
    bool is_hexadecimal = false;
    int count = 0;

    next_of(&numeral, "+-");
    if (next_of(&numeral, "0")) {
        if (next_of(&numeral, "xX"))
            is_hexadecimal = true;
        else
            count = 1;
    }
    count += next_digits(&numeral, is_hexadecimal);
    if (next_of(&numeral, "."))
        count += next_digits(&numeral, is_hexadecimal);
    if (count > 0 && next_of(&numeral, is_hexadecimal ? "pP" : "eE")) {
        next_of(&numeral, "-+");
        next_digits(&numeral, false);
    }
    numeral.text[numeral.size] = '\0';
    strcpy(expected->numeral, numeral.text);
    expected->used = (size_t)(numeral.at - text);
    expected->is_there = true;
}

static void expect_line(struct expected *expected, enum sl_item_kind kind,
                        struct sl_view text)
{
    const char *end = memchr(text.data, '\n', text.size);
    size_t before = end != NULL ? (size_t)(end - text.data) : text.size;

    expected->is_there = text.size > 0;
    expected->size = before;
    expected->used = before + (end != NULL);
    if (end == NULL)
        return;
    if (kind == SL_ITEM_WHOLE_LINE)
        expected->size++;
    else if (kind == SL_ITEM_TEXT_LINE && before > 0 && end[-1] == '\r')
        expected->size--;
}

static struct expected expect(enum sl_item_kind kind, size_t wanted,
                              struct sl_view text)
{
    struct expected expected = {0};

    switch (kind) {
    case SL_ITEM_NUMBER:
        expect_number(&expected, text.data);
        break;
    case SL_ITEM_COUNT:
        expected.is_there = text.size > 0;
        expected.size = expected.used = wanted < text.size ? wanted : text.size;
        break;
    case SL_ITEM_ALL:
        expected.is_there = true;
        expected.size = expected.used = text.size;
        break;
    default:
        expect_line(&expected, kind, text);
    }
    return expected;
}

/* ---- comparing ---- */

static const enum sl_item_kind kinds[] = {SL_ITEM_LINE,       SL_ITEM_TEXT_LINE,
                                          SL_ITEM_WHOLE_LINE, SL_ITEM_NUMBER,
                                          SL_ITEM_COUNT,      SL_ITEM_ALL};

#define KINDS (sizeof kinds / sizeof *kinds)

static void check_item(const struct sl_item *item, bool is_there,
                       const struct expected *expected)
{
    CHECK_INT(is_there, expected->is_there);
    if (!is_there)
        return;
    CHECK_INT(item->used, expected->used);
    if (item->kind == SL_ITEM_NUMBER)
        CHECK_STR(item->numeral, expected->numeral);
    else
        CHECK_INT(item->size, expected->size);
}

struct wish {
    enum sl_item_kind kind;
    size_t wanted;
    struct expected expected;
};

static void feed_pieces(const struct sl_view *pieces, size_t count,
                        void *argument)
{
    const struct wish *wish = argument;
    struct sl_item item;
    bool is_complete = false;

    sl_item_begin(&item, wish->kind, wish->wanted);
    for (size_t i = 0; i < count && !is_complete; i++)
        is_complete = sl_item_feed(&item, pieces[i]);
    if (!is_complete)
        is_complete = sl_item_end(&item);
    check_item(&item, is_complete, &wish->expected);
}

/* As feed_pieces, over one buffer and sequence of it; the buffer's bytes come
 * one by one, and each time the item begins anew. */
static void scan_segments(struct sl_view text, const struct wish *wish,
                          size_t segment_size)
{
    const struct sl_pool_options options = {.segment_size = segment_size,
                                            .spare_limit = SIZE_MAX};
    struct test_allocator allocator;
    struct sl_pool pool;
    struct sl_buffer buffer;
    struct sl_sequence sequence;
    struct sl_reader reader;
    struct sl_item item;
    bool is_complete = false;

    test_allocator_init(&allocator);
    sl_pool_init(&pool, &allocator.base, &options);
    sl_buffer_init(&buffer, &pool, SIZE_MAX);
    sl_item_begin(&item, wish->kind, wish->wanted);
    for (size_t i = 0; i < text.size; i++) {
        REQUIRE(sl_buffer_append(&buffer, sl_view(text.data + i, 1)) == SL_OK);
        if (is_complete)
            continue;
        sl_item_begin(&item, wish->kind, wish->wanted);
        sl_item_resume(&item, i);
        is_complete = sl_item_scan_buffer(&item, &buffer);
    }
    check_item(&item, is_complete || sl_item_end(&item), &wish->expected);

    sl_sequence_init(&sequence, &allocator.base);
    REQUIRE(sl_sequence_take(&sequence, &buffer) == SL_OK);
    sl_buffer_fini(&buffer);
    sl_reader_init(&reader, &sequence);
    sl_item_begin(&item, wish->kind, wish->wanted);
    is_complete = sl_item_scan_reader(&item, &reader);
    check_item(&item, is_complete || sl_item_end(&item), &wish->expected);
    CHECK_INT(reader.position, 0);
    sl_sequence_fini(&sequence);
    sl_pool_fini(&pool);
    test_allocator_fini(&allocator);
}

static void check_text(struct sl_view text)
{
    for (size_t i = 0; i < KINDS; i++) {
        size_t most = kinds[i] == SL_ITEM_COUNT ? text.size + 1 : 0;

        for (size_t wanted = 0; wanted <= most; wanted++) {
            struct wish wish = {kinds[i], wanted,
                                expect(kinds[i], wanted, text)};

            test_note("'%.*s', kind %d, %zu wanted", (int)text.size, text.data,
                      (int)kinds[i], wanted);
            test_each_cut(text, feed_pieces, &wish);
            for (size_t size = 1; size <= 4; size++)
                scan_segments(text, &wish, size);
        }
    }
}

TEST("an item is read alike wherever its bytes are cut")
{
    const struct sl_view texts[] = {
        SL_VIEW(""),
        SL_VIEW("\n"),
        SL_VIEW("\r\n"),
        SL_VIEW("\r"),
        SL_VIEW("one"),
        SL_VIEW("one\n"),
        SL_VIEW("a\rb\r\nc"),
        SL_VIEW("a\r\r\n\n"),
        SL_VIEW("\0a\0\nb"),
        SL_VIEW("12 34"),
        SL_VIEW(" \f\n\r\t\v"),
        SL_VIEW("\n -0x1F.8p-3z"),
        SL_VIEW("0"),
        SL_VIEW("0x"),
        SL_VIEW("0xg"),
        SL_VIEW("00x1"),
        SL_VIEW("+.5e+"),
        SL_VIEW(".e1"),
        SL_VIEW("1e5e"),
        SL_VIEW("1.2.3"),
        SL_VIEW("-+1"),
        SL_VIEW("0x.p1"),
        SL_VIEW("0x1e5"),
        SL_VIEW("1p5"),
        SL_VIEW("5.\0"
                "1"),
        SL_VIEW("nan"),
        SL_VIEW("1_0"),
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        check_text(texts[i]);
}

TEST("random numerals end where Lua's liolib ends them")
{
    static const char alphabet[] = "0019afxXeEpP+-.. \n";
    char text[14];

    srand(9);
    for (int round = 0; round < 3000; round++) {
        size_t size = (size_t)rand() % (sizeof text - 1);
        struct wish wish = {.kind = SL_ITEM_NUMBER};

        for (size_t i = 0; i < size; i++)
            text[i] = alphabet[(size_t)rand() % (sizeof alphabet - 1)];
        text[size] = '\0';
        test_note("'%s'", text);
        wish.expected = expect(SL_ITEM_NUMBER, 0, sl_view(text, size));
        test_each_cut(sl_view(text, size), feed_pieces, &wish);
    }
}

TEST("a numeral has at most 200 bytes")
{
    char text[260];

    for (size_t size = SL_NUMERAL_MAX - 1; size <= SL_NUMERAL_MAX + 2; size++) {
        struct wish wish = {.kind = SL_ITEM_NUMBER};

        text[0] = ' ';
        memset(text + 1, '7', size);
        strcpy(text + 1 + size, "e7 ");
        test_note("%zu digits", size);
        wish.expected = expect(SL_ITEM_NUMBER, 0, sl_view(text, strlen(text)));
        CHECK_INT(wish.expected.numeral[0],
                  size + 2 <= SL_NUMERAL_MAX ? '7' : 0);
        test_each_cut(sl_view(text, strlen(text)), feed_pieces, &wish);
    }
}

TEST("white space before a numeral is reported, so that it can be dropped")
{
    struct sl_item item;

    sl_item_begin(&item, SL_ITEM_NUMBER, 0);
    CHECK(!sl_item_feed(&item, SL_VIEW(" \n ")));
    CHECK(!sl_item_feed(&item, SL_VIEW(" 1")));
    CHECK_INT(item.skipped, 4);
    CHECK(sl_item_feed(&item, SL_VIEW("2 ")));
    CHECK_INT(item.skipped, 4);
    CHECK_INT(item.used, 6);
    CHECK_STR(item.numeral, "12");
}

TEST("the known part of a line is not searched again")
{
    struct sl_item item;

    sl_item_begin(&item, SL_ITEM_TEXT_LINE, 0);
    sl_item_resume(&item, 1000);
    CHECK_INT(item.seen, 999);
    CHECK(sl_item_feed(&item, SL_VIEW("\r\n")));
    CHECK_INT(item.size, 999);
    CHECK_INT(item.used, 1001);
}

int main(void)
{
    return test_main();
}
