// Joins two network namespaces by a link with delay, a rate, a drop-tail queue and random loss.
//
// Each side is a TUN device; one thread a direction reads packets from one and writes them, when they are due, to the
// other. A packet that finds the queue full is dropped; otherwise it waits for the line (first in, first out, at the
// rate), may be lost on it, and arrives a delay later. The devices offer no segmentation offload, so the kernel
// hands over packets of at most the MTU. Packets live in one ring for each direction, read and written in place.
//
// Prints "ready" once both devices are up; on SIGTERM or SIGINT one line of counters for each direction. The devices
// vanish with the process.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { mtu = 1500, device_queue_packets = 20000, record_alignment = 16 };

/// Wakes at most this often, so that packets due close together leave in one go.
static const uint64_t batch_ns = 50000;

static const char device_name[] = "link0";

typedef struct {
    uint64_t due_ns;  // when the packet arrives at the other side
    uint32_t size;    // of the packet that follows; 0: the ring goes on at its start
    uint32_t lost;    // the packet takes its time on the line but never arrives
} record;

typedef struct {
    uint64_t delay_ns, queue_bytes;
    double ns_per_byte, loss;
} line;

typedef struct {
    const char *name;
    line line;
    int from, to;
    uint64_t random_state;
    uint64_t line_free_ns;  // when the line has sent all that is queued
    uint8_t *ring;
    size_t capacity, head, tail;  // head: oldest record; tail: the next one; equal: empty
    _Atomic uint64_t forwarded, forwarded_bytes, lost, queue_drops;
} direction;

