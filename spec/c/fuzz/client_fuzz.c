/* A client with requests under way, whose peers send anything, in any pieces,
 * and end in any way: every request ends, the first one in the same way however
 * what arrives is cut, and nothing is left.
 *
 *   byte 0   1: a body is sent  2: HEAD  4: the body is read in pieces
 *            8: codings are removed  16: another request follows
 *            32: an upgrade is offered  64: 100 (Continue) is awaited
 *            128: peers speak first
 *   byte 1   the body's limit; 255: none
 *   byte 2   the longest piece; 128: pieces are there at once
 *   byte 3   % 3: how a peer ends  / 4: the waits after which the user leaves
 *   rest     what peers do: spec/c/support/memory_backend.h
 *
 * flags: -entropic=0
 */
#include "conn/exchange.h"
#include "conn/pool.h"
#include "io/resolve.h"
#include "spec/c/fuzz/ground.h"
#include "spec/c/support/memory_backend.h"

#include <stdio.h>
#include <string.h>

#define INPUT_MOST 512
#define OPTIONS    4
#define PIECES     16 /* each costs a step of the loop: units try each cut */
#define BODY_MOST  ((size_t)64 * 1024)
/* Steps of the loop without a move, after which nothing more will come: a turn
 * may be waited for, or the pusher's time. */
#define STILL 4
/* More than any input can make the loop take. */
#define STEPS_MOST 100000

struct client {
    struct sl_loop loop;
    struct sl_resolver *resolver;
    struct sl_exchanges *exchanges;
    struct sl_origin *origin;
    struct sl_decoder_shelf shelf;
    size_t kept; /* blocks and segments between two inputs */
};

/* Of a request, to its end. */
struct story {
    enum sl_status status; /* SL_AGAIN: nothing came any more */
    int code;              /* of the head; 0: there was none */
    char body[BODY_MOST];
    size_t size;
};

struct plan {
    struct sl_exchange_options options;
    struct sl_view bytes;
    size_t step;
    enum memory_end end;
    unsigned leaves_after; /* waits; 63: never */
    bool sends_body;
    bool in_pieces;
    bool decodes;
    bool has_second;
    bool speaks_first;
    bool is_eager;
};

static struct client client;

static void open_client(void)
{
    struct sl_pool *pool = ground_pool(SL_POOL_SLABS, 64);
    struct sl_origin_options origin = {
        .key = "x", .host = "127.0.0.1", .port = 80};
    struct sl_connections_options options;
    struct sl_connections *connections;

    if (client.exchanges != NULL)
        return;
    sl_connections_options_default(&options);
    options.mode = SL_TRANSPORT_COMPLETION;
    options.backend = memory_backend();
    options.per_origin = 4;
    ground_demand(sl_loop_init(&client.loop, ground_allocator(), pool) == SL_OK,
                  "a loop");
    ground_demand(sl_resolver_create(&client.loop, &client.resolver) == SL_OK,
                  "a resolver");
    ground_demand(sl_connections_create(ground_allocator(), pool, &client.loop,
                                        client.resolver, &options,
                                        &connections) == SL_OK,
                  "connections");
    ground_demand(sl_exchanges_create(connections, &client.exchanges) == SL_OK,
                  "exchanges");
    ground_demand(sl_origin_find(connections, &origin, &client.origin) == SL_OK,
                  "an origin");
    sl_connections_release(connections);
    sl_decoder_shelf_init(&client.shelf, ground_allocator());
    client.kept = SIZE_MAX;
}

static void read_plan(struct plan *plan, const uint8_t *data, size_t size)
{
    memset(plan, 0, sizeof *plan);
    sl_response_limits_default(&plan->options.limits);
    sl_deadlines_default(&plan->options.deadlines);
    plan->options.limits.body = data[1] == 255 ? BODY_MOST : data[1];
    plan->sends_body = data[0] & 1;
    plan->options.traits.is_head = data[0] & 2;
    plan->options.is_idempotent = !plan->sends_body;
    plan->in_pieces = data[0] & 4;
    plan->decodes = data[0] & 8;
    plan->has_second = data[0] & 16;
    plan->options.traits.wants_upgrade = data[0] & 32;
    plan->options.expects_continue = plan->sends_body && (data[0] & 64);
    plan->speaks_first = data[0] & 128;
    plan->step = (size_t)(data[2] & 127) + 1 + size / PIECES;
    plan->is_eager = data[2] & 128;
    plan->end = (enum memory_end)(data[3] % 3);
    plan->leaves_after = data[3] / 4;
    plan->bytes = sl_view((const char *)data + OPTIONS, size - OPTIONS);
}

/* ---- a request ---- */

static struct sl_exchange *begin(const struct plan *plan)
{
    static const char get[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    static const char head[] = "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n";
    static const char post[] =
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\n";
    static const char body[] = "0123456789012345678901234567890123456789";
    const char *text = plan->sends_body               ? post
                       : plan->options.traits.is_head ? head
                                                      : get;
    struct sl_exchange_options options = plan->options;
    struct sl_exchange *exchange;

    options.shelf = plan->decodes ? &client.shelf : NULL;
    ground_demand(sl_exchange_create(client.exchanges, client.origin, &options,
                                     sl_view(text, strlen(text)),
                                     &exchange) == SL_OK,
                  "an exchange");
    if (plan->sends_body)
        ground_demand(sl_upload_add_text(&exchange->request->outgoing.upload,
                                         sl_view(body, sizeof body - 1)) ==
                          SL_OK,
                      "a body");
    sl_exchange_start(exchange);
    return exchange;
}

static void step(void)
{
    ground_demand(sl_loop_step(&client.loop, 0) == SL_OK, "a step");
}

static bool is_awaited(const struct sl_exchange *exchange)
{
    return exchange->completion.state == SL_COMPLETION_PENDING ||
           exchange->completion.state == SL_COMPLETION_READY;
}

/* What is wanted, a failure, or SL_AGAIN: nothing comes any more. */
static enum sl_status want(struct sl_exchange *exchange,
                           enum sl_interest interest, size_t wanted)
{
    enum sl_status status = SL_AGAIN;
    unsigned still = 0;

