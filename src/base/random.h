/* base/random.h - bytes that nobody can guess, from the system
 *
 * The system's generator is there at once, in threads and after fork, while
 * that of a TLS library takes milliseconds to begin.
 */
#ifndef SL_BASE_RANDOM_H
#define SL_BASE_RANDOM_H

#include "base/status.h"

#include <stddef.h>

/* SL_TLS: the system has none now. */
enum sl_status sl_random(void *bytes, size_t size);

#endif
