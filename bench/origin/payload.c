/* bench/origin/payload.c - the gzip bodies that origin.c serves
 *
 * usage: payload text|flat <bytes> <file>
 *
 * text: log lines of a small vocabulary, about 5.3:1 under gzip -6.
 * flat: one repeated line with a rare counter, about 280:1.
 * The same bytes at every run: the generator has a fixed seed.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static uint32_t seed = 20240229;

static uint32_t draw(uint32_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed % below;
}

static size_t text_line(char *line, size_t room, unsigned long number)
{
    static const char *const paths[] = {
        "/index.html",   "/assets/app.js",     "/api/v1/orders",
        "/api/v1/users", "/assets/style.css",  "/images/logo.svg",
        "/search",       "/api/v1/inventory",  "/healthz",
        "/login",        "/docs/guide/start/", "/favicon.ico"};
    static const char *const agents[] = {
        "Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36",
        "curl/7.88.1", "monitor/2.1"};
    static const unsigned statuses[] = {200, 200, 200, 304, 404, 500};

    return (size_t)snprintf(
        line, room,
        "192.168.%u.%u - - [%02lu/Mar/2024:%02lu:%02lu:%02lu +0000] \"GET "
        "%s?id=%u&session=%04x%04x%04x%04x HTTP/1.1\" %u %u %u.%03u \"-\" "
        "\"%s\"\n",
        draw(4), draw(200), 1 + number / 864000 % 28, number / 36000 % 24,
        number / 600 % 60, number / 10 % 60, paths[draw(12)], draw(10000),
        draw(65536), draw(65536), draw(65536), draw(65536), statuses[draw(6)],
        draw(30000), draw(3), draw(1000), agents[draw(4)]);
}

static size_t flat_line(char *line, size_t room, unsigned long number)
{
    return (size_t)snprintf(
        line, room,
        "{\"state\":\"ok\",\"batch\":%lu,\"items\":[0,0,0,0,0,0,0,0,0,0,0]}\n",
        number / 60);
}

int main(int argc, char **argv)
{
    char line[512];
    bool flat;
    unsigned long long left;
    gzFile file;

    if (argc != 4) {
        fprintf(stderr, "usage: payload text|flat <bytes> <file>\n");
        return 2;
    }
    flat = strcmp(argv[1], "flat") == 0;
    left = strtoull(argv[2], NULL, 10);
    file = gzopen(argv[3], "wb6");
    if (file == NULL) {
        perror(argv[3]);
        return 1;
    }
    for (unsigned long number = 0; left > 0; number++) {
        size_t size = flat ? flat_line(line, sizeof line, number)
                           : text_line(line, sizeof line, number);

        if (size > left)
            size = (size_t)left;
        if (gzwrite(file, line, (unsigned)size) != (int)size) {
            fprintf(stderr, "%s: write failed\n", argv[3]);
            return 1;
        }
        left -= size;
    }
    return gzclose(file) == Z_OK ? 0 : 1;
}