    for (unsigned steps = 0; still < STILL; steps++) {
        uint64_t moves = memory_moves();

        if (!is_awaited(exchange))
            status = sl_exchange_want(exchange, interest, wanted);
        if (status != SL_AGAIN)
            break;
        ground_demand(steps < STEPS_MOST, "it ends");
        step();
        still = memory_moves() == moves ? still + 1 : 0;
    }
    return status;
}

static void take_body(struct story *story, struct sl_exchange *exchange)
{
    struct sl_buffer *body = &exchange->incoming.response.body;
    size_t size = body->length;

    ground_demand(size <= BODY_MOST - story->size, "a body has a limit");
    sl_buffer_copy_out(body, 0, story->body + story->size, size);
    sl_buffer_consume(body, size);
    story->size += size;
}

/* From the start to the end, or until its user leaves. */
static void tell(struct story *story, const struct plan *plan,
                 unsigned leaves_after)
{
    struct sl_exchange *exchange = begin(plan);
    unsigned waits = 0;

    story->size = 0;
    story->code = 0;
    story->status =
        leaves_after == 0 ? SL_AGAIN : want(exchange, SL_WANT_HEAD, 0);
    if (story->status == SL_OK) {
        story->code = exchange->incoming.response.head.status;
        do {
            if (++waits == leaves_after)
                break;
            story->status = plan->in_pieces ? want(exchange, SL_WANT_BODY, 1)
                                            : want(exchange, SL_WANT_WHOLE, 0);
            take_body(story, exchange);
        } while (plan->in_pieces && story->status == SL_OK);
    }
    ground_demand(story->status == SL_OK || story->status == SL_AGAIN ||
                      story->status == SL_END ||
                      exchange->failure->reason[0] != '\0',
                  "a failure has a reason");
    ground_demand(story->status == SL_AGAIN || leaves_after != UINT32_MAX ||
                      sl_exchange_is_over(exchange),
                  "what has ended is over");
    sl_exchange_release(exchange);
}

static void end_all(void)
{
    struct sl_pool *pool = client.loop.pool;

    memory_end();
    for (unsigned i = 0; memory_count() > 0; i++) {
        ground_demand(i < 64, "connections end with their peers");
        step();
    }
    ground_demand(client.loop.operations == 0, "no operation is left");
    ground_demand(client.loop.descriptors == 0, "no descriptor is left");
    ground_demand(client.exchanges->active == NULL &&
                      client.exchanges->draining == NULL,
                  "no exchange is left");
    if (client.kept == SIZE_MAX)
        client.kept = sl_pool_outstanding(pool);
    ground_demand(sl_pool_outstanding(pool) == client.kept,
                  "everything is returned");
}

/* `goes_on`: with the second request, if there is one. */
static void run(struct story *story, const struct plan *plan, size_t piece,
                bool goes_on)
{
    struct memory_script script = {
        .text = plan->bytes,
        .step = piece,
        .hears = plan->speaks_first ? piece : SIZE_MAX,
        .end = plan->end,
        .is_eager = plan->is_eager,
        .speaks_first = plan->speaks_first,
    };
    static struct story second;
    unsigned leaves_after =
        plan->leaves_after == 63 ? UINT32_MAX : plan->leaves_after;

    memory_play(&script);
    tell(story, plan, plan->has_second ? UINT32_MAX : leaves_after);
    if (plan->has_second && goes_on)
        tell(&second, plan, leaves_after);
    end_all();
}

/* Corrupt coded data may pass the limit before it is found out, and how much of
 * a body comes before that depends on the library. */
static bool is_decoding(enum sl_status status)
{
    return status == SL_DECODE || status == SL_LIMIT;
}

static void compare(const struct story *whole, const struct story *cut)
{
    if (whole->status == SL_DECODE || cut->status == SL_DECODE) {
        ground_demand(is_decoding(whole->status) && is_decoding(cut->status),
                      "both cannot be decoded");
        return;
    }
    if (whole->status != cut->status || whole->code != cut->code)
        fprintf(stderr, "whole: %d %d, cut: %d %d\n", (int)whole->status,
                whole->code, (int)cut->status, cut->code);
    ground_demand(whole->status == cut->status, "the same outcome");
    ground_demand(whole->code == cut->code, "the same head");
    ground_demand(whole->size == cut->size &&
                      memcmp(whole->body, cut->body, cut->size) == 0,
                  "the same body");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct story whole;
    static struct story cut;
    struct plan plan;

    if (size < OPTIONS)
        return 0;
    open_client();
    read_plan(&plan, data, size);
    run(&whole, &plan, SIZE_MAX, false);
    run(&cut, &plan, plan.step, true);
    /* What peers say before they are asked meets the request at any place. */
    if (!plan.speaks_first && (plan.has_second || plan.leaves_after == 63))
        compare(&whole, &cut);
    return 0;
}
