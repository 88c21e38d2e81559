/* Buffers, as they are filled and emptied in any order: they hold what a model
 * of plain arrays holds.
 *
 *   byte 0   the size of a segment
 *   rest     what is done, two bytes for each choice
 */
#include "spec/c/memory/mixture.h"

#include <stdio.h>
#include <stdlib.h>

#define OPTIONS    1
#define STEPS_MOST 2000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t units[] = {23, 64, 512, 1024, 2048, 4096};
    struct mixture_choices choices = {0};
    const char *wrong;

    if (size < OPTIONS)
        return 0;
    choices.data = data + OPTIONS;
    choices.size = size - OPTIONS;
    wrong = mixture_run(
        &choices, units[data[0] % (sizeof units / sizeof *units)], STEPS_MOST);
    if (wrong != NULL) {
        fprintf(stderr, "not so: %s\n", wrong);
        abort();
    }
    return 0;
}
