/* A V4L2 capture device without hardware, for one process: preload this library and open a folder like /dev/videoN.
 *
 * FAKE_V4L2 names a folder. Each folder video* in it is a webcam that responds to V4L2's ioctls:
 *   modes      one line per video mode: FOURCC WIDTH HEIGHT FPS
 *   frames/    the frames, played in a loop in the order of their names; each file is the content of one buffer. If it
 *              contains FAKE_V4L2_READY= and 19 digits, for example in a JPEG comment, the digits are replaced by the
 *              time at which the frame was ready, in nanoseconds of CLOCK_MONOTONIC
 *   set        output: a line "NAME VALUE" for each control that was set
 * Faults, each active while a file of that name exists:
 *   unplugged  the device is gone (open: ENOENT, ioctl: ENODEV)
 *   busy       another program streams (VIDIOC_S_FMT: EBUSY)
 *   silent     the driver responds but never has a frame
 *   stuck      VIDIOC_DQBUF never returns
 *   stop_stuck VIDIOC_STREAMOFF never returns
 *
 * The descriptor is a timer that fires once per frame, so select and epoll work as on a real device.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/videodev2.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define MAX_FDS 1024
#define MAX_MODES 16
#define MAX_FRAMES 64
#define MAX_BUFFERS 8
#define BUFFER_BYTES (4u << 20)
#define STAMP "FAKE_V4L2_READY="
#define STAMP_DIGITS 19
#define EXPOSURE_AGE_NS 40000000LL /* a webcam reads out and compresses a frame before it delivers it */

struct mode { uint32_t fourcc; int width, height, fps; };
struct control { uint32_t id, type; const char *name; int minimum, maximum, step, initial, value; };
struct device {
    char folder[PATH_MAX];
    struct mode modes[MAX_MODES];
    int mode_count, mode, fps;
    char *frames[MAX_FRAMES];
    size_t lengths[MAX_FRAMES];
    char *stamps[MAX_FRAMES]; /* the position of the digits, or NULL */
    int frame_count, next_frame;
    int buffers, streaming, queue[MAX_BUFFERS], queued;
    unsigned sequence;
    int64_t ready, period; /* nanoseconds: when the timer was last due (not when it was read), and its interval */
    void *memory[MAX_BUFFERS];
    struct control controls[4];
};

static const struct control CONTROLS[4] = {
    {V4L2_CID_BRIGHTNESS, V4L2_CTRL_TYPE_INTEGER, "Brightness", -64, 64, 2, 0, 0},
    {V4L2_CID_AUTO_WHITE_BALANCE, V4L2_CTRL_TYPE_BOOLEAN, "White Balance, Automatic", 0, 1, 1, 1, 1},
    {V4L2_CID_POWER_LINE_FREQUENCY, V4L2_CTRL_TYPE_MENU, "Power Line Frequency", 0, 2, 1, 1, 1},
    {V4L2_CID_EXPOSURE_AUTO, V4L2_CTRL_TYPE_MENU, "Auto Exposure", 0, 3, 1, 3, 3},
};

