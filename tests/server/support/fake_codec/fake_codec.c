/* The JPEG encoder of a Raspberry Pi without hardware: preload this library and open /dev/video11.
 *
 * It is bcm2835-codec, a V4L2 memory-to-memory device: it takes pictures in YUV420 (multiplanar, DMABUF) and gives JPEGs
 * (multiplanar, MMAP), with blocking ioctls and poll. Controls and alignments are the driver's: a bit rate from 25 kbit/s
 * to 25 Mbit/s, 30 frames a second until VIDIOC_S_PARM, strides of 64 bytes, a JPEG that is longer than a buffer in
 * several buffers. The pictures are really encoded, by libturbojpeg, with a quality that follows the bit rate.
 *
 * FAKE_CODEC names a folder with one entry for each fault, and FAKE_CODEC_TURBOJPEG the library libturbojpeg.so.0.
 *   log        output: lines "open", "bitrate BITS", "format QUEUE WIDTHxHEIGHT STRIDE", "rate FPS",
 *              "off QUEUE", "close"
 * Faults, each active while a file of that name exists:
 *   absent     there is no such device (open, stat: ENOENT)
 *   stalled    "FIRST [LAST]": from that picture of a descriptor on, the first is 0, nothing comes back, without an error
 *   truncated  "FIRST [LAST]": the last third of the JPEGs is missing
 *   garbage    "FIRST [LAST]": the JPEGs contain zeros
 *   stop_stuck VIDIOC_STREAMOFF never returns, nor does close
 *   errors     lines "CALL QUEUE WHAT [SKIP [COUNT]]": calls of an ioctl or of OPEN for "output", "capture" or * fail
 *              with the errno WHAT, or are delayed if WHAT is like 100ms; the first SKIP calls are good, COUNT are not
 */
#include "../fake_driver/c_library.h"
#include "../fake_driver/faults.h"
#include "codec.h"
#include "encode.c"
#include "queues.c"

#define DEVICE "/dev/video11"

static struct counts errors;

/* A child of fork has the descriptor, but not the thread. */
static struct codec *codec_of(int fd) {
    return fd >= 0 && fd < MAX_FDS && codecs[fd] && codecs[fd]->process == getpid() ? codecs[fd] : NULL;
}

/* Returns the folder if the path is that of the device, or NULL. */
static const char *folder_of(const char *path) { return path && !strcmp(path, DEVICE) ? getenv("FAKE_CODEC") : NULL; }

static int fake_open(const char *path, int flags) {
    (void)flags;
    const char *folder = folder_of(path);
    if (!folder) return -2;
    if (fault(folder, "absent")) return fail(ENOENT);
    int error = injected(folder, &errors, "OPEN", "*", UINT32_MAX);
    if (error) return fail(error);
    if (!tj_init) find_jpeg();
    struct codec *codec = calloc(1, sizeof *codec);
    snprintf(codec->folder, sizeof codec->folder, "%s", folder);
    codec->process = getpid();
    codec->memory = -1;
    codec->bitrate = 10000000;
    codec->fps = 30;
    codec->quality = 75;
    codec->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (codec->fd < 0 || codec->fd >= MAX_FDS) { free(codec); return fail(EMFILE); }
    pthread_mutex_init(&codec->lock, NULL);
    pthread_cond_init(&codec->changed, NULL);
    pthread_create(&codec->thread, NULL, run, codec);
    codecs[codec->fd] = codec;
    note(codec, "open");
    return codec->fd;
}

/* Those who only look whether the device exists see a character device. */
static int fake_stat(const char *path, struct stat *status) {
    const char *folder = folder_of(path);
    if (!folder) return -2;
    if (fault(folder, "absent")) return fail(ENOENT);
    memset(status, 0, sizeof *status);
    status->st_mode = S_IFCHR | 0660;
    return 0;
}

#define REAL(name, ...) static int (*real)(__VA_ARGS__); if (!real) real = dlsym(RTLD_NEXT, name); int found = fake_stat(path, (struct stat *)status)
#define STAT(name, kind) int name(const char *path, struct kind *status) { REAL(#name, const char *, struct kind *); return found == -2 ? real(path, status) : found; }
#define XSTAT(name, kind) int name(int version, const char *path, struct kind *status) { REAL(#name, int, const char *, struct kind *); return found == -2 ? real(version, path, status) : found; }
/* On 64 bits, a struct stat64 is a struct stat. The names with underscores are those of an older C library. */
STAT(stat, stat)
STAT(lstat, stat)
STAT(stat64, stat64)
STAT(lstat64, stat64)
XSTAT(__xstat, stat)
XSTAT(__lxstat, stat)
XSTAT(__xstat64, stat64)
XSTAT(__lxstat64, stat64)

