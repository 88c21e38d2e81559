#include "spec/c/support/test.h"

#include "http/chunked.h"

#include <stdio.h>
#include <stdlib.h>

struct decoded {
    char *payload;
    size_t size;
    size_t consumed; /* of all pieces, when it ended or failed */
    size_t calls;
    enum sl_status status;
    const char *error;
};

/* Feeds writable copies that lie against unreadable pages. */
static void decode(struct decoded *decoded, const struct sl_view *pieces,
                   size_t count, bool lenient_lf)
{
    struct sl_chunked chunked;
    size_t room = 1;
    size_t i;

    memset(decoded, 0, sizeof(*decoded));
    for (i = 0; i < count; i++)
        room += pieces[i].size;
    decoded->payload = malloc(room);
    decoded->status = SL_AGAIN;
    sl_chunked_init(&chunked, lenient_lf);
    for (i = 0; i < count; i++) {
        char *copy = guard_copy(pieces[i].data, pieces[i].size);
        struct sl_room rest = {copy, pieces[i].size};

        do {
            struct sl_view payload = {NULL, 0};
            size_t consumed = 0;

            decoded->calls++;
            decoded->status =
                sl_chunked_decode(&chunked, rest, &consumed, &payload);
            if (sl_is_failure(decoded->status))
                break;
            CHECK(consumed <= rest.size);
            CHECK(payload.size == 0 ||
                  (payload.data >= rest.data &&
                   payload.data + payload.size <= rest.data + consumed));
            if (payload.size > 0)
                memcpy(decoded->payload + decoded->size, payload.data,
                       payload.size);
            decoded->size += payload.size;
            decoded->consumed += consumed;
            rest.data += consumed;
            rest.size -= consumed;
            if (decoded->status == SL_AGAIN)
                CHECK_INT(rest.size, 0);
        } while (decoded->status == SL_OK);
        guard_free(copy);
        if (decoded->status != SL_AGAIN)
            break;
    }
    decoded->error = chunked.error;
    if (sl_is_failure(decoded->status)) {
        struct sl_room none = {NULL, 0};
        struct sl_view payload;
        size_t consumed;

        CHECK_INT(sl_chunked_decode(&chunked, none, &consumed, &payload),
                  decoded->status);
    }
}

struct expectation {
    const char *payload;
    size_t size;
    size_t consumed;
    enum sl_status status;
    const char *error;
    bool lenient_lf;
};

static void check_pieces(const struct sl_view *pieces, size_t count,
                         void *argument)
{
    const struct expectation *expected = argument;
    struct decoded decoded;

    decode(&decoded, pieces, count, expected->lenient_lf);
    CHECK_INT(decoded.status, expected->status);
    CHECK_BYTES(decoded.payload, decoded.size, expected->payload,
                expected->size);
    CHECK_STR(decoded.error, expected->error);
    if (expected->status == SL_END)
        CHECK_INT(decoded.consumed, expected->consumed);
    free(decoded.payload);
}

static void check_good(const char *wire, const char *payload)
{
    struct expectation expected = {
        payload, strlen(payload), strlen(wire), SL_END, NULL, false};

    test_note("%.60s", wire);
    test_each_cut(sl_view(wire, strlen(wire)), check_pieces, &expected);
}

static void check_bad(const char *wire, const char *payload,
                      enum sl_status status, const char *error)
{
    struct expectation expected = {payload, strlen(payload), 0,
                                   status,  error,           false};

    test_note("%.60s", wire);
    test_each_cut(sl_view(wire, strlen(wire)), check_pieces, &expected);
}

TEST("joins chunks of every small size")
{
    char wire[2048];
    char payload[1024];
    size_t size = 0, used = 0, n, i;

    for (n = 1; n < 40; n++) {
        used += (size_t)snprintf(wire + used, sizeof(wire) - used,
                                 n % 2 ? "%zx\r\n" : "%02zX\r\n", n);
        for (i = 0; i < n; i++)
            wire[used++] = payload[size++] = (char)('a' + (i + n) % 26);
        wire[used++] = '\r';
        wire[used++] = '\n';
    }
    memcpy(wire + used, "0\r\n", 4);
    payload[size] = '\0';
    check_good(wire, payload);
}

