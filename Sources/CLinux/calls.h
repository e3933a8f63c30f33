#pragma once
// Linux calls that glibc declares only under _GNU_SOURCE, or not at all. Each returns -1 and sets errno on failure.
#include <linux/openat2.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

// openat2(2) that neither leaves the folder nor follows any symbolic link. Linux 5.6.
static inline int sleigh_open_beneath(int folder, const char *name, int flags, unsigned int mode) {
    struct open_how how = {
        .flags = (uint64_t)(unsigned int)flags,
        .mode = mode,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    return (int)syscall(SYS_openat2, folder, name, &how, sizeof how);
}

// renameat2(2) with RENAME_NOREPLACE: fails with EEXIST instead of replacing.
static inline int sleigh_rename_exclusively(int folder, const char *from, const char *to) {
    return (int)syscall(SYS_renameat2, folder, from, folder, to, 1u);
}

// fallocate(2) with FALLOC_FL_KEEP_SIZE: reserves the space, leaves the size.
static inline int sleigh_reserve(int file, int64_t offset, int64_t count) {
#if __LP64__
    return (int)syscall(SYS_fallocate, file, 1, offset, count);
#else
    return (int)syscall(SYS_fallocate, file, 1, (uint32_t)offset, (uint32_t)(offset >> 32), (uint32_t)count,
                        (uint32_t)(count >> 32));
#endif
}

// sync_file_range(2) with SYNC_FILE_RANGE_WRITE: starts writing a range to the disk and does not wait for it.
static inline int sleigh_start_writeback(int file, int64_t offset, int64_t count) {
#if defined(SYS_sync_file_range) && __LP64__
    return (int)syscall(SYS_sync_file_range, file, offset, count, 2u);
#else
    return 0;
#endif
}

// close_range(2) with CLOSE_RANGE_CLOEXEC: no program that is started gets that descriptor or a later one. Linux 5.11.
static inline int sleigh_keep_from_programs(unsigned int first) {
#ifdef SYS_close_range
    return (int)syscall(SYS_close_range, first, ~0u, 4u);
#else
    return -1;
#endif
}

// What TCP knows of a connection.
struct sleigh_tcp_state {
    uint32_t round_trip_us;
    uint32_t minimum_round_trip_us;
    // Segments sent and not acknowledged, keep-alive and window probes without an answer.
    uint32_t unacknowledged;
    uint32_t probes;
    uint32_t sent_segments;
    uint32_t repeated_segments;
    // Since anything came.
    uint32_t silence_ms;
};

// getsockopt(TCP_INFO) with the fields that glibc's own structure lacks; the offsets are the kernel's ABI. Linux 4.6.
static inline int sleigh_tcp_state(int socket, struct sleigh_tcp_state *state) {
    uint8_t info[152];
    socklen_t length = sizeof info;
    if (getsockopt(socket, IPPROTO_TCP, 11, info, &length) != 0) return -1;
    if (length < sizeof info) return -1;
    state->probes = info[3];
    memcpy(&state->unacknowledged, info + 24, 4);
    uint32_t since_data_ms;
    memcpy(&since_data_ms, info + 52, 4);
    memcpy(&state->silence_ms, info + 56, 4);
    if (since_data_ms < state->silence_ms) state->silence_ms = since_data_ms;
    memcpy(&state->round_trip_us, info + 68, 4);
    memcpy(&state->repeated_segments, info + 100, 4);
    memcpy(&state->sent_segments, info + 136, 4);
    memcpy(&state->minimum_round_trip_us, info + 148, 4);
    return 0;
}

// ioctl(SIOCOUTQ): the bytes written that the peer's TCP has not acknowledged.
static inline int sleigh_tcp_unacknowledged(int socket) {
    int count = 0;
    return ioctl(socket, TIOCOUTQ, &count) == 0 ? count : -1;
}

// Sends nothing late, and probes a silent peer so that about as many seconds without an answer end the connection.
static inline int sleigh_tcp_prepare(int socket, unsigned int silence_limit_seconds) {
    int idle_seconds = silence_limit_seconds < 4 ? 1 : (int)(silence_limit_seconds / 4);
    int one = 1, interval_seconds = idle_seconds, count = 3;
    if (setsockopt(socket, IPPROTO_TCP, 1, &one, sizeof one) != 0) return -1; // TCP_NODELAY
    if (setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one) != 0) return -1;
    if (setsockopt(socket, IPPROTO_TCP, 4, &idle_seconds, sizeof idle_seconds) != 0) return -1;
    if (setsockopt(socket, IPPROTO_TCP, 5, &interval_seconds, sizeof interval_seconds) != 0) return -1;
    return setsockopt(socket, IPPROTO_TCP, 6, &count, sizeof count);
}

// Makes the next close abort the connection with a RST.
static inline int sleigh_tcp_abort_on_close(int socket) {
    struct linger linger = {1, 0};
    return setsockopt(socket, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}