int close(int fd) {
    find_real();
    struct codec *codec = codec_of(fd);
    if (codec) {
        wait_while(codec->folder, "stop_stuck");
        codecs[fd] = NULL;
        pthread_mutex_lock(&codec->lock);
        codec->closing = 1;
        pthread_cond_broadcast(&codec->changed);
        pthread_mutex_unlock(&codec->lock);
        pthread_join(codec->thread, NULL);
        for (int i = 0; i < codec->output.count; i++) unmap(&codec->output.buffers[i]);
        if (codec->memory >= 0) real_close(codec->memory);
        note(codec, "close");
        free(codec);
    }
    return real_close(fd);
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
    find_real();
    struct codec *codec = codec_of(fd);
    if (!codec) return real_mmap(address, length, protection, flags, fd, offset);
    if (offset < CAPTURE_OFFSET || codec->memory < 0) { errno = EINVAL; return MAP_FAILED; }
    return real_mmap(address, length, protection, flags, codec->memory, offset - CAPTURE_OFFSET);
}

static int handle_ioctl(struct codec *codec, unsigned long request, void *argument) {
    switch (request) {
    case VIDIOC_QUERYCAP: return query_capabilities(argument);
    case VIDIOC_S_CTRL: return set_control(codec, argument);
    case VIDIOC_S_FMT: return set_format(codec, argument);
    case VIDIOC_S_PARM: return set_rate(codec, argument);
    case VIDIOC_REQBUFS: return request_buffers(codec, argument);
    case VIDIOC_QUERYBUF: return query_buffer(codec, argument);
    case VIDIOC_QBUF: return enqueue(codec, argument);
    case VIDIOC_DQBUF: return dequeue(codec, argument);
    case VIDIOC_STREAMON: return stream(codec, *(uint32_t *)argument, 1);
    case VIDIOC_STREAMOFF: return stream(codec, *(uint32_t *)argument, 0);
    default: return fail(ENOTTY);
    }
}

static int is_fake(int fd) { return codec_of(fd) != NULL; }

/* Returns the name of the queue that a call is about, or "*". */
static const char *queue_name(unsigned long request, const void *argument) {
    uint32_t type = 0;
    switch (request) {
    case VIDIOC_REQBUFS: type = ((const struct v4l2_requestbuffers *)argument)->type; break;
    case VIDIOC_QUERYBUF: case VIDIOC_QBUF: case VIDIOC_DQBUF: type = ((const struct v4l2_buffer *)argument)->type; break;
    case VIDIOC_S_FMT: case VIDIOC_S_PARM: case VIDIOC_STREAMON: case VIDIOC_STREAMOFF: type = *(const uint32_t *)argument;
    }
    return type == V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE ? "output" : type == V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE ? "capture" : "*";
}

static int fake_ioctl(int fd, unsigned long request, void *argument) {
    struct codec *codec = codec_of(fd);
    if (request == VIDIOC_STREAMOFF) wait_while(codec->folder, "stop_stuck");
    int error = injected(codec->folder, &errors, name_of(request), queue_name(request, argument), UINT32_MAX);
    if (error) return fail(error);
    pthread_mutex_lock(&codec->lock);
    int result = handle_ioctl(codec, request, argument), saved = errno;
    pthread_mutex_unlock(&codec->lock);
    errno = saved;
    return result;
}

/* Fills in the encoders' events and returns how many have any. Clears the wake-ups that came before. */
static int poll_codecs(struct pollfd *fds, nfds_t count) {
    int found = 0;
    for (nfds_t i = 0; i < count; i++) {
        struct codec *codec = codec_of(fds[i].fd);
        uint64_t wakes;
        if (!codec) continue;
        if (read(fds[i].fd, &wakes, sizeof wakes) < 0 && errno != EAGAIN) abort();
        pthread_mutex_lock(&codec->lock);
        fds[i].revents = ready(codec, fds[i].events);
        pthread_mutex_unlock(&codec->lock);
        found += fds[i].revents != 0;
    }
    return found;
}

int poll(struct pollfd *fds, nfds_t count, int timeout) {
    find_real();
    int has_codec = 0;
    for (nfds_t i = 0; i < count; i++) has_codec |= codec_of(fds[i].fd) != NULL;
    if (!has_codec) return real_poll(fds, count, timeout);
    int64_t until = now_ns() + timeout * 1000000LL;
    struct pollfd waiting[count];
    for (;;) {
        int found = poll_codecs(fds, count);
        for (nfds_t i = 0; i < count; i++) {
            waiting[i] = fds[i];
            if (codec_of(fds[i].fd)) waiting[i].events = POLLIN;
        }
        int left = timeout < 0 ? -1 : until > now_ns() ? (until - now_ns() + 999999) / 1000000 : 0;
        int others = real_poll(waiting, count, found ? 0 : left);
        if (others < 0) return others;
        for (nfds_t i = 0; i < count; i++) {
            if (codec_of(fds[i].fd)) continue;
            fds[i].revents = waiting[i].revents;
            found += fds[i].revents != 0;
        }
        if (found || (timeout >= 0 && now_ns() >= until)) return found;
    }
}
int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t size) { (void)size; return poll(fds, count, timeout); }
