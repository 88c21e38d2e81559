/* bench/origin/free_port.c - prints loopback ports that nobody listens on
 *
 * usage: free_port <count>
 * All are held until the last one is found, so they differ.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 1;

    for (int i = 0; i < count; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        struct sockaddr_in address = {.sin_family = AF_INET};
        socklen_t size = sizeof address;

        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 ||
            getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
            perror("free_port");
            return 1;
        }
        printf("%u\n", (unsigned)ntohs(address.sin_port));
    }
    return 0;
}
