#include "http/token.h"

#include "http/scan.h"

#include <stdio.h>

#define ESCAPE_LIMIT 128

bool sl_is_field_value(struct sl_view text)
{
    return text.size == 0 ||
           sl_scan_control(text.data, text.data + text.size) ==
               text.data + text.size;
}

void sl_escape(char *to, size_t size, struct sl_view bytes)
{
    size_t shown = bytes.size < ESCAPE_LIMIT ? bytes.size : ESCAPE_LIMIT;
    size_t used = 0;
    size_t i;

    if (size == 0)
        return;
    for (i = 0; i < shown; i++) {
        unsigned char byte = (unsigned char)bytes.data[i];

        if (byte >= 0x20 && byte < 0x7f && byte != '\\') {
            if (used + 1 >= size)
                break;
            to[used++] = (char)byte;
        } else {
            if (used + 4 >= size)
                break;
            snprintf(to + used, 5, "\\x%02X", byte);
            used += 4;
        }
    }
    to[used] = '\0';
}
