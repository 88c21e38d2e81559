/* io/lookup.h - one look-up for all who ask for a name at the same time
 *
 *   asker (connector) --+
 *   asker (connector) --+--> look-up: host, port --> source: worker threads
 *   asker (connector) --+                            (io/resolve.h), or the
 *                                                    caller's own function
 *
 * A source is asked once for a host and port; askers for the same host and port
 * share the look-up until its answer has arrived. Answers are not kept: the
 * next asker begins anew. Hosts are compared byte by byte, so "a.test." differs
 * from "a.test". Everything here belongs to the loop's thread.
 */
#ifndef SL_IO_LOOKUP_H
#define SL_IO_LOOKUP_H

#include "io/loop.h"

#include <sys/socket.h>

#define SL_LOOKUP_ADDRESSES 16
#define SL_LOOKUP_CHAINS    64

struct sl_address {
    struct sockaddr_storage storage;
    socklen_t size;
};

/* In progress or answered; ends with its last asker. */
struct sl_lookup;

/* A finder of addresses. The struct must not move while it is in use. */
struct sl_lookup_source {
    struct sl_loop *loop;
    /* Begins. The source answers once, inside this call or later, with
     * sl_lookup_answer or sl_lookup_fail, unless `cancel` is called before. It
     * runs inside sl_lookup_ask: it must neither ask nor leave. */
    void (*start)(void *owner, struct sl_lookup *lookup);
    /* The answer has no waiter any more. `lookup` ends with this call. */
    void (*cancel)(void *owner, struct sl_lookup *lookup);
    void *owner;
    struct sl_lookup *chains[SL_LOOKUP_CHAINS]; /* in progress, by host */
};

void sl_lookup_source_init(
    struct sl_lookup_source *source, struct sl_loop *loop,
    void (*start)(void *owner, struct sl_lookup *lookup),
    void (*cancel)(void *owner, struct sl_lookup *lookup), void *owner);
/* Cancels look-ups in progress. Their askers are not called any more; they
 * still leave, before the loop closes. */
void sl_lookup_source_fini(struct sl_lookup_source *source);

/* ---- for the source ---- */

const char *sl_lookup_host(const struct sl_lookup *lookup);
int sl_lookup_port(const struct sl_lookup *lookup);
/* Sets the source's own data of a look-up; NULL at first. */
void sl_lookup_set_data(struct sl_lookup *lookup, void *data);
void *sl_lookup_data(const struct sl_lookup *lookup);
/* Answers with addresses and their ports, of either family, in order of
 * preference; the first SL_LOOKUP_ADDRESSES count. None is a failure: "no
 * address". */
void sl_lookup_answer(struct sl_lookup *lookup,
                      const struct sl_address *addresses, size_t count);
/* Answers with a failure. Its reason is one clause without the host. Copied. */
void sl_lookup_fail(struct sl_lookup *lookup, const struct sl_failure *failure);

/* ---- for those who ask ---- */

struct sl_lookup_asker {
    struct sl_completion completion;
    struct sl_lookup *lookup; /* NULL: asks nothing */
    struct sl_lookup_asker *next;
    struct sl_lookup_asker *previous;
    void (*done)(void *owner);
    void *owner;
};

/* `done` is called once from the loop, never inside this call, unless the asker
 * leaves before. SL_MEMORY: nothing was asked. */
enum sl_status sl_lookup_ask(struct sl_lookup_source *source, const char *host,
                             int port, void (*done)(void *owner), void *owner,
                             struct sl_lookup_asker *asker);
/* The result after `done`. `addresses` has room for SL_LOOKUP_ADDRESSES.
 * Failures are the source's: mostly SL_RESOLVE, SL_CONNECT with errno,
 * SL_MEMORY. */
enum sl_status sl_lookup_result(const struct sl_lookup_asker *asker,
                                struct sl_address *addresses, size_t *count,
                                struct sl_failure *failure);
/* Leaves at any time, also twice. The last asker's leave cancels the
 * look-up. */
void sl_lookup_leave(struct sl_lookup_asker *asker);

#endif
