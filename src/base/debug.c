#include "base/debug.h"

#include <stdio.h>
#include <stdlib.h>

void sl_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "sluice: %s:%d: assertion failed: %s\n", file, line,
            condition);
    abort();
}
