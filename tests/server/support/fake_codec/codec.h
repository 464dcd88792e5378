/* One open encoder. */
#define MAX_BUFFERS 32
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

/* Wakes those who wait for a state, in ioctl and in poll. */
static void announce(struct codec *codec) {
    uint64_t one = 1;
    pthread_cond_broadcast(&codec->changed);
    if (write(codec->fd, &one, sizeof one) < 0) return;
}

/* Returns whether a fault is active that lasts from one picture of a descriptor to another: "FIRST [LAST]". */
static int fault_at(const struct codec *codec, const char *name) {
    unsigned first = 0, last = UINT_MAX;
    FILE *file = open_file(codec->folder, name, "r");
    if (!file) return 0;
    int ignored = fscanf(file, "%u %u", &first, &last);
    (void)ignored;
    fclose(file);
    return codec->pictures >= first && codec->pictures <= last;
}

static void note(const struct codec *codec, const char *format, ...) {
    FILE *file = open_file(codec->folder, "log", "a");
    if (!file) return;
    va_list rest;
    va_start(rest, format);
    vfprintf(file, format, rest);
    va_end(rest);
    fputc('\n', file);
    fclose(file);
}
