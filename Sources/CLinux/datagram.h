#pragma once
// Batched datagram I/O of Linux: the calls, macros and control messages that Swift cannot reach.
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define DATAGRAM_SOL_UDP 17
#define DATAGRAM_UDP_SEGMENT 103
#define DATAGRAM_UDP_GRO 104
#define DATAGRAM_IP_PMTUDISC_PROBE 3
#define DATAGRAM_IPV6_MTU_DISCOVER 23
#define DATAGRAM_SEND_MANY 64
#define DATAGRAM_RECEIVE_MANY 64

// As the kernel's struct mmsghdr, which the headers show only with _GNU_SOURCE.
struct datagram_message {
    struct msghdr header;
    unsigned int length;
};

// Buffers for several calls' worth of received datagrams.
struct datagram_receiver {
    unsigned int count;
    size_t capacity;
    uint8_t *memory;
    struct datagram_message messages[DATAGRAM_RECEIVE_MANY];
    struct iovec vectors[DATAGRAM_RECEIVE_MANY];
    // Room for one int each, aligned.
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } controls[DATAGRAM_RECEIVE_MANY];
};

static inline struct datagram_receiver *datagram_receiver_new(unsigned int count, size_t capacity) {
    struct datagram_receiver *r = (struct datagram_receiver *)calloc(1, sizeof *r);
    if (r == NULL) return NULL;
    r->count = count < DATAGRAM_RECEIVE_MANY ? count : DATAGRAM_RECEIVE_MANY;
    r->capacity = capacity;
    r->memory = (uint8_t *)malloc(r->count * capacity);
    if (r->memory == NULL) {
        free(r);
        return NULL;
    }
    for (unsigned int i = 0; i < r->count; i++) {
        r->vectors[i].iov_base = r->memory + i * capacity;
        r->vectors[i].iov_len = capacity;
        r->messages[i].header.msg_iov = &r->vectors[i];
        r->messages[i].header.msg_iovlen = 1;
        r->messages[i].header.msg_control = &r->controls[i];
    }
    return r;
}

static inline void datagram_receiver_free(struct datagram_receiver *r) {
    free(r->memory);
    free(r);
}

// Returns how many messages came, or -errno.
static inline int datagram_receive(struct datagram_receiver *r, int fd) {
    for (unsigned int i = 0; i < r->count; i++) {
        r->messages[i].header.msg_controllen = sizeof r->controls[i];
        r->messages[i].header.msg_flags = 0;
    }
    long n = syscall(SYS_recvmmsg, fd, r->messages, r->count, MSG_DONTWAIT, NULL);
    return n < 0 ? -errno : (int)n;
}

static inline const uint8_t *datagram_received_bytes(const struct datagram_receiver *r, int i) {
    return (const uint8_t *)r->vectors[i].iov_base;
}

static inline size_t datagram_received_length(const struct datagram_receiver *r, int i) {
    return r->messages[i].header.msg_flags & MSG_TRUNC ? 0 : r->messages[i].length;
}

// The size of each of the datagrams the kernel put together; their length if it is one.
static inline size_t datagram_received_segment(struct datagram_receiver *r, int i) {
    struct msghdr *header = &r->messages[i].header;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_level == DATAGRAM_SOL_UDP && c->cmsg_type == DATAGRAM_UDP_GRO) {
            int size;
            memcpy(&size, CMSG_DATA(c), sizeof size);
            if (size > 0) return (size_t)size;
        }
    }
    return r->messages[i].length;
}

