/* A V4L2 capture device without hardware: preload this library and open a folder like /dev/videoN.
 *
 * FAKE_V4L2 names a folder. Each folder video* in it is a webcam that responds to V4L2's ioctls. Like a real one it is
 * one device for all descriptors of all processes: one format, one set of controls, and one descriptor that streams.
 *   modes      one line per video mode: FOURCC WIDTH HEIGHT FPS [BYTESPERLINE]
 *   frames/    the frames, played in a loop in the order of their names; each file is the content of one buffer. If it
 *              contains FAKE_V4L2_READY= and 19 digits, for example in a JPEG comment, the digits are replaced by the
 *              time at which the frame was ready, in nanoseconds of CLOCK_MONOTONIC
 *   controls   lines "control ID TYPE FLAGS MINIMUM MAXIMUM STEP DEFAULT VALUE NAME" (numbers as in videodev2.h),
 *              "menu ID INDEX ENTRY", and "locked ID OTHER VALUE ERRNO": ID cannot be set while OTHER has VALUE
 *   bus        the bus, if it is not USB
 *   device     the state that all descriptors share
 *   set        output: a line "NAME VALUE" for each control that was set
 *   calls      output: a line for each ioctl on a control: "G_CTRL ID" or "S_CTRL ID"
 * Faults, each active while a file of that name exists:
 *   unplugged  the device is gone (open: ENOENT, ioctl: ENODEV)
 *   busy       another program streams (VIDIOC_S_FMT: EBUSY)
 *   silent     the driver responds but never has a frame
 *   stuck      VIDIOC_DQBUF never returns
 *   stop_stuck VIDIOC_STREAMOFF never returns
 *   stamp      added to each buffer's time stamp, in seconds; or "constant"
 *   errors     lines "IOCTL ARGUMENT WHAT [SKIP [COUNT]]": calls of IOCTL (with that control id, or * for any) fail with
 *              the errno WHAT, or are delayed if WHAT is like 100ms; the first SKIP calls are good, COUNT are not
 *
 * The descriptor is a timer that fires once per frame, so select and epoll work as on a real device. A frame goes into
 * the buffer that is queued when it is due, and is lost if there is none.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/videodev2.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define MAX_FDS 1024
#define MAX_MODES 16
#define MAX_FRAMES 64
#define MAX_BUFFERS 8
#define MAX_CONTROLS 80
#define MAX_MENU 128
#define MAX_ERRORS 16
#define BUFFER_BYTES (4u << 20)
#define STAMP "FAKE_V4L2_READY="
#define STAMP_DIGITS 19
#define EXPOSURE_AGE_NS 40000000LL /* a webcam reads out and compresses a frame before it delivers it */

struct mode { uint32_t fourcc; int width, height, fps, bytesperline; };
struct control { uint32_t id, type, flags; int minimum, maximum, step, initial, value; char name[33]; };
struct menu { uint32_t id, index; char entry[33]; };
struct locked { uint32_t id, other; int value, error; };
struct filled { int buffer, bytes; unsigned sequence; int64_t exposed; };

/* What all descriptors share, in the file "device". */
struct device {
    pthread_mutex_t lock;
    int mode, fps;
    pid_t owner; /* the process and the descriptor that has buffers, or 0 */
    int owner_fd, streaming, next_frame;
    unsigned sequence;
    int64_t first_stamp;
    int control_count, calls[MAX_ERRORS];
    struct control controls[MAX_CONTROLS];
};

/* One descriptor. */
struct handle {
    char folder[PATH_MAX];
    pid_t process;
    struct device *device;
    struct mode modes[MAX_MODES];
    int mode_count, menu_count, locked_count, frame_count, gone;
    struct menu menus[MAX_MENU];
    struct locked locked[16];
    char *frames[MAX_FRAMES];
    size_t lengths[MAX_FRAMES];
    char *stamps[MAX_FRAMES]; /* the position of the digits, or NULL */
    int buffers, queue[MAX_BUFFERS], queued, filled_count;
    struct filled filled[MAX_BUFFERS];
    int64_t ready, period; /* nanoseconds: when a frame was last due, and the time between two */
    void *memory[MAX_BUFFERS];
};

