/* A whole response: cut anywhere it must say the same, and keep nothing.
 *
 *   byte 0   what was asked: HEAD, CONNECT, upgrade, close, decoding,
 *            input ends, cleanly, lenient_lf
 *   byte 1   the body's limit; 255: none
 *   byte 2   how the second run is cut
 *   rest     bytes as received
 */
#include "spec/c/http/transcript.h"

#define OPTIONS 3
#define PIECES  64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_options(struct transcript_setup *setup, const uint8_t *data)
{
    sl_response_limits_default(&setup->limits);
    setup->limits.head.head = 2048;
    setup->limits.head.line = 256;
    setup->limits.head.lines = 16;
    setup->limits.body = data[1] == 255 ? UINT64_MAX : data[1];
    setup->request.is_head = data[0] & 1;
    setup->request.is_connect = data[0] & 2;
    setup->request.wants_upgrade = data[0] & 4;
    setup->request.wants_close = data[0] & 8;
    setup->decodes = data[0] & 16;
    setup->ends = data[0] & 32;
    setup->is_clean = data[0] & 64;
    setup->limits.head.lenient_lf = data[0] & 128;
}

/* Pieces of `step` bytes, the last with all that is left. */
static size_t cut(struct sl_view *pieces, struct sl_view whole, size_t step)
{
    size_t count = 0;

    while (count < PIECES - 1 && whole.size > step) {
        pieces[count++] = sl_view(whole.data, step);
        whole = sl_view(whole.data + step, whole.size - step);
    }
    pieces[count++] = whole;
    return count;
}

/* Corrupt coded data may pass the limit before it is found out, and of two
 * corrupt layers either may be found first. */
static bool is_decoding(enum sl_status status)
{
    return status == SL_DECODE || status == SL_LIMIT;
}

static bool is_same(const struct transcript *a, const struct transcript *b)
{
    if (a->failed == SL_DECODE || b->failed == SL_DECODE)
        return is_decoding(a->failed) && is_decoding(b->failed);
    return strcmp(a->text, b->text) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct transcript_setup setup = {0};
    struct sl_allocator allocator;
    struct transcript whole, cut_up;
    struct sl_view pieces[PIECES];
    struct sl_view wire;
    size_t count;

    if (size < OPTIONS)
        return 0;
    sl_allocator_init_system(&allocator);
    setup.allocator = &allocator;
    read_options(&setup, data);
    wire = sl_view((const char *)data + OPTIONS, size - OPTIONS);
    transcript_run(&whole, &setup, &wire, 1);

    setup.segment_size = 23;
    setup.window = data[2] & 1 ? 0 : 16;
    count = cut(pieces, wire, (size_t)(data[2] >> 1) + 1);
    transcript_run(&cut_up, &setup, pieces, count);
    if (!is_same(&whole, &cut_up)) {
        fprintf(stderr, "whole:\n%s\ncut:\n%s\n", whole.text, cut_up.text);
        abort();
    }
    if (whole.outstanding != 0 || cut_up.outstanding != 0)
        abort();
    transcript_fini(&whole);
    transcript_fini(&cut_up);
    return 0;
}
