#include "spec/c/support/test.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* More of a failed comparison helps nobody. */
#define SHOWN_BYTES 128

/* No body allocates this often: it would never stop. */
#define MOST_FAILURE_ROUNDS 100000

struct guard {
    char *pointer; /* what the test holds: ends where the last page begins */
    char *mapping;
    size_t mapping_size;
    struct guard *next;
};

/* In front of each block of a test_allocator. */
struct block_header {
    _Alignas(max_align_t) size_t size;
    size_t mark;
};

#define BLOCK_MARK ((size_t)0x5eed5a1d)

static struct {
    struct test_case *first;
    struct test_case *last;
    size_t failures_in_test;
    jmp_buf end_of_test;
    struct guard *guards;
    char note[256];
} state;

static void *need(void *pointer)
{
    if (pointer == NULL) {
        perror("test support: out of memory");
        abort();
    }
    return pointer;
}

/* ---- running ---- */

void test_register(struct test_case *test)
{
    if (state.last == NULL)
        state.first = test;
    else
        state.last->next = test;
    state.last = test;
}

void test_note(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(state.note, sizeof(state.note), format, arguments);
    va_end(arguments);
}

static bool run_one(const struct test_case *test)
{
    state.failures_in_test = 0;
    state.note[0] = '\0';
    if (setjmp(state.end_of_test) == 0)
        test->run();
    while (state.guards != NULL)
        guard_free(state.guards->pointer);
    if (state.failures_in_test > 0)
        printf("FAILED %s:%d: %s\n", test->file, test->line, test->title);
    return state.failures_in_test == 0;
}

/* The program's arguments, without asking every main to pass them on. */
static char wanted_title[256];

__attribute__((constructor)) static void keep_argument(int count, char **values)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (count > 1)
        snprintf(wanted_title, sizeof(wanted_title), "%s", values[1]);
}

int test_main(void)
{
    size_t passed = 0;
    size_t failed = 0;
    const struct test_case *test;

    for (test = state.first; test != NULL; test = test->next) {
        if (strstr(test->title, wanted_title) == NULL)
            continue;
        if (run_one(test))
            passed++;
        else
            failed++;
    }
    printf("%zu passed, %zu failed\n", passed, failed);
    return failed == 0 && passed > 0 ? 0 : 1;
}

/* ---- checks ---- */

static void report(const char *file, int line)
{
    state.failures_in_test++;
    printf("%s:%d: ", file, line);
    if (state.note[0] != '\0')
        printf("[%s] ", state.note);
}

static void print_bytes(const char *label, const char *data, size_t size)
{
    size_t i;

    printf("    %s (%zu bytes): \"", label, size);
    for (i = 0; i < size && i < SHOWN_BYTES; i++) {
        unsigned char byte = (unsigned char)data[i];

        if (byte == '\r')
            printf("\\r");
        else if (byte == '\n')
            printf("\\n");
        else if (byte >= 0x20 && byte < 0x7f)
            putchar(byte);
        else
            printf("\\x%02x", byte);
    }
    printf("\"%s\n", size > SHOWN_BYTES ? "..." : "");
}

bool test_check(bool held, const char *text, const char *file, int line)
{
    if (!held) {
        report(file, line);
        printf("not so: %s\n", text);
    }
    return held;
}

bool test_require(bool held, const char *text, const char *file, int line)
{
    if (!test_check(held, text, file, line))
        longjmp(state.end_of_test, 1);
    return true;
}

bool test_check_int(long long actual, long long expected, const char *text,
                    const char *file, int line)
{
    if (actual == expected)
        return true;
    report(file, line);
    printf("%s is %lld, expected %lld\n", text, actual, expected);
    return false;
}

bool test_check_bytes(const void *actual, size_t actual_size,
                      const void *expected, size_t expected_size,
                      const char *text, const char *file, int line)
{
    if (sl_view_equal(sl_view(actual, actual_size),
                      sl_view(expected, expected_size)))
        return true;
    report(file, line);
    printf("%s differs\n", text);
    print_bytes("actual", actual, actual_size);
    print_bytes("expected", expected, expected_size);
    return false;
}

bool test_check_view(struct sl_view actual, const char *expected,
                     const char *text, const char *file, int line)
{
    return test_check_bytes(actual.data, actual.size, expected,
                            strlen(expected), text, file, line);
}

bool test_check_str(const char *actual, const char *expected, const char *text,
                    const char *file, int line)
{
    if (actual != NULL && expected != NULL)
        return test_check_bytes(actual, strlen(actual), expected,
                                strlen(expected), text, file, line);
    if (actual == expected)
        return true;
    report(file, line);
    printf("%s is %s, expected %s\n", text, actual ? actual : "NULL",
           expected ? expected : "NULL");
    return false;
}

