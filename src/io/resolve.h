/* io/resolve.h - names to addresses on worker threads
 *
 *   look-ups (io/lookup.h) --> questions --> threads (io/resolve_threads.h)
 *
 * getaddrinfo blocks, so it runs on threads of its own. Names beyond those that
 * the threads are at wait in order, until they are given up. A name without an
 * answer does not hold up others: another thread is started beside its own. A
 * late answer is dropped, or goes to look-ups that have asked for the name
 * again.
 */
#ifndef SL_IO_RESOLVE_H
#define SL_IO_RESOLVE_H

#include "io/lookup.h"

struct sl_resolver;

/* Starts no thread yet. SL_MEMORY. */
enum sl_status sl_resolver_create(struct sl_loop *loop,
                                  struct sl_resolver **resolver);
/* Never blocks. The askers of look-ups in progress are not called any more;
 * threads still inside getaddrinfo are left to end by themselves with their own
 * memory. Call it before the loop is closed. */
void sl_resolver_destroy(struct sl_resolver *resolver);

/* The source to ask. Failures: SL_RESOLVE with the reason ("name or service not
 * known"), SL_CONNECT and errno for want of descriptors, SL_MEMORY. */
struct sl_lookup_source *sl_resolver_source(struct sl_resolver *resolver);

/* Replaces the system's resolution, for tests and hosts; NULL restores it. Runs
 * on a worker thread; the same contract as getaddrinfo with a numeric port. */
struct addrinfo;
void sl_resolver_set_lookup(struct sl_resolver *resolver,
                            int (*lookup)(const char *host, const char *port,
                                          const struct addrinfo *hints,
                                          struct addrinfo **result));

/* True when `host` is a literal IPv4 or IPv6 address: `address` is set. */
bool sl_resolve_literal(const char *host, int port, struct sl_address *address);

#endif
