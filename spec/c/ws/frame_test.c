#include "ws/frame.h"

#include "spec/c/support/test.h"

#include <stdio.h>
#include <string.h>

/* ---- reading ---- */

struct expectation {
    bool is_server;
    bool may_compress;
    enum sl_status status; /* of the last call */
    const char *error;
    const char *frames; /* each as "opcode,final,compressed,size;" */
    size_t consumed;    /* until then; 0: all of it */
};

/* Reads heads until the pieces end; payloads are left out as they come. */
static void read_pieces(const struct sl_view *pieces, size_t count,
                        void *argument)
{
    const struct expectation *expected = argument;
    struct sl_ws_reader reader;
    enum sl_status status = SL_AGAIN;
    char frames[400] = "";
    uint64_t left = 0;
    size_t total = 0;
    size_t i;

    sl_ws_reader_init(&reader, expected->is_server, expected->may_compress);
    for (i = 0; i < count && !sl_is_failure(status); i++) {
        struct sl_view rest = pieces[i];

        while (rest.size > 0 && !sl_is_failure(status)) {
            size_t used = left < rest.size ? (size_t)left : rest.size;
            struct sl_ws_frame frame;

            left -= used;
            if (used == 0) {
                status = sl_ws_reader_next(&reader, rest, &used, &frame);
                if (status == SL_OK) {
                    size_t at = strlen(frames);

                    left = frame.size;
                    snprintf(frames + at, sizeof frames - at, "%u,%d,%d,%llu;",
                             frame.opcode, frame.is_final, frame.is_compressed,
                             (unsigned long long)frame.size);
                }
            }
            total += used;
            rest.data += used;
            rest.size -= used;
        }
    }
    CHECK_INT(status, expected->status);
    CHECK_STR(reader.error, expected->error);
    CHECK_STR(frames, expected->frames);
    if (expected->consumed > 0)
        CHECK_INT(total, expected->consumed);
    if (sl_is_failure(status)) {
        struct sl_ws_frame frame;
        size_t used;

        CHECK_INT(
            sl_ws_reader_next(&reader, SL_VIEW("\x81\x00"), &used, &frame),
            SL_PROTOCOL);
        CHECK_INT(used, 0);
    }
}

static void check_good(bool is_server, bool may_compress, struct sl_view wire,
                       const char *frames)
{
    struct expectation expected = {is_server, may_compress, SL_OK,
                                   NULL,      frames,       wire.size};

    test_note("%s", frames);
    test_each_cut(wire, read_pieces, &expected);
}

/* Fails at the last byte of `wire`, and whatever follows is not looked at. */
static void check_bad(bool is_server, bool may_compress, struct sl_view wire,
                      const char *frames, const char *error)
{
    struct expectation expected = {is_server, may_compress, SL_PROTOCOL,
                                   error,     frames,       wire.size};

    test_note("%s: %02x %02x", error, (unsigned char)wire.data[0],
              wire.size > 1 ? (unsigned char)wire.data[1] : 0);
    test_each_cut(wire, read_pieces, &expected);
}

TEST("reads the examples of RFC 6455 5.7")
{
    check_good(false, false, SL_VIEW("\x81\x05Hello"), "1,1,0,5;");
    check_good(true, false,
               SL_VIEW("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"),
               "1,1,0,5;");
    check_good(false, false, SL_VIEW("\x01\x03Hel\x80\x02lo"),
               "1,0,0,3;0,1,0,2;");
    check_good(false, false, SL_VIEW("\x89\x05Hello"), "9,1,0,5;");
}

TEST("reads sizes of each form, and refuses those that would fit a shorter one")
{
    const struct {
        struct sl_view wire;
        const char *frames;
    } good[] = {
        {SL_VIEW("\x82\x00"), "2,1,0,0;"},
        {SL_VIEW("\x82\x7d"), "2,1,0,125;"},
        {SL_VIEW("\x82\x7e\x00\x7e"), "2,1,0,126;"},
        {SL_VIEW("\x82\x7e\xff\xff"), "2,1,0,65535;"},
        {SL_VIEW("\x82\x7f\0\0\0\0\0\1\0\0"), "2,1,0,65536;"},
        {SL_VIEW("\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"),
         "2,1,0,9223372036854775807;"},
    };
    static const char shortest[] = "a size is not in its shortest form";
    size_t i;

    for (i = 0; i < sizeof good / sizeof *good; i++)
        check_good(false, false, good[i].wire, good[i].frames);
    check_bad(false, false, SL_VIEW("\x82\x7e\x00\x00"), "", shortest);
    check_bad(false, false, SL_VIEW("\x82\x7e\x00\x7d"), "", shortest);
    check_bad(false, false, SL_VIEW("\x82\x7f\0\0\0\0\0\0\xff\xff"), "",
              shortest);
    check_bad(true, false, SL_VIEW("\x82\xfe\x00\x05"), "", shortest);
    check_bad(false, false, SL_VIEW("\x82\x7f\x80"), "",
              "a size exceeds 2^63 - 1");
    check_bad(false, false, SL_VIEW("\x82\x7f\xff"), "",
              "a size exceeds 2^63 - 1");
}

