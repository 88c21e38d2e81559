#include "ws/frame.h"

#include "base/debug.h"

#include <string.h>

/* Bits of the first two bytes. */
#define FINAL    0x80
#define RESERVED 0x70
#define RSV1     0x40
#define OPCODE   0x0f
#define MASKED   0x80
#define SIZE     0x7f

/* Values of the seven bits of size that announce a longer one. */
#define SIZE_16 126
#define SIZE_64 127

void sl_ws_reader_init(struct sl_ws_reader *reader, bool is_server,
                       bool may_compress)
{
    memset(reader, 0, sizeof(*reader));
    reader->is_server = is_server;
    reader->may_compress = may_compress;
}

/* ---- reading ---- */

static bool is_opcode(unsigned opcode)
{
    return opcode <= SL_WS_BINARY ||
           (opcode >= SL_WS_CLOSE && opcode <= SL_WS_PONG);
}

/* What is wrong with the first byte of a head, or NULL. */
static const char *check_first(const struct sl_ws_reader *reader,
                               unsigned first)
{
    unsigned opcode = first & OPCODE;
    bool is_data = opcode == SL_WS_TEXT || opcode == SL_WS_BINARY;

    if (!is_opcode(opcode))
        return "unknown opcode";
    if ((first & RESERVED & ~(unsigned)RSV1) != 0)
        return "reserved bits are set";
    /* RFC 7692 6: of the first frame of a message alone */
    if ((first & RSV1) != 0 && !(reader->may_compress && is_data))
        return "reserved bits are set";
    if (opcode >= SL_WS_CLOSE)
        return (first & FINAL) != 0 ? NULL : "a control frame is fragmented";
    if (opcode == SL_WS_CONTINUATION && !reader->is_in_message)
        return "a continuation of no message";
    if (is_data && reader->is_in_message)
        return "a message begins within another";
    return NULL;
}

/* What is wrong with the second byte, or NULL. */
static const char *check_second(const struct sl_ws_reader *reader,
                                unsigned second)
{
    bool is_control = (reader->head[0] & OPCODE) >= SL_WS_CLOSE;

    if (reader->is_server != ((second & MASKED) != 0))
        return reader->is_server ? "a client's frame is not masked"
                                 : "a server's frame is masked";
    if (is_control && (second & SIZE) > SL_WS_CONTROL_MAX)
        return "a control frame exceeds " SL_NUMERAL(
            SL_WS_CONTROL_MAX) " bytes";
    return NULL;
}

/* The bytes of size that follow the second byte. */
static size_t size_bytes(unsigned second)
{
    switch (second & SIZE) {
    case SIZE_16:
        return 2;
    case SIZE_64:
        return 8;
    default:
        return 0;
    }
}

/* How many bytes a head has that begins like this, as far as is known. */
static size_t head_size(const struct sl_ws_reader *reader)
{
    if (reader->held < 2)
        return 2;
    return 2 + size_bytes(reader->head[1]) +
           ((reader->head[1] & MASKED) != 0 ? SL_MASK_SIZE : 0);
}

static uint64_t read_number(const unsigned char *bytes, size_t count)
{
    uint64_t number = 0;
    size_t i;

    for (i = 0; i < count; i++)
        number = number << 8 | bytes[i];
    return number;
}

/* What is wrong with a longer size, or NULL. RFC 6455 5.2: the shortest form,
 * and the highest bit is 0. */
static const char *check_size(unsigned count, uint64_t size)
{
    if (count == 8 && size > INT64_MAX)
        return "a size exceeds 2^63 - 1";
    if ((count == 2 && size < SIZE_16) || (count == 8 && size <= UINT16_MAX))
        return "a size is not in its shortest form";
    return NULL;
}

/* The head is complete. */
static void describe(const struct sl_ws_reader *reader,
                     struct sl_ws_frame *frame)
{
    const unsigned char *head = reader->head;
    size_t count = size_bytes(head[1]);

    frame->opcode = head[0] & OPCODE;
    frame->is_final = (head[0] & FINAL) != 0;
    frame->is_compressed = (head[0] & RSV1) != 0;
    frame->is_masked = (head[1] & MASKED) != 0;
    frame->size = count > 0 ? read_number(head + 2, count) : head[1] & SIZE;
    if (frame->is_masked)
        memcpy(frame->key, head + 2 + count, SL_MASK_SIZE);
    else
        memset(frame->key, 0, SL_MASK_SIZE);
}

/* What is wrong with the byte that was taken last, or NULL. */
static const char *check_last(const struct sl_ws_reader *reader)
{
    unsigned count;

    if (reader->held == 1)
        return check_first(reader, reader->head[0]);
    if (reader->held == 2)
        return check_second(reader, reader->head[1]);
    count = (unsigned)size_bytes(reader->head[1]);
    if (reader->held == 2 + count)
        return check_size(count, read_number(reader->head + 2, count));
    if (count == 8 && reader->held == 3 && reader->head[2] > 0x7f)
        return "a size exceeds 2^63 - 1";
    return NULL;
}

static enum sl_status fail(struct sl_ws_reader *reader, const char *error)
{
    reader->error = error;
    return SL_PROTOCOL;
}

enum sl_status sl_ws_reader_next(struct sl_ws_reader *reader,
                                 struct sl_view bytes, size_t *consumed,
                                 struct sl_ws_frame *frame)
{
    *consumed = 0;
    if (reader->error != NULL)
        return SL_PROTOCOL;
    while (reader->held < head_size(reader)) {
        const char *error;

        if (*consumed == bytes.size)
            return SL_AGAIN;
        reader->head[reader->held++] = (unsigned char)bytes.data[*consumed];
        ++*consumed;
        error = check_last(reader);
        if (error != NULL)
            return fail(reader, error);
    }
    describe(reader, frame);
    reader->held = 0;
    if (!sl_ws_is_control(frame))
        reader->is_in_message = !frame->is_final;
    return SL_OK;
}

/* ---- writing ---- */

static size_t write_number(char *to, uint64_t number, size_t count)
{
    size_t i;

    for (i = count; i > 0; i--, number >>= 8)
        to[i - 1] = (char)(number & 0xff);
    return count;
}

size_t sl_ws_frame_write(const struct sl_ws_frame *frame,
                         char head[SL_WS_HEAD_MAX])
{
    unsigned mask = frame->is_masked ? MASKED : 0;
    size_t used = 2;

    sl_assert(frame->size <= INT64_MAX);
    sl_assert(!sl_ws_is_control(frame) ||
              (frame->is_final && frame->size <= SL_WS_CONTROL_MAX));
    head[0] = (char)((frame->is_final ? FINAL : 0) |
                     (frame->is_compressed ? RSV1 : 0) | frame->opcode);
    if (frame->size < SIZE_16) {
        head[1] = (char)(mask | (unsigned)frame->size);
    } else if (frame->size <= UINT16_MAX) {
        head[1] = (char)(mask | SIZE_16);
        used += write_number(head + used, frame->size, 2);
    } else {
        head[1] = (char)(mask | SIZE_64);
        used += write_number(head + used, frame->size, 8);
    }
    if (frame->is_masked) {
        memcpy(head + used, frame->key, SL_MASK_SIZE);
        used += SL_MASK_SIZE;
    }
    return used;
}
