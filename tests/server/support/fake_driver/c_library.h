/* Puts a fake device in front of the C library: the real functions, and those that every fake device replaces alike. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define MAX_FDS 1024

/* The device defines these. */
static int fake_open(const char *path, int flags); /* a descriptor, -1 with errno, or -2 if the path is not the device */
static int is_fake(int fd);
static int fake_ioctl(int fd, unsigned long request, void *argument); /* one of V4L2, for a descriptor that is fake */

static int (*real_open)(const char *, int, ...);
static int (*real_openat)(int, const char *, int, ...);
static int (*real_ioctl)(int, unsigned long, ...);
static int (*real_close)(int);
static int (*real_poll)(struct pollfd *, nfds_t, int);
static void *(*real_mmap)(void *, size_t, int, int, int, off_t);

/* Not a constructor, because other libraries open files before it would run. */
static void find_real(void) {
    if (real_mmap) return;
    real_open = dlsym(RTLD_NEXT, "open");
    real_openat = dlsym(RTLD_NEXT, "openat");
    real_ioctl = dlsym(RTLD_NEXT, "ioctl");
    real_close = dlsym(RTLD_NEXT, "close");
    real_poll = dlsym(RTLD_NEXT, "poll");
    real_mmap = dlsym(RTLD_NEXT, "mmap");
}

static int fail(int error) { errno = error; return -1; }

#define OPENED(real, ...) \
    find_real(); \
    mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); } \
    int fd = fake_open(path, flags); \
    return fd == -2 ? real(__VA_ARGS__, mode) : fd;
int open(const char *path, int flags, ...) { OPENED(real_open, path, flags) }
int open64(const char *path, int flags, ...) { OPENED(real_open, path, flags | O_LARGEFILE) }
int openat(int at, const char *path, int flags, ...) { OPENED(real_openat, at, path, flags) }
int openat64(int at, const char *path, int flags, ...) { OPENED(real_openat, at, path, flags | O_LARGEFILE) }

void *mmap64(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
    return mmap(address, length, protection, flags, fd, offset);
}

int ioctl(int fd, unsigned long request, ...) {
    find_real();
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    request &= 0xffffffffUL;
    int is_v4l2 = ((request >> 8) & 0xff) == 'V';
    return is_v4l2 && is_fake(fd) ? fake_ioctl(fd, request, argument) : real_ioctl(fd, request, argument);
}

/* Returns the name that the file "errors" has for an ioctl, or "". */
static const char *name_of(unsigned long request) {
    static const struct { unsigned long request; const char *name; } names[] = {
        {VIDIOC_QUERYCAP, "QUERYCAP"}, {VIDIOC_ENUM_FMT, "ENUM_FMT"}, {VIDIOC_S_FMT, "S_FMT"}, {VIDIOC_G_FMT, "G_FMT"},
        {VIDIOC_REQBUFS, "REQBUFS"}, {VIDIOC_QUERYBUF, "QUERYBUF"}, {VIDIOC_QBUF, "QBUF"}, {VIDIOC_DQBUF, "DQBUF"},
        {VIDIOC_STREAMON, "STREAMON"}, {VIDIOC_STREAMOFF, "STREAMOFF"}, {VIDIOC_QUERYMENU, "QUERYMENU"},
        {VIDIOC_G_CTRL, "G_CTRL"}, {VIDIOC_S_CTRL, "S_CTRL"}, {VIDIOC_S_PARM, "S_PARM"}, {VIDIOC_G_PARM, "G_PARM"},
        {VIDIOC_ENUM_FRAMESIZES, "ENUM_FRAMESIZES"}, {VIDIOC_ENUM_FRAMEINTERVALS, "ENUM_FRAMEINTERVALS"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) if (names[i].request == request) return names[i].name;
    return "";
}
