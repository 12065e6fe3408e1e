/*
 * sioload - load generator for Socket.IO v5 / Engine.IO v4 servers.
 *
 * One thread, epoll, libc only.      gcc -O2 -Wall -o sioload sioload.c
 *
 *   sioload connect   -p PORT -n N [-r RATE] [-c CONC] [-H HOLD] [-t websocket|polling|upgrade]
 *   sioload churn     -p PORT -c CONC -d SEC [-t ...]          connect, CONNECT, close, again
 *   sioload echo      -p PORT -n N -k INFLIGHT -d SEC -s BYTES [-a ACTIVE] [-j]
 *   sioload binary    -p PORT -n N -k INFLIGHT -d SEC -s BYTES
 *   sioload polling   -p PORT -n N -k INFLIGHT -d SEC -s BYTES
 *   sioload broadcast -p PORT -n N -d SEC -s BYTES -w WINDOW [-b PER_SECOND]
 *   sioload rooms     -p PORT -n N -R ROOMS -d SEC -s BYTES -w WINDOW [-b PER_SECOND_PER_ROOM]
 *   sioload slow      -p PORT -n N -x SLOW -d SEC -s BYTES -w WINDOW [-b PER_SECOND]
 *
 * -a ACTIVE: only this many of the N clients send (echo, binary, polling); the others stay idle and answer pings.
 * -j: the argument of an echo is {"n":NUMBER,"text":"..."}, for handlers that validate; otherwise a string.
 * -H HOLD: keep the connections that long, idle; hold_* is what that cost.
 *
 * Common: --pid PID | --pids A,B,..  sample these processes (RSS, CPU seconds)
 *         --warm SEC   traffic before the measured window (default 1)
 *         --nsrc K     source addresses 127.0.0.1 .. 127.0.0.K (default: 4)
 *         --timeout S  handshake limit (default 20)
 *         --label STR, --path /socket.io/, --host 127.0.0.1, -v
 *
 * The last line of stdout is one JSON object. Exit code 0: the run took place and every
 * check held; 3: it took place but some check failed (see "ok" and the counters); 2: usage.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

typedef uint64_t u64;
typedef uint32_t u32;
typedef uint8_t u8;

/* ------------------------------------------------------------------ options */

enum { M_CONNECT, M_CHURN, M_ECHO, M_BINARY, M_POLLING, M_BCAST, M_ROOMS, M_SLOW };
static const char *mode_name[] = {"connect", "churn", "echo", "binary", "polling", "broadcast", "rooms", "slow"};
enum { T_WS, T_POLL, T_UPGRADE };
static const char *tr_name[] = {"websocket", "polling", "upgrade"};

static int mode, port, N = 100, K = 1, SIZE = 32, WIN = 4, ROOMS = 10, CONC = 64, NSRC = 4, NSLOW = 0, ACTIVE = 0, TR = T_WS, VERB, OBJ;
static double RATE, DUR = 5, HOLD, WARM = 1, BRATE, TIMEOUT = 20;
static const char *label = "", *host = "127.0.0.1", *path = "/socket.io/";
static int pids[64], npids;

/* -------------------------------------------------------------------- tools */

static u64 now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (u64)t.tv_sec * 1000000000ull + (u64)t.tv_nsec;
}
static void die(const char *f, ...) {
    va_list a;
    va_start(a, f);
    vfprintf(stderr, f, a);
    va_end(a);
    fputc('\n', stderr);
    exit(2);
}
static void *xrealloc(void *p, size_t n) {
    p = realloc(p, n);
    if (!p) die("out of memory");
    return p;
}
static void *xcalloc(size_t a, size_t b) {
    void *p = calloc(a ? a : 1, b);
    if (!p) die("out of memory");
    return p;
}

/* Latency histogram in microseconds: 128 linear steps per power of two (error < 0.8 %). */
static struct {
    u32 b[60 << 7];
    u64 n, max;
    double sum;
} H;
static inline void hist_add(u64 ns) {
    u64 us = ns / 1000;
    int i;
    if (us < 128) i = (int)us;
    else {
        int sh = 63 - __builtin_clzll(us) - 7;
        i = ((sh + 1) << 7) + (int)((us >> sh) & 127);
    }
    H.b[i]++;
    H.n++;
    H.sum += (double)us;
    if (us > H.max) H.max = us;
}
static double hist_q(double q) {
    u64 want = (u64)(q * (double)H.n), acc = 0;
    if (!H.n) return 0;
    if (want >= H.n) want = H.n - 1;
    for (int i = 0; i < 60 << 7; i++) {
        acc += H.b[i];
        if (acc > want) {
            if (i < 128) return i;
            int sh = (i >> 7) - 1;
            double v = (double)((u64)(128 + (i & 127)) << sh) + (double)(1ull << sh) / 2;
            return v > (double)H.max ? (double)H.max : v;
        }
    }
    return (double)H.max;
}