// Sends everything the vectors hold in one call, cut into segments by the kernel. Returns the bytes taken, or -errno.
static inline long datagram_send_vectors(
    int fd, const void *remote, socklen_t remote_length, struct iovec *vectors, size_t count, size_t length,
    size_t segment) {
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(uint16_t))];
    } control;
    struct msghdr message;
    memset(&message, 0, sizeof message);
    message.msg_name = (void *)remote;
    message.msg_namelen = remote_length;
    message.msg_iov = vectors;
    message.msg_iovlen = count;
    if (length > segment) {
        memset(&control, 0, sizeof control);
        message.msg_control = &control;
        message.msg_controllen = sizeof control.bytes;
        struct cmsghdr *c = CMSG_FIRSTHDR(&message);
        uint16_t size = (uint16_t)segment;
        c->cmsg_level = DATAGRAM_SOL_UDP;
        c->cmsg_type = DATAGRAM_UDP_SEGMENT;
        c->cmsg_len = CMSG_LEN(sizeof size);
        memcpy(CMSG_DATA(c), &size, sizeof size);
    }
    ssize_t n = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    return n < 0 ? -errno : (long)n;
}

// The same for one run of bytes.
static inline long datagram_send_segments(
    int fd, const void *remote, socklen_t remote_length, const void *bytes, size_t length, size_t segment) {
    struct iovec vector = {(void *)bytes, length};
    return datagram_send_vectors(fd, remote, remote_length, &vector, 1, length, segment);
}

// Sends the segments one by one in as few calls as possible. Returns the bytes taken, or -errno if there are none.
static inline long datagram_send_each(
    int fd, const void *remote, socklen_t remote_length, const void *bytes, size_t length, size_t segment) {
    struct datagram_message messages[DATAGRAM_SEND_MANY];
    struct iovec vectors[DATAGRAM_SEND_MANY];
    size_t sent = 0;
    while (sent < length) {
        unsigned int count = 0;
        size_t offset = sent;
        while (offset < length && count < DATAGRAM_SEND_MANY) {
            size_t size = length - offset < segment ? length - offset : segment;
            vectors[count].iov_base = (uint8_t *)bytes + offset;
            vectors[count].iov_len = size;
            memset(&messages[count], 0, sizeof messages[count]);
            messages[count].header.msg_name = (void *)remote;
            messages[count].header.msg_namelen = remote_length;
            messages[count].header.msg_iov = &vectors[count];
            messages[count].header.msg_iovlen = 1;
            offset += size;
            count++;
        }
        long n = syscall(SYS_sendmmsg, fd, messages, count, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0) return sent > 0 ? (long)sent : -errno;
        for (long i = 0; i < n; i++) sent += vectors[i].iov_len;
        if (n < (long)count) break;
    }
    return (long)sent;
}

// Prepares a socket for bulk transfer: groups received datagrams, and has room.
static inline int datagram_prepare(int fd, int buffer_size) {
    int one = 1;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer_size, sizeof buffer_size);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer_size, sizeof buffer_size);
    return setsockopt(fd, DATAGRAM_SOL_UDP, DATAGRAM_UDP_GRO, &one, sizeof one);
}

// Never fragments from now on: a datagram that is too large is lost.
static inline void datagram_forbid_fragments(int fd, int family) {
    int probe = DATAGRAM_IP_PMTUDISC_PROBE;
    if (family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, DATAGRAM_IPV6_MTU_DISCOVER, &probe, sizeof probe);
    setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &probe, sizeof probe);
}

// Lets this thread's timers be exact to the nanosecond.
static inline void datagram_exact_timers(void) {
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
}

// Waits; a negative timeout means for ever. Returns as poll does.
static inline int datagram_wait(struct pollfd *fds, unsigned int count, int64_t timeout_nanoseconds) {
    struct timespec t = {timeout_nanoseconds / 1000000000, timeout_nanoseconds % 1000000000};
    return (int)syscall(SYS_ppoll, fds, count, timeout_nanoseconds < 0 ? NULL : &t, NULL, 8);
}

static inline uint64_t datagram_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline int datagram_event_new(void) {
    return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

static inline void datagram_event_raise(int fd) {
    uint64_t one = 1;
    ssize_t n = write(fd, &one, sizeof one);
    (void)n;
}

static inline void datagram_event_clear(int fd) {
    uint64_t value;
    ssize_t n = read(fd, &value, sizeof value);
    (void)n;
}
