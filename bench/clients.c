/*
 * A crowd of WebSocket clients in one process, cheap enough that the gateway is what is measured.
 *
 *   clients PORT PLAN SOURCES
 *
 * PLAN holds one entry a client: two native uint32 lengths, the bytes of its HTTP upgrade request, the bytes of the
 * frames it sends once the server has spoken. Clients connect from 127.0.0.2, .3, … (SOURCES of them), so that ports
 * suffice. Commands come as lines on stdin, answers leave as one line of JSON each:
 *
 *   open N AHEAD EXPECT   connect the next N clients, AHEAD at a time; each is ready after EXPECT data frames, and one
 *                         whose request is not whole once it is sent
 *   reset                 forget what was counted
 *   await N SECONDS       until N messages have come since the last reset, or the time is over
 *   report                messages, bytes and the latency of those that carry "at_ns" (CLOCK_MONOTONIC)
 *   stall N               the first N clients read no more
 *   close                 close all with a reset (SO_LINGER 0), so that no port stays in TIME_WAIT
 *   leave                 the same, and `open` begins with the first client again: each attaches where it was, by the
 *                         last channelSerial that it has seen
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "received.h"

enum { BUFFER_BYTES = 1 << 20, EVENTS = 512, SERIAL_BYTES = 64, MAX_OPEN_SECONDS = 100 };
enum state { IDLE, UPGRADING, OPEN, READY, GONE };

struct client {
    int fd;
    enum state state;
    uint32_t frames;
    uint32_t held_bytes;
    uint8_t *held;
    const char *request, *first_frames;
    uint32_t request_bytes, first_frames_bytes;
    char serial[SERIAL_BYTES];
};

static struct client *clients;
static uint32_t known, opened, settled, failed, wanted, ahead, expected;
static int epoll_fd, port, sources;
static uint8_t *buffer;
static uint64_t now_ns;

static uint64_t clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void read_plan(const char *path) {
    int fd = open(path, O_RDONLY);
    struct stat about;
    if (fd < 0 || fstat(fd, &about) < 0) fail(path);
    char *plan = malloc((size_t)about.st_size + 1);
    for (off_t at = 0; at < about.st_size;) {
        ssize_t got = read(fd, plan + at, (size_t)(about.st_size - at));
        if (got <= 0) fail(path);
        at += got;
    }
    close(fd);
    for (char *at = plan; at < plan + about.st_size;) {
        uint32_t lengths[2];
        memcpy(lengths, at, sizeof lengths);
        at += sizeof lengths;
        clients = realloc(clients, (known + 1) * sizeof *clients);
        clients[known++] = (struct client){.fd = -1, .request = at, .request_bytes = lengths[0],
            .first_frames = at + lengths[0], .first_frames_bytes = lengths[1]};
        at += lengths[0] + lengths[1];
    }
}

static void drop(struct client *client) {
    if (client->state == UPGRADING || client->state == OPEN) {
        settled++;
        failed++;
    }
    struct linger reset = {1, 0};
    setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(client->fd);
    free(client->held);
    client->held = NULL;
    client->held_bytes = 0;
    client->fd = -1;
    client->state = GONE;
}

static void send_all(struct client *client, const void *bytes, size_t length) {
    if (send(client->fd, bytes, length, MSG_NOSIGNAL) != (ssize_t)length) drop(client);
}

static void become_ready(struct client *client) {
    client->state = READY;
    settled++;
}

/* The frame of the plan; of a client that was there before, with its channelSerial in it. */
static void send_first_frames(struct client *client) {
    if (client->serial[0] == 0) {
        send_all(client, client->first_frames, client->first_frames_bytes);
        return;
    }
    char frame[6 + 126] = {(char)0x81};
    int whole = snprintf(frame + 6, 126, "%.*s,\"channelSerial\":\"%s\"}", (int)client->first_frames_bytes - 6 - 1,
        client->first_frames + 6, client->serial);
    frame[1] = (char)(0x80 | whole);
    send_all(client, frame, 6 + (size_t)whole);
}

static void note_serial(struct client *client, const uint8_t *payload, size_t length) {
    static const char name[] = "\"channelSerial\":\"";
    const char *end = (const char *)payload + length, *at = memmem(payload, length, name, sizeof name - 1);
    if (at == NULL) return;
    at += sizeof name - 1;
    const char *quote = memchr(at, '"', (size_t)(end - at));
    if (quote != NULL && quote - at < SERIAL_BYTES) snprintf(client->serial, SERIAL_BYTES, "%.*s", (int)(quote - at), at);
}

static void start(struct client *client, uint32_t index) {
    int one = 1;
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000002u + index % (uint32_t)sources)};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    client->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (client->fd < 0) fail("socket");
    client->state = UPGRADING;
    setsockopt(client->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (bind(client->fd, (struct sockaddr *)&from, sizeof from) < 0 || connect(client->fd, (struct sockaddr *)&to, sizeof to) < 0) {
        drop(client);
        return;
    }
    fcntl(client->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, client->fd, &event) < 0) fail("epoll_ctl");
    send_all(client, client->request, client->request_bytes);
    int is_whole = client->request_bytes >= 4 && memcmp(client->request + client->request_bytes - 4, "\r\n\r\n", 4) == 0;
    if (!is_whole && client->state == UPGRADING) become_ready(client);
}

static void go_on(void) {
    while (opened < wanted && opened - settled < ahead) {
        struct client *client = &clients[opened];
        start(client, opened++);
    }
}

static void take_data(struct client *client, const uint8_t *payload, size_t length) {
    note_serial(client, payload, length);
    if (client->state == READY) {
        count_message(payload, length, now_ns);
        return;
    }
    if (++client->frames == 1 && client->first_frames_bytes) send_first_frames(client);
    if (client->state == OPEN && client->frames >= expected) become_ready(client);
}

