/* spec/c/support/script_backend.h - a backend whose connects the test decides
 *
 *   connect  ->  held  --script_accept--> connected to the test: a socket pair
 *                      --script_refuse--> failed with an errno
 *
 * Nobody listens and no address is asked: connects wait, in their order, until
 * the test accepts or refuses the oldest of them, so that silence, order and
 * failure cost no time and no port. What is connected behaves as over poll, in
 * both modes of transport. One loop at a time.
 */
#ifndef SPEC_C_SUPPORT_SCRIPT_BACKEND_H
#define SPEC_C_SUPPORT_SCRIPT_BACKEND_H

#include "io/backend.h"

/* For the options `backend` of connectors, transports and pools. */
const struct sl_backend_class *script_backend(void);

/* Connects that wait for the test. */
size_t script_held(void);

/* The oldest connect succeeds, at the loop's next step. The test owns the
 * descriptor that is returned, a blocking one: the peer's end. */
int script_accept(void);

/* The oldest connect fails so, at the loop's next step. */
void script_refuse(int error);

#endif
