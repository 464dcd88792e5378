/* Formats, intervals, buffers, and the frames in them. */
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
        interval->discrete.numerator = mode->numerator;
        interval->discrete.denominator = mode->denominator;
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
    if (fault(device->folder, "busy") || device->buffers || is_busy(fd, device)) return fail(EBUSY);
    for (int i = 0; i < device->mode_count; i++) {
        const struct mode *mode = &device->modes[i];
        if (mode->fourcc == format->fmt.pix.pixelformat && mode->width == (int)format->fmt.pix.width && mode->height == (int)format->fmt.pix.height)
            device->device->mode = i;
    }
    device->device->fps = device->modes[device->device->mode].fps;
    for (int i = 0; fault(device->folder, "forgetful") && i < device->device->control_count; i++)
        device->device->controls[i].value = device->device->controls[i].initial;
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
    const struct mode *mode = &device->modes[device->device->mode];
    int is_odd = mode->numerator != 1 || !mode->denominator || mode->denominator > 1000;
    interval->numerator = is_odd ? mode->numerator : 1;
    interval->denominator = is_odd ? mode->denominator : (unsigned)device->device->fps;
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

/* Returns the next frame of the present mode: one of its own, or if it has none, one that has no mode. */
static int next_frame(const struct handle *device) {
    int width = device->modes[device->device->mode].width, has_own = 0, frame = device->device->next_frame;
    for (int i = 0; i < device->frame_count; i++) has_own |= device->widths[i] == width;
    for (int i = 0; i < device->frame_count && device->widths[frame] != (has_own ? width : 0); i++)
        frame = (frame + 1) % device->frame_count;
    return frame;
}

/* Fills the buffers that were queued when frames were due. */
static void fill_buffers(struct handle *device) {
    if (!device->device->streaming || !device->period) return;
    for (int64_t now = now_ns(); device->ready + device->period <= now;) {
        device->ready += device->period;
        unsigned sequence = device->device->sequence++;
        if (!device->queued || !device->frame_count || fault(device->folder, "silent")) continue;
        int frame = next_frame(device);
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
    FILE *file = open_file(device->folder, "stamp", "r");
    int is_changed = file && fgets(text, sizeof text, file);
    if (file) fclose(file);
    if (is_changed && !strncmp(text, "constant", 8)) exposed = device->device->first_stamp;
    else if (is_changed) exposed += atoll(text) * 1000000000LL;
    file = open_file(device->folder, "clock", "r");
    if (file && fgets(text, sizeof text, file)) {
        struct timespec real;
        clock_gettime(CLOCK_REALTIME, &real);
        if (!strncmp(text, "realtime", 8)) exposed += real.tv_sec * 1000000000LL + real.tv_nsec - now_ns();
        else if (!strncmp(text, "zero", 4)) exposed = 0;
        else buffer->flags &= ~(unsigned)V4L2_BUF_FLAG_TIMESTAMP_MASK;
        if (!strncmp(text, "copy", 4)) buffer->flags |= V4L2_BUF_FLAG_TIMESTAMP_COPY;
    }
    if (file) fclose(file);
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
    unsigned flags = 0;
    FILE *file = open_file(device->folder, "buffer", "r");
    if (file && fscanf(file, "%x %u", &flags, &buffer->bytesused) >= 1) buffer->flags |= flags;
    if (file) fclose(file);
    return 0;
}

static int query_capabilities(struct handle *device, struct v4l2_capability *capability) {
    memset(capability, 0, sizeof *capability);
    strcpy((char *)capability->driver, "uvcvideo");
    strcpy((char *)capability->card, "Fake Webcam");
    strcpy((char *)capability->bus_info, "usb-0000:01:00.0-1");
    FILE *file = open_file(device->folder, "bus", "r");
    if (file && fgets((char *)capability->bus_info, sizeof capability->bus_info, file)) {}
    if (file) fclose(file);
    capability->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
    char kind[16] = "";
    file = open_file(device->folder, "capabilities", "r");
    if (file && fgets(kind, sizeof kind, file)) {
        if (!strncmp(kind, "mplane", 6)) capability->device_caps = V4L2_CAP_VIDEO_CAPTURE_MPLANE | V4L2_CAP_STREAMING;
        else if (!strncmp(kind, "output", 6)) capability->device_caps = V4L2_CAP_VIDEO_OUTPUT | V4L2_CAP_STREAMING;
        else capability->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_READWRITE;
    }
    if (file) fclose(file);
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