/* ---- guarded memory ---- */

char *guard_copy(const void *data, size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t readable = (size + page - 1) / page * page;
    struct guard *guard = need(malloc(sizeof(*guard)));

    guard->mapping_size = readable + page;
    guard->mapping = mmap(NULL, guard->mapping_size, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (guard->mapping == MAP_FAILED ||
        mprotect(guard->mapping + readable, page, PROT_NONE) != 0) {
        perror("test support: guard page");
        abort();
    }
    guard->pointer = guard->mapping + readable - size;
    if (size > 0)
        memcpy(guard->pointer, data, size);
    guard->next = state.guards;
    state.guards = guard;
    return guard->pointer;
}

void guard_free(void *pointer)
{
    struct guard **link = &state.guards;
    struct guard *guard;

    if (pointer == NULL)
        return;
    while (*link != NULL && (*link)->pointer != pointer)
        link = &(*link)->next;
    guard = *link;
    if (guard == NULL) {
        fprintf(stderr, "test support: guard_free of a foreign pointer\n");
        abort();
    }
    *link = guard->next;
    munmap(guard->mapping, guard->mapping_size);
    free(guard);
}

/* ---- cuts ---- */

static struct sl_view guard_view(struct sl_view bytes)
{
    return sl_view(guard_copy(bytes.data, bytes.size), bytes.size);
}

static void free_views(struct sl_view *views, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++)
        guard_free((void *)(uintptr_t)views[i].data);
}

void test_each_cut(struct sl_view input,
                   void (*body)(const struct sl_view *pieces, size_t count,
                                void *argument),
                   void *argument)
{
    struct sl_view pair[2];
    struct sl_view *bytes = need(calloc(input.size + 1, sizeof(*bytes)));
    char outer_note[128];
    size_t i;

    snprintf(outer_note, sizeof(outer_note), "%.127s", state.note);

    test_note("%s whole", outer_note);
    pair[0] = guard_view(input);
    body(pair, 1, argument);
    free_views(pair, 1);

    for (i = 1; i < input.size; i++) {
        test_note("%s cut at %zu", outer_note, i);
        pair[0] = guard_view(sl_view(input.data, i));
        pair[1] = guard_view(sl_view(input.data + i, input.size - i));
        body(pair, 2, argument);
        free_views(pair, 2);
    }

    test_note("%s byte by byte", outer_note);
    for (i = 0; i < input.size; i++)
        bytes[i] = guard_view(sl_view(input.data + i, 1));
    body(bytes, input.size, argument);
    free_views(bytes, input.size);
    free(bytes);
    test_note("%s", outer_note);
}

/* ---- the failing allocator ---- */

static bool must_fail(struct test_allocator *allocator)
{
    size_t k = allocator->fail_at;
    size_t attempt = ++allocator->attempts;
    bool is_refused = false;

    switch (allocator->failing) {
    case TEST_FAIL_NEVER:
        break;
    case TEST_FAIL_ONCE:
        is_refused = attempt == k;
        break;
    case TEST_FAIL_PAIR:
        is_refused = attempt == k || attempt == k + 1;
        break;
    case TEST_FAIL_FROM:
        is_refused = attempt >= k;
        break;
    }
    allocator->failures += is_refused;
    return is_refused;
}

static struct block_header *check_header(void *pointer, size_t size)
{
    struct block_header *header = (struct block_header *)pointer - 1;

    if (header->mark != BLOCK_MARK || header->size != size) {
        fprintf(stderr, "test allocator: block of %zu bytes given as %zu\n",
                header->size, size);
        abort();
    }
    return header;
}

static void free_block(struct test_allocator *allocator, void *pointer,
                       size_t size)
{
    struct block_header *header = check_header(pointer, size);

    allocator->blocks--;
    allocator->bytes -= size;
    header->mark = 0;
    free(header);
}

static void *new_block(struct test_allocator *allocator, size_t size)
{
    struct block_header *header = need(malloc(sizeof(*header) + size));

    header->size = size;
    header->mark = BLOCK_MARK;
    allocator->blocks++;
    allocator->bytes += size;
    return header + 1;
}

static void *move_block(struct test_allocator *allocator, void *pointer,
                        size_t old_size, size_t new_size)
{
    void *moved = NULL;

    if (new_size > 0 && must_fail(allocator))
        return NULL;
    if (new_size > 0)
        moved = new_block(allocator, new_size);
    if (pointer != NULL) {
        if (moved != NULL)
            memcpy(moved, pointer, old_size < new_size ? old_size : new_size);
        free_block(allocator, pointer, old_size);
    }
    return moved;
}