TEST("reads sizes in both cases, with leading zeros and extensions")
{
    check_good("a\r\n0123456789\r\nA;x=y\r\n0123456789\r\n000000001\r\n!\r\n"
               "0000;z\r\n",
               "01234567890123456789!");
    check_good("0\r\n", "");
    check_good("00000000000000000000\r\n", "");
}

TEST("does not touch what follows the last size line")
{
    struct expectation expected = {"ok", 2, 10, SL_END, NULL, false};

    test_each_cut(SL_VIEW("2\r\nok\r\n0\r\nX: y\r\n\r\n"), check_pieces,
                  &expected);
}

TEST("accepts bare LF only if allowed")
{
    struct expectation expected = {"hello!", 6, 16, SL_END, NULL, true};

    check_bad("5\nhello\n", "", SL_PROTOCOL,
              "chunk size is not a hexadecimal number");
    test_each_cut(SL_VIEW("5\nhello\n1;a\n!\n0\n"), check_pieces, &expected);
}

TEST("refuses sizes that overflow, at the digit that does it")
{
    check_bad("8000000000000000", "", SL_PROTOCOL,
              "chunk size exceeds 2^63 - 1");
    check_bad("ffffffffffffffff", "", SL_PROTOCOL,
              "chunk size exceeds 2^63 - 1");
    check_bad("10000000000000000", "", SL_PROTOCOL,
              "chunk size exceeds 2^63 - 1");
    check_bad("1\r\na\r\n08000000000000000", "a", SL_PROTOCOL,
              "chunk size exceeds 2^63 - 1");
    check_bad("000000000000000000001", "", SL_PROTOCOL,
              "chunk size has more than 20 digits");
}

TEST("returns the payload before a failure first")
{
    check_bad("5\r\nhello\r\n3\r\nabcd", "helloabc", SL_PROTOCOL,
              "chunk longer than its size");
    check_bad("1\r\na\r\n1\r\nb\r\nx", "ab", SL_PROTOCOL,
              "chunk size is not a hexadecimal number");
}

TEST("limits each extension separately")
{
    char wire[2048];
    size_t used = 0;
    int i;

    for (i = 0; i < 2; i++) {
        used += (size_t)snprintf(wire + used, sizeof(wire) - used, "1;");
        memset(wire + used, 'e', 255);
        used += 255;
        used += (size_t)snprintf(wire + used, sizeof(wire) - used, "\r\na\r\n");
    }
    snprintf(wire + used, sizeof(wire) - used, "0\r\n");
    check_good(wire, "aa");

    memmove(wire + 3, wire + 2, used);
    wire[2] = 'e';
    check_bad(wire, "", SL_LIMIT, "chunk extension exceeds 256 bytes (fixed)");
}

/* Chunks of `chunk` bytes until `total`; returns the calls it took. */
static size_t count_calls(size_t chunk, size_t total, const char *extension)
{
    char *wire = malloc(total * 3 + total / chunk * 64 + 64);
    char *payload = malloc(total);
    struct decoded decoded;
    struct sl_view view;
    size_t used = 0, done;

    for (done = 0; done < total; done += chunk) {
        used += (size_t)sprintf(wire + used, "%zx%s\r\n", chunk, extension);
        memset(wire + used, (int)('a' + done / chunk % 26), chunk);
        memcpy(payload + done, wire + used, chunk);
        used += chunk;
        used += (size_t)sprintf(wire + used, "\r\n");
    }
    used += (size_t)sprintf(wire + used, "0\r\n");
    view = sl_view(wire, used);
    decode(&decoded, &view, 1, false);
    CHECK_INT(decoded.status, SL_END);
    CHECK_BYTES(decoded.payload, decoded.size, payload, total);
    free(decoded.payload);
    free(payload);
    free(wire);
    return decoded.calls;
}

