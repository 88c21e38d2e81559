/* http/url_class.h - classes of characters in a URL; for url.c and
 * url_write.c */
#ifndef SL_HTTP_URL_CLASS_H
#define SL_HTTP_URL_CLASS_H

#include "base/view.h"

#include <stdbool.h>

/* Character classes of RFC 3986 appendix A. */
enum sl_url_class {
    SL_URL_UNRESERVED = 1,
    SL_URL_SUB_DELIM = 2,
    SL_URL_COLON_AT = 4, /* ":" and "@": in a segment, not in a name */
    SL_URL_SLASH = 8,
    SL_URL_QUESTION = 16,
    SL_URL_DIGIT = 32,
    SL_URL_HEX = 64,
    SL_URL_ALPHA = 128,
    SL_URL_ODD =
        256 /* no part of the grammar, but sent by many and read by most */
};

#define SL_URL_SEGMENT (SL_URL_UNRESERVED | SL_URL_SUB_DELIM | SL_URL_COLON_AT)
#define SL_URL_PATH    (SL_URL_SEGMENT | SL_URL_SLASH | SL_URL_ODD)
#define SL_URL_QUERY   (SL_URL_PATH | SL_URL_QUESTION)

static inline unsigned sl_url_classes_of(char c)
{
    if (c >= '0' && c <= '9')
        return SL_URL_UNRESERVED | SL_URL_DIGIT | SL_URL_HEX;
    if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
        return SL_URL_UNRESERVED | SL_URL_ALPHA | SL_URL_HEX;
    if ((c >= 'g' && c <= 'z') || (c >= 'G' && c <= 'Z'))
        return SL_URL_UNRESERVED | SL_URL_ALPHA;
    switch (c) {
    case '-':
    case '.':
    case '_':
    case '~':
        return SL_URL_UNRESERVED;
    case '!':
    case '$':
    case '&':
    case '\'':
    case '(':
    case ')':
    case '*':
    case '+':
    case ',':
    case ';':
    case '=':
        return SL_URL_SUB_DELIM;
    case ':':
    case '@':
        return SL_URL_COLON_AT;
    case '/':
        return SL_URL_SLASH;
    case '?':
        return SL_URL_QUESTION;
    case '[':
    case ']':
    case '^':
    case '`':
    case '{':
    case '|':
    case '}':
        return SL_URL_ODD;
    default:
        return 0;
    }
}

static inline bool sl_url_is_in(char c, unsigned classes)
{
    return (sl_url_classes_of(c) & classes) != 0;
}

/* Whether "%xx" stands at `i`. */
static inline bool sl_url_is_escape(struct sl_view text, size_t i)
{
    return text.data[i] == '%' && text.size - i >= 3 &&
           sl_url_is_in(text.data[i + 1], SL_URL_HEX) &&
           sl_url_is_in(text.data[i + 2], SL_URL_HEX);
}

#endif
