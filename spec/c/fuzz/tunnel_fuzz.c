/* What a proxy answers, and the names that it is asked for: whole and in pieces
 * an answer comes to the same, and no name adds a line to a question.
 *
 *   byte 0   1: SOCKS5, else CONNECT  2: credentials  4: the name is arbitrary
 *   byte 1   how the answer is cut
 *   byte 2   how many bytes of the rest are the name
 *   rest     the name, if it is arbitrary, and the answer
 */
#include "conn/tunnel_http.h"
#include "conn/tunnel_socks5.h"
#include "spec/c/fuzz/ground.h"

#include <string.h>

#define INPUT_MOST 512
#define OPTIONS    3
#define NAME_MOST  300 /* one of SOCKS5 has 255 at most */
#define SAID_MOST  2048

struct talk {
    enum sl_status status;
    struct sl_failure failure;
    char said[SAID_MOST];
    size_t size;  /* of `said` */
    size_t taken; /* of the answer */
};

static void hear(struct talk *talk, struct sl_tunnel *tunnel)
{
    struct sl_view view = sl_writer_view(&tunnel->output);

    ground_demand(talk->size + view.size <= SAID_MOST, "questions are short");
    if (view.size > 0)
        memcpy(talk->said + talk->size, view.data, view.size);
    talk->size += view.size;
    sl_writer_reset(&tunnel->output);
}

/* Pieces of `step` bytes, and never more than is wanted. */
static void answer(struct talk *talk, struct sl_tunnel *tunnel,
                   struct sl_view bytes, size_t step)
{
    talk->status = SL_AGAIN;
    while (talk->status == SL_AGAIN && talk->taken < bytes.size) {
        size_t size = bytes.size - talk->taken;

        ground_demand(tunnel->want > 0, "something is wanted");
        size = size < tunnel->want ? size : tunnel->want;
        size = size < step ? size : step;
        ground_demand(
            sl_buffer_append(&tunnel->input,
                             sl_view(bytes.data + talk->taken, size)) == SL_OK,
            "memory");
        talk->taken += size;
        talk->status = tunnel->class->advance(tunnel, &talk->failure);
        hear(talk, tunnel);
    }
    ground_demand(talk->status == SL_OK || talk->status == SL_AGAIN ||
                      talk->status == SL_PROXY,
                  "it is open, or waits, or says why not");
    ground_demand(talk->status != SL_PROXY || talk->failure.reason[0] != '\0',
                  "a refusal has a reason");
    ground_demand(talk->status != SL_OK || tunnel->input.length == 0,
                  "what follows is the other host's");
}

/* Two or three lines and an empty one, without bytes that could end one. */
static void check_question(const struct talk *talk, bool has_credentials)
{
    size_t lines = 0;

    for (size_t i = 0; i < talk->size; i++) {
        unsigned char byte = (unsigned char)talk->said[i];

        ground_demand(byte >= 0x20 || byte == '\r' || byte == '\n',
                      "no byte that controls");
        lines += byte == '\n';
        ground_demand((byte == '\n') == (i > 0 && talk->said[i - 1] == '\r'),
                      "lines end with CRLF");
    }
    ground_demand(lines == (has_credentials ? 4u : 3u), "no line is added");
}

static void run(struct talk *talk, const struct sl_tunnel_class *class,
                const struct sl_tunnel_target *target, struct sl_view bytes,
                size_t step)
{
    struct sl_tunnel *tunnel;

    talk->size = talk->taken = 0;
    talk->failure.reason[0] = '\0';
    talk->status = sl_tunnel_create(class, ground_allocator(),
                                    ground_pool(SL_POOL_SLABS, 64), target,
                                    &tunnel, &talk->failure);
    if (talk->status != SL_OK) {
        ground_demand(talk->status == SL_INVALID, "only the name is wrong");
        ground_demand(talk->failure.reason[0] != '\0', "with a reason");
        return;
    }
    hear(talk, tunnel);
    if (class == &sl_tunnel_http)
        check_question(talk, target->user != NULL);
    answer(talk, tunnel, bytes, step);
    sl_tunnel_destroy(tunnel);
}

static void compare(const struct talk *whole, const struct talk *cut)
{
    /* Bytes behind the head of a 2xx are refused if they are there by then. */
    if (whole->status == SL_PROXY && cut->status == SL_OK &&
        cut->taken < whole->taken)
        return;
    ground_demand(whole->status == cut->status, "the same outcome");
    ground_demand(whole->size == cut->size &&
                      memcmp(whole->said, cut->said, cut->size) == 0,
                  "the same questions");
    ground_demand(whole->status != SL_PROXY ||
                      strcmp(whole->failure.reason, cut->failure.reason) == 0,
                  "the same reason");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct talk whole;
    static struct talk cut;
    char name[NAME_MOST + 1] = "www.example";
    struct sl_tunnel_target target = {name, 443, NULL, NULL, NULL};
    const struct sl_tunnel_class *class;
    struct sl_view bytes;

    if (size < OPTIONS)
        return 0;
    class = data[0] & 1 ? &sl_tunnel_socks5 : &sl_tunnel_http;
    if (data[0] & 2) {
        target.user = "Aladdin";
        target.password = "open sesame";
    }
    bytes = sl_view((const char *)data + OPTIONS, size - OPTIONS);
    if (data[0] & 4) {
        size_t count = data[2] < bytes.size ? data[2] : bytes.size;

        memcpy(name, bytes.data, count);
        name[count] = '\0';
        bytes = sl_view(bytes.data + count, bytes.size - count);
    }
    run(&whole, class, &target, bytes, SIZE_MAX);
    run(&cut, class, &target, bytes, (size_t)data[1] + 1);
    compare(&whole, &cut);
    ground_all_returned();
    return 0;
}
