#include "codec/sha1.h"

#include <stdint.h>
#include <string.h>

#define BLOCK_SIZE  64
#define LENGTH_SIZE 8
#define ROUNDS      80

static uint32_t rotate(uint32_t word, unsigned count)
{
    return word << count | word >> (32 - count);
}

static uint32_t read_word(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
           (uint32_t)bytes[2] << 8 | bytes[3];
}

static void write_word(unsigned char *bytes, uint32_t word)
{
    bytes[0] = (unsigned char)(word >> 24);
    bytes[1] = (unsigned char)(word >> 16);
    bytes[2] = (unsigned char)(word >> 8);
    bytes[3] = (unsigned char)word;
}

/* RFC 3174 5: the function and the constant of a round. */
static uint32_t mix(int round, uint32_t b, uint32_t c, uint32_t d)
{
    if (round < 20)
        return ((b & c) | (~b & d)) + 0x5a827999;
    if (round < 40)
        return (b ^ c ^ d) + 0x6ed9eba1;
    if (round < 60)
        return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
    return (b ^ c ^ d) + 0xca62c1d6;
}

/* RFC 3174 6.1 */
static void add_block(uint32_t state[5], const unsigned char *block)
{
    uint32_t words[ROUNDS];
    uint32_t a = state[0];
    uint32_t b = state[1];
    uint32_t c = state[2];
    uint32_t d = state[3];
    uint32_t e = state[4];

    for (int i = 0; i < BLOCK_SIZE / 4; i++)
        words[i] = read_word(block + (size_t)i * 4);
    for (int i = BLOCK_SIZE / 4; i < ROUNDS; i++)
        words[i] = rotate(
            words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
    for (int i = 0; i < ROUNDS; i++) {
        uint32_t next = rotate(a, 5) + mix(i, b, c, d) + e + words[i];

        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
}

/* The rest of the bytes, a one, zeros, and the length in bits (RFC 3174 4). */
static void add_end(uint32_t state[5], struct sl_view rest, size_t size)
{
    unsigned char blocks[2 * BLOCK_SIZE] = {0};
    size_t padded =
        rest.size + 1 + LENGTH_SIZE <= BLOCK_SIZE ? BLOCK_SIZE : 2 * BLOCK_SIZE;
    uint64_t bits = (uint64_t)size * 8;

    if (rest.size > 0)
        memcpy(blocks, rest.data, rest.size);
    blocks[rest.size] = 0x80;
    write_word(blocks + padded - 8, (uint32_t)(bits >> 32));
    write_word(blocks + padded - 4, (uint32_t)bits);
    for (size_t i = 0; i < padded; i += BLOCK_SIZE)
        add_block(state, blocks + i);
}

void sl_sha1(struct sl_view bytes, unsigned char digest[SL_SHA1_SIZE])
{
    uint32_t state[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476,
                         0xc3d2e1f0};
    struct sl_view rest = bytes;

    while (rest.size >= BLOCK_SIZE) {
        add_block(state, (const unsigned char *)rest.data);
        rest.data += BLOCK_SIZE;
        rest.size -= BLOCK_SIZE;
    }
    add_end(state, rest, bytes.size);
    for (size_t i = 0; i < 5; i++)
        write_word(digest + 4 * i, state[i]);
}