static _Noreturn void fail(const char *what) {
    fprintf(stderr, "LinkEmulator: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

// xorshift64*: the same seed loses the same packets.
static double random_fraction(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (double)((*state * 0x2545F4914F6CDD1Du) >> 11) / 9007199254740992.0;
}

static size_t record_size(size_t packet) {
    return (sizeof(record) + packet + record_alignment - 1) / record_alignment * record_alignment;
}

static record *record_at(direction *d, size_t offset) { return (record *)(void *)(d->ring + offset); }

/// Room for one more packet of full size at the tail, or NULL if the ring is full.
static record *room(direction *d) {
    size_t need = record_size(mtu);
    if (d->tail >= d->head) {
        if (d->capacity - d->tail > need) return record_at(d, d->tail);
        if (d->head <= need) return NULL;
        record_at(d, d->tail)->size = 0;
        d->tail = 0;
    }
    return d->head - d->tail > need ? record_at(d, d->tail) : NULL;
}

/// Takes one packet that the sender has written; false if none waits.
static bool take_one(direction *d, uint64_t now) {
    static _Thread_local uint8_t dropped[mtu];
    record *r = room(d);
    ssize_t size = read(d->from, r ? (uint8_t *)(r + 1) : dropped, mtu);
    if (size <= 0) return false;
    uint64_t start = d->line_free_ns > now ? d->line_free_ns : now;
    double queued = d->line.ns_per_byte > 0 ? (double)(start - now) / d->line.ns_per_byte : 0;
    if (!r || queued + (double)size > (double)d->line.queue_bytes) {
        d->queue_drops++;
        return true;
    }
    d->line_free_ns = start + (uint64_t)((double)size * d->line.ns_per_byte);
    *r = (record){
        .due_ns = d->line_free_ns + d->line.delay_ns,
        .size = (uint32_t)size,
        .lost = random_fraction(&d->random_state) < d->line.loss,
    };
    d->tail += record_size((size_t)size);
    return true;
}

static record *oldest(direction *d) {
    if (d->head == d->tail) return NULL;
    if (record_at(d, d->head)->size == 0) d->head = 0;
    return d->head == d->tail ? NULL : record_at(d, d->head);
}

static void deliver_due(direction *d, uint64_t now) {
    for (record *r; (r = oldest(d)) && r->due_ns <= now; d->head += record_size(r->size)) {
        if (r->lost) {
            d->lost++;
        } else if (write(d->to, r + 1, r->size) == (ssize_t)r->size) {
            d->forwarded++;
            d->forwarded_bytes += r->size;
        }
    }
}

static _Noreturn void *run(void *argument) {
    direction *d = argument;
    prctl(PR_SET_TIMERSLACK, 1);
    struct pollfd wait = {.fd = d->from, .events = POLLIN};
    for (;;) {
        uint64_t now = now_ns();
        deliver_due(d, now);
        for (int taken = 0; taken < 64 && take_one(d, now); taken++) {}
        record *next = oldest(d);
        now = now_ns();
        if (next && next->due_ns <= now) continue;
        uint64_t pause = next ? next->due_ns - now : 1000000000u;
        if (pause < batch_ns) {
            struct timespec nap = {.tv_nsec = (long)batch_ns};
            nanosleep(&nap, NULL);
        } else {
            struct timespec limit = {.tv_sec = (time_t)(pause / 1000000000u), .tv_nsec = (long)(pause % 1000000000u)};
            ppoll(&wait, 1, &limit, NULL);
        }
    }
}

static void run_ip(char *const arguments[]) {
    extern char **environ;
    pid_t pid;
    int status = 0;
    errno = posix_spawnp(&pid, "ip", NULL, NULL, arguments, environ);
    if (errno || waitpid(pid, &status, 0) < 0 || status != 0) fail("ip");
}

/// Opens a TUN device inside a namespace of `ip netns`, with an address and the peer's.
static int open_device(const char *namespace, char *address, char *peer) {
    char path[256];
    snprintf(path, sizeof path, "/run/netns/%s", namespace);
    int handle = open(path, O_RDONLY | O_CLOEXEC);
    if (handle < 0 || setns(handle, CLONE_NEWNET) < 0) fail(path);
    close(handle);

    int device = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (device < 0) fail("/dev/net/tun");
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    strcpy(request.ifr_name, device_name);
    if (ioctl(device, TUNSETIFF, &request) < 0) fail("TUNSETIFF");

    char mtu_text[16], queue_text[16];
    snprintf(mtu_text, sizeof mtu_text, "%d", mtu);
    snprintf(queue_text, sizeof queue_text, "%d", device_queue_packets);
    char *name = request.ifr_name;
    run_ip((char *[]){"ip", "addr", "add", address, "peer", peer, "dev", name, NULL});
    run_ip((char *[]){"ip", "link", "set", name, "up", "mtu", mtu_text, "txqueuelen", queue_text, NULL});
    return device;
}

static void start(direction *d, uint64_t seed) {
    double line_bytes = d->line.ns_per_byte > 0 ? (double)d->line.delay_ns / d->line.ns_per_byte : 64e6;
    d->random_state = seed * 0x9E3779B97F4A7C15u + 1;
    // Twice, as a small packet takes up to half its record with what goes with it.
    d->capacity = record_size(2 * (size_t)(line_bytes + (double)d->line.queue_bytes) + 1000000);
    d->ring = aligned_alloc(record_alignment, d->capacity);
    if (!d->ring) fail("memory");
    pthread_t thread;
    errno = pthread_create(&thread, NULL, run, d);
    if (errno) fail("thread");
}

static void report(direction *d) {
    printf(
        "{\"direction\":\"%s\",\"packets\":%llu,\"bytes\":%llu,\"lost\":%llu,\"queue_drops\":%llu}\n", d->name,
        (unsigned long long)d->forwarded, (unsigned long long)d->forwarded_bytes, (unsigned long long)d->lost,
        (unsigned long long)d->queue_drops);
}

static _Noreturn void usage(void) {
    fputs(
        "usage: LinkEmulator --left-ns NAME --right-ns NAME --left-addr A --right-addr A\n"
        "                    [--delay-ms ONE-WAY] [--rate-mbit N] [--loss PERCENT] [--queue-bytes N] [--seed N]\n"
        "The queue is, unless given, what the line sends in a round trip.\n",
        stderr);
    exit(2);
}

int main(int count, char **arguments) {
    enum { left_ns, right_ns, left_addr, right_addr, delay_ms, rate_mbit, loss, queue_bytes, seed, options };
    static const struct option names[] = {
        {"left-ns", 1, 0, left_ns},       {"right-ns", 1, 0, right_ns},       {"left-addr", 1, 0, left_addr},
        {"right-addr", 1, 0, right_addr}, {"delay-ms", 1, 0, delay_ms},       {"rate-mbit", 1, 0, rate_mbit},
        {"loss", 1, 0, loss},             {"queue-bytes", 1, 0, queue_bytes}, {"seed", 1, 0, seed},
        {0, 0, 0, 0},
    };
    char *given[options] = {0};
    for (int option; (option = getopt_long(count, arguments, "", names, NULL)) != -1;) {
        if (option == '?') usage();
        given[option] = optarg;
    }
    if (!given[left_ns] || !given[right_ns] || !given[left_addr] || !given[right_addr] || optind != count) usage();

    line l = {.delay_ns = (uint64_t)((given[delay_ms] ? atof(given[delay_ms]) : 0) * 1e6)};
    double rate = given[rate_mbit] ? atof(given[rate_mbit]) : 0;
    l.ns_per_byte = rate > 0 ? 8000 / rate : 0;
    l.loss = (given[loss] ? atof(given[loss]) : 0) / 100;
    l.queue_bytes = given[queue_bytes] ? strtoull(given[queue_bytes], NULL, 10)
                    : rate > 0         ? (uint64_t)(2 * (double)l.delay_ns / l.ns_per_byte) + 20 * mtu
                                       : 64000000;

    sigset_t end;
    sigemptyset(&end);
    sigaddset(&end, SIGTERM);
    sigaddset(&end, SIGINT);
    sigprocmask(SIG_BLOCK, &end, NULL);

    int left = open_device(given[left_ns], given[left_addr], given[right_addr]);
    int right = open_device(given[right_ns], given[right_addr], given[left_addr]);
    direction forward = {.name = "left to right", .line = l, .from = left, .to = right};
    direction backward = {.name = "right to left", .line = l, .from = right, .to = left};
    uint64_t first_seed = given[seed] ? strtoull(given[seed], NULL, 10) : 1;
    start(&forward, first_seed);
    start(&backward, first_seed + 1);
    puts("ready");
    fflush(stdout);

    int signal;
    sigwait(&end, &signal);
    report(&forward);
    report(&backward);
    return 0;
}
