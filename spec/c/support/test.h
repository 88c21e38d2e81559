/* spec/c/support/test.h - what every C unit test is written with
 *
 *     #include "spec/c/support/test.h"
 *
 *     TEST("keeps order when a take lands mid-segment")
 *     {
 *         CHECK_INT(sl_buffer_length(&buffer), 5);
 *     }
 *
 *     int main(void)
 *     {
 *         return test_main();
 *     }
 *
 * Compiled with -I. -Isrc, run from the root of the tree. Tests run in the
 * order in which they stand; an argument runs only those whose title holds it.
 * The last line is `N passed, M failed`; the exit code is 0 when M is 0.
 */
#ifndef SPEC_C_SUPPORT_TEST_H
#define SPEC_C_SUPPORT_TEST_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/allocator.h"
#include "base/view.h"

/* ---- tests ---- */

struct test_case {
    const char *title;
    const char *file;
    int line;
    void (*run)(void);
    struct test_case *next;
};

#define TEST_JOIN_(a, b) a##b
#define TEST_JOIN(a, b)  TEST_JOIN_(a, b)

/* A title is a sentence about behaviour. */
#define TEST(title_)                                                   \
    static void TEST_JOIN(test_at_, __LINE__)(void);                   \
    static struct test_case TEST_JOIN(test_case_, __LINE__) = {        \
        .title = title_,                                               \
        .file = __FILE__,                                              \
        .line = __LINE__,                                              \
        .run = TEST_JOIN(test_at_, __LINE__),                          \
    };                                                                 \
    __attribute__((constructor)) static void TEST_JOIN(test_register_, \
                                                       __LINE__)(void) \
    {                                                                  \
        test_register(&TEST_JOIN(test_case_, __LINE__));               \
    }                                                                  \
    static void TEST_JOIN(test_at_, __LINE__)(void)

void test_register(struct test_case *test);

/* Runs all registered tests; what it returns is what main returns. */
int test_main(void);

/* Printed with the failures that follow, until the next note or the end of the
 * test: which cut, which fixture, which round. An empty format clears it. */
void test_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- checks: a failed CHECK is counted and the test goes on; a failed
 * REQUIRE ends the test there. All of them answer whether they held. ---- */

#define CHECK(condition) \
    test_check((condition) ? true : false, #condition, __FILE__, __LINE__)
#define REQUIRE(condition) \
    test_require((condition) ? true : false, #condition, __FILE__, __LINE__)
/* Integers of any type, bools and enums too: actual, then expected. */
#define CHECK_INT(actual, expected)                                     \
    test_check_int((long long)(actual), (long long)(expected), #actual, \
                   __FILE__, __LINE__)
/* C strings; a NULL equals only NULL. */
#define CHECK_STR(actual, expected) \
    test_check_str((actual), (expected), #actual, __FILE__, __LINE__)
/* A struct sl_view against a C string. */
#define CHECK_VIEW(actual, expected) \
    test_check_view((actual), (expected), #actual, __FILE__, __LINE__)
/* Pointer and size against pointer and size. */
#define CHECK_BYTES(actual, actual_size, expected, expected_size)          \
    test_check_bytes((actual), (actual_size), (expected), (expected_size), \
                     #actual, __FILE__, __LINE__)

bool test_check(bool held, const char *text, const char *file, int line);
bool test_require(bool held, const char *text, const char *file, int line);
bool test_check_int(long long actual, long long expected, const char *text,
                    const char *file, int line);
bool test_check_str(const char *actual, const char *expected, const char *text,
                    const char *file, int line);
bool test_check_view(struct sl_view actual, const char *expected,
                     const char *text, const char *file, int line);
bool test_check_bytes(const void *actual, size_t actual_size,
                      const void *expected, size_t expected_size,
                      const char *text, const char *file, int line);

/* ---- memory that ends against an unreadable page ---- */

/* A writable copy whose first byte past the end is a crash. Any number may be
 * live at a time; a size of 0 gives a pointer that may not be read at all.
 * What is not freed by the end of the test is freed then. */
char *guard_copy(const void *data, size_t size);
void guard_free(void *pointer);

/* ---- every cut of an input ---- */

/* Calls `body` with `input` whole, cut in two at every position, and byte by
 * byte. Each piece lies against an unreadable page of its own, for as long as
 * the call lasts. */
void test_each_cut(struct sl_view input,
                   void (*body)(const struct sl_view *pieces, size_t count,
                                void *argument),
                   void *argument);

/* ---- an allocator that counts and fails ---- */

enum test_failing {
    TEST_FAIL_NEVER,
    TEST_FAIL_ONCE, /* the k-th allocation */
    TEST_FAIL_PAIR, /* the k-th and the one after it */
    TEST_FAIL_FROM  /* the k-th and all after it */
};

/* Every resize moves the block, so that a pointer kept across it is caught;
 * an `old_size` that is not the block's own ends the program. Any thread may
 * call it. A shrink may fail like any other allocation; a free never does. */
struct test_allocator {
    struct sl_allocator base;
    pthread_mutex_t lock;
    enum test_failing failing;
    size_t fail_at;  /* k, counted from 1 */
    size_t attempts; /* allocations asked for since init or fail */
    size_t failures; /* those that were refused */
    size_t blocks;   /* live now */
    size_t bytes;    /* in live blocks */
};

void test_allocator_init(struct test_allocator *allocator);
/* Checks that no block is live. */
void test_allocator_fini(struct test_allocator *allocator);
/* From now on, the k-th allocation fails as `failing` says. */
void test_allocator_fail(struct test_allocator *allocator,
                         enum test_failing failing, size_t k);
/* Whether a test_allocator seen through its base has refused anything. */
bool test_allocator_has_failed(const struct sl_allocator *allocator);

/* Runs `body` for k = 1, 2, 3 ... in each of the three modes until a run in
 * which nothing was refused, and checks after each run that nothing leaked.
 * `body` does a whole life: creates, works, destroys. It must expect
 * SL_MEMORY only when test_allocator_has_failed(allocator). */
void test_each_failure(void (*body)(struct sl_allocator *allocator,
                                    void *argument),
                       void *argument);

/* ---- wire fixtures ----
 *
 *     # Title
 *
 *     Reason, one paragraph.
 *
 *     ```bytes any=info
 *     HTTP/1.1 200 OK\r\n
 *     \r\n
 *     ```
 *
 *     ```events
 *     status 200
 *     ```
 *
 * In a bytes block \r \n \t \0 \\ and \xHH stand for bytes, and the line
 * breaks of the document for nothing. Other blocks are taken line by line.
 */
struct test_fixture_block {
    const char *kind;     /* first word of the fence */
    const char *info;     /* the rest of the fence, or "" */
    struct sl_view bytes; /* decoded in a bytes block, else as it stands */
    const char *const *lines;
    size_t line_count;
};

struct test_fixture {
    const char *path;
    const char *title;
    const char *reason;
    const struct test_fixture_block *blocks;
    size_t block_count;
    struct sl_view bytes;      /* of the first bytes block */
    const char *const *events; /* of the first events block */
    size_t event_count;
};

/* Calls back for each `*.md` of the directory ("spec/fixtures/http"), by name.
 * A directory without fixtures, or a malformed one, fails the test. What
 * `fixture` points to is good until the callback returns. */
void test_fixture_each(const char *directory,
                       void (*body)(const struct test_fixture *fixture,
                                    void *argument),
                       void *argument);

/* The n-th block (from 0) of that kind, or NULL. */
const struct test_fixture_block *
test_fixture_block(const struct test_fixture *fixture, const char *kind,
                   size_t n);

#endif
