#include "base/ascii.h"

const unsigned char sl_hex_digits[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,
    ['6'] = 7,  ['7'] = 8,  ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12,
    ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16, ['A'] = 11, ['B'] = 12,
    ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

bool sl_equal_ignoring_case(struct sl_view a, struct sl_view b)
{
    size_t i;

    if (a.size != b.size)
        return false;
    if (sl_view_equal(a, b))
        return true;
    for (i = 0; i < a.size; i++) {
        if (a.data[i] != b.data[i] &&
            sl_lower(a.data[i]) != sl_lower(b.data[i]))
            return false;
    }
    return true;
}
