/* Buffers, as they are filled and emptied in any order: they hold what a model
 * of plain arrays holds.
 *
 *   byte 0   the size of a segment
 *   byte 1   whether segments lie in slabs
 *   rest     what is done, two bytes for each choice
 *
 * Longer mixtures and larger segments are in spec/c/memory/buffer_test.c.
 */
#include "spec/c/fuzz/ground.h"
#include "spec/c/memory/mixture.h"

#define INPUT_MOST 448
#define OPTIONS    3
#define STEPS_MOST 2000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t units[] = {23, 64, 128, 256, 512, 1024};
    struct mixture_choices choices = {0};
    struct sl_pool *pool;
    const char *wrong;

    if (size < OPTIONS)
        return 0;
    choices.data = data + OPTIONS;
    choices.size = size - OPTIONS;
    pool = ground_pool(data[1] & 1 ? SL_POOL_DIRECT : SL_POOL_SLABS,
                       units[data[0] % (sizeof units / sizeof *units)]);
    wrong = mixture_run(&choices, pool, STEPS_MOST);
    ground_demand(wrong == NULL, wrong);
    return 0;
}
