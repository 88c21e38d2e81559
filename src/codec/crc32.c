#include "codec/crc32.h"

#include <zlib.h>

static uint32_t by_table(uint32_t before, struct sl_view bytes)
{
    return (uint32_t)crc32_z(before, (const Bytef *)bytes.data, bytes.size);
}

#ifdef __x86_64__

#include <immintrin.h>

#define FOLDED ((size_t)64) /* bytes folded at a time */

/* The method of Gopal and others, "Fast CRC Computation for Generic Polynomials
 * Using PCLMULQDQ Instruction" (Intel, 2009), bits reflected. A 128 bit piece
 * is moved n bits forward by multiplying its halves with x^(n+32) and x^(n-32)
 * modulo the polynomial, and added to the piece that stands there. */
__attribute__((target("pclmul,sse4.1"))) static __m128i
fold(__m128i piece, __m128i onto, __m128i powers)
{
    __m128i low = _mm_clmulepi64_si128(piece, powers, 0x00);
    __m128i high = _mm_clmulepi64_si128(piece, powers, 0x11);

    return _mm_xor_si128(_mm_xor_si128(low, high), onto);
}

__attribute__((target("pclmul,sse4.1"))) static __m128i load(const char *data)
{
    return _mm_loadu_si128((const __m128i *)(const void *)data);
}

/* 128 bits to 32: two folds by 64 and 32 bits, then Barrett's reduction. */
__attribute__((target("pclmul,sse4.1"))) static uint32_t reduce(__m128i piece)
{
    const __m128i by_128 = _mm_set_epi64x(0x00ccaa009e, 0x01751997d0);
    const __m128i by_64 = _mm_set_epi64x(0, 0x0163cd6124);
    const __m128i barrett = _mm_set_epi64x(0x01f7011641, 0x01db710641);
    const __m128i low_32 = _mm_setr_epi32(~0, 0, ~0, 0);
    __m128i product = _mm_clmulepi64_si128(piece, by_128, 0x10);

    piece = _mm_xor_si128(_mm_srli_si128(piece, 8), product);
    product = _mm_srli_si128(piece, 4);
    piece = _mm_clmulepi64_si128(_mm_and_si128(piece, low_32), by_64, 0x00);
    piece = _mm_xor_si128(piece, product);
    product = _mm_clmulepi64_si128(_mm_and_si128(piece, low_32), barrett, 0x10);
    product =
        _mm_clmulepi64_si128(_mm_and_si128(product, low_32), barrett, 0x00);
    return (uint32_t)_mm_extract_epi32(_mm_xor_si128(piece, product), 1);
}

/* Folds four neighbours, and the `size` bytes behind them (a multiple of 16),
 * into their checksum. */
__attribute__((target("pclmul,sse4.1"))) static uint32_t
finish(const __m128i four[4], const char *data, size_t size)
{
    const __m128i by_128 = _mm_set_epi64x(0x00ccaa009e, 0x01751997d0);
    __m128i piece = fold(four[0], four[1], by_128);

    piece = fold(piece, four[2], by_128);
    piece = fold(piece, four[3], by_128);
    for (; size >= 16; data += 16, size -= 16)
        piece = fold(piece, load(data), by_128);
    return reduce(piece);
}

/* `size` is a multiple of 16 and at least FOLDED. The state is what stands
 * between the inversions that begin and end a crc32. */
__attribute__((target("pclmul,sse4.1"))) static uint32_t
by_multiply(uint32_t state, const char *data, size_t size)
{
    const __m128i by_512 = _mm_set_epi64x(0x01c6e41596, 0x0154442bd4);
    __m128i four[4] = {load(data), load(data + 16), load(data + 32),
                       load(data + 48)};
    int i;

    four[0] = _mm_xor_si128(four[0], _mm_cvtsi32_si128((int)state));
    for (data += FOLDED, size -= FOLDED; size >= FOLDED;
         data += FOLDED, size -= FOLDED) {
        for (i = 0; i < 4; i++)
            four[i] = fold(four[i], load(data + 16 * i), by_512);
    }
    return finish(four, data, size);
}

/* ---- the same, four pieces in a register ---- */

#define WIDE ((size_t)256)

__attribute__((target("avx512f,vpclmulqdq"))) static __m512i
fold_wide(__m512i pieces, __m512i onto, __m512i powers)
{
    __m512i low = _mm512_clmulepi64_epi128(pieces, powers, 0x00);
    __m512i high = _mm512_clmulepi64_epi128(pieces, powers, 0x11);

    /* 0x96: the sum of all three */
    return _mm512_ternarylogic_epi64(low, high, onto, 0x96);
}

/* `size` is a multiple of 16 and at least WIDE. */
__attribute__((target("avx512f,vpclmulqdq"))) static uint32_t
by_wide_multiply(uint32_t state, const char *data, size_t size)
{
    const __m512i by_2048 =
        _mm512_broadcast_i32x4(_mm_set_epi64x(0x01322d1430, 0x011542778a));
    const __m512i by_512 =
        _mm512_broadcast_i32x4(_mm_set_epi64x(0x01c6e41596, 0x0154442bd4));
    __m512i wide[4];
    __m128i four[4];
    int i;

    for (i = 0; i < 4; i++)
        wide[i] = _mm512_loadu_si512(data + 64 * i);
    wide[0] = _mm512_xor_si512(
        wide[0], _mm512_inserti32x4(_mm512_setzero_si512(),
                                    _mm_cvtsi32_si128((int)state), 0));
    for (data += WIDE, size -= WIDE; size >= WIDE; data += WIDE, size -= WIDE) {
        for (i = 0; i < 4; i++)
            wide[i] =
                fold_wide(wide[i], _mm512_loadu_si512(data + 64 * i), by_2048);
    }
    for (i = 1; i < 4; i++)
        wide[0] = fold_wide(wide[0], wide[i], by_512);
    for (; size >= FOLDED; data += FOLDED, size -= FOLDED)
        wide[0] = fold_wide(wide[0], _mm512_loadu_si512(data), by_512);
    _mm512_storeu_si512(four, wide[0]);
    return finish(four, data, size);
}

static uint32_t fold_all(uint32_t state, const char *data, size_t size)
{
    if (size >= WIDE && __builtin_cpu_supports("vpclmulqdq") &&
        __builtin_cpu_supports("avx512f"))
        return by_wide_multiply(state, data, size);
    return by_multiply(state, data, size);
}

uint32_t sl_crc32(uint32_t before, struct sl_view bytes)
{
    size_t folded = bytes.size & ~(size_t)15;

    if (folded < FOLDED || !__builtin_cpu_supports("pclmul") ||
        !__builtin_cpu_supports("sse4.1"))
        return by_table(before, bytes);
    before = ~fold_all(~before, bytes.data, folded);
    return by_table(before, sl_view(bytes.data + folded, bytes.size - folded));
}

#else

uint32_t sl_crc32(uint32_t before, struct sl_view bytes)
{
    return by_table(before, bytes);
}

#endif
