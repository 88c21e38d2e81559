/* spec/c/tls/matrix.h - servers to refuse, and why; and some to accept
 *
 * Each case is a whole server with its certificates, the host that the client
 * wants, and words that the refusal must hold. The good ones stand among them
 * so that "refuses everything" is no way to pass.
 */
#ifndef SPEC_C_TLS_MATRIX_H
#define SPEC_C_TLS_MATRIX_H

#include "spec/c/tls/wire.h"

struct matrix_case {
    const char *title;
    const char *host;
    const char *reason; /* NULL: must be accepted */
};

/* `options` trust the case's root and know its revocation lists. */
void matrix_each(void (*body)(const struct matrix_case *tried,
                              struct server *server,
                              const struct sl_tls_options *options,
                              void *argument),
                 void *argument);

#endif