static struct device *open_devices[MAX_FDS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int (*real_open)(const char *, int, ...);
static int (*real_openat)(int, const char *, int, ...);
static int (*real_ioctl)(int, unsigned long, ...);
static int (*real_close)(int);
static void *(*real_mmap)(void *, size_t, int, int, int, off_t);

/* Not a constructor, because other libraries open files before it would run. */
static void find_real(void) {
    if (real_mmap) return;
    real_open = dlsym(RTLD_NEXT, "open");
    real_openat = dlsym(RTLD_NEXT, "openat");
    real_ioctl = dlsym(RTLD_NEXT, "ioctl");
    real_close = dlsym(RTLD_NEXT, "close");
    real_mmap = dlsym(RTLD_NEXT, "mmap");
}

static int fault(const struct device *device, const char *name) {
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/%s", device->folder, name);
    return access(path, F_OK) == 0;
}

static void wait_while(const struct device *device, const char *name) {
    while (fault(device, name)) usleep(20000);
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void load_modes(struct device *device) {
    char path[PATH_MAX + 16], fourcc[5];
    snprintf(path, sizeof path, "%s/modes", device->folder);
    FILE *file = fopen(path, "r");
    struct mode mode;
    while (file && device->mode_count < MAX_MODES &&
           fscanf(file, "%4s %d %d %d", fourcc, &mode.width, &mode.height, &mode.fps) == 4) {
        mode.fourcc = v4l2_fourcc(fourcc[0], fourcc[1], fourcc[2], fourcc[3]);
        device->modes[device->mode_count++] = mode;
    }
    if (file) fclose(file);
}

static void load_frames(struct device *device) {
    char path[PATH_MAX + 300], *names[MAX_FRAMES];
    int count = 0;
    snprintf(path, sizeof path, "%s/frames", device->folder);
    DIR *folder = opendir(path);
    struct dirent *entry;
    while (folder && count < MAX_FRAMES && (entry = readdir(folder)))
        if (entry->d_name[0] != '.') names[count++] = strdup(entry->d_name);
    if (folder) closedir(folder);
    qsort(names, count, sizeof *names, by_name);
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/frames/%s", device->folder, names[i]);
        FILE *file = fopen(path, "rb");
        char *data = malloc(BUFFER_BYTES);
        size_t length = fread(data, 1, BUFFER_BYTES, file);
        char *stamp = memmem(data, length, STAMP, strlen(STAMP));
        int whole = stamp && stamp + strlen(STAMP) + STAMP_DIGITS <= data + length;
        device->stamps[device->frame_count] = whole ? stamp + strlen(STAMP) : NULL;
        device->lengths[device->frame_count] = length;
        device->frames[device->frame_count++] = data;
        fclose(file);
        free(names[i]);
    }
}

/* Returns a descriptor, -1 with errno, or -2 if the path is not a fake webcam. */
static int fake_open(const char *path, int flags) {
    const char *root = getenv("FAKE_V4L2");
    char real_root[PATH_MAX], real_path[PATH_MAX];
    if (!root || !path || !realpath(root, real_root) || !realpath(path, real_path)) return -2;
    size_t length = strlen(real_root);
    if (strncmp(real_path, real_root, length) || strncmp(real_path + length, "/video", 6)) return -2;
    if (strchr(real_path + length + 1, '/') || (flags & O_DIRECTORY)) return -2;
    struct device *device = calloc(1, sizeof *device);
    strcpy(device->folder, real_path);
    memcpy(device->controls, CONTROLS, sizeof CONTROLS);
    if (fault(device, "unplugged")) { free(device); errno = ENOENT; return -1; }
    load_modes(device);
    load_frames(device);
    device->fps = device->modes[0].fps;
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | (flags & O_NONBLOCK ? TFD_NONBLOCK : 0));
    if (fd >= 0 && fd < MAX_FDS) open_devices[fd] = device;
    return fd;
}

#define WITH_MODE find_real(); mode_t mode = 0; if (flags & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); }
int open(const char *path, int flags, ...) { WITH_MODE; int fd = fake_open(path, flags); return fd == -2 ? real_open(path, flags, mode) : fd; }
int open64(const char *path, int flags, ...) { WITH_MODE; int fd = fake_open(path, flags); return fd == -2 ? real_open(path, flags | O_LARGEFILE, mode) : fd; }
int openat(int at, const char *path, int flags, ...) { WITH_MODE; int fd = fake_open(path, flags); return fd == -2 ? real_openat(at, path, flags, mode) : fd; }
int openat64(int at, const char *path, int flags, ...) { WITH_MODE; int fd = fake_open(path, flags); return fd == -2 ? real_openat(at, path, flags | O_LARGEFILE, mode) : fd; }

static struct device *device_of(int fd) { return fd >= 0 && fd < MAX_FDS ? open_devices[fd] : NULL; }