static void *test_resize(struct sl_allocator *self, void *pointer,
                         size_t old_size, size_t new_size)
{
    struct test_allocator *allocator = (struct test_allocator *)self;
    void *moved;

    pthread_mutex_lock(&allocator->lock);
    moved = move_block(allocator, pointer, old_size, new_size);
    pthread_mutex_unlock(&allocator->lock);
    return moved;
}

void test_allocator_init(struct test_allocator *allocator)
{
    memset(allocator, 0, sizeof(*allocator));
    allocator->base.resize = test_resize;
    pthread_mutex_init(&allocator->lock, NULL);
}

void test_allocator_fini(struct test_allocator *allocator)
{
    CHECK_INT(allocator->blocks, 0);
    CHECK_INT(allocator->bytes, 0);
    pthread_mutex_destroy(&allocator->lock);
}

void test_allocator_fail(struct test_allocator *allocator,
                         enum test_failing failing, size_t k)
{
    allocator->failing = failing;
    allocator->fail_at = k;
    allocator->attempts = 0;
    allocator->failures = 0;
}

bool test_allocator_has_failed(const struct sl_allocator *allocator)
{
    return ((const struct test_allocator *)allocator)->failures > 0;
}

/* Answers whether anything was refused, so that there is a next round. */
static bool run_failing(enum test_failing failing, size_t k,
                        void (*body)(struct sl_allocator *allocator,
                                     void *argument),
                        void *argument)
{
    struct test_allocator allocator;
    bool has_failed;

    test_allocator_init(&allocator);
    test_allocator_fail(&allocator, failing, k);
    body(&allocator.base, argument);
    has_failed = allocator.failures > 0;
    test_allocator_fini(&allocator);
    return has_failed;
}

void test_each_failure(void (*body)(struct sl_allocator *allocator,
                                    void *argument),
                       void *argument)
{
    static const struct {
        enum test_failing failing;
        const char *name;
    } modes[] = {{TEST_FAIL_ONCE, "once"},
                 {TEST_FAIL_PAIR, "pair"},
                 {TEST_FAIL_FROM, "from"}};
    char outer_note[128];
    size_t i;

    snprintf(outer_note, sizeof(outer_note), "%.127s", state.note);
    for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        size_t k = 0;

        do {
            k++;
            test_note("%s allocation %zu fails, %s", outer_note, k,
                      modes[i].name);
        } while (run_failing(modes[i].failing, k, body, argument) &&
                 k < MOST_FAILURE_ROUNDS);
        CHECK(k > 1); /* else the body allocates nothing: nothing was tried */
        CHECK(k < MOST_FAILURE_ROUNDS);
    }
    test_note("%s", outer_note);
}

/* ---- fixtures ---- */

/* A document cut into what test_fixture shows; all of it points into `text`
 * or into the arrays, which are freed with it. */
struct document {
    char *text;
    char **lines;
    size_t line_count;
    struct test_fixture_block *blocks;
    struct test_fixture fixture;
};

