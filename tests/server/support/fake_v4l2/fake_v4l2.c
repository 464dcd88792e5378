/* A V4L2 capture device without hardware: preload this library and open a folder like /dev/videoN.
 *
 * FAKE_V4L2 names a folder. Each folder video* in it is a webcam that responds to V4L2's ioctls. Like a real one it is
 * one device for all descriptors of all processes: one format, one set of controls, and one descriptor that streams.
 *   modes      one line per video mode: FOURCC WIDTH HEIGHT FPS [BYTESPERLINE]; instead of FPS also an interval such as
 *              1001/30000, which is told as it is, 0/0 too
 *   frames/    the frames, played in a loop in the order of their names; each file is the content of one buffer. If it
 *              contains FAKE_V4L2_READY= and 19 digits, for example in a JPEG comment, the digits are replaced by the
 *              time at which the frame was ready, in nanoseconds of CLOCK_MONOTONIC. A frame whose name ends with @WIDTH
 *              is only given in the modes of that width, which give no others
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
 *   forgetful  VIDIOC_S_FMT sets all controls to their defaults
 *   stamp      added to each buffer's time stamp, in seconds; or "constant"
 *   clock      of the stamps: "realtime" (called monotonic), "zero", "unknown" or "copy"
 *   buffer     FLAGS [BYTESUSED]: flags (hexadecimal) of each buffer, and how many bytes it is said to contain
 *   capabilities "mplane", "output" or "readwrite" instead of a camera that streams
 *   errors     lines "IOCTL ARGUMENT WHAT [SKIP [COUNT]]": calls of IOCTL (with that control id, or * for any) fail with
 *              the errno WHAT, or are delayed if WHAT is like 100ms; the first SKIP calls are good, COUNT are not
 *
 * The descriptor is a timer that fires once per frame, so select and epoll work as on a real device. A frame goes into
 * the buffer that is queued when it is due, and is lost if there is none.
 */
#include "../fake_driver/c_library.h"
#include "../fake_driver/faults.h"
#include "device.h"
#include "folder.c"
#include "stream.c"
#include "controls.c"

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

static void free_handle(struct handle *device) {
    if (device->device) munmap(device->device, sizeof *device->device);
    for (int i = 0; i < device->frame_count; i++) free(device->frames[i]);
    free(device);
}

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
    if (fault(device->folder, "unplugged")) { free_handle(device); return fail(ENOENT); }
    load_modes(device);
    load_frames(device);
    load_device(device);
    int error = injected(device->folder, &device->device->errors, "OPEN", "", 0);
    if (error) { free_handle(device); return fail(error); }
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | (flags & O_NONBLOCK ? TFD_NONBLOCK : 0));
    if (fd >= MAX_FDS) { real_close(fd); fd = fail(EMFILE); }
    if (fd >= 0) handles[fd] = device;
    else free_handle(device);
    return fd;
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
        free_handle(device);
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

static int is_fake(int fd) { return handle_of(fd) != NULL; }

static int fake_ioctl(int fd, unsigned long request, void *argument) {
    struct handle *device = handle_of(fd);
    if (request == VIDIOC_DQBUF) wait_while(device->folder, "stuck");
    if (request == VIDIOC_STREAMOFF) wait_while(device->folder, "stop_stuck");
    int is_control = request == VIDIOC_G_CTRL || request == VIDIOC_S_CTRL || request == VIDIOC_QUERYMENU;
    uint32_t id = is_control ? *(uint32_t *)argument : 0;
    int error = injected(device->folder, &device->device->errors, name_of(request), "", id);
    if (error) return fail(error);
    lock(device);
    if (request == VIDIOC_G_CTRL || request == VIDIOC_S_CTRL) note_call(device, name_of(request), id);
    /* A device that was unplugged is gone for its descriptors, even when it is plugged in again. */
    if (fault(device->folder, "unplugged")) { device->gone = 1; release(fd, device); }
    int result = device->gone ? fail(ENODEV) : handle_ioctl(fd, device, request, argument);
    int saved = errno;
    unlock(device);
    errno = saved;
    return result;
}
