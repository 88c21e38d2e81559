/* A stream of server-sent events, or of JSON records: whole, in two pieces and
 * byte by byte it must come to the same.
 *
 *   byte 0   1: records, else events
 *   byte 1   where it is cut
 *   byte 2   the limit of a line, and a quarter of that of an event
 *   rest     bytes as received
 */
#include "events/record.h"
#include "events/sse.h"

#include <stdio.h>
#include <stdlib.h>

#define OPTIONS 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was given, as bytes. */
struct outcome {
    char *given;
    size_t size;
    size_t room;
    size_t unfinished;
    enum sl_status status;
};

static void demand(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "not so: %s\n", what);
    abort();
}

static void note(struct outcome *outcome, struct sl_view bytes)
{
    demand(outcome->size + bytes.size + 1 <= outcome->room, "room");
    if (bytes.size > 0)
        memcpy(outcome->given + outcome->size, bytes.data, bytes.size);
    outcome->size += bytes.size;
    outcome->given[outcome->size++] = '|';
}

/* Either of the two, with the same calls. */
struct subject {
    bool has_records;
    struct sl_sse_limits limits; /* of the events */
    struct sl_sse sse;
    struct sl_records records;
};

static void begin(struct subject *subject, struct sl_pool *pool,
                  const uint8_t *options)
{
    subject->limits.line = options[2];
    subject->limits.event = (size_t)options[2] * 4;
    subject->has_records = (options[0] & 1) != 0;
    sl_sse_init(&subject->sse, pool, &subject->limits);
    sl_records_init(&subject->records, pool, options[2]);
}

static void end(struct subject *subject)
{
    sl_sse_fini(&subject->sse);
    sl_records_fini(&subject->records);
}

static enum sl_status feed_records(struct outcome *outcome,
                                   struct subject *subject,
                                   struct sl_view bytes, size_t *used)
{
    struct sl_record record;
    enum sl_status status =
        sl_records_feed(&subject->records, bytes, used, &record);

    if (status == SL_OK) {
        demand(record.text.size <= subject->records.limit, "the limit holds");
        note(outcome, record.text);
    }
    return status;
}

static enum sl_status feed_events(struct outcome *outcome,
                                  struct subject *subject, struct sl_view bytes,
                                  size_t *used)
{
    enum sl_status status = sl_sse_feed(&subject->sse, bytes, used);

    if (status == SL_OK) {
        struct sl_sse_event event = sl_sse_given(&subject->sse);

        demand(event.data.size <= subject->limits.event, "the limit holds");
        note(outcome, event.type);
        note(outcome, event.data);
        note(outcome, sl_sse_id(&subject->sse));
        note(outcome, sl_view((const char *)&event.retry, sizeof event.retry));
    }
    return status;
}

static enum sl_status feed(struct outcome *outcome, struct subject *subject,
                           struct sl_view bytes)
{
    enum sl_status status;

    do {
        size_t used;

        status = subject->has_records
                     ? feed_records(outcome, subject, bytes, &used)
                     : feed_events(outcome, subject, bytes, &used);
        demand(used <= bytes.size, "no byte is used twice");
        bytes.data += used;
        bytes.size -= used;
    } while (status == SL_OK);
    demand(status != SL_AGAIN || bytes.size == 0,
           "all is used before more is asked for");
    return status;
}

/* Pieces of `first`, then `step` bytes. */
static void receive(struct outcome *outcome, struct sl_view wire, size_t first,
                    size_t step, const uint8_t *options)
{
    struct sl_allocator allocator;
    struct sl_pool pool;
    struct subject subject;
    struct sl_record record;
    size_t next = first;

    memset(outcome, 0, sizeof *outcome);
    outcome->room = 300 * (wire.size + 1);
    outcome->given = malloc(outcome->room);
    demand(outcome->given != NULL, "memory");
    outcome->status = SL_AGAIN;
    sl_allocator_init_system(&allocator);
    sl_pool_init(&pool, &allocator, NULL);
    begin(&subject, &pool, options);
    while (wire.size > 0 && outcome->status == SL_AGAIN) {
        size_t size = next < wire.size ? next : wire.size;
        char *piece = malloc(size); /* what lies behind is not to be read */

        demand(piece != NULL, "memory");
        memcpy(piece, wire.data, size);
        outcome->status = feed(outcome, &subject, sl_view(piece, size));
        free(piece);
        wire.data += size;
        wire.size -= size;
        next = step;
    }
    outcome->unfinished = sl_sse_unfinished(&subject.sse);
    if (subject.has_records &&
        sl_records_end(&subject.records, &record) == SL_OK)
        note(outcome, record.text);
    end(&subject);
    demand(sl_pool_fini(&pool) == 0, "everything is given back");
}

static void compare(const struct outcome *a, const struct outcome *b)
{
    demand(a->status == b->status, "the same status");
    demand(a->size == b->size && memcmp(a->given, b->given, a->size) == 0,
           "the same events");
    demand(a->unfinished == b->unfinished, "the same rest");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outcome whole;
    struct outcome halves;
    struct outcome bytes;
    struct sl_view wire;

    if (size < OPTIONS || size > 4096)
        return 0;
    wire = sl_view((const char *)data + OPTIONS, size - OPTIONS);
    receive(&whole, wire, wire.size, wire.size, data);
    receive(&halves, wire, (size_t)data[1] + 1, SIZE_MAX, data);
    receive(&bytes, wire, 1, 1, data);
    compare(&whole, &halves);
    compare(&whole, &bytes);
    free(whole.given);
    free(halves.given);
    free(bytes.given);
    return 0;
}