static char *read_whole(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    size_t room = 0;
    size_t count;

    *size = 0;
    if (file == NULL)
        return NULL;
    do {
        room += 65536;
        text = need(realloc(text, room + 1));
        count = fread(text + *size, 1, room - *size, file);
        *size += count;
    } while (count > 0);
    fclose(file);
    text[*size] = '\0';
    return text;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Decodes one escape; `in` stands behind the backslash. Returns where to go
 * on, or NULL when there is no such escape. */
static const char *decode_escape(const char *in, char *out)
{
    switch (*in) {
    case 'r':
        *out = '\r';
        return in + 1;
    case 'n':
        *out = '\n';
        return in + 1;
    case 't':
        *out = '\t';
        return in + 1;
    case '0':
        *out = '\0';
        return in + 1;
    case '\\':
        *out = '\\';
        return in + 1;
    case 'x':
        if (hex_digit(in[1]) < 0 || hex_digit(in[2]) < 0)
            return NULL;
        *out = (char)(hex_digit(in[1]) * 16 + hex_digit(in[2]));
        return in + 3;
    default:
        return NULL;
    }
}

/* Joins the lines of a bytes block in place: what is decoded is never longer
 * than what is read. */
static bool decode_bytes(struct test_fixture_block *block, char **lines)
{
    char *out = lines[0];
    size_t i;

    for (i = 0; i < block->line_count; i++) {
        const char *in = lines[i];

        while (in != NULL && *in != '\0') {
            if (*in == '\\')
                in = decode_escape(in + 1, out++);
            else
                *out++ = *in++;
        }
        if (in == NULL)
            return false;
    }
    block->bytes = sl_view(lines[0], (size_t)(out - lines[0]));
    return true;
}

static void split_lines(struct document *document, size_t size)
{
    char *at = document->text;
    const char *end = document->text + size;
    size_t count = 1;
    char *newline;

    for (newline = at; (newline = strchr(newline, '\n')) != NULL; newline++)
        count++;
    document->lines = need(calloc(count, sizeof(*document->lines)));
    document->blocks = need(calloc(count, sizeof(*document->blocks)));
    while (at < end) {
        document->lines[document->line_count++] = at;
        newline = strchr(at, '\n');
        if (newline == NULL)
            break;
        *newline = '\0';
        at = newline + 1;
    }
}

/* Lines from the one behind an opening fence; returns the one behind the
 * closing fence, or 0 when the block is malformed. */
static size_t parse_block(struct document *document, char *fence, size_t line)
{
    struct test_fixture_block *block =
        &document->blocks[document->fixture.block_count];
    char **first = document->lines + line;
    char *space = strchr(fence, ' ');

    while (line < document->line_count &&
           strncmp(document->lines[line], "```", 3) != 0)
        line++;
    if (line == document->line_count)
        return 0;
    if (space != NULL)
        *space = '\0';
    block->kind = fence;
    block->info = space != NULL ? space + 1 : "";
    block->lines = (const char *const *)first;
    block->line_count = (size_t)(document->lines + line - first);
    document->fixture.block_count++;
    if (strcmp(block->kind, "bytes") == 0) {
        if (!decode_bytes(block, first))
            return 0;
    } else if (block->line_count > 0) {
        const char *last = first[block->line_count - 1];

        block->bytes =
            sl_view(first[0], (size_t)(last - first[0]) + strlen(last));
    }
    return line + 1;
}

static bool parse_document(struct document *document)
{
    struct test_fixture *fixture = &document->fixture;
    const struct test_fixture_block *block;
    size_t line = 1;

    if (document->line_count < 3 || strncmp(document->lines[0], "# ", 2) != 0)
        return false;
    fixture->title = document->lines[0] + 2;
    fixture->blocks = document->blocks;
    while (line < document->line_count) {
        char *text = document->lines[line++];

        if (strncmp(text, "```", 3) == 0) {
            line = parse_block(document, text + 3, line);
            if (line == 0)
                return false;
        } else if (fixture->reason == NULL && text[0] != '\0') {
            fixture->reason = text;
        }
    }
    block = test_fixture_block(fixture, "bytes", 0);
    if (block == NULL || fixture->reason == NULL)
        return false;
    fixture->bytes = block->bytes;
    block = test_fixture_block(fixture, "events", 0);
    if (block != NULL) {
        fixture->events = block->lines;
        fixture->event_count = block->line_count;
    }
    return true;
}

const struct test_fixture_block *
test_fixture_block(const struct test_fixture *fixture, const char *kind,
                   size_t n)
{
    size_t i;

    for (i = 0; i < fixture->block_count; i++) {
        if (strcmp(fixture->blocks[i].kind, kind) == 0 && n-- == 0)
            return &fixture->blocks[i];
    }
    return NULL;
}

static void run_fixture(const char *path,
                        void (*body)(const struct test_fixture *fixture,
                                     void *argument),
                        void *argument)
{
    struct document document = {0};
    size_t size;

    test_note("%s", path);
    document.text = read_whole(path, &size);
    if (CHECK(document.text != NULL)) {
        document.fixture.path = path;
        split_lines(&document, size);
        if (CHECK(parse_document(&document)))
            body(&document.fixture, argument);
    }
    test_note("%s", "");
    free(document.blocks);
    free(document.lines);
    free(document.text);
}

static int is_fixture(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);

    return length > 3 && strcmp(entry->d_name + length - 3, ".md") == 0;
}

void test_fixture_each(const char *directory,
                       void (*body)(const struct test_fixture *fixture,
                                    void *argument),
                       void *argument)
{
    struct dirent **entries = NULL;
    int count = scandir(directory, &entries, is_fixture, alphasort);
    char path[512];
    int i;

    test_note("%s", directory);
    CHECK(count > 0);
    for (i = 0; i < count; i++) {
        snprintf(path, sizeof(path), "%s/%s", directory, entries[i]->d_name);
        run_fixture(path, body, argument);
        free(entries[i]);
    }
    free(entries);
}