/* Sampling of processes. */
typedef struct { double cpu; double rss_mb; } psample;
static psample sample_pids(void) {
    psample s = {0, 0};
    char fn[64];
    for (int i = 0; i < npids; i++) {
        FILE *f;
        clockid_t id;
        struct timespec ts;
        /* All threads, past ones too, in nanoseconds: /proc/PID/stat counts in steps of 10 ms. */
        if (!clock_getcpuclockid(pids[i], &id) && !clock_gettime(id, &ts)) s.cpu += (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
        snprintf(fn, sizeof fn, "/proc/%d/statm", pids[i]);
        if ((f = fopen(fn, "r"))) {
            long a, r;
            if (fscanf(f, "%ld %ld", &a, &r) == 2) s.rss_mb += (double)r * (double)sysconf(_SC_PAGESIZE) / 1048576.0;
            fclose(f);
        }
    }
    return s;
}
typedef struct { double busy, steal; } msample;
static msample sample_machine(void) {
    msample m = {0, 0};
    unsigned long u, ni, s, id, io, irq, si, st;
    FILE *f = fopen("/proc/stat", "r");
    if (f) {
        if (fscanf(f, "cpu %lu %lu %lu %lu %lu %lu %lu %lu", &u, &ni, &s, &id, &io, &irq, &si, &st) == 8) {
            m.busy = (double)(u + ni + s + irq + si) / (double)sysconf(_SC_CLK_TCK);
            m.steal = (double)st / (double)sysconf(_SC_CLK_TCK);
        }
        fclose(f);
    }
    return m;
}
static double self_cpu(void) {
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

/* ---------------------------------------------------------------- structures */

enum { C_CLOSED, C_CONNECTING, C_UPGRADING, C_OPEN /* ws frames */, H_IDLE, H_WAIT };
enum { R_WS, R_GET, R_POST };

typedef struct conn {
    int fd;
    u32 gen;
    u8 state, role, want_out, retried;
    u8 frag_op;
    u32 cl; /* client number */
    char *rb;
    size_t rn, rcap; /* bytes not parsed yet */
    char *wb;
    size_t wo, wn, wcap; /* bytes not sent yet */
    char *fb;
    size_t fn, fcap;  /* message in fragments */
    char *req;
    size_t reqn, reqcap; /* last HTTP request, for one retry on a closed keep-alive connection */
} conn;

typedef struct { u64 t; u32 seq; u8 busy; } slot;

enum { S_NEW, S_PENDING, S_READY, S_FAILED, S_GONE };
typedef struct client {
    u8 state, eio_open, sio_open, slow, probing, probe_ok, poll_done, joined;
    u32 seq;       /* echo: next number */
    int bin_slot;  /* binary: slot whose attachment is awaited, or -1 */
    int inflight;
    u64 t0;        /* start of the handshake */
    slot *sl;
    u64 acks, acks_mark;
    /* broadcast */
    u32 group;
    u64 next, early; /* next number expected; bit i: next+i came early */
    u64 got;
    /* polling */
    char sid[64];
    char *pq;
    size_t pqn, pqcap;
} client;

static client *CL;
static conn *CO;
static int NC;  /* sockets per client */
static int ep;
static struct sockaddr_in dst;

/* counters */
static u64 n_ready, n_failed, n_pending, n_disc, n_slow_disc, n_proto, n_badpayload, n_pings, n_httpretry, n_httpclose;
enum { F_CONNECT, F_HTTP, F_TIMEOUT, F_EOF, F_PROTO, F_N };
static const char *fail_name[] = {"tcp", "http", "timeout", "eof", "protocol"};
static u64 fails[F_N];
static u64 n_acks, n_deliv, n_dup, n_reord, n_cross, n_lost_disc, n_bsent, n_bdone;
static int phase_run, stopping, measuring;
static u64 t_lastprogress;
static u32 *conn_lat;
static size_t conn_latn;
static char first_err[256];

static conn *conn_of(u32 c, int role) { return &CO[(size_t)c * (size_t)NC + (size_t)(NC == 1 ? 0 : role)]; }
static void note_err(const char *f, ...) {
    if (first_err[0]) return;
    va_list a;
    va_start(a, f);
    vsnprintf(first_err, sizeof first_err, f, a);
    va_end(a);
    for (char *p = first_err; *p; p++)
        if (*p == '"' || *p == '\\' || (u8)*p < 32) *p = '\'';
    if (VERB) fprintf(stderr, "sioload: %s\n", first_err);
}

static void client_fail(u32 ci, int why);
static void client_lost(u32 ci, const char *why);
static void on_sio(u32 ci, const char *p, size_t n, u64 t);
static void on_binary(u32 ci, const u8 *p, size_t n, u64 t);
static void client_ready(u32 ci, u64 t);
static void http_request(u32 ci, int role, const char *method, const char *body, size_t n);
static void poll_push(u32 ci, const char *pkt, size_t n);
static void start_ws(u32 ci);

/* ------------------------------------------------------------- socket output */

static void ep_set(conn *k, int op) {
    struct epoll_event e;
    memset(&e, 0, sizeof e);
    client *c = &CL[k->cl];
    e.events = (c->slow && c->state == S_READY ? EPOLLRDHUP : EPOLLIN) | (k->want_out ? EPOLLOUT : 0);
    e.data.u64 = ((u64)k->gen << 32) | (u64)(k - CO);
    if (epoll_ctl(ep, op, k->fd, &e) < 0) die("epoll_ctl: %s", strerror(errno));
}
static void conn_close(conn *k) {
    if (k->fd >= 0) close(k->fd);
    k->fd = -1;
    k->gen++;
    k->state = C_CLOSED;
    k->rn = k->wn = k->wo = k->fn = 0;
    k->want_out = 0;
}
static void conn_write(conn *k, const void *data, size_t n) {
    if (k->fd < 0) return;
    if (k->wn == 0 && k->state != C_CONNECTING) {
        ssize_t r = send(k->fd, data, n, MSG_NOSIGNAL);
        if (r == (ssize_t)n) return;
        if (r < 0) {
            if (errno != EAGAIN && errno != EINTR) return; /* the read side will report it */
            r = 0;
        }
        data = (const char *)data + r;
        n -= (size_t)r;
    }
    if (k->wo + k->wn + n > k->wcap) {
        if (k->wo) memmove(k->wb, k->wb + k->wo, k->wn), k->wo = 0;
        if (k->wn + n > k->wcap) k->wb = xrealloc(k->wb, k->wcap = (k->wn + n) * 2);
    }
    memcpy(k->wb + k->wo + k->wn, data, n);
    k->wn += n;
    if (!k->want_out) {
        k->want_out = 1;
        ep_set(k, EPOLL_CTL_MOD);
    }
}
static void conn_flush(conn *k) {
    while (k->wn) {
        ssize_t r = send(k->fd, k->wb + k->wo, k->wn, MSG_NOSIGNAL);
        if (r < 0) {
            if (errno == EINTR) continue;
            if (errno == EAGAIN) return;
            k->wn = 0;
            break;
        }
        k->wo += (size_t)r;
        k->wn -= (size_t)r;
    }
    k->wo = 0;
    if (k->want_out) {
        k->want_out = 0;
        ep_set(k, EPOLL_CTL_MOD);
    }
}

/* Client frames are masked with a fresh key each. */
static u32 rnd = 2463534242u;
static size_t ws_frame(u8 *d, int op, const void *src, size_t n) {
    u8 *d0 = d;
    *d++ = (u8)(0x80 | op);
    if (n < 126) *d++ = (u8)(0x80 | n);
    else if (n < 65536) {
        *d++ = 0x80 | 126;
        *d++ = (u8)(n >> 8);
        *d++ = (u8)n;
    } else {
        *d++ = 0x80 | 127;
        for (int s = 56; s >= 0; s -= 8) *d++ = (u8)((u64)n >> s);
    }
    rnd ^= rnd << 13, rnd ^= rnd >> 17, rnd ^= rnd << 5;
    memcpy(d, &rnd, 4);
    u64 m8 = ((u64)rnd << 32) | rnd;
    const u8 *key = d, *s = src;
    d += 4;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        u64 v;
        memcpy(&v, s + i, 8);
        v ^= m8;
        memcpy(d + i, &v, 8);
    }
    for (; i < n; i++) d[i] = s[i] ^ key[i & 3];
    return (size_t)(d - d0) + n;
}

/* What a handler sends on the connection being read leaves in one send(). */
static u8 *OB;
static size_t on_, ocap;
static conn *oconn;
static void out_flush(void) {
    if (on_) {
        size_t n = on_;
        on_ = 0;
        conn_write(oconn, OB, n);
    }
}
static void ws_send(conn *k, int op, const void *p, size_t n) {
    if (k->fd < 0) return;
    if (ocap < on_ + n + 16) {
        if (oconn) out_flush();
        if (ocap < n + 16) OB = xrealloc(OB, ocap = (n + 16) * 2 + 65536);
    }
    if (k == oconn) {
        on_ += ws_frame(OB + on_, op, p, n);
        return;
    }
    static u8 *tb;
    static size_t tcap;
    if (tcap < n + 16) tb = xrealloc(tb, tcap = (n + 16) * 2);
    conn_write(k, tb, ws_frame(tb, op, p, n));
}
static void eio_send(u32 ci, const char *p, size_t n) {
    if (TR == T_WS || (TR == T_UPGRADE && CL[ci].poll_done)) ws_send(conn_of(ci, R_WS), 1, p, n);
    else poll_push(ci, p, n);
}

/* ---------------------------------------------------------------- connecting */

static void tcp_open(conn *k) {
    int one = 1, e;
    struct sockaddr_in src;
    k->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (k->fd < 0) {
        note_err("socket: %s", strerror(errno));
        client_fail(k->cl, F_CONNECT);
        return;
    }
    k->gen++;
    setsockopt(k->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (CL[k->cl].slow) {
        int rb = 4096;
        setsockopt(k->fd, SOL_SOCKET, SO_RCVBUF, &rb, sizeof rb);
    }
    if (NSRC > 1) {
        static u32 rr;
        memset(&src, 0, sizeof src);
        src.sin_family = AF_INET;
        src.sin_addr.s_addr = htonl(0x7f000001u + rr++ % (u32)NSRC);
        setsockopt(k->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        if (bind(k->fd, (struct sockaddr *)&src, sizeof src) < 0) die("bind: %s", strerror(errno));
    }
    e = connect(k->fd, (struct sockaddr *)&dst, sizeof dst);
    if (e < 0 && errno != EINPROGRESS) {
        note_err("connect: %s", strerror(errno));
        conn_close(k);
        client_fail(k->cl, F_CONNECT);
        return;
    }
    k->state = C_CONNECTING;
    k->want_out = 1;
    ep_set(k, EPOLL_CTL_ADD);
}
#define WSKEY "dGhlIHNhbXBsZSBub25jZQ=="
#define WSACC "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
static void start_ws(u32 ci) {
    conn *k = conn_of(ci, R_WS);
    char b[600];
    const char *sid = CL[ci].sid;
    int n = snprintf(b, sizeof b,
                     "GET %s?EIO=4&transport=websocket%s%s HTTP/1.1\r\nHost: %s:%d\r\nConnection: Upgrade\r\n"
                     "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " WSKEY "\r\n\r\n",
                     path, *sid ? "&sid=" : "", sid, host, port);
    k->rn = k->wn = k->wo = k->fn = 0;
    tcp_open(k);
    if (k->fd < 0) return;
    conn_write(k, b, (size_t)n);
}
static void client_start(u32 ci) {
    client *c = &CL[ci];
    c->state = S_PENDING;
    c->t0 = now_ns();
    c->eio_open = c->sio_open = c->probing = c->probe_ok = c->poll_done = 0;
    c->sid[0] = 0;
    c->bin_slot = -1;
    c->pqn = 0;
    n_pending++;
    if (TR == T_WS) start_ws(ci);
    else http_request(ci, R_GET, "GET", NULL, 0);
}
static void client_drop(u32 ci) {
    for (int i = 0; i < NC; i++) conn_close(&CO[(size_t)ci * (size_t)NC + (size_t)i]);
}
static void client_fail(u32 ci, int why) {
    client *c = &CL[ci];
    if (c->state != S_PENDING) {
        client_lost(ci, fail_name[why]);
        return;
    }
    c->state = S_FAILED;
    n_pending--;
    n_failed++;
    fails[why]++;
    note_err("client %u: handshake failed (%s) after %.0f ms", ci, fail_name[why], (double)(now_ns() - c->t0) / 1e6);
    client_drop(ci);
}

/* ------------------------------------------------------------ groups (rooms) */

typedef struct { u64 t; int left; } bslot;
typedef struct {
    u32 sender;
    int members;
    u64 head;   /* number of broadcasts sent */
    bslot *ring;
    u64 t_first;
} group;
static group *GR;
static int ngr;
static char *fill; /* alphabet filler */

static void group_pump(int gi, u64 t);
static void client_lost(u32 ci, const char *why) {
    client *c = &CL[ci];
    if (c->state != S_READY) return;
    c->state = S_GONE;
    if (c->slow) n_slow_disc++;
    else {
        n_disc++;
        note_err("client %u: connection lost (%s)", ci, why);
        if (GR && phase_run) {
            group *g = &GR[c->group];
            g->members--;
            for (u64 s = c->next; s < g->head; s++)
                if (s - c->next >= 64 || !(c->early >> (s - c->next) & 1)) {
                    g->ring[s % (u64)WIN].left--;
                    n_lost_disc++;
                }
            client_drop(ci);
            group_pump((int)c->group, now_ns());
            return;
        }
    }
    client_drop(ci);
}

/* ------------------------------------------------------- HTTP polling client */

static void http_send(conn *k) {
    if (k->fd < 0) {
        k->rn = 0;
        tcp_open(k);
        if (k->fd < 0) return;
        conn_write(k, k->req, k->reqn); /* kept until the connection is up */
        return;
    }
    k->state = H_WAIT;
    conn_write(k, k->req, k->reqn);
}
static void http_request(u32 ci, int role, const char *method, const char *body, size_t n) {
    conn *k = conn_of(ci, role);
    if (k->reqcap < n + 600) k->req = xrealloc(k->req, k->reqcap = n * 2 + 600);
    int m = snprintf(k->req, 600, "%s %s?EIO=4&transport=polling%s%s HTTP/1.1\r\nHost: %s:%d\r\nAccept: */*\r\n", method, path,
                     CL[ci].sid[0] ? "&sid=" : "", CL[ci].sid, host, port);
    if (body) {
        m += snprintf(k->req + m, 600 - (size_t)m, "Content-Type: text/plain;charset=UTF-8\r\nContent-Length: %zu\r\n", n);
    }
    m += snprintf(k->req + m, 600 - (size_t)m, "Connection: keep-alive\r\n\r\n");
    if (n) memcpy(k->req + m, body, n);
    k->reqn = (size_t)m + n;
    k->retried = 0;
    http_send(k);
}
static void poll_kick(u32 ci) {
    client *c = &CL[ci];
    conn *k = conn_of(ci, R_POST);
    if (!c->pqn || k->state == H_WAIT || k->state == C_CONNECTING) return;
    size_t n = c->pqn;
    c->pqn = 0;
    http_request(ci, R_POST, "POST", c->pq, n);
}
static void poll_push(u32 ci, const char *pkt, size_t n) {
    client *c = &CL[ci];
    if (c->pqcap < c->pqn + n + 2) c->pq = xrealloc(c->pq, c->pqcap = (c->pqn + n + 2) * 2);
    if (c->pqn) c->pq[c->pqn++] = 0x1e;
    memcpy(c->pq + c->pqn, pkt, n);
    c->pqn += n;
}

static void on_eio(u32 ci, int via_ws, const char *p, size_t n, u64 t) {
    client *c = &CL[ci];
    if (!n) {
        n_proto++;
        return;
    }
    switch (p[0]) {
    case '0': {
        const char *s = memmem(p, n, "\"sid\":\"", 7);
        if (!s || c->eio_open) {
            client_fail(ci, F_PROTO);
            return;
        }
        s += 7;
        size_t i = 0;
        while (s + i < p + n && s[i] != '"' && i < sizeof c->sid - 1) c->sid[i] = s[i], i++;
        c->sid[i] = 0;
        c->eio_open = 1;
        eio_send(ci, "40", 2);
        return;
    }
    case '1':
        client_fail(ci, F_EOF);
        return;
    case '2':
        n_pings++;
        eio_send(ci, "3", 1);
        return;
    case '3':
        if (via_ws && n == 6 && !memcmp(p, "3probe", 6)) c->probe_ok = 1;
        return;
    case '4':
        on_sio(ci, p, n, t);
        return;
    case '6':
        return;
    default:
        n_proto++;
        note_err("client %u: unknown packet %.40s", ci, p);
    }
}
/* The upgrade ends when the probe was answered and the pending poll came back. */
static void upgrade_check(u32 ci, u64 t) {
    client *c = &CL[ci];
    if (TR != T_UPGRADE || c->state != S_PENDING || !c->sio_open) return;
    if (!c->probing) {
        c->probing = 1;
        start_ws(ci);
        return;
    }
    conn *g = conn_of(ci, R_GET), *p = conn_of(ci, R_POST);
    if (c->probe_ok && g->state != H_WAIT && g->state != C_CONNECTING && p->state != H_WAIT) {
        c->poll_done = 1;
        ws_send(conn_of(ci, R_WS), 1, "5", 1);
        conn_close(g);
        conn_close(p);
        client_ready(ci, t);
    }
}
static void http_response(conn *k, int status, const char *body, size_t n, u64 t) {
    u32 ci = k->cl;
    client *c = &CL[ci];
    if (status != 200) {
        note_err("client %u: HTTP %d: %.*s", ci, status, (int)(n > 80 ? 80 : n), body);
        client_fail(ci, F_HTTP);
        return;
    }
    if (k->role == R_GET) {
        const char *p = body, *e = body + n;
        if (!n) n_proto++;
        while (p < e) {
            const char *q = memchr(p, 0x1e, (size_t)(e - p));
            if (!q) q = e;
            on_eio(ci, 0, p, (size_t)(q - p), t);
            if (c->state != S_PENDING && c->state != S_READY) return;
            p = q + 1;
        }
        if (k->fd < 0 && c->state == S_NEW) return; /* churn restarted this client */
        poll_kick(ci);
        if (TR == T_UPGRADE && c->probe_ok) {
            upgrade_check(ci, t);
            return;
        }
        if (k->state == H_IDLE || k->state == C_CLOSED) {
            if (mode == M_CHURN && c->sio_open && TR == T_POLL) return;
            http_request(ci, R_GET, "GET", NULL, 0);
        }
        upgrade_check(ci, t);
    } else {
        poll_kick(ci);
        upgrade_check(ci, t);
    }
}
/* Returns 1 when a whole response was taken from the buffer. */
static int http_parse(conn *k, u64 t) {
    char *b = k->rb, *h = memmem(b, k->rn, "\r\n\r\n", 4);
    if (!h) return 0;
    size_t hl = (size_t)(h - b) + 4, bl = 0;
    int status = 0, chunked = 0, haslen = 0, closing = 0;
    if (k->rn < 12 || memcmp(b, "HTTP/1.", 7)) {
        client_fail(k->cl, F_HTTP);
        return 0;
    }
    status = atoi(b + 9);
    if (b[7] == '0') closing = 1;
    for (char *l = memchr(b, '\n', hl); l && l + 1 < h; l = memchr(l, '\n', hl - (size_t)(l - b))) {
        l++;
        if (!strncasecmp(l, "content-length:", 15)) haslen = 1, bl = strtoul(l + 15, NULL, 10);
        else if (!strncasecmp(l, "transfer-encoding:", 18) && strncasecmp(l + 18, " chunked", 8) == 0) chunked = 1;
        else if (!strncasecmp(l, "connection:", 11) && !strncasecmp(l + 11 + strspn(l + 11, " "), "close", 5)) closing = 1;
    }
    size_t total;
    char *body = b + hl;
    if (chunked) {
        size_t pos = hl, outp = 0;
        /* first pass: complete? */
        for (;;) {
            char *nl = pos < k->rn ? memmem(b + pos, k->rn - pos, "\r\n", 2) : NULL;
            if (!nl) return 0;
            size_t cl = strtoul(b + pos, NULL, 16);
            pos = (size_t)(nl - b) + 2;
            if (pos + cl + 2 > k->rn) return 0;
            pos += cl + 2;
            if (!cl) break;
        }
        total = pos;
        for (pos = hl;;) {
            char *nl = memmem(b + pos, k->rn - pos, "\r\n", 2);
            size_t cl = strtoul(b + pos, NULL, 16);
            if (!cl) break;
            memmove(body + outp, nl + 2, cl);
            outp += cl;
            pos = (size_t)(nl - b) + 2 + cl + 2;
        }
        bl = outp;
    } else {
        if (!haslen && !closing) bl = 0;
        if (!haslen && closing) return -1; /* body until EOF: not used by the servers measured */
        total = hl + bl;
        if (k->rn < total) return 0;
    }
    if (k->rn != total) {
        n_proto++;
        note_err("client %u: bytes after an HTTP response", k->cl);
    }
    /* hand over a private copy: the handler may write and re-open this connection */
    static char *cp;
    static size_t cpn;
    if (cpn < bl + 1) cp = xrealloc(cp, cpn = bl * 2 + 1);
    memcpy(cp, body, bl);
    cp[bl] = 0;
    k->rn = 0;
    k->state = H_IDLE;
    if (closing) {
        n_httpclose++;
        conn_close(k);
    }
    http_response(k, status, cp, bl, t);
    return 1;
}

/* ------------------------------------------------------------- socket input */

static u8 *IB;
#define IBCAP (8u << 20)
#define RDMAX (256u << 10)

static void conn_eof(conn *k, const char *why) {
    client *c = &CL[k->cl];
    if (k->role == R_WS) {
        if (c->state == S_PENDING) client_fail(k->cl, F_EOF);
        else client_lost(k->cl, why);
        return;
    }
    int was = k->state;
    conn_close(k);
    if (was == H_IDLE) {
        n_httpclose++;
        return;
    }
    /* keep-alive connection closed under a request: try once more */
    if (!k->retried) {
        k->retried = 1;
        n_httpretry++;
        http_send(k);
        return;
    }
    client_fail(k->cl, F_EOF);
}
static void save_rest(conn *k, const u8 *p, size_t n) {
    if (n > k->rcap) k->rb = xrealloc(k->rb, k->rcap = n * 2 + 256);
    if (n) memcpy(k->rb, p, n);
    k->rn = n;
}
static void ws_message(conn *k, int op, const u8 *p, size_t n, u64 t) {
    if (op == 1) {
        on_eio(k->cl, 1, (const char *)p, n, t);
        if (TR == T_UPGRADE && CL[k->cl].probe_ok) upgrade_check(k->cl, t);
    } else on_binary(k->cl, p, n, t);
}
static void on_readable(conn *k) {
    u32 gen = k->gen;
    if (k->rn) memcpy(IB, k->rb, k->rn);
    size_t have = k->rn, room = IBCAP - have;
    if (room > RDMAX) room = RDMAX;
    if (room == 0) {
        client_fail(k->cl, F_PROTO);
        return;
    }
    ssize_t r = recv(k->fd, IB + have, room, 0);
    if (r < 0) {
        if (errno == EAGAIN || errno == EINTR) return;
        conn_eof(k, strerror(errno));
        return;
    }
    if (r == 0) {
        conn_eof(k, "EOF");
        return;
    }
    u64 t = now_ns();
    have += (size_t)r;
    if (k->role != R_WS) {
        save_rest(k, IB, have);
        if (http_parse(k, t) < 0) client_fail(k->cl, F_HTTP);
        return;
    }
    u8 *p = IB, *e = IB + have;
    if (k->state == C_UPGRADING) {
        u8 *h = memmem(p, have, "\r\n\r\n", 4);
        if (!h) {
            save_rest(k, p, have);
            return;
        }
        if (have < 12 || memcmp(p, "HTTP/1.1 101", 12) || !memmem(p, (size_t)(h - p), WSACC, sizeof WSACC - 1)) {
            note_err("client %u: no upgrade: %.*s", k->cl, (int)(have > 60 ? 60 : have), (char *)p);
            client_fail(k->cl, F_HTTP);
            return;
        }
        k->state = C_OPEN;
        p = h + 4;
        k->rn = 0;
        if (TR == T_UPGRADE) ws_send(k, 1, "2probe", 6);
    }
    oconn = k;
    while (e - p >= 2) {
        u64 n = p[1] & 127;
        size_t hl = 2;
        int op = p[0] & 15, fin = p[0] >> 7;
        if (n == 126) {
            if (e - p < 4) break;
            n = (u64)p[2] << 8 | p[3];
            hl = 4;
        } else if (n == 127) {
            if (e - p < 10) break;
            n = 0;
            for (int i = 2; i < 10; i++) n = n << 8 | p[i];
            hl = 10;
        }
        if (p[1] & 0x80 || p[0] & 0x70 || n > IBCAP - 64) {
            n_proto++;
            note_err("client %u: bad frame header %02x %02x", k->cl, p[0], p[1]);
            on_ = 0;
            oconn = NULL;
            client_fail(k->cl, F_PROTO);
            return;
        }
        if ((u64)(e - p) < hl + n) break;
        u8 *q = p + hl;
        p = q + n;
        if (op == 1 || op == 2) {
            if (fin) ws_message(k, op, q, n, t);
            else {
                if (k->fcap < n) k->fb = xrealloc(k->fb, k->fcap = n * 2 + 64);
                memcpy(k->fb, q, n);
                k->fn = n;
                k->frag_op = (u8)op;
            }
        } else if (op == 0) {
            if (k->fcap < k->fn + n) k->fb = xrealloc(k->fb, k->fcap = (k->fn + n) * 2 + 64);
            memcpy(k->fb + k->fn, q, n);
            k->fn += n;
            if (fin) ws_message(k, k->frag_op, (u8 *)k->fb, k->fn, t), k->fn = 0;
        } else if (op == 9) ws_send(k, 10, q, n);
        else if (op == 8) {
            out_flush();
            oconn = NULL;
            char why[32];
            snprintf(why, sizeof why, "close frame %d", n >= 2 ? q[0] << 8 | q[1] : 0);
            conn_eof(k, why);
            return;
        }
        if (k->gen != gen) { /* a handler closed this connection */
            on_ = 0;
            oconn = NULL;
            return;
        }
    }
    out_flush();
    oconn = NULL;
    if (k->gen == gen) save_rest(k, p, (size_t)(e - p));
}
static void on_event(conn *k, u32 ev) {
    client *c = &CL[k->cl];
    if (k->state == C_CONNECTING) {
        int err = 0;
        socklen_t l = sizeof err;
        getsockopt(k->fd, SOL_SOCKET, SO_ERROR, &err, &l);
        if (err || (ev & (EPOLLERR | EPOLLHUP))) {
            note_err("client %u: connect: %s", k->cl, strerror(err));
            client_fail(k->cl, F_CONNECT);
            return;
        }
        if (!(ev & EPOLLOUT)) return;
        k->state = k->role == R_WS ? C_UPGRADING : H_WAIT;
    }
    if (ev & EPOLLOUT) conn_flush(k);
    if (c->slow && c->state == S_READY) {
        if (ev & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) client_lost(k->cl, "closed by server");
        return;
    }
    if (ev & (EPOLLIN | EPOLLHUP | EPOLLERR)) on_readable(k);
}
static void loop_once(int ms) {
    static struct epoll_event ev[1024];
    int n = epoll_wait(ep, ev, 1024, ms);
    if (n < 0 && errno != EINTR) die("epoll_wait: %s", strerror(errno));
    for (int i = 0; i < n; i++) {
        conn *k = &CO[(u32)ev[i].data.u64];
        if (k->fd < 0 || k->gen != (u32)(ev[i].data.u64 >> 32)) continue;
        on_event(k, ev[i].events);
    }
}

/* ------------------------------------------------------------------ messages */

static char *MB; /* message under construction */
static size_t put_u(char *d, u32 v) {
    char b[12];
    int i = 12;
    do b[--i] = (char)('0' + v % 10), v /= 10; while (v);
    memcpy(d, b + i, (size_t)(12 - i));
    return (size_t)(12 - i);
}
static void put_d(char *d, int w, u64 v) {
    while (w--) d[w] = (char)('0' + v % 10), v /= 10;
}
static u64 get_d(const char *p, int w) {
    u64 v = 0;
    while (w--) {
        if (*p < '0' || *p > '9') return ~0ull;
        v = v * 10 + (u64)(*p++ - '0');
    }
    return v;
}

/* The argument of an echo, as text of JSON. */
static size_t put_argument(char *d, u32 seq) {
    char *d0 = d;
    if (OBJ) {
        memcpy(d, "{\"n\":", 5), d += 5;
        d += put_u(d, seq);
        memcpy(d, ",\"text\":", 8), d += 8;
    }
    *d++ = '"';
    put_d(d, 10, seq);
    memcpy(d + 10, fill + 10, (size_t)SIZE - 10), d += SIZE;
    *d++ = '"';
    if (OBJ) *d++ = '}';
    return (size_t)(d - d0);
}
static void echo_send(u32 ci, int s, u64 t) {
    client *c = &CL[ci];
    slot *sl = &c->sl[s];
    char *d = MB;
    sl->busy = 1;
    sl->seq = c->seq++;
    sl->t = t;
    c->inflight++;
    if (mode == M_BINARY) {
        memcpy(d, "451-", 4), d += 4;
        d += put_u(d, (u32)s);
        memcpy(d, "[\"echo\",{\"_placeholder\":true,\"num\":0}]", 38), d += 38;
        eio_send(ci, MB, (size_t)(d - MB));
        memcpy(MB, fill, (size_t)SIZE);
        put_d(MB, 10, sl->seq);
        MB[10] = (char)0xff; /* not text */
        ws_send(conn_of(ci, R_WS), 2, MB, (size_t)SIZE);
        return;
    }
    memcpy(d, "42", 2), d += 2;
    d += put_u(d, (u32)s);
    memcpy(d, "[\"echo\",", 8), d += 8;
    d += put_argument(d, sl->seq);
    *d++ = ']';
    eio_send(ci, MB, (size_t)(d - MB));
}
static void ack_done(u32 ci, int s, u64 t) {
    client *c = &CL[ci];
    slot *sl = &c->sl[s];
    sl->busy = 0;
    c->inflight--;
    c->acks++;
    n_acks++;
    t_lastprogress = t;
    if (measuring) hist_add(t - sl->t);
    if (!stopping) echo_send(ci, s, t);
}
static void bad(u32 ci, const char *what, const char *p, size_t n) {
    n_badpayload++;
    note_err("client %u: %s: %.*s", ci, what, (int)(n > 120 ? 120 : n), p);
}

static void group_pump(int gi, u64 t) {
    group *g = &GR[gi];
    while (!stopping) {
        if (g->head >= (u64)WIN && g->ring[g->head % (u64)WIN].left > 0) return;
        if (BRATE > 0 && (double)(t - g->t_first) / 1e9 * BRATE < (double)g->head) return;
        if (CL[g->sender].state != S_READY) return;
        bslot *b = &g->ring[g->head % (u64)WIN];
        char *d = MB;
        if (mode == M_ROOMS) {
            memcpy(d, "42[\"room\",\"r", 12), d += 12;
            d += put_u(d, (u32)gi);
            memcpy(d, "\",\"", 3), d += 3;
        } else memcpy(d, "42[\"bcast\",\"", 12), d += 12;
        put_d(d, 10, g->head);
        put_d(d + 10, 6, (u64)gi);
        memcpy(d + 16, fill + 16, (size_t)SIZE - 16), d += SIZE;
        memcpy(d, "\"]", 2), d += 2;
        b->t = t;
        b->left = g->members;
        g->head++;
        n_bsent++;
        eio_send(g->sender, MB, (size_t)(d - MB));
        if (TR == T_POLL) poll_kick(g->sender);
    }
}
static void on_delivery(u32 ci, const char *p, size_t n, u64 t) {
    client *c = &CL[ci];
    /* 42["msg","SSSSSSSSSSGGGGGGffff..."] */
    if (n != (size_t)SIZE + 12 || memcmp(p, "42[\"msg\",\"", 10) || memcmp(p + n - 2, "\"]", 2) ||
        memcmp(p + 26, fill + 16, (size_t)SIZE - 16)) {
        bad(ci, "unexpected message", p, n);
        return;
    }
    u64 s = get_d(p + 10, 10), gi = get_d(p + 20, 6);
    if (gi != c->group) {
        n_cross++;
        note_err("client %u of room %u got a message of room %llu", ci, c->group, (unsigned long long)gi);
        return;
    }
    group *g = &GR[gi];
    if (s >= g->head) {
        bad(ci, "number never sent", p, n);
        return;
    }
    if (s < c->next) {
        n_dup++;
        return;
    }
    u64 off = s - c->next;
    if (off == 0) {
        c->next++;
        c->early >>= 1;
        while (c->early & 1) c->next++, c->early >>= 1;
    } else if (off < 64) {
        if (c->early >> off & 1) {
            n_dup++;
            return;
        }
        c->early |= 1ull << off;
        n_reord++;
    } else {
        n_reord++;
    }
    c->got++;
    n_deliv++;
    t_lastprogress = t;
    bslot *b = &g->ring[s % (u64)WIN];
    if (--b->left == 0) {
        n_bdone++;
        if (measuring) hist_add(t - b->t);
        group_pump((int)gi, t);
    }
}
static void on_sio(u32 ci, const char *p, size_t n, u64 t) {
    client *c = &CL[ci];
    if (n < 2) {
        n_proto++;
        return;
    }
    if (p[1] == '0') {
        if (c->sio_open || c->state != S_PENDING) {
            n_proto++;
            return;
        }
        c->sio_open = 1;
        if (TR != T_UPGRADE) client_ready(ci, t);
        return;
    }
    if (p[1] == '4' || p[1] == '1') {
        note_err("client %u: refused or disconnected: %.*s", ci, (int)(n > 80 ? 80 : n), p);
        client_fail(ci, F_PROTO);
        return;
    }
    if (p[1] == '2') {
        if (GR) on_delivery(ci, p, n, t);
        else bad(ci, "event not expected", p, n);
        return;
    }
    /* acknowledgements */
    size_t i = 2;
    u32 id = 0;
    if (p[1] == '6') {
        if (n < 4 || p[2] != '1' || p[3] != '-') {
            bad(ci, "binary ack", p, n);
            return;
        }
        i = 4;
    } else if (p[1] != '3') {
        bad(ci, "packet type", p, n);
        return;
    }
    size_t i0 = i;
    while (i < n && p[i] >= '0' && p[i] <= '9') id = id * 10 + (u32)(p[i++] - '0');
    if (i == i0) {
        bad(ci, "ack without id", p, n);
        return;
    }
    if (mode == M_ROOMS) {
        if (c->joined) bad(ci, "second ack of join", p, n);
        else c->joined = 1, n_acks++;
        return;
    }
    if (!c->sl || id >= (u32)K || !c->sl[id].busy) {
        bad(ci, "ack of nothing sent", p, n);
        return;
    }
    if (p[1] == '6') {
        static const char tail[] = "[{\"_placeholder\":true,\"num\":0}]";
        if (mode != M_BINARY || c->bin_slot >= 0 || n - i != sizeof tail - 1 || memcmp(p + i, tail, n - i)) {
            bad(ci, "binary ack", p, n);
            return;
        }
        c->bin_slot = (int)id;
        return;
    }
    size_t want = mode == M_BINARY ? 0 : put_argument(MB, c->sl[id].seq);
    if (!want || n - i != want + 2 || p[i] != '[' || memcmp(p + i + 1, MB, want) || p[n - 1] != ']') {
        bad(ci, "ack with other data", p, n);
        return;
    }
    ack_done(ci, (int)id, t);
}
static void on_binary(u32 ci, const u8 *p, size_t n, u64 t) {
    client *c = &CL[ci];
    int s = c->bin_slot;
    c->bin_slot = -1;
    if (mode != M_BINARY || s < 0 || n != (size_t)SIZE || get_d((const char *)p, 10) != c->sl[s].seq || p[10] != 0xff ||
        memcmp(p + 11, fill + 11, (size_t)SIZE - 11)) {
        bad(ci, "attachment", (const char *)p, n > 10 ? 10 : n);
        return;
    }
    ack_done(ci, s, t);
}

/* -------------------------------------------------------------------- phases */

static u64 churned;
static void client_ready(u32 ci, u64 t) {
    client *c = &CL[ci];
    c->state = S_READY;
    n_pending--;
    n_ready++;
    t_lastprogress = t;
    if (mode == M_CHURN) {
        if (measuring) hist_add(t - c->t0);
        churned++;
        client_drop(ci);
        n_ready--;
        c->state = S_NEW;
        return;
    }
    if (conn_lat) conn_lat[conn_latn++] = (u32)((t - c->t0) / 1000);
    if (c->slow) ep_set(conn_of(ci, R_WS), EPOLL_CTL_MOD);
}
static void check_timeouts(u64 t) {
    static u64 last;
    if (t - last < 100000000ull) return;
    last = t;
    if (!n_pending) return;
    for (int i = 0; i < N; i++)
        if (CL[i].state == S_PENDING && t > CL[i].t0 && (double)(t - CL[i].t0) / 1e9 > TIMEOUT) client_fail((u32)i, F_TIMEOUT);
}
static double conn_secs;
static void phase_connect(void) {
    u64 t0 = now_ns(), t = t0;
    int next = 0;
    while (next < N || n_pending) {
        t = now_ns();
        while (next < N && n_pending < (u64)CONC && (RATE <= 0 || (double)next <= (double)(t - t0) / 1e9 * RATE)) client_start((u32)next++);
        loop_once(next < N && RATE > 0 ? 1 : 50);
        check_timeouts(now_ns());
        if (next < N && fails[F_TIMEOUT] >= (u64)CONC) { /* or each wave of the rest waits as long again */
            note_err("no more clients after %d of %d: too many timeouts", next, N);
            n_failed += (u64)(N - next);
            fails[F_TIMEOUT] += (u64)(N - next);
            next = N;
        }
    }
    conn_secs = (double)(now_ns() - t0) / 1e9;
}
static int cmp_u32(const void *a, const void *b) {
    u32 x = *(const u32 *)a, y = *(const u32 *)b;
    return x < y ? -1 : x > y;
}
static double lat_q(double q) {
    if (!conn_latn) return 0;
    size_t i = (size_t)(q * (double)conn_latn);
    if (i >= conn_latn) i = conn_latn - 1;
    return (double)conn_lat[i] / 1000.0;
}
static double series[4096];
static int nseries;
static double rss_peak;
static void tick_second(u64 t) {
    static u64 last;
    if (!npids || t - last < 1000000000ull) return;
    last = t;
    psample s = sample_pids();
    if (nseries < 4096) series[nseries++] = s.rss_mb;
    if (s.rss_mb > rss_peak) rss_peak = s.rss_mb;
}
/* Sockets of the server by TCP state, from the kernel's table. */
static void count_tcp(int *est, int *fin, int *closewait, double *sendq_mb) {
    char line[512];
    *est = *fin = *closewait = 0;
    *sendq_mb = 0;
    for (int six = 0; six < 2; six++) {
        FILE *f = fopen(six ? "/proc/net/tcp6" : "/proc/net/tcp", "r");
        if (!f) continue;
        while (fgets(line, sizeof line, f)) {
            unsigned lp, st, txq;
            char la[64];
            if (sscanf(line, " %*d: %63[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %x", la, &lp, &st, &txq) != 4 || lp != (unsigned)port) continue;
            if (st == 1) ++*est, *sendq_mb += txq / 1048576.0;
            else if (st == 4 || st == 5 || st == 9 || st == 11) ++*fin;
            else if (st == 8) ++*closewait;
        }
        fclose(f);
    }
}

static void usage(void) {
    die("usage: sioload connect|churn|echo|binary|polling|broadcast|rooms|slow -p PORT [options]; see the head of sioload.c");
}

int main(int argc, char **argv) {
    static struct option lo[] = {{"pid", 1, 0, 1}, {"pids", 1, 0, 1}, {"warm", 1, 0, 2}, {"nsrc", 1, 0, 3}, {"timeout", 1, 0, 4},
                                 {"label", 1, 0, 5}, {"path", 1, 0, 6}, {"host", 1, 0, 7}, {0, 0, 0, 0}};
    if (argc < 2) usage();
    for (mode = 0; mode < 8; mode++)
        if (!strcmp(argv[1], mode_name[mode])) break;
    if (mode == 8) usage();
    if (mode == M_POLLING) TR = T_POLL;
    argc--, argv++;
    int o;
    while ((o = getopt_long(argc, argv, "p:n:k:s:d:w:R:c:r:H:x:t:b:a:jv", lo, NULL)) != -1) switch (o) {
        case 'p': port = atoi(optarg); break;
        case 'n': N = atoi(optarg); break;
        case 'k': K = atoi(optarg); break;
        case 's': SIZE = atoi(optarg); break;
        case 'd': DUR = atof(optarg); break;
        case 'w': WIN = atoi(optarg); break;
        case 'R': ROOMS = atoi(optarg); break;
        case 'c': CONC = atoi(optarg); break;
        case 'r': RATE = atof(optarg); break;
        case 'H': HOLD = atof(optarg); break;
        case 'x': NSLOW = atoi(optarg); break;
        case 'b': BRATE = atof(optarg); break;
        case 'a': ACTIVE = atoi(optarg); break;
        case 'j': OBJ = 1; break;
        case 'v': VERB = 1; break;
        case 't':
            for (TR = 0; TR < 3; TR++)
                if (!strcmp(optarg, tr_name[TR])) break;
            if (TR == 3) usage();
            break;
        case 1: {
            char *s = strdup(optarg);
            for (char *q = strtok(s, ","); q && npids < 64; q = strtok(NULL, ",")) pids[npids++] = atoi(q);
            break;
        }
        case 2: WARM = atof(optarg); break;
        case 3: NSRC = atoi(optarg); break;
        case 4: TIMEOUT = atof(optarg); break;
        case 5: label = optarg; break;
        case 6: path = optarg; break;
        case 7: host = optarg; break;
        default: usage();
        }
    if (!port || N < 1 || K < 1 || WIN < 1 || WIN > 64 || CONC < 1 || ROOMS < 1 || NSRC < 1 || NSRC > 250) usage();
    if (mode == M_CHURN) N = CONC;
    if (SIZE < 16) SIZE = 16;
    if (mode == M_ROOMS && ROOMS > N) ROOMS = N;
    if (ACTIVE < 1 || ACTIVE > N) ACTIVE = N;
    if (NSLOW >= N) die("-x must be less than -n");
    if (mode != M_SLOW) NSLOW = 0;
    if (TR != T_WS && (mode == M_BINARY || mode == M_SLOW)) die("this mode is for websocket");
    struct rlimit rl;
    getrlimit(RLIMIT_NOFILE, &rl);
    rl.rlim_cur = rl.rlim_max;
    setrlimit(RLIMIT_NOFILE, &rl);
    NC = TR == T_WS ? 1 : 3;
    if ((double)N * (TR == T_POLL ? 2 : 1) + 16 > (double)rl.rlim_max) die("RLIMIT_NOFILE is %lu", (unsigned long)rl.rlim_max);
    signal(SIGPIPE, SIG_IGN);
    dst.sin_family = AF_INET;
    dst.sin_port = htons((uint16_t)port);
    if (!inet_aton(host, &dst.sin_addr)) die("host must be a dotted address");

    ep = epoll_create1(EPOLL_CLOEXEC);
    IB = xcalloc(1, IBCAP);
    MB = xcalloc(1, (size_t)SIZE + 256);
    fill = xcalloc(1, (size_t)SIZE + 64);
    for (int i = 0; i < SIZE + 16; i++) fill[i] = (char)('a' + i % 26);
    CL = xcalloc((size_t)N, sizeof *CL);
    CO = xcalloc((size_t)N * (size_t)NC, sizeof *CO);
    conn_lat = xcalloc((size_t)N, sizeof *conn_lat);
    for (int i = 0; i < N; i++) {
        for (int r = 0; r < NC; r++) {
            conn *k = &CO[(size_t)i * (size_t)NC + (size_t)r];
            k->fd = -1;
            k->cl = (u32)i;
            k->role = (u8)r;
        }
        CL[i].bin_slot = -1;
        CL[i].slow = i >= N - NSLOW;
        if (mode == M_ECHO || mode == M_BINARY || mode == M_POLLING) CL[i].sl = xcalloc((size_t)K, sizeof(slot));
    }

    psample p_before = sample_pids(), p_conn, p0, p1, p_end;
    msample m0 = sample_machine(), m1;
    double g0 = self_cpu(), g1;
    rss_peak = p_before.rss_mb;
    u64 t0 = now_ns(), t1, mark_acks = 0, mark_deliv = 0, mark_b = 0, mark_churn = 0;
    int stalled = 0;
    u64 hold_pings = 0;
    double hold_cpu = 0;

    if (mode != M_CHURN) phase_connect();
    qsort(conn_lat, conn_latn, sizeof *conn_lat, cmp_u32);
    double connect_cpu = 0;
    p_conn = sample_pids();
    connect_cpu = p_conn.cpu - p_before.cpu;
    u64 ready0 = n_ready;
    double win_s = 0;
    p0 = p_before, p1 = p_conn;
    m1 = sample_machine();
    g1 = self_cpu();

    if (mode == M_CONNECT) {
        t1 = now_ns();
        hold_pings = n_pings;
        while ((double)(now_ns() - t1) / 1e9 < HOLD) loop_once(50), tick_second(now_ns());
        hold_pings = n_pings - hold_pings;
        hold_cpu = sample_pids().cpu - p_conn.cpu;
        win_s = conn_secs;
    } else if (mode == M_CHURN) {
        u64 tw = t0 + (u64)(WARM * 1e9), te = tw + (u64)(DUR * 1e9), t;
        phase_run = 1;
        for (;;) {
            t = now_ns();
            if (!measuring && t >= tw) {
                measuring = 1;
                p0 = sample_pids(), m0 = sample_machine(), g0 = self_cpu(), t0 = now_ns();
                mark_churn = churned;
            }
            if (t >= te) break;
            for (int i = 0; i < N; i++)
                if (CL[i].state == S_NEW || CL[i].state == S_FAILED) client_start((u32)i);
            loop_once(10);
            check_timeouts(t);
            tick_second(t);
        }
        win_s = (double)(now_ns() - t0) / 1e9;
        p1 = sample_pids(), m1 = sample_machine(), g1 = self_cpu();
        mark_churn = churned - mark_churn;
    } else if (ready0) {
        int members_total = 0;
        if (mode == M_BCAST || mode == M_ROOMS || mode == M_SLOW) {
            ngr = mode == M_ROOMS ? ROOMS : 1;
            GR = xcalloc((size_t)ngr, sizeof *GR);
            for (int g = 0; g < ngr; g++) {
                GR[g].ring = xcalloc((size_t)WIN, sizeof(bslot));
                GR[g].sender = ~0u;
            }
            for (int i = 0; i < N; i++) {
                if (CL[i].state != S_READY || CL[i].slow) continue;
                CL[i].group = (u32)(i % ngr);
                group *g = &GR[i % ngr];
                if (g->sender == ~0u) g->sender = (u32)i;
                g->members++;
                members_total++;
                if (mode == M_ROOMS) {
                    char b[64];
                    int m = snprintf(b, sizeof b, "420[\"join\",\"r%d\"]", i % ngr);
                    eio_send((u32)i, b, (size_t)m);
                    if (TR == T_POLL) poll_kick((u32)i);
                }
            }
            if (mode == M_ROOMS) {
                u64 t = now_ns();
                while (n_acks + n_disc < (u64)members_total && now_ns() - t < 20000000000ull) loop_once(50);
                if (n_acks < (u64)members_total) note_err("%llu of %d joins acknowledged", (unsigned long long)n_acks, members_total);
                n_acks = 0;
            }
        }
        phase_run = 1;
        t0 = now_ns();
        t_lastprogress = t0;
        if (GR) {
            for (int g = 0; g < ngr; g++)
                if (GR[g].members) GR[g].t_first = t0, group_pump(g, t0);
                else GR[g].sender = 0, GR[g].members = 0;
        } else
            for (int i = 0; i < ACTIVE; i++)
                if (CL[i].state == S_READY) {
                    for (int s = 0; s < K; s++) echo_send((u32)i, s, now_ns());
                    if (TR == T_POLL) poll_kick((u32)i);
                }
        u64 tw = t0 + (u64)(WARM * 1e9), te = tw + (u64)(DUR * 1e9), t;
        for (;;) {
            t = now_ns();
            if (!measuring && t >= tw) {
                p0 = sample_pids(), m0 = sample_machine(), g0 = self_cpu(), t0 = now_ns();
                mark_acks = n_acks, mark_deliv = n_deliv, mark_b = n_bdone;
                for (int i = 0; i < N; i++) CL[i].acks_mark = CL[i].acks;
                measuring = 1;
            }
            if (t >= te) break;
            if (t - t_lastprogress > 15000000000ull) {
                stalled = 1;
                note_err("no progress for 15 s");
                break;
            }
            if (BRATE > 0 && GR)
                for (int g = 0; g < ngr; g++)
                    if (GR[g].members) group_pump(g, t);
            loop_once(BRATE > 0 ? 1 : 50);
            tick_second(t);
        }
        measuring = 0;
        stopping = 1;
        win_s = (double)(now_ns() - t0) / 1e9;
        p1 = sample_pids(), m1 = sample_machine(), g1 = self_cpu();
        mark_acks = n_acks - mark_acks, mark_deliv = n_deliv - mark_deliv, mark_b = n_bdone - mark_b;
        for (int i = 0; i < N; i++) CL[i].acks_mark = CL[i].acks - CL[i].acks_mark;
        /* drain: everything sent has to come back */
        t_lastprogress = now_ns();
        for (;;) {
            u64 left = 0;
            if (GR) {
                for (int g = 0; g < ngr; g++)
                    for (int s = 0; s < WIN; s++) left += GR[g].ring[s].left > 0;
            } else
                for (int i = 0; i < N; i++)
                    if (CL[i].state == S_READY) left += (u64)CL[i].inflight;
            if (!left || now_ns() - t_lastprogress > 5000000000ull) break;
            loop_once(20);
        }
        loop_once(0);
        u64 tq = now_ns(); /* a little longer, for duplicates that come late */
        while (now_ns() - tq < 200000000ull) loop_once(20);
    }
    p_end = sample_pids();
    if (p_end.rss_mb > rss_peak) rss_peak = p_end.rss_mb;

    u64 missing = 0, unacked = 0;
    if (GR)
        for (int i = 0; i < N; i++) {
            if (CL[i].state == S_READY && !CL[i].slow) missing += GR[CL[i].group].head - CL[i].got;
        }
    for (int i = 0; i < N; i++)
        if (CL[i].sl && CL[i].state == S_READY) unacked += (u64)CL[i].inflight;

    double gcpu = g1 - g0, scpu = p1.cpu - p0.cpu, busy = m1.busy - m0.busy;
    double foreign = npids ? (busy - gcpu - scpu) / win_s : -1;
    u64 msgs = GR ? mark_deliv : mode == M_CHURN ? mark_churn : mode == M_CONNECT ? ready0 : mark_acks;
    int ok = !n_failed && !n_disc && !n_proto && !n_badpayload && !n_dup && !n_reord && !n_cross && !missing && !unacked && !stalled;
    double la[3] = {0};
    getloadavg(la, 3);

    printf("{\"mode\":\"%s\",\"label\":\"%s\",\"transport\":\"%s\",\"ok\":%s,\"n\":%d,\"connected\":%llu,\"failed\":%llu,\"disconnects\":%llu", mode_name[mode],
           label, tr_name[TR], ok ? "true" : "false", N, (unsigned long long)ready0, (unsigned long long)n_failed, (unsigned long long)n_disc);
    if (n_failed) {
        printf(",\"fail\":{");
        for (int i = 0, c = 0; i < F_N; i++)
            if (fails[i]) printf("%s\"%s\":%llu", c++ ? "," : "", fail_name[i], (unsigned long long)fails[i]);
        printf("}");
    }
    if (mode != M_CHURN)
        printf(",\"connect_s\":%.3f,\"connect_per_s\":%.1f,\"connect_ms\":{\"p50\":%.2f,\"p99\":%.2f,\"max\":%.2f},\"connect_cpu_s\":%.4f", conn_secs,
               conn_secs > 0 ? (double)ready0 / conn_secs : 0, lat_q(.5), lat_q(.99), lat_q(1), connect_cpu);
    if (mode == M_CONNECT) printf(",\"hold_s\":%.1f,\"hold_pings\":%llu,\"hold_cpu_s\":%.4f", HOLD, (unsigned long long)hold_pings, hold_cpu);
    else printf(",\"seconds\":%.3f,\"per_s\":%.1f", win_s, win_s > 0 ? (double)msgs / win_s : 0);
    printf(",\"messages\":%llu", (unsigned long long)msgs);
    if (mode == M_ECHO || mode == M_BINARY || mode == M_POLLING) {
        u64 lo_ = ~0ull, hi = 0;
        for (int i = 0; i < ACTIVE; i++)
            if (CL[i].state == S_READY) {
                if (CL[i].acks_mark < lo_) lo_ = CL[i].acks_mark;
                if (CL[i].acks_mark > hi) hi = CL[i].acks_mark;
            }
        printf(",\"active\":%d,\"inflight\":%d,\"bytes\":%d,\"acks_total\":%llu,\"unacked\":%llu,\"per_conn_min\":%llu,\"per_conn_max\":%llu", ACTIVE, K, SIZE,
               (unsigned long long)n_acks, (unsigned long long)unacked, (unsigned long long)(lo_ == ~0ull ? 0 : lo_), (unsigned long long)hi);
    }
    if (GR)
        printf(",\"bytes\":%d,\"window\":%d,\"rooms\":%d,\"slow\":%d,\"slow_closed\":%llu,\"bcast_rate\":%.1f,\"broadcasts\":%llu,\"bcast_per_s\":%.1f,"
               "\"sent_total\":%llu,\"deliveries_total\":%llu,\"missing\":%llu,\"duplicate\":%llu,\"reordered\":%llu,\"wrong_room\":%llu,\"lost_by_disconnect\":%llu",
               SIZE, WIN, mode == M_ROOMS ? ngr : 0, NSLOW, (unsigned long long)n_slow_disc, BRATE, (unsigned long long)mark_b, (double)mark_b / win_s,
               (unsigned long long)n_bsent, (unsigned long long)n_deliv, (unsigned long long)missing, (unsigned long long)n_dup,
               (unsigned long long)n_reord, (unsigned long long)n_cross, (unsigned long long)n_lost_disc);
    if (H.n)
        printf(",\"%s\":{\"p50\":%.0f,\"p95\":%.0f,\"p99\":%.0f,\"p999\":%.0f,\"max\":%llu,\"mean\":%.1f}", GR ? "fanout_us" : "lat_us", hist_q(.5), hist_q(.95),
               hist_q(.99), hist_q(.999), (unsigned long long)H.max, H.sum / (double)H.n);
    printf(",\"bad_payload\":%llu,\"proto_errors\":%llu,\"pings\":%llu,\"http_reopened\":%llu,\"http_retries\":%llu,\"stalled\":%s", (unsigned long long)n_badpayload,
           (unsigned long long)n_proto, (unsigned long long)n_pings, (unsigned long long)n_httpclose, (unsigned long long)n_httpretry, stalled ? "true" : "false");
    printf(",\"gen_cpu_frac\":%.3f", win_s > 0 ? gcpu / win_s : 0);
    if (npids) {
        printf(",\"cpu_s\":%.4f,\"srv_cpu_frac\":%.3f,\"msgs_per_cpu_s\":%.0f,\"rss_before_mb\":%.1f,\"rss_connected_mb\":%.1f,\"rss_after_mb\":%.1f,"
               "\"rss_peak_mb\":%.1f,\"rss_kb_per_conn\":%.2f,\"other_cpu_frac\":%.3f,\"steal_frac\":%.3f",
               scpu, win_s > 0 ? scpu / win_s : 0, scpu > 0 ? (double)msgs / scpu : 0, p_before.rss_mb, p_conn.rss_mb, p_end.rss_mb, rss_peak,
               ready0 ? ((mode == M_CONNECT ? p_end.rss_mb : p_conn.rss_mb) - p_before.rss_mb) * 1024 / (double)ready0 : 0, foreign,
               win_s > 0 ? (m1.steal - m0.steal) / win_s : 0);
        if (mode == M_SLOW || HOLD > 5) {
            printf(",\"rss_series_mb\":[");
            for (int i = 0; i < nseries; i++) printf("%s%.0f", i ? "," : "", series[i]);
            printf("]");
        }
    }
    if (mode == M_SLOW || mode == M_CONNECT) {
        int est, fin, cw;
        double sq;
        count_tcp(&est, &fin, &cw, &sq);
        printf(",\"srv_sockets\":{\"established\":%d,\"closing\":%d,\"close_wait\":%d,\"sendq_mb\":%.1f}", est, fin, cw, sq);
    }
    printf(",\"loadavg\":%.2f", la[0]);
    if (first_err[0]) printf(",\"first_error\":\"%s\"", first_err);
    printf("}\n");
    return ok ? 0 : 3;
}
