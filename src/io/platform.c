#include "io/platform.h"

#include "base/debug.h"

#include <pthread.h>

static struct sl_platform platform;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void detect(void)
{
    size_t count = 0;

    for (size_t i = 0; sl_backend_classes[i] != NULL; i++) {
        sl_assert(count + 1 < SL_PLATFORM_BACKENDS);
        if (sl_backend_classes[i]->is_present())
            platform.backends[count++] = sl_backend_classes[i];
    }
    platform.is_supported = count > 0;
    platform.completion_model = count > 0 ? platform.backends[0]->name : "none";
    platform.expected_benefit =
        count > 0 ? platform.backends[0]->benefit : "none";
}

const struct sl_platform *sl_platform(void)
{
    pthread_once(&once, detect);
    return &platform;
}