int close(int fd) {
    find_real();
    struct device *device = device_of(fd);
    if (device) {
        open_devices[fd] = NULL;
        for (int i = 0; i < device->frame_count; i++) free(device->frames[i]);
        free(device);
    }
    return real_close(fd);
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
    find_real();
    struct device *device = device_of(fd);
    if (!device) return real_mmap(address, length, protection, flags, fd, offset);
    int index = offset / BUFFER_BYTES;
    if (index >= device->buffers) { errno = EINVAL; return MAP_FAILED; }
    device->memory[index] = real_mmap(NULL, BUFFER_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return device->memory[index];
}
void *mmap64(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
    return mmap(address, length, protection, flags, fd, offset);
}

static int fail(int error) { errno = error; return -1; }

static int enumerate_format(struct device *device, struct v4l2_fmtdesc *format) {
    uint32_t index = 0;
    for (int i = 0; i < device->mode_count; i++) {
        if (i && device->modes[i].fourcc == device->modes[i - 1].fourcc) continue;
        if (index++ != format->index) continue;
        format->pixelformat = device->modes[i].fourcc;
        format->flags = format->pixelformat == V4L2_PIX_FMT_MJPEG ? V4L2_FMT_FLAG_COMPRESSED : 0;
        return 0;
    }
    return fail(EINVAL);
}

static int enumerate_size(struct device *device, struct v4l2_frmsizeenum *size) {
    uint32_t index = 0;
    for (int i = 0; i < device->mode_count; i++) {
        if (device->modes[i].fourcc != size->pixel_format || index++ != size->index) continue;
        size->type = V4L2_FRMSIZE_TYPE_DISCRETE;
        size->discrete.width = device->modes[i].width;
        size->discrete.height = device->modes[i].height;
        return 0;
    }
    return fail(EINVAL);
}

static int enumerate_interval(struct device *device, struct v4l2_frmivalenum *interval) {
    for (int i = 0; i < device->mode_count && !interval->index; i++) {
        const struct mode *mode = &device->modes[i];
        if (mode->fourcc != interval->pixel_format || mode->width != (int)interval->width || mode->height != (int)interval->height) continue;
        interval->type = V4L2_FRMIVAL_TYPE_DISCRETE;
        interval->discrete.numerator = 1;
        interval->discrete.denominator = mode->fps;
        return 0;
    }
    return fail(EINVAL);
}

static void fill_format(const struct device *device, struct v4l2_pix_format *pixels) {
    const struct mode *mode = &device->modes[device->mode];
    pixels->width = mode->width;
    pixels->height = mode->height;
    pixels->pixelformat = mode->fourcc;
    pixels->field = V4L2_FIELD_NONE;
    pixels->bytesperline = mode->fourcc == V4L2_PIX_FMT_YUYV ? mode->width * 2 : 0;
    pixels->sizeimage = BUFFER_BYTES;
    pixels->quantization = V4L2_QUANTIZATION_DEFAULT;
}

static int set_format(struct device *device, struct v4l2_format *format) {
    if (fault(device, "busy")) return fail(EBUSY);
    for (int i = 0; i < device->mode_count; i++) {
        const struct mode *mode = &device->modes[i];
        if (mode->fourcc == format->fmt.pix.pixelformat && mode->width == (int)format->fmt.pix.width && mode->height == (int)format->fmt.pix.height)
            device->mode = i;
    }
    device->fps = device->modes[device->mode].fps;
    fill_format(device, &format->fmt.pix);
    return 0;
}

static int parameters(struct device *device, struct v4l2_streamparm *parameters, int set) {
    struct v4l2_fract *interval = &parameters->parm.capture.timeperframe;
    if (set && interval->numerator) {
        int requested = interval->denominator / interval->numerator, maximum = device->modes[device->mode].fps;
        device->fps = requested < 1 ? 1 : requested > maximum ? maximum : requested;
    }
    parameters->parm.capture.capability = V4L2_CAP_TIMEPERFRAME;
    interval->numerator = 1;
    interval->denominator = device->fps;
    return 0;
}

static void tick(int fd, struct device *device, int fps) {
    struct itimerspec period = {{0, 0}, {0, 0}};
    struct timespec now;
    if (fps) {
        device->period = 1000000000LL / fps;
        period.it_interval.tv_sec = period.it_value.tv_sec = device->period / 1000000000LL;
        period.it_interval.tv_nsec = period.it_value.tv_nsec = device->period % 1000000000LL;
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    device->ready = now.tv_sec * 1000000000LL + now.tv_nsec;
    timerfd_settime(fd, 0, &period, NULL);
}

/* Formats into a separate buffer, because snprintf appends a 0 byte. */
static void write_stamp(char *digits, int64_t time) {
    char text[STAMP_DIGITS + 1];
    snprintf(text, sizeof text, "%0*lld", STAMP_DIGITS, (long long)time);
    memcpy(digits, text, STAMP_DIGITS);
}

static int dequeue(int fd, struct device *device, struct v4l2_buffer *buffer) {
    uint64_t fired;
    wait_while(device, "stuck");
    if (fault(device, "unplugged")) return fail(ENODEV);
    if (!device->streaming) return fail(EINVAL);
    if (read(fd, &fired, sizeof fired) != sizeof fired) return fail(EAGAIN);
    device->ready += (int64_t)fired * device->period;
    if (fault(device, "silent")) return fail(EAGAIN);
    pthread_mutex_lock(&lock);
    if (!device->queued) { pthread_mutex_unlock(&lock); return fail(EAGAIN); }
    int index = device->queue[0], frame = device->next_frame;
    memmove(device->queue, device->queue + 1, --device->queued * sizeof *device->queue);
    pthread_mutex_unlock(&lock);
    device->next_frame = (frame + 1) % device->frame_count;
    if (device->stamps[frame]) write_stamp(device->stamps[frame], device->ready);
    memcpy(device->memory[index], device->frames[frame], device->lengths[frame]);
    int64_t exposed = device->ready - EXPOSURE_AGE_NS;
    buffer->index = index;
    buffer->bytesused = device->lengths[frame];
    buffer->length = BUFFER_BYTES;
    buffer->sequence = device->sequence++;
    buffer->flags = V4L2_BUF_FLAG_MAPPED | V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
    buffer->timestamp.tv_sec = exposed / 1000000000;
    buffer->timestamp.tv_usec = exposed % 1000000000 / 1000;
    return 0;
}

static struct control *find_control(struct device *device, uint32_t id, int next) {
    struct control *found = NULL;
    for (int i = 0; i < 4; i++) {
        struct control *each = &device->controls[i];
        if (!next && each->id == id) return each;
        if (next && each->id > id && (!found || each->id < found->id)) found = each;
    }
    return found;
}

static int query_control(struct device *device, struct v4l2_query_ext_ctrl *query) {
    const uint32_t flags = V4L2_CTRL_FLAG_NEXT_CTRL | V4L2_CTRL_FLAG_NEXT_COMPOUND;
    const struct control *control = find_control(device, query->id & ~flags, (query->id & flags) != 0);
    if (!control) return fail(EINVAL);
    memset(query, 0, sizeof *query);
    query->id = control->id;
    query->type = control->type;
    strcpy(query->name, control->name);
    query->minimum = control->minimum;
    query->maximum = control->maximum;
    query->step = control->step;
    query->default_value = control->initial;
    query->elem_size = 4;
    query->elems = 1;
    return 0;
}

static int query_menu(struct v4l2_querymenu *menu) {
    static const char *frequency[] = {"Disabled", "50 Hz", "60 Hz"};
    const char *name = NULL;
    if (menu->id == V4L2_CID_POWER_LINE_FREQUENCY && menu->index < 3) name = frequency[menu->index];
    if (menu->id == V4L2_CID_EXPOSURE_AUTO && menu->index == 1) name = "Manual Mode";
    if (menu->id == V4L2_CID_EXPOSURE_AUTO && menu->index == 3) name = "Aperture Priority Mode";
    if (!name) return fail(EINVAL);
    strcpy((char *)menu->name, name);
    return 0;
}

static int set_control(struct device *device, const struct v4l2_control *request) {
    struct control *control = find_control(device, request->id, 0);
    if (!control) return fail(EINVAL);
    if (request->value < control->minimum || request->value > control->maximum) return fail(ERANGE);
    control->value = request->value;
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/set", device->folder);
    FILE *file = fopen(path, "a");
    if (file) { fprintf(file, "%s %d\n", control->name, request->value); fclose(file); }
    return 0;
}

static int handle_ioctl(int fd, struct device *device, unsigned long request, void *argument) {
    if (fault(device, "unplugged")) return fail(ENODEV);
    switch (request) {
    case VIDIOC_QUERYCAP: {
        struct v4l2_capability *capability = argument;
        memset(capability, 0, sizeof *capability);
        strcpy((char *)capability->driver, "uvcvideo");
        strcpy((char *)capability->card, "Fake Webcam");
        strcpy((char *)capability->bus_info, "usb-0000:01:00.0-1");
        capability->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
        capability->capabilities = capability->device_caps | V4L2_CAP_DEVICE_CAPS;
        return 0;
    }
    case VIDIOC_S_INPUT: return *(int *)argument ? fail(EINVAL) : 0;
    case VIDIOC_ENUM_FMT: return enumerate_format(device, argument);
    case VIDIOC_ENUM_FRAMESIZES: return enumerate_size(device, argument);
    case VIDIOC_ENUM_FRAMEINTERVALS: return enumerate_interval(device, argument);
    case VIDIOC_S_FMT: return set_format(device, argument);
    case VIDIOC_G_FMT: fill_format(device, &((struct v4l2_format *)argument)->fmt.pix); return 0;
    case VIDIOC_S_PARM: return parameters(device, argument, 1);
    case VIDIOC_G_PARM: return parameters(device, argument, 0);
    case VIDIOC_REQBUFS: {
        struct v4l2_requestbuffers *request_buffers = argument;
        device->buffers = request_buffers->count < MAX_BUFFERS ? request_buffers->count : MAX_BUFFERS;
        request_buffers->count = device->buffers;
        device->queued = 0;
        return 0;
    }
    case VIDIOC_QUERYBUF: {
        struct v4l2_buffer *buffer = argument;
        buffer->length = BUFFER_BYTES;
        buffer->m.offset = buffer->index * BUFFER_BYTES;
        return 0;
    }
    case VIDIOC_QBUF: {
        struct v4l2_buffer *buffer = argument;
        pthread_mutex_lock(&lock);
        if (device->queued < MAX_BUFFERS) device->queue[device->queued++] = buffer->index;
        pthread_mutex_unlock(&lock);
        return 0;
    }
    case VIDIOC_STREAMON: device->streaming = 1; tick(fd, device, device->fps); return 0;
    case VIDIOC_STREAMOFF: wait_while(device, "stop_stuck"); device->streaming = 0; device->queued = 0; tick(fd, device, 0); return 0;
    case VIDIOC_QUERY_EXT_CTRL: return query_control(device, argument);
    case VIDIOC_QUERYMENU: return query_menu(argument);
    case VIDIOC_S_CTRL: return set_control(device, argument);
    case VIDIOC_G_CTRL: {
        struct v4l2_control *control = argument;
        const struct control *found = find_control(device, control->id, 0);
        if (!found) return fail(EINVAL);
        control->value = found->value;
        return 0;
    }
    default: return fail(ENOTTY);
    }
}

int ioctl(int fd, unsigned long request, ...) {
    find_real();
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    struct device *device = device_of(fd);
    request &= 0xffffffffUL;
    if (!device || ((request >> 8) & 0xff) != 'V') return real_ioctl(fd, request, argument);
    return request == VIDIOC_DQBUF ? dequeue(fd, device, argument) : handle_ioctl(fd, device, request, argument);
}