static struct handle *handles[MAX_FDS];

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

static FILE *open_file(const struct handle *device, const char *name, const char *how) {
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/%s", device->folder, name);
    return fopen(path, how);
}

static int fault(const struct handle *device, const char *name) {
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/%s", device->folder, name);
    return access(path, F_OK) == 0;
}

static void wait_while(const struct handle *device, const char *name) {
    while (fault(device, name)) usleep(20000);
}

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static int error_number(const char *name) {
    static const struct { const char *name; int number; } known[] = {
        {"EPERM", EPERM}, {"EIO", EIO}, {"EACCES", EACCES}, {"EBUSY", EBUSY}, {"ENODEV", ENODEV}, {"EINVAL", EINVAL},
        {"ENOSPC", ENOSPC}, {"EPIPE", EPIPE}, {"ERANGE", ERANGE}, {"EPROTO", EPROTO}, {"ETIMEDOUT", ETIMEDOUT},
        {"ENOTTY", ENOTTY}, {"ENOMEM", ENOMEM}, {"EAGAIN", EAGAIN}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) if (!strcmp(known[i].name, name)) return known[i].number;
    return EIO;
}

/* Returns the errno that the file "errors" has for this call, or 0, after the delay that it has. */
static int injected(struct handle *device, const char *call, uint32_t id) {
    char line[200], name[32], argument[32], what[32];
    FILE *file = open_file(device, "errors", "r");
    int found = 0;
    for (int number = 0; file && number < MAX_ERRORS && fgets(line, sizeof line, file); number++) {
        int skip = 0, count = INT_MAX;
        if (sscanf(line, "%31s %31s %31s %d %d", name, argument, what, &skip, &count) < 3 || strcmp(name, call)) continue;
        if (strcmp(argument, "*") && strtoul(argument, NULL, 0) != id) continue;
        int call_number = __atomic_fetch_add(&device->device->calls[number], 1, __ATOMIC_SEQ_CST);
        if (call_number < skip || call_number - skip >= count) continue;
        if (strstr(what, "ms")) usleep(atoi(what) * 1000);
        else found = error_number(what);
    }
    if (file) fclose(file);
    return found;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void load_modes(struct handle *device) {
    char line[200], fourcc[5];
    FILE *file = open_file(device, "modes", "r");
    while (file && device->mode_count < MAX_MODES && fgets(line, sizeof line, file)) {
        struct mode mode = {0};
        if (sscanf(line, "%4c %d %d %d %d", fourcc, &mode.width, &mode.height, &mode.fps, &mode.bytesperline) < 4) continue;
        mode.fourcc = v4l2_fourcc(fourcc[0], fourcc[1], fourcc[2], fourcc[3]);
        device->modes[device->mode_count++] = mode;
    }
    if (file) fclose(file);
}

/* Reads the menus for each descriptor, and the controls into the shared state when that is new. */
static void load_controls(struct handle *device, int fresh) {
    char line[300];
    FILE *file = open_file(device, "controls", "r");
    while (file && fgets(line, sizeof line, file)) {
        struct control control = {0};
        struct menu menu = {0};
        struct locked locked = {0};
        char error[32];
        line[strcspn(line, "\n")] = 0;
        if (sscanf(line, "control %i %i %i %d %d %d %d %d %32[^\n]", (int *)&control.id, (int *)&control.type, (int *)&control.flags,
                   &control.minimum, &control.maximum, &control.step, &control.initial, &control.value, control.name) >= 8) {
            if (fresh && device->device->control_count < MAX_CONTROLS) device->device->controls[device->device->control_count++] = control;
        } else if (sscanf(line, "menu %i %i %32[^\n]", (int *)&menu.id, (int *)&menu.index, menu.entry) >= 2) {
            if (device->menu_count < MAX_MENU) device->menus[device->menu_count++] = menu;
        } else if (sscanf(line, "locked %i %i %d %31s", (int *)&locked.id, (int *)&locked.other, &locked.value, error) == 4) {
            locked.error = error_number(error);
            device->locked[device->locked_count++] = locked;
        }
    }
    if (file) fclose(file);
}

static void load_frames(struct handle *device) {
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

static void load_device(struct handle *device) {
    char path[PATH_MAX + 16];
    struct stat status;
    snprintf(path, sizeof path, "%s/device", device->folder);
    int fd = real_open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    flock(fd, LOCK_EX);
    fstat(fd, &status);
    int fresh = status.st_size == 0;
    if (fresh && ftruncate(fd, sizeof *device->device)) abort();
    device->device = real_mmap(NULL, sizeof *device->device, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fresh) {
        pthread_mutexattr_t shared;
        pthread_mutexattr_init(&shared);
        pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
        pthread_mutexattr_setrobust(&shared, PTHREAD_MUTEX_ROBUST);
        pthread_mutex_init(&device->device->lock, &shared);
        device->device->fps = device->modes[0].fps;
    }
    load_controls(device, fresh);
    flock(fd, LOCK_UN); /* the mapping holds it, even when the descriptor is closed */
    real_close(fd);
}

static void lock(struct handle *device) {
    if (pthread_mutex_lock(&device->device->lock) == EOWNERDEAD) pthread_mutex_consistent(&device->device->lock);
}

static void unlock(struct handle *device) { pthread_mutex_unlock(&device->device->lock); }

/* Returns a descriptor, -1 with errno, or -2 if the path is not a fake webcam. */
static int fake_open(const char *path, int flags) {
    const char *root = getenv("FAKE_V4L2");
    char real_root[PATH_MAX], real_path[PATH_MAX];
    if (!root || !path || !realpath(root, real_root) || !realpath(path, real_path)) return -2;
    size_t length = strlen(real_root);
    if (strncmp(real_path, real_root, length) || strncmp(real_path + length, "/video", 6)) return -2;
    if (strchr(real_path + length + 1, '/') || (flags & O_DIRECTORY)) return -2;
    struct handle *device = calloc(1, sizeof *device);
    strcpy(device->folder, real_path);
    device->process = getpid();
    if (fault(device, "unplugged")) { free(device); errno = ENOENT; return -1; }
    load_modes(device);
    load_frames(device);
    load_device(device);
    int error = injected(device, "OPEN", 0);
    if (error) { errno = error; return -1; }
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | (flags & O_NONBLOCK ? TFD_NONBLOCK : 0));
    if (fd >= 0 && fd < MAX_FDS) handles[fd] = device;
    return fd;
}

#define WITH_MODE find_real(); mode_t mode = 0; if (flags & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); }
int open(const char *path, int flags, ...) { WITH_MODE; int fd = fake_open(path, flags); return fd == -2 ? real_open(path, flags, mode) : fd; }
int open64(const char *path, int flags, ...) { WITH_MODE; int fd = fake_open(path, flags); return fd == -2 ? real_open(path, flags | O_LARGEFILE, mode) : fd; }
int openat(int at, const char *path, int flags, ...) { WITH_MODE; int fd = fake_open(path, flags); return fd == -2 ? real_openat(at, path, flags, mode) : fd; }
int openat64(int at, const char *path, int flags, ...) { WITH_MODE; int fd = fake_open(path, flags); return fd == -2 ? real_openat(at, path, flags | O_LARGEFILE, mode) : fd; }

static struct handle *handle_of(int fd) { return fd >= 0 && fd < MAX_FDS ? handles[fd] : NULL; }

static int owns(int fd, const struct handle *device) { return device->device->owner == getpid() && device->device->owner_fd == fd; }

/* Whether another descriptor has buffers; one whose process was killed has none any more. */
static int is_busy(int fd, const struct handle *device) {
    pid_t owner = device->device->owner;
    return owner && !owns(fd, device) && !(kill(owner, 0) && errno == ESRCH);
}

static void release(int fd, struct handle *device) {
    device->buffers = device->queued = device->filled_count = 0;
    if (owns(fd, device)) device->device->owner = device->device->streaming = 0;
}

int close(int fd) {
    find_real();
    struct handle *device = handle_of(fd);
    /* A child that is about to exec closes its copies, and may share the memory of its parent (vfork). */
    if (device && device->process == getpid()) {
        handles[fd] = NULL;
        lock(device);
        release(fd, device);
        unlock(device);
        munmap(device->device, sizeof *device->device);
        for (int i = 0; i < device->frame_count; i++) free(device->frames[i]);
        free(device);
    }
    return real_close(fd);
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
    find_real();
    struct handle *device = handle_of(fd);
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

static int enumerate_format(const struct handle *device, struct v4l2_fmtdesc *format) {
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

static int enumerate_size(const struct handle *device, struct v4l2_frmsizeenum *size) {
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

static int enumerate_interval(const struct handle *device, struct v4l2_frmivalenum *interval) {
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

static void fill_format(const struct handle *device, struct v4l2_pix_format *pixels) {
    const struct mode *mode = &device->modes[device->device->mode];
    int is_packed = mode->fourcc == V4L2_PIX_FMT_YUYV || mode->fourcc == V4L2_PIX_FMT_UYVY;
    int is_jpeg = mode->fourcc == V4L2_PIX_FMT_MJPEG || mode->fourcc == V4L2_PIX_FMT_JPEG;
    pixels->width = mode->width;
    pixels->height = mode->height;
    pixels->pixelformat = mode->fourcc;
    pixels->field = V4L2_FIELD_NONE;
    pixels->bytesperline = mode->bytesperline ? mode->bytesperline : is_jpeg ? 0 : mode->width * (is_packed ? 2 : 1);
    pixels->sizeimage = BUFFER_BYTES;
    pixels->quantization = V4L2_QUANTIZATION_DEFAULT;
}

static int set_format(int fd, struct handle *device, struct v4l2_format *format) {
    if (fault(device, "busy") || device->buffers || is_busy(fd, device)) return fail(EBUSY);
    for (int i = 0; i < device->mode_count; i++) {
        const struct mode *mode = &device->modes[i];
        if (mode->fourcc == format->fmt.pix.pixelformat && mode->width == (int)format->fmt.pix.width && mode->height == (int)format->fmt.pix.height)
            device->device->mode = i;
    }
    device->device->fps = device->modes[device->device->mode].fps;
    fill_format(device, &format->fmt.pix);
    return 0;
}

static int parameters(struct handle *device, struct v4l2_streamparm *parameters, int set) {
    struct v4l2_fract *interval = &parameters->parm.capture.timeperframe;
    if (set && device->device->streaming) return fail(EBUSY);
    if (set && interval->numerator) {
        int requested = interval->denominator / interval->numerator, maximum = device->modes[device->device->mode].fps;
        device->device->fps = requested < 1 ? 1 : requested > maximum ? maximum : requested;
    }
    parameters->parm.capture.capability = V4L2_CAP_TIMEPERFRAME;
    interval->numerator = 1;
    interval->denominator = device->device->fps;
    return 0;
}

static void start_timer(int fd, struct handle *device, int fps) {
    struct itimerspec period = {{0, 0}, {0, 0}};
    if (fps) {
        device->period = 1000000000LL / fps;
        period.it_interval.tv_sec = period.it_value.tv_sec = device->period / 1000000000LL;
        period.it_interval.tv_nsec = period.it_value.tv_nsec = device->period % 1000000000LL;
    }
    device->ready = now_ns();
    timerfd_settime(fd, 0, &period, NULL);
}

/* Formats into a separate buffer, because snprintf appends a 0 byte. */
static void write_stamp(char *digits, int64_t time) {
    char text[STAMP_DIGITS + 1];
    snprintf(text, sizeof text, "%0*lld", STAMP_DIGITS, (long long)time);
    memcpy(digits, text, STAMP_DIGITS);
}

/* Fills the buffers that were queued when frames were due. */
static void fill_buffers(struct handle *device) {
    if (!device->device->streaming || !device->period) return;
    for (int64_t now = now_ns(); device->ready + device->period <= now;) {
        device->ready += device->period;
        int frame = device->device->next_frame;
        unsigned sequence = device->device->sequence++;
        if (!device->queued || !device->frame_count || fault(device, "silent")) continue;
        int buffer = device->queue[0];
        memmove(device->queue, device->queue + 1, --device->queued * sizeof *device->queue);
        device->device->next_frame = (frame + 1) % device->frame_count;
        if (device->stamps[frame]) write_stamp(device->stamps[frame], device->ready);
        memcpy(device->memory[buffer], device->frames[frame], device->lengths[frame]);
        struct filled filled = {buffer, device->lengths[frame], sequence, device->ready - EXPOSURE_AGE_NS};
        device->filled[device->filled_count++] = filled;
    }
}

static void stamp(struct handle *device, struct v4l2_buffer *buffer, int64_t exposed) {
    char text[32] = "";
    FILE *file = open_file(device, "stamp", "r");
    int is_changed = file && fgets(text, sizeof text, file);
    if (file) fclose(file);
    if (is_changed && !strncmp(text, "constant", 8)) exposed = device->device->first_stamp;
    else if (is_changed) exposed += atoll(text) * 1000000000LL;
    buffer->timestamp.tv_sec = exposed / 1000000000;
    buffer->timestamp.tv_usec = exposed % 1000000000 / 1000;
}

static int dequeue(int fd, struct handle *device, struct v4l2_buffer *buffer) {
    uint64_t fired;
    if (!device->device->streaming || !owns(fd, device)) return fail(EINVAL);
    fill_buffers(device);
    if (!device->filled_count) {
        if (read(fd, &fired, sizeof fired) < 0 && errno != EAGAIN) return -1;
        return fail(EAGAIN);
    }
    struct filled filled = device->filled[0];
    memmove(device->filled, device->filled + 1, --device->filled_count * sizeof *device->filled);
    /* The descriptor stays readable while there is another one. */
    if (!device->filled_count && read(fd, &fired, sizeof fired) < 0 && errno != EAGAIN) return -1;
    buffer->index = filled.buffer;
    buffer->bytesused = filled.bytes;
    buffer->length = BUFFER_BYTES;
    buffer->sequence = filled.sequence;
    buffer->flags = V4L2_BUF_FLAG_MAPPED | V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
    stamp(device, buffer, filled.exposed);
    return 0;
}

static struct control *find_control(struct handle *device, uint32_t id, int next) {
    struct control *found = NULL;
    for (int i = 0; i < device->device->control_count; i++) {
        struct control *each = &device->device->controls[i];
        if (!next && each->id == id) return each;
        if (next && each->id > id && (!found || each->id < found->id)) found = each;
    }
    return found;
}

static int query_control(struct handle *device, struct v4l2_query_ext_ctrl *query) {
    const uint32_t flags = V4L2_CTRL_FLAG_NEXT_CTRL | V4L2_CTRL_FLAG_NEXT_COMPOUND;
    const struct control *control = find_control(device, query->id & ~flags, (query->id & flags) != 0);
    if (!control) return fail(EINVAL);
    int error = injected(device, "QUERY_EXT_CTRL", control->id);
    if (error) return fail(error);
    memset(query, 0, sizeof *query);
    query->id = control->id;
    query->type = control->type;
    query->flags = control->flags;
    strcpy(query->name, control->name);
    query->minimum = control->minimum;
    query->maximum = control->maximum;
    query->step = control->step;
    query->default_value = control->initial;
    query->elem_size = 4;
    query->elems = 1;
    return 0;
}

static int query_menu(struct handle *device, struct v4l2_querymenu *menu) {
    for (int i = 0; i < device->menu_count; i++) {
        const struct menu *each = &device->menus[i];
        if (each->id != menu->id || each->index != menu->index) continue;
        const struct control *control = find_control(device, menu->id, 0);
        if (control && control->type == V4L2_CTRL_TYPE_INTEGER_MENU) menu->value = atoll(each->entry);
        else strcpy((char *)menu->name, each->entry);
        return 0;
    }
    return fail(EINVAL);
}

static void note_call(struct handle *device, const char *call, uint32_t id) {
    FILE *file = open_file(device, "calls", "a");
    if (file) { fprintf(file, "%s 0x%08x\n", call, id); fclose(file); }
}

static int get_control(struct handle *device, struct v4l2_control *request) {
    const struct control *control = find_control(device, request->id, 0);
    if (!control) return fail(EINVAL);
    if (control->flags & V4L2_CTRL_FLAG_WRITE_ONLY) return fail(EACCES);
    request->value = control->value;
    return 0;
}

static int set_control(struct handle *device, const struct v4l2_control *request) {
    struct control *control = find_control(device, request->id, 0);
    if (!control) return fail(EINVAL);
    if (control->flags & V4L2_CTRL_FLAG_READ_ONLY) return fail(EACCES);
    for (int i = 0; i < device->locked_count; i++) {
        const struct control *other = find_control(device, device->locked[i].other, 0);
        if (device->locked[i].id == control->id && other && other->value == device->locked[i].value) return fail(device->locked[i].error);
    }
    if (request->value < control->minimum || request->value > control->maximum) return fail(ERANGE);
    control->value = request->value;
    FILE *file = open_file(device, "set", "a");
    if (file) { fprintf(file, "%s %d\n", control->name, request->value); fclose(file); }
    return 0;
}

static int query_capabilities(struct handle *device, struct v4l2_capability *capability) {
    memset(capability, 0, sizeof *capability);
    strcpy((char *)capability->driver, "uvcvideo");
    strcpy((char *)capability->card, "Fake Webcam");
    strcpy((char *)capability->bus_info, "usb-0000:01:00.0-1");
    FILE *file = open_file(device, "bus", "r");
    if (file && fgets((char *)capability->bus_info, sizeof capability->bus_info, file)) {}
    if (file) fclose(file);
    capability->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
    capability->capabilities = capability->device_caps | V4L2_CAP_DEVICE_CAPS;
    return 0;
}

static int request_buffers(int fd, struct handle *device, struct v4l2_requestbuffers *request) {
    if (is_busy(fd, device)) return fail(EBUSY);
    release(fd, device);
    device->buffers = request->count < MAX_BUFFERS ? request->count : MAX_BUFFERS;
    request->count = device->buffers;
    if (device->buffers) { device->device->owner = getpid(); device->device->owner_fd = fd; }
    return 0;
}

static int handle_ioctl(int fd, struct handle *device, unsigned long request, void *argument) {
    switch (request) {
    case VIDIOC_QUERYCAP: return query_capabilities(device, argument);
    case VIDIOC_S_INPUT: return *(int *)argument ? fail(EINVAL) : 0;
    case VIDIOC_ENUM_FMT: return enumerate_format(device, argument);
    case VIDIOC_ENUM_FRAMESIZES: return enumerate_size(device, argument);
    case VIDIOC_ENUM_FRAMEINTERVALS: return enumerate_interval(device, argument);
    case VIDIOC_S_FMT: return set_format(fd, device, argument);
    case VIDIOC_G_FMT: fill_format(device, &((struct v4l2_format *)argument)->fmt.pix); return 0;
    case VIDIOC_S_PARM: return parameters(device, argument, 1);
    case VIDIOC_G_PARM: return parameters(device, argument, 0);
    case VIDIOC_REQBUFS: return request_buffers(fd, device, argument);
    case VIDIOC_QUERYBUF: {
        struct v4l2_buffer *buffer = argument;
        buffer->length = BUFFER_BYTES;
        buffer->m.offset = buffer->index * BUFFER_BYTES;
        return 0;
    }
    case VIDIOC_QBUF: {
        fill_buffers(device);
        if (device->queued < MAX_BUFFERS) device->queue[device->queued++] = ((struct v4l2_buffer *)argument)->index;
        return 0;
    }
    case VIDIOC_DQBUF: return dequeue(fd, device, argument);
    case VIDIOC_STREAMON:
        if (!owns(fd, device)) return fail(is_busy(fd, device) ? EBUSY : EINVAL);
        start_timer(fd, device, device->device->fps);
        if (!device->device->first_stamp) device->device->first_stamp = device->ready;
        device->device->streaming = 1;
        return 0;
    case VIDIOC_STREAMOFF:
        if (owns(fd, device)) device->device->streaming = 0;
        device->queued = device->filled_count = 0;
        start_timer(fd, device, 0);
        return 0;
    case VIDIOC_QUERY_EXT_CTRL: return query_control(device, argument);
    case VIDIOC_QUERYMENU: return query_menu(device, argument);
    case VIDIOC_S_CTRL: return set_control(device, argument);
    case VIDIOC_G_CTRL: return get_control(device, argument);
    default: return fail(ENOTTY);
    }
}

static const char *name_of(unsigned long request) {
    static const struct { unsigned long request; const char *name; } names[] = {
        {VIDIOC_QUERYCAP, "QUERYCAP"}, {VIDIOC_ENUM_FMT, "ENUM_FMT"}, {VIDIOC_S_FMT, "S_FMT"}, {VIDIOC_G_FMT, "G_FMT"},
        {VIDIOC_REQBUFS, "REQBUFS"}, {VIDIOC_QUERYBUF, "QUERYBUF"}, {VIDIOC_QBUF, "QBUF"}, {VIDIOC_DQBUF, "DQBUF"},
        {VIDIOC_STREAMON, "STREAMON"}, {VIDIOC_STREAMOFF, "STREAMOFF"}, {VIDIOC_QUERYMENU, "QUERYMENU"},
        {VIDIOC_G_CTRL, "G_CTRL"}, {VIDIOC_S_CTRL, "S_CTRL"}, {VIDIOC_S_PARM, "S_PARM"}, {VIDIOC_G_PARM, "G_PARM"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) if (names[i].request == request) return names[i].name;
    return "";
}

int ioctl(int fd, unsigned long request, ...) {
    find_real();
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    struct handle *device = handle_of(fd);
    request &= 0xffffffffUL;
    if (!device || ((request >> 8) & 0xff) != 'V') return real_ioctl(fd, request, argument);
    if (request == VIDIOC_DQBUF) wait_while(device, "stuck");
    if (request == VIDIOC_STREAMOFF) wait_while(device, "stop_stuck");
    int is_control = request == VIDIOC_G_CTRL || request == VIDIOC_S_CTRL || request == VIDIOC_QUERYMENU;
    uint32_t id = is_control ? *(uint32_t *)argument : 0;
    int error = injected(device, name_of(request), id);
    if (error) return fail(error);
    lock(device);
    if (request == VIDIOC_G_CTRL || request == VIDIOC_S_CTRL) note_call(device, name_of(request), id);
    /* A device that was unplugged is gone for its descriptors, even when it is plugged in again. */
    if (fault(device, "unplugged")) { device->gone = 1; release(fd, device); }
    int result = device->gone ? fail(ENODEV) : handle_ioctl(fd, device, request, argument);
    int saved = errno;
    unlock(device);
    errno = saved;
    return result;
}
