/* Formats, controls and buffers, as bcm2835-codec and v4l2-mem2mem have them. All are called with the lock. */
static struct queue *queue_of(struct codec *codec, uint32_t type) {
    if (type == V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE) return &codec->output;
    return type == V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE ? &codec->capture : NULL;
}

static int query_capabilities(struct v4l2_capability *capability) {
    memset(capability, 0, sizeof *capability);
    strcpy((char *)capability->driver, "bcm2835-codec");
    strcpy((char *)capability->card, "bcm2835-codec-encode");
    strcpy((char *)capability->bus_info, "platform:bcm2835-codec");
    capability->device_caps = V4L2_CAP_VIDEO_M2M_MPLANE | V4L2_CAP_STREAMING;
    capability->capabilities = capability->device_caps | V4L2_CAP_DEVICE_CAPS;
    return 0;
}

static int set_control(struct codec *codec, struct v4l2_control *control) {
    if (control->id != V4L2_CID_MPEG_VIDEO_BITRATE) return fail(EINVAL);
    int value = control->value < MIN_BITRATE ? MIN_BITRATE : control->value > MAX_BITRATE ? MAX_BITRATE : control->value;
    codec->bitrate = control->value = (value + BITRATE_STEP / 2) / BITRATE_STEP * BITRATE_STEP;
    note(codec, "bitrate %d", codec->bitrate);
    return 0;
}

static int set_rate(struct codec *codec, struct v4l2_streamparm *parameters) {
    struct v4l2_fract *time = &parameters->parm.output.timeperframe;
    if (parameters->type != V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE || !time->numerator || !time->denominator) return fail(EINVAL);
    codec->fps = (double)time->denominator / time->numerator;
    note(codec, "rate %.1f", codec->fps);
    return 0;
}

/* Sizes and strides are corrected; pictures are YUV420 and JPEGs MJPG, whatever was asked. */
static int set_format(struct codec *codec, struct v4l2_format *format) {
    struct queue *queue = queue_of(codec, format->type);
    struct v4l2_pix_format_mplane *pix = &format->fmt.pix_mp;
    if (!queue) return fail(EINVAL);
    if (queue->count) return fail(EBUSY);
    queue->width = pix->width = pix->width > MAX_SIDE ? MAX_SIDE : pix->width;
    queue->height = pix->height = pix->height > MAX_SIDE ? MAX_SIDE : pix->height;
    if (queue == &codec->output) {
        unsigned stride = pix->plane_fmt[0].bytesperline;
        queue->bytesperline = ALIGN(stride < pix->width ? pix->width : stride, 64);
        queue->sizeimage = queue->bytesperline * pix->height * 3 / 2;
        pix->pixelformat = V4L2_PIX_FMT_YUV420;
    } else {
        unsigned least = pix->width * pix->height > 1280 * 720 ? 768u << 10 : 512u << 10;
        queue->bytesperline = 0;
        queue->sizeimage = pix->plane_fmt[0].sizeimage < least ? least : pix->plane_fmt[0].sizeimage;
        pix->pixelformat = V4L2_PIX_FMT_MJPEG;
    }
    pix->num_planes = 1;
    pix->plane_fmt[0].bytesperline = queue->bytesperline;
    pix->plane_fmt[0].sizeimage = queue->sizeimage;
    note(codec, "format %s %ux%u %u", queue == &codec->output ? "output" : "capture", queue->width, queue->height, queue->bytesperline);
    return 0;
}

static int request_buffers(struct codec *codec, struct v4l2_requestbuffers *request) {
    struct queue *queue = queue_of(codec, request->type);
    if (!queue || request->memory != (queue == &codec->output ? V4L2_MEMORY_DMABUF : V4L2_MEMORY_MMAP)) return fail(EINVAL);
    if (queue->streaming) return fail(EBUSY);
    for (int i = 0; i < queue->count; i++) unmap(&queue->buffers[i]);
    memset(queue->buffers, 0, sizeof queue->buffers);
    queue->count = request->count = request->count > MAX_BUFFERS ? MAX_BUFFERS : request->count;
    if (queue == &codec->capture) {
        /* What is mapped of the old buffers stays with those who have mapped it. */
        if (codec->memory >= 0) real_close(codec->memory);
        codec->memory = queue->count ? memfd_create("capture", MFD_CLOEXEC) : -1;
        if (queue->count && ftruncate(codec->memory, (off_t)queue->count * ALIGN(queue->sizeimage, 4096))) return fail(ENOMEM);
    }
    return 0;
}

