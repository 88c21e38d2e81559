#include "base/token.h"

#include "base/ascii.h"

#include <stdbool.h>

/* RFC 9110 5.6.2: tchar */
static const bool token_bytes[256] = {
    ['!'] = true,  ['#'] = true, ['$'] = true, ['%'] = true, ['&'] = true,
    ['\''] = true, ['*'] = true, ['+'] = true, ['-'] = true, ['.'] = true,
    ['^'] = true,  ['_'] = true, ['`'] = true, ['|'] = true, ['~'] = true,
    ['0'] = true,  ['1'] = true, ['2'] = true, ['3'] = true, ['4'] = true,
    ['5'] = true,  ['6'] = true, ['7'] = true, ['8'] = true, ['9'] = true,
    ['A'] = true,  ['B'] = true, ['C'] = true, ['D'] = true, ['E'] = true,
    ['F'] = true,  ['G'] = true, ['H'] = true, ['I'] = true, ['J'] = true,
    ['K'] = true,  ['L'] = true, ['M'] = true, ['N'] = true, ['O'] = true,
    ['P'] = true,  ['Q'] = true, ['R'] = true, ['S'] = true, ['T'] = true,
    ['U'] = true,  ['V'] = true, ['W'] = true, ['X'] = true, ['Y'] = true,
    ['Z'] = true,  ['a'] = true, ['b'] = true, ['c'] = true, ['d'] = true,
    ['e'] = true,  ['f'] = true, ['g'] = true, ['h'] = true, ['i'] = true,
    ['j'] = true,  ['k'] = true, ['l'] = true, ['m'] = true, ['n'] = true,
    ['o'] = true,  ['p'] = true, ['q'] = true, ['r'] = true, ['s'] = true,
    ['t'] = true,  ['u'] = true, ['v'] = true, ['w'] = true, ['x'] = true,
    ['y'] = true,  ['z'] = true,
};

bool sl_is_token_byte(unsigned char byte)
{
    return token_bytes[byte];
}

size_t sl_token_length(struct sl_view text)
{
    size_t i = 0;

    while (i < text.size && token_bytes[(unsigned char)text.data[i]])
        i++;
    return i;
}

bool sl_is_token(struct sl_view text)
{
    return text.size > 0 && sl_token_length(text) == text.size;
}

struct sl_view sl_trim(struct sl_view text)
{
    while (text.size > 0 && sl_is_blank(text.data[0])) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && sl_is_blank(text.data[text.size - 1]))
        text.size--;
    return text;
}

/* The size of the element at the front of `text`, up to its comma. */
static size_t element_size(struct sl_view text)
{
    bool is_quoted = false;
    size_t i;

    for (i = 0; i < text.size; i++) {
        if (text.data[i] == '"')
            is_quoted = !is_quoted;
        else if (is_quoted && text.data[i] == '\\' && i + 1 < text.size)
            i++;
        else if (!is_quoted && text.data[i] == ',')
            break;
    }
    return i;
}

bool sl_list_next(struct sl_view *rest, struct sl_view *element)
{
    while (rest->size > 0) {
        size_t size = element_size(*rest);
        size_t used = size < rest->size ? size + 1 : size;

        *element = sl_trim(sl_view(rest->data, size));
        rest->data += used;
        rest->size -= used;
        if (element->size > 0)
            return true;
    }
    return false;
}
