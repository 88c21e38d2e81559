/* spec/c/http/urls.h - URLs for the tests of those who read and write them */
#ifndef SPEC_C_HTTP_URLS_H
#define SPEC_C_HTTP_URLS_H

#include "spec/c/support/test.h"

#include "http/url.h"

/* Parses from guarded memory: one byte too many is a crash. */
static inline enum sl_status parse(struct sl_url *url, const char *text,
                                   const char **error)
{
    size_t size = strlen(text);

    return sl_url_parse(url, sl_view(guard_copy(text, size), size), error);
}

static inline struct sl_url parse_good(const char *text)
{
    const char *error = NULL;
    struct sl_url url = {0};

    test_note("%s", text);
    CHECK_INT(parse(&url, text, &error), SL_OK);
    CHECK_STR(error, NULL);
    return url;
}

#endif