static struct buffer *buffer_of(struct codec *codec, const struct v4l2_buffer *told) {
    struct queue *queue = queue_of(codec, told->type);
    int is_whole = queue && told->index < (unsigned)queue->count && told->length >= 1 && told->m.planes;
    return is_whole ? &queue->buffers[told->index] : NULL;
}

static int query_buffer(struct codec *codec, struct v4l2_buffer *told) {
    if (!buffer_of(codec, told) || told->type != V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE) return fail(EINVAL);
    told->m.planes[0].length = codec->capture.sizeimage;
    told->m.planes[0].m.mem_offset = CAPTURE_OFFSET + told->index * ALIGN(codec->capture.sizeimage, 4096);
    told->length = 1;
    return 0;
}

static int enqueue(struct codec *codec, struct v4l2_buffer *told) {
    struct queue *queue = queue_of(codec, told->type);
    struct buffer *buffer = buffer_of(codec, told);
    if (!buffer || buffer->where != AT_CALLER) return fail(EINVAL);
    if (queue == &codec->output) {
        if (told->memory != V4L2_MEMORY_DMABUF || told->m.planes[0].length < queue->sizeimage) return fail(EINVAL);
        /* The mapping holds the picture, as the kernel's reference does, even when the caller closes its descriptor. */
        void *picture = real_mmap(NULL, told->m.planes[0].length, PROT_READ, MAP_SHARED, told->m.planes[0].m.fd, 0);
        if (picture == MAP_FAILED) return fail(EINVAL);
        buffer->picture = picture;
        buffer->length = told->m.planes[0].length;
        buffer->timestamp = told->timestamp;
    } else if (told->memory != V4L2_MEMORY_MMAP) return fail(EINVAL);
    buffer->where = QUEUED;
    buffer->order = queue->order++;
    announce(codec);
    return 0;
}

static int dequeue(struct codec *codec, struct v4l2_buffer *told) {
    struct queue *queue = queue_of(codec, told->type);
    struct buffer *buffer;
    if (!queue) return fail(EINVAL);
    while (!(buffer = oldest(queue, DONE))) {
        if (!queue->streaming) return fail(EINVAL);
        pthread_cond_wait(&codec->changed, &codec->lock);
    }
    buffer->where = AT_CALLER;
    told->index = buffer - queue->buffers;
    told->timestamp = buffer->timestamp;
    told->flags = V4L2_BUF_FLAG_TIMESTAMP_COPY | (queue == &codec->capture ? V4L2_BUF_FLAG_KEYFRAME : 0);
    if (told->m.planes) {
        told->m.planes[0].bytesused = buffer->bytesused;
        told->m.planes[0].length = queue->sizeimage;
    }
    return 0;
}

static int stream(struct codec *codec, uint32_t type, int on) {
    struct queue *queue = queue_of(codec, type);
    if (!queue || (on && !queue->count)) return fail(EINVAL);
    queue->streaming = on;
    while (!on && oldest(&codec->output, IN_USE)) pthread_cond_wait(&codec->changed, &codec->lock);
    for (int i = 0; !on && i < queue->count; i++) {
        unmap(&queue->buffers[i]);
        queue->buffers[i].where = AT_CALLER;
    }
    if (!on) note(codec, "off %s", queue == &codec->output ? "output" : "capture");
    announce(codec);
    return 0;
}

static int has(struct queue *queue, int done) {
    for (int i = 0; i < queue->count; i++)
        if (done ? queue->buffers[i].where == DONE : queue->buffers[i].where != AT_CALLER) return 1;
    return 0;
}

/* An error when neither queue streams with a buffer in it, as v4l2_m2m_poll has it. */
static short ready(struct codec *codec, short events) {
    int fed = codec->output.streaming && has(&codec->output, 0), drained = codec->capture.streaming && has(&codec->capture, 0);
    if (!fed && !drained) return POLLERR;
    short now = (has(&codec->output, 1) ? POLLOUT | POLLWRNORM : 0) | (has(&codec->capture, 1) ? POLLIN | POLLRDNORM : 0);
    return now & events;
}
