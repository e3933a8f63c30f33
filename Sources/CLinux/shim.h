#pragma once
// Linux calls that glibc declares only under _GNU_SOURCE, or not at all. Each returns -1 and sets errno on failure.
#include <linux/openat2.h>
#include <stdint.h>
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
