/* A base and a reference, one on each line: what is accepted can be resolved,
 * and the result is accepted again and resolves to itself.
 */
#include "http/url_write.h"
#include "memory/pool.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "not so: %s\n", what);
    abort();
}

static bool is_inside(struct sl_view part, struct sl_view text)
{
    return part.data == NULL ||
           (part.data >= text.data &&
            part.data + part.size <= text.data + text.size);
}

static bool parse(struct sl_url *url, struct sl_view text)
{
    const char *error = NULL;

    if (sl_url_parse(url, text, &error) != SL_OK) {
        demand(error != NULL, "a refusal has its reason");
        return false;
    }
    demand(is_inside(url->scheme, text) && is_inside(url->userinfo, text) &&
               is_inside(url->host, text) && is_inside(url->port_text, text) &&
               is_inside(url->path, text) && is_inside(url->query, text) &&
               is_inside(url->fragment, text),
           "parts are views into the text");
    return true;
}

typedef enum sl_status resolver(const struct sl_url *base,
                                const struct sl_url *reference,
                                struct sl_writer *writer);

static void resolve(resolver *resolve_by, const struct sl_url *base,
                    const struct sl_url *reference, struct sl_writer *writer,
                    struct sl_url *target)
{
    demand(resolve_by(base, reference, writer) == SL_OK, "it resolves");
    demand(parse(target, sl_writer_view(writer)), "the target is a URL");
}

static void check_target(const struct sl_url *url, struct sl_pool *pool)
{
    struct sl_writer host;
    struct sl_view text;
    const char *error = NULL;
    size_t i;

    if (sl_url_check_target(url, &error) != SL_OK) {
        demand(error != NULL, "a refusal has its reason");
        return;
    }
    demand(url->host.size > 0, "a target has a host");
    if (url->port == 0)
        return; /* a socket path: not a name */
    sl_writer_init(&host, pool, 64, SIZE_MAX);
    demand(sl_url_write_host(url, &host) == SL_OK, "the host is written");
    text = sl_writer_view(&host);
    demand(text.size > 0, "the host is not empty");
    for (i = 0; i < text.size; i++)
        demand(text.data[i] > ' ' && text.data[i] < 0x7f, "visible ASCII");
    sl_writer_dispose(&host);
}

static void check_escape(struct sl_view text, struct sl_pool *pool)
{
    struct sl_writer there, back;

    sl_writer_init(&there, pool, 64, SIZE_MAX);
    sl_writer_init(&back, pool, 64, SIZE_MAX);
    demand(sl_url_escape(&there, text) == SL_OK, "escape");
    demand(sl_url_unescape(&back, sl_writer_view(&there)) == SL_OK,
           "what was escaped can be unescaped");
    demand(sl_view_equal(sl_writer_view(&back), text), "to what it was");
    sl_writer_dispose(&there);
    sl_writer_dispose(&back);
}

static void check_resolver(resolver *resolve_by, const struct sl_url *base,
                           const struct sl_url *reference, struct sl_pool *pool)
{
    struct sl_writer writers[3];
    struct sl_url first, second, third;
    size_t i;

    for (i = 0; i < 3; i++)
        sl_writer_init(&writers[i], pool, 64, SIZE_MAX);
    resolve(resolve_by, base, reference, &writers[0], &first);
    resolve(resolve_by, base, &first, &writers[1], &second);
    resolve(resolve_by, base, &second, &writers[2], &third);
    demand(
        sl_view_equal(sl_writer_view(&writers[1]), sl_writer_view(&writers[2])),
        "a target resolves to itself");
    check_target(&third, pool);
    for (i = 0; i < 3; i++)
        sl_writer_dispose(&writers[i]);
}

static void check_pair(struct sl_view base_text, struct sl_view text,
                       struct sl_pool *pool)
{
    struct sl_url base, reference;

    if (!parse(&base, base_text) || !parse(&reference, text))
        return;
    check_target(&base, pool);
    check_target(&reference, pool);
    if (base.scheme.size == 0)
        return;
    check_resolver(sl_url_resolve, &base, &reference, pool);
    check_resolver(sl_url_follow, &base, &reference, pool);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl_pool_options options = {0};
    const char *newline = size ? memchr(data, '\n', size) : NULL;
    struct sl_allocator allocator;
    struct sl_pool pool;
    struct sl_view base, text;
    char *copy;

    if (newline == NULL)
        return 0;
    sl_allocator_init_system(&allocator);
    options.mode = SL_POOL_DIRECT;
    sl_pool_init(&pool, &allocator, &options);
    base = sl_view((const char *)data, (size_t)(newline - (const char *)data));
    text = sl_view(newline + 1, size - base.size - 1);
    /* in memory of its own, so that no byte behind it can be touched */
    copy = malloc(base.size + 1);
    demand(copy != NULL, "memory");
    memcpy(copy, base.data, base.size);
    base.data = copy = realloc(copy, base.size ? base.size : 1);
    check_pair(base, text, &pool);
    check_escape(text, &pool);
    demand(sl_pool_fini(&pool) == 0, "no leak");
    free(copy);
    return 0;
}