static void answer_ping(struct client *client, const uint8_t *payload, size_t length) {
    uint8_t pong[6 + 125] = {0x8a, (uint8_t)(0x80 | length)};
    memcpy(pong + 6, payload, length);
    send_all(client, pong, 6 + length);
}

/* Returns how many bytes were used; what is left is the beginning of a frame. */
static size_t take_frames(struct client *client, const uint8_t *bytes, size_t length) {
    size_t at = 0;
    while (client->fd >= 0 && length - at >= 2) {
        size_t head = 2, size = bytes[at + 1] & 0x7f;
        if (size == 126) head = 4;
        if (size == 127) head = 10;
        if (length - at < head) break;
        if (head > 2) {
            size = 0;
            for (size_t i = 2; i < head; i++) size = size << 8 | bytes[at + i];
        }
        if (length - at - head < size) break;
        const uint8_t *payload = bytes + at + head;
        uint8_t opcode = bytes[at] & 0x0f;
        at += head + size;
        if (opcode == 1 || opcode == 2) take_data(client, payload, size);
        if (opcode == 9) answer_ping(client, payload, size);
        if (opcode == 8) drop(client);
    }
    return at;
}

static size_t take_upgrade(struct client *client, const uint8_t *bytes, size_t length) {
    const uint8_t *end = memmem(bytes, length, "\r\n\r\n", 4);
    if (end == NULL) return 0;
    if (length < 12 || memcmp(bytes + 9, "101", 3) != 0) {
        drop(client);
        return length;
    }
    client->state = OPEN;
    if (expected == 0) become_ready(client);
    return (size_t)(end - bytes) + 4;
}

static void readable(struct client *client) {
    size_t held = client->held_bytes, used = 0;
    if (held) memcpy(buffer, client->held, held);
    ssize_t got = recv(client->fd, buffer + held, BUFFER_BYTES - held, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
        drop(client);
        return;
    }
    size_t length = held + (size_t)got;
    now_ns = clock_ns();
    if (client->state == UPGRADING) used = take_upgrade(client, buffer, length);
    if (client->state == OPEN || client->state == READY) used += take_frames(client, buffer + used, length - used);
    if (client->fd < 0) return;
    client->held_bytes = (uint32_t)(length - used);
    free(client->held);
    client->held = NULL;
    if (client->held_bytes) {
        client->held = malloc(client->held_bytes);
        memcpy(client->held, buffer + used, client->held_bytes);
    }
}

/* One turn of the loop. Returns whether stdin has a command. */
static int turn(int wait_ms) {
    struct epoll_event events[EVENTS];
    int has_command = 0, count = epoll_wait(epoll_fd, events, EVENTS, wait_ms);
    for (int i = 0; i < count; i++) {
        struct client *client = events[i].data.ptr;
        if (client == NULL) has_command = 1;
        else if (client->fd >= 0) readable(client);
    }
    go_on();
    return has_command;
}

static void open_more(uint32_t count) {
    uint64_t began = clock_ns();
    wanted = opened + count > known ? known : opened + count;
    settled = opened;
    failed = 0;
    go_on();
    while (settled < wanted && clock_ns() - began < MAX_OPEN_SECONDS * 1000000000ull) turn(1000);
    failed += wanted - settled;
    printf("{\"ready\":%u,\"failed\":%u,\"seconds\":%.6f}\n", count - failed, failed, (double)(clock_ns() - began) / 1e9);
}

static void await(uint64_t count, double seconds) {
    uint64_t until = clock_ns() + (uint64_t)(seconds * 1e9);
    while (messages < count && clock_ns() < until) turn(100);
    printf("{\"messages\":%lu,\"seconds\":%.6f}\n", messages, receiving_seconds());
}

static void close_all(void) {
    for (uint32_t i = 0; i < opened; i++)
        if (clients[i].fd >= 0) drop(&clients[i]);
}

/* Their kernel takes little more for them, so that the server's own buffers fill soon. */
static void stall(uint32_t count) {
    int least = 1;
    for (uint32_t i = 0; i < count; i++) {
        epoll_ctl(epoll_fd, EPOLL_CTL_DEL, clients[i].fd, NULL);
        setsockopt(clients[i].fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof least);
    }
}

static void obey(const char *line) {
    uint32_t count = 0;
    double seconds = 0;
    if (sscanf(line, "open %u %u %u", &count, &ahead, &expected) == 3) {
        open_more(count);
    } else if (sscanf(line, "await %u %lf", &count, &seconds) == 2) {
        await(count, seconds);
    } else if (sscanf(line, "stall %u", &count) == 1) {
        stall(count);
        printf("{}\n");
    } else if (strncmp(line, "report", 6) == 0) {
        report();
    } else {
        if (strncmp(line, "close", 5) == 0) close_all();
        if (strncmp(line, "leave", 5) == 0) {
            close_all();
            for (uint32_t i = 0; i < opened; i++) clients[i].frames = 0;
            opened = 0;
        }
        forget_received();
        printf("{}\n");
    }
    fflush(stdout);
}

int main(int count, char **arguments) {
    if (count != 4) return 2;
    port = atoi(arguments[1]);
    sources = atoi(arguments[3]);
    buffer = malloc(BUFFER_BYTES);
    prepare_counting();
    epoll_fd = epoll_create1(0);
    read_plan(arguments[2]);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &event);
    char line[256];
    setvbuf(stdin, NULL, _IONBF, 0);
    for (;;) {
        if (!turn(1000)) continue;
        if (fgets(line, sizeof line, stdin) == NULL) return 0;
        obey(line);
    }
}
