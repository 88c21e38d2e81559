#include "memory/cells.h"

#include <string.h>

#include "spec/c/support/test.h"

#define MANY 1000

static struct test_allocator allocator;
static struct sl_cells cells;

static void cells_open(void)
{
    test_allocator_init(&allocator);
    sl_cells_init(&cells, &allocator.base);
}

static bool is_filled(const unsigned char *memory, size_t size, int byte)
{
    for (size_t i = 0; i < size; i++) {
        if (memory[i] != byte)
            return false;
    }
    return true;
}

TEST("cells of every size are zeroed, aligned and do not overlap")
{
    unsigned char *rented[SL_CELL_LARGEST + 2];

    cells_open();
    for (int round = 0; round < 2; round++) {
        for (size_t size = 1; size < SL_CELL_LARGEST + 2; size++) {
            rented[size] = sl_cells_rent(&cells, size);
            REQUIRE(rented[size] != NULL);
            CHECK_INT((uintptr_t)rented[size] % sizeof(void *), 0);
            CHECK(is_filled(rented[size], size, 0));
            memset(rented[size], (int)(size & 0xff), size);
        }
        for (size_t size = 1; size < SL_CELL_LARGEST + 2; size++) {
            CHECK(is_filled(rented[size], size, (int)(size & 0xff)));
            sl_cells_return(&cells, rented[size], size);
        }
    }
    test_allocator_fini(&allocator);
}

TEST("many cells share few allocations, and the last return frees them")
{
    void *rented[MANY];

    cells_open();
    for (size_t i = 0; i < MANY; i++) {
        rented[i] = sl_cells_rent(&cells, 280);
        REQUIRE(rented[i] != NULL);
    }
    CHECK(allocator.blocks <= 10);
    for (size_t i = 0; i < MANY; i++)
        sl_cells_return(&cells, rented[i * 7 % MANY], 280);
    test_allocator_fini(&allocator);
}

TEST("a returned cell is rented again, out of a full chunk too")
{
    void *rented[MANY];
    size_t blocks;

    cells_open();
    for (size_t i = 0; i < MANY; i++)
        rented[i] = sl_cells_rent(&cells, 100);
    blocks = (size_t)allocator.blocks;
    for (size_t i = 0; i < MANY; i += 3)
        sl_cells_return(&cells, rented[i], 100);
    for (size_t i = 0; i < MANY; i += 3) {
        rented[i] = sl_cells_rent(&cells, 97);
        REQUIRE(rented[i] != NULL);
        CHECK(is_filled(rented[i], 97, 0));
    }
    CHECK_INT(allocator.blocks, blocks);
    for (size_t i = 0; i < MANY; i++)
        sl_cells_return(&cells, rented[i], 100);
    test_allocator_fini(&allocator);
}

static void rent_two(struct sl_allocator *failing, void *argument)
{
    struct sl_cells own;
    void *small, *large;

    (void)argument;
    sl_cells_init(&own, failing);
    small = sl_cells_rent(&own, 24);
    large = sl_cells_rent(&own, SL_CELL_LARGEST + 1);
    sl_cells_return(&own, small, 24);
    sl_cells_return(&own, large, SL_CELL_LARGEST + 1);
}

TEST("without memory there is no cell")
{
    test_each_failure(rent_two, NULL);
}

int main(void)
{
    return test_main();
}
