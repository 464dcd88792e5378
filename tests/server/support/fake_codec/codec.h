/* One open encoder, and the real functions of the C library. */
#define _GNU_SOURCE
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
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAX_FDS 1024
#define MAX_BUFFERS 32
#define MAX_ERRORS 16
#define MAX_SIDE 1920
#define MIN_BITRATE 25000
#define MAX_BITRATE 25000000
#define BITRATE_STEP 25000
#define CAPTURE_OFFSET (1u << 30) /* where v4l2-mem2mem puts the buffers of its second queue */
#define ALIGN(value, to) (((value) + (to) - 1) / (to) * (to))

enum where { AT_CALLER, QUEUED, IN_USE, DONE };

struct buffer {
    enum where where;
    unsigned order; /* of arrival */
    unsigned char *picture; /* the mapped dma-buf of the output queue */
    size_t length, bytesused;
    struct timeval timestamp;
};

/* The output queue takes pictures, the capture queue gives JPEGs: names from the caller's side, as V4L2 has them. */
struct queue {
    int streaming, count;
    unsigned width, height, bytesperline, sizeimage, order;
    struct buffer buffers[MAX_BUFFERS];
};

struct codec {
    char folder[PATH_MAX];
    pid_t process;
    int fd, memory, closing;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    struct queue output, capture;
    int bitrate;
    double fps, quality;
    unsigned pictures;
};

static struct codec *codecs[MAX_FDS];

static int (*real_open)(const char *, int, ...);
static int (*real_ioctl)(int, unsigned long, ...);
static int (*real_close)(int);
static int (*real_poll)(struct pollfd *, nfds_t, int);
static void *(*real_mmap)(void *, size_t, int, int, int, off_t);

/* Not a constructor, because other libraries open files before it would run. */
static void find_real(void) {
    if (real_mmap) return;
    real_open = dlsym(RTLD_NEXT, "open");
    real_ioctl = dlsym(RTLD_NEXT, "ioctl");
    real_close = dlsym(RTLD_NEXT, "close");
    real_poll = dlsym(RTLD_NEXT, "poll");
    real_mmap = dlsym(RTLD_NEXT, "mmap");
}

static int fail(int error) { errno = error; return -1; }

/* Wakes those who wait for a state, in ioctl and in poll. */
static void announce(struct codec *codec) {
    uint64_t one = 1;
    pthread_cond_broadcast(&codec->changed);
    if (write(codec->fd, &one, sizeof one) < 0) return;
}
