/* One fake device, and its descriptors. */
#define MAX_MODES 16
#define MAX_FRAMES 64
#define MAX_BUFFERS 8
#define MAX_CONTROLS 80
#define MAX_MENU 128
#define BUFFER_BYTES (4u << 20)
#define STAMP "FAKE_V4L2_READY="
#define STAMP_DIGITS 19
#define EXPOSURE_AGE_NS 40000000LL /* a webcam reads out and compresses a frame before it delivers it */

struct mode { uint32_t fourcc; int width, height, fps, bytesperline; unsigned numerator, denominator; };
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
    int control_count;
    struct counts errors;
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
    int widths[MAX_FRAMES]; /* the width of the mode that has this frame, or 0 */
    char *stamps[MAX_FRAMES]; /* the position of the digits, or NULL */
    int buffers, queue[MAX_BUFFERS], queued, filled_count;
    struct filled filled[MAX_BUFFERS];
    int64_t ready, period; /* nanoseconds: when a frame was last due, and the time between two */
    void *memory[MAX_BUFFERS];
};

static struct handle *handles[MAX_FDS];
