/* tls/roots.h - where a system keeps the roots it trusts
 *
 * Distributions disagree on the place, and a library built elsewhere looks in
 * the wrong one. Knows files only, no library.
 */
#ifndef SL_TLS_ROOTS_H
#define SL_TLS_ROOTS_H

#include <stdbool.h>
#include <stddef.h>

#define SL_TLS_ROOTS_PATH_SIZE 512

struct sl_tls_roots {
    char path[SL_TLS_ROOTS_PATH_SIZE];
    bool is_directory; /* of certificates named by hash; else one PEM file */
};

/* The first place that is there, below `prefix` ("" for the machine itself).
 * A file is preferred: it is read once, a directory during handshakes. */
bool sl_tls_roots_find(const char *prefix, struct sl_tls_roots *roots);

#endif
