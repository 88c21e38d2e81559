/* Server bytes into a connecting client engine.
 *
 * The first byte chooses the provider (for one input in eight GnuTLS, which
 * takes ten times as long), versions and how the rest is cut. No key is known
 * to the fuzzer, so a handshake that comes out well is a finding.
 */
#include "spec/c/fuzz/ground.h"
#include "spec/c/fuzz/plain_openssl.h"
#include "spec/c/tls/authority.h"
#include "tls/provider.h"

#include <stdlib.h>
#include <string.h>

#define INPUT_MOST 2048
#define CONTEXTS   3
#define PROVIDERS  2

static struct sl_tls_context *contexts[PROVIDERS][CONTEXTS];

static void prepare(const struct sl_tls_provider *provider,
                    struct sl_tls_context **made)
{
    static const enum sl_tls_version versions[CONTEXTS][2] = {
        {SL_TLS_DEFAULT, SL_TLS_DEFAULT},
        {SL_TLS_1_2, SL_TLS_1_2},
        {SL_TLS_1_3, SL_TLS_1_3},
    };
    struct issued root = authority_issue(
        &(struct wish){.common_name = "root", .is_authority = true});
    char *pem = authority_pem(root.certificate);
    struct sl_tls_options options;
    struct sl_failure failure;

    sl_tls_options_default(&options);
    options.ca = sl_view(pem, strlen(pem));
    for (size_t i = 0; i < CONTEXTS; i++) {
        options.min_version = versions[i][0];
        options.max_version = versions[i][1];
        if (provider->context_create(ground_allocator(), &options, &made[i],
                                     &failure) != SL_OK)
            abort();
    }
    free(pem);
    authority_forget(&root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t chosen = size > 0 && data[0] >= 224 && sl_tls_providers[1] != NULL;
    const struct sl_tls_provider *provider = sl_tls_providers[chosen];
    struct sl_tls_engine_options engine_options = {.host = "a.test",
                                                   .identity = "a"};
    struct sl_tls_engine *engine;
    struct sl_failure failure;
    struct sl_pool *pool = ground_pool(SL_POOL_SLABS, SL_SEGMENT_SIZE);
    struct sl_buffer in;
    struct sl_buffer out;
    enum sl_status status;
    size_t step;

    if (contexts[chosen][0] == NULL)
        prepare(provider, contexts[chosen]);
    if (size == 0)
        return 0;
    sl_buffer_init(&in, pool, SIZE_MAX);
    sl_buffer_init(&out, pool, SIZE_MAX);
    if (provider->engine_create(contexts[chosen][data[0] % CONTEXTS], pool,
                                &engine_options, &engine, &failure) != SL_OK)
        abort();
    step = data[0] / CONTEXTS % 2 == 0 ? size : 1 + (size_t)data[0] / CONTEXTS;
    status = provider->handshake(engine, &in, &out, &failure);
    for (size_t at = 1; at < size && status == SL_AGAIN; at += step) {
        size_t count = size - at < step ? size - at : step;

        if (sl_buffer_append(&in, sl_view((const char *)data + at, count)) !=
            SL_OK)
            abort();
        status = provider->handshake(engine, &in, &out, &failure);
        if (status == SL_OK ||
            (sl_is_failure(status) && failure.reason[0] == '\0'))
            abort();
    }
    provider->engine_destroy(engine);
    sl_buffer_fini(&in);
    sl_buffer_fini(&out);
    ground_all_returned();
    return 0;
}