TEST("joins small chunks into one piece and passes large ones in place")
{
    CHECK_INT(count_calls(1, 4096, ""), 1);
    CHECK_INT(count_calls(16, 16384, ""), 1);
    CHECK_INT(count_calls(255, 255 * 16, ""), 1);
    CHECK_INT(count_calls(511, 511 * 8, ""), 1);
    CHECK_INT(count_calls(512, 512 * 8, ""), 8);
    CHECK_INT(count_calls(4096, 4096 * 4, ""), 4);
    /* more framing than an eighth: joined, so that it keeps no memory */
    CHECK_INT(count_calls(512, 512 * 8,
                          ";a=0123456789012345678901234567890123456789"
                          "01234567890123456789"),
              1);
}

TEST("does not write to bytes that others hold")
{
    static const char wire[] = "3\r\nabc\r\n2;x\r\nde\r\n0\r\n";
    static const char *const expected[] = {"abc", "de"};
    struct sl_chunked chunked;
    struct sl_room rest = {guard_copy(wire, sizeof(wire) - 1),
                           sizeof(wire) - 1};
    const char *start = rest.data;
    struct sl_view payload;
    size_t consumed;
    size_t i;

    sl_chunked_init(&chunked, false);
    chunked.keeps_input = true;
    for (i = 0; i < 2; i++) {
        CHECK_INT(sl_chunked_decode(&chunked, rest, &consumed, &payload),
                  i == 0 ? SL_OK : SL_END);
        CHECK_VIEW(payload, expected[i]);
        rest.data += consumed;
        rest.size -= consumed;
    }
    CHECK_BYTES(start, sizeof(wire) - 1, wire, sizeof(wire) - 1);
}

TEST("reads random chunks alike, cut at random")
{
    unsigned seed = 1;
    int round;

    for (round = 0; round < 300; round++) {
        char wire[8192], payload[4096];
        struct sl_view pieces[64];
        size_t used = 0, size = 0, count = 0, from = 0;
        struct expectation expected = {payload, 0, 0, SL_END, NULL, false};

        test_note("round %d", round);
        while (size < 2000) {
            size_t n =
                (size_t)(rand_r(&seed) % (rand_r(&seed) % 8 ? 40 : 900)) + 1;
            size_t i;

            used += (size_t)sprintf(
                wire + used,
                rand_r(&seed) % 8 ? "%zx\r\n" : "%04zx;a=\"b\"\r\n", n);
            for (i = 0; i < n; i++)
                wire[used++] = payload[size++] = (char)rand_r(&seed);
            used += (size_t)sprintf(wire + used, "\r\n");
        }
        used += (size_t)sprintf(wire + used, "0\r\n");
        while (from < used && count < 63) {
            size_t n = (size_t)rand_r(&seed) % 300 + 1;

            n = n < used - from ? n : used - from;
            pieces[count++] = sl_view(wire + from, n);
            from += n;
        }
        pieces[count++] = sl_view(wire + from, used - from);
        expected.size = size;
        expected.consumed = used;
        check_pieces(pieces, count, &expected);
    }
}

/* `count` chunks of that size, with size lines of so many digits. */
static size_t write_alike(char *wire, size_t used, char *payload, size_t *size,
                          size_t count, size_t chunk, int digits)
{
    for (size_t k = 0; k < count; k++) {
        used += (size_t)sprintf(wire + used, "%0*zx\r\n", digits, chunk);
        for (size_t i = 0; i < chunk; i++) {
            payload[*size] = (char)('a' + *size % 23);
            wire[used++] = payload[(*size)++];
        }
        used += (size_t)sprintf(wire + used, "\r\n");
    }
    return used;
}

