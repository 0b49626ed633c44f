/*
 * The floor of fan-out: what it costs to hand one frame to each of N sockets, with nothing around it.
 *
 *   send_floor N
 *
 * Prints the port it listens on, takes N clients, answers each request's head with 101 and then obeys lines on stdin:
 *
 *   send ROUNDS INTERVAL_US BYTES   every INTERVAL_US a text frame of so many bytes to each client, one send(2) each
 *
 * The answer is one line of JSON with the CPU time of this process, which is the cost of the kernel's side.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const char ACCEPTED[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";

static double clock_seconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static int listen_somewhere(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1, send_buffer = 65536;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof send_buffer);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 2048) < 0) fail("listen");
    getsockname(fd, (struct sockaddr *)&address, &length);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

static int take_client(int listener) {
    char head[8192];
    size_t length = 0;
    int fd = accept(listener, NULL, NULL);
    if (fd < 0) fail("accept");
    while (memmem(head, length, "\r\n\r\n", 4) == NULL) {
        ssize_t got = recv(fd, head + length, sizeof head - length, 0);
        if (got <= 0) fail("recv");
        length += (size_t)got;
    }
    if (send(fd, ACCEPTED, sizeof ACCEPTED - 1, MSG_NOSIGNAL) < 0) fail("send");
    return fd;
}

static void send_rounds(const int *fds, int count, int rounds, long interval_us, size_t bytes) {
    unsigned char frame[65536] = {0x81, 126, (unsigned char)((bytes - 4) >> 8), (unsigned char)(bytes - 4)};
    memset(frame + 4, 'x', bytes - 4);
    double began = clock_seconds(CLOCK_MONOTONIC), cpu = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (int round = 0; round < rounds; round++) {
        double wait = began + (double)round * (double)interval_us / 1e6 - clock_seconds(CLOCK_MONOTONIC);
        if (wait > 0) usleep((useconds_t)(wait * 1e6));
        for (int i = 0; i < count; i++)
            if (send(fds[i], frame, bytes, MSG_NOSIGNAL) < 0) fail("send");
    }
    printf("{\"frames\":%d,\"cpu_seconds\":%.6f,\"seconds\":%.6f}\n", rounds * count,
        clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu, clock_seconds(CLOCK_MONOTONIC) - began);
    fflush(stdout);
}

int main(int arguments, char **values) {
    if (arguments != 2) return 2;
    int count = atoi(values[1]), listener = listen_somewhere(), rounds;
    int *fds = calloc((size_t)count, sizeof *fds);
    long interval_us;
    size_t bytes;
    char line[256];
    for (int i = 0; i < count; i++) fds[i] = take_client(listener);
    while (fgets(line, sizeof line, stdin) != NULL) {
        if (sscanf(line, "send %d %ld %zu", &rounds, &interval_us, &bytes) != 3 || bytes < 130 || bytes > 65536) return 2;
        send_rounds(fds, count, rounds, interval_us, bytes);
    }
    return 0;
}
