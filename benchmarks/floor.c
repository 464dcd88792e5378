/* The least that a server can do for the same work: it sends a JPEG to every reader, FPS times a second, with one
 * send() each. A reader that has not taken all of a frame gets the rest, and misses the frames in between.
 *
 *     floor PORT FPS FILE...
 *
 * In each frame, the 19 digits behind "FAKE_V4L2_READY=" become the time at which it is sent, in nanoseconds of
 * CLOCK_MONOTONIC. What a client requests is not read.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define MAX_READERS 1024
#define DIGITS 19

static const char READY[] = "FAKE_V4L2_READY=";
static const char HEAD[] = "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n--frame\r\n";

struct part { char *bytes; size_t length; char *digits; };
struct reader { int fd; const char *rest; size_t length; };

static struct part load(const char *name) {
    FILE *file = fopen(name, "rb");
    if (!file || fseek(file, 0, SEEK_END)) { perror(name); exit(1); }
    long size = ftell(file);
    rewind(file);
    struct part part = {.bytes = malloc(size + 200)};
    int head = sprintf(part.bytes, "Content-Type: image/jpeg\r\nContent-Length: %ld\r\n\r\n", size);
    if (fread(part.bytes + head, 1, size, file) != (size_t)size) { perror(name); exit(1); }
    fclose(file);
    memcpy(part.bytes + head + size, "\r\n--frame\r\n", 11);
    part.length = head + size + 11;
    char *found = memmem(part.bytes, part.length, READY, sizeof READY - 1);
    part.digits = found ? found + sizeof READY - 1 : NULL;
    return part;
}

/* Send as much as the kernel takes. Return 0 if the reader has left. */
static int send_rest(struct reader *reader) {
    ssize_t sent = send(reader->fd, reader->rest, reader->length, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) return errno == EAGAIN;
    reader->rest += sent;
    reader->length -= sent;
    return 1;
}

int main(int count, char **words) {
    if (count < 4) return 2;
    int frames = count - 3, listener = socket(AF_INET, SOCK_STREAM, 0), yes = 1, readers = 0, frame = 0;
    struct part *parts = calloc(frames, sizeof *parts);
    for (int number = 0; number < frames; number++) parts[number] = load(words[3 + number]);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(words[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (void *)&address, sizeof address) || listen(listener, MAX_READERS)) return 1;
    static struct reader all[MAX_READERS];
    long interval = 1000000000L / atoi(words[2]);
    int timer = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec times = {{interval / 1000000000L, interval % 1000000000L}, {0, 1}};
    timerfd_settime(timer, 0, &times, NULL);
    struct pollfd waiting[] = {{.fd = listener, .events = POLLIN}, {.fd = timer, .events = POLLIN}};
    while (poll(waiting, 2, -1) > 0) {
        if (waiting[0].revents && readers < MAX_READERS) {
            int fd = accept(listener, NULL, NULL);
            if (fd >= 0 && send(fd, HEAD, sizeof HEAD - 1, MSG_NOSIGNAL) > 0) all[readers++] = (struct reader){.fd = fd};
        }
        uint64_t ticks;
        if (!waiting[1].revents || read(timer, &ticks, sizeof ticks) < 0) continue;
        struct part *part = &parts[frame++ % frames];
        if (part->digits) {
            struct timespec now;
            char digits[DIGITS + 1];
            clock_gettime(CLOCK_MONOTONIC, &now);
            snprintf(digits, sizeof digits, "%0*llu", DIGITS, now.tv_sec * 1000000000ULL + now.tv_nsec);
            memcpy(part->digits, digits, DIGITS);
        }
        for (int number = 0; number < readers; number++) {
            struct reader *reader = &all[number];
            if (!reader->length) { reader->rest = part->bytes; reader->length = part->length; }
            if (!send_rest(reader)) { close(reader->fd); all[number--] = all[--readers]; }
        }
    }
    return 1;
}
