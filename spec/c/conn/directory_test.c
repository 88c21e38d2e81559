#include "conn/directory.h"

#include "spec/c/support/test.h"

#include <stdio.h>

#define MANY 1000

struct named {
    struct sl_directory_entry entry;
    char key[16];
};

static struct named many[MANY];

static struct sl_view key_of(int i)
{
    snprintf(many[i].key, sizeof many[i].key, "origin %d", i);
    return sl_view(many[i].key, strlen(many[i].key));
}

TEST("finds each of many entries by its key")
{
    struct test_allocator allocator;
    struct sl_directory directory;

    test_allocator_init(&allocator);
    sl_directory_init(&directory, &allocator.base, 7);
    CHECK(sl_directory_find(&directory, SL_VIEW("origin 1")) == NULL);
    for (int i = 0; i < MANY; i++)
        CHECK_INT(sl_directory_add(&directory, &many[i].entry, key_of(i)),
                  SL_OK);
    CHECK_INT(directory.count, MANY);
    for (int i = 0; i < MANY; i++)
        CHECK(sl_directory_find(&directory, key_of(i)) == &many[i].entry);
    CHECK(sl_directory_find(&directory, SL_VIEW("origin 1000")) == NULL);
    CHECK(sl_directory_find(&directory, SL_VIEW("origin")) == NULL);
    for (int i = 0; i < MANY; i += 2)
        sl_directory_remove(&directory, &many[i].entry);
    for (int i = 0; i < MANY; i++)
        CHECK(sl_directory_find(&directory, key_of(i)) ==
              (i % 2 == 0 ? NULL : &many[i].entry));
    sl_directory_fini(&directory);
    test_allocator_fini(&allocator);
}

TEST("finds a long key wherever it lies, and nothing once it has ended")
{
    static const char stored[] = "before:an origin whose key is long";
    static const char asked[] = "BEFORE:an origin whose key is long";
    struct test_allocator allocator;
    struct sl_directory directory;
    struct sl_view key = sl_view(asked + 7, sizeof asked - 1 - 7);

    test_allocator_init(&allocator);
    sl_directory_init(&directory, &allocator.base, 7);
    CHECK_INT(sl_directory_add(&directory, &many[0].entry,
                               sl_view(stored + 7, sizeof stored - 1 - 7)),
              SL_OK);
    CHECK(sl_directory_find(&directory, key) == &many[0].entry);
    sl_directory_fini(&directory);
    CHECK(sl_directory_find(&directory, key) == NULL);
    sl_directory_fini(&directory);
    test_allocator_fini(&allocator);
}

TEST("keeps unused entries in the order in which they became unused")
{
    struct test_allocator allocator;
    struct sl_directory directory;

    test_allocator_init(&allocator);
    sl_directory_init(&directory, &allocator.base, 0);
    for (int i = 0; i < 4; i++) {
        REQUIRE(sl_directory_add(&directory, &many[i].entry, key_of(i)) ==
                SL_OK);
        sl_directory_rest(&directory, &many[i].entry);
    }
    CHECK_INT(directory.unused_count, 4);
    CHECK(directory.oldest == &many[0].entry);
    sl_directory_use(&directory, &many[0].entry);
    sl_directory_use(&directory, &many[2].entry);
    CHECK(directory.oldest == &many[1].entry);
    CHECK(directory.newest == &many[3].entry);
    sl_directory_rest(&directory, &many[0].entry);
    CHECK(directory.newest == &many[0].entry);
    CHECK_INT(directory.unused_count, 3);
    /* An unused one that is removed leaves the list, too. */
    sl_directory_remove(&directory, &many[1].entry);
    sl_directory_remove(&directory, &many[3].entry);
    sl_directory_remove(&directory, &many[0].entry);
    CHECK_INT(directory.unused_count, 0);
    CHECK(directory.oldest == NULL);
    CHECK(directory.newest == NULL);
    sl_directory_remove(&directory, &many[2].entry);
    CHECK_INT(directory.count, 0);
    sl_directory_fini(&directory);
    test_allocator_fini(&allocator);
}

static void whole_life(struct sl_allocator *allocator, void *argument)
{
    struct sl_directory directory;
    size_t added = 0;

    (void)argument;
    sl_directory_init(&directory, allocator, 1);
    for (int i = 0; i < 100; i++) {
        enum sl_status status =
            sl_directory_add(&directory, &many[i].entry, key_of(i));

        if (status == SL_OK)
            added++;
        else
            CHECK(test_allocator_has_failed(allocator));
        CHECK((sl_directory_find(&directory, key_of(i)) != NULL) ==
              (status == SL_OK));
    }
    CHECK_INT(directory.count, added);
    sl_directory_fini(&directory);
}

TEST("goes on with longer chains if there is no memory for buckets")
{
    test_each_failure(whole_life, NULL);
}

int main(void)
{
    return test_main();
}