TEST("joins chunks that are alike, and others behind them")
{
    static char wire[8192], payload[8192];

    for (int digits = 1; digits <= 7; digits++) {
        for (size_t chunk = 1; chunk < 600; chunk += 1 + chunk / 20) {
            struct expectation expected = {payload, 0, 0, SL_END, NULL, false};
            struct sl_view piece;
            size_t used;

            test_note("%d digits, %zu bytes", digits, chunk);
            used =
                write_alike(wire, 0, payload, &expected.size, 6, chunk, digits);
            used = write_alike(wire, used, payload, &expected.size, 2,
                               chunk + 1, digits);
            used = write_alike(wire, used, payload, &expected.size, 2, chunk,
                               digits + 1);
            used += (size_t)sprintf(wire + used, "0\r\n");
            expected.consumed = used;
            piece = sl_view(wire, used);
            check_pieces(&piece, 1, &expected);
        }
    }
}

TEST("refuses a wrong end among chunks that are alike")
{
    char wire[512], payload[256];

    for (int digits = 1; digits <= 3; digits++) {
        for (size_t chunk = 1; chunk < 16; chunk++) {
            size_t size = 0;
            size_t used =
                write_alike(wire, 0, payload, &size, 3, chunk, digits);

            payload[size] = '\0';
            write_alike(wire, used, payload, &size, 2, chunk, digits);
            payload[chunk * 3] = '\0';
            memcpy(wire + used * 5 / 3, "0\r\n", 4);
            wire[used - 2] = 'x';
            check_bad(wire, payload, SL_PROTOCOL, "chunk longer than its size");
            memcpy(wire + used - 2, "\rx", 2);
            check_bad(wire, payload, SL_PROTOCOL,
                      "CR without LF after a chunk");
        }
    }
}

/* What may follow the beginning of a size line, beside `bytes`. */
enum followers { NOTHING, TOKEN, TEXT };

static bool may_follow(enum followers followers, const char *bytes, int byte)
{
    bool is_text = byte == '\t' || (byte >= ' ' && byte != 0x7f);
    bool is_token = byte > ' ' && byte < 0x7f &&
                    strchr("\"(),/:;<=>?@[\\]{}", byte) == NULL;

    return (byte != 0 && strchr(bytes, byte) != NULL) ||
           (followers == TOKEN && is_token) || (followers == TEXT && is_text);
}

TEST("fails at the first byte that cannot go on a line of framing")
{
    static const struct {
        const char *start;
        enum followers followers;
        const char *bytes;
    } lines[] = {
        {"", NOTHING, "0123456789abcdefABCDEF"},
        {"1", NOTHING, "0123456789abcdefABCDEF \t\r;"},
        {"1 ", NOTHING, " \t;"},
        {"1;", TOKEN, " \t"},
        {"1; ", TOKEN, " \t"},
        {"1;a", TOKEN, " \t\r;="},
        {"1;a ", NOTHING, " \t;="},
        {"1;a=", TOKEN, " \t\""},
        {"1;a= ", TOKEN, " \t\""},
        {"1;a=b", TOKEN, " \t\r;"},
        {"1;a=b ", NOTHING, " \t;"},
        {"1;a=\"", TEXT, ""},
        {"1;a=\"\\", TEXT, ""},
        {"1;a=\"b\"", NOTHING, " \t\r;"},
        {"1;a=b;", TOKEN, " \t"},
        {"1\r", NOTHING, "\n"},
        {"1;a\r", NOTHING, "\n"},
        {"1\r\nx", NOTHING, "\r"},
        {"1\r\nx\r", NOTHING, "\n"},
    };

    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        for (int byte = 0; byte < 256; byte++) {
            char c = (char)byte;
            struct sl_view pieces[] = {
                sl_view(lines[i].start, strlen(lines[i].start)),
                sl_view(&c, 1)};
            struct decoded decoded;

            test_note("%d behind %s", byte, lines[i].start);
            decode(&decoded, pieces, 2, false);
            CHECK_INT(decoded.status,
                      may_follow(lines[i].followers, lines[i].bytes, byte)
                          ? SL_AGAIN
                          : SL_PROTOCOL);
            free(decoded.payload);
        }
    }
}

int main(void)
{
    return test_main();
}
