/* Every document of spec/fixtures/http, whole, cut and byte by byte. The
 * ```context block says what the bytes answer and how they end:
 *
 *     request: HEAD | CONNECT | upgrade | close
 *     decode: yes
 *     eof: clean | truncated
 *     limit: head | line | lines | interim | body N
 *     lenient_lf: yes
 *
 * Its other lines (shows, h11, llhttp) are for readers and scripts.
 */
#include "spec/c/support/test.h"

#include "spec/c/http/transcript.h"

struct expectation {
    struct transcript_setup setup;
    struct sl_allocator system;
    struct sl_view bytes;
    char expected[8192];
};

static bool starts_with(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static bool read_limit(struct sl_response_limits *limits, const char *text)
{
    char name[16];
    unsigned long value;

    if (sscanf(text, "%15s %lu", name, &value) != 2)
        return false;
    if (strcmp(name, "head") == 0)
        limits->head.head = value;
    else if (strcmp(name, "line") == 0)
        limits->head.line = value;
    else if (strcmp(name, "lines") == 0)
        limits->head.lines = value;
    else if (strcmp(name, "interim") == 0)
        limits->interim = value;
    else if (strcmp(name, "body") == 0)
        limits->body = value;
    else
        return false;
    return true;
}

static bool read_request(struct sl_request_traits *request, const char *text)
{
    if (strcmp(text, "HEAD") == 0)
        request->is_head = true;
    else if (strcmp(text, "CONNECT") == 0)
        request->is_connect = true;
    else if (strcmp(text, "upgrade") == 0)
        request->wants_upgrade = true;
    else if (strcmp(text, "close") == 0)
        request->wants_close = true;
    else
        return false;
    return true;
}

static bool read_context(struct transcript_setup *setup, const char *line)
{
    if (starts_with(line, "request: "))
        return read_request(&setup->request, line + 9);
    if (starts_with(line, "limit: "))
        return read_limit(&setup->limits, line + 7);
    if (strcmp(line, "decode: yes") == 0)
        return setup->decodes = true;
    if (strcmp(line, "lenient_lf: yes") == 0)
        return setup->limits.head.lenient_lf = true;
    if (strcmp(line, "eof: truncated") == 0)
        return setup->ends = true;
    if (strcmp(line, "eof: clean") == 0)
        return setup->ends = setup->is_clean = true;
    return starts_with(line, "shows: ") || starts_with(line, "h11: ") ||
           starts_with(line, "llhttp: ");
}

static void check_pieces(const struct sl_view *pieces, size_t count,
                         void *argument)
{
    const struct expectation *expectation = argument;
    struct transcript script;

    transcript_run(&script, &expectation->setup, pieces, count);
    CHECK_STR(script.text, expectation->expected);
    CHECK_INT(script.outstanding, 0);
    transcript_fini(&script);
}

/* Either the same as ever, or out of memory and nothing kept. */
static void check_failing(struct sl_allocator *allocator, void *argument)
{
    struct expectation *expectation = argument;
    struct transcript script;

    expectation->setup.allocator = allocator;
    transcript_run(&script, &expectation->setup, &expectation->bytes, 1);
    if (script.failed == SL_MEMORY) {
        CHECK(test_allocator_has_failed(allocator));
        CHECK(strstr(script.text, "(nothing)") == NULL);
    } else
        CHECK_STR(script.text, expectation->expected);
    CHECK_INT(script.outstanding, 0);
    transcript_fini(&script);
}

static void read_fixture(struct expectation *expectation,
                         const struct test_fixture *fixture)
{
    const struct test_fixture_block *context =
        test_fixture_block(fixture, "context", 0);
    size_t used = 0;
    size_t i;

    memset(expectation, 0, sizeof(*expectation));
    sl_allocator_init_system(&expectation->system);
    expectation->setup.allocator = &expectation->system;
    expectation->bytes = fixture->bytes;
    sl_response_limits_default(&expectation->setup.limits);
    for (i = 0; context != NULL && i < context->line_count; i++)
        CHECK(read_context(&expectation->setup, context->lines[i]));
    for (i = 0; i < fixture->event_count; i++) {
        int size = snprintf(expectation->expected + used,
                            sizeof(expectation->expected) - used, "%s\n",
                            fixture->events[i]);

        used += (size_t)size;
        if (!CHECK(used < sizeof(expectation->expected)))
            break;
    }
}

static void check_cuts(const struct test_fixture *fixture, void *argument)
{
    struct expectation expectation;

    (void)argument;
    read_fixture(&expectation, fixture);
    check_pieces(&fixture->bytes, 1, &expectation);
    expectation.setup.segment_size = 23;
    test_each_cut(fixture->bytes, check_pieces, &expectation);
    expectation.setup.segment_size = 0;
    expectation.setup.window = 1;
    test_each_cut(fixture->bytes, check_pieces, &expectation);
}

static void check_failures(const struct test_fixture *fixture, void *argument)
{
    struct expectation expectation;

    (void)argument;
    if (fixture->bytes.size == 0)
        return; /* allocates nothing */
    read_fixture(&expectation, fixture);
    expectation.setup.segment_size = 23;
    test_each_failure(check_failing, &expectation);
}

TEST("every fixture gives the same events, wherever it is cut")
{
    test_fixture_each("spec/fixtures/http", check_cuts, NULL);
}

TEST("every fixture releases all memory, whichever allocation fails")
{
    test_fixture_each("spec/fixtures/http", check_failures, NULL);
}

int main(void)
{
    return test_main();
}