/* What RFC 6455 says of a first byte, when a message is under way or not. */
static const char *judge(unsigned first, bool may_compress, bool is_in_message)
{
    unsigned opcode = first & 15;
    bool is_final = (first & 0x80) != 0;
    bool is_data = opcode == 1 || opcode == 2;

    if ((opcode > 2 && opcode < 8) || opcode > 10)
        return "unknown opcode";
    if ((first & 0x30) != 0)
        return "reserved bits are set";
    if ((first & 0x40) != 0 && !(may_compress && is_data))
        return "reserved bits are set";
    if (opcode >= 8 && !is_final)
        return "a control frame is fragmented";
    if (opcode == 0 && !is_in_message)
        return "a continuation of no message";
    if (is_data && is_in_message)
        return "a message begins within another";
    return NULL;
}

TEST("judges every first byte, alone and within a message")
{
    unsigned first;
    int kind;

    for (first = 0; first < 256; first++) {
        for (kind = 0; kind < 4; kind++) {
            bool may_compress = (kind & 1) != 0;
            bool is_in_message = (kind & 2) != 0;
            const char *error = judge(first, may_compress, is_in_message);
            char wire[4] = {1, 0, (char)first, 0};
            struct sl_view all = sl_view(wire, error == NULL ? 4 : 3);
            char frames[40];

            snprintf(frames, sizeof frames, "%s%u,%d,%d,0;",
                     is_in_message ? "1,0,0,0;" : "", first & 15,
                     (first & 0x80) != 0, (first & 0x40) != 0);
            if (error != NULL)
                frames[is_in_message ? 8 : 0] = '\0';
            if (!is_in_message) {
                all.data += 2;
                all.size -= 2;
            }
            if (error == NULL)
                check_good(false, may_compress, all, frames);
            else
                check_bad(false, may_compress, all, frames, error);
        }
    }
}

TEST("insists on masks of clients, and on none of servers")
{
    check_bad(false, false, SL_VIEW("\x81\x85"), "",
              "a server's frame is masked");
    check_bad(false, false, SL_VIEW("\x89\x80"), "",
              "a server's frame is masked");
    check_bad(true, false, SL_VIEW("\x81\x05"), "",
              "a client's frame is not masked");
    check_bad(true, false, SL_VIEW("\x88\x00"), "",
              "a client's frame is not masked");
}

TEST("lets control frames through between fragments, if they are small")
{
    check_good(false, false,
               SL_VIEW("\x01\x01"
                       "a\x89\x00\x00\x01"
                       "b\x8a\x01x\x80\x00"),
               "1,0,0,1;9,1,0,0;0,0,0,1;10,1,0,1;0,1,0,0;");
    check_good(false, false, SL_VIEW("\x88\x7d"), "8,1,0,125;");
    check_bad(false, false, SL_VIEW("\x89\x7e"), "",
              "a control frame exceeds 125 bytes");
    check_bad(false, false, SL_VIEW("\x01\x00\x8a\x7f"), "1,0,0,0;",
              "a control frame exceeds 125 bytes");
    check_bad(false, true, SL_VIEW("\xc1\x00\xc9"), "1,1,1,0;",
              "reserved bits are set");
    check_bad(false, true, SL_VIEW("\x41\x00\xc0"), "1,0,1,0;",
              "reserved bits are set");
}

TEST("asks for more while a head is not complete")
{
    const struct sl_view head =
        SL_VIEW("\x82\xff\0\0\0\0\0\1\0\0\x37\xfa\x21\x3d");
    size_t size;

    for (size = 0; size < head.size; size++) {
        struct sl_ws_reader reader;
        struct sl_ws_frame frame;
        size_t used;

        sl_ws_reader_init(&reader, true, false);
        CHECK_INT(
            sl_ws_reader_next(&reader, sl_view(head.data, size), &used, &frame),
            SL_AGAIN);
        CHECK_INT(used, size);
        CHECK_INT(sl_ws_reader_next(&reader,
                                    sl_view(head.data + size, head.size - size),
                                    &used, &frame),
                  SL_OK);
        CHECK_INT(used, head.size - size);
        CHECK_BYTES(frame.key, SL_MASK_SIZE, "\x37\xfa\x21\x3d", SL_MASK_SIZE);
    }
}

/* ---- writing ---- */

TEST("writes what it reads, in the shortest form")
{
    static const uint64_t sizes[] = {0,     1,     125,   126,
                                     65535, 65536, 70000, INT64_MAX};
    static const size_t bytes[] = {2, 2, 2, 4, 4, 10, 10, 10};
    size_t i;
    int masks;

    for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (masks = 0; masks < 2; masks++) {
            struct sl_ws_frame frame = {SL_WS_BINARY, true,         true,
                                        masks != 0,   {1, 2, 3, 4}, sizes[i]};
            struct sl_ws_frame back;
            struct sl_ws_reader reader;
            char head[SL_WS_HEAD_MAX];
            size_t size = sl_ws_frame_write(&frame, head);
            size_t used;

            CHECK_INT(size, bytes[i] + (masks ? 4 : 0));
            sl_ws_reader_init(&reader, masks != 0, true);
            CHECK_INT(
                sl_ws_reader_next(&reader, sl_view(head, size), &used, &back),
                SL_OK);
            CHECK_INT(used, size);
            CHECK_INT(back.opcode, SL_WS_BINARY);
            CHECK(back.is_final && back.is_compressed);
            CHECK_INT(back.size, sizes[i]);
            if (masks)
                CHECK_BYTES(back.key, 4, frame.key, 4);
        }
    }
}

/* A buffer that fails where its allocator does, and what a frame in it is. */
int main(void)
{
    return test_main();
}
