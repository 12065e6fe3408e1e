/*
 * bound - what the machine could do: echo and broadcast over WebSocket, with the fewest system calls. What was
 * read at once is answered at once; a broadcast is one call per recipient.
 *
 * One thread, epoll, libc only. It answers the load generator (sioload.c) and knows nothing else: fixed
 * sids, the generator's one Sec-WebSocket-Key, no polling, no heartbeat, no check of what comes in.
 *
 *   bound PORT
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS = 20000, BUFFER = 65536, TEXT = 0x81, BINARY = 0x82 };

typedef struct {
    int open;          /* past the handshake */
    int joined;        /* in the namespace */
    size_t rest;       /* bytes of an unfinished frame, in `kept` */
    uint8_t *kept;
} client;

static client clients[CONNECTIONS];
static uint8_t input[2 * BUFFER];
static int highest;

static void put(int fd, const void *data, size_t n) {
    /* A full buffer ends the client: the generator then reports what is missing. */
    if (send(fd, data, n, MSG_NOSIGNAL) != (ssize_t)n) shutdown(fd, SHUT_RDWR);
}

static size_t frame(uint8_t *out, int opcode, const void *data, size_t n) {
    size_t head = 2;
    out[0] = (uint8_t)opcode;
    if (n < 126) out[1] = (uint8_t)n;
    else out[1] = 126, out[2] = (uint8_t)(n >> 8), out[3] = (uint8_t)n, head = 4;
    memcpy(out + head, data, n);
    return head + n;
}

/* The answers to what was read at once. */
static uint8_t output[4 * BUFFER];
static size_t filled;

static void flush(int fd) {
    if (filled) put(fd, output, filled);
    filled = 0;
}

/* Answer with `head`, then `n` bytes of `data`, as one frame. */
static void answer(int fd, int opcode, const char *head, const void *data, size_t n) {
    static uint8_t message[BUFFER + 256];
    size_t h = strlen(head);
    if (filled + h + n + 16 > sizeof output) flush(fd);
    memcpy(message, head, h);
    memcpy(message + h, data, n);
    filled += frame(output + filled, opcode, message, h + n);
}

static void broadcast(const uint8_t *data, size_t n) {
    static uint8_t out[BUFFER + 512], message[BUFFER + 256];
    memcpy(message, "42[\"msg\",", 9);
    memcpy(message + 9, data, n);
    size_t total = frame(out, TEXT, message, n + 9);
    for (int fd = 0; fd <= highest; fd++)
        if (clients[fd].joined) put(fd, out, total);
}

static void on_message(int fd, int opcode, const uint8_t *p, size_t n) {
    char head[64];
    int id = 0;
    if (opcode == BINARY) {
        answer(fd, BINARY, "", p, n);
    } else if (n >= 2 && !memcmp(p, "40", 2)) {
        clients[fd].joined = 1;
        answer(fd, TEXT, "40{\"sid\":\"", "bound\"}", 7);
    } else if (n > 10 && !memcmp(p, "42[\"bcast\",", 11)) {
        broadcast(p + 11, n - 11);
    } else if (n > 4 && !memcmp(p, "451-", 4)) {
        sscanf((const char *)p + 4, "%d", &id);
        snprintf(head, sizeof head, "461-%d", id);
        answer(fd, TEXT, head, "[{\"_placeholder\":true,\"num\":0}]", 31);
    } else if (n > 2 && !memcmp(p, "42", 2)) {
        const uint8_t *list = memchr(p, '[', n);
        if (!list || memcmp(list, "[\"echo\",", 8)) return;
        sscanf((const char *)p + 2, "%d", &id);
        snprintf(head, sizeof head, "43%d[", id);
        answer(fd, TEXT, head, list + 8, n - (size_t)(list - p) - 8);
    }
}

static void on_handshake(int fd, const uint8_t *p, size_t n) {
    static const char accepted[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                   "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    static const char refused[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    static const char open[] = "0{\"sid\":\"bound\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000}";
    if (!memmem(p, n, "Sec-WebSocket-Key", 17)) {
        put(fd, refused, sizeof refused - 1);
        shutdown(fd, SHUT_RDWR);
        return;
    }
    clients[fd].open = 1;
    memcpy(output, accepted, filled = sizeof accepted - 1);
    answer(fd, TEXT, "", open, sizeof open - 1);
}

/* Handle the whole frames in `have` bytes of `input`; return how many bytes they were. */
static size_t on_frames(int fd, size_t have) {
    uint8_t *p = input, *end = input + have;
    while (end - p >= 6) {
        size_t n = p[1] & 127, head = 6;
        if (n == 126) {
            if (end - p < 8) break;
            n = (size_t)p[2] << 8 | p[3], head = 8;
        }
        if ((size_t)(end - p) < head + n) break;
        uint8_t *key = p + head - 4, *data = p + head;
        for (size_t i = 0; i < n; i++) data[i] ^= key[i & 3];
        on_message(fd, p[0], data, n);
        p = data + n;
    }
    return (size_t)(p - input);
}

static void on_readable(int fd) {
    client *c = &clients[fd];
    memcpy(input, c->kept, c->rest);
    ssize_t got = recv(fd, input + c->rest, BUFFER - c->rest, 0);
    if (got <= 0) {
        if (got < 0 && errno == EAGAIN) return;
        close(fd);
        free(c->kept);
        memset(c, 0, sizeof *c);
        return;
    }
    size_t have = c->rest + (size_t)got, used = have;
    if (c->open) used = on_frames(fd, have);
    else if (memmem(input, have, "\r\n\r\n", 4)) on_handshake(fd, input, have);
    else used = 0;
    flush(fd);
    c->rest = have - used;
    if (c->rest) {
        c->kept = realloc(c->kept, c->rest);
        memcpy(c->kept, input + used, c->rest);
    }
}

static int listening(int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 1024)) perror("bound"), exit(1);
    return fd;
}

int main(int argc, char **argv) {
    static struct epoll_event events[1024];
    if (argc != 2) return fprintf(stderr, "usage: bound PORT\n"), 2;
    int server = listening(atoi(argv[1])), loop = epoll_create1(0), one = 1;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = server};
    epoll_ctl(loop, EPOLL_CTL_ADD, server, &event);
    for (;;) {
        int n = epoll_wait(loop, events, 1024, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd != server) {
                on_readable(fd);
                continue;
            }
            while ((fd = accept4(server, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                if (fd >= CONNECTIONS) {
                    close(fd);
                    continue;
                }
                if (fd > highest) highest = fd;
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                event.data.fd = fd;
                epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event);
            }
        }
    }
}
