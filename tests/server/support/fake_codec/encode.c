/* The encoder proper: libturbojpeg, whose quality follows the bit rate. */
static void *(*tj_init)(void);
static int (*tj_compress)(void *, const unsigned char **, int, const int *, int, int, unsigned char **, unsigned long *, int, int);
static void (*tj_free)(unsigned char *);
static int (*tj_destroy)(void *);

/* Other libjpegs of the process keep their symbols: RTLD_LOCAL. */
static void find_jpeg(void) {
    const char *path = getenv("FAKE_CODEC_TURBOJPEG");
    void *library = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    if (!library) { fprintf(stderr, "fake_codec: FAKE_CODEC_TURBOJPEG: %s\n", path ? dlerror() : "not set"); abort(); }
    tj_init = dlsym(library, "tjInitCompress");
    tj_compress = dlsym(library, "tjCompressFromYUVPlanes");
    tj_free = dlsym(library, "tjFree");
    tj_destroy = dlsym(library, "tjDestroy");
}

static struct buffer *oldest(struct queue *queue, enum where where) {
    struct buffer *found = NULL;
    for (int i = 0; i < queue->count; i++)
        if (queue->buffers[i].where == where && (!found || queue->buffers[i].order < found->order)) found = &queue->buffers[i];
    return found;
}

/* Rate control as simple as it gets: a picture above its share of the bit rate makes the next one coarser. The scale of
 * libjpeg's tables is 5000 / quality below 50, and 200 - 2 * quality above. */
static void adapt(struct codec *codec, size_t bytes) {
    double share = codec->bitrate / codec->fps / 8, ratio = bytes / share;
    double scale = codec->quality < 50 ? 5000 / codec->quality : 200 - 2 * codec->quality;
    ratio = ratio < 0.5 ? 0.5 : ratio > 2 ? 2 : ratio;
    scale = scale * ratio < 2 ? 2 : scale * ratio > 5000 ? 5000 : scale * ratio;
    codec->quality = scale > 100 ? 5000 / scale : 100 - scale / 2;
}

static size_t encode(struct codec *codec, void *encoder, const unsigned char *picture, unsigned char **jpeg) {
    const struct queue *output = &codec->output;
    const unsigned char *planes[3] = {picture, picture + output->bytesperline * output->height, NULL};
    planes[2] = planes[1] + output->bytesperline / 2 * output->height / 2;
    int strides[3] = {output->bytesperline, output->bytesperline / 2, output->bytesperline / 2};
    unsigned long size = 0;
    int failed = tj_compress(encoder, planes, output->width, strides, output->height, 2 /* 4:2:0 */, jpeg, &size, codec->quality + 0.5, 0);
    return failed ? 0 : size;
}

/* Returns how many bytes go into the buffer at once. What does not fit comes in further buffers, as from the VPU. */
static size_t put(struct codec *codec, struct buffer *buffer, const unsigned char *jpeg, size_t length, struct timeval timestamp) {
    size_t part = length < codec->capture.sizeimage ? length : codec->capture.sizeimage;
    off_t at = (off_t)(buffer - codec->capture.buffers) * ALIGN(codec->capture.sizeimage, 4096);
    if (pwrite(codec->memory, jpeg, part, at) < 0) abort();
    buffer->bytesused = part;
    buffer->timestamp = timestamp;
    buffer->where = DONE;
    buffer->order = codec->capture.order++;
    return part;
}

static void unmap(struct buffer *buffer) {
    if (buffer->picture) munmap(buffer->picture, buffer->length);
    buffer->picture = NULL;
}

/* Encodes one picture into the JPEG buffers, and gives the picture back. Called with the lock, which it releases. */
static void encode_one(struct codec *codec, void *encoder, struct buffer *from) {
    unsigned char *jpeg = NULL;
    from->where = IN_USE;
    struct timeval timestamp = from->timestamp;
    pthread_mutex_unlock(&codec->lock);
    size_t size = encode(codec, encoder, from->picture, &jpeg), sent = 0;
    pthread_mutex_lock(&codec->lock);
    adapt(codec, size);
    if (fault_at(codec, "truncated")) size -= size / 3;
    if (fault_at(codec, "garbage")) memset(jpeg, 0, size);
    struct buffer *to;
    while (sent < size && codec->capture.streaming && (to = oldest(&codec->capture, QUEUED)))
        sent += put(codec, to, jpeg + sent, size - sent, timestamp);
    tj_free(jpeg);
    unmap(from);
    from->where = DONE;
    from->order = codec->output.order++;
    codec->pictures++;
    announce(codec);
}

static void *run(void *argument) {
    struct codec *codec = argument;
    void *encoder = tj_init();
    pthread_mutex_lock(&codec->lock);
    while (!codec->closing) {
        struct buffer *from = codec->output.streaming && codec->capture.streaming ? oldest(&codec->output, QUEUED) : NULL;
        if (!from || !oldest(&codec->capture, QUEUED)) { pthread_cond_wait(&codec->changed, &codec->lock); continue; }
        if (fault_at(codec, "stalled")) {
            struct timespec soon;
            clock_gettime(CLOCK_REALTIME, &soon);
            soon.tv_nsec += 20000000;
            if (soon.tv_nsec >= 1000000000) { soon.tv_sec++; soon.tv_nsec -= 1000000000; }
            pthread_cond_timedwait(&codec->changed, &codec->lock, &soon);
            continue;
        }
        encode_one(codec, encoder, from);
    }
    pthread_mutex_unlock(&codec->lock);
    tj_destroy(encoder);
    return NULL;
}
